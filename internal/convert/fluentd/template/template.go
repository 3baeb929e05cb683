// Package template reads the ${…} in fluentd's settings, and the fields that they name.
package template

import (
	"encoding/json"
	"regexp"
	"strings"

	"github.com/seed-afc6a195/aggregator/internal/convert/flow"
	"github.com/seed-afc6a195/aggregator/internal/convert/ruby"
	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
)

// Piece is literal text, or what stands in ${…}.
type Piece struct{ Text, Code string }

// Pieces cuts a text at ${…}.
func Pieces(text string) (all []Piece) {
	for {
		from := strings.Index(text, "${")
		if from < 0 {
			break
		}
		end := closing(text[from+2:])
		if end < 0 {
			break
		}
		if from > 0 {
			all = append(all, Piece{Text: text[:from]})
		}
		all = append(all, Piece{Code: strings.TrimSpace(text[from+2 : from+2+end])})
		text = text[from+2+end+1:]
	}
	if text != "" || all == nil {
		all = append(all, Piece{Text: text})
	}
	return all
}

// closing returns where the brace that is open already ends, outside of quotes; -1 for nowhere.
func closing(s string) int {
	depth, quote := 1, byte(0)
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '{':
			depth++
		case c == '}':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// Placeholder returns ${tag}, ${tag_parts[1]}, ${record["a"]["b"]} and the like as placeholders, ok false for others.
func Placeholder(code string) (text string, ok bool) {
	switch code {
	case "tag":
		return "{tag}", true
	case "hostname":
		return "${env:HOSTNAME}", true
	}
	if m := regexp.MustCompile(`^tag(?:_parts)?\[(-?\d+)\]$`).FindStringSubmatch(code); m != nil {
		return "{tag[" + m[1] + "]}", true
	}
	if path, ok := RecordPath(code); ok {
		return ruby.Placeholder(path), true
	}
	return "", false
}

// RecordPath reads record["a"]["b"] and record.dig("a", "b").
func RecordPath(code string) (path []string, ok bool) {
	if inner, found := strings.CutPrefix(code, "record.dig("); found && strings.HasSuffix(inner, ")") {
		for part := range strings.SplitSeq(strings.TrimSuffix(inner, ")"), ",") {
			part = strings.TrimSpace(part)
			if len(part) < 3 || part[0] != '"' && part[0] != '\'' || part[len(part)-1] != part[0] ||
				strings.ContainsAny(part[1:len(part)-1], `"'`) {
				return nil, false
			}
			path = append(path, part[1:len(part)-1])
		}
		return path, len(path) > 0
	}
	rest, found := strings.CutPrefix(code, "record")
	if !found {
		return nil, false
	}
	for rest != "" {
		m := regexp.MustCompile(`^\[\s*(?:"([^"#\\]+)"|'([^'\\]+)')\s*\]`).FindStringSubmatch(rest)
		if m == nil {
			return nil, false
		}
		path = append(path, m[1]+m[2])
		rest = rest[len(m[0]):]
	}
	return path, len(path) > 0
}

// Accessor reads a record_accessor: name, $.a.b, $['a']['b.c'], $.a[0] is none.
func Accessor(text string) (path []string, ok bool) {
	text = strings.TrimSpace(text)
	if !strings.HasPrefix(text, "$.") && !strings.HasPrefix(text, "$[") {
		return []string{text}, text != ""
	}
	rest := text[1:]
	for rest != "" {
		if m := regexp.MustCompile(`^\[(?:"([^"]+)"|'([^']+)')\]`).FindStringSubmatch(rest); m != nil {
			path = append(path, m[1]+m[2])
			rest = rest[len(m[0]):]
			continue
		}
		m := regexp.MustCompile(`^\.([^.\[\]]+)`).FindStringSubmatch(rest)
		if m == nil {
			return nil, false
		}
		path = append(path, m[1])
		rest = rest[len(m[0]):]
	}
	return path, true
}

// List reads a, b, c, or ["a", "b"].
func List(text string) (all []string) {
	if strings.HasPrefix(text, "[") {
		var names []string
		if json.Unmarshal([]byte(text), &names) == nil {
			return names
		}
	}
	// Commas within brackets and quotes are the names' own.
	depth, from, quote := 0, 0, byte(0)
	add := func(part string) {
		if part = strings.TrimSpace(part); part != "" {
			all = append(all, part)
		}
	}
	for i := range len(text) {
		switch c := text[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case depth > 0 && (c == '"' || c == '\''):
			quote = c
		case c == '[':
			depth++
		case c == ']':
			depth--
		case c == ',' && depth == 0:
			add(text[from:i])
			from = i + 1
		}
	}
	add(text[from:])
	return all
}

// Chunk writes the ${…} and %Y of outputs' names as placeholders; strftime stays as it is.
func Chunk(text string) (out string, lost []string) {
	var b strings.Builder
	for _, p := range Pieces(text) {
		if p.Code == "" {
			b.WriteString(flow.Literal(strings.NewReplacer("{", "{{", "}", "}}").Replace(p.Text)))
			continue
		}
		placed, ok := Placeholder(p.Code)
		if !ok {
			switch path, isPath := Accessor(p.Code); {
			case p.Code == "chunk_id" || strings.HasPrefix(p.Code, "uuid"):
				lost = append(lost, p.Code)
				continue
			case isPath && !strings.ContainsAny(p.Code, "()?: "):
				placed = ruby.Placeholder(path)
			default:
				lost = append(lost, p.Code)
				continue
			}
		}
		b.WriteString(placed)
	}
	return b.String(), lost
}

// Texts makes a list of the new configuration.
func Texts(names []string) []any {
	all := make([]any, len(names))
	for i, n := range names {
		all[i] = flow.Literal(n)
	}
	return all
}

// Paths reads a list of fields.
func Paths(r *settings.Reader, key string) (all []string) {
	text, ok := r.Plain(key)
	if !ok {
		return nil
	}
	for _, name := range List(text) {
		path, ok := Accessor(name)
		if !ok {
			r.Lose(key, "the field "+name+" is within an array, or can't be read", "write an expression")
			continue
		}
		all = append(all, ruby.Path(path))
	}
	return all
}
