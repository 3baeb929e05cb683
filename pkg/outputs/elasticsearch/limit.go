package elasticsearch

import "sync"

const (
	maxRequest = 32 << 20 // bytes: larger requests only cost the server memory
	minSoft    = 16 << 10 // bytes: smaller requests don't help a server that is busy
	growAfter  = 64       // full requests in a row, before a larger one is tried
	// growthShare is a limit grows by this part of itself.
	growthShare = 8
)

// limit is how many bytes a request's body may have before compression, learned from what the server
// refused. There are two: a hard one, for requests that are too large at any time (413), which grows
// again slowly, as each try beyond what the server takes is an upload in vain; and a soft one, for
// requests that a busy server refused (429), which grows with each one accepted. Safe for concurrent use.
type limit struct {
	mu   sync.Mutex
	hard int
	soft int
	// good is the largest accepted since a smaller one was refused.
	good   int
	passed int // requests accepted in a row that were about as large as hard
}

func newLimit() *limit { return &limit{hard: maxRequest, soft: maxRequest} }

// get returns the bytes that a request may have now. An event that is larger goes alone.
func (l *limit) get() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return min(l.hard, l.soft)
}

// tooLarge notes that n bytes were refused for their number.
func (l *limit) tooLarge(n int) {
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

// busy notes that n bytes were refused because the server had too much to do.
func (l *limit) busy(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.soft = max(min(l.soft, n/2), min(l.soft, minSoft))
}

// accepted notes that n bytes were taken.
func (l *limit) accepted(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.good = max(l.good, n)
	l.soft = min(l.soft+l.soft/growthShare, maxRequest)
	if l.hard == maxRequest || n < l.hard-l.hard/4 {
		return
	}
	if l.passed++; l.passed >= growAfter {
		l.passed = 0
		l.hard = min(l.hard+max(l.hard/growthShare, 1), maxRequest)
	}
}

// report returns the limit, 0 where nothing limits requests now but maxRequest.
func (l *limit) report() int64 {
	if n := l.get(); n < maxRequest {
		return int64(n)
	}
	return 0
}
