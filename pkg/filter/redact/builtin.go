package redact

import (
	"bytes"
	"math/bits"
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

// isBase64 says whether c is of base64's alphabet (RFC 4648, section 4).
func isBase64(c byte) bool { return isAlnum(c) || c == '+' || c == '/' }

// isBase64URL says whether c is of base64url's alphabet (RFC 4648, section 5).
func isBase64URL(c byte) bool { return isAlnum(c) || c == '-' || c == '_' }

// begins says whether a word may begin at text[i]: what is before it is no letter or digit, or the
// end of an escape, \n, %3D, \u003d, or a terminal's colour.
func begins(text []byte, i int) bool {
	if i == 0 || !isAlnum(text[i-1]) || i >= 2 && text[i-2] == '\\' {
		return true
	}
	if i >= 3 && text[i-3] == '%' && isHex(text[i-2]) && isHex(text[i-1]) || i >= 6 && text[i-6] == '\\' && text[i-5] == 'u' {
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

// ends says whether a word may end before text[i].
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
			for from > floor && (isAlnum(text[from-1]) || text[from-1] >= 0x80 || strings.IndexByte("._%+-", text[from-1]) >= 0) {
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
			from += 2 // %20
		}
		if !begins(text, from) || from > 0 && text[from-1] == '.' {
			continue
		}
		if to, ok := quad(text, from); ok && ends(text, to) && (to+1 >= len(text) || text[to] != '.' || !isDigit(text[to+1])) {
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
		case n > 4 || !hextet || !begins(text, from): // a label, such as client:
			if double {
				at++
				continue
			}
			from = at
		case from > 0 && text[from-1] == ':': // within what was tried
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

// findBearer finds the tokens that follow the word bearer (RFC 6750, section 2.1): in a header or
// with a digit, a capital within or 16 bytes, so that "bearer of news" stays.
func findBearer(text []byte, spans []span) []span {
	for _, first := range [2]string{"B", "b"} {
		for at := 0; ; {
			word := indexAfter(text, at, first)
			if word < 0 {
				break
			}
			at = word + 1
			if word+6 >= len(text) || !bytes.EqualFold(text[word:word+6], []byte("bearer")) || !begins(text, word) {
				continue
			}
			from := word + 6
			for from < len(text) && from-word < 16 && strings.IndexByte(" \t:=\"'+\\", text[from]) >= 0 {
				from++
			}
			for bytes.HasPrefix(text[from:], []byte("%20")) {
				from += 3
			}
			to := from
			telling := false
			for to < len(text) && (isAlnum(text[to]) || strings.IndexByte("-._~+/", text[to]) >= 0) {
				telling = telling || isDigit(text[to]) || isUpper(text[to]) && to > from
				to++
			}
			if from == word+6 || to == from || !telling && to-from < 16 && !header(text[:word]) {
				continue
			}
			for to < len(text) && text[to] == '=' {
				to++
			}
			spans = append(spans, span{from, to})
			at = to
		}
	}
	return spans
}

// header says whether text ends with the name of the header that holds credentials.
func header(text []byte) bool {
	const name = "authorization"
	text = bytes.TrimRight(text[max(0, len(text)-len(name)-8):], " \t:=\"'[\\>")
	return len(text) >= len(name) && bytes.EqualFold(text[len(text)-len(name):], []byte(name))
}

// findAWSKeys finds access key ids, 20 capitals and digits of which the first four are AKIA, ASIA,
// ABIA or ACCA, and secret access keys: 40 characters of base64 that are neither a hash in hex nor a path.
func findAWSKeys(text []byte, spans []span) []span {
	for _, part := range [2]string{"IA", "CA"} {
		for at := 0; ; {
			found := indexAfter(text, at, part)
			if found < 0 {
				break
			}
			at = found + 2
			from, to := found-2, found+18
			if from < 0 || to > len(text) || text[from] != 'A' || !begins(text, from) || !ends(text, to) {
				continue
			}
			if c := text[from+1]; part == "IA" && c != 'K' && c != 'S' && c != 'B' || part == "CA" && c != 'C' {
				continue
			}
			i := at
			for i < to && (isUpper(text[i]) || isDigit(text[i])) {
				i++
			}
			if i == to {
				spans = append(spans, span{from, to})
				at = to
			}
		}
	}
	return findSecrets(text, spans)
}

const secretBytes = 40

func findSecrets(text []byte, spans []span) []span {
	floor := 0
	// A run of 40 covers one of each 40 places in a row.
	for i := secretBytes - 1; i < len(text); {
		if !isBase64(text[i]) {
			floor = i + 1
			i += secretBytes
			continue
		}
		from, to := i, i+1
		for from > floor && isBase64(text[from-1]) {
			from--
		}
		for to < len(text) && isBase64(text[to]) {
			to++
		}
		if to-from == secretBytes && secret(text[from:to]) && (to == len(text) || strings.IndexByte("=-_", text[to]) < 0) &&
			(from == 0 || text[from-1] != '-' && text[from-1] != '_') {
			spans = append(spans, span{from, to})
		}
		floor = to
		i = to + secretBytes
	}
	return spans
}

// secret says whether text looks like chance: capitals, small letters and digits, and many
// different ones. Of 40 random characters 30 are different, of 10 000 such keys one has fewer than 21.
func secret(text []byte) bool {
	var seen [2]uint64
	var upper, lower, digit bool
	for _, c := range text {
		seen[c>>6&1] |= 1 << (c & 63)
		upper = upper || isUpper(c)
		lower = lower || isLetter(c) && !isUpper(c)
		digit = digit || isDigit(c)
	}
	return upper && lower && digit && bits.OnesCount64(seen[0])+bits.OnesCount64(seen[1]) > 20
}

// findJWT finds JSON web tokens in compact form (RFC 7519 and 7516): up to five pieces of base64url
// with dots between them, the first one the start of a JSON object.
func findJWT(text []byte, spans []span) []span {
	for at := 0; ; {
		from := indexAfter(text, at, "eyJ")
		if from < 0 {
			return spans
		}
		at = from + 3
		if from > 0 && !begins(text, from) || from > 0 && (text[from-1] == '-' || text[from-1] == '_') {
			continue
		}
		to, pieces := from, 0
		claims := false
		for pieces < 5 {
			start := to
			if pieces > 0 {
				start++
			}
			end := start
			for end < len(text) && isBase64URL(text[end]) {
				end++
			}
			if end == start && pieces != 2 || pieces == 0 && end-start < 10 {
				break // only a signature may be empty
			}
			if pieces == 1 {
				claims = bytes.HasPrefix(text[start:], []byte("eyJ"))
			}
			to = end
			pieces++
			if end >= len(text) || text[end] != '.' {
				break
			}
		}
		if pieces >= 3 || pieces == 2 && claims {
			spans = append(spans, span{from, to})
			at = to
		}
	}
}
