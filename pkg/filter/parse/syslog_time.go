package parse

import (
	"bytes"

	"github.com/seed-afc6a195/aggregator/pkg/filter"
	"github.com/seed-afc6a195/aggregator/pkg/filter/parse/internal/timelayout"
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
	t, ok := timelayout.ReadRFC3339(text[:n], f.zone, dst.received)
	if !ok && old {
		t, n, ok = timelayout.ReadRFC3164(text, f.zone, dst.received)
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
