package forward

import (
	"sync"
	"time"
)

const (
	// logEvery is how often one reason is logged for one host.
	logEvery = 30 * time.Second
	// logMistakeEvery is the same for what only a change of somebody's configuration ends.
	logMistakeEvery = time.Hour
	// maxLogged is how many pairs of reason and host are told apart.
	maxLogged = 1024
)

// logLimit lets the first of equal log lines through, and after that one each logPause with the number of those left out.
type logLimit struct {
	mu   sync.Mutex
	seen map[[2]string]*logged
}

type logged struct {
	last    time.Time
	leftOut int
}

// logPause is how long a reason is not logged again for one host.
func logPause(reason string) time.Duration {
	switch reason {
	case reasonNotForward, reasonNotTLS, reasonTLS, reasonProxy:
		return logMistakeEvery
	}
	return logEvery
}

// allow reports whether to log now, and how many lines were left out since the last time.
func (l *logLimit) allow(reason, host string, now time.Time) (ok bool, leftOut int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := [2]string{reason, host}
	if l.seen[key] == nil && len(l.seen) >= maxLogged {
		for k, e := range l.seen {
			if now.Sub(e.last) >= logPause(k[0]) {
				delete(l.seen, k)
			}
		}
		if len(l.seen) >= maxLogged {
			key[1] = "" // too many hosts at once share a line
		}
	}
	e := l.seen[key]
	if e == nil {
		l.seen[key] = &logged{last: now}
		return true, 0
	}
	if now.Sub(e.last) < logPause(reason) {
		e.leftOut++
		return false, 0
	}
	leftOut, e.last, e.leftOut = e.leftOut, now, 0
	return true, leftOut
}
