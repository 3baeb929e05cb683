package fluentd

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/seed-afc6a195/aggregator/internal/convert/dialect"
	"github.com/seed-afc6a195/aggregator/internal/convert/flow"
	"github.com/seed-afc6a195/aggregator/internal/convert/fluentd/conf"
	"github.com/seed-afc6a195/aggregator/internal/convert/fluentd/template"
	"github.com/seed-afc6a195/aggregator/internal/convert/ruby"
	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
	"github.com/seed-afc6a195/aggregator/internal/convert/syntax"
)

// filters is the types of filters that can be said.
func filters() map[string]func(*converter, *settings.Reader) []flow.Step {
	return map[string]func(*converter, *settings.Reader) []flow.Step{
		"grep":                (*converter).grep,
		"record_transformer":  (*converter).recordTransformer,
		"record_modifier":     (*converter).recordModifier,
		"parser":              (*converter).parser,
		"concat":              (*converter).concat,
		"detect_exceptions":   (*converter).detectExceptions,
		"dedot":               (*converter).dedot,
		"elasticsearch_dedot": (*converter).dedot,
		"flatten_hash":        (*converter).flattenHash,
		"throttle":            (*converter).throttle,
		"rename_key":          (*converter).renameKey,
		"cri":                 nil,
	}
}

// agentFilters is the filters that only an agent can run, by what they need.
func agentFilters() map[string]string {
	return map[string]string{
		"kubernetes_metadata":   "it asks the Kubernetes API about pods",
		"systemd_entry":         "it is for what the agent reads from the journal",
		"ec2_metadata":          "it asks the machine that the agent runs on",
		"gcloud_metadata":       "it asks the machine that the agent runs on",
		"docker_metadata":       "it asks Docker on the agent's machine",
		"geoip":                 "it needs a database and a library of its own",
		"enrich_podmetadata":    "it asks the Kubernetes API about pods",
		"kubernetes_sumologic":  "it asks the Kubernetes API about pods",
		"kube_events_timestamp": "it is for what the agent reads from the Kubernetes API",
		"viaq_data_model":       "it is a plugin of one distribution alone",
	}
}

// filter reads <filter …>; nil where nothing is to be done.
func (c *converter) filter(label string, s *syntax.Section) *flow.Filter {
	f := &flow.Filter{At: s.At, Title: conf.Title(s), Tags: c.tags(s), Raw: s.Raw}
	switch conf.Type(s) {
	case "stdout", "prometheus", "count", "elasticsearch_genid", "opensearch_genid", "bare_output":
		why := map[string]string{
			"stdout":              "aggregator try shows events, step by step",
			"prometheus":          "the aggregator counts events by itself: /metrics",
			"elasticsearch_genid": "every event has an id that is stable over retries: id: auto of the output",
			"opensearch_genid":    "every event has an id that is stable over retries: id: auto of the output",
		}[conf.Type(s)]
		c.notes.Say(s.At, conf.Title(s), "left out: "+why, "")
		return nil
	}
	if why := agentFilters()[conf.Type(s)]; why != "" {
		f.AgentOnly = why
		return c.agentOnly(label, f)
	}
	read := filters()[conf.Type(s)]
	if read == nil {
		f.AgentOnly = "there is no step for it"
		return c.agentOnly(label, f)
	}
	// What can't be said here an agent may go on doing itself.
	own := &settings.Notes{SecretsDir: c.notes.SecretsDir}
	r := settings.NewReader(s, own, conf.Title(s))
	r.Ignore("@type", "type", "@id", "id", "@label", "@log_level", "log_level")
	f.Steps = read(c, r)
	r.Done()
	needVariables(own, f.At, f.Steps)
	if c.agent && label == c.old.Flow.Start {
		switch {
		case len(own.Lost) > 0:
			f.AgentOnly = own.Lost[0].What + ": " + own.Lost[0].Why
		case len(own.Env) > 0:
			f.AgentOnly = "the variable " + own.Env[0].Name + " is the agent's"
		}
	}
	if f.AgentOnly != "" {
		return c.agentOnly(label, f)
	}
	c.notes.Lost = append(c.notes.Lost, own.Lost...)
	c.notes.Said = append(c.notes.Said, own.Said...)
	for _, e := range own.Env {
		c.notes.NeedEnv(e.Name, e.From)
	}
	return f
}

// needVariables notes the variables of the environment that steps name, also where Ruby did or with a default.
func needVariables(notes *settings.Notes, at syntax.Place, steps []flow.Step) {
	for _, m := range regexp.MustCompile(`\$\{env:(\w+)`).FindAllStringSubmatch(fmt.Sprint(steps), -1) {
		notes.NeedEnv(m[1], "as for the old program; "+at.String())
	}
}

// agentOnly keeps a filter for an agent, where the configuration is one's, and says so where it is not.
func (c *converter) agentOnly(label string, f *flow.Filter) *flow.Filter {
	f.Steps = nil
	if c.agent && label == c.old.Flow.Start {
		return f
	}
	c.notes.Lose(f.At, f.Title, f.AgentOnly,
		"let the agents do it before they send, or write steps by hand (docs/filters.md)")
	return nil
}

// pattern reads a regular expression of a setting.
func pattern(r *settings.Reader, at syntax.Place, what, text string) (string, bool) {
	re, err := dialect.Pattern(text)
	if err != nil {
		r.Notes.Lose(at, r.Title+" "+what, err.Error(), "write it otherwise (docs/filters.md#regular-expressions)")
		return "", false
	}
	return re, true
}

// grep reads grep with <regexp>, <exclude>, <and>, <or> and its old keys regexp1, exclude1. Each <and> and <or> is a
// step of its own, since all of them have to take an event.
func (c *converter) grep(r *settings.Reader) (steps []flow.Step) {
	var include, exclude flow.Map
	for _, s := range r.Sections {
		r.IgnoreSections(s.Name)
		switch s.Name {
		case "regexp":
			c.grepSection(r, &include, &exclude, s)
		case "exclude":
			c.grepSection(r, &exclude, &include, s)
		case "and", "or":
			steps = append(steps, c.grepGroup(r, s)...)
		}
	}
	for _, e := range r.Entries {
		to, inverse := &include, &exclude
		if strings.HasPrefix(e.Key, "exclude") {
			to, inverse = &exclude, &include
		} else if !strings.HasPrefix(e.Key, "regexp") {
			continue
		}
		r.Ignore(e.Key)
		key, pat, found := strings.Cut(e.Value.Shown(), " ")
		if !found {
			r.Notes.Lose(e.At, r.Title+" "+e.Key, "it is not a field and an expression", "write <regexp> or <exclude>")
			continue
		}
		c.grepOne(r, to, inverse, key, syntax.Literal(strings.TrimSpace(pat), e.At))
	}
	return append(grepStep(include, nil, exclude, nil), steps...)
}

// grepStep is a step with those of its settings that say anything.
func grepStep(include, includeAny, exclude, excludeAll flow.Map) []flow.Step {
	var body flow.Map
	for _, p := range []flow.Pair{
		{Key: "include", Value: include},
		{Key: "include_any", Value: includeAny},
		{Key: "exclude", Value: exclude},
		{Key: "exclude_all", Value: excludeAll},
	} {
		if m, _ := p.Value.(flow.Map); len(m) > 0 {
			body = append(body, p)
		}
	}
	if body == nil {
		return nil
	}
	return []flow.Step{{Kind: "grep", Body: body}}
}

// grepGroup reads <and> and <or>, with <regexp>s or <exclude>s.
func (c *converter) grepGroup(r *settings.Reader, s *syntax.Section) []flow.Step {
	var include, includeAny, exclude, excludeAll flow.Map
	for _, child := range s.Sections {
		switch {
		case child.Name == "regexp" && s.Name == "and":
			c.grepSection(r, &include, &exclude, child)
		case child.Name == "regexp":
			c.grepSection(r, &includeAny, nil, child)
		case s.Name == "and":
			c.grepSection(r, &excludeAll, nil, child)
		default:
			c.grepSection(r, &exclude, &include, child)
		}
	}
	return grepStep(include, includeAny, exclude, excludeAll)
}

// grepSection reads one <regexp> or <exclude>.
func (c *converter) grepSection(r *settings.Reader, to, inverse *flow.Map, s *syntax.Section) {
	key, okKey := s.Get("key")
	pat, okPattern := s.Get("pattern")
	if !okKey || !okPattern {
		r.Notes.Lose(s.At, r.Title+" <"+s.Name+">", "it has no key and pattern", "write both")
		return
	}
	c.grepOne(r, to, inverse, key.Shown(), pat)
}

// grepOne adds one expression; one of the form ^(?!…) goes to inverse, which may be nil.
func (c *converter) grepOne(r *settings.Reader, to, inverse *flow.Map, key string, pat syntax.Value) {
	path, ok := template.Accessor(key)
	if !ok {
		r.Notes.Lose(pat.At, r.Title, "the field "+key+" is within an array, or can't be read",
			"write an expression: expr: {drop: …}")
		return
	}
	text, plain := pat.Plain()
	if !plain {
		r.Notes.Lose(pat.At, r.Title, "the expression depends on variables", "write it by hand")
		return
	}
	if inner, negative := dialect.Negative(text); negative && inverse != nil {
		to, text = inverse, inner
	}
	re, ok := pattern(r, pat.At, key, text)
	if ok {
		*to = to.Add(ruby.Path(path), flow.Literal(re))
	}
}

// recordModifier reads record_modifier, whose fields stand in the section itself in old versions.
func (c *converter) recordModifier(r *settings.Reader) (steps []flow.Step) {
	r.Ignore("prepare_value", "char_encoding", "remove_keys", "whitelist_keys")
	if r.Has("char_encoding") {
		r.Lose("char_encoding", "texts are UTF-8 here", "parse: {format: text, encoding: …} reads others")
	}
	var a assignments
	for _, s := range r.Children("record") {
		for _, e := range s.Entries {
			a.assign(r, e)
		}
	}
	r.IgnoreSections("record")
	var replaced []flow.Step
	for _, s := range r.Children("replace") {
		key, re, with := s.Text("key"), s.Text("expression"), s.Text("replace")
		path, ok := template.Accessor(key)
		if !ok {
			r.Notes.Lose(s.At, r.Title+" <replace>", "the field "+key+" can't be read", "write an expression")
			continue
		}
		out, okPattern := pattern(r, s.At, "expression", re)
		if okPattern {
			field := ruby.Field(path)
			replaced = append(replaced, flow.Step{
				Kind: "expr", Body: flow.Map{{Key: "set", Value: flow.Map{{
					Key: ruby.Path(path),
					Value: flow.Expression(
						"replacePattern(string(" + field + "), " + flow.Quote(out) + ", " + flow.Quote(with) + ")",
					),
				}}}},
				When: field + " != nil",
			})
		}
	}
	r.IgnoreSections("replace")
	var keep []string
	if r.Has("whitelist_keys") {
		keep = append(template.Paths(r, "whitelist_keys"), a.names...)
	}
	return append(recordSteps(a, template.Paths(r, "remove_keys"), keep), replaced...)
}

// dedot reads dedot.
func (c *converter) dedot(r *settings.Reader) []flow.Step {
	r.Ignore("de_dot")
	body := flow.Map{{Key: "separator", Value: "_"}}
	if sep, ok := r.Text("de_dot_separator"); ok {
		body[0].Value = sep
	}
	if !r.Bool("de_dot_nested", false) {
		body = append(body, flow.Pair{Key: "nested", Value: false})
	}
	return []flow.Step{{Kind: "dedot", Body: body}}
}

func (c *converter) flattenHash(r *settings.Reader) []flow.Step {
	sep := "."
	if text, ok := r.Text("separator"); ok {
		sep = text
	}
	if r.Bool("flatten_array", true) {
		r.Notes.Say(r.At, r.Title, "arrays stay as they are here", "")
	}
	return []flow.Step{{Kind: "modify", Body: flow.Map{{Key: "flatten", Value: flow.Map{{
		Key:   "separator",
		Value: sep,
	}}}}}}
}

// throttle reads fluent-plugin-throttle.
func (c *converter) throttle(r *settings.Reader) []flow.Step {
	r.Ignore("group_warning_delay_s", "group_drop_logs", "group_reset_rate_s", "group_gc_timeout_s")
	period, limit := 60, 6000
	if n, ok := r.Int("group_bucket_period_s"); ok {
		period = n
	}
	if n, ok := r.Int("group_bucket_limit"); ok {
		limit = n
	}
	if period <= 0 || limit <= 0 {
		r.Notes.Lose(r.At, r.Title, "its limit is no number of events in a time", "write a step throttle by hand")
		return nil
	}
	var key strings.Builder
	keys, _ := r.Plain("group_key")
	for _, name := range template.List(keys) {
		if key.Len() > 0 {
			key.WriteString("/")
		}
		// There, dots lead into maps.
		key.WriteString(ruby.Placeholder(strings.Split(strings.TrimPrefix(name, "$."), ".")))
	}
	var rate any = float64(limit) / float64(period)
	if limit%period == 0 {
		rate = limit / period
	}
	body := flow.Map{{Key: "rate", Value: rate}, {Key: "interval", Value: strconv.Itoa(period) + "s"}, {
		Key:   "burst",
		Value: limit,
	}}
	if key.Len() > 0 {
		body = append(body, flow.Pair{Key: "key", Value: key.String()})
	}
	return []flow.Step{{Kind: "throttle", Body: body}}
}

// renameKey reads fluent-plugin-rename-key, for rules whose expression is a name.
func (c *converter) renameKey(r *settings.Reader) []flow.Step {
	var rename flow.Map
	for _, e := range r.Entries {
		if !strings.HasPrefix(e.Key, "rename_rule") {
			continue
		}
		r.Ignore(e.Key)
		from, to, _ := strings.Cut(e.Value.Shown(), " ")
		name := strings.TrimSuffix(strings.TrimPrefix(from, "^"), "$")
		if name == "" || strings.ContainsAny(name, `\()[]{}*+?|`) || strings.Contains(to, "$") {
			r.Notes.Lose(e.At, r.Title+" "+e.Key, "fields are renamed by their names here, not by expressions",
				"write modify: {rename: …} with each name")
			continue
		}
		rename = append(rename, flow.Pair{
			Key:   ruby.Path([]string{name}),
			Value: ruby.Path([]string{strings.TrimSpace(to)}),
		})
	}
	if rename == nil {
		return nil
	}
	return []flow.Step{{Kind: "modify", Body: flow.Map{{Key: "rename", Value: rename}}}}
}
