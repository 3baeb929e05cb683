package parse

import (
	"bytes"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
)

// header reads the time at the start of text and returns what follows it. Both RFCs' messages may
// have RFC 3339's, and those of RFC 3164 (old) its own.
func (f *syslog) header(dst *fields, text []byte, old bool) (rest []byte, err error) {
	if f.words > 0 {
		n := wordsLen(text, f.words)
		if dst.text(timeField, text[:n]); dst.err != nil {
			return nil, dst.err
		}
		return afterTime(text[n:])
	}
	n := max(bytes.IndexByte(text, ' '), 0)
	if !old && n == 1 && text[0] == '-' {
		// The sender knows no time (RFC 5424, section 6.2.3).
		return text[2:], nil
	}
	s := scanner{text: text[:n]}
	ok := s.rfc3339() && s.at == n
	var t event.Time
	if ok {
		t, ok = s.time(f.zone, dst.received)
	} else if old {
		t, n, ok = f.oldTime(text, dst.received)
	}
	if !ok {
		return nil, errSyslogTime
	}
	if dst.timeKey == timeField {
		dst.setTime(t)
	}
	if dst.timeKey != timeField || dst.keep {
		dst.key(timeField)
		dst.pairs = filter.AppendString(dst.pairs, text[:n])
	}
	return afterTime(text[n:])
}

// afterTime cuts the space after the time, and the colon that network devices put there.
func afterTime(text []byte) (rest []byte, err error) {
	text = bytes.TrimPrefix(text, []byte{':'})
	if len(text) == 0 || text[0] != ' ' {
		return nil, errSyslogTime
	}
	return text[1:], nil
}

// wordsLen returns the length of the first words of text, with the spaces between them.
func wordsLen(text []byte, words int) (n int) {
	for range words {
		for n < len(text) && text[n] == ' ' {
			n++
		}
		for n < len(text) && text[n] != ' ' {
			n++
		}
	}
	return n
}

// oldTime reads "Mmm dd [yyyy] hh:mm:ss[.fraction]" and returns its length.
func (f *syslog) oldTime(text []byte, received event.Time) (t event.Time, n int, ok bool) {
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
	t, ok = s.time(f.zone, received)
	return t, s.at, ok
}
