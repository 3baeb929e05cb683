// Package logevery lets the first of equal log lines through, and then one each while, with the number of those left
// out.
package logevery

import (
	"sync"
	"time"
)

// maxLines bounds how many lines a Limit tells apart. As many kinds come on top.
const maxLines = 1024

// Limit is how often a line is logged. Every must be set; safe for concurrent use.
type Limit struct {
	Every time.Duration

	mu   sync.Mutex
	seen map[line]*state
}

// line is what makes log lines equal.
type line struct{ kind, of string }

type state struct {
	last    time.Time
	leftOut uint64
}

// Allow reports whether to log a line of a kind now, of something or somebody, which is about n things; and how many
// things were left out of the log since the last one. Where too many lines are told apart already, those of one kind
// share one, and at last all do.
func (l *Limit) Allow(kind, of string, n uint64, now time.Time) (ok bool, leftOut uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.find(line{kind, of}, now)
	switch {
	case s.last.IsZero():
		s.last = now
		return true, 0
	case now.Sub(s.last) < l.Every && !now.Before(s.last):
		s.leftOut += n
		return false, 0
	}
	leftOut, s.last, s.leftOut = s.leftOut, now, 0
	return true, leftOut
}

// find returns the state of a line, or of the one that it shares.
func (l *Limit) find(of line, now time.Time) *state {
	if s := l.seen[of]; s != nil {
		return s
	}
	if len(l.seen) >= maxLines {
		l.forget(now)
	}
	if len(l.seen) >= maxLines {
		of.of = ""
	}
	if len(l.seen) >= 2*maxLines && l.seen[of] == nil {
		of = line{}
	}
	if l.seen[of] == nil {
		if l.seen == nil {
			l.seen = map[line]*state{}
		}
		l.seen[of] = &state{}
	}
	return l.seen[of]
}

// forget drops what was logged so long ago that it would be logged again.
func (l *Limit) forget(now time.Time) {
	for of, s := range l.seen {
		if now.Sub(s.last) >= l.Every {
			delete(l.seen, of)
		}
	}
}
