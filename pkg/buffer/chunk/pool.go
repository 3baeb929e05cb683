package chunk

import (
	"sync"
)

// Pool lends byte slices. Those over keep bytes are left to the garbage collector, so that a
// few huge chunks don't stay in memory.
type Pool struct {
	pool sync.Pool
	Keep int
}

// Get returns an empty slice, nil where none is spare.
func (p *Pool) Get() []byte {
	if b, ok := p.pool.Get().(*[]byte); ok {
		return (*b)[:0]
	}
	return nil
}

// Put takes b back: the caller must not use it any more.
func (p *Pool) Put(b []byte) {
	if cap(b) > 0 && cap(b) <= p.Keep {
		p.pool.Put(&b)
	}
}
