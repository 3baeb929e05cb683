package operator

import (
	"cmp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
	"github.com/seed-afc6a195/aggregator/internal/convert/syntax"
)

// flowWriter makes a file of fluentd's of the resources of logging.banzaicloud.io.
type flowWriter struct {
	notes *settings.Notes
	some  bool
	path  string
	flows []*resource
	// outputs are by kind, namespace and name.
	outputs map[string]*resource
}

func (w *flowWriter) add(r *resource) {
	if w.path == "" {
		w.path = r.file
	}
	w.some = true
	switch r.kind {
	case "Flow", "ClusterFlow":
		w.flows = append(w.flows, r)
	case "Output":
		w.outputs["Output "+r.namespace+" "+r.name] = r
	case "ClusterOutput":
		w.outputs["ClusterOutput "+r.name] = r
	case "Logging", "FluentbitAgent", "FluentdConfig", "NodeAgent":
		// How the processes run.
	default:
		w.notes.Lose(r.at(r.spec), r.kind+" "+r.name, "it is not read here", "see docs/convert.md")
	}
}

// root returns the file: a label for each flow, to which a router leads what the flow takes.
func (w *flowWriter) root() *syntax.Section {
	at := syntax.Place{File: w.path}
	source := &syntax.Section{Name: "source", At: at, Entries: slices.Concat(
		entries(at, "@type", "forward"), entries(at, "port", "24240"),
	)}
	root := &syntax.Section{At: at, Sections: []*syntax.Section{source}}
	var routes, labels []*syntax.Section
	slices.SortStableFunc(w.flows, func(a, b *resource) int {
		return cmp.Or(strings.Compare(a.kind, b.kind), strings.Compare(a.namespace, b.namespace),
			strings.Compare(a.name,
				b.name))
	})
	for _, flow := range w.flows {
		label := "@" + strings.ToLower(flow.kind) + "-" + flow.namespace + "-" + flow.name
		at := flow.at(flow.spec)
		routes = append(routes, route(at, label, w.selections(flow)))
		inner := w.filters(flow)
		inner = append(inner, &syntax.Section{
			Name: "match", Arg: "**", At: at, Entries: entries(at, "@type", "copy"), Sections: w.stores(flow),
		})
		labels = append(labels, &syntax.Section{Name: "label", Arg: label, At: at, Sections: inner})
	}
	if len(routes) > 0 {
		root.Sections = append(root.Sections, router(at, routes))
	}
	root.Sections = append(root.Sections, labels...)
	return root
}

// selections reads what a flow takes: a Flow of its namespace alone.
func (w *flowWriter) selections(r *resource) (all []*syntax.Section) {
	own := ""
	if r.kind == "Flow" {
		own = r.namespace
	}
	list := member(r.spec, "match")
	if list == nil {
		return []*syntax.Section{w.selection(r, r.spec, own, false)}
	}
	for _, item := range list.Content {
		for _, kind := range [...]string{"exclude", "select"} {
			if n := member(item, kind); n != nil {
				all = append(all, w.selection(r, n, own, kind == "exclude"))
			}
		}
	}
	return all
}

func (w *flowWriter) selection(r *resource, n *yaml.Node, own string, negate bool) *syntax.Section {
	at := r.at(n)
	s := &syntax.Section{Name: "match", At: at}
	if negate {
		s.Entries = entries(at, "negate", "true")
	}
	var labels []string
	members(member(n, "labels"), func(key string, value *yaml.Node) { labels = append(labels, key+":"+value.Value) })
	for _, p := range [...]struct{ key, value string }{
		{"labels", strings.Join(labels, ",")},
		{"namespaces", cmp.Or(own, joined(member(n, "namespaces")))},
		{"hosts", joined(member(n, "hosts"))},
		{"container_names", joined(member(n, "container_names"))},
	} {
		if p.value != "" {
			s.Entries = append(s.Entries, entries(at, p.key, p.value)...)
		}
	}
	return s
}

func joined(n *yaml.Node) string {
	if n == nil {
		return ""
	}
	var all []string
	for _, item := range n.Content {
		all = append(all, item.Value)
	}
	return strings.Join(all, ",")
}

func (w *flowWriter) filters(r *resource) (all []*syntax.Section) {
	list := member(r.spec, "filters")
	if list == nil {
		return nil
	}
	for _, item := range list.Content {
		members(item, func(key string, value *yaml.Node) {
			s := &syntax.Section{
				Name: "filter", Arg: "**", At: r.at(value),
				Entries: entries(r.at(value), "@type", strings.ToLower(snake(key))),
			}
			if key == "tag_normaliser" || key == "detectExceptions" {
				s.Name, s.Arg = "match", "kubernetes.**"
				s.Entries = entries(r.at(value), "@type", snake(key))
			}
			settingsOf(r, s, value, w.notes)
			if _, named := s.Get("key_name"); key == "parser" && !named {
				// What container runtimes but Docker call a line.
				s.Entries = append(s.Entries, entries(s.At, "key_name", "message")...)
			}
			all = append(all, s)
		})
	}
	return all
}

// stores reads the outputs that a flow names.
func (w *flowWriter) stores(r *resource) (all []*syntax.Section) {
	for _, refs := range [...]struct{ key, kind string }{
		{"localOutputRefs", "Output " + r.namespace + " "},
		{"globalOutputRefs", "ClusterOutput "},
		{"outputRefs", "Output " + r.namespace + " "},
	} {
		list := member(r.spec, refs.key)
		if list == nil {
			continue
		}
		for _, n := range list.Content {
			out := w.outputs[refs.kind+n.Value]
			if out == nil {
				out = w.outputs["ClusterOutput "+n.Value]
			}
			if out == nil {
				w.notes.Lose(r.at(n), r.kind+" "+r.name+" "+refs.key, "no output "+n.Value+" is in the files",
					"name the file that has it too")
				continue
			}
			members(out.spec, func(key string, value *yaml.Node) {
				if value.Kind != yaml.MappingNode {
					return
				}
				s := &syntax.Section{Name: "store", At: out.at(value), Entries: slices.Concat(
					entries(out.at(value), "@type", outputType(key)), entries(out.at(value), "@id", out.name),
				)}
				settingsOf(out, s, value, w.notes)
				for _, child := range s.Sections {
					chunkKeys(child, "tags", "tag,time")
					if _, said := child.Get("timekey"); child.Name == "buffer" && !said {
						child.Entries = append(child.Entries, entries(child.At, "timekey", "10m")...)
					}
				}
				s.Raw = rawFluentd(s, 0)
				all = append(all, s)
			})
		}
	}
	return all
}

func outputType(key string) string {
	name := map[string]string{
		"kinesisStream": "kinesis_streams", "kinesisFirehose": "kinesis_firehose", "awsElasticsearch": "elasticsearch",
		"splunkHec": "splunk_hec", "nullout": "null", "kafka": "kafka2", "cloudwatch": "cloudwatch_logs",
		"logdna": "logdna", "logz": "logzio_buffered",
	}[key]
	if name == "" {
		name = snake(key)
	}
	return name
}
