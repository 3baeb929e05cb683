package delivery

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/metric"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// Stats is a snapshot of a Loop. Events are counted once, when the chunk that they came in is Done:
// what the queue took in for the output is the sum of delivered, dropped, dead and what it has pending.
type Stats struct {
	Output   string
	Clusters []ClusterStats    // ascending by name
	Sends    uint64            // that ended, well or not
	Failures uint64            // of Sends: those that did not deliver all of their events
	Retried  map[string]uint64 // events to be sent again, by reason
	InFlight int               // sends under way
	// Concurrency is how many sends may be under way now, 1 to Common.Workers: see gate.
	Concurrency int
	Held        []string        // clusters that wait until what was refused of them is taken, ascending
	Latency     metric.Snapshot // of sends
	Paused      bool

	Failing      string    // the reason why batches wait to be sent again; "" when none does
	Attempts     int       // failures in a row, of all workers together
	BackoffUntil time.Time // when a batch is sent again; zero when none waits
	LastError    string
	LastErrorAt  time.Time
	LastSuccess  time.Time // of a send that delivered all
	EventRate    float64   // delivered per second, over the last ten seconds
	ByteRate     float64
}

// ClusterStats counts the events of one cluster. Bytes are msgpack.
type ClusterStats struct {
	Cluster   string
	Delivered uint64
	Bytes     uint64            // of Delivered
	Dropped   map[string]uint64 // by reason
	Dead      map[string]uint64 // by reason; on disk as dead letters
}

// tally counts what became of events.
type tally struct {
	delivered, bytes uint64
	dropped, dead    map[string]uint64
}

func (t *tally) drop(reason string)        { addTo(&t.dropped, reason, 1) }
func (t *tally) kill(reason string, n int) { addTo(&t.dead, reason, uint64(n)) }

func (t *tally) add(o *tally) {
	t.delivered += o.delivered
	t.bytes += o.bytes
	for r, n := range o.dropped {
		addTo(&t.dropped, r, n)
	}
	for r, n := range o.dead {
		addTo(&t.dead, r, n)
	}
}

func addTo(m *map[string]uint64, key string, n uint64) {
	if *m == nil {
		*m = map[string]uint64{}
	}
	(*m)[key] += n
}

// quiet is how long a reason is not logged again after it was.
const quiet = time.Minute

// counters is the state behind Stats, under the loop's mutex.
type counters struct {
	clusters        map[string]*tally
	sends, failures uint64
	retried         map[string]uint64
	failing         string // as logged; "" when all is well
	failingSince    time.Time
	told            bool // the log has its failing
	attempts        int
	waiting         int // batches in backoff
	until           time.Time
	lastError       string
	lastErrorAt     time.Time
	lastSuccess     time.Time
	logged          map[string]time.Time // by reason
	rate            meter
}

func newCounters() counters {
	return counters{clusters: map[string]*tally{}, retried: map[string]uint64{}, logged: map[string]time.Time{}}
}

// settled counts a chunk that is done.
func (l *Loop) settled(cluster string, t *tally) {
	l.mu.Lock()
	defer l.mu.Unlock()
	sum := l.stats.clusters[cluster]
	if sum == nil {
		sum = new(tally)
		l.stats.clusters[strings.Clone(cluster)] = sum
	}
	sum.add(t)
	l.stats.rate.add(time.Now(), t.delivered, t.bytes)
}

// succeeded notes a send that delivered all that it tried.
func (l *Loop) succeeded() {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := &l.stats
	s.sends++
	s.lastSuccess = time.Now()
	l.works("output delivers again")
}

// prepared notes that the output can send now.
func (l *Loop) prepared() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.works("output is prepared")
}

// works notes that nothing fails any more, unless events wait to be sent again. l.mu is held.
func (l *Loop) works(text string) {
	s := &l.stats
	if s.waiting > 0 {
		return
	}
	if s.told {
		l.log.Info().Dur("after", time.Since(s.failingSince)).Msg(text)
	}
	s.failing, s.told, s.attempts = "", false, 0
}

// failed notes a send that did not deliver all; some says that it delivered a part.
func (l *Loop) failed(se *outputs.SendError, some bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := &l.stats
	now := time.Now()
	s.sends++
	s.failures++
	s.attempts++
	s.lastError, s.lastErrorAt = se.Error(), now
	if some {
		s.lastSuccess, s.attempts = now, 1
	}
}

// backsOff notes that events wait for d because of err, until waited is called.
func (l *Loop) backsOff(reason outputs.Reason, err error, events map[outputs.Reason]int, d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := &l.stats
	now := time.Now()
	s.waiting++
	if until := now.Add(d); !s.until.After(now) || until.Before(s.until) {
		s.until = until
	}
	n := 0
	for r, count := range events {
		s.retried[string(r)] += uint64(count)
		n += count
	}
	if s.failing == "" {
		s.failingSince = now
	}
	s.failing = string(reason)
	if !l.shout(s.failing, now) {
		return
	}
	s.told = true
	level, text := zerolog.WarnLevel, "output does not take events: they are kept and sent again"
	if reason == outputs.ReasonAuth {
		level, text = zerolog.ErrorLevel, "the destination refuses the output's login or privileges: set them right, there or in the configuration; events are kept and sent again"
	}
	l.log.WithLevel(level).Str("reason", s.failing).Int("events", n).Dur("again_in", d).Err(err).Msg(text)
}

// waited ends a backsOff.
func (l *Loop) waited() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stats.waiting--
}

// split notes that events are sent again in halves.
func (l *Loop) split(events int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stats.retried[string(outputs.ReasonTooLarge)] += uint64(events)
}

// reasonBury labels the time that dead letters can't be stored.
const reasonBury outputs.Reason = "dead_letters"

// stuck notes that what has to be done before anything else failed and waits for d, until waited is
// called.
func (l *Loop) stuck(what string, reason outputs.Reason, err error, d time.Duration) {
	l.mu.Lock()
	s := &l.stats
	s.attempts++
	s.lastError, s.lastErrorAt = what+": "+err.Error(), time.Now()
	l.mu.Unlock()
	l.backsOff(reason, err, nil, d)
}

// refused logs the first of letters, not more than once in a while for each reason.
func (l *Loop) refused(letters []Letter, drop bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := &letters[0]
	if !l.shout("refused: "+first.Reason, time.Now()) {
		return
	}
	e := l.log.Warn().Str("reason", first.Reason).Int("events", len(letters)).Int("status", first.Status).Str("detail", first.Detail).
		Str("cluster", first.Chunk.Cluster).Str("tag", first.Chunk.Tag)
	if drop {
		e.Msg("events will never be delivered: those that the destination refused are dropped")
		return
	}
	e.Msg("events will never be delivered: they are kept as dead letters")
}

// sourceFailed notes that the queue could not be read.
func (l *Loop) sourceFailed(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.stats.lastError, l.stats.lastErrorAt = "read the queue: "+err.Error(), now
	if l.shout("queue", now) {
		l.log.Error().Err(err).Dur("again_in", refill).Msg("output can't read the queue")
	}
}

// shout says whether a line about what may be logged now, and notes that it is.
func (l *Loop) shout(what string, now time.Time) bool {
	if last, ok := l.stats.logged[what]; ok && now.Sub(last) < quiet {
		return false
	}
	l.stats.logged[what] = now
	return true
}

// Stats returns a snapshot.
func (l *Loop) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := &l.stats
	now := time.Now()
	out := Stats{
		Output: l.name, Sends: s.sends, Failures: s.failures, Retried: maps.Clone(s.retried),
		Held: l.yard.held(), Latency: l.latency.Snapshot(), Paused: l.resumed != nil,
		Failing: s.failing, Attempts: s.attempts,
		LastError: s.lastError, LastErrorAt: s.lastErrorAt, LastSuccess: s.lastSuccess,
	}
	out.InFlight, out.Concurrency = l.gate.state()
	if s.waiting > 0 && s.until.After(now) {
		out.BackoffUntil = s.until
	}
	out.EventRate, out.ByteRate = s.rate.perSecond(now)
	for _, name := range slices.Sorted(maps.Keys(s.clusters)) {
		t := s.clusters[name]
		out.Clusters = append(out.Clusters, ClusterStats{
			Cluster: name, Delivered: t.delivered, Bytes: t.bytes, Dropped: maps.Clone(t.dropped), Dead: maps.Clone(t.dead),
		})
	}
	return out
}

// window is how many seconds a meter looks back.
const window = 10

// meter adds up what was delivered in each of the last seconds.
type meter struct {
	second        [window]int64 // of 1970, that the slot is about
	events, bytes [window]uint64
}

func (m *meter) add(now time.Time, events, bytes uint64) {
	sec := now.Unix()
	i := sec % window
	if m.second[i] != sec {
		m.second[i], m.events[i], m.bytes[i] = sec, 0, 0
	}
	m.events[i] += events
	m.bytes[i] += bytes
}

func (m *meter) perSecond(now time.Time) (events, bytes float64) {
	for i, sec := range m.second {
		if now.Unix()-sec < window {
			events += float64(m.events[i])
			bytes += float64(m.bytes[i])
		}
	}
	return events / window, bytes / window
}
