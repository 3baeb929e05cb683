package parse

import (
	"bytes"

	"github.com/seed-afc6a195/aggregator/pkg/filter/parse/internal/timelayout"
)

// line reads the parts of a text from left to right, each behind one space but the first. After the first part that is
// not there, all are empty, and err says which was missing.
type line struct {
	dst  *fields
	rest []byte
	err  error
	// read says that something was read.
	read bool
}

// part cuts the space before the next part.
func (l *line) part(name string) bool {
	if l.err != nil {
		return false
	}
	if l.read {
		if len(l.rest) == 0 || l.rest[0] != ' ' {
			return l.missing(name)
		}
		l.rest = l.rest[1:]
	}
	l.read = true
	return len(l.rest) > 0 || l.missing(name)
}

func (l *line) missing(name string) bool {
	l.err = reason("the line is not in the format's order: " + name + " is not where it belongs")
	return false
}

// cut returns the next part, up to the next space.
func (l *line) cut(name string) []byte {
	if !l.part(name) {
		return nil
	}
	n := bytes.IndexByte(l.rest, ' ')
	if n < 0 {
		n = len(l.rest)
	}
	if n == 0 {
		l.missing(name)
		return nil
	}
	word := l.rest[:n]
	l.rest = l.rest[n:]
	return word
}

// word reads fields without spaces.
func (l *line) word(names ...string) {
	for _, name := range names {
		if word := l.cut(name); l.err == nil {
			l.dst.text(name, word)
		}
	}
}

// between reads a field that stands between two marks.
func (l *line) between(open, end byte, name string) {
	if !l.part(name) {
		return
	}
	n := bytes.IndexByte(l.rest, end)
	if l.rest[0] != open || n < 1 {
		l.missing(name)
		return
	}
	l.dst.text(name, l.rest[1:n])
	l.rest = l.rest[n+1:]
}

// enclosed returns the next part, which stands in quotes. With escapes a backslash keeps a quote from closing it; the
// text keeps both.
func (l *line) enclosed(name string, escapes bool) []byte {
	if !l.part(name) {
		return nil
	}
	if l.rest[0] != '"' {
		l.missing(name)
		return nil
	}
	value, rest, ok := cutQuoted(l.rest[1:], escapes)
	if !ok {
		l.missing(name)
		return nil
	}
	l.rest = rest
	return value
}

// quoted reads fields in quotes.
func (l *line) quoted(names ...string) {
	for _, name := range names {
		if value := l.enclosed(name, true); l.err == nil {
			l.dst.text(name, value)
		}
	}
}

// request reads a request in quotes into the fields method, path and protocol, as far as it has them.
func (l *line) request(method, path, protocol string) {
	request := l.enclosed("the request", true)
	if l.err != nil || len(request) == 0 || string(request) == "-" {
		return
	}
	before, after := splitRequest(request)
	l.dst.text(method, before)
	if after == nil {
		return
	}
	l.dst.text(path, after)
	if n := bytes.LastIndexByte(request, ' '); n > len(before) {
		l.dst.text(protocol, request[n+1:])
	}
}

// list reads a field that one upstream server or several stand in, with ", " between tries and " : " between the groups
// of servers that a request was sent on to.
func (l *line) list(name string) {
	if !l.part(name) {
		return
	}
	end := 0
	for {
		n := bytes.IndexByte(l.rest[end:], ' ')
		if n < 0 {
			end = len(l.rest)
			break
		}
		end += n
		if end > 0 && l.rest[end-1] == ',' {
			end++
		} else if bytes.HasPrefix(l.rest[end:], []byte(" : ")) {
			end += len(" : ")
		} else {
			break
		}
	}
	if end == 0 {
		l.missing(name)
		return
	}
	l.dst.text(name, l.rest[:end])
	l.rest = l.rest[end:]
}

// split reads a part without spaces into fields that slashes stand between.
func (l *line) split(names ...string) {
	word := l.cut(names[0])
	for i, name := range names {
		if l.err != nil {
			return
		}
		value, after, more := bytes.Cut(word, []byte{'/'})
		if more != (i < len(names)-1) {
			l.missing(name)
			return
		}
		l.dst.text(name, value)
		word = after
	}
}

// address reads a part host:port; the port may be missing, and "-" has none.
func (l *line) address(host, port string) {
	word := l.cut(host)
	if l.err != nil {
		return
	}
	if n := bytes.LastIndexByte(word, ':'); n > 0 && isDigits(word[n+1:]) && bytes.Count(word, []byte{':'}) != 0 &&
		hostEnds(word[:n]) {
		l.dst.text(host, bytes.Trim(word[:n], "[]"))
		l.dst.text(port, word[n+1:])
		return
	}
	l.dst.text(host, word)
}

// hostEnds reports whether what stands before a colon is a whole host: a name, an IPv4 address, or an IPv6 one, in
// brackets or with all of its groups.
func hostEnds(host []byte) bool {
	colons := bytes.Count(host, []byte{':'})
	return colons == 0 || host[len(host)-1] == ']' || colons == 7 || bytes.Contains(host, []byte("::"))
}

func isDigits(b []byte) bool {
	_, n := timelayout.LeadingInt(b)
	return n > 0 && n == len(b)
}

// done returns what was wrong, also where something is left.
func (l *line) done() error {
	if l.err == nil && len(l.rest) > 0 {
		return errAccessRest
	}
	return l.err
}

// more reports whether something is left.
func (l *line) more() bool { return l.err == nil && len(l.rest) > 0 }

// dash reads a part that is always "-".
func (l *line) dash() {
	if got := l.cut("the dash"); l.err == nil && string(got) != "-" {
		l.missing("the dash")
	}
}
