package delivery

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/rs/zerolog"

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

// health is how an output does, under the loop's mutex.
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

// shout reports whether a line about what may be logged now, and notes that it is.
func (h *health) shout(what string, now time.Time) bool {
	ok, _ := h.lines.Allow(what, "", 1, now)
	return ok
}

// kindOf returns the text of an error without what differs among errors of one kind: numbers, and what stands in quotes or
// brackets, as names of fields and values do.
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

// succeeded notes a send that delivered all that it tried.
func (l *Loop) succeeded() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stats.sends++
	l.stats.lastSuccess = time.Now()
	l.works("output delivers again")
}

// prepared notes that the output can send now.
func (l *Loop) prepared() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.works("output is prepared")
}

// works notes that the destination takes events, though others may wait to be sent again. l.mu is held.
func (l *Loop) works(text string) {
	s := &l.stats
	now := time.Now()
	if s.told {
		l.log.Info().Stringer("after", now.Sub(s.failingSince).Round(time.Millisecond)).Msg(text)
	}
	s.failing, s.told = "", false
	if s.lastError != "" && s.lastErrorOver.IsZero() && (!s.ofSome || s.trying == 0) {
		s.lastErrorOver = now
	}
}

// failed notes a send that did not deliver all; some says that it delivered a part.
func (l *Loop) failed(se *outputs.SendError, some bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stats.sends++
	l.stats.failures++
	now := time.Now()
	if some {
		l.stats.lastSuccess = now
		l.works("output delivers again")
	}
	l.stats.wrong(se.Error(), len(se.Failed) > 0, now)
}

// tries notes that n more pieces of work have failed and are not settled, or -n less.
func (l *Loop) tries(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := &l.stats
	s.trying += n
	if s.trying == 0 && s.ofSome && s.lastErrorOver.IsZero() {
		s.lastErrorOver = time.Now() // the last of the events that it was about is settled
	}
}

// backsOff is why events wait, and for how long.
type backsOff struct {
	reason outputs.Reason
	err    error
	events map[outputs.Reason]int
	ofSome bool // others got through, or may
	whole  bool // nothing can get through: it is the destination, or what it needs first
	pause  time.Duration
}

// backsOff notes that events wait, until waited is called.
func (l *Loop) backsOff(b backsOff) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := &l.stats
	now := time.Now()
	s.waiting++
	if until := now.Add(b.pause); !s.until.After(now) || until.Before(s.until) {
		s.until = until
	}
	n := 0
	for r, count := range b.events {
		s.retried[string(r)] += uint64(count)
		n += count
	}
	if s.failing == "" {
		s.failingSince = now
	}
	s.failing, s.whole = string(b.reason), b.whole
	shown := outputs.Public(b.err.Error())
	if !s.shout(s.failing+": "+kindOf(shown), now) {
		return
	}
	level, text := zerolog.WarnLevel, "output does not take events: they are kept and sent again"
	switch {
	case outputs.CertificateTrouble(b.err) != "":
		level, text = zerolog.ErrorLevel, "the destination's certificate is not taken: events are kept and sent again"
	case b.reason == outputs.ReasonAuth:
		level, text = zerolog.ErrorLevel, "the destination refuses the output's login or privileges: "+
			"set them right, there or in the configuration; events are kept and sent again"
	case b.ofSome:
		text = "the destination does not take some events: they are kept and sent again"
	}
	s.told = s.told || !b.ofSome
	l.log.WithLevel(level).Str("reason", s.failing).Int("events", n).Stringer("again_in", b.pause.Round(time.Millisecond)).Str("error", shown).Msg(text)
}

// waited ends a backsOff.
func (l *Loop) waited() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stats.waiting--
}

// split notes that events are sent again in halves.
func (l *Loop) split(events int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stats.retried[string(outputs.ReasonTooLarge)] += uint64(events)
}

// reasonBury labels the time that dead letters can't be stored.
const reasonBury outputs.Reason = "dead_letters"

// stuck notes that what has to be done before anything else failed and waits for d, until waited is
// called.
func (l *Loop) stuck(what string, reason outputs.Reason, err error, d time.Duration) {
	l.mu.Lock()
	l.stats.wrong(what+": "+err.Error(), false, time.Now())
	l.mu.Unlock()
	l.backsOff(backsOff{reason: reason, err: err, whole: true, pause: d})
}

// refused logs the first of letters, not more than once in a while for each kind of refusal.
func (l *Loop) refused(letters []Letter, drop bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := &letters[0]
	shown := outputs.Public(first.Detail)
	if !l.stats.shout(fmt.Sprintf("refused %s %d: %s", first.Reason, first.Status, kindOf(shown)), time.Now()) {
		return
	}
	e := l.log.Warn().Str("reason", first.Reason).Int("events", len(letters)).Int("status", first.Status).Str("detail", shown).
		Str("cluster", first.Chunk.Cluster).Str("tag", first.Chunk.Tag)
	if drop {
		e.Msg("events will never be delivered: those that the destination refused are dropped")
		return
	}
	e.Msg("events will never be delivered: they are kept as dead letters")
}

// sourceFailed notes that the queue could not be read.
func (l *Loop) sourceFailed(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.stats.wrong("read the queue: "+err.Error(), false, now)
	if l.stats.shout("queue: "+kindOf(err.Error()), now) {
		l.log.Error().Err(err).Stringer("again_in", refill).Msg("output can't read the queue")
	}
}
