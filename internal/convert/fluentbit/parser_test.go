package fluentbit_test

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/converttest"
)

func TestParsers(t *testing.T) {
	converttest.Run(t, []converttest.Case{
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
	}, steps)
}
