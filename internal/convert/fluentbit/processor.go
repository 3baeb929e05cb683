package fluentbit

import (
	"regexp"
	"strings"

	"github.com/seed-afc6a195/aggregator/internal/convert/dialect"
	"github.com/seed-afc6a195/aggregator/internal/convert/flow"
	"github.com/seed-afc6a195/aggregator/internal/convert/ruby"
	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
	"github.com/seed-afc6a195/aggregator/internal/convert/syntax"
)

// processors reads what an input or an output does with its own events before, or after, all filters.
func (c *converter) processors(r *settings.Reader) (steps []flow.Step) {
	section := r.Child("processors")
	if section == nil {
		return nil
	}
	for _, kindOf := range section.Sections {
		if kindOf.Name != "logs" {
			r.Notes.Say(kindOf.At, r.Title+" processors "+kindOf.Name, "left out: only logs come here", "")
			continue
		}
		steps = append(steps, c.processor(r, kindOf)...)
	}
	return steps
}

// processor reads one of them, which may be a filter too.
func (c *converter) processor(r *settings.Reader, s *syntax.Section) []flow.Step {
	name := kind(s)
	p := settings.NewReader(s, r.Notes, r.Title+" processor "+name)
	p.Ignore("name", "alias", "log_level")
	read := filters()[name]
	switch name {
	case "content_modifier":
		read = (*converter).contentModifier
	case "sql":
		read = (*converter).sql
	case "sampling", "labels", "metrics_selector", "cumulative_to_delta":
		r.Notes.Say(s.At, p.Title, "left out: it is for traces and metrics, not for logs", "")
		return nil
	case "opentelemetry_envelope", "stdout", "expect":
		r.Notes.Say(s.At, p.Title, "left out: it changes no record", "")
		return nil
	}
	if read == nil {
		why := agentFilters()[name]
		if why == "" {
			why = "there is no step for it"
		}
		r.Notes.Lose(s.At, p.Title, why, "let the agents do it before they send, or write steps by hand "+
			"(docs/filters.md)")
		return nil
	}
	steps := c.conditional(p, read(c, p))
	p.Done()
	return steps
}

// contentModifier reads content_modifier, one change of one field.
func (c *converter) contentModifier(p *settings.Reader) []flow.Step {
	if where, _ := p.Plain("context"); where != "" && where != "body" {
		p.Lose("context", "only what is in the record is changed, not its "+where, "change the record instead")
		return nil
	}
	key, _ := p.Plain("key")
	if key == "" {
		p.Notes.Lose(p.At, p.Title, "it has no key", "write one")
		return nil
	}
	field := ruby.Path([]string{key})
	modify := func(what string, value any) []flow.Step {
		return []flow.Step{{Kind: "modify", Body: flow.Map{{Key: what, Value: value}}}}
	}
	value := func() string {
		v, _ := p.Value("value")
		return text(p, v, "")
	}
	action, _ := p.Plain("action")
	switch strings.ToLower(action) {
	case "insert":
		return modify("set_if_missing", flow.Map{{Key: field, Value: value()}})
	case "upsert":
		return modify("set", flow.Map{{Key: field, Value: value()}})
	case "delete":
		return modify("remove", []any{field})
	case "rename":
		to, _ := p.Plain("value")
		return modify("rename", flow.Map{{Key: field, Value: ruby.Path([]string{to})}})
	case "convert":
		to, _ := p.Plain("converted_type")
		kind := map[string]string{"string": "string", "boolean": "bool", "int": "int", "double": "float"}[to]
		if kind != "" {
			return modify("convert", flow.Map{{Key: field, Value: kind}})
		}
	case "hash":
		p.Notes.Say(p.At, p.Title, "the hash is another one, made with a key, so that nobody can try texts", "")
		return []flow.Step{{Kind: "redact", Body: flow.Map{
			{Key: "fields", Value: []any{field}},
			{Key: "patterns", Value: []any{"(?s)^.+$"}},
			{Key: "with", Value: "hash"},
			{Key: "key", Value: p.Notes.NewSecret("redact-key")},
		}}}
	case "extract":
		v, _ := p.Value("pattern")
		re, ok := c.pattern(p, v, v.Shown())
		if !ok {
			return nil
		}
		return []flow.Step{{Kind: "parse", Body: flow.Map{
			{Key: "field", Value: field},
			{Key: "format", Value: "regex"},
			{Key: "regex", Value: flow.Literal(re)},
			{Key: "keep", Value: true},
			{Key: "time", Value: flow.Map{{Key: "key", Value: ""}}},
		}}}
	}
	p.Notes.Lose(p.At, p.Title+" action", "there is no change "+action, "write a step modify")
	return nil
}

// sql reads SELECT a, b AS c FROM STREAM WHERE x = 'y' AND z > 1.
func (c *converter) sql(p *settings.Reader) (steps []flow.Step) {
	query, _ := p.Plain("query")
	m := regexp.MustCompile(`(?is)^\s*SELECT\s+(.+?)\s+FROM\s+\S+?(?:\s+WHERE\s+(.+?))?\s*;?\s*$`).
		FindStringSubmatch(query)
	lose := func(why string) { p.Lose("query", why, "write steps expr and modify by hand (docs/filters.md)") }
	if m == nil {
		lose("the query is not read here")
		return nil
	}
	if m[2] != "" {
		code, ok := sqlCondition(m[2])
		if !ok {
			lose("the condition is not read here")
			return nil
		}
		steps = append(steps, flow.Step{Kind: "expr", Body: flow.Map{{
			Key: "drop", Value: flow.Expression("not (" + code + ")"),
		}}})
	}
	var keep []any
	var rename flow.Map
	for column := range strings.SplitSeq(m[1], ",") {
		words := strings.Fields(column)
		name := regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
		switch {
		case len(words) == 1 && words[0] == "*":
			return steps
		case len(words) == 3 && strings.EqualFold(words[1], "as") && name.MatchString(words[0]):
			rename = rename.With(ruby.Path([]string{words[0]}), ruby.Path([]string{words[2]}))
			keep = append(keep, ruby.Path([]string{words[2]}))
		case len(words) == 1 && name.MatchString(words[0]):
			keep = append(keep, ruby.Path(words))
		default:
			lose("the column " + strings.TrimSpace(column) + " is not read here")
			return nil
		}
	}
	body := flow.Map{{Key: "keep", Value: keep}}
	if rename != nil {
		body = append(flow.Map{{Key: "rename", Value: rename}}, body...)
	}
	return append(steps, flow.Step{Kind: "modify", Body: body})
}

// sqlCondition writes comparisons of fields with texts and numbers, joined by AND and OR, as an expression.
func sqlCondition(text string) (string, bool) {
	part := regexp.MustCompile(
		`(?i)^\s*(?:(AND|OR)\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*(=|!=|<>|>=|<=|>|<)\s*('[^']*'|-?[0-9.]+)`,
	)
	var b strings.Builder
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		m := part.FindStringSubmatch(text)
		if m == nil || (m[1] == "") != (b.Len() == 0) {
			return "", false
		}
		text = text[len(m[0]):]
		if m[1] != "" {
			b.WriteString(" " + strings.ToLower(m[1]) + " ")
		}
		op := map[string]string{"=": "==", "<>": "!="}[m[3]]
		if op == "" {
			op = m[3]
		}
		value := m[4]
		if value[0] == '\'' {
			value = flow.Quote(strings.Trim(value, "'"))
		}
		b.WriteString(ruby.Field([]string{m[2]}) + " " + op + " " + value)
	}
	return b.String(), b.Len() > 0
}

// conditional gives steps the condition of a filter or a processor.
func (c *converter) conditional(r *settings.Reader, steps []flow.Step) []flow.Step {
	s := r.Child("condition")
	if s == nil {
		return steps
	}
	var all []string
	for _, rule := range s.Children("rules") {
		code, ok := c.comparison(r, rule)
		if !ok {
			return nil
		}
		all = append(all, "("+code+")")
	}
	if all == nil {
		return steps
	}
	join := " and "
	if strings.EqualFold(s.Text("op"), "or") {
		join = " or "
	}
	return onlyWhen(steps, strings.Join(all, join), "_when")
}

// comparison reads one rule of a condition: a field, what it is compared by, and a value.
func (c *converter) comparison(r *settings.Reader, rule *syntax.Section) (string, bool) {
	lose := func(why string) (string, bool) {
		r.Notes.Lose(rule.At, r.Title+" condition", why, "write when by hand (docs/filters.md#expr-and-when)")
		return "", false
	}
	path, ok := accessor(rule.Text("field"))
	if !ok || rule.Text("context") != "" && rule.Text("context") != "body" {
		return lose("the field " + rule.Text("field") + " can't be read")
	}
	field := ruby.Field(path)
	asText := "string(" + field + ` ?? "")`
	value := rule.Text("value")
	quoted := flow.Quote(value)
	switch op := strings.ToLower(rule.Text("op")); op {
	case "eq":
		return asText + " == " + quoted, true
	case "neq":
		return field + " != nil and " + asText + " != " + quoted, true
	case "gt", "lt", "gte", "lte":
		if !regexp.MustCompile(`^-?\d+(\.\d+)?$`).MatchString(value) {
			return lose(value + " is no number")
		}
		sign := map[string]string{"gt": ">", "lt": "<", "gte": ">=", "lte": "<="}[op]
		return field + " != nil and float(" + field + ") " + sign + " " + value, true
	case "regex", "not_regex":
		re, err := dialect.Pattern(value)
		if err != nil {
			return lose(err.Error())
		}
		code := asText + " matches " + flow.Quote(re)
		if op == "not_regex" {
			return field + " != nil and not (" + code + ")", true
		}
		return code, true
	case "in", "not_in":
		var list []string
		for _, e := range rule.Entries {
			if e.Key == "value" {
				list = append(list, flow.Quote(e.Value.Shown()))
			}
		}
		code := asText + " in [" + strings.Join(list, ", ") + "]"
		if op == "not_in" {
			return field + " != nil and not (" + code + ")", true
		}
		return code, true
	default:
		return lose("there is no comparison " + op)
	}
}
