package timelayout

import (
	"bytes"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// op reads one part of a time: a conversion's letter, or 0 and the byte that must stand there.
type op struct{ conv, literal byte }

const (
	// white is any number of spaces.
	white      = ' '
	knownConvs = "%Y %y %m %d %e %b %B %h %a %A %j %H %k %I %l %p %P %M %S %L %N %f %z %:z %Z %s %Q %T %F %D %R %r " +
		"%c %n %t %%"
)

// compileStrptime appends the ops of format: what C's and Ruby's strptime have in common, and
// fractions of a second, %L, %N, %3N (Ruby, Fluent Bit) and %f, with any number of digits.
func compileStrptime(ops []op, format string) ([]op, error) {
	for i := 0; i < len(format); i++ {
		c := format[i]
		if c == ' ' || c == '\t' {
			ops = append(ops, op{conv: white})
			continue
		}
		if c != '%' {
			ops = append(ops, op{literal: c})
			continue
		}
		start := i
		for i++; i < len(format) && strings.IndexByte("-_0^#:0123456789", format[i]) >= 0; i++ {
			// Flags and widths do not matter to who reads.
			continue
		}
		conv := byte(0)
		if i < len(format) {
			conv = format[i]
		}
		var long string
		switch conv {
		case 'Y', 'y', 'm', 'd', 'e', 'b', 'B', 'h', 'a', 'A', 'j', 'H', 'k', 'I', 'l', 'p', 'P', 'M', 'S', 'L', 'N',
			'f', 'z', 'Z', 's', 'Q':
			ops = append(ops, op{conv: conv})
			continue
		case 'n', 't':
			ops = append(ops, op{conv: white})
			continue
		case '%':
			ops = append(ops, op{literal: '%'})
			continue
		case 'T':
			long = "%H:%M:%S"
		case 'F':
			long = "%Y-%m-%d"
		case 'D':
			long = "%m/%d/%y"
		case 'R':
			long = "%H:%M"
		case 'r':
			long = "%I:%M:%S %p"
		case 'c':
			long = "%a %b %e %H:%M:%S %Y"
		default:
			return nil, fmt.Errorf("%q: %q at position %d is no conversion (known are %s)",
				format, format[start:min(i+1, len(format))], start+1, knownConvs)
		}
		// These conversions are known.
		ops, _ = compileStrptime(ops, long)
	}
	return ops, nil
}

// scanner reads a time from text and holds its parts; what was not read is 0.
type scanner struct {
	text []byte
	at   int

	year, month, day, yearday  int
	hour, minute, second, nsec int
	// half is that of the day that hours are counted in; 0: none, 1: am, 2: pm.
	half int
	// zoned says that the text says how many seconds east of Greenwich it is.
	zoned bool
	east  int
	// epoch says that the text is Unix seconds.
	epoch bool
	unix  int64
}

// run reads what ops say.
func (s *scanner) run(ops []op) bool {
	for _, o := range ops {
		if o.conv == 0 {
			if !s.byte(o.literal) {
				return false
			}
		} else if !s.conversion(o.conv) {
			return false
		}
	}
	return true
}

func (s *scanner) conversion(conv byte) (ok bool) {
	switch conv {
	case white:
		s.spaces()
		return true
	case 'Y':
		s.year, ok = s.number(4, 4)
		return ok && s.year > 0
	case 'y':
		s.year, ok = s.number(2, 2)
		s.year += 1900
		if s.year < 1969 {
			s.year += 100
		}
	case 'm':
		s.month, ok = s.number(1, 2)
		return ok && s.month > 0
	case 'd', 'e':
		s.day, ok = s.number(1, 2)
		return ok && s.day > 0
	case 'b', 'B', 'h':
		s.month, ok = s.month3()
	case 'a', 'A':
		return s.weekday()
	case 'j':
		s.yearday, ok = s.number(1, 3)
		return ok && s.yearday > 0
	case 'H', 'k', 'I', 'l':
		s.hour, ok = s.number(1, 2)
	case 'M':
		s.minute, ok = s.number(1, 2)
	case 'S':
		s.second, ok = s.number(1, 2)
	case 'p', 'P':
		return s.halfDay()
	case 'L', 'N', 'f':
		return s.fraction()
	case 'z':
		return s.offset()
	case 'Z':
		return s.abbreviation()
	case 's', 'Q':
		var digits int
		s.unix, digits = LeadingInt(s.text[s.at:])
		s.at += digits
		if conv == 'Q' {
			s.nsec = int(s.unix % 1000 * 1e6)
			s.unix /= 1000
		}
		s.epoch = true
		return digits > 0
	}
	return ok
}

// rfc3339 reads 2006-01-02T15:04:05.999Z and what ISO 8601 and people make of it: a space for the
// T, a comma for the point, no seconds, no colon in the offset, a space before it, or none at all.
func (s *scanner) rfc3339() bool {
	t := s.text
	if len(t) < 16 || t[4] != '-' || t[7] != '-' || t[10]|0x20 != 't' && t[10] != ' ' || t[13] != ':' {
		return false
	}
	var a, b, c, d, e, f bool
	s.year, a = pair(t, 0)
	low, b := pair(t, 2)
	s.year = s.year*100 + low
	s.month, c = pair(t, 5)
	s.day, d = pair(t, 8)
	s.hour, e = pair(t, 11)
	s.minute, f = pair(t, 14)
	if !a || !b || !c || !d || !e || !f || s.year == 0 || s.month == 0 || s.day == 0 {
		return false
	}
	s.at = 16
	if s.byte(':') {
		if len(t) < 19 {
			return false
		}
		var ok bool
		if s.second, ok = pair(t, 17); !ok {
			return false
		}
		s.at = 19
		if (s.byte('.') || s.byte(',')) && !s.fraction() {
			return false
		}
	}
	s.spaces()
	return s.at == len(t) || s.offset() && s.zoneName()
}

// zoneName passes over what may follow an offset: the name of its zone in brackets, +01:00[Europe/Paris] (RFC 9557), as
// Java writes it.
func (s *scanner) zoneName() bool {
	if !s.byte('[') {
		return true
	}
	for s.at < len(s.text) && s.text[s.at] != ']' {
		s.at++
	}
	return s.byte(']')
}

// pair returns the number of the two digits at t[i].
func pair(t []byte, i int) (n int, ok bool) {
	a, b := t[i]-'0', t[i+1]-'0'
	return int(a)*10 + int(b), a <= 9 && b <= 9
}

func (s *scanner) byte(c byte) bool {
	if s.at < len(s.text) && s.text[s.at] == c {
		s.at++
		return true
	}
	return false
}

// spaces passes over blanks, also those that don't break a line: Java and Node.js write one before AM and PM.
func (s *scanner) spaces() {
	for s.at < len(s.text) {
		switch rest := s.text[s.at:]; {
		case rest[0] == ' ' || rest[0] == '\t':
			s.at++
		case rest[0] < utf8.RuneSelf:
			return
		case bytes.HasPrefix(rest, []byte("\u00a0")):
			s.at += len("\u00a0")
		case bytes.HasPrefix(rest, []byte("\u202f")):
			s.at += len("\u202f")
		default:
			return
		}
	}
}

// number reads a number of that many digits, after spaces.
func (s *scanner) number(least, most int) (n int, ok bool) {
	s.spaces()
	digits := 0
	for digits < most && s.at < len(s.text) && s.text[s.at]-'0' <= 9 {
		n = n*10 + int(s.text[s.at]-'0')
		s.at++
		digits++
	}
	return n, digits >= least
}

// fraction reads the digits behind the point, into nanoseconds; more than nine are cut off.
func (s *scanner) fraction() bool {
	from, unit := s.at, 100_000_000
	s.nsec = 0
	for s.at < len(s.text) && s.text[s.at]-'0' <= 9 {
		s.nsec += int(s.text[s.at]-'0') * unit
		unit /= 10
		s.at++
	}
	return s.at > from
}

// offset reads Z, UTC, GMT, +0900, +09:00 or +09.
func (s *scanner) offset() bool {
	s.spaces()
	if s.at == len(s.text) {
		return false
	}
	sign := 1
	switch s.text[s.at] {
	case '+':
	case '-':
		sign = -1
	default:
		return s.abbreviation()
	}
	s.at++
	from := s.at
	hours, ok := s.number(2, 2)
	if !ok || s.at != from+2 {
		return false
	}
	minutes := 0
	if colon := s.byte(':'); colon || s.at < len(s.text) && s.text[s.at]-'0' <= 9 {
		from = s.at
		if minutes, ok = s.number(2, 2); !ok || s.at != from+2 {
			return false
		}
	}
	s.zoned, s.east = true, sign*(hours*3600+minutes*60)
	return hours < 24 && minutes < 60
}

// word reads letters.
func (s *scanner) word() []byte {
	s.spaces()
	from := s.at
	for s.at < len(s.text) && (s.text[s.at]|0x20)-'a' < 26 {
		s.at++
	}
	return s.text[from:s.at]
}

// abbreviation reads the name of a zone: those that mean one offset in practice.
func (s *scanner) abbreviation() bool {
	east := 0
	switch string(s.word()) {
	case "Z", "z", "UTC", "GMT", "UT", "WET":
	case "CET", "WEST", "BST":
		east = 1
	case "CEST", "EET":
		east = 2
	case "EEST", "MSK":
		east = 3
	case "JST", "KST":
		east = 9
	case "EST", "CDT":
		east = -5
	case "EDT":
		east = -4
	case "CST", "MDT":
		east = -6
	case "MST", "PDT":
		east = -7
	case "PST":
		east = -8
	default:
		return false
	}
	s.zoned, s.east = true, east*3600
	return true
}

// month3 reads a month's name, whole or its first letters: three, or "Sept" as Java has it in English.
func (s *scanner) month3() (month int, ok bool) {
	word := s.word()
	for m := time.January; m <= time.December; m++ {
		if IsName(word, m.String()) || m == time.September && string(word) == "Sept" {
			return int(m), true
		}
	}
	return 0, false
}

func (s *scanner) weekday() bool {
	word := s.word()
	for d := time.Sunday; d <= time.Saturday; d++ {
		if IsName(word, d.String()) {
			return true
		}
	}
	return false
}

// IsName reports whether word is name or its first three letters, in any case.
func IsName(word []byte, name string) bool {
	if len(word) != 3 && len(word) != len(name) {
		return false
	}
	for i, c := range word {
		if c|0x20 != name[i]|0x20 {
			return false
		}
	}
	return true
}

// halfDay reads am or pm.
func (s *scanner) halfDay() bool {
	word := s.word()
	if len(word) != 2 || word[1]|0x20 != 'm' {
		return false
	}
	switch word[0] | 0x20 {
	case 'a':
		s.half = 1
	case 'p':
		s.half = 2
	default:
		return false
	}
	return true
}
