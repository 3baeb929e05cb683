package stats

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/internal/logevery"
	"github.com/seed-afc6a195/aggregator/pkg/delivery/internal/outcome"
	"github.com/seed-afc6a195/aggregator/pkg/metric"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// Recorder counts what a loop does, knows how its output does, and tells the log of it. Safe for concurrent use.
type Recorder struct {
	// Name is the output's.
	Name string
	Log  zerolog.Logger
	// Latency is that of sends.
	Latency *metric.Histogram
	// DeliveryLatency is that of events, from when they were stored to when the destination had them.
	DeliveryLatency *metric.Histogram
	Targets         *TargetTable

	mu              sync.Mutex
	clusters        map[string]*outcome.Counts
	sends, failures uint64
	retried         map[string]uint64
	health
}

// NewRecorder returns a recorder of the output of that name, which has seen nothing yet.
func NewRecorder(name string, log zerolog.Logger) *Recorder {
	return &Recorder{
		Name: name, Log: log.With().Str("output", name).Logger(),
		Latency: new(metric.Histogram), DeliveryLatency: new(metric.Histogram), Targets: newTargetTable(),
		clusters: map[string]*outcome.Counts{}, retried: map[string]uint64{},
		health: health{lines: &logevery.Limit{Every: quiet}},
	}
}

// GoOn has r count on where before, which counts no more, has ended.
func (r *Recorder) GoOn(before *Recorder) {
	before.mu.Lock()
	defer before.mu.Unlock()
	r.Latency, r.DeliveryLatency = before.Latency, before.DeliveryLatency
	r.Targets.goOn(before.Targets)
	r.clusters, r.sends, r.failures, r.retried = before.clusters, before.sends, before.failures, before.retried
	r.health = before.health
}

// Settled counts a chunk that is done.
func (r *Recorder) Settled(cluster string, c *outcome.Counts) {
	r.mu.Lock()
	defer r.mu.Unlock()
	sum := r.clusters[cluster]
	if sum == nil {
		sum = new(outcome.Counts)
		r.clusters[strings.Clone(cluster)] = sum
	}
	sum.Add(c)
}

// WaitsEnded notes that nothing waits any longer before another try.
func (r *Recorder) WaitsEnded() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.until = time.Time{}
}

// Succeeded notes a send that delivered all that it tried.
func (r *Recorder) Succeeded() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sends++
	r.lastSuccess = time.Now()
	r.works("output delivers again")
}

// Prepared notes that the output can send now.
func (r *Recorder) Prepared() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.works("output is prepared")
}

// works notes that the destination takes events, though others may wait to be sent again. r.mu is held.
func (r *Recorder) works(text string) {
	now := time.Now()
	if r.told {
		r.Log.Info().Stringer("after", now.Sub(r.failingSince).Round(time.Millisecond)).Msg(text)
	}
	r.failing, r.told = "", false
	if r.lastError != "" && r.lastErrorOver.IsZero() && (!r.ofSome || r.trying == 0) {
		r.lastErrorOver = now
	}
}

// Failed notes a send that did not deliver all; some says that it delivered a part.
func (r *Recorder) Failed(se *outputs.SendError, some bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sends++
	r.failures++
	now := time.Now()
	if some {
		r.lastSuccess = now
		r.works("output delivers again")
	}
	r.wrong(se.Error(), len(se.Failed) > 0, now)
}

// Tries notes that n more pieces of work have failed and are not settled, or -n less.
func (r *Recorder) Tries(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.trying += n
	if r.trying == 0 && r.ofSome && r.lastErrorOver.IsZero() {
		// The last of the events that it was about is settled.
		r.lastErrorOver = time.Now()
	}
}

// Backoff is why events wait, and for how long.
type Backoff struct {
	Reason outputs.Reason
	Err    error
	Events map[outputs.Reason]int
	// OfSome says that other events got through, or may.
	OfSome bool
	// Whole says that nothing can get through: it is the destination, or what it needs first.
	Whole bool
	Pause time.Duration
}

// BacksOff notes that events wait, until Waited is called.
func (r *Recorder) BacksOff(b Backoff) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	r.waiting++
	if until := now.Add(b.Pause); !r.until.After(now) || until.Before(r.until) {
		r.until = until
	}
	n := 0
	for reason, count := range b.Events {
		r.retried[string(reason)] += uint64(count)
		n += count
	}
	if r.failing == "" {
		r.failingSince = now
	}
	r.failing, r.whole = string(b.Reason), b.Whole
	shown := outputs.Public(b.Err.Error())
	if !r.shouldLog(r.failing+": "+kindOf(shown), now) {
		return
	}
	level, text := zerolog.WarnLevel, "output does not take events: they are kept and sent again"
	switch {
	case outputs.CertificateTrouble(b.Err) != "":
		level, text = zerolog.ErrorLevel, "the destination's certificate is not taken: events are kept and sent again"
	case b.Reason == outputs.ReasonAuth:
		level, text = zerolog.ErrorLevel, "the destination refuses the output's login or privileges: "+
			"set them right, there or in the configuration; events are kept and sent again"
	case b.OfSome:
		text = "the destination does not take some events: they are kept and sent again"
	}
	r.told = r.told || !b.OfSome
	r.Log.WithLevel(level).Str("reason", r.failing).Int("events", n).
		Stringer("again_in", b.Pause.Round(time.Millisecond)).Str("error", shown).Msg(text)
}

// Retry notes that n events are to be sent again for the reason.
func (r *Recorder) Retry(reason outputs.Reason, n int) {
	if n > 0 {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.retried[string(reason)] += uint64(n)
	}
}

// Waits notes that events wait for their target from now on, which has refused one for its state.
func (r *Recorder) Waits(f *outputs.Failure) {
	r.mu.Lock()
	defer r.mu.Unlock()
	target := ShownTarget(f.Target)
	if r.shouldLog("target waits: "+target+f.Kind, time.Now()) {
		r.Log.Warn().Str("target", target).Int("status", f.Status).Str("kind", f.Kind).Str("do", f.Remedy).
			Msg("a target of the output takes no events: those that go there wait aside, and others go on")
	}
}

// Waited ends a BacksOff.
func (r *Recorder) Waited() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting--
}

// Split notes that events are sent again in halves.
func (r *Recorder) Split(events int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.retried[string(outputs.ReasonTooLarge)] += uint64(events)
}

// ReasonStoreAside labels the time that what waits aside can't be stored.
const ReasonStoreAside outputs.Reason = "waiting"

// ReasonAddDead labels the time that dead letters can't be stored.
const ReasonAddDead outputs.Reason = "dead_letters"

// Stuck notes that what has to be done before anything else failed and waits for d, until Waited is
// called.
func (r *Recorder) Stuck(what string, reason outputs.Reason, err error, d time.Duration) {
	r.mu.Lock()
	r.wrong(what+": "+err.Error(), false, time.Now())
	r.mu.Unlock()
	r.BacksOff(Backoff{Reason: reason, Err: err, Whole: true, Pause: d})
}

// RefusedEvents is why N events will never be delivered, by the first of them.
type RefusedEvents struct {
	N              int
	Reason, Detail string
	Status         int
	Cluster, Tag   string
	// Dropped says that they are not kept.
	Dropped bool
}

// Refused logs that events will never be delivered, not more than once in a while for each kind of refusal.
func (r *Recorder) Refused(e RefusedEvents) {
	r.mu.Lock()
	defer r.mu.Unlock()
	shown := outputs.Public(e.Detail)
	if !r.shouldLog(fmt.Sprintf("refused %s %d: %s", e.Reason, e.Status, kindOf(shown)), time.Now()) {
		return
	}
	line := r.Log.Warn().Str("reason", e.Reason).Int("events", e.N).Int("status", e.Status).
		Str("detail", shown).Str("cluster", e.Cluster).Str("tag", e.Tag)
	if e.Dropped {
		line.Msg("events will never be delivered: those that the destination refused are dropped")
		return
	}
	line.Msg("events will never be delivered: they are kept as dead letters")
}

// SourceFailed notes that the queue could not be read, and is asked again after a while.
func (r *Recorder) SourceFailed(err error, again time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	r.wrong("read the queue: "+err.Error(), false, now)
	if r.shouldLog("queue: "+kindOf(err.Error()), now) {
		r.Log.Error().Err(err).Stringer("again_in", again).Msg("output can't read the queue")
	}
}

// Fill sets what r knows of out.
func (r *Recorder) Fill(out *Stats) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	out.Output, out.Sends, out.Failures, out.Retried = r.Name, r.sends, r.failures, maps.Clone(r.retried)
	out.Latency, out.DeliveryLatency = r.Latency.Snapshot(), r.DeliveryLatency.Snapshot()
	out.Targets = r.Targets.list()
	out.LastError, out.LastDetail = r.lastError, r.lastDetail
	out.LastErrorAt, out.LastErrorOver, out.LastSuccess = r.lastErrorAt, r.lastErrorOver, r.lastSuccess
	if out.Failing = r.reason(now); out.Failing != "" {
		out.FailingSince = r.failingSince
	}
	if r.waiting > 0 && r.until.After(now) {
		out.BackoffUntil = r.until
	}
	for _, name := range slices.Sorted(maps.Keys(r.clusters)) {
		c := r.clusters[name]
		out.Clusters = append(out.Clusters, Cluster{
			Cluster: name, Delivered: c.Delivered, Bytes: c.Bytes,
			Dropped: maps.Clone(c.Dropped), Dead: maps.Clone(c.Dead),
		})
	}
}

const (
	// quiet is how long a kind of error is not logged again after it was.
	quiet = time.Hour
	// steady is how long nothing must have been delivered for refusals of single events to be a failure of the output.
	steady = 10 * time.Second
	// kindLetters is how much of an error's text tells its kind.
	kindLetters = 120
)

// health is how an output does.
type health struct {
	// failing is why the last send delivered nothing; "" since one delivered anything.
	failing      string
	failingSince time.Time
	// whole says that it was the destination that failed, not each event by itself.
	whole bool
	// told says that the log has its failing.
	told bool
	// trying counts batches and other work that has failed and is not settled.
	trying int
	// waiting is how many of these are in backoff.
	waiting int
	until   time.Time
	// lastError is, for everybody, outputs.Public.
	lastError string
	// lastDetail is outputs.Whole of the error, for who may see records.
	lastDetail    string
	lastErrorAt   time.Time
	lastErrorOver time.Time
	// ofSome says that lastError is of single events, not of the destination.
	ofSome      bool
	lastSuccess time.Time
	lines       *logevery.Limit
}

// reason returns why nothing is delivered, "" where anything is.
func (h *health) reason(now time.Time) string {
	if h.trying == 0 || !h.whole && now.Sub(h.lastSuccess) < steady {
		return ""
	}
	return h.failing
}

// wrong notes an error.
func (h *health) wrong(text string, ofSome bool, now time.Time) {
	h.lastError, h.lastDetail = outputs.Public(text), outputs.Whole(text)
	h.lastErrorAt, h.lastErrorOver, h.ofSome = now, time.Time{}, ofSome
}

// shouldLog reports whether a line about what may be logged now, and notes that it is.
func (h *health) shouldLog(what string, now time.Time) bool {
	ok, _ := h.lines.Allow(what, "", 1, now)
	return ok
}

// kindOf returns the text of an error without what differs among errors of one kind: numbers, and what stands in quotes
// or brackets, as names of fields and values do.
func kindOf(text string) string {
	var kind strings.Builder
	var closing rune
	for _, r := range text {
		switch {
		case closing != 0:
			if r == closing {
				closing = 0
			}
		case r == '"' || r == '\'' || r == '`':
			closing = r
		case r == '[':
			closing = ']'
		case unicode.IsLetter(r):
			kind.WriteRune(r)
		}
		if kind.Len() >= kindLetters {
			break
		}
	}
	return kind.String()
}
