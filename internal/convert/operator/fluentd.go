package operator

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
	"github.com/seed-afc6a195/aggregator/internal/convert/syntax"
)

// fluentdWriter makes a file of fluentd's of the resources of fluentd.fluent.io.
type fluentdWriter struct {
	notes                    *settings.Notes
	some                     bool
	path                     string
	sources, filters, stores []*syntax.Section
	namespaces               []string
	everywhere               bool
}

func (w *fluentdWriter) add(r *resource) {
	if w.path == "" {
		w.path = r.file
	}
	w.some = true
	switch kind := strings.TrimPrefix(r.kind, "Cluster"); kind {
	case "Fluentd", "Input":
		list := member(r.spec, "globalInputs")
		if list == nil {
			list = member(r.spec, "inputs")
		}
		w.sources = append(w.sources, w.plugins(r, "source", "", list)...)
	case "FluentdConfig":
		names := member(r.spec, "watchedNamespaces")
		if names == nil && r.kind == "FluentdConfig" && r.namespace != "" {
			w.namespaces = append(w.namespaces, r.namespace)
		}
		if names == nil && r.kind != "FluentdConfig" {
			w.everywhere = true
		}
		if names != nil {
			for _, n := range names.Content {
				w.namespaces = append(w.namespaces, n.Value)
			}
		}
	case "Filter":
		w.filters = append(w.filters, w.plugins(r, "filter", "**", member(r.spec, "filters"))...)
	case "Output":
		w.stores = append(w.stores, w.plugins(r, "store", "", member(r.spec, "outputs"))...)
	default:
		w.notes.Lose(r.at(r.spec), r.kind+" "+r.name, "it is not read here", "see docs/convert.md")
	}
}

// root returns the file: what namespaces send goes through the filters to all outputs.
func (w *fluentdWriter) root() *syntax.Section {
	at := syntax.Place{File: w.path}
	root := &syntax.Section{At: at, Sections: slices.Clone(w.sources)}
	match := &syntax.Section{
		Name: "match", Arg: "**", At: at, Entries: entries(at, "@type", "copy"),
		Sections: w.stores,
	}
	inner := append(slices.Clone(w.filters), match)
	if w.everywhere || len(w.namespaces) == 0 {
		root.Sections = append(root.Sections, inner...)
		return root
	}
	root.Sections = append(root.Sections, router(at, []*syntax.Section{route(at, "@namespaces", []*syntax.Section{
		{Name: "match", At: at, Entries: entries(at, "namespaces", strings.Join(w.namespaces, ","))},
	})}), &syntax.Section{Name: "label", Arg: "@namespaces", At: at, Sections: inner})
	return root
}

// plugins reads a list of plugins, each under its name in an item, with settings that all have beside it.
func (w *fluentdWriter) plugins(r *resource, name, arg string, list *yaml.Node) (all []*syntax.Section) {
	if list == nil {
		return nil
	}
	for _, item := range list.Content {
		s := &syntax.Section{Name: name, Arg: arg, At: r.at(item)}
		members(item, func(key string, value *yaml.Node) {
			at := r.at(value)
			switch {
			case value.Kind == yaml.ScalarNode:
				w.scalar(s, at, key, value.Value)
			case key == "buffer" || key == "format" || key == "inject" || key == "secondary":
				child := &syntax.Section{Name: key, At: at}
				settingsOf(r, child, value, w.notes)
				chunkKeys(child, "tag", "")
				s.Sections = append(s.Sections, child)
			case key == "customPlugin":
				w.notes.Lose(at, r.kind+" "+r.name+" customPlugin", "what is written as a text is not read here",
					"convert the text as a file of its own")
			default:
				s.Entries = append(s.Entries, entries(at, "@type", fluentdType(key))...)
				settingsOf(r, s, value, w.notes)
			}
		})
		if _, ok := s.Get("@type"); !ok {
			// It is written as a text.
			continue
		}
		s.Raw = rawFluentd(s, 0)
		all = append(all, s)
	}
	return all
}

func (w *fluentdWriter) scalar(s *syntax.Section, at syntax.Place, key, value string) {
	switch key {
	case "tag":
		if s.Name == "filter" {
			s.Arg = value
			return
		}
	case "label", "id", "logLevel", "type":
		key = "@" + key
	}
	s.Entries = append(s.Entries, entries(at, snake(key), value)...)
}

func fluentdType(key string) string {
	name := map[string]string{
		"kafka": "kafka2", "cloudWatch": "cloudwatch_logs", "datadog": "datadog", "opensearch": "opensearch",
		"elasticsearchDataStream": "elasticsearch_data_stream",
	}[key]
	if name == "" {
		name = snake(key)
	}
	return name
}

// settingsOf reads settings: mappings are sections, and lists of mappings a section for each.
func settingsOf(r *resource, s *syntax.Section, n *yaml.Node, notes *settings.Notes) {
	members(n, func(key string, value *yaml.Node) {
		at := r.at(value)
		name := snake(key)
		switch value.Kind {
		case yaml.ScalarNode:
			if name == "type" && s.Name != "source" {
				name = "@type"
			}
			s.Entries = append(s.Entries, entries(at, name, value.Value)...)
		case yaml.MappingNode:
			if v, isSecret := secret(r, value, notes); isSecret {
				s.Entries = append(s.Entries, syntax.Entry{Key: name, Value: v, At: at})
				return
			}
			child := &syntax.Section{Name: name, At: at}
			settingsOf(r, child, value, notes)
			s.Sections = append(s.Sections, child)
		case yaml.SequenceNode:
			list(r, s, name, value, notes)
		default:
		}
	})
}

// list reads a list: of texts as one with commas, of mappings as sections.
func list(r *resource, s *syntax.Section, name string, n *yaml.Node, notes *settings.Notes) {
	var texts []string
	for _, item := range n.Content {
		if item.Kind == yaml.ScalarNode {
			texts = append(texts, item.Value)
			continue
		}
		one := strings.TrimSuffix(name, "s")
		child := &syntax.Section{Name: one, At: r.at(item)}
		if one == "record" && member(item, "key") != nil {
			child.Entries = entries(r.at(item), text(member(item, "key")), text(member(item, "value")))
		} else if one == "record" {
			members(item, func(key string, value *yaml.Node) {
				child.Entries = append(child.Entries, entries(r.at(value), key, value.Value)...)
			})
		} else {
			settingsOf(r, child, item, notes)
		}
		s.Sections = append(s.Sections, child)
	}
	if texts != nil {
		s.Entries = append(s.Entries, entries(r.at(n), name, strings.Join(texts, ","))...)
	}
}

// chunkKeys makes the keys by which a buffer's chunks are cut, which stand under a key in resources, its argument.
func chunkKeys(s *syntax.Section, key, usual string) {
	if s.Name != "buffer" {
		return
	}
	s.Arg = cmp.Or(s.Text(key), usual)
	s.Entries = slices.DeleteFunc(s.Entries, func(e syntax.Entry) bool { return e.Key == key })
}

func entries(at syntax.Place, key, value string) []syntax.Entry {
	return []syntax.Entry{{Key: key, Value: syntax.Literal(value, at), At: at}}
}

// router is the match that leads events to labels by where they come from.
func router(at syntax.Place, routes []*syntax.Section) *syntax.Section {
	return &syntax.Section{
		Name: "match", Arg: "**", At: at, Entries: entries(at, "@type", "label_router"), Sections: routes,
	}
}

func route(at syntax.Place, label string, matches []*syntax.Section) *syntax.Section {
	return &syntax.Section{Name: "route", At: at, Entries: entries(at, "@label", label), Sections: matches}
}

// rawFluentd writes a section as fluentd's files have it.
func rawFluentd(s *syntax.Section, depth int) (lines []string) {
	indent := strings.Repeat("  ", depth)
	head := s.Name
	if s.Arg != "" {
		head += " " + s.Arg
	}
	lines = append(lines, fmt.Sprintf("%s<%s>", indent, head))
	for _, e := range s.Entries {
		lines = append(lines, indent+"  "+e.Key+" "+e.Value.Shown())
	}
	for _, child := range s.Sections {
		lines = append(lines, rawFluentd(child, depth+1)...)
	}
	return append(lines, fmt.Sprintf("%s</%s>", indent, s.Name))
}
