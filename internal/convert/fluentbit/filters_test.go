package fluentbit_test

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/converttest"
)

// TestFiltersOfUsers is what people write, and what has no like.
func TestFiltersOfUsers(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "grep for a field that is there", Old: `
[FILTER]
  Name grep
  Match *
  Regex kubernetes.labels.app .*
`, New: `
grep: {include: {["kubernetes.labels.app"]: ".*"}}
expr: {drop: 'record["kubernetes.labels.app"] == nil'}
`},
		{Name: "grep, no event with an empty text", Old: `
[FILTER]
  Name grep
  Match *
  Exclude log ^\s*$
`, New: `
grep: {exclude: {log: '^\s*$'}} when record.log != nil
`},
		{Name: "grep, all but some", Old: `
[FILTER]
  Name grep
  Match *
  Regex $log ^(?!.*healthz).*$
`, New: `
grep: {exclude: {log: "^(?:.*healthz)"}}
expr: {drop: "record.log == nil"}
`},
		{Name: "grep, and", Old: `
[FILTER]
  Name grep
  Match *
  Logical_Op AND
  Exclude a x
  Exclude b y
`, New: `
grep: {exclude_all: {a: "x", b: "y"}}
`},
		{Name: "grep, look-ahead within others", Old: `
[FILTER]
  Name grep
  Match *
  Logical_Op OR
  Regex a ^(?!x)
  Regex b y
`, New: `
grep: {include_any: {b: "y"}}
lost: [FILTER] grep: look-around, (?=…), (?!…), (?<=…), (?<!…), has no like: match what is around
    too, or use a second step
`},
		{Name: "grep, what can't be read", Old: `
[FILTER]
  Name grep
  Match *
  Regex $a[0] x
  Exclude log
  Regex log a(?=b)
`, New: `
lost: [FILTER] grep regex: it is not a field and an expression that can be read
lost: [FILTER] grep exclude: it is not a field and an expression that can be read
lost: [FILTER] grep: look-around, (?=…), (?!…), (?<=…), (?<!…), has no like: match what is around
    too, or use a second step
`},
		{Name: "modify, an order that one step does not have", Old: `
[FILTER]
  Name modify
  Match *
  Set a 1
  Rename a b
  Remove c
  Set c 2
  Hard_copy c d
`, New: `
modify: {set: {a: "1"}}
modify: {rename: {a: "b"}, remove: ["c"]}
modify: {set: {c: "2"}}
modify: {set: {d: "{record.c}"}}
`},
		{Name: "modify, a condition on what it changes", Old: `
[FILTER]
  Name modify
  Match *
  Condition Key_exists level
  Set severity x
  Rename level lvl
  Remove severity2
`, New: `
expr: {set: {_when: "record.level != nil"}}
modify: {set: {severity: "x"}} when record._when == true
modify: {rename: {level: "lvl"}, remove: ["severity2"]} when record._when == true
modify: {remove: ["_when"]}
`},
		{Name: "modify, more conditions", Old: `
[FILTER]
  Name modify
  Match *
  Condition Key_does_not_exist $a['b']
  Condition Key_value_does_not_equal c d e
  Condition Key_value_matches f ^\d+$
  Condition Key_value_does_not_match g x
  Condition No_key_matches ^h
  Condition Matching_keys_do_not_have_matching_values ^i j
  Add k l
`, New: `
modify: {set_if_missing: {k: "l"}} when (record.a?.b == nil) and (record.c != nil and string(record.c ?? "")
    != "d e") and (record.f != nil and string(record.f ?? "") matches "^\\d+$") and (record.g != nil and not
    (string(record.g ?? "") matches "x")) and (not any(keys(record), # matches "^h")) and (all(keys(record),
    not (string(#) matches "^i") or not (string(get(record, #) ?? "") matches "j")))
`},
		{Name: "modify, conditions that can't be read", Old: `
[FILTER]
  Name modify
  Match *
  Condition Key_exists
  Condition Key_exists $a[0]
  Condition Key_value_matches a (?=b)
  Condition A_key_matches (
  Set x y
`, New: `
lost: [FILTER] modify condition: it is not a condition and a field
lost: [FILTER] modify condition: the field $a[0] can't be read
lost: [FILTER] modify: look-around, (?=…), (?!…), (?<=…), (?<!…), has no like: match what is around
    too, or use a second step
lost: [FILTER] modify: the expression has no like in RE2: error parsing regexp: missing closing ): '('
`},
		{Name: "modify, what has no effect here, and what is none", Old: `
[FILTER]
  Name modify
  Match *
  Move_to_start a
  Move_to_end b
  Juggle c
  Remove_regex a(?!b)
`, New: `
lost: [FILTER] modify: look-around, (?=…), (?!…), (?<=…), (?<!…), has no like: match what is around
    too, or use a second step
lost: [FILTER] modify juggle: the setting has no like that is known here
`},
		{Name: "modify, values of variables and with signs", Old: `
[FILTER]
  Name modify
  Match *
  Set cluster ${CLUSTER}
  Add text "50% of {all}"
`, New: `
modify: {set: {cluster: "${env:CLUSTER}"}, set_if_missing: {text: "50%% of {{all}}"}}
variable: CLUSTER
`},
		{Name: "record_modifier, several fields", Old: `
[FILTER]
  Name record_modifier
  Match *
  Record hostname ${HOSTNAME}
  Record product Awesome Tool
  Whitelist_key log
  Whitelist_key stream
`, New: `
modify: {keep: ["log", "stream"], set: {hostname: "${env:HOSTNAME}", product: "Awesome Tool"}}
variable: HOSTNAME
`},
		{Name: "nest without an operation", Old: `
[FILTER]
  Name nest
  Match *
  Wildcard a*
`, New: `
lost: [FILTER] nest: it has no Operation nest or lift
lost: [FILTER] nest wildcard: the setting has no like that is known here
`},
		{Name: "nest without names", Old: `
[FILTER]
  Name nest
  Match *
  Operation nest
  Nest_under x
`, New: `
lost: [FILTER] nest: it has no Wildcard and Nest_under
`},
		{Name: "lift without a name", Old: `
[FILTER]
  Name nest
  Match *
  Operation lift
`, New: `
lost: [FILTER] nest: it has no Nested_under
`},
	}, steps)
}
