package timelayout

import (
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// ReadRFC3339 reads a text that is a time of RFC 3339 or ISO 8601, and nothing else. zone is that of one that names
// none.
func ReadRFC3339(text []byte, zone *time.Location, received event.Time) (t event.Time, ok bool) {
	s := scanner{text: text}
	if !s.rfc3339() || s.at < len(text) {
		return t, false
	}
	return s.time(zone, received)
}

// ReadRFC3164 reads "Mmm dd [yyyy] hh:mm:ss[.fraction]" at the beginning of text, as syslog has it, and returns its
// length. received tells the year where the text does not; zone is that of the time.
func ReadRFC3164(text []byte, zone *time.Location, received event.Time) (t event.Time, n int, ok bool) {
	s := scanner{text: text}
	if s.month, ok = s.month3(); !ok {
		return t, 0, false
	}
	if s.day, ok = s.number(1, 2); !ok {
		return t, 0, false
	}
	if at := s.at; len(text) > at+5 && text[at+5] == ' ' {
		if s.year, ok = s.number(4, 4); !ok {
			return t, 0, false
		}
	}
	for _, part := range [...]*int{&s.hour, &s.minute, &s.second} {
		if part != &s.hour && !s.byte(':') {
			return t, 0, false
		}
		if *part, ok = s.number(2, 2); !ok {
			return t, 0, false
		}
	}
	if s.byte('.') && !s.fraction() {
		return t, 0, false
	}
	t, ok = s.time(zone, received)
	return t, s.at, ok
}
