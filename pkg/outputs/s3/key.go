package s3

import (
	"crypto/sha256"
	"encoding/hex"
	"hash/fnv"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/seed-afc6a195/aggregator/internal/safetext"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/intent"
)

const (
	maxValue  = 200 // bytes of a placeholder's value in a key
	maxPrefix = 940 // bytes; S3 takes keys of 1,024 bytes, and an object's name follows
)

func notPrintable(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }

// appendClean appends value as it may stand in a key: never empty, without slashes, so that it can
// neither make a level of its own nor leave one out, without dots at the start or in a row, and
// without characters that can't be printed. A longer one than maxValue is cut, with a checksum in
// place of the rest.
func appendClean(dst, value []byte) []byte {
	if len(value) == 0 {
		return append(dst, '_')
	}
	from := len(dst)
	// A dot here would be at the start or follow another.
	dotted := true
	for len(value) > 0 {
		r, n := utf8.DecodeRune(value)
		if r == '.' && dotted || r == '/' || r == '\\' || notPrintable(r) {
			dst = append(dst, '_')
		} else {
			dst = append(dst, value[:n]...)
		}
		dotted = r == '.'
		value = value[n:]
	}
	return append(dst[:from], shorten(dst[from:], maxValue)...)
}

// shorten returns text, or where it has more than limit bytes, its beginning and a checksum.
func shorten(text []byte, limit int) []byte { return safetext.Shorten(text, limit, '~', fnv.New64a()) }

// finalPrefix returns the filled-in prefix, short enough for an object's name to follow.
func finalPrefix(filled []byte) string {
	if len(filled) <= maxPrefix {
		return string(filled)
	}
	return string(shorten(filled, maxPrefix-1)) + "/"
}

// objectKey returns the key of the object with the events of spans, the first of which is of time t:
// the same events always have the same key, and others another.
func objectKey(prefix string, t event.Time, spans []intent.Span, ext string) string {
	h := sha256.New()
	h.Write(intent.AppendSpans(nil, spans))
	at := time.Unix(t.Sec, 0).UTC().Format("20060102T150405Z")
	return prefix + at + "-" + hex.EncodeToString(h.Sum(nil)[:12]) + ".ndjson" + ext
}
