package buffer

import (
	"encoding/base64"
	"errors"
	"strconv"
	"strings"

	"github.com/seed-afc6a195/aggregator/pkg/event"
)

var (
	errNoEvents = errors.New("their bytes can't be read as events")
	errEmpty    = errors.New("they hold no event")
)

// read returns how many events the letter holds, and whether its entries end within a group.
func (l *Letter) read() (events int, open bool, err error) {
	var e event.Entry
	for rest := l.Entry; len(rest) > 0; {
		if rest, err = event.ReadEntry(rest, &e); err != nil {
			return 0, false, errNoEvents
		}
		switch e.Kind {
		case event.KindEvent:
			events++
		case event.KindGroupStart:
			open = true
		case event.KindGroupEnd:
			open = false
		default:
			return 0, false, errNoEvents
		}
	}
	if events == 0 {
		return 0, false, errEmpty
	}
	return events, open, nil
}

// Readable says whether the letter's bytes are events, and not something that could not be read.
func (l *Letter) Readable() bool {
	_, _, err := l.read()
	return err == nil
}

// Part returns what the letter's event id was made of; false: it has none.
func (l *Letter) Part() (p event.Part, ok bool) {
	key, pos, found := cutLast(l.EventID, '-')
	raw, err := base64.RawURLEncoding.Strict().DecodeString(key)
	if !found || err != nil || len(raw) != len(p.Key) {
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
