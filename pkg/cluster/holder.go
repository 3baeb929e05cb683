package cluster

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/rate"
)

// burst is what may come at once after a pause, as the time that the rate takes for it.
const burst = 250 * time.Millisecond

// Holder is the clusters in force, and what has to outlive a change of the configuration: how many connections each
// has, and what it may send now. Safe for concurrent use.
type Holder struct {
	current atomic.Pointer[Registry]

	mu   sync.Mutex
	live map[string]*live
}

// live is the state of one cluster.
type live struct {
	connections int
	refused     uint64
	limiter     rate.Limiter
	slowed      time.Duration
}

// Stats is the state of one cluster's limits.
type Stats struct {
	// Connections is how many are open.
	Connections int
	// Refused counts connections beyond max_connections.
	Refused uint64
	// Slowed is the sum of what connections were told to wait for rate_limit.
	Slowed time.Duration
}

// NewHolder puts r in force.
func NewHolder(r *Registry) *Holder {
	h := &Holder{live: map[string]*live{}}
	h.current.Store(r)
	return h
}

// Current returns the registry in force.
func (h *Holder) Current() *Registry { return h.current.Load() }

// Swap puts r in force for what comes. Connections stay, under the limits that r has for their clusters.
func (h *Holder) Swap(r *Registry) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.current.Store(r)
	for name, l := range h.live {
		if l.connections == 0 && r.byName[name] == nil {
			delete(h.live, name)
		}
	}
}

// of returns the state and settings of cluster. The caller holds h.mu.
func (h *Holder) of(cluster string) (*live, Config) {
	l := h.live[cluster]
	if l == nil {
		l = &live{}
		h.live[cluster] = l
	}
	if e := h.Current().byName[cluster]; e != nil {
		return l, e.Config
	}
	return l, Config{}
}

// Admit counts one more connection of cluster, until leave is called, or says why there may not be one more.
func (h *Holder) Admit(cluster string) (leave func(), err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	l, c := h.of(cluster)
	if c.MaxConnections > 0 && l.connections >= c.MaxConnections {
		l.refused++
		return nil, fmt.Errorf("cluster %s has %d connections already, which is its max_connections", cluster,
			l.connections)
	}
	l.connections++
	return sync.OnceFunc(func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		l.connections--
		if l.connections == 0 && h.Current().byName[cluster] == nil && h.live[cluster] == l {
			delete(h.live, cluster)
		}
	}), nil
}

// Charge charges bytes that came from cluster to its rate, and returns how long their connection must not be read:
// until what was charged so far is within the rate. Who charges first is through first, so each connection that sends
// on as it may gets one message in turn.
func (h *Holder) Charge(cluster string, bytes int64) time.Duration {
	now := time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	l, c := h.of(cluster)
	_, wait := l.limiter.Charge(now, bytes, int64(c.RateLimit), burst)
	l.slowed += wait
	return wait
}

// Stats returns the state of every cluster that has any.
func (h *Holder) Stats() map[string]Stats {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make(map[string]Stats, len(h.live))
	for name, l := range h.live {
		all[name] = Stats{Connections: l.connections, Refused: l.refused, Slowed: l.slowed}
	}
	return all
}
