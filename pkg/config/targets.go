package config

import (
	"cmp"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// eachName calls do for each single value of outputs in which placeholders stand, as its field's tag says; with targets
// only for names of where events go.
func eachName(root *node, targets bool, do func(key string, n *node)) {
	all := root.get("outputs")
	if all == nil {
		return
	}
	kinds := outputKinds()
	for _, o := range all.entries {
		t := o.value.get("type")
		if t == nil {
			continue
		}
		kind, known := outputs.Find(kinds, t.text)
		if !known {
			continue
		}
		for _, f := range fieldsOf(reflect.TypeOf(kind.NewConfig()).Elem()) {
			if f.holds == "" || targets && f.holds != holdsTarget {
				continue
			}
			if n := o.value.get(f.name); n != nil && n.kind == scalar {
				do(join("outputs", o.key)+"."+f.name, n)
			}
		}
	}
}

// holdsTarget is the tag of a field that names where events go.
const holdsTarget = "target"

// became says what environment variables made of the names of targets. What a secret is made of too is not shown.
func (d *decoder) became(root *node) (lines []string) {
	eachName(root, true, func(key string, n *node) {
		secret := slices.ContainsFunc(d.secrets, func(s *node) bool {
			return strings.Contains(n.text, s.text) ||
				slices.ContainsFunc(s.refs, func(ref string) bool { return slices.Contains(n.refs, ref) })
		})
		file := func(ref string) bool { return strings.HasPrefix(ref, "${file:") }
		if len(n.refs) > 0 && !secret && !slices.ContainsFunc(n.refs, file) {
			lines = append(lines, fmt.Sprintf("%s: %s became %s", key, n.masked, cmp.Or(quote(n.text), `""`)))
		}
	})
	return lines
}

// foreign finds how other programs write placeholders. Doubled braces around a name alone would be the name in braces
// here, which nobody means.
func foreign() *regexp.Regexp {
	return regexp.MustCompile(
		`\$\{?(?i:tag|tag_parts|tag_prefix|tag_suffix|time|chunk_` +
			`id|uuid|hostname|record|kubernetes)\b(?:\[[^\]]*\])*\}?|%\{[^}]*\}|\$\w+\[|\$\(|\{\{ *[\w.$]+ *\}\}`,
	)
}

// placeholders holds that no name of a target has another program's placeholders, which would stand for themselves.
func (c *checker) placeholders() {
	find := foreign()
	eachName(c.root, false, func(key string, n *node) {
		if found := find.FindString(n.text); found != "" && n.refs == nil && !c.errors.within(key) {
			c.errors.at(n, key, "write {tag}, {tag[1]}, {cluster}, {record.field} or, for the time, %Y.%m.%d",
				"%s is another program's placeholder, and would stand for itself", quote(found))
		}
	})
}

// tagPatterns warns of what looks like a regular expression in patterns of tags, where it stands for itself.
func (c *checker) tagPatterns() {
	look := func(key string, list *node, patterns []string) {
		for i, text := range patterns {
			n := list.item(i)
			if char := expressionIn(text); char != "" && n != nil {
				c.warnings.at(n, key,
					"patterns have *, ** and {a,b}; write \\"+char+" where the character itself is meant",
					"%s stands for itself in %s: this is no regular expression", char, n.shown())
			}
		}
	}
	for i, r := range c.Routes {
		look(index("routes", i)+".match", c.root.get("routes").item(i).get("match"), r.Match)
	}
	for i, k := range c.Clusters {
		look(index("clusters", i)+".tags", c.root.get("clusters").item(i).get("tags"), k.Tags)
	}
}

// expressionIn returns the first character of a pattern that only regular expressions give a meaning, "" if there is
// none.
func expressionIn(pattern string) string {
	for i := 0; i < len(pattern); i++ {
		switch {
		case pattern[i] == '\\':
			i++
		case strings.IndexByte("[]()+^$|?", pattern[i]) >= 0:
			return pattern[i : i+1]
		}
	}
	return ""
}
