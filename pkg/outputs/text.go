package outputs

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// Text makes what is sent of an event where a destination takes lines or texts: the whole event as JSON, or the text of
// one field. Not safe for concurrent use.
type Text struct {
	enc   *event.Encoder
	field *event.Template // nil: the whole event
	lines bool
}

// ParseField reads the path of a field, a.b or as it follows "record" in a placeholder: ["a.b"].c.
func ParseField(path string) (*event.Template, error) {
	if i := strings.IndexAny(path, "{|}"); i >= 0 {
		return nil, fmt.Errorf("%q has %q, which can't be in it", path, path[i])
	}
	if path == "" {
		return nil, errors.New("the name of a field is missing")
	}
	if path[0] != '.' && path[0] != '[' {
		path = "." + path
	}
	return event.ParseTemplate("{record" + path + "}")
}

// NewText returns what makes texts. field is the path of the one that is sent alone, nil for the whole event; lines
// says that the destination tells events apart by line feeds.
func NewText(field *event.Template, fields event.Fields, added map[string]map[string]string, lines bool) *Text {
	t := &Text{enc: event.NewEncoder(fields), field: field, lines: lines}
	t.enc.SetClusterFields(added)
	return t
}

// Append appends the text of ev to dst, without a line feed behind it. A field that is a map or a list is sent as JSON.
// Where the field is missing or empty, it is the whole event: nothing is lost. The text is UTF-8, with U+FFFD for each
// byte that is none. Where lines are told apart, a line feed within the text becomes \n and a carriage return \r, as
// two characters each; a line end at its end is left out. The error is the event's own.
func (t *Text) Append(dst []byte, ev *event.Event) ([]byte, error) {
	if t.field == nil {
		return t.enc.AppendEvent(dst, ev)
	}
	from := len(dst)
	out := t.field.Append(dst, ev, nil)
	out = append(out[:from], bytes.TrimSuffix(bytes.TrimSuffix(out[from:], []byte("\n")), []byte("\r"))...)
	if len(out) == from {
		return t.enc.AppendEvent(out, ev)
	}
	if !utf8.Valid(out[from:]) {
		out = append(out[:from], string([]rune(string(out[from:])))...)
	}
	if t.lines && bytes.ContainsAny(out[from:], "\r\n") {
		text := bytes.ReplaceAll(bytes.ReplaceAll(out[from:], []byte("\r"), []byte(`\r`)), []byte("\n"), []byte(`\n`))
		out = append(out[:from], text...)
	}
	return out, nil
}
