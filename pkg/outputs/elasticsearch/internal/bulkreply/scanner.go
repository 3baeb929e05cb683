package bulkreply

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"unicode/utf8"
)

// errShape says that a text is not the JSON that it should be.
var errShape = errors.New("it is not the JSON of a bulk reply")

// maxNesting bounds the arrays and objects around a value that is skipped.
const maxNesting = 100

// Scanner reads JSON as it comes, in memory that does not grow with it. Its first error stays, and makes
// all methods return zeros: io.ErrUnexpectedEOF where the text ends too early, errShape where it is not
// what was asked for, or the reader's own.
type Scanner struct {
	r        io.Reader
	buf      []byte
	pos, end int
	// read is how many bytes were read.
	read int64
	// Head is what the text begins with, to be shown.
	Head []byte
	err  error
	key  []byte
}

// headSize is how much of a text's beginning is kept to be shown.
const headSize = 100

// reset makes s read r.
func (s *Scanner) reset(r io.Reader) {
	if s.buf == nil {
		s.buf = make([]byte, 32<<10)
	}
	s.r, s.pos, s.end, s.read, s.Head, s.err = r, 0, 0, 0, s.Head[:0], nil
}

// more reads more of the text, behind what is in buf and not read yet. It returns false at the end.
func (s *Scanner) more() bool {
	// A reader that returns nothing that often is broken.
	for range 100 {
		if s.err != nil {
			return false
		}
		n, err := s.r.Read(s.buf)
		s.pos, s.end, s.read = 0, n, s.read+int64(n)
		if missing := headSize - len(s.Head); missing > 0 {
			s.Head = append(s.Head, s.buf[:min(n, missing)]...)
		}
		switch {
		case n > 0:
			return true
		case errors.Is(err, io.EOF):
			s.err = io.ErrUnexpectedEOF
		case err != nil:
			s.err = err
		}
	}
	s.fail(io.ErrNoProgress)
	return false
}

func (s *Scanner) fail(err error) {
	if s.err == nil {
		s.err = err
	}
}

// peek returns the next byte that is no white space, without reading it.
func (s *Scanner) peek() byte {
	for s.err == nil {
		for ; s.pos < s.end; s.pos++ {
			switch c := s.buf[s.pos]; c {
			case ' ', '\t', '\n', '\r':
			default:
				return c
			}
		}
		s.more()
	}
	return 0
}

// next reads the next byte that is no white space.
func (s *Scanner) next() byte {
	c := s.peek()
	if s.err == nil {
		s.pos++
	}
	return c
}

// expect reads c.
func (s *Scanner) expect(c byte) bool {
	if got := s.next(); got != c {
		s.fail(errShape)
	}
	return s.err == nil
}

// finish checks that nothing follows, and reads to the end.
func (s *Scanner) finish() {
	if s.err != nil {
		return
	}
	if s.peek(); errors.Is(s.err, io.ErrUnexpectedEOF) {
		s.err = nil
		return
	}
	s.fail(errShape)
}

// object reads an object. member is called for each key, and reads the value; key is overwritten then.
func (s *Scanner) object(member func(key []byte)) {
	if !s.expect('{') {
		return
	}
	if s.peek() == '}' {
		s.pos++
		return
	}
	for s.err == nil {
		s.key = s.text(s.key[:0], 64)
		if !s.expect(':') {
			return
		}
		member(s.key)
		switch s.next() {
		case ',':
		case '}':
			return
		default:
			s.fail(errShape)
		}
	}
}

// array reads an array. element is called for each element, and reads it.
func (s *Scanner) array(element func()) {
	if !s.expect('[') {
		return
	}
	if s.peek() == ']' {
		s.pos++
		return
	}
	for s.err == nil {
		element()
		switch s.next() {
		case ',':
		case ']':
			return
		default:
			s.fail(errShape)
		}
	}
}

// skip reads a value of any kind, inside of depth others.
func (s *Scanner) skip(depth int) {
	switch c := s.peek(); {
	case s.err != nil:
	case depth > maxNesting:
		s.fail(errShape)
	case c == '{':
		s.object(func([]byte) { s.skip(depth + 1) })
	case c == '[':
		s.array(func() { s.skip(depth + 1) })
	case c == '"':
		s.text(nil, 0)
	default:
		s.word()
	}
}

// word reads a number, true, false or null.
func (s *Scanner) word() []byte {
	s.peek()
	word := s.key[:0]
	for s.err == nil {
		if s.pos == s.end && !s.more() {
			// The object or array around it is not closed.
			break
		}
		c := s.buf[s.pos]
		if c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c == '-' || c == '+' || c == '.' || c == 'E' {
			if len(word) < 64 {
				word = append(word, c)
			}
			s.pos++
			continue
		}
		break
	}
	s.key = word
	if len(word) == 0 {
		s.fail(errShape)
	}
	return word
}

// number reads an integer. Any other value is skipped and is 0.
func (s *Scanner) number() int {
	if c := s.peek(); c == '{' || c == '[' || c == '"' {
		s.skip(0)
		return 0
	}
	n, err := strconv.Atoi(string(s.word()))
	if err != nil {
		return 0
	}
	return n
}

// text reads a string and appends it to dst, but no more than room bytes, about.
func (s *Scanner) text(dst []byte, room int) []byte {
	if !s.expect('"') {
		return dst
	}
	for s.err == nil {
		rest := s.buf[s.pos:s.end]
		n := bytes.IndexByte(rest, '"')
		if n < 0 {
			n = len(rest)
		}
		if escape := bytes.IndexByte(rest[:n], '\\'); escape >= 0 {
			n = escape
		}
		take := min(n, max(room, 0))
		dst = append(dst, rest[:take]...)
		room -= take
		s.pos += n
		if s.pos == s.end {
			s.more()
			continue
		}
		s.pos++
		if rest[n] == '"' {
			return dst
		}
		if c := s.escape(); room > 0 && s.err == nil {
			before := len(dst)
			dst = utf8.AppendRune(dst, c)
			room -= len(dst) - before
		}
	}
	return dst
}

// byte reads a byte, white space or not.
func (s *Scanner) byte() byte {
	if s.pos == s.end && !s.more() {
		return 0
	}
	c := s.buf[s.pos]
	s.pos++
	return c
}

// escape reads what follows a backslash.
func (s *Scanner) escape() rune {
	switch c := s.byte(); c {
	case '"', '\\', '/':
		return rune(c)
	case 'b', 'f', 'n', 'r', 't':
		return ' '
	case 'u':
		// Half of a pair becomes U+FFFD: the text is for people only.
		return s.hex()
	default:
		s.fail(errShape)
		return 0
	}
}

func (s *Scanner) hex() rune {
	var digits [4]byte
	for i := range digits {
		digits[i] = s.byte()
	}
	n, err := strconv.ParseUint(string(digits[:]), 16, 16)
	if err != nil {
		s.fail(errShape)
	}
	return rune(n)
}
