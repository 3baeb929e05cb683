package chunk

import (
	"sync"
)

// Pool lends byte slices. Those over keep bytes are left to the garbage collector, so that a
// few huge chunks don't stay in memory.
type Pool struct {
	pool sync.Pool
	// empty has what slices lay in that are lent, so that taking one back needs no memory.
	empty sync.Pool
	Keep  int
}

// Get returns an empty slice, nil where none is spare.
func (p *Pool) Get() []byte {
	box, ok := p.pool.Get().(*[]byte)
	if !ok {
		return nil
	}
	b := (*box)[:0]
	*box = nil
	p.empty.Put(box)
	return b
}

// Put takes b back: the caller must not use it any more.
func (p *Pool) Put(b []byte) {
	if cap(b) == 0 || cap(b) > p.Keep {
		return
	}
	box, ok := p.empty.Get().(*[]byte)
	if !ok {
		box = new([]byte)
	}
	*box = b
	p.pool.Put(box)
}
