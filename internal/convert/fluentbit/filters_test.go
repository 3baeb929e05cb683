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
		{Name: "parsers of other forms", Old: `
[PARSER]
  Name a
  Format ltsv
  Time_Key time
  Time_Format %d/%b/%Y:%H:%M:%S %z
  Time_Keep On
  Time_Offset +0900
  Types status:integer size:int took:float ok:bool hex:hex none
[PARSER]
  Name b
  Format logfmt
[PARSER]
  Name c
  Format yaml
[PARSER]
  Name d
  Format regex
  Regex (?<a>x)(?!y)
[FILTER]
  Name parser
  Match *
  Key_Name log
  Parser a
  Parser b
  Parser c
  Parser d
`, New: `
parse: {field: "log", format: "ltsv", time: {format: "%d/%b/%Y:%H:%M:%S %z", keep: true, zone: "+09:00"},
    types: ["status:integer", "size:integer", "took:float", "ok:bool"], reserve_data: false}
parse: {field: "log", format: "logfmt", time: {key: ""}, reserve_data: false} when record.log != nil
lost: [PARSER] c: there is no format yaml
lost: [PARSER] d regex: look-around, (?=…), (?!…), (?<=…), (?<!…), has no like: match what is around
    too, or use a second step
`},
		{Name: "parsers that are always there", Old: `
[FILTER]
  Name parser
  Match *
  Key_Name $a['log']
  Parser docker
  Parser cri
  Parser nginx
  Parser syslog-rfc3164
  Reserve_Data On
`, New: `
parse: {field: "a.log", format: "json", time: {key: "time", format: "%Y-%m-%dT%H:%M:%S.%L", keep: true}}
parse: {field: "a.log", format: "cri", join: {enabled: false}} when record.a?.log != nil
parse: {field: "a.log", format: "nginx"} when record.a?.log != nil
parse: {field: "a.log", format: "syslog"} when record.a?.log != nil
`},
		{Name: "a parser that leaves its text", Old: `
[FILTER]
  Name parser
  Match *
  Key_Name log
  Parser json
  Parser apache
  Preserve_Key On
`, New: `
parse: {field: "log", format: "json", time: {key: ""}, keep: true, reserve_data: false}
parse: {field: "log", format: "apache2", keep: true, reserve_data: false} when record.log != nil
lost: [FILTER] parser parser: its text stays in the record, so that it may be read twice
`},
		{Name: "a parser of nothing", Old: `
[FILTER]
  Name parser
  Match *
`, New: `
lost: [FILTER] parser: it has no Key_Name that can be read
`},
		{Name: "a parser's field that is in a list", Old: `
[FILTER]
  Name parser
  Match *
  Key_Name $a[0]
  Parser json
`, New: `
lost: [FILTER] parser: it has no Key_Name that can be read
lost: [FILTER] parser parser: the setting has no like that is known here
`},
		{Name: "multiline of several languages", Old: `
[FILTER]
  Name multiline
  Match *
  multiline.parser go, java, python
  multiline.key_content message
  flush_ms 500
`, New: `
multiline: {field: "message", format: "all", key: "{tag}/{record.stream|}", max_wait: "500ms"}
`},
		{Name: "multiline of runtimes", Old: `
[FILTER]
  Name multiline
  Match *
  multiline.key_content message
  multiline.parser docker, cri
`, New: `
join: {field: "message"}
`},
		{Name: "multiline of several rules", Old: `
[MULTILINE_PARSER]
  name m
  type regex
  flush_timeout 1000
  rule "start_state" "/^Error \"x\"/" "a"
  rule "a" "/^  at/" "b"
  rule "b" "/^Caused/" "b"
[FILTER]
  Name multiline
  Match *
  multiline.key_content log
  multiline.parser m
`, New: `
multiline: {field: "log", start: '^Error "x"', continue: "(?:^  at)|(?:^Caused)", key:
    "{tag}/{record.stream|}", max_wait: "2s"}
`},
		{Name: "multiline whose rules can't be said", Old: `
[MULTILINE_PARSER]
  name two
  type regex
  rule "start_state" "/^a/" "c"
  rule "start_state" "/^b/" "c"
[MULTILINE_PARSER]
  name none
  type regex
  rule "c" "/^a/" "c"
[MULTILINE_PARSER]
  name short
  type regex
  rule "start_state" "/^a/"
[MULTILINE_PARSER]
  name look
  type regex
  rule "start_state" "/^(?=a)/" "c"
[FILTER]
  Name multiline
  Match *
  multiline.parser two, none, short, look, gone
`, New: `
lost: [MULTILINE_PARSER] two: it has several first lines
lost: [MULTILINE_PARSER] none: it has no start_state
lost: [MULTILINE_PARSER] short: a rule is not a state, an expression and the next state
lost: [MULTILINE_PARSER] look: look-around, (?=…), (?!…), (?<=…), (?<!…), has no like: match what is
    around too, or use a second step
lost: [FILTER] multiline multiline.parser: no [MULTILINE_PARSER] gone is in the files
`},
		{Name: "throttle by less than a second", Old: `
[FILTER]
  Name throttle
  Match *
  Rate 5
  Window 3
  Interval 500ms
`, New: `
throttle: {rate: 10, interval: "1s", burst: 15}
`},
		{Name: "throttle without a word", Old: `
[FILTER]
  Name throttle
  Match *
  Rate x
`, New: `
throttle: {rate: 1, interval: "5s", burst: 5}
lost: [FILTER] throttle rate: "x" is no number
`},
		{Name: "types that there are none of", Old: `
[FILTER]
  Name type_converter
  Match *
  int_key a b
  bool_key a b bool
  float_key a b float
`, New: `
expr: {set: {b: "float(record.a)"}} when record.a != nil
lost: [FILTER] type_converter int_key: it is not a field, a new field and a type
lost: [FILTER] type_converter bool_key: there is no type bool
`},
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
