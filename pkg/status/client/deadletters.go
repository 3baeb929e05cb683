package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"
)

// DeadStore is what the endpoint does with dead letters. DeadLetters does the same over HTTP.
//
// Errors: ErrDeadRequest where what was asked makes no sense, ErrDeadUnknown for a number that no
// letter has, ErrDeadBusy while another retry or purge runs; others say what went wrong. What a retry
// or a purge had done before an error stays done: its result says how much.
type DeadStore interface {
	Summary(ctx context.Context, filter DeadFilter) (DeadSummary, error)
	List(ctx context.Context, filter DeadFilter, page DeadPage) (DeadList, error)
	Get(ctx context.Context, id uint64) (DeadLetter, error)
	// Retry sends the letters again: to the output named to, or where "", to the one that refused each.
	Retry(ctx context.Context, filter DeadFilter, to string, progress func(DeadResult)) (DeadResult, error)
	Purge(ctx context.Context, filter DeadFilter, progress func(DeadResult)) (DeadResult, error)
}

// Kinds of errors.
var (
	ErrDeadRequest = errors.New("can't do that with dead letters")
	ErrDeadUnknown = errors.New("no such dead letter")
	ErrDeadBusy    = errors.New("another retry or purge of dead letters is under way")
)

// NoOutput as a filter's output chooses the letters that were refused before any output.
const NoOutput = "-"

// DeadFilter chooses letters; what is empty chooses all. All says that this is meant.
type DeadFilter struct {
	Output, Cluster, Reason string
	// Tag is a pattern, as in routes.
	Tag string
	// OlderThan and NewerThan are since they were refused; 0: any.
	OlderThan, NewerThan time.Duration
	IDs                  []uint64
	All                  bool
}

// empty reports whether f chooses everything.
func (f *DeadFilter) empty() bool {
	return f.Output+f.Cluster+f.Reason+f.Tag == "" && f.OlderThan == 0 && f.NewerThan == 0 && len(f.IDs) == 0
}

// CheckChange holds that a change names what it is for.
func (f *DeadFilter) CheckChange() error {
	switch {
	case f.empty() && !f.All:
		return fmt.Errorf("%w: choose them with a filter, or all", ErrDeadRequest)
	case !f.empty() && f.All:
		return fmt.Errorf("%w: a filter and all contradict each other", ErrDeadRequest)
	}
	return nil
}

// Query returns f as a URL has it.
func (f *DeadFilter) Query() url.Values {
	q := url.Values{}
	texts := map[string]string{"output": f.Output, "cluster": f.Cluster, "reason": f.Reason, "tag": f.Tag}
	for key, value := range texts {
		if value != "" {
			q.Set(key, value)
		}
	}
	for key, d := range map[string]time.Duration{"older_than": f.OlderThan, "newer_than": f.NewerThan} {
		if d != 0 {
			q.Set(key, d.String())
		}
	}
	for _, id := range f.IDs {
		q.Add("id", strconv.FormatUint(id, 10))
	}
	if f.All {
		q.Set("all", "true")
	}
	return q
}

// DeadPage is a part of a listing.
type DeadPage struct {
	// After is the last number of the part before; 0: this is the first.
	After uint64
	// Limit counts letters at most; a part may be shorter where they are large.
	Limit int
	// Newest: the newest come first.
	Newest bool
	// Records: with Record, Records or Raw.
	Records bool
}

// MaxDeadLimit bounds DeadPage.Limit.
const MaxDeadLimit = 1000

// DeadList is letters, and in Next what DeadPage.After has to be to go on; 0: there are no more.
type DeadList struct {
	Letters []DeadLetter `json:"letters"`
	Next    uint64       `json:"next"`
}

// DeadLetter is one letter: events that were refused together, nearly always one. Where it has been
// asked for, what was refused is in one of Record, Records and Raw.
type DeadLetter struct {
	ID uint64 `json:"id"`
	// Time is when it was refused.
	Time time.Time `json:"time"`
	// Output may be "": refused before any.
	Output  string `json:"output"`
	Cluster string `json:"cluster"`
	Tag     string `json:"tag"`
	// Status is the destination's code.
	Status int    `json:"status,omitempty"`
	Reason string `json:"reason"`
	// Detail is the destination's words.
	Detail   string `json:"detail,omitempty"`
	Attempts int    `json:"attempts"`
	EventID  string `json:"event_id,omitempty"`
	Events   int    `json:"events"`
	// Record is the event's record, as it came.
	Record json.RawMessage `json:"record,omitempty"`
	// Records are where there are several.
	Records []json.RawMessage `json:"records,omitempty"`
	// EventTimes and Metadata are those of Record or Records, in order. There is no Metadata where none has any.
	EventTimes []time.Time       `json:"event_times,omitempty"`
	Metadata   []json.RawMessage `json:"metadata,omitempty"`
	// WouldOffer is what a retry would offer to a destination now, as the configuration in force has it.
	WouldOffer []DeadOffer `json:"would_offer,omitempty"`
	// Raw is what is no readable event, base64.
	Raw []byte `json:"raw,omitempty"`
}

// DeadOffer is what one output would make of an event: Document, or Text where that is no JSON, for Target. Where it
// would get nothing, Reason says why.
type DeadOffer struct {
	Output   string          `json:"output,omitempty"`
	Target   string          `json:"target,omitempty"`
	Document json.RawMessage `json:"document,omitempty"`
	Text     string          `json:"text,omitempty"`
	Reason   string          `json:"reason,omitempty"`
}

// DeadSummary counts letters.
type DeadSummary struct {
	Letters int64     `json:"letters"`
	Events  int64     `json:"events"`
	Oldest  time.Time `json:"oldest,omitzero"`
	Newest  time.Time `json:"newest,omitzero"`
	// Bytes is on disk, of all letters.
	Bytes int64 `json:"bytes"`
	// By is the most events first.
	By []DeadCount `json:"by"`
}

// DeadCount is how many letters, and events in them, an output refused for one reason.
type DeadCount struct {
	// Output may be "": refused before any.
	Output  string `json:"output"`
	Cluster string `json:"cluster"`
	Reason  string `json:"reason"`
	Letters int64  `json:"letters"`
	Events  int64  `json:"events"`
}

// DeadResult is what a retry or a purge has done so far.
type DeadResult struct {
	Letters int64 `json:"letters"`
	Events  int64 `json:"events"`
	// Skipped are letters that stayed, by reason, which says what to do.
	Skipped map[string]int64 `json:"skipped,omitempty"`
	// Why is why no letter was there to be sent again.
	Why string `json:"why,omitempty"`
}

// DeadStep is a line of the reply to a retry or a purge: one after each portion, and a last one that is done or has the
// error.
type DeadStep struct {
	DeadResult
	Done  bool   `json:"done"`
	Error string `json:"error,omitempty"`
}
