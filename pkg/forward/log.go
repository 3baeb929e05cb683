package forward

import (
	"time"

	"github.com/seed-afc6a195/aggregator/internal/logevery"
	"github.com/seed-afc6a195/aggregator/pkg/forward/internal/refusal"
)

const (
	// logEvery is how often one reason is logged for one host.
	logEvery = 30 * time.Second
	// logMistakeEvery is the same for what only a change of somebody's configuration ends.
	logMistakeEvery = time.Hour
)

// logLimits lets the first of equal log lines through, and after that one each while, with the number of those left
// out.
type logLimits struct{ mistakes, others logevery.Limit }

func newLogLimits() *logLimits {
	return &logLimits{mistakes: logevery.Limit{Every: logMistakeEvery}, others: logevery.Limit{Every: logEvery}}
}

// allow reports whether to log the reason for the host now, and how many lines were left out since the last time.
func (l *logLimits) allow(reason, host string, now time.Time) (ok bool, leftOut uint64) {
	switch reason {
	case refusal.NotForward, refusal.NotTLS, refusal.TLS, refusal.Proxy:
		return l.mistakes.Allow(reason, host, 1, now)
	}
	return l.others.Allow(reason, host, 1, now)
}
