package parse

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
	"github.com/seed-afc6a195/aggregator/pkg/filter/parse/internal/timelayout"
)

// fieldType is what becomes of the text of a field.
type fieldType struct {
	name, kind string
	// layout is that of a time.
	layout timelayout.Layout
	// separator is that of an array.
	separator []byte
}

const knownTypes = "string, integer, float, bool, hex, time and array"

// parseTypes reads types as fluentd writes them, name:type,name:type, with spaces between them as
// Fluent Bit does, or each by itself. A time's format and an array's separator follow after another
// colon.
func parseTypes(texts []string, zone *time.Location) ([]fieldType, error) {
	start := regexp.MustCompile(`(?:^|[\s,]+)([^\s,:]+):(string|integer|int|float|bool|hex|time|array)(?:$|[\s,:])`)
	var types []fieldType
	for _, text := range texts {
		at := 0
		for at < len(text) {
			m := start.FindStringSubmatchIndex(text[at:])
			if m == nil || m[0] != 0 {
				return nil, fmt.Errorf("%q: name:type should follow at %q (known are %s)", text, text[at:], knownTypes)
			}
			t := fieldType{name: text[at:][m[2]:m[3]], kind: text[at:][m[4]:m[5]]}
			at += m[5]
			argument := ""
			if at < len(text) && text[at] == ':' {
				argument = text[at+1:]
				if next := start.FindStringIndex(argument); next != nil && next[0] > 0 {
					argument = argument[:next[0]]
				} else if next != nil {
					// A separator that looks like what stands between two types.
					argument = argument[:1]
				}
				at += 1 + len(argument)
			}
			if err := t.use(argument, zone); err != nil {
				return nil, err
			}
			types = append(types, t)
			if strings.Trim(text[at:], ", \t\n") == "" {
				break
			}
		}
	}
	return types, nil
}

// use sets what the kind needs to know.
func (t *fieldType) use(argument string, zone *time.Location) (err error) {
	switch t.kind {
	case "time":
		if t.layout, err = timelayout.New(strings.TrimSpace(argument), zone); err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
	case "array":
		t.separator = []byte(argument)
		if argument == "" {
			t.separator = []byte(",")
		}
	default:
		if argument != "" {
			return fmt.Errorf("%s:%s:%s: only time and array have an argument", t.name, t.kind, argument)
		}
	}
	return nil
}

// append appends the value of text. What is empty or "-" has none, but as a string; what is not
// written as the type wants stays text.
func (t *fieldType) append(dst, text []byte, received event.Time) []byte {
	bare := bytes.TrimSpace(text)
	if t.kind != "string" && t.kind != "array" && (len(bare) == 0 || string(bare) == "-") {
		return filter.AppendNil(dst)
	}
	switch t.kind {
	case "integer", "int":
		if v, ok := parseInt(bare); ok {
			return filter.AppendInt(dst, v)
		}
		if v, err := strconv.ParseInt(string(bare), 10, 64); err == nil {
			return filter.AppendInt(dst, v)
		}
		if v, err := strconv.ParseUint(string(bytes.TrimPrefix(bare, []byte{'+'})), 10, 64); err == nil {
			return filter.AppendUint(dst, v)
		}
	case "float":
		if v, err := strconv.ParseFloat(string(bare), 64); err == nil {
			return filter.AppendFloat(dst, v)
		}
	case "hex":
		digits := string(bytes.TrimPrefix(bytes.ToLower(bare), []byte("0x")))
		if v, err := strconv.ParseInt(digits, 16, 64); err == nil {
			return filter.AppendInt(dst, v)
		}
		if v, err := strconv.ParseUint(digits, 16, 64); err == nil {
			return filter.AppendUint(dst, v)
		}
	case "bool":
		return filter.AppendBool(dst, string(bare) == "1" || isWord(bare, "true") || isWord(bare, "yes"))
	case "time":
		if v, ok := t.layout.Parse(bare, received); ok {
			return event.AppendTime(dst, v)
		}
	case "array":
		dst = filter.AppendArrayHeader(dst, 1+bytes.Count(text, t.separator))
		for more := true; more; {
			var one []byte
			one, text, more = bytes.Cut(text, t.separator)
			dst = filter.AppendString(dst, one)
		}
		return dst
	}
	return filter.AppendString(dst, text)
}

// parseInt reads a decimal integer with a sign; ok is false for what is none, or has more than 18
// digits.
func parseInt(text []byte) (v int64, ok bool) {
	minus := len(text) > 0 && text[0] == '-'
	if minus || len(text) > 0 && text[0] == '+' {
		text = text[1:]
	}
	v, digits := timelayout.LeadingInt(text)
	if minus {
		v = -v
	}
	return v, digits > 0 && digits == len(text)
}

// isWord reports whether text is word, which is in lower case, in any case.
func isWord(text []byte, word string) bool {
	return len(text) == len(word) && timelayout.IsName(text, word)
}
