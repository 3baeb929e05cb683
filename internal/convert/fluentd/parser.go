package fluentd

import (
	"strconv"
	"strings"

	"github.com/seed-afc6a195/aggregator/internal/convert/flow"
	"github.com/seed-afc6a195/aggregator/internal/convert/fluentd/conf"
	"github.com/seed-afc6a195/aggregator/internal/convert/fluentd/template"
	"github.com/seed-afc6a195/aggregator/internal/convert/ruby"
	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
	"github.com/seed-afc6a195/aggregator/internal/convert/syntax"
)

// parser reads the filter parser.
func (c *converter) parser(r *settings.Reader) (steps []flow.Step) {
	key, _ := r.Plain("key_name")
	path, ok := template.Accessor(key)
	if !ok {
		r.Notes.Lose(r.At, r.Title, "it has no key_name that can be read", "name the field")
		return nil
	}
	field := ruby.Path(path)
	reserve := r.Bool("reserve_data", false)
	removeKey := r.Bool("remove_key_name_field", false)
	reserveTime := r.Bool("reserve_time", false)
	onError := r.Bool("emit_invalid_record_to_error", true)
	r.Ignore("replace_invalid_sequence", "suppress_parse_error_log", "ignore_key_not_exist", "estimate_current_event")
	prefix, _ := r.Text("inject_key_prefix")
	into, _ := r.Text("hash_value_field")

	// The format stands in <parse>, or, as in old files, in the filter itself.
	parse := r.Child("parse")
	all := r.Children("parse")
	if parse == nil {
		if _, old := r.Value("format"); old {
			parse = r.Section
		}
	}
	if parse == nil {
		r.Notes.Lose(r.At, r.Title, "it has no <parse>", "write one")
		return nil
	}
	tail := flow.Map{}
	if reserve && !removeKey {
		tail = tail.With("keep", true)
	}
	if !reserve {
		tail = tail.With("reserve_data", false)
	}
	if reserveTime {
		tail = tail.With("reserve_time", true)
	}
	if into != "" {
		tail = tail.With("into", into)
	}
	if prefix != "" {
		tail = tail.With("prefix", prefix)
	}
	switch {
	case !reserve:
		// There, what does not parse is gone, but for <label @ERROR>.
		tail = tail.With("on_error", "dead_letter")
	case onError && c.errors:
		r.Notes.Say(r.At, r.Title,
			"what does not parse goes on as it came, as there, without a copy for <label @ERROR>",
			"on_error: dead_letter takes it out of the route")
	}
	if len(all) > 1 {
		r.Notes.Lose(r.At, r.Title, "only the last of its <parse> counts", "")
	}
	if conf.Type(parse) == "multi_format" {
		steps = c.multiFormat(r, parse, path, tail)
	} else if body, ok := c.format(r, parse, field, parse == r.Section); ok {
		steps = []flow.Step{{Kind: "parse", Body: append(body, tail...)}}
	}
	if steps != nil && reserve && into != "" {
		// There, the map is empty where nothing was read.
		steps = append(steps, flow.Step{
			Kind: "expr", When: ruby.Field([]string{into}) + " == nil",
			Body: flow.Map{{Key: "set", Value: flow.Map{{Key: ruby.Path([]string{into}), Value: "{}"}}}},
		})
	}
	return steps
}

// multiFormat reads several <pattern>s, which are tried in turn. They read the text under a name of its own: what one
// has read is gone for those behind, also where it says a field of the text's old name.
func (c *converter) multiFormat(r *settings.Reader, s *syntax.Section, path []string, tail flow.Map) (
	steps []flow.Step,
) {
	const text, access = "_text", "record._text"
	field := ruby.Path(path)
	keep := tail.Get("keep") != nil
	tail = tail.Without("keep")
	onError := tail.Get("on_error")
	if onError != nil {
		// An event without the field fails once, and not at all that is tried.
		steps = append(steps, flow.Step{
			Kind: "parse", When: ruby.Field(path) + " == nil",
			Body: flow.Map{
				{Key: "field", Value: field},
				{Key: "format", Value: "text"},
				{Key: "on_error", Value: onError},
			},
		})
	}
	first := flow.Map{{Key: "rename", Value: flow.Map{{Key: field, Value: text}}}}
	last := flow.Step{Kind: "modify", Body: flow.Map{{Key: "rename", Value: flow.Map{{Key: text, Value: field}}}}}
	if keep {
		first = flow.Map{{Key: "set", Value: flow.Map{{Key: text, Value: ruby.PlaceholderOf(field)}}}}
		last.Body = flow.Map{{Key: "remove", Value: []any{text}}}
	}
	steps = append(steps, flow.Step{Kind: "modify", Body: first})
	all := s.Children("pattern")
	for i, p := range all {
		body, ok := c.format(r, p, text, true)
		if !ok {
			continue
		}
		more := tail
		if i < len(all)-1 {
			more = tail.Without("on_error")
		}
		steps = append(steps, flow.Step{Kind: "parse", Body: append(body, more...), When: access + " != nil"})
		if body.Get("format") == "text" {
			// It reads all.
			return steps
		}
	}
	return append(steps, last)
}

// format reads a <parse> as the settings of a step; old says that its name stands in format.
func (c *converter) format(r *settings.Reader, s *syntax.Section, field string, old bool) (flow.Map, bool) {
	p := settings.NewReader(s, r.Notes, r.Title+" <parse>")
	if s == r.Section {
		p = r
	}
	p.Ignore("@type", "type", "format", "@id", "@log_level", "null_empty_string", "null_value_pattern",
		"estimate_current_event", "timeout", "localtime", "utc", "time_type", "parser_type", "json_parser",
		"time_format_fallbacks")
	name := conf.Type(s)
	if old || name == "" {
		name = s.Text("format")
	}
	body := flow.Map{{Key: "field", Value: field}}
	// The time's key.
	usual := ""
	switch expression := s.Text("expression"); {
	case strings.HasPrefix(name, "/"), name == "regexp", name == "multiline":
		p.Ignore("expression", "ignorecase", "multiline", "format_firstline")
		switch name {
		case "regexp":
			name = expression
		case "multiline":
			name = joinedFormats(p)
		}
		re, ok := pattern(p, s.At, "expression", name)
		if !ok {
			return nil, false
		}
		body, usual = body.With("format", "regex").With("regex", flow.Literal(re)), "time"
	case name == "json", name == "nginx", name == "apache2", name == "ltsv", name == "logfmt", name == "csv",
		name == "tsv", name == "syslog", name == "cri", name == "apache":
		body, usual = c.formatNamed(p, body, name), "time"
	case name == "none":
		body = body.With("format", "text")
		if key, ok := p.Plain("message_key"); ok && key != "message" {
			body = flow.Map{
				{Key: "field", Value: field},
				{Key: "format", Value: "regex"},
				{Key: "regex", Value: flow.Literal("(?s)^(?<" + key + ">.*)$")},
				{Key: "time", Value: flow.Map{{Key: "key", Value: ""}}},
			}
		}
	case name == "kv" || name == "key_value":
		body, usual = body.With("format", "logfmt"), "time"
	default:
		p.Notes.Lose(s.At, p.Title, "there is no format "+name, "write it as format: regex")
		return nil, false
	}
	c.times(p, &body, usual)
	if text, ok := p.Plain("types"); ok {
		body = body.With("types", parseTypes(text))
	}
	if p != r {
		p.Done()
	}
	return body, true
}

// joinedFormats is format1, format2 and so on of the parser multiline: one expression, whose dots are line ends too.
func joinedFormats(p *settings.Reader) string {
	var all strings.Builder
	for i := 1; ; i++ {
		one := p.Text0("format" + strconv.Itoa(i))
		if one == "" {
			return "/" + all.String() + "/m"
		}
		all.WriteString(strings.TrimSuffix(strings.TrimPrefix(one, "/"), "/"))
	}
}

// formatNamed reads a format that has a name here too.
func (c *converter) formatNamed(p *settings.Reader, body flow.Map, name string) flow.Map {
	switch name {
	case "csv", "tsv":
		var columns []any
		keys, _ := p.Plain("keys")
		for _, k := range template.List(keys) {
			columns = append(columns, flow.Literal(k))
		}
		options := flow.Map{{Key: "columns", Value: columns}}
		if d, ok := p.Text("delimiter"); ok && d != "," {
			options = options.With("delimiter", d)
		} else if name == "tsv" {
			options = options.With("delimiter", "\t")
		}
		p.Ignore("parser_type")
		return body.With("format", "csv").With("csv", options)
	case "ltsv":
		var options flow.Map
		for _, key := range [...]string{"delimiter", "delimiter_pattern", "label_delimiter"} {
			if text, ok := p.Text(key); ok {
				options = options.With(key, strings.Trim(text, "/"))
			}
		}
		body = body.With("format", "ltsv")
		if options != nil {
			body = body.With("ltsv", options)
		}
		return body
	case "syslog":
		p.Ignore("with_priority", "parser_type", "support_colonless_ident")
		body = body.With("format", "syslog")
		if protocol, ok := p.Plain("message_format"); ok && protocol != "auto" {
			body = body.With("syslog", flow.Map{{Key: "protocol", Value: protocol}})
		}
		p.Ignore("rfc5424_time_format")
		return body
	case "cri":
		p.Ignore("merge_cri_fields")
		p.IgnoreSections("parse")
		body = body.With("format", "cri").With("join", flow.Map{{Key: "enabled", Value: false}})
		return body
	case "apache":
		return body.With("format", "apache2")
	}
	return body.With("format", name)
}

// times reads where the time stands and how it is written.
func (c *converter) times(p *settings.Reader, body *flow.Map, usual string) {
	var t flow.Map
	key, set := p.Text("time_key")
	if set && key != usual {
		t = t.With("key", key)
	}
	if format, ok := p.Plain("time_format"); ok {
		t = t.With("format", flow.Literal(ruby.Strptime(format)))
	} else {
		switch p.Text0("time_type") {
		case "unixtime", "float":
			t = t.With("format", "unix")
		}
	}
	if zone, ok := p.Text("timezone"); ok {
		t = t.With("zone", zone)
	}
	if p.Bool("keep_time_key", false) {
		t = t.With("keep", true)
	}
	if t != nil && usual != "" {
		*body = body.With("time", t)
	}
}

// parseTypes reads a:integer, b:float, also as JSON.
func parseTypes(text string) (all []any) {
	for part := range strings.SplitSeq(strings.Trim(strings.ReplaceAll(text, `"`, ""), "{}"), ",") {
		part = strings.TrimSpace(part)
		if part == "" || strings.HasSuffix(part, ":string") {
			continue
		}
		all = append(all, flow.Literal(part))
	}
	return all
}

// concat reads concat.
func (c *converter) concat(r *settings.Reader) []flow.Step {
	key, _ := r.Plain("key")
	path, ok := template.Accessor(key)
	if !ok {
		r.Notes.Lose(r.At, r.Title, "it has no key", "name the field")
		return nil
	}
	field := ruby.Path(path)
	r.Ignore("timeout_label", "keep_partial_metadata", "keep_partial_key", "use_first_timestamp",
		"partial_metadata_format", "emit_error_record", "partial_value",
		"partial_cri_logtag_key", "partial_cri_stream_key", "multiline_start_regexp", "multiline_end_regexp",
		"continuous_line_regexp", "n_lines", "use_partial_cri_logtag", "use_partial_metadata", "partial_key",
		"timeout_label")
	join := flow.Map{}
	if field != "log" {
		join = join.With("field", field)
	}
	wait, hasWait := r.Duration("flush_interval")
	streamKey := "{tag}"
	if id, ok := r.Plain("stream_identity_key"); ok {
		if p, ok := template.Accessor(id); ok {
			streamKey = "{tag}/{record." + ruby.Path(p) + "}"
		}
	}
	separator, hasSeparator := r.Text("separator")
	if v, there := r.Get("separator"); there && v.Shown() == "" {
		hasSeparator = true
	}
	if r.Bool("use_partial_cri_logtag", false) || r.Bool("use_partial_metadata", false) || r.Has("partial_key") {
		if hasWait && wait != "0s" {
			join = join.With("max_wait", wait)
		}
		if hasSeparator && separator != "" {
			r.Say("separator", "the parts of a line are put together without one here", "")
		}
		return []flow.Step{{Kind: "join", Body: join}}
	}
	if r.Has("n_lines") {
		r.Lose("n_lines", "lines are not joined by their number here", "write a step multiline with start or end")
		return nil
	}
	body := flow.Map{{Key: "field", Value: field}}
	for _, p := range [...]struct{ from, to string }{{"multiline_start_regexp", "start"}, {
		"continuous_line_regexp",
		"continue",
	}, {"multiline_end_regexp", "end"}} {
		if text, ok := r.Plain(p.from); ok {
			v, _ := r.Value(p.from)
			re, ok := pattern(r, v.At, p.from, text)
			if !ok {
				return nil
			}
			body = body.With(p.to, flow.Literal(re))
		}
	}
	if len(body) == 1 {
		r.Notes.Lose(r.At, r.Title, "nothing says which lines belong together", "write multiline_start_regexp")
		return nil
	}
	body = body.With("key", streamKey)
	if hasWait && wait != "0s" {
		body = body.With("max_wait", wait)
	} else if !hasWait {
		body = body.With("max_wait", "60s")
	}
	if hasSeparator && separator != "\n" {
		body = body.With("separator", separator)
	}
	return []flow.Step{{Kind: "multiline", Body: body}}
}

// detectExceptions reads detect_exceptions.
func (c *converter) detectExceptions(r *settings.Reader) []flow.Step {
	r.Ignore("remove_tag_prefix", "stream", "force_line_breaks", "multiline_flush_interval", "match_tag")
	body := flow.Map{{Key: "field", Value: "log"}}
	if key, ok := r.Plain("message"); ok && key != "" {
		if path, ok := template.Accessor(key); ok {
			body[0].Value = ruby.Path(path)
		}
	}
	format := "all"
	if text, ok := r.Plain("languages"); ok {
		if all := template.List(strings.ReplaceAll(text, " ", ",")); len(all) == 1 {
			format = map[string]string{"javascript": "js", "csharp": "dotnet", "all": "all"}[all[0]]
			if format == "" {
				format = all[0]
			}
		}
	}
	switch format {
	case "java", "js", "python", "go", "ruby", "dotnet", "php", "dart", "rust", "all":
	default:
		format = "all"
	}
	body = body.With("format", format)
	key := "{tag}"
	if stream, ok := r.Plain("stream"); ok {
		if path, ok := template.Accessor(stream); ok {
			key += "/{record." + ruby.Path(path) + "}"
		}
	}
	body = body.With("key", key)
	if wait, ok := r.Duration("multiline_flush_interval"); ok {
		body = body.With("max_wait", wait)
	}
	if n, ok := r.Int("max_lines"); ok && n > 1 {
		body = body.With("max_lines", n)
	}
	if size, ok := r.Size("max_bytes"); ok && size != "0" {
		body = body.With("max_bytes", size)
	}
	return []flow.Step{{Kind: "multiline", Body: body}}
}
