package forward

import (
	"container/list"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/forward/internal/refusal"
)

// connections are those of a server. Safe for concurrent use.
type connections struct {
	mu sync.Mutex
	// open is by id.
	open map[uint64]*conn
	// preAuth has *conn: those of open that have not logged in yet, the first longest.
	preAuth *list.List
	// sources are those of open, where their number is limited.
	sources map[netip.Addr]int
	// draining is when the last one shall begin to end; zero: the server serves.
	draining time.Time
}

func newConnections() connections {
	return connections{open: map[uint64]*conn{}, preAuth: list.New(), sources: map[netip.Addr]int{}}
}

// enter takes c among the connections, within the limits and with one of places. Where there are as many as may be, the
// one that has been longest without a login makes room, so that strangers who say nothing keep nobody out. Where all
// have logged in there is no room for c: then the reason of the refusal is returned, else "".
func (t *connections) enter(c *conn, limits *Config, places *Places) (reason string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if most := limits.MaxConnections; most > 0 && len(t.open) >= most {
		reason = refusal.Connections
	} else if !places.take() {
		reason = refusal.Files
	}
	if reason != "" {
		first := t.preAuth.Front()
		if first == nil {
			return reason
		}
		oldest := t.preAuth.Remove(first).(*conn)
		oldest.place.preAuth, oldest.place.madeRoom = nil, reason
		// Its place among Places is c's from here on.
		delete(t.open, oldest.id)
		_ = oldest.socket.Close()
	}
	t.open[c.id] = c
	c.place.preAuth = t.preAuth.PushBack(c)
	switch age := limits.MaxConnectionAge; {
	case !t.draining.IsZero():
		c.drain.end(t.draining)
	case age > 0:
		jitter := 1 - ageJitter + 2*ageJitter*rand.Float64()
		c.drain.end(time.Now().Add(time.Duration(float64(age) * jitter)))
	}
	return ""
}

// loggedIn ends c's time without a login. It reports false where c had to make room for another.
func (t *connections) loggedIn(c *conn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c.place.preAuth == nil {
		return false
	}
	t.preAuth.Remove(c.place.preAuth)
	c.place.preAuth = nil
	return true
}

// exit undoes enter.
func (t *connections) exit(c *conn, places *Places) {
	t.mu.Lock()
	defer t.mu.Unlock()
	// Otherwise it had to make room, and its place is another's.
	if t.open[c.id] == c {
		delete(t.open, c.id)
		places.give()
	}
}

// drain has all connections end within spread, those that are still coming at once.
func (t *connections) drain(spread time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.draining = time.Now()
	for _, c := range t.open {
		c.drain.end(t.draining.Add(rand.N(max(spread, 1))))
	}
}

// drains reports whether drain was called.
func (t *connections) drains() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !t.draining.IsZero()
}

// cut closes all connections at once.
func (t *connections) cut() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range t.open {
		_ = c.socket.Close()
	}
}

// count returns how many there are.
func (t *connections) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.open)
}

// countSource counts c among the connections of its source, unless there are most already; 0: there may be any number.
func (t *connections) countSource(c *conn, most int) error {
	if most <= 0 || !c.client.source.IsValid() {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	addr := c.client.source.Addr()
	if t.sources[addr] >= most {
		return refusal.New(refusal.SourceFull, "%v has %d already, which is max_connections_per_source", addr, most)
	}
	t.sources[addr]++
	c.place.ofSource = true
	return nil
}

// uncountSource undoes countSource.
func (t *connections) uncountSource(c *conn) {
	if !c.place.ofSource {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	addr := c.client.source.Addr()
	if t.sources[addr]--; t.sources[addr] == 0 {
		delete(t.sources, addr)
	}
}
