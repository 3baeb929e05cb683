package refusal

import (
	"time"

	"github.com/seed-afc6a195/aggregator/internal/logevery"
)

const (
	// logEvery is how often one reason is logged for one host.
	logEvery = 30 * time.Second
	// logMistakeEvery is the same for what only a change of somebody's configuration ends.
	logMistakeEvery = time.Hour
)

// Log lets the first of equal log lines through, and after that one each while, with the number of those left
// out. Safe for concurrent use.
type Log struct{ mistakes, others logevery.Limit }

// NewLog returns one that has let nothing through yet.
func NewLog() *Log {
	return &Log{mistakes: logevery.Limit{Every: logMistakeEvery}, others: logevery.Limit{Every: logEvery}}
}

// Allow reports whether to log the reason for the host now, and how many lines were left out since the last time.
func (l *Log) Allow(reason, host string, now time.Time) (ok bool, leftOut uint64) {
	switch reason {
	case NotForward, NotTLS, TLS, Proxy:
		return l.mistakes.Allow(reason, host, 1, now)
	}
	return l.others.Allow(reason, host, 1, now)
}
