package redact

import (
	"bytes"
	"math/bits"
	"strings"
)

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

// header reports whether text ends with the name of the header that holds credentials.
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
		if to-from == secretBytes && secret(text[from:to]) &&
			(to == len(text) || strings.IndexByte("=-_", text[to]) < 0) &&
			(from == 0 || text[from-1] != '-' && text[from-1] != '_') {
			spans = append(spans, span{from, to})
		}
		floor = to
		i = to + secretBytes
	}
	return spans
}

// secret reports whether text looks like chance: capitals, small letters and digits, and many
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
				// Only a signature may be empty.
				break
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
