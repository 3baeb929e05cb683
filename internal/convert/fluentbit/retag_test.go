package fluentbit_test

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/converttest"
)

func TestRetag(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "rewrite_tag, keys and groups", Old: `
[FILTER]
  Name rewrite_tag
  Match kube.*
  Rule $kubernetes['namespace_name'] ^(prod)-(.*)$ $TAG[0].$1.$2 false
  Rule $log .* all.$TAG true
  Emitter_Name e
  Emitter_Storage.type filesystem
`, New: `
rule record.kubernetes?.namespace_name != nil and string(record.kubernetes?.namespace_name) matches "^(prod)-(.*)$"
expr: {set: {_tag: 'split(tag, ".")[0] + "." + replacePattern(string(record.kubernetes?.namespace_name),
    "(?s)^.*?(?:^(prod)-(.*)$).*$", "$${1}") + "." +
    replacePattern(string(record.kubernetes?.namespace_name), "(?s)^.*?(?:^(prod)-(.*)$).*$", "$${2}")'}}
modify: {tag: "{record._tag}", remove: ["_tag"]}
rule record.log != nil and string(record.log) matches ".*"
modify: {tag: "all.{tag}"}
`},
		{Name: "rewrite_tag, rules that can't be read", Old: `
[FILTER]
  Name rewrite_tag
  Match *
  Rule $a ^x$
  Rule $a[0] ^x$ b false
  Rule $a ^(?=x) b false
`, New: `
lost: [FILTER] rewrite_tag rule: it is not a field, an expression, a tag and whether to keep
lost: [FILTER] rewrite_tag rule: the field $a[0] can't be read
lost: [FILTER] rewrite_tag: look-around, (?=…), (?!…), (?<=…), (?<!…), has no like: match what is
    around too, or use a second step
lost: [FILTER] rewrite_tag: it has no rule that can be said
`},
		{Name: "what agents do", Old: `
[FILTER]
  Name kubernetes
  Match kube.*
  Merge_Log On
[FILTER]
  Name aws
  Match *
[FILTER]
  Name unheard_of
  Match *
`, New: `
lost: [FILTER] kubernetes: it asks the Kubernetes API about pods
lost: [FILTER] aws: it asks the machine that the agent runs on
lost: [FILTER] unheard_of: there is no step for it
`},
		{Name: "what only shows events", Old: `
[FILTER]
  Name stdout
  Match *
[FILTER]
  Name expect
  Match *
`, New: `
said: [FILTER] stdout: left out: aggregator try shows events, step by step
said: [FILTER] expect: left out: aggregator try shows events, step by step
`},
		{Name: "filters for no tags, for tags of an expression, and of a variable", Old: `
[FILTER]
  Name modify
  Set a b
[FILTER]
  Name modify
  Match_Regex ^kube\.(?!x)
  Set c d
[FILTER]
  Name modify
  Match_Regex ^kube\.
  Set e f
[FILTER]
  Name modify
  Match ${ENV}.*
  Set g h
`, New: `
modify: {set: {c: "d"}}
modify: {set: {e: "f"}}
modify: {set: {g: "h"}}
lost: [FILTER] modify match_regex: look-around, (?=…), (?!…), (?<=…), (?<!…), has no like: match what
    is around too, or use a second step
lost: [FILTER] modify match: the tag depends on a variable
said: [FILTER] modify: it has no Match, and gets nothing there
`},
	}, steps)
}
