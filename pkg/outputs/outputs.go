// Package outputs says what a destination is: the Output interface, the batch it is given and the
// error that tells what became of each event. One package per destination lies below it.
package outputs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// Output delivers batches to one destination. Send may be called by as many goroutines as the
// output has workers.
type Output interface {
	// Send returns nil once every event of b is where the destination keeps it for good (a file:
	// fsynced). A *SendError tells what became of the others; any other error counts as ReasonNetwork
	// for all of them. b and all that it points to belong to the caller and are reused after Send
	// returns. Send ends soon after ctx does.
	Send(ctx context.Context, b *Batch) error
	// Close ends what the output holds open. No Send runs or follows.
	Close() error
}

// Batch is the events of one request.
type Batch struct {
	Events []event.Event
	Bytes  int // of msgpack
}

// Reason says why an event was not delivered, and so what follows. It is a metric label.
type Reason string

// The reasons. ReasonRejected and ReasonTooLarge are final: on_reject decides. All others are retried.
const (
	ReasonThrottled Reason = "throttled"
	ReasonServer    Reason = "server"
	ReasonNetwork   Reason = "network"
	ReasonAuth      Reason = "auth" // retried slowly and shown loudly
	ReasonRejected  Reason = "rejected"
	ReasonTooLarge  Reason = "too_large"
)

// Final says whether an event refused for r is never sent again.
func (r Reason) Final() bool { return r == ReasonRejected || r == ReasonTooLarge }

// Failure is what became of one event that was not delivered.
type Failure struct {
	Index  int // in Batch.Events
	Reason Reason
	Status int    // the destination's status code, 0 where it has none
	Detail string // the destination's words; kept with a dead letter
}

// SendError tells what became of a batch that was not accepted whole.
type SendError struct {
	Reason     Reason        // of the whole batch where Failed is nil, else the worst
	RetryAfter time.Duration // the destination's wish; 0: backoff with jitter
	Failed     []Failure     // ascending by Index; nil: every event. Events not named were delivered: never resend them
	Err        error
}

func (e *SendError) Error() string {
	if e.Failed == nil {
		return fmt.Sprintf("%s: %v", e.Reason, e.Err)
	}
	return fmt.Sprintf("%s: %d events not delivered: %v", e.Reason, len(e.Failed), e.Err)
}

func (e *SendError) Unwrap() error { return e.Err }

// AsSendError returns err as a *SendError; an error of another type is one of the network's.
func AsSendError(err error) *SendError {
	var se *SendError
	if errors.As(err, &se) {
		return se
	}
	return &SendError{Reason: ReasonNetwork, Err: err}
}

// Common is the settings that every output has; each destination's Config inlines it.
type Common struct {
	Type         string        `yaml:"type" required:"true" help:"the kind of destination"`
	Workers      int           `yaml:"workers" default:"2" help:"requests in flight at most"`
	Batch        BatchConfig   `yaml:"batch" help:"how much a request holds"`
	Retry        RetryConfig   `yaml:"retry" help:"how failed requests are repeated"`
	MaxQueueSize setting.Size  `yaml:"max_queue_size" default:"0" help:"bytes on disk that may wait for this output; 0: the buffer's limit. Past it: buffer.when_full"`
	RateLimit    setting.Rate  `yaml:"rate_limit" default:"0" help:"bytes per second to the destination; 0: no limit"`
	Timeout      time.Duration `yaml:"timeout" default:"60s" help:"for one request"`
	OnReject     string        `yaml:"on_reject" default:"dead_letter" enum:"dead_letter|drop" help:"what becomes of an event that the destination refuses for good"`
	Fields       event.Fields  `yaml:"fields" help:"names of what is added to an event; \"\" leaves it out"`
}

// BatchConfig bounds a batch. Zeros stand for the destination's own defaults.
type BatchConfig struct {
	MaxBytes  setting.Size  `yaml:"max_bytes" default:"8MiB" help:"bytes of msgpack in a batch"`
	MaxEvents int           `yaml:"max_events" default:"50000" help:"events in a batch"`
	MaxWait   time.Duration `yaml:"max_wait" default:"1s" help:"how long a batch that is not full waits for more"`
}

// RetryConfig is a full-jitter exponential backoff.
type RetryConfig struct {
	Initial     time.Duration `yaml:"initial" default:"500ms" help:"upper bound of the first wait"`
	Max         time.Duration `yaml:"max" default:"60s" help:"upper bound of every wait"`
	MaxAttempts int           `yaml:"max_attempts" default:"0" help:"0: for ever"`
	MaxAge      time.Duration `yaml:"max_age" default:"0s" help:"of an event since it was stored; 0: for ever"`
}
