package fluentbit

import (
	"strconv"
	"strings"

	"github.com/seed-afc6a195/aggregator/internal/convert/dialect"
	"github.com/seed-afc6a195/aggregator/internal/convert/flow"
	"github.com/seed-afc6a195/aggregator/internal/convert/ruby"
	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
	"github.com/seed-afc6a195/aggregator/internal/convert/syntax"
)

// usual is parsers that come with Fluent Bit and have a format of their own here.
func usual() map[string]flow.Map {
	format := func(name string) flow.Map { return flow.Map{{Key: "format", Value: name}} }
	docker := flow.Map{{Key: "format", Value: "json"}, {Key: "time", Value: flow.Map{
		{Key: "key", Value: "time"},
		{Key: "format", Value: "%Y-%m-%dT%H:%M:%S.%L"},
		{Key: "keep", Value: true},
	}}}
	return map[string]flow.Map{
		"json": docker[:1], "docker": docker, "cri": append(format("cri"), flow.Pair{
			Key: "join",
			Value: flow.Map{{
				Key:   "enabled",
				Value: false,
			}},
		}), "nginx": format("nginx"), "apache2": format("apache2"), "apache": format("apache2"),
		"syslog-rfc5424": format("syslog"), "syslog-rfc3164": format("syslog"), "logfmt": format("logfmt"),
		"k8s-nginx-ingress": format("ingress_nginx"), "envoy": format("envoy"), "istio-envoy-proxy": format("envoy"),
	}
}

// parser reads the filter parser.
func (c *converter) parser(r *settings.Reader) (steps []flow.Step) {
	key, _ := r.Plain("key_name")
	path, ok := accessor(key)
	if !ok {
		r.Notes.Lose(r.At, r.Title, "it has no Key_Name that can be read", "name the field")
		return nil
	}
	field, access := ruby.Path(path), ruby.Field(path)
	preserve, reserve := r.Bool("preserve_key", false), r.Bool("reserve_data", false)
	r.Ignore("unescape_key")
	all := r.All("parser")
	if len(all) == 0 {
		r.Notes.Lose(r.At, r.Title, "it has no Parser", "name one")
	}
	var tail flow.Map
	// A text that stays would be read by the next parser too: a copy is read, until one of them can.
	const copied = "_text"
	copies := preserve && reserve && len(all) > 1
	switch {
	case copies:
		steps = append(steps, flow.Step{Kind: "modify", Body: flow.Map{{
			Key: "set", Value: flow.Map{{Key: copied, Value: ruby.PlaceholderOf(field)}},
		}}})
		field, access = copied, "record."+copied
	case preserve:
		tail = tail.With("keep", true)
		if len(all) > 1 {
			r.Notes.Lose(r.At, r.Title+" parser", "its text stays in the record, so that it may be read twice",
				"leave Preserve_Key out, or write the steps by hand")
		}
	}
	if !reserve {
		tail = tail.With("reserve_data", false)
	}
	for i, v := range all {
		name := v.Shown()
		body, more, ok := c.format(r, v, name)
		if !ok {
			continue
		}
		step := flow.Step{
			Kind: "parse", Body: append(append(flow.Map{{Key: "field", Value: field}}, body...), tail...),
			Note: "parser " + name,
		}
		if i > 0 || copies {
			step.When = access + " != nil"
		}
		steps = append(append(steps, step), more...)
	}
	if copies {
		steps = append(steps, flow.Step{Kind: "modify", Body: flow.Map{{Key: "remove", Value: []any{copied}}}})
	}
	return steps
}

// format reads a [PARSER] as the settings of a step, with more steps for what fields hold that it has read.
func (c *converter) format(r *settings.Reader, v syntax.Value, name string) (
	body flow.Map, more []flow.Step, ok bool,
) {
	s := c.parsers[strings.ToLower(name)]
	if s == nil {
		if body, known := usual()[strings.ToLower(name)]; known {
			body = append(flow.Map{}, body...)
			if body.Get("format") == "json" && body.Get("time") == nil {
				body = body.With("time", flow.Map{{Key: "key", Value: ""}})
			}
			return body, nil, true
		}
		r.Notes.Lose(v.At, r.Title+" parser "+name, "no [PARSER] of that name is in the files",
			"name the parsers file too")
		return nil, nil, false
	}
	p := settings.NewReader(s, r.Notes, "[PARSER] "+name)
	p.Ignore("name", "skip_empty_values", "time_system_timezone", "time_strict")
	switch format, _ := p.Plain("format"); strings.ToLower(format) {
	case "regex":
		text, _ := p.Plain("regex")
		re, err := dialect.Pattern(text)
		if err != nil {
			at, _ := s.Get("regex")
			p.Notes.Lose(at.At, p.Title+" regex", err.Error(),
				"write it otherwise (docs/filters.md#regular-expressions)")
			return nil, nil, false
		}
		body = flow.Map{{Key: "format", Value: "regex"}, {Key: "regex", Value: flow.Literal(re)}}
	case "json", "ltsv", "logfmt":
		body = flow.Map{{Key: "format", Value: strings.ToLower(format)}}
	default:
		p.Notes.Lose(s.At, p.Title, "there is no format "+format, "write it as format: regex")
		return nil, nil, false
	}
	p.Ignore("regex", "logfmt_no_bare_keys")
	body = c.times(p, body)
	if types, ok := p.Plain("types"); ok {
		var all []any
		for _, t := range strings.Fields(types) {
			name, kind, _ := strings.Cut(t, ":")
			to := map[string]string{
				"integer": "integer", "int": "integer", "float": "float", "bool": "bool",
				"hex": "",
			}[strings.ToLower(kind)]
			if to != "" {
				all = append(all, flow.Literal(name+":"+to))
			}
		}
		if all != nil {
			body = body.With("types", all)
		}
	}
	more = decoded(p)
	if p.Has("time_offset") {
		offset, _ := p.Plain("time_offset")
		if len(offset) == 5 {
			offset = offset[:3] + ":" + offset[3:]
		}
		body = body.In("time", "zone", offset)
	}
	p.Done()
	return body, more, true
}

// decoded reads what fields hold that a parser has read, JSON in them.
func decoded(p *settings.Reader) (more []flow.Step) {
	for _, key := range [...]string{"decode_field_as", "decode_field"} {
		for _, d := range p.All(key) {
			words := strings.Fields(d.Shown())
			if len(words) < 2 || words[0] != "json" {
				// What is escaped there is plain text here.
				continue
			}
			inner := flow.Map{
				{Key: "field", Value: ruby.Path(words[1:2])},
				{Key: "format", Value: "json"},
				{Key: "time", Value: flow.Map{{Key: "key", Value: ""}}},
			}
			if key == "decode_field_as" {
				inner = inner.With("into", ruby.Path(words[1:2]))
			} else {
				inner = inner.With("keep", true)
			}
			more = append(more, flow.Step{Kind: "parse", Body: inner, When: ruby.Field(words[1:2]) + " != nil"})
		}
	}
	return more
}

// times reads a parser's time, which counts only where it has a key and a format.
func (c *converter) times(p *settings.Reader, body flow.Map) flow.Map {
	key, hasKey := p.Plain("time_key")
	format, hasFormat := p.Plain("time_format")
	keep := p.Bool("time_keep", false)
	if !hasKey {
		key = "time"
	}
	if !hasFormat {
		return body.With("time", flow.Map{{Key: "key", Value: ""}})
	}
	t := flow.Map{}
	if key != "time" {
		t = t.With("key", ruby.Path([]string{key}))
	}
	t = t.With("format", flow.Literal(format))
	if keep {
		t = t.With("keep", true)
	}
	return body.With("time", t)
}

// multiline reads the filter multiline.
func (c *converter) multiline(r *settings.Reader) []flow.Step {
	r.Ignore("buffer", "emitter_name", "emitter_storage.type", "emitter_mem_buf_limit", "debug_flush")
	field := "log"
	if key, ok := r.Plain("multiline.key_content"); ok {
		field = ruby.Path([]string{key})
	}
	if mode, _ := r.Plain("mode"); strings.EqualFold(mode, "partial_message") {
		r.Ignore("multiline.parser", "flush_ms")
		return []flow.Step{{Kind: "join", Body: joinField(field)}}
	}
	wait := "2s"
	if n, ok := r.Int("flush_ms"); ok && n > 0 {
		wait, _ = settings.ParseDuration(strconv.Itoa(n) + "ms")
	}
	var steps []flow.Step
	formats := map[string]string{"java": "java", "python": "python", "go": "go", "ruby": "ruby"}
	var names []string
	for _, v := range r.All("multiline.parser") {
		for name := range strings.SplitSeq(v.Shown(), ",") {
			names = append(names, strings.ToLower(strings.TrimSpace(name)))
		}
	}
	var known []string
	joined := false
	for _, name := range names {
		switch {
		case (name == "docker" || name == "cri") && joined:
		case name == "docker" || name == "cri":
			joined = true
			steps = append(steps, flow.Step{Kind: "join", Body: joinField(field)})
		case c.joiners[name] != nil:
			if body, ok := c.joiner(r, c.joiners[name], field); ok {
				steps = append(steps, flow.Step{Kind: "multiline", Body: body.With("key",
					"{tag}/{record.stream|}").With("max_wait", wait), Note: "parser " + name})
			}
		case formats[name] != "":
			known = append(known, formats[name])
		default:
			r.Lose("multiline.parser", "no [MULTILINE_PARSER] "+name+" is in the files", "name the parsers file too")
		}
	}
	if len(known) > 0 {
		format := known[0]
		if len(known) > 1 {
			format = "all"
		}
		steps = append(steps, flow.Step{Kind: "multiline", Body: flow.Map{{Key: "field", Value: field}, {
			Key:   "format",
			Value: format,
		}, {Key: "key", Value: "{tag}/{record.stream|}"}, {Key: "max_wait", Value: wait}}})
	}
	return steps
}

func joinField(field string) flow.Map {
	if field == "log" {
		return flow.Map{}
	}
	return flow.Map{{Key: "field", Value: field}}
}

// joiner reads a [MULTILINE_PARSER] whose rules are a first line and those that follow it.
func (c *converter) joiner(r *settings.Reader, s *syntax.Section, field string) (flow.Map, bool) {
	body := flow.Map{{Key: "field", Value: field}}
	lose := func(why string) (flow.Map, bool) {
		r.Notes.Lose(s.At, "[MULTILINE_PARSER] "+s.Text("name"), why, "write start, continue and end by hand")
		return nil, false
	}
	var rules [][]string
	for _, e := range s.Entries {
		if e.Key != "rule" {
			continue
		}
		words := quotedWords(e.Value.Shown())
		if len(words) != 3 {
			return lose("a rule is not a state, an expression and the next state")
		}
		rules = append(rules, words)
	}
	for _, child := range s.Sections {
		if child.Name == "rules" || child.Name == "rule" {
			rules = append(rules, []string{child.Text("state"), child.Text("regex"), child.Text("next_state")})
		}
	}
	var next []string
	for _, rule := range rules {
		re, err := dialect.Pattern(rule[1])
		if err != nil {
			return lose(err.Error())
		}
		if rule[0] == "start_state" {
			if body.Get("start") != nil {
				return lose("it has several first lines")
			}
			body = body.With("start", flow.Literal(re))
			continue
		}
		next = append(next, re)
	}
	if body.Get("start") == nil {
		return lose("it has no start_state")
	}
	if len(next) == 1 {
		body = body.With("continue", flow.Literal(next[0]))
	} else if len(next) > 1 {
		body = body.With("continue", flow.Literal("(?:"+strings.Join(next, ")|(?:")+")"))
	}
	return body, true
}

// quotedWords reads "a" "b" "c".
func quotedWords(text string) (words []string) {
	for {
		from := strings.IndexByte(text, '"')
		if from < 0 {
			return words
		}
		end := from + 1
		for end < len(text) && (text[end] != '"' || text[end-1] == '\\') {
			end++
		}
		if end >= len(text) {
			return words
		}
		words = append(words, strings.ReplaceAll(text[from+1:end], `\"`, `"`))
		text = text[end+1:]
	}
}
