package fluentd_test

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/converttest"
)

// TestFiltersOfUsers is what people write, and what has no like.
func TestFiltersOfUsers(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "grep, several groups that all have to take an event", Old: `
@type grep
<or>
  <regexp>
    key a
    pattern /x/
  </regexp>
  <regexp>
    key b
    pattern /y/
  </regexp>
</or>
<or>
  <regexp>
    key c
    pattern /z/
  </regexp>
</or>
<and>
  <regexp>
    key d
    pattern /^(?!debug)/
  </regexp>
</and>
<or>
  <exclude>
    key e
    pattern /^(?!w)/
  </exclude>
</or>
`, New: `
grep: {include_any: {a: "x", b: "y"}}
grep: {include_any: {c: "z"}}
grep: {exclude: {d: "^(?:debug)"}}
grep: {include: {e: "^(?:w)"}}
`},
		{Name: "grep, what can't be read", Old: `
@type grep
<regexp>
  key a
</regexp>
<regexp>
  key $.a[0]
  pattern x
</regexp>
<exclude>
  key b
  pattern "#{ENV['P']}"
</exclude>
regexp1 c
`, New: `
lost: <filter **> grep <regexp>: it has no key and pattern
lost: <filter **> grep: the field $.a[0] is within an array, or can't be read
lost: <filter **> grep: the expression depends on variables
lost: <filter **> grep regexp1: it is not a field and an expression
`},
		{Name: "grep, several expressions of a field", Old: `
@type grep
<exclude>
  key path
  pattern /^\/healthz/
</exclude>
<exclude>
  key path
  pattern /^\/readyz/
</exclude>
<exclude>
  key path
  pattern /^\/livez/i
</exclude>
`, New: `
grep: {exclude: {path: ["^/healthz", "^/readyz", "(?i)^/livez"]}}
`},
		{Name: "record_transformer, what people write", Old: `
@type record_transformer
enable_ruby true
<record>
  hostname ${hostname}
  tag ${tag}
  ns ${record.dig("kubernetes", "namespace_name") || "none"}
  app ${record["kubernetes"]["labels"]["app"]}
  level ${record["level"].upcase}
  time ${time.strftime('%Y-%m-%dT%H:%M:%S%z')}
  severity ${case record["level"] when "E" then "error" else "info" end}
  service ${tag_parts[1]}-${tag_suffix[2]}
  percent 100% {sure}
  cluster "#{ENV['CLUSTER']}"
  region "#{ENV['REGION'] || use_default}"
  list ["a","b"]
  secret "#{File.read('/run/secret').strip}"
  version "v-#{ENV['V'] || '1'}-${record['v']}"
</record>
remove_keys $.kubernetes.labels, docker
`, New: `
expr: {set: {ns: 'record.kubernetes?.namespace_name ?? "none"', level: 'upper(string(record.level ?? ""))',
    time: 'strftime(time, "%Y-%m-%dT%H:%M:%S%z")', severity: '(record.level == "E") ? "error" : "info"',
    service: 'string(get(split(tag, "."), 1) ?? "") + "-" + string(join(split(tag, ".")[2:], ".") ?? "")',
    list: '["a","b"]'}}
modify: {remove: ["kubernetes.labels", "docker"], set: {hostname: "${env:HOSTNAME}", tag: "{tag}", app:
    "{record.kubernetes.labels.app}", percent: "100%% {{sure}}", cluster: "${env:CLUSTER}", region:
    "${env:REGION:-}", secret: "${file:/run/secret}", version: "v-${env:V:-1}-{record.v}"}}
variable: CLUSTER
variable: HOSTNAME
variable: REGION
variable: V
`},
		{Name: "record_transformer, what it sets of what it changes", Old: `
@type record_transformer
enable_ruby true
<record>
  a ${record["a"].upcase}
  b ${record["a"]}
  c x
</record>
remove_keys c
`, New: `
modify: {set: {b: "{record.a}"}}
expr: {set: {a: 'upper(string(record.a ?? ""))'}}
modify: {set: {c: "x"}}
modify: {remove: ["c"]}
`},
		{Name: "record_transformer, a new record of some keys", Old: `
@type record_transformer
renew_record true
keep_keys message, $.kubernetes.pod_name
<record>
  a ${record["b"]}
</record>
`, New: `
modify: {keep: ["message", "kubernetes.pod_name", "a"], set: {a: "{record.b}"}}
`},
		{Name: "record_transformer, keys that can't be read", Old: `
@type record_transformer
remove_keys $.a[0], b
keep_keys c
`, New: `
modify: {remove: ["b"]}
lost: <filter **> record_transformer remove_keys: the field $.a[0] is within an array, or can't be read
`},
		{Name: "record_modifier, what it replaces and keeps", Old: `
@type record_modifier
char_encoding utf-8
prepare_value a
<record>
  a "#{1 + 1}"
  b ${record["c"]}
</record>
<replace>
  key $.a[0]
  expression /x/
  replace y
</replace>
<replace>
  key a
  expression /(?=x)/
  replace y
</replace>
remove_keys d
`, New: `
expr: {set: {a: "string(1 + 1)"}}
modify: {remove: ["d"], set: {b: "{record.c}"}}
lost: <filter **> record_modifier char_encoding: texts are UTF-8 here
lost: <filter **> record_modifier <replace>: the field $.a[0] can't be read
lost: <filter **> record_modifier expression: look-around, (?=…), (?!…), (?<=…), (?<!…), has no like:
    match what is around too, or use a second step
`},
		{Name: "parser of the time in a zone", Old: `
@type parser
key_name log
reserve_data true
reserve_time true
inject_key_prefix p_
<parse>
  @type regexp
  expression /^\[(?<t>[^\]]*)\] (?<message>.*)$/m
  time_key t
  time_format %d/%b/%Y:%H:%M:%S.%3N %:z
  timezone Asia/Seoul
  keep_time_key true
  types n:integer,f:float,s:string
</parse>
`, New: `
parse: {field: "log", format: "regex", regex: '(?s)^\[(?<t>[^\]]*)\] (?<message>.*)$', time: {key: "t",
    format: "%d/%b/%Y:%H:%M:%S.%N %z", zone: "Asia/Seoul", keep: true}, types: ["n:integer", "f:float"],
    keep: true, reserve_time: true, prefix: "p_", on_error: "dead_letter"}
`},
		{Name: "parser, formats by name", Old: `
@type parser
key_name log
<parse>
  @type apache2
</parse>
`, New: `
parse: {field: "log", format: "apache2", reserve_data: false, on_error: "dead_letter"}
`},
		{Name: "parser of lines of a runtime", Old: `
@type parser
key_name log
<parse>
  @type cri
  merge_cri_fields false
  <parse>
    @type none
  </parse>
</parse>
`, New: `
parse: {field: "log", format: "cri", join: {enabled: false}, reserve_data: false, on_error: "dead_letter"}
`},
		{Name: "parser of syslog", Old: `
@type parser
key_name log
<parse>
  @type syslog
  message_format rfc5424
  with_priority true
</parse>
`, New: `
parse: {field: "log", format: "syslog", syslog: {protocol: "rfc5424"}, reserve_data: false, on_error:
    "dead_letter"}
`},
		{Name: "parser of ltsv and tsv", Old: `
@type parser
key_name log
<parse>
  @type ltsv
  delimiter_pattern /\s+/
  label_delimiter =
</parse>
`, New: `
parse: {field: "log", format: "ltsv", ltsv: {delimiter_pattern: '\s+', label_delimiter: "="}, reserve_data:
    false, on_error: "dead_letter"}
`},
		{Name: "parser of tsv", Old: `
@type parser
key_name log
<parse>
  @type tsv
  keys a,b
  types {"a":"integer"}
</parse>
`, New: `
parse: {field: "log", format: "csv", csv: {columns: ["a", "b"], delimiter: "\t"}, types: ["a:integer"],
    reserve_data: false, on_error: "dead_letter"}
`},
		{Name: "parser of texts", Old: `
@type parser
key_name log
<parse>
  @type none
  message_key text
</parse>
`, New: `
parse: {field: "log", format: "text", reserve_data: false, on_error: "dead_letter"}
lost: <filter **> parser <parse> message_key: what format text reads is always named message
`},
		{Name: "parser of pairs", Old: `
@type parser
key_name log
<parse>
  @type kv
</parse>
`, New: `
parse: {field: "log", format: "logfmt", reserve_data: false, on_error: "dead_letter"}
`},
		{Name: "parser, as old versions have it", Old: `
@type parser
key_name log
format /^(?<a>.)$/
time_format %s
suppress_parse_error_log true
`, New: `
parse: {field: "log", format: "regex", regex: "^(?<a>.)$", time: {format: "%s"}, reserve_data: false,
    on_error: "dead_letter"}
`},
		{Name: "parser whose expression has no like", Old: `
@type parser
key_name log
<parse>
  @type regexp
  expression /(?<a>x)(?!y)/
</parse>
`, New: `
lost: <filter **> parser <parse> expression: look-around, (?=…), (?!…), (?<=…), (?<!…), has no like:
    match what is around too, or use a second step
`},
		{Name: "parser without anything", Old: `
@type parser
key_name log
`, New: `
lost: <filter **> parser: it has no <parse>
`},
		{Name: "parser of nothing", Old: `
@type parser
<parse>
  @type json
</parse>
`, New: `
lost: <filter **> parser: it has no key_name that can be read
lost: <filter **> parser <parse>: the section has no like that is known here
`},
		{Name: "parser, several times", Old: `
@type parser
key_name log
<parse>
  @type json
</parse>
<parse>
  @type nginx
</parse>
`, New: `
parse: {field: "log", format: "nginx", reserve_data: false, on_error: "dead_letter"}
lost: <filter **> parser: only the last of its <parse> counts
`},
		{Name: "parser, several formats of which one can't be said", Old: `
@type parser
key_name $.a.log
remove_key_name_field true
reserve_data true
emit_invalid_record_to_error false
<parse>
  @type multi_format
  <pattern>
    format msgpack
  </pattern>
  <pattern>
    format /^(?<time>\S+) (?<m>.*)$/
    time_format %Y
  </pattern>
  <pattern>
    format json
  </pattern>
</parse>
`, New: `
parse: {field: "a.log", format: "regex", regex: '^(?<time>\S+) (?<m>.*)$', time: {format: "%Y"}} when
    record.a?.log != nil
parse: {field: "a.log", format: "json"} when record.a?.log != nil
lost: <filter **> parser <parse>: there is no format msgpack
`},
		{Name: "concat of lines up to an end", Old: `
@type concat
key message
multiline_start_regexp /^\[/
continuous_line_regexp /^\s/
multiline_end_regexp /\]$/
separator "\n"
timeout_label @X
use_first_timestamp true
`, New: `
multiline: {field: "message", start: '^\[', continue: '^\s', end: '\]$', key: "{tag}", max_wait: "60s"}
`},
		{Name: "concat of a runtime's lines", Old: `
@type concat
key log
use_partial_cri_logtag true
partial_cri_logtag_key logtag
partial_cri_stream_key stream
flush_interval 3
separator " "
`, New: `
join: {max_wait: "3s"}
said: <filter **> concat separator: the parts of a line are put together without one here
`},
		{Name: "concat by a key that says so", Old: `
@type concat
key log
partial_key partial
partial_value true
`, New: `
join: {}
`},
		{Name: "concat without a word, and without a key", Old: `
@type concat
key log
`, New: `
lost: <filter **> concat: nothing says which lines belong together
`},
		{Name: "concat of nothing", Old: `
@type concat
multiline_start_regexp /a/
`, New: `
lost: <filter **> concat: it has no key
lost: <filter **> concat multiline_start_regexp: the setting has no like that is known here
`},
		{Name: "concat whose expression has no like", Old: `
@type concat
key log
multiline_start_regexp /^(?=a)/
`, New: `
lost: <filter **> concat multiline_start_regexp: look-around, (?=…), (?!…), (?<=…), (?<!…), has no
    like: match what is around too, or use a second step
`},
		{Name: "detect_exceptions of one language", Old: `
@type detect_exceptions
languages csharp
message $.a.b
stream logtag
`, New: `
multiline: {field: "a.b", format: "dotnet", key: "{tag}/{record.logtag}"}
`},
		{Name: "detect_exceptions of a language that there is none of", Old: `
@type detect_exceptions
languages cobol
max_bytes 0
`, New: `
multiline: {field: "log", format: "all", key: "{tag}"}
`},
		{Name: "dedot at the top alone", Old: `
@type dedot
de_dot true
`, New: `
dedot: {separator: "_", nested: false}
`},
		{Name: "flatten_hash as it is", Old: `
@type flatten_hash
flatten_array false
`, New: `
modify: {flatten: {separator: "."}}
`},
		{Name: "throttle of all", Old: `
@type throttle
`, New: `
throttle: {rate: 100, interval: "60s", burst: 6000}
`},
		{Name: "throttle that is none", Old: `
@type throttle
group_bucket_limit 0
`, New: `
lost: <filter **> throttle: its limit is no number of events in a time
`},
		{Name: "throttle by several keys", Old: `
@type throttle
group_key kubernetes.namespace_name,$.app
group_bucket_period_s 60
group_bucket_limit 30
group_reset_rate_s 50
`, New: `
throttle: {rate: 0.5, interval: "60s", burst: 30, key: "{record.kubernetes.namespace_name}/{record.app}"}
`},
		{Name: "what the aggregator does by itself", Old: `
@type elasticsearch_genid
hash_id_key _hash
`, New: `
said: <filter **> elasticsearch_genid: left out: every event has an id that is stable over retries: id: auto
    of the output
`},
		{Name: "what has no like", Old: `
@type geoip
`, New: `
lost: <filter **> geoip: it needs a database and a library of its own
`},
		{Name: "what nobody knows", Old: `
@type unheard_of
`, New: `
lost: <filter **> unheard_of: there is no step for it
`},
		{Name: "a setting that there is none of", Old: `
@type grep
speed 11
`, New: `
lost: <filter **> grep speed: the setting has no like that is known here
`},
	}, steps)
}
