package delivery

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
	"github.com/seed-afc6a195/aggregator/pkg/metric"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// recorder counts what a loop does, knows how its output does, and tells the log of it. Safe for concurrent use.
type recorder struct {
	name    string // of the output
	log     zerolog.Logger
	latency *metric.Histogram // of sends
	targets *targetTable

	mu              sync.Mutex
	clusters        map[string]*counts
	sends, failures uint64
	retried         map[string]uint64
	health
}

func newRecorder(name string, log zerolog.Logger) *recorder {
	return &recorder{
		name: name, log: log.With().Str("output", name).Logger(),
		latency: new(metric.Histogram), targets: newTargetTable(),
		clusters: map[string]*counts{}, retried: map[string]uint64{},
		health: health{lines: &logevery.Limit{Every: quiet}},
	}
}

// goOn has r count on where before, which counts no more, has ended.
func (r *recorder) goOn(before *recorder) {
	before.mu.Lock()
	defer before.mu.Unlock()
	r.latency = before.latency
	r.targets.goOn(before.targets)
	r.clusters, r.sends, r.failures, r.retried = before.clusters, before.sends, before.failures, before.retried
	r.health = before.health
}

// settled counts a chunk that is done.
func (r *recorder) settled(cluster string, c *counts) {
	r.mu.Lock()
	defer r.mu.Unlock()
	sum := r.clusters[cluster]
	if sum == nil {
		sum = new(counts)
		r.clusters[strings.Clone(cluster)] = sum
	}
	sum.add(c)
}

// waitsEnded notes that nothing waits any longer before another try.
func (r *recorder) waitsEnded() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.until = time.Time{}
}

// succeeded notes a send that delivered all that it tried.
func (r *recorder) succeeded() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sends++
	r.lastSuccess = time.Now()
	r.works("output delivers again")
}

// prepared notes that the output can send now.
func (r *recorder) prepared() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.works("output is prepared")
}

// works notes that the destination takes events, though others may wait to be sent again. r.mu is held.
func (r *recorder) works(text string) {
	now := time.Now()
	if r.told {
		r.log.Info().Stringer("after", now.Sub(r.failingSince).Round(time.Millisecond)).Msg(text)
	}
	r.failing, r.told = "", false
	if r.lastError != "" && r.lastErrorOver.IsZero() && (!r.ofSome || r.trying == 0) {
		r.lastErrorOver = now
	}
}

// failed notes a send that did not deliver all; some says that it delivered a part.
func (r *recorder) failed(se *outputs.SendError, some bool) {
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

// tries notes that n more pieces of work have failed and are not settled, or -n less.
func (r *recorder) tries(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.trying += n
	if r.trying == 0 && r.ofSome && r.lastErrorOver.IsZero() {
		r.lastErrorOver = time.Now() // the last of the events that it was about is settled
	}
}

// backsOff is why events wait, and for how long.
type backsOff struct {
	reason outputs.Reason
	err    error
	events map[outputs.Reason]int
	ofSome bool // others got through, or may
	whole  bool // nothing can get through: it is the destination, or what it needs first
	pause  time.Duration
}

// backsOff notes that events wait, until waited is called.
func (r *recorder) backsOff(b backsOff) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	r.waiting++
	if until := now.Add(b.pause); !r.until.After(now) || until.Before(r.until) {
		r.until = until
	}
	n := 0
	for reason, count := range b.events {
		r.retried[string(reason)] += uint64(count)
		n += count
	}
	if r.failing == "" {
		r.failingSince = now
	}
	r.failing, r.whole = string(b.reason), b.whole
	shown := outputs.Public(b.err.Error())
	if !r.shouldLog(r.failing+": "+kindOf(shown), now) {
		return
	}
	level, text := zerolog.WarnLevel, "output does not take events: they are kept and sent again"
	switch {
	case outputs.CertificateTrouble(b.err) != "":
		level, text = zerolog.ErrorLevel, "the destination's certificate is not taken: events are kept and sent again"
	case b.reason == outputs.ReasonAuth:
		level, text = zerolog.ErrorLevel, "the destination refuses the output's login or privileges: "+
			"set them right, there or in the configuration; events are kept and sent again"
	case b.ofSome:
		text = "the destination does not take some events: they are kept and sent again"
	}
	r.told = r.told || !b.ofSome
	r.log.WithLevel(level).Str("reason", r.failing).Int("events", n).
		Stringer("again_in", b.pause.Round(time.Millisecond)).Str("error", shown).Msg(text)
}

// retry notes that n events are to be sent again for the reason.
func (r *recorder) retry(reason outputs.Reason, n int) {
	if n > 0 {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.retried[string(reason)] += uint64(n)
	}
}

// waits notes that events wait for their target from now on, which has refused one for its state.
func (r *recorder) waits(f *outputs.Failure) {
	r.mu.Lock()
	defer r.mu.Unlock()
	target := ShownTarget(f.Target)
	if r.shouldLog("target waits: "+target+f.Kind, time.Now()) {
		r.log.Warn().Str("target", target).Int("status", f.Status).Str("kind", f.Kind).Str("do", f.Remedy).
			Msg("a target of the output takes no events: those that go there wait aside, and others go on")
	}
}

// waited ends a backsOff.
func (r *recorder) waited() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting--
}

// split notes that events are sent again in halves.
func (r *recorder) split(events int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.retried[string(outputs.ReasonTooLarge)] += uint64(events)
}

// reasonStoreAside labels the time that what waits aside can't be stored.
const reasonStoreAside outputs.Reason = "waiting"

// reasonAddDead labels the time that dead letters can't be stored.
const reasonAddDead outputs.Reason = "dead_letters"

// stuck notes that what has to be done before anything else failed and waits for d, until waited is
// called.
func (r *recorder) stuck(what string, reason outputs.Reason, err error, d time.Duration) {
	r.mu.Lock()
	r.wrong(what+": "+err.Error(), false, time.Now())
	r.mu.Unlock()
	r.backsOff(backsOff{reason: reason, err: err, whole: true, pause: d})
}

// refused logs the first of letters, not more than once in a while for each kind of refusal.
func (r *recorder) refused(letters []DeadLetter, drop bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	first := &letters[0]
	shown := outputs.Public(first.Detail)
	if !r.shouldLog(fmt.Sprintf("refused %s %d: %s", first.Reason, first.Status, kindOf(shown)), time.Now()) {
		return
	}
	e := r.log.Warn().Str("reason", first.Reason).Int("events", len(letters)).Int("status", first.Status).
		Str("detail", shown).Str("cluster", first.Chunk.Cluster).Str("tag", first.Chunk.Tag)
	if drop {
		e.Msg("events will never be delivered: those that the destination refused are dropped")
		return
	}
	e.Msg("events will never be delivered: they are kept as dead letters")
}

// sourceFailed notes that the queue could not be read, and is asked again after a while.
func (r *recorder) sourceFailed(err error, again time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	r.wrong("read the queue: "+err.Error(), false, now)
	if r.shouldLog("queue: "+kindOf(err.Error()), now) {
		r.log.Error().Err(err).Stringer("again_in", again).Msg("output can't read the queue")
	}
}

// fill sets what r knows of out.
func (r *recorder) fill(out *Stats) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	out.Output, out.Sends, out.Failures, out.Retried = r.name, r.sends, r.failures, maps.Clone(r.retried)
	out.Latency, out.Targets = r.latency.Snapshot(), r.targets.list()
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
		out.Clusters = append(out.Clusters, ClusterStats{
			Cluster: name, Delivered: c.delivered, Bytes: c.bytes,
			Dropped: maps.Clone(c.dropped), Dead: maps.Clone(c.dead),
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
	failing       string // why the last send delivered nothing; "" since one delivered anything
	failingSince  time.Time
	whole         bool // it was the destination that failed, not each event by itself
	told          bool // the log has its failing
	trying        int  // batches and other work that has failed and is not settled
	waiting       int  // of these, in backoff
	until         time.Time
	lastError     string // for everybody: outputs.Public
	lastDetail    string // outputs.Whole, for who may see records
	lastErrorAt   time.Time
	lastErrorOver time.Time
	ofSome        bool // lastError is of single events, not of the destination
	lastSuccess   time.Time
	lines         *logevery.Limit
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
