package event

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// Template is text with placeholders that are filled in for each event:
//
//	{cluster}  {tag}
//	{tag[1]}             a dot-separated part of the tag, from 0; negative from the end
//	{record.a.b}         a field of the record, as AppendText has it
//	{record["a.b"].c}    for keys with dots or other characters
//	{record.a|none}      none where the field is missing, nil or empty; also after {tag[1]}, …
//	%Y %m %d …           strftime conversions of the event's time in UTC
//	{{ }} %%             literal braces and percent sign
//
// What has no text and no default is empty. A Template is immutable and safe for concurrent use; the
// zero Template is empty.
type Template struct {
	text     string
	segments []segment
}

// segment is a literal, a placeholder or a conversion.
type segment struct {
	kind segmentKind
	// text is literal, or a placeholder's default.
	text string
	// index is that of the tag's part.
	index int
	// path is that of the record's field.
	path []string
	// conv is that of strftime.
	conv byte
}

type segmentKind uint8

const (
	literal segmentKind = iota
	clusterName
	tagName
	tagPart
	recordField
	timeText
)

const knownPlaceholders = `{cluster}, {tag}, {tag[1]}, {record.field}, {record["dotted.field"]}, each with |default, ` +
	`and {{ }} for braces`

// ParseTemplate reads a template. Errors name the position, in bytes from 1, and what is possible.
func ParseTemplate(s string) (*Template, error) {
	t := &Template{text: s}
	var plain []byte
	flush := func() {
		if len(plain) > 0 {
			t.segments = append(t.segments, segment{kind: literal, text: string(plain)})
			plain = plain[:0]
		}
	}
	for i := 0; i < len(s); {
		c := s[i]
		twice := i+1 < len(s) && s[i+1] == c
		switch {
		case (c == '{' || c == '}' || c == '%') && twice:
			plain = append(plain, c)
			i += 2
		case c == '}':
			return nil, templateError(s, i, "'}' without '{' (write }} for a brace)")
		case c == '{':
			flush()
			seg, end, err := parsePlaceholder(s, i)
			if err != nil {
				return nil, err
			}
			t.segments = append(t.segments, seg)
			i = end
		case c == '%':
			if i+1 == len(s) || strings.IndexByte(conversions, s[i+1]) < 0 {
				return nil, templateError(s, i, "unknown conversion %q; known are %s (write %%%% for a percent sign)",
					s[i:min(i+2, len(s))], "%"+strings.Join(strings.Split(conversions, ""), " %"))
			}
			flush()
			t.segments = append(t.segments, segment{kind: timeText, conv: s[i+1]})
			i += 2
		default:
			plain = append(plain, c)
			i++
		}
	}
	flush()
	return t, nil
}

func templateError(s string, at int, format string, args ...any) error {
	return fmt.Errorf("%q: position %d: %s", s, at+1, fmt.Sprintf(format, args...))
}

// parsePlaceholder reads the placeholder that begins at s[at] and returns its end.
func parsePlaceholder(s string, at int) (seg segment, end int, err error) {
	i := at + 1
	name := s[i:]
	if n := strings.IndexAny(name, "[.|}"); n >= 0 {
		name = name[:n]
	}
	i += len(name)
	switch name {
	case "cluster":
		seg.kind = clusterName
	case "tag":
		seg.kind = tagName
		if i < len(s) && s[i] == '[' {
			seg.kind = tagPart
			closing := strings.IndexByte(s[i:], ']')
			if closing < 0 {
				return seg, 0, templateError(s, i, "'[' is not closed (write {tag[1]})")
			}
			if seg.index, err = strconv.Atoi(s[i+1 : i+closing]); err != nil {
				return seg, 0, templateError(s, i+1, "%q is no number of a tag's part (write {tag[1]}, {tag[-1]})",
					s[i+1:i+closing])
			}
			i += closing + 1
		}
	case "record":
		seg.kind = recordField
		if seg.path, i, err = parsePath(s, i); err != nil {
			return seg, 0, err
		}
	default:
		return seg, 0, templateError(s, at, "unknown placeholder %q; known are %s", name, knownPlaceholders)
	}
	if i < len(s) && s[i] == '|' {
		n := strings.IndexByte(s[i:], '}')
		if n < 0 {
			return seg, 0, templateError(s, at, "'{' is not closed")
		}
		seg.text = s[i+1 : i+n]
		i += n
	}
	switch {
	case i == len(s):
		return seg, 0, templateError(s, at, "'{' is not closed")
	case s[i] != '}':
		return seg, 0, templateError(s, i, "%q where '}' or '|default' should be", s[i])
	}
	return seg, i + 1, nil
}

// parsePath reads the .name and ["name"] that follow "record" at s[i:].
func parsePath(s string, i int) (path []string, end int, err error) {
	for i < len(s) {
		switch s[i] {
		case '.':
			name := s[i+1:]
			if n := strings.IndexFunc(name, notInName); n >= 0 {
				name = name[:n]
			}
			if name == "" {
				return nil, 0, templateError(s, i, "a field's name should follow the dot")
			}
			path = append(path, name)
			i += 1 + len(name)
			continue
		case '[':
			quoted, err := strconv.QuotedPrefix(s[i+1:])
			if err != nil {
				return nil, 0, templateError(s, i+1,
					`a field's name in quotes should follow '[' (write {record["a.b"]})`)
			}
			// QuotedPrefix has checked it.
			name, _ := strconv.Unquote(quoted)
			i += 1 + len(quoted)
			if i == len(s) || s[i] != ']' {
				return nil, 0, templateError(s, min(i, len(s)-1), "']' should follow the field's name")
			}
			path = append(path, name)
			i++
			continue
		}
		break
	}
	if path == nil {
		return nil, 0, templateError(s, min(i, len(s)-1), "a field should follow record (write {record.field})")
	}
	return path, i, nil
}

// notInName says which characters end a field's name that is not in quotes.
func notInName(r rune) bool {
	return strings.ContainsRune(".[]{}|\"", r) || unicode.IsSpace(r)
}

// Append appends the template's text for ev. clean, if not nil, appends what may stand for a value
// in this place: it is given each placeholder's value (or default, or nothing where there is neither),
// never literal text or times. It must not keep value.
func (t *Template) Append(dst []byte, ev *Event, clean func(dst, value []byte) []byte) []byte {
	for i := range t.segments {
		seg := &t.segments[i]
		switch seg.kind {
		case literal:
			dst = append(dst, seg.text...)
		case timeText:
			dst = appendConversion(dst, seg.conv, ev.Time)
		default:
			from := len(dst)
			dst = seg.appendValue(dst, ev)
			if len(dst) == from {
				dst = append(dst, seg.text...)
			}
			if clean != nil {
				// Behind the value, then moved to its place: no scratch memory is needed.
				to := len(dst)
				dst = clean(dst, dst[from:to:to])
				dst = append(dst[:from], dst[to:]...)
			}
		}
	}
	return dst
}

func (seg *segment) appendValue(dst []byte, ev *Event) []byte {
	switch seg.kind {
	case clusterName:
		return append(dst, ev.Chunk.Cluster...)
	case tagName:
		return append(dst, ev.DeliveredTag()...)
	case tagPart:
		return append(dst, part(ev.DeliveredTag(), seg.index)...)
	case recordField:
		if value, ok := Lookup(ev.Record, seg.path...); ok {
			return AppendText(dst, value)
		}
	case literal, timeText:
		// Append's own.
	}
	return dst
}

// part returns the dot-separated part of tag with the number i, "" where there is none.
func part(tag string, i int) string {
	if i < 0 {
		for ; i < -1; i++ {
			dot := strings.LastIndexByte(tag, '.')
			if dot < 0 {
				return ""
			}
			tag = tag[:dot]
		}
		return tag[strings.LastIndexByte(tag, '.')+1:]
	}
	for ; i > 0; i-- {
		dot := strings.IndexByte(tag, '.')
		if dot < 0 {
			return ""
		}
		tag = tag[dot+1:]
	}
	if dot := strings.IndexByte(tag, '.'); dot >= 0 {
		tag = tag[:dot]
	}
	return tag
}

// String returns the text that was parsed.
func (t *Template) String() string { return t.text }

// Static reports whether the text is the same for all events.
func (t *Template) Static() bool {
	for _, seg := range t.segments {
		if seg.kind != literal {
			return false
		}
	}
	return true
}

// PerChunk reports whether the text is the same for all events of a chunk: it depends on no more than
// cluster and tag.
func (t *Template) PerChunk() bool {
	for _, seg := range t.segments {
		if seg.kind == timeText || seg.kind == recordField {
			return false
		}
	}
	return true
}

// UnmarshalText parses a template, for configuration.
func (t *Template) UnmarshalText(text []byte) error {
	parsed, err := ParseTemplate(string(text))
	if err != nil {
		return err
	}
	*t = *parsed
	return nil
}

// MarshalText returns the text that was parsed.
func (t Template) MarshalText() ([]byte, error) { return []byte(t.text), nil }
