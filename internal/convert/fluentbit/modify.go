package fluentbit

import (
	"regexp"
	"slices"
	"strings"

	"github.com/seed-afc6a195/aggregator/internal/convert/dialect"
	"github.com/seed-afc6a195/aggregator/internal/convert/flow"
	"github.com/seed-afc6a195/aggregator/internal/convert/ruby"
	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
	"github.com/seed-afc6a195/aggregator/internal/convert/syntax"
)

// changes gathers what a modify filter does, in its order, in as few steps as keep that.
type changes struct {
	steps   []flow.Step
	body    flow.Map
	rank    int
	touched []string
	// gone report whether fields are removed by what their names are like.
	gone []func(name string) bool
}

// next begins a new step where the order within one, or a field that it has changed, would make a difference.
func (ch *changes) next(rank int, names ...string) {
	for _, n := range names {
		if rank < ch.rank || slices.Contains(ch.touched, n) {
			ch.flush()
			break
		}
	}
	ch.rank = rank
	ch.touched = append(ch.touched, names...)
}

func (ch *changes) flush() {
	if ch.body != nil {
		ch.steps = append(ch.steps, flow.Step{Kind: "modify", Body: ch.body})
	}
	ch.body, ch.rank, ch.touched = nil, 0, nil
}

func (ch *changes) list(key string, value any) {
	all, _ := ch.body.Get(key).([]any)
	ch.body = ch.body.With(key, append(all, value))
}

// The order of changes within a step of the aggregator's.
const (
	rankRename = iota
	rankRemove
	rankSet
	rankMissing
)

func (c *converter) modify(r *settings.Reader) []flow.Step {
	ch := &changes{}
	var conditions []string
	unknown := false
	for _, e := range r.Entries {
		if e.Key == "condition" {
			r.Ignore(e.Key)
			code, ok := c.condition(r, e.Value)
			unknown = unknown || !ok
			conditions = append(conditions, code)
			continue
		}
		if c.change(r, ch, e) {
			r.Ignore(e.Key)
		}
	}
	ch.flush()
	if unknown {
		// What is for some events alone is better left out than done to all.
		return nil
	}
	if conditions != nil {
		when := strings.Join(conditions, " and ")
		if len(conditions) > 1 {
			when = "(" + strings.Join(conditions, ") and (") + ")"
		}
		return onlyWhen(ch.steps, when, ch.own())
	}
	return ch.steps
}

// own is a name for a field of the steps' own that none of them removes.
func (ch *changes) own() string {
	for _, name := range [...]string{"_when", "when_", "~when", "0when", "WHEN"} {
		if !slices.ContainsFunc(ch.gone, func(gone func(string) bool) bool { return gone(name) }) {
			return name
		}
	}
	return "_when"
}

// onlyWhen makes steps for events of a condition alone. Of several, the first may change what it is about: then it is
// found before them all.
func onlyWhen(steps []flow.Step, code, found string) []flow.Step {
	several := len(steps) > 1
	if several {
		steps = append([]flow.Step{{Kind: "expr", Body: flow.Map{{
			Key: "set", Value: flow.Map{{Key: ruby.Path([]string{found}), Value: flow.Expression(code)}},
		}}}}, steps...)
		code = ruby.Field([]string{found}) + " == true"
	}
	for i := range steps {
		switch own := steps[i].When; {
		case several && i == 0:
		case own != "":
			steps[i].When = flow.Expression("(" + own + ") and (" + code + ")")
		default:
			steps[i].When = flow.Expression(code)
		}
	}
	if several {
		steps = append(steps, flow.Step{Kind: "modify", Body: flow.Map{{
			Key: "remove", Value: []any{ruby.Path([]string{found})},
		}}})
	}
	return steps
}

// change adds one line of a modify filter; false where there is no such change.
func (c *converter) change(r *settings.Reader, ch *changes, e syntax.Entry) bool {
	key, rest := keyAnd(e.Value)
	field := ruby.Path([]string{key})
	switch e.Key {
	case "set":
		ch.next(rankSet, field)
		ch.body = ch.body.In("set", field, text(r, e.Value, key))
	case "add":
		ch.next(rankMissing, field)
		ch.body = ch.body.In("set_if_missing", field, text(r, e.Value, key))
	case "remove":
		ch.next(rankRemove, field)
		ch.list("remove", field)
	case "remove_wildcard":
		ch.gone = append(ch.gone, func(name string) bool { return strings.HasPrefix(name, key) })
		ch.next(rankRemove, key+"*")
		ch.list("remove", ruby.Path([]string{key + "*"}))
	case "rename", "hard_rename":
		to := ruby.Path([]string{rest})
		if e.Key == "hard_rename" {
			ch.next(rankRemove, to)
			ch.list("remove", to)
			ch.flush()
		}
		ch.next(rankRename, field, to)
		ch.body = ch.body.In("rename", field, to)
	case "copy", "hard_copy":
		to := ruby.Path([]string{rest})
		if e.Key == "copy" {
			ch.next(rankMissing, field, to)
			ch.body = ch.body.In("set_if_missing", to, ruby.PlaceholderOf(field))
		} else {
			ch.next(rankSet, field, to)
			ch.body = ch.body.In("set", to, ruby.PlaceholderOf(field))
		}
	case "move_to_start", "move_to_end":
		// The order of fields has no meaning.
	case "remove_regex":
		c.removeRegex(r, ch, e)
	default:
		return false
	}
	return true
}

// removeRegex removes the fields whose names an expression matches.
func (c *converter) removeRegex(r *settings.Reader, ch *changes, e syntax.Entry) {
	text := strings.TrimSpace(e.Value.Shown())
	keep := "not (string(#) matches "
	end := ")"
	if inner, other := dialect.Without(text); other {
		text, keep, end = inner, "string(#) matches ", ""
	}
	re, ok := c.pattern(r, e.Value, text)
	if !ok {
		return
	}
	// What pattern returned is an expression.
	ch.gone = append(ch.gone, func(name string) bool {
		matched, err := regexp.MatchString(re, name)
		return err == nil && matched == (end != "")
	})
	ch.flush()
	ch.steps = append(ch.steps, rest(keep+flow.Quote(re)+end)...)
}

// condition reads a Condition as an expression.
func (c *converter) condition(r *settings.Reader, v syntax.Value) (string, bool) {
	words := strings.Fields(v.Shown())
	if len(words) < 2 {
		r.Notes.Lose(v.At, r.Title+" condition", "it is not a condition and a field", "write when by hand")
		return "", false
	}
	path, ok := accessor(words[1])
	if !ok {
		r.Notes.Lose(v.At, r.Title+" condition", "the field "+words[1]+" can't be read", "write when by hand")
		return "", false
	}
	field := ruby.Field(path)
	value := strings.Join(words[2:], " ")
	asText := "string(" + field + ` ?? "")`
	switch strings.ToLower(words[0]) {
	case "key_exists":
		return field + " != nil", true
	case "key_does_not_exist":
		return field + " == nil", true
	case "key_value_equals":
		return field + " != nil and " + asText + " == " + flow.Quote(value), true
	case "key_value_does_not_equal":
		return field + " != nil and " + asText + " != " + flow.Quote(value), true
	case "key_value_matches", "key_value_does_not_match":
		re, ok := c.pattern(r, v, value)
		if !ok {
			return "", false
		}
		code := asText + " matches " + flow.Quote(re)
		if strings.EqualFold(words[0], "key_value_does_not_match") {
			code = "not (" + code + ")"
		}
		return field + " != nil and " + code, true
	case "a_key_matches", "no_key_matches":
		re, ok := c.pattern(r, v, strings.Join(words[1:], " "))
		if !ok {
			return "", false
		}
		code := "any(keys(record), # matches " + flow.Quote(re) + ")"
		if strings.EqualFold(words[0], "no_key_matches") {
			code = "not " + code
		}
		return code, true
	}
	if code, ok := c.keysCondition(r, v, words); ok {
		return code, code != ""
	}
	r.Notes.Lose(v.At, r.Title+" condition "+words[0], "there is no like that is known here",
		"write when by hand (docs/filters.md#expr-and-when)")
	return "", false
}

// keysCondition reads a condition on the values of all fields whose names an expression matches; ok is false for
// another.
func (c *converter) keysCondition(r *settings.Reader, v syntax.Value, words []string) (code string, ok bool) {
	kind := strings.ToLower(words[0])
	if kind != "matching_keys_have_matching_values" && kind != "matching_keys_do_not_have_matching_values" ||
		len(words) < 3 {
		return "", false
	}
	names, okNames := c.pattern(r, v, words[1])
	values, okValues := c.pattern(r, v, strings.Join(words[2:], " "))
	if !okNames || !okValues {
		return "", true
	}
	code = `string(get(record, #) ?? "") matches ` + flow.Quote(values)
	if kind == "matching_keys_do_not_have_matching_values" {
		code = "not (" + code + ")"
	}
	return "all(keys(record), not (string(#) matches " + flow.Quote(names) + ") or " + code + ")", true
}
