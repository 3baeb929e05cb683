package redact

import (
	"bytes"
	"strings"
)

// builtin returns the search of that name; it has no finder where there is none.
func builtin(name string) search {
	switch name {
	case "credit_card":
		return search{findCards, minCard}
	case "email":
		return search{findEmails, len("a@b.cd")}
	case "ipv4":
		return search{findIPv4, len("1.2.3.4")}
	case "ipv6":
		return search{findIPv6, len("::1")}
	case "bearer":
		return search{findBearer, len("bearer x")}
	case "aws_key":
		return search{findAWSKeys, 20}
	case "jwt":
		return search{findJWT, len("eyJhbGciOi.e.")}
	}
	return search{}
}

func isDigit(c byte) bool  { return c-'0' <= 9 }
func isUpper(c byte) bool  { return c-'A' < 26 }
func isLetter(c byte) bool { return c|0x20-'a' < 26 }
func isAlnum(c byte) bool  { return isLetter(c) || isDigit(c) }
func isHex(c byte) bool    { return isDigit(c) || c|0x20-'a' < 6 }

// isBase64 reports whether c is of base64's alphabet (RFC 4648, section 4).
func isBase64(c byte) bool { return isAlnum(c) || c == '+' || c == '/' }

// isBase64URL reports whether c is of base64url's alphabet (RFC 4648, section 5).
func isBase64URL(c byte) bool { return isAlnum(c) || c == '-' || c == '_' }

// begins reports whether a word may begin at text[i]: what is before it is no letter or digit, or the
// end of an escape, \n, %3D, \u003d, or a terminal's colour.
func begins(text []byte, i int) bool {
	if i == 0 || !isAlnum(text[i-1]) || i >= 2 && text[i-2] == '\\' {
		return true
	}
	if i >= 3 && text[i-3] == '%' && isHex(text[i-2]) && isHex(text[i-1]) ||
		i >= 6 && text[i-6] == '\\' && text[i-5] == 'u' {
		return true
	}
	if text[i-1] != 'm' {
		return false
	}
	j := i - 2
	for j > 0 && i-j < 20 && (isDigit(text[j]) || text[j] == ';') {
		j--
	}
	return j > 0 && text[j] == '[' && text[j-1] == 0x1b
}

// ends reports whether a word may end before text[i].
func ends(text []byte, i int) bool { return i >= len(text) || !isAlnum(text[i]) }

// findEmails finds addr-specs (RFC 5322, section 3.4.1) as people have them: letters, digits and
// ._%+- before the @, which may be written %40 as in URLs; a domain of two names at least.
func findEmails(text []byte, spans []span) []span {
	for _, sign := range [2]string{"@", "%40"} {
		for floor := 0; ; {
			at := indexAfter(text, floor, sign)
			if at < 0 {
				break
			}
			from := at
			for from > floor &&
				(isAlnum(text[from-1]) || text[from-1] >= 0x80 || strings.IndexByte("._%+-", text[from-1]) >= 0) {
				from--
			}
			for from < at && strings.IndexByte("._%+-", text[from]) >= 0 && text[from] != '_' {
				from++
			}
			floor = at + len(sign)
			if to := domain(text, floor); from < at && to > 0 {
				spans = append(spans, span{from, to})
				floor = to
			}
		}
	}
	return spans
}

// indexAfter returns where sign is in text from i on, or -1.
func indexAfter(text []byte, i int, sign string) int {
	n := bytes.Index(text[i:], []byte(sign))
	if n < 0 {
		return -1
	}
	return i + n
}

// domain returns where the domain name that begins at text[i] ends: after the last of its names
// that begins with two letters. 0: there is none.
func domain(text []byte, i int) (end int) {
	for label := i; ; i++ {
		for i < len(text) && (isAlnum(text[i]) || text[i] == '-' || text[i] >= 0x80) {
			i++
		}
		if i == label {
			return end
		}
		if dotted := label > 0 && text[label-1] == '.'; dotted {
			n := label
			if text[n] >= 0x80 {
				n = i
			}
			for n < i && isLetter(text[n]) {
				n++
			}
			if n-label >= 2 {
				end = n
			}
			if bytes.HasPrefix(text[label:i], []byte("xn--")) {
				end = i
			}
		}
		if i >= len(text) || text[i] != '.' {
			return end
		}
		label = i + 1
	}
}

// findIPv4 finds addresses of four decimal numbers that stand alone: 1.2.3.4.5 has none.
func findIPv4(text []byte, spans []span) []span {
	for at := 0; ; {
		dot := indexAfter(text, at, ".")
		if dot < 0 {
			return spans
		}
		from := dot
		for from > at && isDigit(text[from-1]) && dot-from < 6 {
			from--
		}
		at = dot + 1
		if n := dot - from; n > 3 && n <= 5 && from > 0 && text[from-1] == '%' {
			// %20.
			from += 2
		}
		if !begins(text, from) || from > 0 && text[from-1] == '.' {
			continue
		}
		if to, ok := quad(text, from); ok && ends(text, to) &&
			(to+1 >= len(text) || text[to] != '.' || !isDigit(text[to+1])) {
			spans = append(spans, span{from, to})
			at = to
		}
	}
}

// quad reads four numbers up to 255 with dots between them at text[i].
func quad(text []byte, i int) (end int, ok bool) {
	for k := range 4 {
		if k > 0 {
			if i >= len(text) || text[i] != '.' {
				return 0, false
			}
			i++
		}
		from, v := i, 0
		for i < len(text) && isDigit(text[i]) && i-from < 4 {
			v = v*10 + int(text[i]-'0')
			i++
		}
		if i == from || i-from > 3 || v > 255 {
			return 0, false
		}
	}
	return i, true
}

// findIPv6 finds addresses (RFC 4291, section 2.2) of eight groups, or with :: and a digit: times,
// MAC addresses and fingerprints are none, nor is A::B.
func findIPv6(text []byte, spans []span) []span {
	for at := 0; ; {
		colon := indexAfter(text, at, ":")
		if colon < 0 {
			return spans
		}
		from := colon
		hextet := true
		for from > at && isAlnum(text[from-1]) && colon-from < 5 {
			from--
			hextet = hextet && isHex(text[from])
		}
		at = colon + 1
		double := at < len(text) && text[at] == ':'
		switch n := colon - from; {
		case n > 4 || !hextet || !begins(text, from):
			// A label, such as client:
			if double {
				at++
				continue
			}
			from = at
		case from > 0 && text[from-1] == ':':
			// This is within what was tried.
			continue
		case n == 0 && !double:
			from = at
		}
		if to, ok := groups(text, from); ok {
			spans = append(spans, span{from, to})
			at = to
		}
	}
}

// groups reads an IPv6 address at text[i].
func groups(text []byte, i int) (end int, ok bool) {
	count, double, digit := 0, false, false
	if bytes.HasPrefix(text[i:], []byte("::")) {
		double = true
		i += 2
	}
	for count < 8 {
		from := i
		for i < len(text) && isHex(text[i]) && i-from < 5 {
			digit = digit || isDigit(text[i])
			i++
		}
		if n := i - from; n == 0 || n > 4 {
			return 0, false
		}
		if i < len(text) && text[i] == '.' && count <= 6 {
			if to, ok := quad(text, from); ok {
				i = to
				count += 2
				break
			}
		}
		count++
		if i+1 >= len(text) || text[i] != ':' {
			break
		}
		if text[i+1] == ':' {
			if double {
				return 0, false
			}
			double = true
			i += 2
			if i >= len(text) || !isHex(text[i]) {
				break
			}
		} else if isHex(text[i+1]) && count < 8 {
			i++
		} else {
			break
		}
	}
	more := i+1 < len(text) && text[i] == ':' && (isHex(text[i+1]) || text[i+1] == ':')
	return i, digit && (count == 8 && !double || count < 8 && double) && ends(text, i) && !more
}
