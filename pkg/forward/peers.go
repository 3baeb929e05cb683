package forward

import (
	"sync"

	"github.com/seed-afc6a195/aggregator/pkg/ingest"
)

// Peers are the connections of servers that share a Sink: what a client has sent over one of them it may send again
// over another. Safe for concurrent use.
type Peers struct {
	mu sync.Mutex
	// conns are by id.
	conns map[uint64]*conn
}

// NewPeers returns no connections.
func NewPeers() *Peers { return &Peers{conns: map[uint64]*conn{}} }

func (p *Peers) add(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns[c.id] = c
}

func (p *Peers) remove(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c.id)
}

// tell tells the Sink which of the connections were closed by their clients, so that acks are lost. Their own
// goroutines may notice that later than what the client sends again arrives here.
func (p *Peers) tell(conns []uint64, sink ingest.Sink) {
	for _, id := range conns {
		p.mu.Lock()
		c := p.conns[id]
		p.mu.Unlock()
		if c != nil && c.peerGone() {
			sink.Gone(id)
		}
	}
}
