// Package outputs says what a destination is: the Output interface, the batch it is given and the
// error that tells what became of each event. One package per destination lies below it.
package outputs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// Output delivers batches to one destination. Send may be called by as many goroutines as the
// output has workers.
type Output interface {
	// Send returns nil once every event of b is where the destination keeps it for good (a file:
	// fsynced). A *SendError tells what became of the others; any other error counts as ReasonNetwork
	// for all of them. b and all that it points to belong to the caller, are reused after Send
	// returns, and are not changed by it, but for what Batch says that Send fills in. Send ends soon after ctx does,
	// with an error unless all was delivered. Its error is shown to everybody, but for what is marked as Words: it
	// holds no secret. ctx has no deadline: each request that Send makes takes Common.Timeout at most, and Send makes
	// each once: what failed is the caller's to repeat.
	Send(ctx context.Context, b *Batch) error
	// Close ends what the output holds open. No Send runs or follows.
	Close() error
}

// Preparer is an Output that sets something up at its destination before the first Send.
type Preparer interface {
	// Prepare returns nil when events can be sent. After an error, which is like Send's, it is called
	// again, for as long as it takes. ctx ends after Common.Timeout. It may run beside Close.
	Prepare(ctx context.Context) error
}

// WholeChunker is an Output that names what it sends by the events in it, so that the other side knows a repetition by
// its name. After a crash a chunk is sent again from its beginning: it must be cut as it was before.
type WholeChunker interface {
	// WholeChunks says that no batch is to hold a part of a chunk, unless a batch can't hold all of it.
	WholeChunks() bool
}

// DiskWriter is an Output that writes to a disk of this machine: no time-out ends a call that the disk does not answer.
type DiskWriter interface {
	// WritesTo returns the path, with its placeholders.
	WritesTo() string
}

// Connector is an Output that can tell whether its destination would take events.
type Connector interface {
	// Connect reaches the destination without delivering anything: names, TCP, TLS, credentials,
	// privileges, version. clusters are those of the configuration, for placeholders. It returns a line
	// that says what it found, or an error of one line that says what is wrong and what to do.
	Connect(ctx context.Context, clusters []string) (found string, err error)
}

// ErrDenied is wrapped by an error of Connect where the destination is there and knows who asks, but a privilege is
// missing. It has no text: the error says which.
var ErrDenied error = deniedError{}

type deniedError struct{}

func (deniedError) Error() string { return "" }

// Reporter is an Output that has more to tell than what its loop counts.
type Reporter interface {
	// Report returns a snapshot. Safe for concurrent use with all other methods.
	Report() Report
}

// Retrier is an Output that waits by itself, beside its loop, such as for a server that failed.
type Retrier interface {
	// RetryNow ends those waits. Safe for concurrent use with all other methods.
	RetryNow()
}

// Report is what an Output tells of itself; zero fields do not apply to it.
type Report struct {
	// Server is the destination's product and version, once known.
	Server string
	// Notices is what the operator should know although events flow.
	Notices []string
	// Hosts are given where there can be several.
	Hosts []Host
	// RequestLimit counts bytes that a request may hold, learned from refusals; 0: never refused.
	RequestLimit int64
	// PossibleDuplicates counts events sent again although the destination may have stored them the first time.
	PossibleDuplicates uint64
	// AlreadyThere counts events at their first attempt that the destination said it has already.
	AlreadyThere uint64
	// AlreadyThereExample is the last of these; nil: there was none. It holds words of the destination and may hold an
	// event's values: it is for those who may see records.
	AlreadyThereExample *Example
	// FailureStore counts events that Elasticsearch took into its failure store.
	FailureStore uint64
	// Redirected counts events for names beyond the limit, sent to the one for others.
	Redirected uint64
	// Truncated counts events shortened to what the destination takes.
	Truncated uint64
	// Paces are ascending by Stream.
	Paces []Pace
}

// Example is an event that something happened to.
type Example struct {
	Time         time.Time
	Cluster, Tag string
	Target       string
	// Detail is the destination's words.
	Detail string
}

// Host is one of several servers of a destination.
type Host struct {
	Address string
	// Down says that it rests, after Error.
	Down bool
	// Error is why; "" where it is not down.
	Error string
	// Since is since when it is; zero where it is not down.
	Since time.Time
}

// Pace is how fast events are sent to one stream of a destination. Rates of 0: no limit.
type Pace struct {
	Stream            string
	BytesPerSecond    float64
	RecordsPerSecond  float64
	RequestsPerSecond float64
	// Throttled counts requests, or parts of them, that the destination has throttled.
	Throttled uint64
}

// Batch is the events of one request.
type Batch struct {
	Events []event.Event
	// Bytes is that of msgpack.
	Bytes int
	// Again says that the caller has tried to send the events before.
	Again bool

	// Sent is where the events go, which Send appends: each event of a batch that was delivered, or of which Send names
	// those that were not, is in it once. Targets come as they are met, and may come again.
	Sent []TargetCount
	// Host is who answered last, which Send sets where something did: see SendError.Host.
	Host string
}

// First reports whether the i-th event was surely never sent before by this program: what the destination has
// under its id is another's.
func (b *Batch) First(i int) bool {
	c := b.Events[i].Chunk
	return !b.Again && !c.Again && !c.Returned
}

// Reason says why an event was not delivered, and so what follows. It is a metric label.
type Reason string

// The reasons. ReasonRejected and ReasonTooLarge are final: on_reject decides. All others are retried, ReasonTarget
// aside.
const (
	// ReasonPaced is no failure: the output itself holds events back, so that the destination need not
	// throttle. They are sent again after exactly RetryAfter, or retry.max if that is less, which must not be 0, or,
	// where they have to wait together with others that failed, once those may be sent again, if that is later.
	ReasonPaced     Reason = "paced"
	ReasonThrottled Reason = "throttled"
	ReasonServer    Reason = "server"
	ReasonNetwork   Reason = "network"
	// ReasonAuth is retried slowly and shown loudly.
	ReasonAuth     Reason = "auth"
	ReasonRejected Reason = "rejected"
	ReasonTooLarge Reason = "too_large"
	// ReasonTarget is the state of the event's Target, which takes none: an index without a write index, closed,
	// blocked or full, a stream that was deleted, a bucket that denies. It is about neither the event nor the
	// destination as a whole, so the event waits until its target takes events again, and keeps no others from theirs.
	ReasonTarget Reason = "target"
)

// Final reports whether an event refused for r is never sent again.
func (r Reason) Final() bool { return r == ReasonRejected || r == ReasonTooLarge }

// Failure is what became of one event that was not delivered.
type Failure struct {
	// Index is in Batch.Events.
	Index  int
	Reason Reason
	// Status is the destination's status code, 0 where it has none.
	Status int
	// Detail is what the destination said, marked as Words; kept with a dead letter.
	Detail string
	// Target is where the event goes, as Targeter names it.
	Target string
	// Kind is the refusal's type in the destination's terms, such as index_closed_exception or AccessDeniedException:
	// bounded, and free of anything of the event's or of a secret. "" where it has none. Everybody sees it.
	Kind string
	// Remedy is what to do about it, for everybody to see; "" where nobody knows.
	Remedy string
	// Partial says with ReasonTarget that the target refuses some events only, such as those with a new field: others
	// are not to be kept from it.
	Partial bool
	// Unlisted says of an event that is rejected that the output's table of refusals does not know this one, so that it
	// may be about the target's state after all: where many different events are refused alike, it is.
	Unlisted bool
	// Unnamed says of an event that is rejected that it stands for one of its request which the destination does not
	// name: it says only how many it refused, and forbids to send any of them again. Detail is the same for all of
	// these; they are counted, and make one dead letter without an event.
	Unnamed bool
	// Untried says that the event was not sent, because others for its target have just failed for Reason. It counts
	// as no attempt, and its age goes on.
	Untried bool
	// InFlight says of a paced event that the destination has it and may still take it. How many such events there are
	// is the output's to bound: they keep no cluster from being delivered.
	InFlight bool
}

// SendError tells what became of a batch that was not accepted whole.
//
// Without Failed, the worker waits with the batch, since others would not fare better: the destination
// is away, or refuses the login. With Failed, the worker goes on with other events while those named
// wait, and a cluster with many of them is passed over meanwhile. So an output with several targets,
// such as indices or streams, names the events also where all of a batch failed, unless it knows that
// the other targets would fail too.
type SendError struct {
	// Reason is that of the whole batch where Failed is empty, else the dominant one. TooLarge: it is sent again in
	// halves.
	Reason Reason
	// Status is the destination's status code for the whole batch, 0 where it has none.
	Status int
	// RetryAfter is the destination's wish, at least, up to retry.max; 0: backoff with jitter. For ReasonPaced:
	// exactly, up to retry.max.
	RetryAfter time.Duration
	// Ascending by Index; empty: every event. Events not named were delivered: never resend them. The caller's.
	Failed []Failure
	// Apart says that those failed are to be sent again target by target, each apart from the others: one of them may
	// be what keeps the destination from answering for all.
	Apart bool
	// Suspect says of a batch that was refused as a whole that something in it may be why, although the destination
	// takes others: the answer came in good time, is no wish to wait, and is not about a login, a quota or a host that
	// is away.
	Suspect bool
	// Remedy is what to do about what all of the batch met, for everybody to see; "" where nobody knows.
	Remedy string
	// Host is who answered, where the destination has several servers, else its one; "" where none did.
	Host string
	Err  error
}

func (e *SendError) Error() string {
	text := fmt.Sprint(e.Err)
	if trouble := CertificateTrouble(e.Err); trouble != "" && !strings.Contains(text, trouble) {
		text = fmt.Sprintf("%s (%s)", trouble, text)
	}
	if len(e.Failed) == 0 {
		return fmt.Sprintf("%s: %s", e.Reason, text)
	}
	return fmt.Sprintf("%s: %d events not delivered: %s", e.Reason, len(e.Failed), text)
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
	Workers      int           `yaml:"workers" default:"0"`
	Batch        BatchConfig   `yaml:"batch" help:"how much a request holds"`
	Retry        RetryConfig   `yaml:"retry" help:"how failed requests are repeated"`
	MaxQueueSize setting.Size  `yaml:"max_queue_size" default:"0"`
	RateLimit    setting.Rate  `yaml:"rate_limit" default:"0" help:"bytes per second to the destination; 0: no limit"`
	CatchUp      CatchUpConfig `yaml:"catch_up" help:"in which order a backlog is delivered"`
	Timeout      time.Duration `yaml:"timeout" default:"60s" min:"100ms" help:"for one request"`
	OnReject     string        `yaml:"on_reject" default:"dead_letter" enum:"dead_letter|drop"`
	Fields       event.Fields  `yaml:"fields" help:"names of what is added to an event; \"\" leaves it out"`
}

// Help implements setting.Explained.
func (Common) Help() map[string]string {
	return map[string]string{
		"workers": "requests in flight at most; 0: 2, or what fits the destination",
		"max_queue_size": "bytes on disk that may wait for this output; 0: the buffer's limit. Past it: " +
			"buffer.when_full",
		"on_reject": "what becomes of an event that the destination refuses for good",
	}
}

// Defaults are the settings of an output whose destination has no others.
func Defaults() Common {
	return Common{
		Workers:  2,
		Batch:    BatchConfig{MaxBytes: 8 << 20, MaxEvents: 50_000, MaxWait: time.Second},
		Retry:    RetryConfig{Initial: 500 * time.Millisecond, Max: time.Minute},
		Timeout:  time.Minute,
		OnReject: OnRejectDeadLetter,
	}
}

// What becomes of an event that a destination refuses for good.
const (
	OnRejectDeadLetter = "dead_letter"
	OnRejectDrop       = "drop"
)

// Or returns c with the zeros among its workers, batch, backoff, timeout and on_reject taken from d.
func (c Common) Or(d Common) Common {
	c.Workers = cmp.Or(c.Workers, d.Workers)
	c.Batch.MaxBytes = cmp.Or(c.Batch.MaxBytes, d.Batch.MaxBytes)
	c.Batch.MaxEvents = cmp.Or(c.Batch.MaxEvents, d.Batch.MaxEvents)
	c.Batch.MaxWait = cmp.Or(c.Batch.MaxWait, d.Batch.MaxWait)
	c.Retry.Initial = cmp.Or(c.Retry.Initial, d.Retry.Initial)
	c.Retry.Max = cmp.Or(c.Retry.Max, d.Retry.Max)
	c.Timeout = cmp.Or(c.Timeout, d.Timeout)
	c.OnReject = cmp.Or(c.OnReject, d.OnReject)
	return c
}

// Check reports settings that no output can work with. A destination's own Check calls it.
func (c *Common) Check(r *setting.Report) {
	for _, n := range []struct {
		key   string
		value int64
	}{
		{"workers", int64(c.Workers)},
		{"batch.max_bytes", int64(c.Batch.MaxBytes)},
		{"batch.max_events", int64(c.Batch.MaxEvents)},
		{"batch.max_wait", int64(c.Batch.MaxWait)},
		{"retry.initial", int64(c.Retry.Initial)},
		{"retry.max", int64(c.Retry.Max)},
		{"retry.max_attempts", int64(c.Retry.MaxAttempts)},
		{"retry.max_age", int64(c.Retry.MaxAge)},
		{"max_queue_size", int64(c.MaxQueueSize)},
		{"rate_limit", int64(c.RateLimit)},
		{"timeout", int64(c.Timeout)},
	} {
		if n.value < 0 {
			r.Add(n.key, "leave it out for the default", "a negative value has no meaning")
		}
	}
	if c.Retry.Max > 0 && c.Retry.Initial > c.Retry.Max {
		r.Add("retry.initial", "make retry.max the longer one",
			"the first wait, %v, would be longer than the longest, %v", c.Retry.Initial, c.Retry.Max)
	}
	if _, err := c.CatchUp.Share(); err != nil {
		r.Add("catch_up.fresh_share", "write a percentage, such as 30%", "%v", err)
	}
	if c.Workers > maxWorkers {
		r.Add("workers", fmt.Sprintf("write %d or less", maxWorkers), "each of %d workers would hold a batch in memory",
			c.Workers)
	}
}

// maxWorkers keeps a slip of the pen from taking all memory.
const maxWorkers = 256

// BatchConfig bounds a batch. Zeros stand for the destination's own defaults.
type BatchConfig struct {
	MaxBytes  setting.Size  `yaml:"max_bytes" default:"0"`
	MaxEvents int           `yaml:"max_events" default:"0"`
	MaxWait   time.Duration `yaml:"max_wait" default:"0s"`
}

// Help implements setting.Explained.
func (BatchConfig) Help() map[string]string {
	return map[string]string{
		"max_bytes":  "bytes of msgpack in a batch; 0: 8MiB, or what the destination takes",
		"max_events": "events in a batch; 0: 50000, or what the destination takes",
		"max_wait":   "how long a batch that is not full waits for more; 0: 1s",
	}
}

// CatchUpConfig is what new events get while a backlog drains.
type CatchUpConfig struct {
	FreshShare string `yaml:"fresh_share" default:"0%"`
}

// Help implements setting.Explained.
func (CatchUpConfig) Help() map[string]string {
	return map[string]string{
		"fresh_share": "of the bytes, for events of the last 30 seconds while older ones wait, such as 30%; " +
			"0%: oldest first",
	}
}

// Share returns FreshShare as a number from 0 to 1.
func (c CatchUpConfig) Share() (float64, error) {
	if c.FreshShare == "" {
		return 0, nil
	}
	text, percent := strings.CutSuffix(c.FreshShare, "%")
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || !percent || !(n >= 0 && n <= 100) {
		return 0, fmt.Errorf("%q is no share from 0%% to 100%%", c.FreshShare)
	}
	return n / 100, nil
}

// RetryConfig is a full-jitter exponential backoff.
type RetryConfig struct {
	Initial     time.Duration `yaml:"initial" default:"500ms" min:"1ms" help:"upper bound of the first wait"`
	Max         time.Duration `yaml:"max" default:"60s" min:"1ms" help:"upper bound of every wait"`
	MaxAttempts int           `yaml:"max_attempts" default:"0" help:"0: for ever"`
	MaxAge      time.Duration `yaml:"max_age" default:"0s" help:"of an event since it was stored; 0: for ever"`
}
