package config

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// targetKeys are the keys of outputs that name where events go.
func targetKeys() []string {
	return []string{
		"index", "alias", "delivery_stream", "stream", "log_group", "log_stream", "bucket", "topic",
	}
}

// templateKeys are the keys of outputs in which placeholders stand.
func templateKeys() []string {
	return append(targetKeys(), "id", "pipeline", "partition_key", "key", "path")
}

// eachOf calls do for each single value that outputs have under one of the keys.
func eachOf(root *node, keys []string, do func(key string, n *node)) {
	outputs := root.get("outputs")
	if outputs == nil {
		return
	}
	for _, o := range outputs.entries {
		for _, key := range keys {
			if n := o.value.get(key); n != nil && n.kind == scalar {
				do(join("outputs", o.key)+"."+key, n)
			}
		}
	}
}

// became says what environment variables made of the names of targets. What a secret is made of too is not shown.
func (d *decoder) became(root *node) (lines []string) {
	eachOf(root, targetKeys(), func(key string, n *node) {
		secret := slices.ContainsFunc(d.secrets, func(s *node) bool {
			return strings.Contains(n.text, s.text) || slices.ContainsFunc(s.refs, func(ref string) bool { return slices.Contains(n.refs, ref) })
		})
		file := func(ref string) bool { return strings.HasPrefix(ref, "${file:") }
		if len(n.refs) > 0 && !secret && !slices.ContainsFunc(n.refs, file) {
			lines = append(lines, fmt.Sprintf("%s: %s became %s", key, n.masked, cmp.Or(quote(n.text), `""`)))
		}
	})
	return lines
}

// foreign finds how other programs write placeholders. Doubled braces around a name alone would be the name in braces here,
// which nobody means.
func foreign() *regexp.Regexp {
	return regexp.MustCompile(`\$\{?(?i:tag|tag_parts|tag_prefix|tag_suffix|time|chunk_id|uuid|hostname|record|kubernetes)\b(?:\[[^\]]*\])*\}?|%\{[^}]*\}|\$\w+\[|\$\(|\{\{ *[\w.$]+ *\}\}`)
}

// placeholders holds that no name of a target has another program's placeholders, which would stand for themselves.
func (c *checker) placeholders() {
	find := foreign()
	eachOf(c.root, templateKeys(), func(key string, n *node) {
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
				c.warnings.at(n, key, "patterns have *, ** and {a,b}; write \\"+char+" where the character itself is meant",
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

// expressionIn returns the first character of a pattern that only regular expressions give a meaning, "" if there is none.
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
