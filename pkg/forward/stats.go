package forward

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/forward/internal/refusal"
	"github.com/seed-afc6a195/aggregator/pkg/forward/internal/wire"
	"github.com/seed-afc6a195/aggregator/pkg/ingest"
	"github.com/seed-afc6a195/aggregator/pkg/metric"
)

// Stats is what a listener has done since it started. Messages count once they are stored.
type Stats struct {
	Name    string
	Address string
	// Open counts connections that are open.
	Open int
	// Connections counts connections ever.
	Connections uint64
	// TLS is that of these, with a finished TLS handshake.
	TLS uint64
	// Proxied is that of these, whose source a PROXY header told.
	Proxied uint64
	// Probes counts connections that closed before their first message.
	Probes uint64
	// Refused counts connections that the server closed for a fault, by reason.
	Refused map[string]uint64
	// Messages are by mode: message, forward, packed, gzip, zstd.
	Messages map[string]uint64
	// Clusters are those of Open, by cluster.
	Clusters map[string]int
	// NoAck is how many of Messages want no ack, and so are lost where their connection breaks.
	NoAck uint64
	// NoAckPeers is who sent such, the last first; maxNoAckPeers at most.
	NoAckPeers []NoAckPeer
	// Agents is who sends, the last seen first; maxAgents at most.
	Agents []Agent
	// RefusedPeers are those of Refused, whose connections, the last first; maxRefusedPeers at most.
	RefusedPeers []RefusedPeer
	Acks         uint64
	// AckLatency is from a message's last byte to its ack written.
	AckLatency metric.Snapshot
	// LastError is that of the last connection refused or of accepting one; "" if there was none.
	LastError   string
	LastErrorAt time.Time
	// LastErrorOver is when messages from the host that it was about were stored again; zero: not since.
	LastErrorOver time.Time
	// Budget is that of all listeners that share it.
	Budget ingest.BudgetStats
}

// NoAckPeer is a host whose messages want no ack.
type NoAckPeer struct {
	// Host is not valid for a Unix socket.
	Host    netip.Addr
	Cluster string
	// Messages is since the server started, or the host was forgotten for others.
	Messages uint64
	LastSeen time.Time
}

// maxNoAckPeers bounds how many of them are remembered: those that came last.
const maxNoAckPeers = 100

// counters are what a server keeps for its Stats.
type counters struct {
	connections, tls, proxied, probes, acks atomic.Uint64
	messages                                [wire.ModeCount]atomic.Uint64
	latency                                 metric.Histogram

	mu      sync.Mutex
	refused map[string]uint64
	// open counts connections by cluster.
	open        map[string]int
	noAck       uint64
	noAckPeers  map[netip.Addr]*NoAckPeer
	lastError   string
	lastErrorAt time.Time
	people      people
	// lastErrorOf is the client's; not valid where it was about none, or a Unix socket's.
	lastErrorOf netip.Addr
	// errorOver is Stats.LastErrorOver.
	errorOver time.Time
}

func newCounters() counters {
	return counters{
		refused: map[string]uint64{}, open: map[string]int{}, noAckPeers: map[netip.Addr]*NoAckPeer{},
	}
}

// counts is what a connection's batch holds, counted once it is stored.
type counts struct {
	messages [wire.ModeCount]uint64
	bytes    uint64
}

func (c *counts) empty() bool { return c.total() == 0 }

// total returns the number of messages.
func (c *counts) total() (n int) {
	for _, of := range c.messages {
		n += int(of)
	}
	return n
}

// count adds what c has stored.
func (s *Server) count(c *conn) {
	for m, n := range c.batch.counts.messages {
		if n > 0 {
			s.counters.messages[m].Add(n)
		}
	}
	s.counters.mu.Lock()
	defer s.counters.mu.Unlock()
	messages, unacked := c.batch.counts.total(), c.batch.counts.total()-len(c.batch.acks)
	if unacked > 0 {
		s.counters.countNoAck(c.client.source.Addr(), c.client.cluster, uint64(unacked), c.came)
	}
	c.place.agent.count(messages, unacked, c.came)
	c.batch.counts = counts{}
	s.counters.over(c.client.source.Addr(), c.came)
}

// countNoAck counts n messages of host that want no ack. The caller holds mu.
func (c *counters) countNoAck(host netip.Addr, cluster string, n uint64, now time.Time) {
	c.noAck += n
	p := c.noAckPeers[host]
	if p == nil {
		if len(c.noAckPeers) >= maxNoAckPeers {
			oldest := host
			for h, o := range c.noAckPeers {
				if oldest == host || o.LastSeen.Before(c.noAckPeers[oldest].LastSeen) {
					oldest = h
				}
			}
			delete(c.noAckPeers, oldest)
		}
		p = &NoAckPeer{Host: host}
		c.noAckPeers[host] = p
	}
	p.Cluster, p.LastSeen = cluster, now
	p.Messages += n
}

// over notes that the last error is past, where it was about host or about none. The caller holds mu.
func (c *counters) over(host netip.Addr, now time.Time) {
	if c.lastError != "" && c.errorOver.IsZero() && (c.lastErrorOf == host || !c.lastErrorOf.IsValid()) {
		c.errorOver = now
	}
}

// countOpen counts a connection that begins, 1, or ends, -1. Its cluster is known.
func (s *Server) countOpen(c *conn, n int) {
	s.counters.mu.Lock()
	defer s.counters.mu.Unlock()
	s.counters.open[c.client.cluster] += n
	if n > 0 {
		c.place.agent = s.counters.people.agent(c.client.source.Addr(), sanitize(c.client.hostname), c.client.cluster,
			time.Now())
	}
	c.place.agent.open(n)
}

// countRefused counts a connection of host, which claimed hostname, closed for err.
func (s *Server) countRefused(reason string, host netip.Addr, hostname string, err error) {
	s.counters.mu.Lock()
	defer s.counters.mu.Unlock()
	c := &s.counters
	c.refused[reason]++
	c.people.refuse(RefusedPeer{
		Host: host, Hostname: sanitize(hostname), Reason: reason, Text: err.Error(), LastSeen: time.Now(),
	})
	c.lastError, c.lastErrorAt, c.lastErrorOf, c.errorOver = err.Error(), time.Now(), host, time.Time{}
}

// Stats returns a snapshot.
func (s *Server) Stats() Stats {
	st := Stats{
		Name: s.opts.Name, Address: s.opts.Address,
		Connections: s.counters.connections.Load(), TLS: s.counters.tls.Load(), Proxied: s.counters.proxied.Load(),
		Probes: s.counters.probes.Load(), Acks: s.counters.acks.Load(),
		Refused: map[string]uint64{}, Messages: map[string]uint64{},
		AckLatency: s.counters.latency.Snapshot(), Budget: s.opts.Budget.Stats(),
	}
	for m := range wire.ModeCount {
		st.Messages[m.String()] = s.counters.messages[m].Load()
	}
	for _, reason := range refusal.Reasons() {
		st.Refused[reason] = 0
	}
	st.Open = s.conns.count()
	s.counters.mu.Lock()
	defer s.counters.mu.Unlock()
	for reason, n := range s.counters.refused {
		st.Refused[reason] = n
	}
	st.Clusters = maps.Clone(s.counters.open)
	st.Agents, st.RefusedPeers = s.counters.people.list()
	st.NoAck = s.counters.noAck
	for _, p := range s.counters.noAckPeers {
		st.NoAckPeers = append(st.NoAckPeers, *p)
	}
	slices.SortFunc(st.NoAckPeers, func(a, b NoAckPeer) int {
		return cmp.Or(b.LastSeen.Compare(a.LastSeen), a.Host.Compare(b.Host))
	})
	st.LastError, st.LastErrorAt, st.LastErrorOver = s.counters.lastError, s.counters.lastErrorAt, s.counters.errorOver
	return st
}

// Activity returns a number that grows with every connection and every message that was stored.
func (s *Server) Activity() uint64 {
	n := s.counters.connections.Load()
	for m := range wire.ModeCount {
		n += s.counters.messages[m].Load()
	}
	return n
}
