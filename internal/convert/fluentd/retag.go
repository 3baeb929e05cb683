package fluentd

import (
	"regexp"
	"strings"

	"github.com/seed-afc6a195/aggregator/internal/convert/flow"
	"github.com/seed-afc6a195/aggregator/internal/convert/fluentd/conf"
	"github.com/seed-afc6a195/aggregator/internal/convert/fluentd/template"
	"github.com/seed-afc6a195/aggregator/internal/convert/ruby"
	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
	"github.com/seed-afc6a195/aggregator/internal/convert/syntax"
)

// joined reads detect_exceptions: lines are joined, and go back to the beginning under a tag without its prefix.
// Without a prefix it is a filter.
func (c *converter) joined(label string, s *syntax.Section) *flow.Retag {
	r := c.reader(s)
	prefix := strings.Trim(s.Text("remove_tag_prefix"), ".")
	tags := c.tags(s)
	steps := c.detectExceptions(r)
	r.IgnoreSections("buffer")
	r.Done()
	rule := flow.Rule{At: s.At, Set: steps}
	for _, p := range tags.Patterns {
		for _, one := range flow.Expand(p) {
			if rest, found := strings.CutPrefix(one, prefix+"."); found && prefix != "" {
				rule.Tags.Patterns = append(rule.Tags.Patterns, rest)
			}
		}
	}
	if rule.Tags.Patterns == nil {
		rule.Tags = flow.Every()
	}
	if prefix != "" {
		rule.Set = append(rule.Set, setTag("trimPrefix(tag, "+flow.Quote(prefix+".")+")")...)
	}
	if to := s.Text("@label"); to != "" {
		label = to
	}
	return &flow.Retag{Label: label, Rules: []flow.Rule{rule}}
}

// rewriteTag reads rewrite_tag_filter.
func (c *converter) rewriteTag(label string, s *syntax.Section) *flow.Retag {
	r := c.reader(s)
	r.Ignore("hostname_command", "emit_mode")
	capitalize := r.Bool("capitalize_regex_backreference", false)
	old := oldTag(r)
	to := s.Text("@label")
	if to == "" {
		to = label
	}
	retag := &flow.Retag{Label: to}
	if s.Text("@label") == "@ROOT" {
		retag.Label = ""
	}
	for _, rule := range s.Children("rule") {
		c.rule(r, retag, rewrite{
			at: rule.At, key: rule.Text("key"), pattern: rule.Text("pattern"), tag: rule.Text("tag"),
			old: old, invert: strings.EqualFold(rule.Text("invert"), "true"), capitalize: capitalize,
			label: rule.Text("label"),
		})
	}
	r.IgnoreSections("rule", "buffer")
	for _, e := range s.Entries {
		if !strings.HasPrefix(e.Key, "rewriterule") {
			continue
		}
		r.Ignore(e.Key)
		words := strings.Fields(e.Value.Shown())
		if len(words) != 3 {
			r.Notes.Lose(e.At, r.Title+" "+e.Key, "it is not a field, an expression and a tag", "write <rule>")
			continue
		}
		re, invert := strings.CutPrefix(words[1], "!")
		c.rule(r, retag, rewrite{
			at: e.At, key: words[0], pattern: re, tag: words[2], old: old, invert: invert, capitalize: capitalize,
		})
	}
	r.Done()
	if len(retag.Rules) == 0 {
		c.notes.Lose(s.At, conf.Title(s), "it has no rule that can be said", "write routes by hand")
	}
	return retag
}

// rewrite is one rule of rewrite_tag_filter.
type rewrite struct {
	at                syntax.Place
	key, pattern, tag string
	// old is the tag that placeholders see, as an expression; "" for the event's own.
	old                string
	invert, capitalize bool
	// label is where its events go, "" for where those of other rules do.
	label string
}

// oldTag returns the tag that placeholders see, as an expression: without a prefix, or without what an expression
// matches at its beginning. It is "" for the event's own.
func oldTag(r *settings.Reader) string {
	if prefix, ok := r.Plain("remove_tag_prefix"); ok {
		return "trimPrefix(tag, " + flow.Quote(strings.Trim(prefix, ".")+".") + ")"
	}
	text, ok := r.Plain("remove_tag_regexp")
	if !ok {
		return ""
	}
	v, _ := r.Value("remove_tag_regexp")
	re, ok := pattern(r, v.At, "remove_tag_regexp", text)
	if !ok {
		return ""
	}
	if !strings.HasPrefix(re, "^") || strings.Contains(re, "|") {
		r.Lose("remove_tag_regexp", "it is cut out of the tag's beginning alone here", "write the tag by hand")
		return ""
	}
	return "replacePattern(tag, " + flow.Quote(re) + `, "")`
}

// rule adds one rule of rewrite_tag_filter.
func (c *converter) rule(r *settings.Reader, retag *flow.Retag, w rewrite) {
	path, ok := template.Accessor(w.key)
	if !ok {
		r.Notes.Lose(w.at, r.Title+" <rule>", "the field "+w.key+" can't be read", "write a route with when")
		return
	}
	re, ok := pattern(r, w.at, "<rule> pattern", w.pattern)
	if !ok {
		return
	}
	access := ruby.Field(path)
	tag, err := newTag(w, access, re, c.tags(r.Section))
	if err != nil {
		r.Notes.Lose(w.at, r.Title+" <rule> tag", "the tag "+w.tag+" can't be said: "+err.Error(),
			"write it by hand: modify: {tag: …}")
		return
	}
	field := ruby.Path(path)
	on := flow.Map{{Key: field, Value: flow.Literal(re)}}
	take, leave := "include", "exclude"
	if w.invert {
		take, leave = leave, take
	}
	rule := flow.Rule{At: w.at, Tags: flow.Tags{Patterns: tag.like}, Set: tag.steps, Field: field}
	rule.Take = []flow.Step{{Kind: "grep", Body: flow.Map{{Key: take, Value: on}}}}
	rule.Leave = []flow.Step{{Kind: "grep", Body: flow.Map{{Key: leave, Value: on}}}}
	empty, err := regexp.MatchString(re, "")
	switch {
	case w.invert:
		// A missing field is an empty text, there too.
		rule.When = "not (string(" + access + ` ?? "") matches ` + flow.Quote(re) + ")"
	case err == nil && empty:
		// There, a rule takes nothing of events whose field is missing or empty.
		filled := "string(" + access + ` ?? "") != ""`
		rule.When = filled + " and string(" + access + ") matches " + flow.Quote(re)
		rule.Take = append(rule.Take, flow.Step{Kind: "expr", Body: flow.Map{{
			Key: "drop", Value: flow.Expression("not (" + filled + ")"),
		}}})
		rule.Leave[0].When = flow.Expression(filled)
	default:
		rule.When = access + " != nil and string(" + access + ") matches " + flow.Quote(re)
	}
	if w.label != "" {
		label := strings.TrimSuffix(w.label, "@ROOT")
		rule.Label = &label
	}
	needVariables(r.Notes, w.at, rule.Set)
	retag.Rules = append(retag.Rules, rule)
}

// retagAll reads matches that change events and send them on under another tag.
func (c *converter) retagAll(label string, s *syntax.Section) *flow.Retag {
	r := c.reader(s)
	retag := &flow.Retag{Label: label}
	if to := s.Text("@label"); to != "" {
		retag.Label = to
	}
	tag, ok := r.Plain("tag")
	if !ok {
		c.notes.Lose(s.At, conf.Title(s), "it has no tag that can be said", "write a filter by hand")
		return retag
	}
	to, err := newTag(rewrite{tag: tag}, "", "", c.tags(s))
	if err != nil {
		c.notes.Lose(s.At, conf.Title(s)+" tag", "the tag "+tag+" can't be said: "+err.Error(),
			"write it by hand: modify: {tag: …}")
		return retag
	}
	r.Ignore("enable_ruby", "auto_typecast")
	var steps []flow.Step
	if conf.Type(s) == "record_reformer" || conf.Type(s) == "record_modifier" {
		var a assignments
		for _, rec := range s.Children("record") {
			for _, e := range rec.Entries {
				a.assign(r, e)
			}
		}
		r.IgnoreSections("record")
		steps = recordSteps(a, template.Paths(r, "remove_keys"), nil)
	}
	steps = append(steps, to.steps...)
	r.Done()
	needVariables(r.Notes, s.At, steps)
	retag.Rules = []flow.Rule{{At: s.At, Set: steps, Tags: flow.Tags{Patterns: to.like}}}
	return retag
}

// tagNormaliser reads the plugin that makes tags of what the map kubernetes has.
func (c *converter) tagNormaliser(label string, s *syntax.Section) *flow.Retag {
	r := c.reader(s)
	format, ok := r.Plain("format")
	if !ok {
		format = "${namespace_name}.${pod_name}.${container_name}"
	}
	prefix, ok := r.Plain("key_prefix")
	if !ok {
		prefix = "kubernetes"
	}
	unknown, ok := r.Plain("unknown")
	if !ok {
		unknown = "unknown"
	}
	r.Ignore("sticky_tags")
	r.Done()
	var tag strings.Builder
	for _, p := range template.Pieces(format) {
		if p.Code == "" {
			tag.WriteString(flow.LiteralTemplate(p.Text))
			continue
		}
		path := append([]string{prefix}, strings.Split(p.Code, ".")...)
		tag.WriteString(ruby.PlaceholderOf(ruby.Path(path) + "|" + unknown))
	}
	return &flow.Retag{Label: label, Once: true, Rules: []flow.Rule{{
		At: s.At, Tags: flow.Every(),
		Set: []flow.Step{{Kind: "modify", Body: flow.Map{{Key: "tag", Value: tag.String()}}}},
	}}}
}

// labelRouter reads the router of Kubernetes operators: routes by namespace, labels and the like to labels.
func (c *converter) labelRouter(s *syntax.Section) []flow.Target {
	r := c.reader(s)
	r.Ignore("default_route", "default_tag", "metrics", "sticky_tags", "emit_mode")
	var all []flow.Target
	for _, route := range s.Children("route") {
		to := route.Text("@label")
		if to == "" {
			c.notes.Lose(route.At, conf.Title(s)+" <route>", "it leads to no label", "write @label")
			continue
		}
		c.old.Flow.Pipes[to+" by "+route.At.String()] = &flow.Pipe{Stages: append(c.routeConditions(route),
			flow.Stage{Match: &flow.Match{
				At: route.At, Title: conf.Title(s), Tags: flow.Every(), Targets: []flow.Target{{Label: to}},
			}})}
		all = append(all, flow.Target{Label: to + " by " + route.At.String()})
	}
	r.IgnoreSections("route")
	if to := s.Text("default_route"); to != "" {
		c.notes.Lose(s.At, conf.Title(s)+" default_route", "what no route takes is not told apart",
			"add a route by hand")
	}
	r.Done()
	return all
}

// routeConditions reads the <match>es of a route as filters that drop what it does not take.
func (c *converter) routeConditions(route *syntax.Section) []flow.Stage {
	var takes, denies []string
	for _, m := range route.Children("match") {
		var all []string
		for _, key := range [...]struct{ old, field string }{
			{"namespaces", "namespace_name"},
			{"hosts", "host"},
			{"container_names", "container_name"},
		} {
			names := template.List(m.Text(key.old))
			if len(names) == 0 || names[0] == "" {
				continue
			}
			quoted := make([]string, len(names))
			for i, n := range names {
				quoted[i] = flow.Quote(n)
			}
			all = append(all, "record.kubernetes?."+key.field+" in ["+strings.Join(quoted, ", ")+"]")
		}
		for _, pair := range template.List(m.Text("labels")) {
			name, value, found := strings.Cut(pair, ":")
			if found {
				all = append(all, ruby.Field([]string{
					"kubernetes", "labels",
					strings.TrimSpace(name),
				})+" == "+flow.Quote(strings.TrimSpace(value)))
			}
		}
		if len(all) == 0 {
			continue
		}
		code := "(" + strings.Join(all, " and ") + ")"
		if strings.EqualFold(m.Text("negate"), "true") {
			denies = append(denies, code)
		} else {
			takes = append(takes, code)
		}
	}
	var steps []flow.Step
	if len(denies) > 0 {
		steps = append(steps, flow.Step{Kind: "expr", Body: flow.Map{{
			Key:   "drop",
			Value: flow.Expression(strings.Join(denies, " or ")),
		}}})
	}
	if len(takes) > 0 {
		steps = append(steps, flow.Step{Kind: "expr", Body: flow.Map{{
			Key:   "drop",
			Value: flow.Expression("not (" + strings.Join(takes, " or ") + ")"),
		}}})
	}
	if steps == nil {
		return nil
	}
	return []flow.Stage{{Filter: &flow.Filter{
		At: route.At, Title: "<route>", Tags: flow.Every(), Steps: steps,
		Raw: route.Raw,
	}}}
}
