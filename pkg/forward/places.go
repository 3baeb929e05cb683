package forward

import "sync"

// Places bounds the connections of all servers that share it, beside what max_connections says for each: a process may
// have only so many files open, and its queue and its outputs need some of them. Safe for concurrent use; nil bounds
// nothing.
type Places struct {
	mu          sync.Mutex
	limit, open int
}

// NewPlaces returns Places for limit connections.
func NewPlaces(limit int) *Places { return &Places{limit: limit} }

// SetLimit changes the limit, for connections that come from now on.
func (p *Places) SetLimit(limit int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.limit = limit
}

// Limit returns how many connections there may be.
func (p *Places) Limit() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.limit
}

// take reports whether there was a place, which give gives back.
func (p *Places) take() bool {
	if p == nil {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open >= p.limit {
		return false
	}
	p.open++
	return true
}

func (p *Places) give() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open--
}
