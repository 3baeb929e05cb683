package fluentd_test

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/converttest"
)

func TestFilters(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "grep", Old: `
@type grep
regexp1 level ^error$
exclude1 path /^\/healthz/i
<exclude>
  key $.a.b
  pattern /x/
</exclude>
`, New: `
grep: {include: {level: "^error$"}, exclude: {a.b: "x", path: "(?i)^/healthz"}}
`},
		{Name: "grep, and, or", Old: `
@type grep
<and>
  <exclude>
    key a
    pattern x
  </exclude>
  <exclude>
    key b
    pattern y
  </exclude>
</and>
<or>
  <regexp>
    key c
    pattern z
  </regexp>
</or>
`, New: `
grep: {exclude_all: {a: "x", b: "y"}}
grep: {include_any: {c: "z"}}
`},
		{Name: "grep with look-ahead", Old: `
@type grep
<regexp>
  key a
  pattern /^((?!debug).)*$/
</regexp>
<exclude>
  key b
  pattern /a(?=b)/
</exclude>
`, New: `
grep: {exclude: {a: "debug"}}
lost: <filter **> grep b: look-around, (?=…), (?!…), (?<=…), (?<!…), has no like: match what is
    around too, or use a second step
`},
		{Name: "record_transformer", Old: `
@type record_transformer
enable_ruby
<record>
  plain text
  copy ${record["a"]["b"]}
  mixed ${tag}-${record["a"]}
  expr ${record["n"].to_i + 1}
  host "#{Socket.gethostname}"
  env "#{ENV['E'] || 'none'}"
  json {"a":1}
</record>
remove_keys x, plain
`, New: `
expr: {set: {expr: "int(record.n ?? 0) + 1", json: '{"a":1}'}}
modify: {remove: ["x"], set: {plain: "text", copy: "{record.a.b}", mixed: "{tag}-{record.a}", host:
    "${env:HOSTNAME}", env: "${env:E:-none}"}}
modify: {remove: ["plain"]}
variable: HOSTNAME
variable: E
`},
		{Name: "record_transformer, all texts", Old: `
@type record_transformer
enable_ruby
auto_typecast false
<record>
  n ${record["n"]}
</record>
`, New: `
expr: {set: {n: 'string(record.n ?? "")'}}
`},
		{Name: "record_transformer, renewed", Old: `
@type record_transformer
renew_record true
renew_time_key t
keep_keys a
<record>
  b c
</record>
`, New: `
modify: {keep: ["a", "b"], set: {b: "c"}}
parse: {field: "t", format: "regex", regex: "^(?<time>.+)$", time: {format: "unix"}, keep: true}
`},
		{Name: "record_transformer, Ruby that is not known", Old: `
@type record_transformer
enable_ruby
<record>
  a ${SecureRandom.uuid}
</record>
`, New: `
lost: <filter **> record_transformer a: SecureRandom has no like that is known here
`},
		{Name: "record_modifier", Old: `
@type record_modifier
<record>
  a ${tag_parts[1]}
</record>
<replace>
  key m
  expression /\d+/
  replace N
</replace>
whitelist_keys x,y
`, New: `
modify: {keep: ["x", "y", "a"], set: {a: "{tag[1]}"}}
expr: {set: {m: 'replacePattern(string(record.m), "\\d+", "N")'}} when record.m != nil
`},
		{Name: "parser", Old: `
@type parser
key_name log
reserve_data true
<parse>
  @type json
  time_key ts
  time_type unixtime
</parse>
`, New: `
parse: {field: "log", format: "json", time: {key: "ts", format: "unix"}, keep: true}
`},
		{Name: "parser, an expression", Old: `
@type parser
key_name $.a.b
reserve_data true
remove_key_name_field true
emit_invalid_record_to_error false
<parse>
  @type regexp
  expression /^(?<time>\S+) (?<n>\d+)$/
  time_format %Y-%m-%dT%H:%M:%S.%NZ
  types n:integer
</parse>
`, New: `
parse: {field: "a.b", format: "regex", regex: '^(?<time>\S+) (?<n>\d+)$', time: {format:
    "%Y-%m-%dT%H:%M:%S.%NZ"}, types: ["n:integer"]}
`},
		{Name: "parser, several formats", Old: `
@type parser
key_name log
reserve_data true
<parse>
  @type multi_format
  <pattern>
    format json
  </pattern>
  <pattern>
    format nginx
  </pattern>
  <pattern>
    format none
  </pattern>
</parse>
`, New: `
modify: {set: {_text: "{record.log}"}}
parse: {field: "_text", format: "json"} when record._text != nil
parse: {field: "_text", format: "nginx"} when record._text != nil
parse: {field: "_text", format: "text"} when record._text != nil
`},
		{Name: "parser, a format that there is none of", Old: `
@type parser
key_name log
<parse>
  @type msgpack
</parse>
`, New: `
lost: <filter **> parser <parse>: there is no format msgpack
`},
		{Name: "parser, csv into a map", Old: `
@type parser
key_name log
hash_value_field h
<parse>
  @type csv
  keys a,b
  delimiter ;
</parse>
`, New: `
parse: {field: "log", format: "csv", csv: {columns: ["a", "b"], delimiter: ";"}, reserve_data: false, into:
    "h", on_error: "dead_letter"}
`},
		{Name: "concat", Old: `
@type concat
key log
multiline_start_regexp /^\d/
stream_identity_key id
flush_interval 3
separator ""
`, New: `
multiline: {field: "log", start: '^\d', key: "{tag}/{record.id}", max_wait: "3s", separator: ""}
`},
		{Name: "concat of cut lines", Old: `
@type concat
key message
use_partial_metadata true
`, New: `
join: {field: "message"}
`},
		{Name: "concat by number", Old: `
@type concat
key log
n_lines 3
`, New: `
lost: <filter **> concat n_lines: lines are not joined by their number here
`},
		{Name: "detect_exceptions", Old: `
@type detect_exceptions
message msg
languages java, python
multiline_flush_interval 0.5
max_lines 100
`, New: `
multiline: {field: "msg", format: "all", key: "{tag}", max_wait: "500ms", max_lines: 100}
`},
		{Name: "dedot", Old: `
@type dedot
de_dot_separator -
de_dot_nested true
`, New: `
dedot: {separator: "-"}
`},
		{Name: "flatten_hash", Old: `
@type flatten_hash
separator _
`, New: `
modify: {flatten: {separator: "_"}}
said: <filter **> flatten_hash: arrays stay as they are here
`},
		{Name: "throttle", Old: `
@type throttle
group_key kubernetes.pod
group_bucket_period_s 10
group_bucket_limit 100
`, New: `
throttle: {rate: 10, interval: "10s", burst: 100, key: "{record.kubernetes.pod}"}
`},
		{Name: "rename_key", Old: `
@type rename_key
rename_rule1 ^a$ b
rename_rule2 ^x(.+) y
`, New: `
modify: {rename: {a: "b"}}
lost: <filter **> rename_key rename_rule2: fields are renamed by their names here, not by expressions
`},
		{Name: "what an agent does", Old: `
@type kubernetes_metadata
`, New: `
lost: <filter **> kubernetes_metadata: it asks the Kubernetes API about pods
`},
		{Name: "what is counted anyway", Old: `
@type prometheus
`, New: `
said: <filter **> prometheus: left out: the aggregator counts events by itself: /metrics
`},
	}, steps)
}
