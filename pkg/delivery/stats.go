package delivery

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/logevery"
	"github.com/seed-afc6a195/aggregator/pkg/metric"
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
	Oldest   time.Time         // when the first of these began; zero: there are none
	// Concurrency is how many sends may be under way now, 1 to Common.Workers: see gate.
	Concurrency int
	Held        []string        // clusters that wait until what was refused of them is taken, ascending
	Latency     metric.Snapshot // of sends
	Paused      bool

	// Failing is the reason why nothing is delivered: events wait to be sent again, and for steady none got through. "" where
	// any does: then what waits is the destination's trouble with these events.
	Failing       string
	FailingSince  time.Time // zero where Failing is ""
	BackoffUntil  time.Time // when a batch is sent again; zero when none waits
	LastError     string    // for everybody
	LastDetail    string    // the same with the destination's words, for who may see records
	LastErrorAt   time.Time
	LastErrorOver time.Time // when it was past; zero while it is not
	LastSuccess   time.Time // of a send that delivered anything
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

// counters is the state behind Stats, under the loop's mutex.
type counters struct {
	clusters        map[string]*tally
	sends, failures uint64
	retried         map[string]uint64
	health
}

func newCounters() counters {
	return counters{clusters: map[string]*tally{}, retried: map[string]uint64{}, health: health{lines: &logevery.Limit{Every: quiet}}}
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
		Failing: s.reason(now), LastError: s.lastError, LastDetail: s.lastDetail, LastErrorAt: s.lastErrorAt, LastErrorOver: s.lastErrorOver, LastSuccess: s.lastSuccess,
	}
	if out.Failing != "" {
		out.FailingSince = s.failingSince
	}
	out.InFlight, out.Concurrency = l.gate.state()
	out.Oldest = l.gate.oldest()
	if s.waiting > 0 && s.until.After(now) {
		out.BackoffUntil = s.until
	}
	for _, name := range slices.Sorted(maps.Keys(s.clusters)) {
		t := s.clusters[name]
		out.Clusters = append(out.Clusters, ClusterStats{
			Cluster: name, Delivered: t.delivered, Bytes: t.bytes, Dropped: maps.Clone(t.dropped), Dead: maps.Clone(t.dead),
		})
	}
	return out
}
