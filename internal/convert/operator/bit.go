package operator

import (
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/seed-afc6a195/aggregator/internal/convert/fluentbit"
	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
	"github.com/seed-afc6a195/aggregator/internal/convert/syntax"
)

// bitWriter makes a file of Fluent Bit's of the resources of fluentbit.fluent.io.
type bitWriter struct {
	notes                    *settings.Notes
	some                     bool
	path                     string
	inputs, filters, outputs []*syntax.Section
	others                   []*syntax.Section
}

func (b *bitWriter) file() *fluentbit.File {
	f := &fluentbit.File{Path: b.path, Classic: true}
	for _, list := range [][]*syntax.Section{b.others, b.inputs, b.filters, b.outputs} {
		f.Sections = append(f.Sections, list...)
	}
	return f
}

func (b *bitWriter) add(r *resource) {
	if b.path == "" {
		b.path = r.file
	}
	switch kind := strings.TrimPrefix(r.kind, "Cluster"); kind {
	case "Input":
		b.some = true
		b.inputs = append(b.inputs, b.plugins(r, "input", r.spec)...)
	case "Filter":
		b.some = true
		if list := member(r.spec, "filters"); list != nil {
			for _, item := range list.Content {
				for _, s := range b.plugins(r, "filter", item) {
					b.matched(r, s)
					b.filters = append(b.filters, s)
				}
			}
		}
	case "Output":
		b.some = true
		b.outputs = append(b.outputs, b.plugins(r, "output", r.spec)...)
	case "Parser":
		b.parser(r)
	case "MultilineParser":
		b.joiner(r)
	case "FluentBit", "FluentBitConfig", "Collector":
		// Which resources are taken, and how the process runs.
	default:
		b.notes.Lose(r.at(r.spec), r.kind+" "+r.name, "it is not read here", "see docs/convert.md")
	}
}

// matched gives a filter the tags of the resource that it stands in.
func (b *bitWriter) matched(r *resource, s *syntax.Section) {
	for _, key := range [...]string{"match", "matchRegex"} {
		if n := member(r.spec, key); n != nil {
			s.Entries = append(s.Entries, syntax.Entry{
				Key: snake(key), Value: syntax.Literal(n.Value, r.at(n)), At: r.at(n),
			})
		}
	}
}

// plugins reads the plugins in a mapping: its members that are mappings. The others are keys that all plugins have.
func (b *bitWriter) plugins(r *resource, name string, n *yaml.Node) (all []*syntax.Section) {
	var common []syntax.Entry
	members(n, func(key string, value *yaml.Node) {
		at := r.at(value)
		switch {
		case key == "filters" || key == "ordinal" || key == "processors":
		case value.Kind == yaml.ScalarNode:
			common = append(common, syntax.Entry{Key: snake(key), Value: syntax.Literal(value.Value, at), At: at})
		case key == "customPlugin":
			all = append(all, b.custom(r, name, value)...)
		case value.Kind == yaml.MappingNode:
			s := &syntax.Section{Name: name, At: at, Entries: []syntax.Entry{{
				Key: "name", Value: syntax.Literal(pluginName(key), at), At: at,
			}}}
			b.settings(r, s, value, "")
			all = append(all, s)
		}
	})
	for _, s := range all {
		s.Entries = append(s.Entries, common...)
		s.Raw = rawBit(s)
	}
	return all
}

// custom reads the settings of a plugin that are written as lines, as in a file.
func (b *bitWriter) custom(r *resource, name string, n *yaml.Node) []*syntax.Section {
	s := &syntax.Section{Name: name, At: r.at(n)}
	config := member(n, "config")
	if config == nil {
		return nil
	}
	for i, line := range strings.Split(config.Value, "\n") {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		at := syntax.Place{File: r.file, Line: config.Line + 1 + i}
		if key != "" && key[0] != '#' && key[0] != '[' {
			s.Entries = append(s.Entries, syntax.Entry{
				Key: strings.ToLower(key), Value: syntax.Literal(strings.TrimSpace(value), at), At: at,
			})
		}
	}
	return []*syntax.Section{s}
}

// pluginName is what Fluent Bit calls a plugin.
func pluginName(key string) string {
	name := map[string]string{
		"cloudWatch": "cloudwatch_logs", "firehose": "kinesis_firehose", "kinesis": "kinesis_streams",
		"openTelemetry": "opentelemetry", "azureLogAnalytics": "azure", "azureBlob": "azure_blob",
		"influxDB":     "influxdb",
		"logAnalytics": "oracle_log_analytics",
	}[key]
	if name == "" {
		name = snake(key)
	}
	return name
}

// settings reads a plugin's settings. Mappings in it are keys with a dot, such as tls.verify, or names and values.
func (b *bitWriter) settings(r *resource, s *syntax.Section, n *yaml.Node, prefix string) {
	members(n, func(key string, value *yaml.Node) {
		at := r.at(value)
		name := prefix + snake(key)
		if other := fileKey(name); other != "" && (name != "remove_keys" || s.Text("name") != "loki") {
			name = other
		}
		if name == "parser" && s.Text("name") == "multiline" {
			name = "multiline.parser"
		}
		put := func(key string, v syntax.Value) {
			s.Entries = append(s.Entries, syntax.Entry{Key: key, Value: v, At: at})
		}
		switch value.Kind {
		case yaml.ScalarNode:
			put(name, syntax.Literal(value.Value, at))
		case yaml.SequenceNode:
			for _, item := range value.Content {
				b.item(r, s, name, item)
			}
		case yaml.MappingNode:
			switch v, isSecret := secret(r, value, b.notes); {
			case isSecret:
				put(name, v)
			case key == "tls":
				put("tls", syntax.Literal("on", at))
				b.settings(r, s, value, "tls.")
			case key == "networking":
				b.settings(r, s, value, "net.")
			case key == "rdkafka":
				members(value, func(k string, v *yaml.Node) {
					put("rdkafka."+k, syntax.Literal(v.Value, at))
				})
			default:
				members(value, func(k string, v *yaml.Node) {
					one := strings.TrimSuffix(name, "s")
					put(one, syntax.Literal(k+" "+v.Value, at))
				})
			}
		default:
		}
	})
}

// fileKey returns what a file calls a setting that has another name in resources, "" where the names are alike.
func fileKey(name string) string {
	if base, found := strings.CutSuffix(name, "_password"); found {
		return base + "_passwd"
	}
	switch name {
	case "rules", "records", "remove_keys", "allowlist_keys", "whitelist_keys", "uuid_keys":
		return strings.TrimSuffix(name, "s")
	case "multiline_parser", "db_sync", "storage_type", "multiline_key_content":
		return strings.Replace(name, "_", ".", 1)
	case "key_content":
		return "multiline.key_content"
	case "refresh_interval_seconds":
		return "refresh_interval"
	}
	return ""
}

// item reads one of a list: a value, or, of modify, a rule or a condition such as {set: {a: b}}.
func (b *bitWriter) item(r *resource, s *syntax.Section, name string, item *yaml.Node) {
	at := r.at(item)
	put := func(key, value string) {
		s.Entries = append(s.Entries, syntax.Entry{Key: key, Value: syntax.Literal(value, at), At: at})
	}
	if item.Kind == yaml.ScalarNode {
		put(name, item.Value)
		return
	}
	members(item, func(key string, value *yaml.Node) {
		word := snake(key)
		write := func(rest string) {
			if name == "conditions" {
				put("condition", word+" "+rest)
			} else {
				put(word, rest)
			}
		}
		if value.Kind == yaml.ScalarNode {
			write(value.Value)
			return
		}
		members(value, func(k string, v *yaml.Node) { write(k + " " + v.Value) })
	})
}

// parser reads a (Cluster)Parser.
func (b *bitWriter) parser(r *resource) {
	members(r.spec, func(format string, n *yaml.Node) {
		if n.Kind != yaml.MappingNode {
			return
		}
		at := r.at(n)
		s := &syntax.Section{Name: "parser", At: at, Entries: []syntax.Entry{
			{Key: "name", Value: syntax.Literal(r.name, at), At: at},
			{Key: "format", Value: syntax.Literal(strings.ToLower(format), at), At: at},
		}}
		b.settings(r, s, n, "")
		s.Raw = rawBit(s)
		b.others = append(b.others, s)
	})
}

// joiner reads a (Cluster)MultilineParser.
func (b *bitWriter) joiner(r *resource) {
	at := r.at(r.spec)
	s := &syntax.Section{Name: "multiline_parser", At: at, Entries: []syntax.Entry{
		{Key: "name", Value: syntax.Literal(r.name, at), At: at},
	}}
	members(r.spec, func(key string, value *yaml.Node) {
		if key != "rules" {
			s.Entries = append(s.Entries, syntax.Entry{
				Key: snake(key), Value: syntax.Literal(value.Value, r.at(value)), At: r.at(value),
			})
			return
		}
		for _, rule := range value.Content {
			quoted := func(key string) string {
				return `"` + strings.ReplaceAll(text(member(rule, key)), `"`, `\"`) + `"`
			}
			state := quoted("state")
			if text(member(rule, "start")) != "" {
				state = quoted("start")
			}
			line := state + " " + quoted("regex") + " " + quoted("next")
			s.Entries = append(s.Entries, syntax.Entry{
				Key: "rule", Value: syntax.Literal(line, r.at(rule)),
				At: r.at(rule),
			})
		}
	})
	s.Raw = rawBit(s)
	b.others = append(b.others, s)
}

// rawBit writes a section as the classic form has it.
func rawBit(s *syntax.Section) []string {
	lines := []string{"[" + strings.ToUpper(s.Name) + "]"}
	for _, e := range s.Entries {
		lines = append(lines, "    "+e.Key+" "+e.Value.Shown())
	}
	return lines
}
