package fluentbit

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/convert/dialect"
	"github.com/seed-afc6a195/aggregator/internal/convert/flow"
	"github.com/seed-afc6a195/aggregator/internal/convert/ruby"
	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
	"github.com/seed-afc6a195/aggregator/internal/convert/syntax"
)

// filters is the types of filters that can be said.
func filters() map[string]func(*converter, *settings.Reader) []flow.Step {
	return map[string]func(*converter, *settings.Reader) []flow.Step{
		"grep":            (*converter).grep,
		"modify":          (*converter).modify,
		"record_modifier": (*converter).recordModifier,
		"nest":            (*converter).nest,
		"parser":          (*converter).parser,
		"multiline":       (*converter).multiline,
		"throttle":        (*converter).throttle,
		"type_converter":  (*converter).typeConverter,
	}
}

// agentFilters is the filters that only an agent can run, by what they need.
func agentFilters() map[string]string {
	return map[string]string{
		"kubernetes": "it asks the Kubernetes API about pods",
		"aws":        "it asks the machine that the agent runs on",
		"ecs":        "it asks the machine that the agent runs on",
		"azure":      "it asks the machine that the agent runs on",
		"sysinfo":    "it asks the machine that the agent runs on",
		"lua":        "there is no Lua",
		"wasm":       "there is no WebAssembly",
		"geoip2":     "there is no database of addresses",
		"checklist":  "there is no step for it; lookup does the like",
		"nightfall":  "there is no step for it; redact does the like",
		"tensorflow": "there is no step for it",
	}
}

// filter reads [FILTER]; ok is false where nothing is to be done.
func (c *converter) filter(s *syntax.Section) (flow.Stage, bool) {
	tags := c.tags(s)
	if tags.Patterns == nil {
		return flow.Stage{}, false
	}
	switch kind(s) {
	case "stdout", "expect", "alter_size":
		c.notes.Say(s.At, title(s), "left out: aggregator try shows events, step by step", "")
		return flow.Stage{}, false
	case "log_to_metrics":
		c.notes.Lose(s.At, title(s), "no metrics are made of events", "let the agents make them")
		return flow.Stage{}, false
	case "rewrite_tag":
		return flow.Stage{Match: &flow.Match{
			At: s.At, Title: title(s), Tags: tags, Raw: s.Raw,
			Targets: []flow.Target{{Retag: c.rewriteTag(s, tags)}},
		}}, true
	}
	f := &flow.Filter{At: s.At, Title: title(s), Tags: tags, Raw: s.Raw, AgentOnly: agentFilters()[kind(s)]}
	read := filters()[kind(s)]
	if read == nil && f.AgentOnly == "" {
		f.AgentOnly = "there is no step for it"
	}
	own := &settings.Notes{SecretsDir: c.notes.SecretsDir}
	if f.AgentOnly == "" {
		// What can't be said here an agent may go on doing itself.
		r := settings.NewReader(s, own, title(s))
		r.Ignore("name", "match", "match_regex", "alias", "log_level")
		f.Steps = c.conditional(r, read(c, r))
		r.Done()
		if c.agent && len(own.Lost) > 0 {
			f.AgentOnly = own.Lost[0].What + ": " + own.Lost[0].Why
		} else if c.agent && len(own.Env) > 0 {
			f.AgentOnly = "the variable " + own.Env[0].Name + " is the agent's"
		}
	}
	if f.AgentOnly != "" {
		f.Steps = nil
		if !c.agent {
			c.notes.Lose(s.At, title(s), f.AgentOnly,
				"let the agents do it before they send, or write steps by hand (docs/filters.md)")
			return flow.Stage{}, false
		}
		return flow.Stage{Filter: f}, true
	}
	c.notes.Lost = append(c.notes.Lost, own.Lost...)
	c.notes.Said = append(c.notes.Said, own.Said...)
	for _, e := range own.Env {
		c.notes.NeedEnv(e.Name, e.From)
	}
	return flow.Stage{Filter: f}, true
}

// accessor reads a field: name, $name, $a['b']['c'].
func accessor(text string) (path []string, ok bool) {
	text = strings.TrimSpace(text)
	rest, dollar := strings.CutPrefix(text, "$")
	if !dollar {
		return []string{text}, text != ""
	}
	m := regexp.MustCompile(`^[^\[\]]+`).FindString(rest)
	if m == "" {
		return nil, false
	}
	path, rest = []string{m}, rest[len(m):]
	for rest != "" {
		m := regexp.MustCompile(`^\[\s*['"]([^'"]+)['"]\s*\]`).FindStringSubmatch(rest)
		if m == nil {
			return nil, false
		}
		path, rest = append(path, m[1]), rest[len(m[0]):]
	}
	return path, true
}

// keyAnd cuts a value at its first blank.
func keyAnd(v syntax.Value) (key, rest string) {
	key, rest, _ = strings.Cut(strings.TrimSpace(v.Shown()), " ")
	return key, strings.TrimSpace(rest)
}

func (c *converter) pattern(r *settings.Reader, v syntax.Value, text string) (string, bool) {
	re, err := dialect.Pattern(text)
	if err != nil {
		r.Notes.Lose(v.At, r.Title, err.Error(), "write it otherwise (docs/filters.md#regular-expressions)")
		return "", false
	}
	return re, true
}

// grep reads grep. There, an expression takes nothing of events without the field; here, that is an empty text.
func (c *converter) grep(r *settings.Reader) (steps []flow.Step) {
	op, _ := r.Plain("logical_op")
	op = strings.ToLower(op)
	joined := op == "or" || op == "and"
	var include, exclude flow.Map
	for _, e := range r.Entries {
		if e.Key != "regex" && e.Key != "exclude" {
			continue
		}
		r.Ignore(e.Key)
		key, text := keyAnd(e.Value)
		path, ok := accessor(key)
		if !ok || text == "" {
			r.Notes.Lose(e.At, r.Title+" "+e.Key, "it is not a field and an expression that can be read",
				"write a step grep by hand")
			continue
		}
		keep := e.Key == "regex"
		if inner, negative := dialect.Negative(text); negative && !joined {
			text, keep = inner, !keep
		}
		re, ok := c.pattern(r, e.Value, text)
		if !ok {
			continue
		}
		// What pattern returned is an expression.
		empty, _ := regexp.MatchString(re, "")
		field, access := ruby.Path(path), ruby.Field(path)
		one := flow.Map{{Key: field, Value: flow.Literal(re)}}
		switch {
		case !joined && e.Key == "exclude" && empty != keep:
			what := map[bool]string{true: "include", false: "exclude"}[keep]
			steps = append(steps, flow.Step{
				Kind: "grep", Body: flow.Map{{Key: what, Value: one}}, When: access + " != nil",
			})
			continue
		case !joined && e.Key == "regex" && empty == keep:
			steps = append(steps, flow.Step{Kind: "expr", Body: flow.Map{{Key: "drop", Value: access + " == nil"}}})
		}
		if keep {
			include = include.Add(field, flow.Literal(re))
		} else {
			exclude = exclude.Add(field, flow.Literal(re))
		}
	}
	names := [2]string{"include", "exclude"}
	switch op {
	case "or":
		names[0] = "include_any"
	case "and":
		names[1] = "exclude_all"
	}
	var body flow.Map
	if len(include) > 0 {
		body = body.With(names[0], include)
	}
	if len(exclude) > 0 {
		body = body.With(names[1], exclude)
	}
	if body == nil {
		return steps
	}
	return append([]flow.Step{{Kind: "grep", Body: body}}, steps...)
}

// text writes a value with its variables as a template that has no placeholders, without the key cut in front of it and
// the quotes around it.
func text(r *settings.Reader, v syntax.Value, cut string) string {
	parts := slices.Clone(v.Parts)
	if len(parts) > 0 && parts[0].Env == "" {
		parts[0].Text = strings.TrimLeft(strings.TrimPrefix(strings.TrimLeft(parts[0].Text, " "), cut), " ")
	}
	if n := len(parts) - 1; n >= 0 && strings.HasPrefix(parts[0].Text, `"`) && strings.HasSuffix(parts[n].Text, `"`) &&
		(n > 0 || len(parts[0].Text) > 1) {
		parts[0].Text = parts[0].Text[1:]
		parts[n].Text = strings.TrimSuffix(parts[n].Text, `"`)
	}
	var b strings.Builder
	for _, p := range parts {
		if p.Env != "" {
			r.Notes.NeedEnv(p.Env, "as for the old program; "+v.At.String())
			b.WriteString("${env:" + p.Env + "}")
			continue
		}
		b.WriteString(flow.LiteralTemplate(p.Text))
	}
	return b.String()
}

func (c *converter) recordModifier(r *settings.Reader) []flow.Step {
	var set flow.Map
	var remove, keep []any
	for _, e := range r.Entries {
		switch e.Key {
		case "record":
			key, _ := keyAnd(e.Value)
			set = set.With(ruby.Path([]string{key}), text(r, e.Value, key))
		case "remove_key":
			remove = append(remove, ruby.Path([]string{e.Value.Shown()}))
		case "allowlist_key", "whitelist_key":
			keep = append(keep, ruby.Path([]string{e.Value.Shown()}))
		default:
			continue
		}
		r.Ignore(e.Key)
	}
	if r.Has("uuid_key") {
		r.Say("uuid_key", "left out: fields: {id: …} of an output adds an id that is stable over retries", "")
	}
	var body flow.Map
	if remove != nil {
		body = body.With("remove", remove)
	}
	if keep != nil {
		body = body.With("keep", keep)
	}
	if set != nil {
		body = body.With("set", set)
	}
	if body == nil {
		return nil
	}
	return []flow.Step{{Kind: "modify", Body: body}}
}

// nest reads nest and lift.
func (c *converter) nest(r *settings.Reader) []flow.Step {
	op, _ := r.Plain("operation")
	add, _ := r.Text("add_prefix")
	remove, _ := r.Plain("remove_prefix")
	switch strings.ToLower(op) {
	case "nest":
		return c.nestUnder(r, add, remove)
	case "lift":
		return c.lift(r, add, remove)
	}
	r.Notes.Lose(r.At, r.Title, "it has no Operation nest or lift", "write one")
	return nil
}

// nestUnder moves fields into a new one; a prefix of their names comes off there, or is put on before.
func (c *converter) nestUnder(r *settings.Reader, add, remove string) (steps []flow.Step) {
	var wildcards []any
	var prefixed flow.Map
	for _, v := range r.All("wildcard") {
		name := v.Shown()
		if add != "" {
			prefixed = prefixed.With(ruby.Path([]string{name}), ruby.Path([]string{add + name}))
			name = add + name
		}
		wildcards = append(wildcards, ruby.Path([]string{name}))
	}
	under, _ := r.Plain("nest_under")
	if wildcards == nil || under == "" {
		r.Notes.Lose(r.At, r.Title, "it has no Wildcard and Nest_under", "write both")
		return nil
	}
	if prefixed != nil {
		steps = append(steps, flow.Step{Kind: "modify", Body: flow.Map{{Key: "rename", Value: prefixed}}})
	}
	steps = append(steps, flow.Step{Kind: "modify", Body: flow.Map{{
		Key:   "move_under",
		Value: flow.Map{{Key: ruby.Path([]string{under}), Value: wildcards}},
	}}})
	if remove != "" {
		steps = append(steps, withoutPrefix(under, remove))
	}
	return steps
}

// withoutPrefix takes a prefix off the names of the members of a field.
func withoutPrefix(field, prefix string) flow.Step {
	return flow.Step{Kind: "modify", Body: flow.Map{{Key: "rename", Value: flow.Map{{
		Key: ruby.Path([]string{field, prefix + "*"}), Value: ruby.Path([]string{field, "*"}),
	}}}}}
}

// lift makes fields of a field's members.
func (c *converter) lift(r *settings.Reader, add, remove string) (steps []flow.Step) {
	under, _ := r.Plain("nested_under")
	if under == "" {
		r.Notes.Lose(r.At, r.Title, "it has no Nested_under", "write it")
		return nil
	}
	r.Ignore("wildcard")
	if remove != "" {
		steps = append(steps, withoutPrefix(under, remove))
	}
	field, access := ruby.Path([]string{under}), ruby.Field([]string{under})
	body := flow.Map{{Key: "field", Value: "_lifted"}, {Key: "format", Value: "json"}, {
		Key:   "time",
		Value: flow.Map{{Key: "key", Value: ""}},
	}}
	if add != "" {
		body = body.With("prefix", add)
	}
	return append(steps,
		flow.Step{
			Kind: "expr", Body: flow.Map{{Key: "set", Value: flow.Map{{
				Key:   "_lifted",
				Value: "toJSON(" + access + ")",
			}, {Key: field, Value: "nil"}}}}, When: access + " != nil",
			Note: "The members of " + under + " become fields.",
		},
		flow.Step{Kind: "parse", Body: body, When: "record._lifted != nil"})
}

// rest keeps of a record the fields whose names a condition on # takes.
func rest(condition string) []flow.Step {
	const text = "_kept"
	members := "map(filter(keys(record), " + condition + "), toJSON(string(#)) + \":\" + toJSON(record[#]))"
	return []flow.Step{
		{Kind: "expr", Body: flow.Map{{Key: "set", Value: flow.Map{{
			Key: text, Value: flow.Expression(`"{" + join(` + members + `, ",") + "}"`),
		}}}}},
		{Kind: "parse", Body: flow.Map{
			{Key: "field", Value: text},
			{Key: "format", Value: "json"},
			{Key: "time", Value: flow.Map{{Key: "key", Value: ""}}},
			{Key: "reserve_data", Value: false},
		}},
	}
}

func (c *converter) throttle(r *settings.Reader) []flow.Step {
	r.Ignore("print_status")
	rate, window, interval := 1, 5, time.Second
	if n, ok := r.Int("rate"); ok && n > 0 {
		rate = n
	}
	if n, ok := r.Int("window"); ok && n > 0 {
		window = n
	}
	if text, ok := r.Duration("interval"); ok {
		// What Duration wrote is one.
		interval, _ = time.ParseDuration(text)
	}
	// Rate is of events in an interval, as a mean over the window.
	each := float64(rate) / max(interval.Seconds(), 0.001)
	var perSecond any = each
	if whole := int(each); float64(whole) == each {
		perSecond = whole
	}
	// A summary says what was dropped at least every five minutes here.
	span := min(max(time.Duration(window)*interval, time.Second), 5*time.Minute).Truncate(time.Second)
	return []flow.Step{{Kind: "throttle", Body: flow.Map{
		{Key: "rate", Value: perSecond},
		{Key: "interval", Value: settings.Short(span)},
		{Key: "burst", Value: rate * window},
	}}}
}

func (c *converter) typeConverter(r *settings.Reader) []flow.Step {
	var steps []flow.Step
	for _, e := range r.Entries {
		if !strings.HasSuffix(e.Key, "_key") {
			continue
		}
		r.Ignore(e.Key)
		words := strings.Fields(e.Value.Shown())
		if len(words) != 3 {
			r.Notes.Lose(e.At, r.Title+" "+e.Key, "it is not a field, a new field and a type", "write both")
			continue
		}
		function := map[string]string{"string": "string", "int": "int", "uint": "int", "float": "float"}[words[2]]
		if function == "" {
			r.Notes.Lose(e.At, r.Title+" "+e.Key, "there is no type "+words[2], "int, float and string are there")
			continue
		}
		from := ruby.Field(words[:1])
		steps = append(steps, flow.Step{
			Kind: "expr", Body: flow.Map{{Key: "set", Value: flow.Map{{
				Key: ruby.Path(words[1:2]), Value: function + "(" + from + ")",
			}}}}, When: from + " != nil",
		})
	}
	return steps
}
