package fluentbit

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/seed-afc6a195/aggregator/internal/convert/syntax"
)

// yaml reads the YAML form into the same sections that the classic one has.
func (r *reader) yaml(path string, data []byte) error {
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
	if len(doc.Content) == 0 {
		return nil
	}
	y := &yamlReader{reader: r, path: path, lines: strings.Split(string(data), "\n")}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		return &syntax.Error{
			At: y.at(root), Reason: "is no configuration of Fluent Bit",
			Hint: "it has the keys service, pipeline, parsers, …",
		}
	}
	return y.root(root)
}

type yamlReader struct {
	*reader

	path  string
	lines []string
}

func (y *yamlReader) at(n *yaml.Node) syntax.Place {
	return syntax.Place{File: y.path, Line: n.Line, Column: n.Column}
}

// pairs calls each with the keys and values of a mapping.
func pairs(n *yaml.Node, each func(key, value *yaml.Node) error) error {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if err := each(n.Content[i], n.Content[i+1]); err != nil {
			return err
		}
	}
	return nil
}

func (y *yamlReader) root(root *yaml.Node) error {
	// Variables are for what stands before them too.
	err := pairs(root, func(key, value *yaml.Node) error {
		if strings.ToLower(key.Value) == "env" {
			return pairs(value, func(k, v *yaml.Node) error {
				y.set[k.Value] = v.Value
				return nil
			})
		}
		return nil
	})
	if err != nil {
		return err
	}
	return pairs(root, func(key, value *yaml.Node) error {
		switch name := strings.ToLower(key.Value); name {
		case "env":
		case "includes":
			for _, n := range value.Content {
				if err := y.include(y.path, n.Value, y.at(n)); err != nil {
					return err
				}
			}
		case "service":
			y.section("service", key, value)
		case "parsers", "multiline_parsers", "plugins", "stream_processor", "upstream_servers":
			return y.list(strings.TrimSuffix(name, "s"), value)
		case "pipeline":
			return pairs(value, func(key, value *yaml.Node) error {
				switch name := strings.ToLower(key.Value); name {
				case "inputs", "filters", "outputs", "parsers", "multiline_parsers":
					return y.list(strings.TrimSuffix(name, "s"), value)
				default:
					return &syntax.Error{
						At: y.at(key), Reason: fmt.Sprintf("pipeline has no %.40q", key.Value),
						Hint: "it has inputs, filters and outputs",
					}
				}
			})
		default:
			if _, known := map[string]bool{"customs": true, "remote": true}[name]; !known {
				return &syntax.Error{
					At: y.at(key), Reason: fmt.Sprintf("%.40q is no section of Fluent Bit", key.Value),
					Hint: "it has service, env, includes, parsers, multiline_parsers and pipeline",
				}
			}
		}
		return nil
	})
}

// list reads a list of plugins. Fluent Bit refuses a map in its place.
func (y *yamlReader) list(name string, list *yaml.Node) error {
	if list.Kind == yaml.AliasNode {
		list = list.Alias
	}
	if list.Kind == yaml.MappingNode {
		return &syntax.Error{
			At: y.at(list), Reason: name + "s is a map, and has to be a list",
			Hint: `begin each of its items with "- "`,
		}
	}
	for _, item := range list.Content {
		if item.Kind == yaml.AliasNode {
			item = item.Alias
		}
		y.section(name, item, item)
	}
	return nil
}

// section reads one plugin. Lists become an entry for each item; processors and the like become sections.
func (y *yamlReader) section(name string, start, n *yaml.Node) {
	s := &syntax.Section{Name: name, At: y.at(start)}
	end := start.Line
	// What is called returns no error.
	_ = pairs(n, func(key, value *yaml.Node) error {
		end = max(end, last(value))
		if value.Kind == yaml.AliasNode {
			value = value.Alias
		}
		k := strings.ToLower(key.Value)
		switch value.Kind {
		case yaml.SequenceNode:
			for _, item := range value.Content {
				if item.Kind == yaml.ScalarNode {
					s.Entries = append(s.Entries, syntax.Entry{
						Key: k, Value: y.value(item.Value, y.at(item)),
						At: y.at(item),
					})
					continue
				}
				child := &syntax.Section{Name: k, At: y.at(item)}
				y.flat(child, item)
				s.Sections = append(s.Sections, child)
			}
		case yaml.MappingNode:
			child := &syntax.Section{Name: k, At: y.at(key)}
			y.flat(child, value)
			s.Sections = append(s.Sections, child)
		default:
			s.Entries = append(s.Entries, syntax.Entry{Key: k, Value: y.value(value.Value, y.at(value)), At: y.at(key)})
		}
		return nil
	})
	if start.Line >= 1 && end <= len(y.lines) {
		s.Raw = y.lines[start.Line-1 : end]
	}
	y.out.Sections = append(y.out.Sections, s)
}

// flat reads a map's scalars, and what is below as sections.
func (y *yamlReader) flat(s *syntax.Section, n *yaml.Node) {
	// What is called returns no error.
	_ = pairs(n, func(key, value *yaml.Node) error {
		if value.Kind == yaml.ScalarNode {
			s.Entries = append(s.Entries, syntax.Entry{Key: strings.ToLower(key.Value), Value: y.value(value.Value,
				y.at(value)), At: y.at(key)})
			return nil
		}
		child := &syntax.Section{Name: strings.ToLower(key.Value), At: y.at(key)}
		s.Sections = append(s.Sections, child)
		if value.Kind == yaml.SequenceNode {
			s.Sections = s.Sections[:len(s.Sections)-1]
			for _, item := range value.Content {
				if item.Kind == yaml.ScalarNode {
					s.Entries = append(s.Entries, syntax.Entry{
						Key: strings.ToLower(key.Value), Value: y.value(item.Value, y.at(item)), At: y.at(item),
					})
					continue
				}
				one := &syntax.Section{Name: child.Name, At: y.at(item)}
				y.flat(one, item)
				s.Sections = append(s.Sections, one)
			}
			return nil
		}
		y.flat(child, value)
		return nil
	})
}

// last returns the last line that a node stands on.
func last(n *yaml.Node) int {
	line := n.Line
	if n.Kind == yaml.ScalarNode && (n.Style == yaml.LiteralStyle || n.Style == yaml.FoldedStyle) {
		line += strings.Count(n.Value, "\n")
	}
	if n.Kind == yaml.AliasNode {
		return line
	}
	for _, c := range n.Content {
		line = max(line, last(c))
	}
	return line
}
