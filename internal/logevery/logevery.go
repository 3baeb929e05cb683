// Package logevery lets the first of equal log lines through, and then one each while, with the number of those left
// out.
package logevery

import (
	"sync"
	"time"
)

// maxKinds bounds how many kinds of lines a Limit tells apart. Those beyond share one.
const maxKinds = 1024

// Limit is how often a kind of line is logged. Every must be set; safe for concurrent use.
type Limit struct {
	Every time.Duration

	mu   sync.Mutex
	seen map[string]*kind
}

type kind struct {
	last    time.Time
	leftOut uint64
}

// Allow reports whether to log a line of the kind now, which is about n things, and how many things were left out of the
// log since the last one.
func (l *Limit) Allow(what string, n uint64, now time.Time) (ok bool, leftOut uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.seen[what]
	if k == nil && len(l.seen) >= maxKinds {
		for name, k := range l.seen {
			if now.Sub(k.last) >= l.Every {
				delete(l.seen, name)
			}
		}
		if len(l.seen) >= maxKinds {
			what = ""
			k = l.seen[what]
		}
	}
	switch {
	case k == nil:
		if l.seen == nil {
			l.seen = map[string]*kind{}
		}
		l.seen[what] = &kind{last: now}
		return true, 0
	case now.Sub(k.last) < l.Every:
		k.leftOut += n
		return false, 0
	}
	leftOut, k.last, k.leftOut = k.leftOut, now, 0
	return true, leftOut
}
