package fluentd_test

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/converttest"
)

func TestParsers(t *testing.T) {
	converttest.Run(t, []converttest.Case{
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
    keep: true, reserve_time: true, prefix: "p_"}
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
parse: {field: "log", format: "regex", regex: "(?s)^(?<text>.*)$", time: {key: ""}, reserve_data: false,
    on_error: "dead_letter"}
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
modify: {rename: {a.log: "_text"}}
parse: {field: "_text", format: "regex", regex: '^(?<time>\S+) (?<m>.*)$', time: {format: "%Y"}} when
    record._text != nil
parse: {field: "_text", format: "json"} when record._text != nil
modify: {rename: {_text: "a.log"}}
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
	}, steps)
}
