package s3

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash/fnv"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/seed-afc6a195/aggregator/internal/safetext"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/intent"
)

const (
	// maxValue is how many bytes of a placeholder's value in a key.
	maxValue = 200
	// maxPrefix is in bytes; S3 takes keys of 1,024 bytes, and an object's name follows.
	maxPrefix = 940
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

// indexMark stands in a filled-in key for the object's number. No value of a placeholder holds it.
const indexMark = "\x00"

// parseKey reads the setting key, in which {index} may stand beside what any template has.
func parseKey(text string) (*event.Template, error) {
	if strings.Contains(text, indexMark) {
		return nil, errors.New("there is a byte of zero in it")
	}
	const index = "{index}"
	var b strings.Builder
	for {
		before, after, found := strings.Cut(text, index)
		b.WriteString(before)
		if !found {
			return event.ParseTemplate(b.String())
		}
		if braces := len(before) - len(strings.TrimRight(before, "{")); braces%2 == 1 {
			// These are literal braces around the word.
			b.WriteString(index)
		} else {
			b.WriteString(indexMark)
		}
		text = after
	}
}

// shownPrefix is a filled-in prefix for people.
func shownPrefix(prefix string) string { return strings.ReplaceAll(prefix, indexMark, "0") }

// objectHash tells the events of spans from others: the same events always have the same.
func objectHash(spans []intent.Span) string {
	sum := sha256.Sum256(intent.AppendSpans(nil, spans))
	return hex.EncodeToString(sum[:12])
}

// objectKey returns the key of the object with that prefix, number and hash, the first event of which is of time t. A
// prefix with a number in its last part is the beginning of the name; otherwise the name begins with the time.
func objectKey(prefix string, t event.Time, number int, hash, ext string) string {
	name := time.Unix(t.Sec, 0).UTC().Format("20060102T150405Z")
	if strings.Contains(prefix[strings.LastIndexByte(prefix, '/')+1:], indexMark) {
		name = ""
	}
	filled := strings.ReplaceAll(prefix, indexMark, strconv.Itoa(number))
	return filled + name + "-" + hash + ".ndjson" + ext
}

// maxNumbered is how many prefixes are counted for; beyond, all begin at 0 again. Names differ by their hash all the
// same.
const maxNumbered = 10_000

// numbers counts the objects of each prefix. The zero value has counted none. Safe for concurrent use.
type numbers struct {
	mu   sync.Mutex
	next map[string]int
	// given is those of objects, by prefix and hash, that are not known to be complete: a repeated upload has the same
	// name.
	given map[[2]string]int
	// logged is the keys of objects that an earlier run may have left unfinished, by their hash.
	logged map[string]string
}

// remember notes objects of an earlier run, so that what is sent again of them replaces them.
func (n *numbers) remember(objects []object) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.logged = make(map[string]string, len(objects))
	for i := range objects {
		n.logged[objectHash(objects[i].spans)] = objects[i].key
	}
}

// key returns the key of the object with that prefix and hash, the first event of which is of time t.
func (n *numbers) key(prefix string, t event.Time, hash, ext string) string {
	if !strings.Contains(prefix, indexMark) {
		return objectKey(prefix, t, 0, hash, ext)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if key, before := n.logged[hash]; before {
		return key
	}
	return objectKey(prefix, t, n.of(prefix, hash), hash, ext)
}

// of returns the number of the object with that prefix and hash. mu is held.
func (n *numbers) of(prefix, hash string) int {
	if number, again := n.given[[2]string{prefix, hash}]; again {
		return number
	}
	if n.next == nil || len(n.next) >= maxNumbered || len(n.given) >= maxNumbered {
		n.next, n.given = map[string]int{}, map[[2]string]int{}
	}
	number := n.next[prefix]
	n.next[prefix]++
	n.given[[2]string{prefix, hash}] = number
	return number
}

// complete notes that the object is.
func (n *numbers) complete(prefix, hash string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.given, [2]string{prefix, hash})
	delete(n.logged, hash)
}
