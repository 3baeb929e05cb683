// Package fluentd reads configurations of fluentd and says what they do as a flow.
package fluentd

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/seed-afc6a195/aggregator/internal/convert/dialect"
	"github.com/seed-afc6a195/aggregator/internal/convert/flow"
	"github.com/seed-afc6a195/aggregator/internal/convert/fluentd/conf"
	"github.com/seed-afc6a195/aggregator/internal/convert/fluentd/outputs"
	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
	"github.com/seed-afc6a195/aggregator/internal/convert/syntax"
)

// converter makes a flow of a configuration.
type converter struct {
	old   *flow.Old
	notes *settings.Notes
	// agent says that the configuration reads files and the like, and takes no events from agents.
	agent bool
	// ownLog says that there is a label for fluentd's own log, toOwnLog that other events are sent there too.
	ownLog, toOwnLog bool
	// errors says that there is a label for events that plugins refuse.
	errors bool
}

// ownLog is the label that fluentd's own log has.
const ownLog = "@FLUENT_LOG"

// relabels reports whether a match among sections sends events to a label.
func relabels(sections []*syntax.Section, label string) bool {
	return slices.ContainsFunc(sections, func(s *syntax.Section) bool {
		return conf.Type(s) == "relabel" && s.Text("@label") == label || relabels(s.Sections, label)
	})
}

// Convert says what a configuration does. What can't be said goes to notes.
func Convert(root *syntax.Section, notes *settings.Notes) *flow.Old {
	c := &converter{
		old:   &flow.Old{File: root.At.File, Flow: &flow.Flow{Pipes: map[string]*flow.Pipe{"": {}}}},
		notes: notes,
	}
	sections := flatten(root)
	c.sources(sections)
	c.agent = len(c.old.Sources) > 0 && len(c.old.Listeners) == 0
	c.ownLog = slices.ContainsFunc(sections, func(s *syntax.Section) bool {
		return s.Name == "label" &&
			s.Arg == ownLog
	})
	c.errors = slices.ContainsFunc(sections, func(s *syntax.Section) bool {
		return s.Name == "label" && s.Arg == "@ERROR"
	})
	c.toOwnLog = relabels(sections, ownLog)
	for _, e := range root.Entries {
		c.notes.Lose(e.At, e.Key, "it stands in no section", "move it into the one that it belongs to")
	}
	for _, s := range sections {
		switch s.Name {
		case "source":
		case "filter", "match":
			c.stage("", s)
		case "label":
			c.label(s)
		case "system":
			c.system(s)
		default:
			c.notes.Lose(s.At, "<"+s.Name+">", "fluentd has no such section",
				"write <source>, <filter>, <match> or <label>")
		}
	}
	return c.old
}

// flatten returns the sections at the top, with those inside of <worker …> in its place: one aggregator uses all cores.
func flatten(root *syntax.Section) (all []*syntax.Section) {
	for _, s := range root.Sections {
		if s.Name == "worker" {
			all = append(all, flatten(s)...)
		} else {
			all = append(all, s)
		}
	}
	return all
}

func (c *converter) reader(s *syntax.Section) *settings.Reader { return conf.NewReader(s, c.notes) }

// sources reads the inputs.
func (c *converter) sources(sections []*syntax.Section) {
	labels := map[string]bool{}
	for _, s := range sections {
		if s.Name != "source" {
			continue
		}
		label := s.Text("@label")
		switch conf.Type(s) {
		case "forward", "secure_forward", "unix":
			c.forwardInput(s)
			labels[label] = true
		case "monitor_agent", "prometheus", "prometheus_monitor", "prometheus_output_monitor",
			"prometheus_tail_monitor", "debug_agent":
			c.old.Status = true
			c.notes.Say(s.At, conf.Title(s), "the aggregator serves metrics and its state by itself, at status.address",
				"")
		case "":
			c.notes.Lose(s.At, conf.Title(s), "it has no @type", "write one")
		default:
			c.sample(s)
			c.old.Sources = append(c.old.Sources, flow.Source{At: s.At, Title: conf.Title(s), Raw: s.Raw, Label: label})
		}
	}
	if len(c.old.Listeners) == 0 {
		for _, s := range c.old.Sources {
			labels[s.Label] = true
		}
	} else if len(c.old.Sources) > 0 {
		for _, s := range c.old.Sources {
			c.notes.Lose(s.At, s.Title, "the aggregator takes events from agents alone",
				"let an agent read this and send it to the aggregator, under the same tag")
		}
	}
	all := slices.Sorted(maps.Keys(labels))
	switch {
	case len(all) == 1:
		c.old.Flow.Start = all[0]
	case len(all) > 1:
		c.splitStart(all)
	}
}

// sample reads the events of the inputs sample and dummy.
func (c *converter) sample(s *syntax.Section) {
	if name := conf.Type(s); name != "sample" && name != "dummy" {
		return
	}
	text := s.Text(conf.Type(s))
	if text == "" {
		text = `{"message":"sample"}`
	}
	var all []json.RawMessage
	if json.Unmarshal([]byte(text), &all) != nil {
		all = []json.RawMessage{json.RawMessage(text)}
	}
	sample := flow.Sample{At: s.At, Tag: s.Text("tag")}
	for _, line := range all {
		sample.Lines = append(sample.Lines, string(line))
	}
	c.old.Samples = append(c.old.Samples, sample)
}

// splitStart says of inputs that lead to different labels which one is taken.
func (c *converter) splitStart(labels []string) {
	c.old.Flow.Start = labels[0]
	if labels[0] == "" && len(c.old.Flow.Pipes[""].Stages) == 0 && len(labels) > 1 {
		c.old.Flow.Start = labels[1]
	}
	for _, label := range labels {
		if label != c.old.Flow.Start {
			c.notes.Lose(syntax.Place{File: c.old.File}, "inputs with @label "+label,
				"inputs lead to different labels, and routes know tags and clusters alone: all events are "+
					"taken for those of "+shownLabel(c.old.Flow.Start),
				"convert a file for each, or give the agents of each input a cluster of its own and name it in "+
					"the routes")
		}
	}
}

func shownLabel(label string) string {
	if label == "" {
		return "inputs without @label"
	}
	return label
}

// label reads <label @X>.
func (c *converter) label(s *syntax.Section) {
	switch s.Arg {
	case "@ERROR":
		c.notes.Say(s.At, "<label @ERROR>",
			"events that can't be read or are refused are dead letters here, with the reason: docs/dead-letters.md", "")
		return
	case ownLog:
		c.notes.Say(s.At, "<label "+ownLog+">",
			"the aggregator writes its own log to its standard error, and sends it to no output", "")
		if !c.toOwnLog {
			return
		}
	}
	if c.old.Flow.Pipes[s.Arg] == nil {
		c.old.Flow.Pipes[s.Arg] = &flow.Pipe{}
	}
	for _, child := range s.Sections {
		switch child.Name {
		case "filter", "match":
			c.stage(s.Arg, child)
		default:
			c.notes.Lose(child.At, "<"+child.Name+"> in <label "+s.Arg+">", "a label has filters and matches alone",
				"move it out")
		}
	}
}

func (c *converter) system(s *syntax.Section) {
	r := settings.NewReader(s, c.notes, "<system>")
	r.Ignore("log_level", "workers", "root_dir", "process_name", "rpc_endpoint", "enable_get_dump",
		"suppress_repeated_stacktrace", "emit_error_log_interval",
		"suppress_config_dump", "without_source", "ignore_repeated_log_interval", "ignore_same_log_interval",
		"strict_config_value", "enable_msgpack_time_support",
		"enable_size_metrics", "enable_input_metrics", "restart_worker_interval", "file_permission", "dir_permission",
		"disable_shared_socket", "enable_jit")
	r.IgnoreSections("log", "metrics", "source_only_buffer", "counter_server", "counter_client")
	r.Done()
	if level := s.Text("log_level"); level == "debug" || level == "trace" {
		c.notes.Say(s.At, "<system> log_level", "log: {level: debug} says the same", "")
	}
}

// tags reads the patterns of <match …>.
func (c *converter) tags(s *syntax.Section) flow.Tags {
	arg := s.Arg
	if arg == "" {
		arg = "**"
	}
	if strings.HasPrefix(arg, "/") && strings.HasSuffix(arg, "/") && len(arg) > 1 {
		re, err := dialect.Pattern(arg)
		if err != nil {
			c.notes.Lose(s.At, "<"+s.Name+" "+arg+">", err.Error(), "write a tag pattern; ** is taken")
			return flow.Every()
		}
		return flow.Tags{Patterns: []string{"**"}, Regex: re}
	}
	if strings.Contains(arg, "#{") {
		c.notes.Lose(s.At, "<"+s.Name+" "+arg+">", "the tag depends on Ruby",
			"write a tag pattern; the part is taken for any text")
		for {
			from := strings.Index(arg, "#{")
			if from < 0 {
				break
			}
			end := strings.IndexByte(arg[from:], '}')
			if end < 0 {
				arg = arg[:from] + "*"
				break
			}
			arg = arg[:from] + "*" + arg[from+end+1:]
		}
	}
	return flow.Tags{Patterns: strings.Fields(arg)}
}

// stage reads <filter> and <match> into the pipe of a label.
func (c *converter) stage(label string, s *syntax.Section) {
	pipe := c.old.Flow.Pipes[label]
	if s.Name == "filter" {
		if f := c.filter(label, s); f != nil {
			pipe.Stages = append(pipe.Stages, flow.Stage{Filter: f})
		}
		return
	}
	m := &flow.Match{At: s.At, Title: conf.Title(s), Tags: c.tags(s), Raw: s.Raw}
	if conf.Type(s) == "detect_exceptions" && s.Text("remove_tag_prefix") == "" {
		r := c.reader(s)
		pipe.Stages = append(pipe.Stages, flow.Stage{Filter: &flow.Filter{
			At: s.At, Title: conf.Title(s), Tags: m.Tags,
			Steps: c.detectExceptions(r), Raw: s.Raw,
		}})
		r.IgnoreSections("buffer")
		r.Done()
		return
	}
	m.Targets = c.matchTargets(label, s)
	pipe.Stages = append(pipe.Stages, flow.Stage{Match: m})
}

// matchTargets reads where a match sends to.
func (c *converter) matchTargets(label string, s *syntax.Section) []flow.Target {
	switch conf.Type(s) {
	case "copy", "multi", "roundrobin", "weighted_round_robin":
		if conf.Type(s) != "copy" {
			c.notes.Lose(s.At, conf.Title(s), "events go to each store in turn there, and to all of them here",
				"keep one store")
		}
		r := c.reader(s)
		r.Ignore("copy_mode", "deep_copy", "ignore_error")
		var all []flow.Target
		for _, store := range s.Children("store") {
			store.Name = strings.TrimSpace(s.Name+" "+s.Arg) + "> <store"
			all = append(all, c.matchTargets(label, store)...)
		}
		r.IgnoreSections("store")
		for _, child := range s.Sections {
			r.IgnoreSections(child.Name)
		}
		r.Done()
		if len(all) == 0 {
			c.notes.Lose(s.At, conf.Title(s), "it has no <store>", "write one")
		}
		return all
	case "null":
		return []flow.Target{{Null: true}}
	case "prometheus", "flowcounter", "flowcounter_simple", "datacounter", "numeric_counter", "numeric_monitor":
		c.notes.Say(s.At, conf.Title(s), "left out: the aggregator counts events by itself: /metrics", "")
		return []flow.Target{{Null: true}}
	case "relabel":
		r := c.reader(s)
		r.Ignore("@label")
		r.Done()
		to := s.Text("@label")
		if to == "" {
			to = s.Text("label")
		}
		if to == ownLog && !c.ownLog {
			c.notes.Say(s.At, conf.Title(s), "dropped: no label "+ownLog+" is in the files, and fluentd drops what "+
				"leads to its own log without one", "")
			return []flow.Target{{Null: true}}
		}
		if to == "@ROOT" {
			to = ""
		}
		if to == "@ERROR" {
			c.notes.Say(s.At, conf.Title(s), "@ERROR is the dead letters here; the events are dropped", "")
			return []flow.Target{{Null: true}}
		}
		return []flow.Target{{Label: to}}
	case "rewrite_tag_filter", "rewrite_tag":
		return []flow.Target{{Retag: c.rewriteTag(label, s)}}
	case "detect_exceptions":
		return []flow.Target{{Retag: c.joined(label, s)}}
	case "label_router":
		return c.labelRouter(s)
	case "tag_normaliser":
		return []flow.Target{{Retag: c.tagNormaliser(label, s)}}
	case "record_reformer", "retag", "add_tag_prefix", "record_modifier":
		return []flow.Target{{Retag: c.retagAll(label, s)}}
	}
	o := outputs.Read(s, c.notes)
	if o.WhenFull != "" {
		c.old.WhenFull = append(c.old.WhenFull, o.WhenFull)
	}
	return []flow.Target{{Output: o}}
}
