package outputs

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// MessageConfig is the setting, inlined into those of an output that takes lines or texts, of the one field that is
// sent alone.
type MessageConfig struct {
	Message string `yaml:"message"`
}

// Help implements setting.Explained.
func (MessageConfig) Help() map[string]string {
	return map[string]string{
		"message": "a field to send alone, such as log; default, and where it is missing or empty: the " +
			"whole event as " +
			"JSON",
	}
}

// Check reports a path that can't be read.
func (c *MessageConfig) Check(r *setting.Report) {
	if c.Message == "" {
		return
	}
	if _, err := ParseField(c.Message); err != nil {
		r.Add("message", `write a field's path, such as log, kubernetes.pod_name or ["dotted.field"]`, "%v", err)
	}
}

// Text returns what makes texts of events as Text says, with fields as in the output's Common. lines says that the
// destination tells events apart by line feeds.
func (c *MessageConfig) Text(fields event.Fields, added map[string]map[string]string, lines bool) (*Text, error) {
	field, err := c.Field()
	if err != nil {
		return nil, err
	}
	return NewText(field, fields, added, lines), nil
}

// Field returns the field that is sent alone, nil for the whole event.
func (c *MessageConfig) Field() (*event.Template, error) {
	if c.Message == "" {
		return nil, nil //nolint:nilnil // there is none
	}
	field, err := ParseField(c.Message)
	if err != nil {
		return nil, fmt.Errorf("message: %w", err)
	}
	return field, nil
}

// Text makes what is sent of an event where a destination takes lines or texts: the whole event as JSON, or the text of
// one field. Not safe for concurrent use.
type Text struct {
	enc *event.Encoder
	// field may be nil: the whole event.
	field *event.Template
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

// SetClusterFields sets what is added to the events of each cluster. Call it before the first Append.
func (t *Text) SetClusterFields(added map[string]map[string]string) { t.enc.SetClusterFields(added) }

// Append appends the text of ev to dst, without a line feed behind it: that of the field, or, so that nothing is lost,
// the whole event where there is no field to send alone. The error is the event's own.
func (t *Text) Append(dst []byte, ev *event.Event) ([]byte, error) {
	if out, ok := t.AppendField(dst, ev); ok {
		return out, nil
	}
	return t.enc.AppendEvent(dst, ev)
}

// AppendField appends the text of the field that is sent alone, and reports whether there is one: where the field is
// missing or empty, or none is named, dst is returned. A field that is a map or a list is JSON. The text is UTF-8, with
// U+FFFD for each byte that is none. Where lines are told apart, a line feed within the text becomes \n and a carriage
// return \r, as two characters each; a line end at its end is left out.
func (t *Text) AppendField(dst []byte, ev *event.Event) ([]byte, bool) {
	if t.field == nil {
		return dst, false
	}
	from := len(dst)
	out := t.field.Append(dst, ev, nil)
	out = append(out[:from], bytes.TrimSuffix(bytes.TrimSuffix(out[from:], []byte("\n")), []byte("\r"))...)
	if len(out) == from {
		return dst, false
	}
	if !utf8.Valid(out[from:]) {
		out = append(out[:from], string([]rune(string(out[from:])))...)
	}
	if t.lines && bytes.ContainsAny(out[from:], "\r\n") {
		text := bytes.ReplaceAll(bytes.ReplaceAll(out[from:], []byte("\r"), []byte(`\r`)), []byte("\n"), []byte(`\n`))
		out = append(out[:from], text...)
	}
	return out, true
}
