package parse

import "bytes"

// timeField is what formats with a time of their own call it.
const timeField = "time"

// The reasons why a line is no access log's.
const (
	errAccessWords   = reason("three words must stand before the time")
	errAccessTime    = reason("the time is not in brackets")
	errAccessRequest = reason("the request is not in quotes")
	errAccessCode    = reason("the code and the size are missing")
	errAccessReferer = reason("the referer is not in quotes")
	errAccessAgent   = reason("the agent is not in quotes")
	errAccessRest    = reason("there is more after the last field")
	errAccessNumber  = reason("the code or the size is not a number")
)

// accessLine is a line of an access log. What it lacks is nil.
type accessLine struct {
	// words is before the time: client, identity, user.
	words                          [3][]byte
	time, method, path, code, size []byte
	// referer and agent are there both, or neither.
	referer, agent []byte
	// rest is after the agent.
	rest []byte
}

// readAccess splits a line
//
//	word word word [time] "request" code size "referer" "agent" rest
//
// that may end after size. With escapes a backslash in quotes keeps the quote behind it from closing
// them; the text keeps both. The request is split as fluentd does it: the method ends at the first
// space, the last word of several after it is the protocol, the rest is the path.
func readAccess(text []byte, escapes bool) (l accessLine, err error) {
	for i := range l.words {
		n := bytes.IndexByte(text, ' ')
		if n < 0 {
			return l, errAccessWords
		}
		l.words[i], text = text[:n], text[n+1:]
	}
	n := bytes.IndexByte(text, ']')
	if n < 0 || text[0] != '[' {
		return l, errAccessTime
	}
	l.time, text = text[1:n], text[n+1:]
	request, text, ok := quoted(text, escapes)
	if !ok {
		return l, errAccessRequest
	}
	l.method, l.path = splitRequest(request)
	if len(text) == 0 || text[0] != ' ' {
		return l, errAccessCode
	}
	text = text[1:]
	if n = bytes.IndexByte(text, ' '); n < 0 {
		return l, errAccessCode
	}
	l.code, text = text[:n], text[n+1:]
	if n = bytes.IndexByte(text, ' '); n < 0 {
		l.size = text
		return l, nil
	}
	l.size, text = text[:n], text[n:]
	if l.referer, text, ok = quoted(text, escapes); !ok {
		return l, errAccessReferer
	}
	if l.agent, l.rest, ok = quoted(text, escapes); !ok {
		return l, errAccessAgent
	}
	return l, nil
}

// splitRequest returns a nil path where no space follows the method.
func splitRequest(request []byte) (method, path []byte) {
	n := bytes.IndexByte(request, ' ')
	if n < 0 {
		return request, nil
	}
	method, path = request[:n], bytes.TrimLeft(request[n:], " ")
	if n = bytes.LastIndexByte(path, ' '); n >= 0 {
		path = bytes.TrimRight(path[:n], " ")
	}
	return method, path
}

// quoted reads a space and a value in quotes at the start of text.
func quoted(text []byte, escapes bool) (value, rest []byte, ok bool) {
	if len(text) < 2 || text[0] != ' ' || text[1] != '"' {
		return nil, nil, false
	}
	return cutQuoted(text[2:], escapes)
}

// cutQuoted cuts text at the quote that closes the value at its start.
func cutQuoted(text []byte, escapes bool) (value, rest []byte, ok bool) {
	for from := 0; ; {
		n := bytes.IndexByte(text[from:], '"')
		if n < 0 {
			return nil, nil, false
		}
		n += from
		if !escapes || !escaped(text[from:n]) {
			return text[:n], text[n+1:], true
		}
		from = n + 1
	}
}

// escaped reports whether what follows b is escaped: an odd number of backslashes end b.
func escaped(b []byte) bool {
	n := len(b)
	for n > 0 && b[n-1] == '\\' {
		n--
	}
	return (len(b)-n)%2 == 1
}
