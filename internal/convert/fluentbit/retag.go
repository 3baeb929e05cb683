package fluentbit

import (
	"regexp"
	"strings"

	"github.com/seed-afc6a195/aggregator/internal/convert/flow"
	"github.com/seed-afc6a195/aggregator/internal/convert/ruby"
	"github.com/seed-afc6a195/aggregator/internal/convert/syntax"
)

// rewriteTag reads the rules of rewrite_tag.
func (c *converter) rewriteTag(s *syntax.Section, tags flow.Tags) *flow.Retag {
	r := c.reader(s)
	r.Ignore("emitter_name", "emitter_storage.type", "emitter_mem_buf_limit", "recursive_action")
	retag := &flow.Retag{}
	for _, v := range r.All("rule") {
		words := strings.Fields(v.Shown())
		if len(words) < 3 {
			r.Notes.Lose(v.At, r.Title+" rule", "it is not a field, an expression, a tag and whether to keep",
				"write all four")
			continue
		}
		keep := len(words) > 3 && strings.EqualFold(words[len(words)-1], "true")
		path, ok := accessor(words[0])
		if !ok {
			r.Notes.Lose(v.At, r.Title+" rule", "the field "+words[0]+" can't be read", "write a route with when")
			continue
		}
		re, ok := c.pattern(r, v, words[1])
		if !ok {
			continue
		}
		steps, like := newTag(words[2], ruby.Field(path), re, tags)
		on := flow.Map{{Key: ruby.Path(path), Value: flow.Literal(re)}}
		access := ruby.Field(path)
		rule := flow.Rule{
			At: v.At, Keep: keep, Set: steps, Tags: flow.Tags{Patterns: like}, Field: ruby.Path(path),
			When:  access + " != nil and string(" + access + ") matches " + flow.Quote(re),
			Take:  []flow.Step{{Kind: "grep", Body: flow.Map{{Key: "include", Value: on}}}},
			Leave: []flow.Step{{Kind: "grep", Body: flow.Map{{Key: "exclude", Value: on}}}},
		}
		if empty, err := regexp.MatchString(re, ""); err == nil && empty {
			rule.Take = append(rule.Take, flow.Step{Kind: "expr", Body: flow.Map{{
				Key:   "drop",
				Value: access + " == nil",
			}}})
			rule.Leave[0].When = access + " != nil"
		}
		retag.Rules = append(retag.Rules, rule)
	}
	r.Done()
	if len(retag.Rules) == 0 {
		c.notes.Lose(s.At, title(s), "it has no rule that can be said", "write routes by hand")
	}
	return retag
}

// newTag reads a tag with $TAG, $TAG[1], $0, $1 and $field['x'].
func newTag(tag, access, re string, old flow.Tags) (steps []flow.Step, like []string) {
	var parts []string
	var template strings.Builder
	simple := true
	like = []string{""}
	extend := func(endings ...string) {
		var all []string
		for _, l := range like {
			for _, e := range endings {
				all = append(all, strings.ReplaceAll(l+e, "****", "**"))
			}
		}
		like = all[:min(len(all), 64)]
	}
	for rest := tag; rest != ""; {
		m := regexp.MustCompile(
			`^(?:\$TAG\[(\d+)\]|\$(TAG)|\$(\d)|\$([A-Za-z_][A-Za-z0-9_]*(?:\['[^']+'\])*)|([^$]+))`,
		).FindStringSubmatch(rest)
		if m == nil {
			m = []string{rest[:1], "", "", "", "", rest[:1]}
		}
		rest = rest[len(m[0]):]
		switch {
		case m[1] != "":
			parts = append(parts, `split(tag, ".")[`+m[1]+"]")
			template.WriteString("{tag[" + m[1] + "]}")
			extend("**")
		case m[2] != "":
			parts = append(parts, "tag")
			template.WriteString("{tag}")
			extend(old.Patterns...)
		case m[3] != "":
			simple = false
			parts = append(parts,
				"replacePattern(string("+access+"), "+flow.Quote("(?s)^.*?(?:"+re+").*$")+", "+
					flow.Quote("${"+m[3]+"}")+")")
			extend("**")
		case m[4] != "":
			path, _ := accessor("$" + m[4])
			parts = append(parts, "string("+ruby.Field(path)+` ?? "")`)
			template.WriteString(ruby.Placeholder(path))
			extend("**")
		default:
			parts = append(parts, flow.Quote(m[5]))
			template.WriteString(flow.LiteralTemplate(m[5]))
			extend(strings.NewReplacer("*", `\*`, "{", `\{`, "}", `\}`).Replace(m[5]))
		}
	}
	if simple {
		return []flow.Step{{Kind: "modify", Body: flow.Map{{Key: "tag", Value: template.String()}}}}, like
	}
	return []flow.Step{
		{Kind: "expr", Body: flow.Map{{Key: "set", Value: flow.Map{{
			Key:   "_tag",
			Value: flow.Expression(strings.Join(parts, " + ")),
		}}}}},
		{Kind: "modify", Body: flow.Map{{Key: "tag", Value: "{record._tag}"}, {Key: "remove", Value: []any{"_tag"}}}},
	}, like
}
