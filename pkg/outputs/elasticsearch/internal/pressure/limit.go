// Package pressure learns what servers can bear: how large a request may be, and which indices make requests wait, so
// that their events are sent apart from others'.
package pressure

import "sync"

// MaxRequest is how many bytes a request has at most, whatever the server takes: larger ones only cost it memory.
const MaxRequest = 32 << 20

const (
	// minSoft is in bytes: smaller requests don't help a server that is busy.
	minSoft = 16 << 10
	// growAfter is how many full requests in a row are taken before a larger one is tried.
	growAfter = 64
	// growthShare is the part of itself that a limit grows by.
	growthShare = 8
)

// Limit is how many bytes a request's body may have before compression, learned from what the server
// refused. There are two: a hard one, for requests that are too large at any time (413), which grows
// again slowly, as each try beyond what the server takes is an upload in vain; and a soft one, for
// requests that a busy server refused (429), which grows with each one accepted. Safe for concurrent use.
type Limit struct {
	mu   sync.Mutex
	hard int
	soft int
	// good is the largest accepted since a smaller one was refused.
	good int
	// passed is how many requests that were about as large as hard were accepted in a row.
	passed int
}

// NewLimit returns a limit that has learned nothing yet.
func NewLimit() *Limit { return &Limit{hard: MaxRequest, soft: MaxRequest} }

// Get returns the bytes that a request may have now. An event that is larger goes alone.
func (l *Limit) Get() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return min(l.hard, l.soft)
}

// TooLarge notes that n bytes were refused for their number.
func (l *Limit) TooLarge(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.passed = 0
	if n > l.hard {
		// One event, or cut before the limit was lowered: nothing new.
		return
	}
	if l.good >= n {
		// The server takes less than it did.
		l.good = 0
	}
	l.hard = max(n/2, l.good, 1)
}

// Busy notes that n bytes were refused because the server had too much to do.
func (l *Limit) Busy(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.soft = max(min(l.soft, n/2), min(l.soft, minSoft))
}

// Accepted notes that n bytes were taken.
func (l *Limit) Accepted(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.good = max(l.good, n)
	l.soft = min(l.soft+l.soft/growthShare, MaxRequest)
	if l.hard == MaxRequest || n < l.hard-l.hard/4 {
		return
	}
	if l.passed++; l.passed >= growAfter {
		l.passed = 0
		l.hard = min(l.hard+max(l.hard/growthShare, 1), MaxRequest)
	}
}

// Report returns the limit, 0 where nothing limits requests now but maxRequest.
func (l *Limit) Report() int64 {
	if n := l.Get(); n < MaxRequest {
		return int64(n)
	}
	return 0
}
