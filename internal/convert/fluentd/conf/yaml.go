package conf

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/seed-afc6a195/aggregator/internal/convert/syntax"
)

// yaml reads the YAML form into the same sections that the other one has.
func (r *reader) yaml(section *syntax.Section, path string, data []byte) error {
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		at := syntax.Place{File: path}
		if m := regexp.MustCompile(`line (\d+): (.*)`).FindStringSubmatch(err.Error()); m != nil {
			// It is digits.
			at.Line, _ = strconv.Atoi(m[1])
			return &syntax.Error{At: at, Reason: "is no YAML: " + m[2]}
		}
		return &syntax.Error{At: at, Reason: "is no YAML: " + err.Error()}
	}
	y := &yamlReader{reader: r, path: path}
	if len(doc.Content) == 0 {
		return nil
	}
	for i := 0; i+1 < len(doc.Content[0].Content); i += 2 {
		key, value := doc.Content[0].Content[i], doc.Content[0].Content[i+1]
		var err error
		switch key.Value {
		case "config":
			err = y.list(section, value, 0)
		default:
			err = y.child(section, key, value, 0)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

type yamlReader struct {
	*reader

	path string
}

func (y *yamlReader) at(n *yaml.Node) syntax.Place {
	return syntax.Place{File: y.path, Line: n.Line, Column: n.Column}
}

// target is what an alias stands for.
func target(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// argument is what stands behind a section's name in the other form. Tags are one, several with commas between that are
// outside of braces, or a list.
func argument(key string, n *yaml.Node) string {
	all := []string{n.Value}
	if n.Kind == yaml.SequenceNode {
		all = nil
		for _, item := range n.Content {
			all = append(all, target(item).Value)
		}
	}
	if key != "$tag" {
		return strings.Join(all, ", ")
	}
	text, depth := []byte(strings.Join(all, " ")), 0
	for i, c := range text {
		switch {
		case c == '{':
			depth++
		case c == '}':
			depth--
		case c == ',' && depth == 0:
			text[i] = ' '
		}
	}
	return string(text)
}

// list reads sections, each a mapping of its name, and includes.
func (y *yamlReader) list(section *syntax.Section, list *yaml.Node, depth int) error {
	for _, item := range list.Content {
		item = target(item)
		if item.Tag == "!include" {
			if err := y.include(section, y.path, item.Value, y.at(item)); err != nil {
				return err
			}
			continue
		}
		for i := 0; i+1 < len(item.Content); i += 2 {
			if err := y.child(section, item.Content[i], item.Content[i+1], depth); err != nil {
				return err
			}
		}
	}
	return nil
}

// child adds a section of a name to another one.
func (y *yamlReader) child(parent *syntax.Section, key, value *yaml.Node, depth int) error {
	if depth > syntax.MaxDepth {
		return &syntax.Error{
			At: y.at(key), Reason: fmt.Sprintf("more than %d sections within sections", syntax.MaxDepth),
		}
	}
	s := &syntax.Section{Name: key.Value, At: y.at(key)}
	value = target(value)
	for i := 0; i+1 < len(value.Content); i += 2 {
		k, v := value.Content[i], target(value.Content[i+1])
		switch {
		case k.Value == "$tag" || k.Value == "$name" || k.Value == "$arg":
			s.Arg = argument(k.Value, v)
		case k.Value == "config" && v.Kind == yaml.SequenceNode:
			if err := y.list(s, v, depth+1); err != nil {
				return err
			}
		case v.Kind == yaml.MappingNode:
			if err := y.child(s, k, v, depth+1); err != nil {
				return err
			}
		case v.Kind == yaml.SequenceNode:
			if err := y.items(s, k, v, depth); err != nil {
				return err
			}
		default:
			entry, err := y.entry(k, v)
			if err != nil {
				return err
			}
			s.Entries = append(s.Entries, entry)
		}
	}
	s.Raw = rawLines(s, 0)
	parent.Sections = append(parent.Sections, s)
	return nil
}

// items reads a list in a section: of sections of that name, or of values.
func (y *yamlReader) items(s *syntax.Section, key, list *yaml.Node, depth int) error {
	var texts []string
	for _, item := range list.Content {
		item = target(item)
		if item.Kind == yaml.ScalarNode {
			texts = append(texts, item.Value)
			continue
		}
		if err := y.child(s, key, item, depth+1); err != nil {
			return err
		}
	}
	if texts != nil {
		s.Entries = append(s.Entries, syntax.Entry{
			Key: key.Value, Value: syntax.Literal(strings.Join(texts, ","), y.at(list)), At: y.at(key),
		})
	}
	return nil
}

// entry reads a key and its value, of which Ruby is evaluated where it is said to be.
func (y *yamlReader) entry(key, value *yaml.Node) (syntax.Entry, error) {
	name := key.Value
	if rest, found := strings.CutPrefix(name, "$"); found {
		name = "@" + rest
	}
	e := syntax.Entry{Key: name, Value: syntax.Literal(value.Value, y.at(value)), At: y.at(key)}
	if value.Tag != "!fluent/s" {
		return e, nil
	}
	s := &scanner{reader: y.reader, path: y.path, text: `"` + value.Value + `"` + "\n", line: value.Line}
	parts, err := s.value()
	e.Value.Parts = parts
	return e, err
}

// rawLines writes a section as the other form has it.
func rawLines(s *syntax.Section, depth int) (lines []string) {
	indent := strings.Repeat("  ", depth)
	lines = append(lines, indent+strings.TrimSpace("<"+s.Name+" "+s.Arg)+">")
	for _, e := range s.Entries {
		lines = append(lines, indent+"  "+e.Key+" "+e.Value.Shown())
	}
	for _, c := range s.Sections {
		lines = append(lines, rawLines(c, depth+1)...)
	}
	return append(lines, indent+"</"+s.Name+">")
}
