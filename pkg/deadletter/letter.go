// Package deadletter is the contract of dead letters: events that will not be delivered, kept with the reason until
// somebody looks at them, sends them again or deletes them. Store is the specification; what keeps it is a package
// below, and passes deadlettertest.
package deadletter

import (
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// Why a letter can't go back into a queue.
var (
	ErrNoEvents = errors.New("their bytes can't be read as events: export them to see what came, and purge them")
	ErrEmpty    = errors.New("they hold no event")
)

// Read returns how many events the letter holds, and whether its entries end within a group.
func (l *Letter) Read() (events int, open bool, err error) {
	var e event.Entry
	for rest := l.Entry; len(rest) > 0; {
		if rest, err = event.ReadEntry(rest, &e); err != nil {
			return 0, false, ErrNoEvents
		}
		switch e.Kind {
		case event.KindEvent:
			events++
		case event.KindGroupStart:
			open = true
		case event.KindGroupEnd:
			open = false
		default:
			return 0, false, ErrNoEvents
		}
	}
	if events == 0 {
		return 0, false, ErrEmpty
	}
	return events, open, nil
}

// Readable reports whether the letter's bytes are events, and not something that could not be read.
func (l *Letter) Readable() bool {
	_, _, err := l.Read()
	return err == nil
}

// Part returns what the letter's event id was made of; false: it has none.
func (l *Letter) Part() (p event.Part, ok bool) {
	key, pos, found := cutLast(l.EventID, '-')
	raw, err := base64.RawURLEncoding.Strict().DecodeString(key)
	// The decoder passes over line feeds.
	if !found || err != nil || len(raw) != len(p.Key) || len(key) != base64.RawURLEncoding.EncodedLen(len(raw)) {
		return p, false
	}
	first, err := strconv.ParseUint(pos, 10, 31)
	if err != nil {
		return p, false
	}
	copy(p.Key[:], raw)
	p.First, p.Events = int(first), l.Events
	return p, true
}

// cutLast is strings.Cut at the last sep, since base64url has it too.
func cutLast(text string, sep byte) (before, after string, found bool) {
	i := strings.LastIndexByte(text, sep)
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+1:], true
}

// Letter is a dead letter: events that will not be delivered, with the reason.
type Letter struct {
	// ID is the store's number, ascending with time.
	ID uint64
	// Time is when it was refused.
	Time    time.Time
	Cluster string
	Tag     string
	// Output is "" where it was refused before any output.
	Output string
	// EventID is "" where it has none.
	EventID string
	// Status is the destination's status code, 0 where it has none.
	Status int
	// Reason is a short label: "rejected", "too_large", "invalid_entry", "max_attempts", …
	Reason string
	// Detail is the destination's words.
	Detail   string
	Attempts int
	// Events is usually 1; more where entries that follow each other were refused together.
	Events int
	// Entry is msgpack, as it came.
	Entry []byte
}

// Config bounds the dead letters: the oldest go first.
type Config struct {
	MaxSize setting.Size  `yaml:"max_size" default:"1GiB" help:"bytes on disk"`
	MaxAge  time.Duration `yaml:"max_age" default:"720h" help:"0: for ever"`
}
