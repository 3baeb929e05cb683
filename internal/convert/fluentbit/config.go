package fluentbit

import (
	"fmt"
	"maps"
	"net"
	"regexp"
	"strconv"
	"strings"

	"github.com/seed-afc6a195/aggregator/internal/convert/dialect"
	"github.com/seed-afc6a195/aggregator/internal/convert/flow"
	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
	"github.com/seed-afc6a195/aggregator/internal/convert/syntax"
)

// converter makes a flow of a configuration.
type converter struct {
	old     *flow.Old
	notes   *settings.Notes
	agent   bool
	parsers map[string]*syntax.Section
	// joiners are the parsers of several lines.
	joiners map[string]*syntax.Section
	servers map[string][]*syntax.Section
	// own is the first steps of what comes from agents: the processors of inputs.
	own []flow.Stage
}

// Convert says what a configuration does, with parsers of this file's and of others. What can't be said goes to notes.
func Convert(f *File, parsers []*syntax.Section, notes *settings.Notes) *flow.Old {
	c := &converter{
		old: &flow.Old{
			File: f.Path, Flow: &flow.Flow{Pipes: map[string]*flow.Pipe{"": {All: true}}}, Bit: true,
			YAML: !f.Classic && (strings.HasSuffix(f.Path, ".yaml") || strings.HasSuffix(f.Path, ".yml")),
		},
		notes:   notes,
		parsers: map[string]*syntax.Section{}, joiners: map[string]*syntax.Section{}, servers: f.Servers,
	}
	if all := nodes(f.Sections); all != nil {
		c.servers = maps.Clone(f.Servers)
		if c.servers == nil {
			c.servers = map[string][]*syntax.Section{}
		}
		c.servers[""] = all
	}
	for _, p := range parsers {
		if p.Name == "parser" {
			c.parsers[strings.ToLower(p.Text("name"))] = p
		} else {
			c.joiners[strings.ToLower(p.Text("name"))] = p
		}
	}
	for _, s := range f.Sections {
		if s.Name == "input" {
			c.input(s)
		}
	}
	c.agent = len(c.old.Sources) > 0 && len(c.old.Listeners) == 0
	pipe := c.old.Flow.Pipes[""]
	if c.own != nil && !c.agent {
		// What an input does with its events is done once; tags that are rewritten start behind it.
		c.old.Flow.Start = "inputs"
		c.old.Flow.Pipes["inputs"] = &flow.Pipe{Stages: append(c.own, flow.Stage{Match: &flow.Match{
			At: c.own[0].Filter.At, Title: c.own[0].Filter.Title, Tags: flow.Every(),
			Targets: []flow.Target{{Label: ""}},
		}})}
	}
	for _, s := range f.Sections {
		switch s.Name {
		case "upstream", "node", "upstream_server":
		case "parser", "multiline_parser":
			if c.old.Parsers == nil {
				c.old.Parsers = map[string][][]string{}
			}
			c.old.Parsers[s.Name+"s"] = append(c.old.Parsers[s.Name+"s"], s.Raw)
		case "input":
		case "service":
			c.service(s)
		case "filter":
			if stage, ok := c.filter(s); ok {
				pipe.Stages = append(pipe.Stages, stage)
			}
		case "output":
			pipe.Stages = append(pipe.Stages, flow.Stage{Match: &flow.Match{
				At: s.At, Title: title(s), Tags: c.tags(s),
				Targets: c.output(s),
			}})
		case "plugin", "plugins":
			c.notes.Lose(s.At, "["+strings.ToUpper(s.Name)+"]", "plugins in Go and C are not loaded",
				"see what their outputs became")
		default:
			c.notes.Lose(s.At, "["+strings.ToUpper(s.Name)+"]", "it has no like here",
				"see docs/filters.md and docs/configuration.md")
		}
	}
	if len(c.old.Listeners) > 0 {
		for _, s := range c.old.Sources {
			c.notes.Lose(s.At, s.Title, "the aggregator takes events from agents alone",
				"let an agent read this and send it to the aggregator, under the same tag")
		}
	}
	return c.old
}

func title(s *syntax.Section) string {
	return "[" + strings.ToUpper(s.Name) + "] " + kind(s)
}

func kind(s *syntax.Section) string { return strings.ToLower(s.Text("name")) }

func (c *converter) reader(s *syntax.Section) *settings.Reader {
	r := settings.NewReader(s, c.notes, title(s))
	r.Ignore("name", "match", "match_regex", "alias", "log_level", "log_suppress_interval")
	return r
}

// tags reads Match and Match_Regex.
func (c *converter) tags(s *syntax.Section) flow.Tags {
	if re := s.Text("match_regex"); re != "" {
		out, err := dialect.Pattern(re)
		if err == nil {
			return flow.Tags{Patterns: []string{"**"}, Regex: out}
		}
		c.notes.Lose(s.At, title(s)+" match_regex", err.Error(), "write a tag pattern; ** is taken")
		return flow.Every()
	}
	v, ok := s.Get("match")
	if !ok {
		if s.Name == "output" || s.Name == "filter" {
			c.notes.Say(s.At, title(s), "it has no Match, and gets nothing there", "")
		}
		return flow.Tags{}
	}
	text, plain := v.Plain()
	if !plain {
		c.notes.Lose(s.At, title(s)+" match", "the tag depends on a variable",
			"write a tag pattern; the part is taken for any text")
		text = regexp.MustCompile(`\$\{[^}]*\}`).ReplaceAllString(v.Shown(), "*")
	}
	return flow.Tags{Patterns: []string{Tag(text)}}
}

// Tag writes a pattern of Fluent Bit's, whose * is any text, as one of the aggregator's.
func Tag(pattern string) string {
	pattern = strings.NewReplacer("{", `\{`, "}", `\}`, ",", `\,`).Replace(pattern)
	for strings.Contains(pattern, "**") {
		pattern = strings.ReplaceAll(pattern, "**", "*")
	}
	return strings.ReplaceAll(pattern, "*", "**")
}

// service reads [SERVICE].
func (c *converter) service(s *syntax.Section) {
	r := settings.NewReader(s, c.notes, "[SERVICE]")
	if v, ok := s.Get("http_server"); ok {
		// Of a variable it is taken for on.
		switch text, plain := v.Plain(); strings.ToLower(text) {
		case "on", "true", "yes", "1":
			c.old.Status = true
		default:
			c.old.Status = c.old.Status || !plain
		}
	}
	for _, e := range s.Entries {
		// How the old process ran is none of the new one's.
		r.Ignore(e.Key)
	}
	for _, raw := range s.Raw {
		trimmed := strings.TrimSpace(raw)
		key, _, _ := strings.Cut(strings.ReplaceAll(strings.ToLower(trimmed), ":", " "), " ")
		if trimmed == "" || trimmed[0] == '[' || key == "service" || strings.HasPrefix(key,
			"storage.") && key != "storage.metrics" || strings.HasPrefix(key, "scheduler.") {
			continue
		}
		c.old.Service = append(c.old.Service, raw)
	}
}

// input reads [INPUT].
func (c *converter) input(s *syntax.Section) {
	switch kind(s) {
	case "forward":
		c.forwardInput(s)
	case "fluentbit_metrics", "prometheus_scrape", "node_exporter_metrics", "process_exporter_metrics",
		"podman_metrics", "statsd", "event_type":
		c.notes.Lose(s.At, title(s), "metrics are no events of logs", "leave them to something else")
	case "storage_backlog", "emitter":
	default:
		src := flow.Source{At: s.At, Title: title(s), Raw: s.Raw}
		if kind(s) == "dummy" {
			c.sample(s)
		}
		if kind(s) == "tail" && s.Text("db") == "" {
			src.More = append(src.More, "DB                   /var/lib/fluent-bit/tail.db")
		}
		if s.Text("storage.type") == "" {
			src.More = append(src.More, "storage.type         filesystem")
		}
		if s.Text("tag") == "" && kind(s) != "dummy" {
			c.notes.Say(s.At, title(s), "without a Tag its events have the input's own name", "")
		}
		c.old.Sources = append(c.old.Sources, src)
	}
}

// sample reads the events of the input dummy.
func (c *converter) sample(s *syntax.Section) {
	sample := flow.Sample{At: s.At, Tag: s.Text("tag"), Lines: []string{s.Text("dummy")}}
	if sample.Tag == "" {
		sample.Tag = "dummy.0"
	}
	if sample.Lines[0] == "" {
		sample.Lines[0] = `{"message":"dummy"}`
	}
	c.old.Samples = append(c.old.Samples, sample)
}

func (c *converter) forwardInput(s *syntax.Section) {
	r := c.reader(s)
	l := flow.Listener{At: s.At, Title: title(s)}
	listen, ok := r.Text("listen")
	if !ok || listen == "0.0.0.0" {
		listen = ""
	}
	port, ok := r.Text("port")
	if !ok {
		port = "24224"
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil && !strings.Contains(port, "${") {
		r.Lose("port", fmt.Sprintf("%.40q is no port", port), "write one; 24224 is taken")
		port = "24224"
	}
	address := net.JoinHostPort(listen, port)
	if strings.Contains(port+listen, "${") {
		address = listen + ":" + port
	}
	if path, ok := r.Text("unix_path"); ok {
		address = "unix:" + path
	}
	l.Settings = flow.Map{{Key: "address", Value: address}}
	if prefix, ok := r.Plain("tag_prefix"); ok {
		c.old.Flow.Prefix(s.At, l.Title, prefix)
	}
	if steps := c.processors(r); steps != nil {
		c.own = append(c.own, flow.Stage{Filter: &flow.Filter{
			At: s.At, Title: l.Title + " processors", Name: "processors", Tags: flow.Every(), Steps: steps,
		}})
	}
	if tag, ok := r.Text("tag"); ok {
		r.Say("tag", "is for events that come without one, which agents don't send: "+tag, "")
	}
	if r.Bool("tls", false) {
		var m flow.Map
		for _, p := range [...]struct{ old, key string }{{"tls.crt_file", "cert_file"}, {"tls.key_file", "key_file"}} {
			if text, ok := r.Text(p.old); ok {
				m = m.With(p.key, text)
				r.Notes.NeedFile(text, "the file of that name that the old program had")
			}
		}
		if text, ok := r.Text("tls.ca_file"); ok && r.Bool("tls.verify", true) {
			m = m.With("client_ca_file", text).With("client_auth", "request")
			r.Notes.NeedFile(text, "the file of that name that the old program had")
		}
		l.Settings = l.Settings.With("tls", m)
	}
	r.Ignore("tls", "tls.verify", "tls.crt_file", "tls.key_file", "tls.ca_file", "tls.debug", "tls.vhost",
		"tls.key_passwd", "buffer_max_size", "buffer_chunk_size", "unix_perm", "self_hostname",
		"empty_shared_key", "storage.type", "mem_buf_limit", "threaded", "net.keepalive",
		"storage.pause_on_chunks_overlimit", "routable", "tls.min_version", "tls.max_version", "tls.verify_hostname")
	m := flow.Map{{Key: "name", Value: "default"}}
	if key, ok := r.Secret("shared_key", "agents-key"); ok {
		m = m.With("shared_key", key)
	}
	var users []any
	for _, v := range r.All("security.users") {
		name, password, _ := strings.Cut(v.Shown(), " ")
		file := r.Notes.SecretFile("agents-password", syntax.Literal(password, v.At),
			"the password of "+name+" at "+v.At.String())
		users = append(users, flow.Map{{Key: "name", Value: flow.Literal(name)}, {Key: "password", Value: file}})
	}
	if users != nil {
		m = m.With("users", users)
	}
	if len(m) > 1 {
		l.Clusters = []flow.Map{m}
	}
	r.Done()
	c.old.Listeners = append(c.old.Listeners, l)
}
