package delivery

import (
	"strings"
	"time"
	"unicode"

	"github.com/seed-afc6a195/aggregator/internal/logevery"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

const (
	// quiet is how long a kind of error is not logged again after it was.
	quiet = time.Hour
	// steady is how long nothing must have been delivered for refusals of single events to be a failure of the output.
	steady = 10 * time.Second
	// kindLetters is how much of an error's text tells its kind.
	kindLetters = 120
)

// health is how an output does.
type health struct {
	failing       string // why the last send delivered nothing; "" since one delivered anything
	failingSince  time.Time
	whole         bool // it was the destination that failed, not each event by itself
	told          bool // the log has its failing
	trying        int  // batches and other work that has failed and is not settled
	waiting       int  // of these, in backoff
	until         time.Time
	lastError     string // for everybody: outputs.Public
	lastDetail    string // outputs.Whole, for who may see records
	lastErrorAt   time.Time
	lastErrorOver time.Time
	ofSome        bool // lastError is of single events, not of the destination
	lastSuccess   time.Time
	lines         *logevery.Limit
}

// reason returns why nothing is delivered, "" where anything is.
func (h *health) reason(now time.Time) string {
	if h.trying == 0 || !h.whole && now.Sub(h.lastSuccess) < steady {
		return ""
	}
	return h.failing
}

// wrong notes an error.
func (h *health) wrong(text string, ofSome bool, now time.Time) {
	h.lastError, h.lastDetail = outputs.Public(text), outputs.Whole(text)
	h.lastErrorAt, h.lastErrorOver, h.ofSome = now, time.Time{}, ofSome
}

// shouldLog reports whether a line about what may be logged now, and notes that it is.
func (h *health) shouldLog(what string, now time.Time) bool {
	ok, _ := h.lines.Allow(what, "", 1, now)
	return ok
}

// kindOf returns the text of an error without what differs among errors of one kind: numbers, and what stands in quotes
// or brackets, as names of fields and values do.
func kindOf(text string) string {
	var kind strings.Builder
	var closing rune
	for _, r := range text {
		switch {
		case closing != 0:
			if r == closing {
				closing = 0
			}
		case r == '"' || r == '\'' || r == '`':
			closing = r
		case r == '[':
			closing = ']'
		case unicode.IsLetter(r):
			kind.WriteRune(r)
		}
		if kind.Len() >= kindLetters {
			break
		}
	}
	return kind.String()
}
