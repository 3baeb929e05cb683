package convert_test

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/converttest"
)

func TestWholeRecords(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "lines of containers, with JSON in them", Old: `
<source>
  @type forward
  bind 127.0.0.1
</source>
<filter **>
  @type parser
  key_name log
  reserve_data true
  remove_key_name_field true
  emit_invalid_record_to_error false
  <parse>
    @type multi_format
    <pattern>
      format json
      time_key time
      time_format %Y-%m-%dT%H:%M:%S%z
    </pattern>
    <pattern>
      format /^(?<level>[A-Z]+) (?<message>.*)$/
    </pattern>
    <pattern>
      format none
    </pattern>
  </parse>
</filter>
<match **>
  @type stdout
</match>
--- app
{"log":"{\"time\":\"2026-02-03T04:05:06+0000\",\"message\":\"hello\"}","stream":"stdout"}
{"log":"WARN disk full","stream":"stderr"}
{"log":"plain","stream":"stdout"}
`, New: `
listeners:
  # old.conf:1 <source> forward
  - name: forward
    address: 127.0.0.1:24224

# The queue on disk of all outputs, in place of their buffers.
buffer:
  path: data

filters:
  common:
    # old.conf:5 <filter **> parser
    - modify: {rename: {log: _text}}
    - parse: {field: _text, format: json, time: {format: '%Y-%m-%dT%H:%M:%S%z'}}
      when: record._text != nil
    - parse: {field: _text, format: regex, regex: '^(?<level>[A-Z]+) (?<message>.*)$'}
      when: record._text != nil
    - parse: {field: _text, format: text}
      when: record._text != nil

routes:
  # old.conf:26 <match **> stdout
  - match: '**'
    filters: [common]
    outputs: [stdout]

outputs:
  # old.conf:26 <match **> stdout
  stdout: {type: stdout}
--- app
stdout (standard output): {"stream":"stdout","message":"hello","@timestamp":"2026-02-03T04:05:06Z"}
failed: parse: not a JSON object
stdout (standard output): {"stream":"stderr","level":"WARN","message":"disk
    full","@timestamp":"2026-01-01T00:00:00Z"}
failed: parse: not a JSON object
failed: parse: the regular expression does not match
stdout (standard output): {"stream":"stdout","message":"plain","@timestamp":"2026-01-01T00:00:00Z"}
`},
		{Name: "several lines are one event", Old: `
<source>
  @type forward
  bind 127.0.0.1
</source>
<filter **>
  @type concat
  key log
  multiline_start_regexp /^\d{4}-/
  flush_interval 5
  separator ""
</filter>
<match **>
  @type stdout
</match>
--- app
{"log":"2026-01-01 error\n"}
{"log":"  at a\n"}
{"log":"2026-01-01 next\n"}
`, New: `
listeners:
  # old.conf:1 <source> forward
  - name: forward
    address: 127.0.0.1:24224

# The queue on disk of all outputs, in place of their buffers.
buffer:
  path: data

filters:
  common:
    # old.conf:5 <filter **> concat
    - multiline: {field: log, start: '^\d{4}-', key: '{tag}', max_wait: 5s, separator: ""}

routes:
  # old.conf:12 <match **> stdout
  - match: '**'
    filters: [common]
    outputs: [stdout]

outputs:
  # old.conf:12 <match **> stdout
  stdout: {type: stdout}
--- app
stdout (standard output): {"log":"2026-01-01 error  at a\n","@timestamp":"2026-01-01T00:00:00Z"}
joined
stdout (standard output): {"log":"2026-01-01 next\n","@timestamp":"2026-01-01T00:00:00Z"}
`},
		{Name: "what Ruby makes of a record", Old: `
<source>
  @type forward
  bind 127.0.0.1
</source>
<filter **>
  @type record_transformer
  enable_ruby true
  renew_record true
  keep_keys message
  <record>
    service ${tag_parts[1]}
    slow ${record["took"].to_f > 1.0 ? "yes" : "no"}
    trace ${record.dig("headers", "x-trace") || "none"}
    day ${time.strftime("%Y.%m.%d")}
  </record>
</filter>
<match **>
  @type stdout
</match>
--- app.shop
{"message":"x","took":"1.5","headers":{"x-trace":"a"},"secret":"s"}
{"message":"x"}
`, New: `
listeners:
  # old.conf:1 <source> forward
  - name: forward
    address: 127.0.0.1:24224

# The queue on disk of all outputs, in place of their buffers.
buffer:
  path: data

filters:
  common:
    # old.conf:5 <filter **> record_transformer
    - expr:
        set:
          slow: '(float(record.took ?? 0) > 1.0) ? "yes" : "no"'
          trace: 'record.headers?.["x-trace"] ?? "none"'
          day: 'strftime(time, "%Y.%m.%d")'
    - modify:
        keep: [message, service, slow, trace, day]
        set: {service: '{tag[1]}'}

routes:
  # old.conf:17 <match **> stdout
  - match: '**'
    filters: [common]
    outputs: [stdout]

outputs:
  # old.conf:17 <match **> stdout
  stdout: {type: stdout}
--- app.shop
stdout (standard output):
    {"message":"x","day":"2026.01.01","slow":"yes","trace":"a","service":"shop","@timestamp":"2026-01-01T00:00:00Z"}
stdout (standard output):
    {"message":"x","day":"2026.01.01","slow":"no","trace":"none","service":"shop","@timestamp":"2026-01-01T00:00:00Z"}
`},
		{Name: "a list of which nothing is dropped twice", Old: `
<source>
  @type forward
  bind 127.0.0.1
</source>
<filter **>
  @type grep
  <or>
    <regexp>
      key level
      pattern /error/
    </regexp>
    <regexp>
      key status
      pattern /^5/
    </regexp>
  </or>
  <or>
    <regexp>
      key env
      pattern /prod/
    </regexp>
    <regexp>
      key env
      pattern /stage/
    </regexp>
  </or>
</filter>
<match **>
  @type stdout
</match>
--- app
{"level":"error","env":"prod"}
{"level":"error","env":"dev"}
{"status":"503","env":"stage"}
{"status":"200","env":"prod"}
`, New: `
listeners:
  # old.conf:1 <source> forward
  - name: forward
    address: 127.0.0.1:24224

# The queue on disk of all outputs, in place of their buffers.
buffer:
  path: data

filters:
  common:
    # old.conf:5 <filter **> grep
    - grep: {include_any: {level: error, status: ^5}}
    - grep: {include_any: {env: [prod, stage]}}

routes:
  # old.conf:28 <match **> stdout
  - match: '**'
    filters: [common]
    outputs: [stdout]

outputs:
  # old.conf:28 <match **> stdout
  stdout: {type: stdout}
--- app
stdout (standard output): {"level":"error","env":"prod","@timestamp":"2026-01-01T00:00:00Z"}
dropped common[1] grep
stdout (standard output): {"status":"503","env":"stage","@timestamp":"2026-01-01T00:00:00Z"}
dropped common[0] grep
`},
	}, whole)
}
