package indexname

import (
	"hash/fnv"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/seed-afc6a195/aggregator/internal/safetext"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

const (
	// maxName is how many bytes of UTF-8 the name of an index may have.
	maxName = 255
	// The indices behind a data stream add this to its name, and must keep to maxName too.
	maxStreamName = maxName - len(".ds-"+"-2025.11.21-000001")
	hashLength    = len("-00000000")
	// unknown stands in place of a value that is not there.
	unknown = "unknown"
)

// Anything stands for times and values in a Pattern.
const Anything = "*"

// piece is a part of the text of index, as it is written there.
type piece struct {
	kind pieceKind
	text string
}

type pieceKind uint8

const (
	pieceLiteral pieceKind = iota
	pieceCluster
	// pieceValue is any other placeholder.
	pieceValue
	pieceTime
)

// Template is the text of index in its pieces.
type Template []piece

// Parse splits a template into its pieces, of which there is at least one.
func Parse(text string) (Template, error) {
	if _, err := event.ParseTemplate(text); err != nil {
		return nil, err
	}
	var pieces Template
	for i := 0; i < len(text); {
		p := piece{kind: pieceLiteral, text: text[i : i+1]}
		c := text[i]
		switch twice := i+1 < len(text) && text[i+1] == c; {
		case twice && (c == '{' || c == '}' || c == '%'):
			p.text = text[i : i+2]
		case c == '%':
			p = piece{kind: pieceTime, text: text[i : i+2]}
		case c == '{':
			p = piece{kind: pieceValue, text: placeholder(text[i:])}
			if strings.HasPrefix(p.text, "{cluster") {
				p.kind = pieceCluster
			}
		}
		i += len(p.text)
		if last := len(pieces) - 1; p.kind == pieceLiteral && last >= 0 && pieces[last].kind == pieceLiteral {
			pieces[last].text += p.text
		} else {
			pieces = append(pieces, p)
		}
	}
	if pieces == nil {
		pieces = []piece{{}}
	}
	return pieces, nil
}

// placeholder returns the placeholder that text, which event.ParseTemplate has accepted, begins with.
func placeholder(text string) string {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '"':
			// A field's name, which may hold Anything.
			if quoted, err := strconv.QuotedPrefix(text[i:]); err == nil {
				i += len(quoted) - 1
			}
		case '|':
			// The default.
			return text[:i+strings.IndexByte(text[i:], '}')+1]
		case '}':
			return text[:i+1]
		}
	}
	return text
}

// unitOf returns the seconds in which a conversion's text stays the same: 0 for less than one.
func unitOf(conversion byte) int64 {
	switch conversion {
	case 'L', 'N':
		return 0
	case 's', 'S', 'T':
		return 1
	case 'M':
		return 60
	case 'H', 'I', 'p':
		return 3600
	case 'z', 'Z':
		return math.MaxInt64
	default:
		return 24 * 3600
	}
}

// Pattern returns what the names of index have in common, as a wildcard pattern: with "*" for times and
// values, and for the cluster where it is "".
func (t Template) Pattern(cluster string) string {
	var b []byte
	for _, p := range t {
		switch {
		case p.kind == pieceLiteral:
			b = appendLegal(b, []byte(unescape(p.text)))
		case p.kind == pieceCluster && cluster != "":
			b = appendLegal(b, []byte(cluster))
		case len(b) == 0 || b[len(b)-1] != Anything[0]:
			b = append(b, Anything...)
		}
	}
	return string(b)
}

// Leading returns the first character of t where no name can begin with it, or "".
func (t Template) Leading() string {
	p := t[0]
	if p.kind != pieceLiteral || p.text == "" {
		return ""
	}
	_, size := utf8.DecodeRuneInString(p.text)
	first := p.text[:size]
	if strings.ContainsAny(string(appendLegal(nil, []byte(first))), "-_+") {
		return first
	}
	return ""
}

// unescape returns what a literal piece stands for.
func unescape(text string) string {
	return strings.NewReplacer("{{", "{", "}}", "}", "%%", "%").Replace(text)
}

// rules are what the name of an index must be like.
type rules struct {
	// max is in bytes.
	max int
	// dot says that it may begin with a dot, as the names of hidden indices do: the operator's own text does.
	dot bool
}

func rulesOf(dataStream bool, pieces Template) rules {
	r := rules{max: maxName, dot: strings.HasPrefix(pieces[0].text, ".")}
	if dataStream {
		r.max = maxStreamName
	}
	return r
}

// append appends the name that raw becomes: lower case, without the characters that names may not have,
// and cut where it is too long. It is never empty.
func (r rules) append(dst, raw []byte) []byte {
	from := len(dst)
	dst = appendLegal(dst, raw)
	name := dst[from:]
	start := 0
	for start < len(name) &&
		(name[start] == '-' || name[start] == '_' || name[start] == '+' || name[start] == '.' && !r.dot) {
		start++
	}
	dst = append(dst[:from], name[start:]...)
	switch name = dst[from:]; string(name) {
	case "", ".", "..":
		return append(dst[:from], unknown...)
	}
	if len(name) > r.max {
		dst = append(dst[:from], safetext.Shorten(name, r.max, '-', fnv.New32a())...)
	}
	return dst
}

// appendValue appends what stands for a value in a name, before the rules make a name of it all.
func appendValue(dst, value []byte) []byte {
	switch {
	case len(value) == 0:
		return append(dst, unknown...)
	case len(value) > maxName:
		dst = append(dst, safetext.Cut(value, maxName)...)
		return append(dst, shortHash(value)...)
	default:
		return append(dst, value...)
	}
}

// appendLegal appends s in lower case, with "_" for each character that a name may not have.
func appendLegal(dst, s []byte) []byte {
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c >= utf8.RuneSelf:
			r, size := utf8.DecodeRune(s[i:])
			i += size
			if r == utf8.RuneError || !unicode.IsPrint(r) {
				dst = append(dst, '_')
			} else {
				dst = utf8.AppendRune(dst, unicode.ToLower(r))
			}
			continue
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		case c <= ' ' || c == 0x7f || strings.IndexByte(`"*\<|,>/?#:`, c) >= 0:
			c = '_'
		}
		dst = append(dst, c)
		i++
	}
	return dst
}
