package fluentd

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/seed-afc6a195/aggregator/internal/convert/flow"
	"github.com/seed-afc6a195/aggregator/internal/convert/fluentd/template"
	"github.com/seed-afc6a195/aggregator/internal/convert/ruby"
	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
	"github.com/seed-afc6a195/aggregator/internal/convert/syntax"
)

// assignments is what a record_transformer sets: by templates, or by expressions where these can't say it.
type assignments struct {
	set, expr flow.Map
	names     []string
	// texts says that all values become texts, as without auto_typecast.
	texts bool
}

// assign reads one field of <record>.
func (a *assignments) assign(r *settings.Reader, e syntax.Entry) {
	if strings.Contains(e.Key, "${") {
		r.Notes.Lose(e.At, r.Title+" "+e.Key, "names of fields are made of nothing here",
			"name the field, or write modify: {rename: {a: b}} for each")
		return
	}
	field := ruby.Path([]string{e.Key})
	a.names = append(a.names, field)
	if text, plain := e.Value.Plain(); plain && !strings.Contains(text, "${") {
		var value any
		if (strings.HasPrefix(text, "{") || strings.HasPrefix(text, "[")) && json.Unmarshal([]byte(text),
			&value) == nil {
			// As an expression: modify sets single values alone.
			a.expr = append(a.expr, flow.Pair{Key: field, Value: flow.Expression(strings.Join(strings.Fields(text),
				" "))})
			return
		}
		a.set = append(a.set, flow.Pair{Key: field, Value: flow.LiteralTemplate(text)})
		return
	}
	if code, ok := structured(r, e.Value); ok {
		a.expr = append(a.expr, flow.Pair{Key: field, Value: flow.Expression(code)})
		return
	}
	if template, ok := valueTemplate(r, e.Value); ok && (!a.texts || !strings.HasPrefix(template, "{record")) {
		a.set = append(a.set, flow.Pair{Key: field, Value: template})
		return
	}
	code, err := valueExpr(r, e.Value)
	if err != nil {
		r.Notes.Lose(e.At, r.Title+" "+e.Key, err.Error()+" has no like that is known here",
			"write it as an expression (docs/filters.md#expr-and-when), or let the agent set it")
		return
	}
	if a.texts {
		code = "string(" + code + ` ?? "")`
	}
	a.expr = append(a.expr, flow.Pair{Key: field, Value: flow.Expression(code)})
}

// structured returns an object or a list with ${…} in its texts as an expression; ok is false for another value.
func structured(r *settings.Reader, v syntax.Value) (code string, ok bool) {
	var text strings.Builder
	for _, part := range v.Parts {
		if part.Env != "" {
			text.WriteString(variable(r, part, v.At))
		} else {
			text.WriteString(part.Text)
		}
	}
	var value any
	if !strings.HasPrefix(text.String(), "{") && !strings.HasPrefix(text.String(), "[") ||
		json.Unmarshal([]byte(text.String()), &value) != nil {
		return "", false
	}
	code, err := member(r, value, v.At)
	return code, err == nil
}

// member returns one value of an object or a list as an expression.
func member(r *settings.Reader, value any, at syntax.Place) (string, error) {
	var parts []string
	switch value := value.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(value)) {
			code, err := member(r, value[name], at)
			if err != nil {
				return "", err
			}
			parts = append(parts, flow.Quote(name)+": "+code)
		}
		return "{" + strings.Join(parts, ", ") + "}", nil
	case []any:
		for _, one := range value {
			code, err := member(r, one, at)
			if err != nil {
				return "", err
			}
			parts = append(parts, code)
		}
		return "[" + strings.Join(parts, ", ") + "]", nil
	case string:
		if !strings.Contains(value, "${env:") {
			return valueExpr(r, syntax.Literal(value, at))
		}
	case nil:
		return "nil", nil
	}
	code, err := json.Marshal(value)
	return string(code), err
}

// valueTemplate returns a value whose ${…} are plain placeholders.
func valueTemplate(r *settings.Reader, v syntax.Value) (string, bool) {
	var b strings.Builder
	for _, part := range v.Parts {
		switch {
		case part.Code != "":
			return "", false
		case part.File != "":
			r.Notes.NeedFile(part.File, "the file that the old program read")
			b.WriteString("${file:" + part.File + "}")
			continue
		case part.Env != "":
			b.WriteString(variable(r, part, v.At))
			continue
		}
		for _, p := range template.Pieces(part.Text) {
			if p.Code == "" {
				b.WriteString(flow.LiteralTemplate(p.Text))
				continue
			}
			placed, ok := template.Placeholder(p.Code)
			if !ok {
				return "", false
			}
			b.WriteString(placed)
		}
	}
	return b.String(), true
}

// variable writes ${env:NAME:-default} into a template.
func variable(r *settings.Reader, p syntax.Part, at syntax.Place) string {
	switch {
	case p.Default == nil || strings.HasPrefix(*p.Default, "${env:"):
		r.Notes.NeedEnv(p.Env, "as for the old program; "+at.String())
		return "${env:" + p.Env + "}"
	case *p.Default == settings.UseDefault:
		return "${env:" + p.Env + ":-}"
	}
	return "${env:" + p.Env + ":-" + *p.Default + "}"
}

// valueExpr returns a value as an expression.
func valueExpr(r *settings.Reader, v syntax.Value) (string, error) {
	var parts []string
	only := ""
	for _, part := range v.Parts {
		switch {
		case part.File != "":
			r.Notes.NeedFile(part.File, "the file that the old program read")
			parts = append(parts, flow.Quote("${file:"+part.File+"}"))
			continue
		case part.Code != "":
			code, err := ruby.Expr(part.Code)
			if err != nil {
				return "", err
			}
			parts = append(parts, "string("+code+")")
			continue
		case part.Env != "":
			parts = append(parts, `"`+variable(r, part, v.At)+`"`)
			continue
		}
		for _, p := range template.Pieces(part.Text) {
			if p.Code == "" {
				parts = append(parts, flow.Quote(p.Text))
				continue
			}
			code, err := ruby.Expr(p.Code)
			if err != nil {
				return "", err
			}
			only = code
			if path, ok := template.RecordPath(p.Code); ok {
				code = ruby.Field(path)
			}
			parts = append(parts, "string("+code+` ?? "")`)
		}
	}
	if len(parts) == 1 && only == "time" {
		// As a text, which it becomes where events are written.
		return ruby.Formatted("time", "%Y-%m-%d %H:%M:%S %z", "")
	}
	if len(parts) == 1 && only != "" {
		return only, nil
	}
	return strings.Join(parts, " + "), nil
}

// recordTransformer reads record_transformer.
func (c *converter) recordTransformer(r *settings.Reader) (steps []flow.Step) {
	sayPlain(r)
	a := assignments{texts: !r.Bool("auto_typecast", true)}
	for _, s := range r.Children("record") {
		for _, e := range s.Entries {
			a.assign(r, e)
		}
	}
	r.IgnoreSections("record")
	remove := template.Paths(r, "remove_keys")
	keep := template.Paths(r, "keep_keys")
	if r.Bool("renew_record", false) {
		keep = append(keep, a.names...)
	} else if keep != nil {
		keep = nil
	}
	if r.Has("renew_time_key") {
		key, _ := r.Plain("renew_time_key")
		path, _ := template.Accessor(key)
		steps = append(steps, flow.Step{Kind: "parse", Body: flow.Map{
			{Key: "field", Value: ruby.Path(path)},
			{Key: "format", Value: "regex"},
			{Key: "regex", Value: "^(?<time>.+)$"},
			{Key: "time", Value: flow.Map{{Key: "format", Value: "unix"}}},
			{Key: "keep", Value: true},
		}})
	}
	return append(recordSteps(a, remove, keep), steps...)
}

// sayPlain says of Ruby where enable_ruby is off that it is looked at here.
func sayPlain(r *settings.Reader) {
	if r.Bool("enable_ruby", false) {
		return
	}
	plain := regexp.MustCompile(`^(tag|time|hostname|tag_(parts|prefix|suffix)\[-?\d+\]|record\["[^"]*"\])$`)
	for _, s := range r.Children("record") {
		for _, e := range s.Entries {
			var text strings.Builder
			for _, part := range e.Value.Parts {
				text.WriteString(part.Text)
			}
			for _, p := range template.Pieces(text.String()) {
				if p.Code != "" && !plain.MatchString(p.Code) {
					r.Notes.Say(e.At, r.Title+" "+e.Key, "without enable_ruby true, fluentd makes nothing of ${"+p.Code+
						"}; here it is what it says", "take the field out where nothing is right")
				}
			}
		}
	}
}

// recordSteps writes what is set, removed and kept as steps: expressions first, which see the record as it came.
func recordSteps(a assignments, remove, keep []string) (steps []flow.Step) {
	// A template that needs a field which an expression is about to change sees it as it came only in the same step.
	if len(a.expr) > 0 && len(a.set) > 0 {
		for _, p := range a.set {
			text, isText := p.Value.(string)
			if isText && strings.Contains(text, "{record") && touches(text, a.expr) {
				steps = append(steps, flow.Step{
					Kind: "modify", Body: flow.Map{{Key: "set", Value: flow.Map{p}}},
					Note: "",
				})
				a.set = a.set.Without(p.Key)
			}
		}
	}
	if len(a.expr) > 0 {
		steps = append(steps, flow.Step{Kind: "expr", Body: flow.Map{{Key: "set", Value: a.expr}}})
	}
	var body flow.Map
	var late []string
	for _, name := range remove {
		if slices.Contains(a.names, name) {
			late = append(late, name)
		}
	}
	if len(keep) > 0 {
		body = body.With("keep", template.Texts(keep))
	} else if early := slices.DeleteFunc(slices.Clone(remove), func(n string) bool {
		return slices.Contains(late,
			n)
	}); len(early) > 0 {
		body = body.With("remove", template.Texts(early))
	}
	if len(a.set) > 0 {
		body = body.With("set", a.set)
	}
	if len(body) > 0 {
		steps = append(steps, flow.Step{Kind: "modify", Body: body})
	}
	if len(late) > 0 {
		steps = append(steps, flow.Step{Kind: "modify", Body: flow.Map{{Key: "remove", Value: template.Texts(late)}}})
	}
	return steps
}

// touches reports whether a template has a field that is among set.
func touches(template string, set flow.Map) bool {
	return slices.ContainsFunc(set, func(p flow.Pair) bool {
		start := strings.TrimSuffix(ruby.PlaceholderOf(p.Key), "}")
		return strings.Contains(template, start+"}") || strings.Contains(template, start+".") ||
			strings.Contains(template, start+"[")
	})
}
