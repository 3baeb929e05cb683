package fluentbit_test

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/converttest"
)

func TestFilters(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "grep", Old: `
[FILTER]
  Name grep
  Match *
  Regex $a['b'] ^x
  Exclude log ^(?!ok)
`, New: `
grep: {include: {a.b: "^x"}}
grep: {include: {log: "^(?:ok)"}} when record.log != nil
`},
		{Name: "grep, or", Old: `
[FILTER]
  Name grep
  Match *
  Logical_Op or
  Regex a x
  Regex b y
`, New: `
grep: {include_any: {a: "x", b: "y"}}
`},
		{Name: "modify", Old: `
[FILTER]
  Name modify
  Match *
  Set a "b c"
  Add d e
  Rename f g
  Hard_rename h i
  Copy j k
  Remove l
  Remove_wildcard m_
  Remove_regex ^n
`, New: `
modify: {set: {a: "b c"}, set_if_missing: {d: "e"}}
modify: {rename: {f: "g"}, remove: ["i"]}
modify: {rename: {h: "i"}, set_if_missing: {k: "{record.j}"}}
modify: {remove: ["l", "m_*"]}
expr: {set: {_kept: '"{" + join(map(filter(keys(record), not (string(#) matches "^n")), toJSON(string(#)) +
    ":" + toJSON(record[#])), ",") + "}"'}}
parse: {field: "_kept", format: "json", time: {key: ""}, reserve_data: false}
`},
		{Name: "modify, all but some", Old: `
[FILTER]
  Name modify
  Match *
  Remove_regex ^((?!a|b).)*$
`, New: `
expr: {set: {_kept: '"{" + join(map(filter(keys(record), string(#) matches "a|b"), toJSON(string(#)) + ":" +
    toJSON(record[#])), ",") + "}"'}}
parse: {field: "_kept", format: "json", time: {key: ""}, reserve_data: false}
`},
		{Name: "modify, conditions", Old: `
[FILTER]
  Name modify
  Match *
  Condition Key_exists a
  Condition Key_value_equals b c
  Condition A_key_matches ^d
  Condition Matching_keys_have_matching_values ^k v
  Set x y
`, New: `
modify: {set: {x: "y"}} when (record.a != nil) and (record.b != nil and string(record.b ?? "") == "c") and
    (any(keys(record), # matches "^d")) and (all(keys(record), not (string(#) matches "^k") or
    string(get(record, #) ?? "") matches "v"))
`},
		{Name: "modify, a condition that there is none of", Old: `
[FILTER]
  Name modify
  Match *
  Condition Moon full
  Set x y
`, New: `
lost: [FILTER] modify condition Moon: there is no like that is known here
`},
		{Name: "record_modifier", Old: `
[FILTER]
  Name record_modifier
  Match *
  Record host ${HOST}
  Record a "b c"
  Remove_key d
  Allowlist_key e
  Uuid_key u
`, New: `
modify: {remove: ["d"], keep: ["e"], set: {host: "${env:HOST}", a: "b c"}}
said: [FILTER] record_modifier uuid_key: left out: fields: {id: …} of an output adds an id that is stable
    over retries
variable: HOST
`},
		{Name: "nest", Old: `
[FILTER]
  Name nest
  Match *
  Operation nest
  Wildcard k_*
  Nest_under k
  Remove_prefix k_
`, New: `
modify: {move_under: {k: ["k_*"]}}
modify: {rename: {k.k_*: "k.*"}}
`},
		{Name: "nest with a prefix", Old: `
[FILTER]
  Name nest
  Match *
  Operation nest
  Wildcard a
  Wildcard b*
  Nest_under c
  Add_prefix c_
`, New: `
modify: {rename: {a: "c_a", b*: "c_b*"}}
modify: {move_under: {c: ["c_a", "c_b*"]}}
`},
		{Name: "lift", Old: `
[FILTER]
  Name nest
  Match *
  Operation lift
  Nested_under k
  Add_prefix a_
  Remove_prefix b_
`, New: `
modify: {rename: {k.b_*: "k.*"}}
expr: {set: {_lifted: "toJSON(record.k)", k: "nil"}} when record.k != nil
parse: {field: "_lifted", format: "json", time: {key: ""}, prefix: "a_"} when record._lifted != nil
`},
		{Name: "parser", Old: `
[PARSER]
  Name p
  Format regex
  Regex ^(?<time>\S+) (?<n>\d+)$
  Time_Key time
  Time_Format %Y
  Types n:integer
[FILTER]
  Name parser
  Match *
  Key_Name log
  Parser p
  Parser json
  Reserve_Data On
  Preserve_Key On
`, New: `
modify: {set: {_text: "{record.log}"}}
parse: {field: "_text", format: "regex", regex: '^(?<time>\S+) (?<n>\d+)$', time: {format: "%Y"}, types:
    ["n:integer"]} when record._text != nil
parse: {field: "_text", format: "json", time: {key: ""}} when record._text != nil
modify: {remove: ["_text"]}
`},
		{Name: "parser, what a field holds", Old: `
[PARSER]
  Name p
  Format json
  Decode_Field_As json inner
  Decode_Field json other
[FILTER]
  Name parser
  Match *
  Key_Name log
  Parser p
`, New: `
parse: {field: "log", format: "json", time: {key: ""}, reserve_data: false}
parse: {field: "inner", format: "json", time: {key: ""}, into: "inner"} when record.inner != nil
parse: {field: "other", format: "json", time: {key: ""}, keep: true} when record.other != nil
`},
		{Name: "parser that is not there", Old: `
[FILTER]
  Name parser
  Match *
  Key_Name log
  Parser nowhere
`, New: `
lost: [FILTER] parser parser nowhere: no [PARSER] of that name is in the files
`},
		{Name: "multiline", Old: `
[MULTILINE_PARSER]
  name m
  type regex
  rule "start_state" "/^\d/" "c"
  rule "c" "/^\s/" "c"
[FILTER]
  Name multiline
  Match *
  multiline.key_content log
  multiline.parser m, java
`, New: `
multiline: {field: "log", start: '^\d', continue: '^\s', key: "{tag}/{record.stream|}", max_wait: "2s"}
multiline: {field: "log", format: "java", key: "{tag}/{record.stream|}", max_wait: "2s"}
`},
		{Name: "multiline of cut lines", Old: `
[FILTER]
  Name multiline
  Match *
  multiline.key_content log
  mode partial_message
`, New: `
join: {}
`},
		{Name: "throttle", Old: `
[FILTER]
  Name throttle
  Match *
  Rate 100
  Window 10
  Interval 1m
`, New: `
throttle: {rate: 1.6666666666666667, interval: "5m", burst: 1000}
`},
		{Name: "type_converter", Old: `
[FILTER]
  Name type_converter
  Match *
  int_key a b string
  str_key c d int
`, New: `
expr: {set: {b: "string(record.a)"}} when record.a != nil
expr: {set: {d: "int(record.c)"}} when record.c != nil
`},
		{Name: "rewrite_tag", Old: `
[FILTER]
  Name rewrite_tag
  Match app.*
  Rule $a['b'] ^(x|y)$ new.$TAG[1].$1.$c true
  Rule $d z $TAG.z false
`, New: `
rule record.a?.b != nil and string(record.a?.b) matches "^(x|y)$"
expr: {set: {_tag: '"new." + split(tag, ".")[1] + "." + replacePattern(string(record.a?.b),
    "(?s)^.*?(?:^(x|y)$).*$", "$${1}") + "." + string(record.c ?? "")'}}
modify: {tag: "{record._tag}", remove: ["_tag"]}
rule record.d != nil and string(record.d) matches "z"
modify: {tag: "{tag}.z"}
`},
		{Name: "lua", Old: `
[FILTER]
  Name lua
  Match *
  script a.lua
`, New: `
lost: [FILTER] lua: there is no Lua
`},
		{Name: "log_to_metrics", Old: `
[FILTER]
  Name log_to_metrics
  Match *
`, New: `
lost: [FILTER] log_to_metrics: no metrics are made of events
`},
		{Name: "stdout", Old: `
[FILTER]
  Name stdout
  Match *
`, New: `
said: [FILTER] stdout: left out: aggregator try shows events, step by step
`},
	}, steps)
}
