package fluentd

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/seed-afc6a195/aggregator/internal/convert/flow"
	"github.com/seed-afc6a195/aggregator/internal/convert/fluentd/template"
	"github.com/seed-afc6a195/aggregator/internal/convert/ruby"
)

// setTag writes the steps that set a tag to what an expression says.
func setTag(code string) []flow.Step {
	return []flow.Step{
		{Kind: "expr", Body: flow.Map{{Key: "set", Value: flow.Map{{Key: "_tag", Value: flow.Expression(code)}}}}},
		{Kind: "modify", Body: flow.Map{{Key: "tag", Value: "{record._tag}"}, {Key: "remove", Value: []any{"_tag"}}}},
	}
}

// tagged is how a tag is set, and what tags it may be.
type tagged struct {
	steps []flow.Step
	like  []string
}

// newTag reads a rule's tag, which may have ${tag}, ${tag_parts[1]}, $1 and the like.
func newTag(w rewrite, access, re string, old flow.Tags) (t tagged, err error) {
	tag := strings.NewReplacer("__TAG__", "${tag}", "__HOSTNAME__", "${hostname}").Replace(w.tag)
	tag = regexp.MustCompile(`__TAG_PARTS\[(-?\d+)\]__`).ReplaceAllString(tag, "$${tag_parts[$1]}")
	var written strings.Builder
	var parts []string
	simple := w.old == ""
	before := w.old
	if before == "" {
		before = "tag"
	}
	t.like = []string{""}
	for _, p := range template.Pieces(tag) {
		part := regexp.MustCompile(`^tag_parts\[(-?\d+)\]$`).FindStringSubmatch(p.Code)
		switch {
		case p.Code == "":
			t.like = appended(t.like, []string{group().ReplaceAllString(escapePattern(p.Text), "**")})
			written.WriteString(flow.LiteralTemplate(p.Text))
			simple = simple && !group().MatchString(p.Text)
			parts = append(parts, w.groups(p.Text, access, re)...)
		case p.Code == "tag" && w.old == "":
			written.WriteString("{tag}")
			parts = append(parts, "tag")
			t.like = appended(t.like, old.Patterns)
		case p.Code == "tag":
			parts = append(parts, before)
			t.like = appended(t.like, []string{"**"})
		case part != nil:
			written.WriteString("{tag[" + part[1] + "]}")
			parts = append(parts, "string(get(split("+before+`, "."), `+part[1]+`) ?? "")`)
			t.like = appended(t.like, []string{"**"})
		case p.Code == "hostname":
			written.WriteString("${env:HOSTNAME}")
			parts = append(parts, `"${env:HOSTNAME}"`)
			t.like = appended(t.like, []string{"**"})
		default:
			code, err := ruby.Expr(p.Code)
			if err != nil || w.key != "" {
				return tagged{}, fmt.Errorf("${%s} is none of a tag's placeholders", p.Code)
			}
			placed, ok := template.Placeholder(p.Code)
			simple = simple && ok
			written.WriteString(placed)
			parts = append(parts, "string("+code+")")
			t.like = appended(t.like, []string{"**"})
		}
	}
	t.steps = []flow.Step{{Kind: "modify", Body: flow.Map{{Key: "tag", Value: written.String()}}}}
	if !simple {
		t.steps = setTag(strings.Join(parts, " + "))
	}
	return t, nil
}

// group finds $1 and the like.
func group() *regexp.Regexp { return regexp.MustCompile(`\$(\d+)`) }

// groups writes a tag's text with groups of the expression as expressions that are added up.
func (w rewrite) groups(text, access, re string) (parts []string) {
	whole := func(with string) string {
		return "replacePattern(string(" + access + "), " + flow.Quote("(?s)^.*?(?:"+re+").*$") + ", " +
			flow.Quote(with) + ")"
	}
	switch {
	case !group().MatchString(text):
		return []string{flow.Quote(text)}
	case !w.capitalize:
		return []string{whole(group().ReplaceAllString(text, "$${$1}"))}
	}
	from := 0
	for _, at := range group().FindAllStringSubmatchIndex(text, -1) {
		if at[0] > from {
			parts = append(parts, flow.Quote(text[from:at[0]]))
		}
		one := whole("${" + text[at[2]:at[3]] + "}")
		parts = append(parts, "upper("+one+"[:1]) + lower("+one+"[1:])")
		from = at[1]
	}
	if from < len(text) {
		parts = append(parts, flow.Quote(text[from:]))
	}
	return parts
}

// appended returns every pattern with every ending.
func appended(patterns, endings []string) (all []string) {
	for _, p := range patterns {
		for _, e := range endings {
			one := p + e
			for strings.Contains(one, "****") {
				one = strings.ReplaceAll(one, "****", "**")
			}
			if all = append(all, one); len(all) > 64 {
				return []string{"**"}
			}
		}
	}
	return all
}

// escapePattern writes text so that it stands for itself in a tag pattern.
func escapePattern(text string) string {
	return strings.NewReplacer("*", `\*`, "{", `\{`, "}", `\}`, ",", `\,`).Replace(text)
}
