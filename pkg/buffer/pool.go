package buffer

import (
	"sync"
)

// bytesPool lends byte slices. Those over keep bytes are left to the garbage collector, so that a
// few huge chunks don't stay in memory.
type bytesPool struct {
	pool sync.Pool
	keep int
}

func (p *bytesPool) get() []byte {
	if b, ok := p.pool.Get().(*[]byte); ok {
		return (*b)[:0]
	}
	return nil
}

func (p *bytesPool) put(b []byte) {
	if cap(b) > 0 && cap(b) <= p.keep {
		p.pool.Put(&b)
	}
}
