package convert_test

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/converttest"
)

// TestWholeValues is what becomes of values that plugins read, and of those that they can't.
func TestWholeValues(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "texts that a parser can't read", Old: `
<source>
  @type forward
  bind 127.0.0.1
</source>
<filter app.**>
  @type parser
  key_name log
  reserve_data true
  hash_value_field parsed
  <parse>
    @type json
  </parse>
</filter>
<filter raw.**>
  @type parser
  key_name log
  emit_invalid_record_to_error false
  <parse>
    @type multi_format
    <pattern>
      format json
    </pattern>
    <pattern>
      format regexp
      expression /^(?<level>[A-Z]+) (?<log>.*)$/
    </pattern>
  </parse>
</filter>
<match **>
  @type stdout
</match>
<label @ERROR>
  <match **>
    @type null
  </match>
</label>
--- app
{"log":"{\"a\":1}","b":2}
{"log":"plain","b":2}
{"b":2}
--- raw
{"log":"{\"log\":\"WARN x\"}","b":2}
{"log":"WARN disk","b":2}
{"log":"plain","b":2}
{"b":2}
`, New: `
listeners:
  # old.conf:1 <source> forward
  - name: forward
    address: 127.0.0.1:24224

# The queue on disk of all outputs, in place of their buffers.
buffer:
  path: data

filters:
  app:
    # old.conf:5 <filter app.**> parser
    - parse: {field: log, format: json, keep: true, into: parsed}
      when: 'tag matches "^app(?:\\..*)?$"'
    - expr: {set: {parsed: '{}'}}
      when: '(tag matches "^app(?:\\..*)?$") and (record.parsed == nil)'
    # old.conf:14 <filter raw.**> parser
    - parse: {field: log, format: text, on_error: dead_letter}
      when: '(tag matches "^raw(?:\\..*)?$") and (record.log == nil)'
    - modify: {rename: {log: _text}}
      when: 'tag matches "^raw(?:\\..*)?$"'
    - parse: {field: _text, format: json, reserve_data: false}
      when: '(tag matches "^raw(?:\\..*)?$") and (record._text != nil)'
    - parse:
        field: _text
        format: regex
        regex: ^(?<level>[A-Z]+) (?<log>.*)$
        reserve_data: false
        on_error: dead_letter
      when: '(tag matches "^raw(?:\\..*)?$") and (record._text != nil)'
    - modify: {rename: {_text: log}}
      when: 'tag matches "^raw(?:\\..*)?$"'

routes:
  # old.conf:29 <match **> stdout
  - match: '**'
    filters: [app]
    outputs: [stdout]

outputs:
  # old.conf:29 <match **> stdout
  stdout: {type: stdout}
--- app
stdout (standard output): {"log":"{\"a\":1}","b":2,"parsed":{"a":1},"@timestamp":"2026-01-01T00:00:00Z"}
failed: parse: not a JSON object
stdout (standard output): {"log":"plain","b":2,"parsed":{},"@timestamp":"2026-01-01T00:00:00Z"}
failed: parse: the record does not have the field
stdout (standard output): {"b":2,"parsed":{},"@timestamp":"2026-01-01T00:00:00Z"}
--- raw
stdout (standard output): {"log":"WARN x","@timestamp":"2026-01-01T00:00:00Z"}
failed: parse: not a JSON object
stdout (standard output): {"level":"WARN","log":"disk","@timestamp":"2026-01-01T00:00:00Z"}
failed: parse: not a JSON object
failed: parse: the regular expression does not match
dead_letter filter: parse: field _text: the regular expression does not match
failed: parse: the record does not have the field
dead_letter filter: parse: field log: the record does not have the field
said: <filter app.**> parser: what does not parse goes on as it came, as there, without a copy for <label
    @ERROR>
said: <label @ERROR>: events that can't be read or are refused are dead letters here, with the reason:
    docs/dead-letters.md
`},
		{Name: "the time that an event says", Old: `
<source>
  @type forward
  bind 127.0.0.1
</source>
<match app.**>
  @type elasticsearch
  host es
  logstash_format true
  time_key at
</match>
<match **>
  @type elasticsearch
  hosts https://one.example:9200,two.example
  index_name plain-%Y.%m.%d
  time_key at
</match>
--- app
{"@timestamp":"2025-05-06T07:08:09.123+09:00","at":"2024-01-01T00:00:00Z"}
{"at":"2024-01-01T00:00:00Z"}
{"@timestamp":"long ago"}
{"m":1}
--- other
{"at":"2024-01-01T00:00:00Z"}
`, New: `
listeners:
  # old.conf:1 <source> forward
  - name: forward
    address: 127.0.0.1:24224

# The queue on disk of all outputs, in place of their buffers.
buffer:
  path: data

filters:
  for-elasticsearch:
    # old.conf:5 <match app.**> elasticsearch
    # An event that says its own @timestamp keeps it.
    - parse:
        field: '["@timestamp"]'
        format: regex
        regex: '^(?<time>\d{4}-\d\d-\d\dT.+)$'
        keep: true
      when: 'record["@timestamp"] != nil'
    # time_key: the time that the index and @timestamp have
    - parse: {field: at, format: regex, regex: '^(?<time>.+)$', keep: true}
      when: 'record["@timestamp"] == nil'

routes:
  # old.conf:5 <match app.**> elasticsearch
  - match: app.**
    filters: [for-elasticsearch]
    outputs: [elasticsearch]
  # old.conf:11 <match **> elasticsearch
  - match: '**'
    outputs: [elasticsearch-2]

outputs:
  # old.conf:5 <match app.**> elasticsearch
  elasticsearch:
    type: elasticsearch
    hosts: ['http://es:9200']
    index: logstash-%Y.%m.%d
    fields: {time: '@timestamp', tag: "", cluster: ""}
    template: {manage: false}
  # old.conf:11 <match **> elasticsearch
  elasticsearch-2:
    type: elasticsearch
    hosts: ['https://one.example:9200', 'https://two.example:9200']
    index: plain-%Y.%m.%d
    fields: {time: "", tag: "", cluster: ""}
    template: {manage: false}
--- app
elasticsearch (index logstash-2025.05.05):
    {"at":"2024-01-01T00:00:00Z","@timestamp":"2025-05-05T22:08:09.123Z"}
elasticsearch (index logstash-2024.01.01): {"at":"2024-01-01T00:00:00Z","@timestamp":"2024-01-01T00:00:00Z"}
failed: parse: the regular expression does not match
elasticsearch (index logstash-2026.01.01): {"@timestamp":"2026-01-01T00:00:00Z"}
failed: parse: the record does not have the field
elasticsearch (index logstash-2026.01.01): {"m":1,"@timestamp":"2026-01-01T00:00:00Z"}
--- other
elasticsearch-2 (index plain-2026.01.01): {"at":"2024-01-01T00:00:00Z"}
lost: <match **> elasticsearch hosts: some hosts are https and others http: two.example:9200 is taken for
    https too
`},
		{Name: "a port that is none, and what an article leaves to its readers", Old: `
[INPUT]
  Name forward
  Listen 127.0.0.1
  Port here
[OUTPUT]
  Name s3
  Match *
  bucket <your-bucket>
  region <your_region>
`, New: `
listeners:
  # old.conf:1 [INPUT] forward
  - name: forward
    address: 127.0.0.1:24224

# The queue on disk of all outputs, in place of their buffers.
buffer:
  path: data

routes:
  # old.conf:5 [OUTPUT] s3
  - match: '**'
    outputs: [s3]

outputs:
  # old.conf:5 [OUTPUT] s3
  s3:
    type: s3
    region: ${env:AWS_REGION}
    bucket: your-bucket
    key: fluent-bit-logs/{tag}/%Y/%m/%d/%H/
    compression: none
    rotate: {max_age: 10m}
    fields: {time: date, tag: "", cluster: ""}
lost: [INPUT] forward port: "here" is no port
lost: [OUTPUT] s3 bucket: <your-bucket> stands for a value of yours
lost: [OUTPUT] s3 region: <your_region> stands for a value of yours
lost: [OUTPUT] s3 region: your_region is no region
variable: AWS_REGION
`},
		{Name: "times in zones", Old: `
<source>
  @type forward
  bind 127.0.0.1
</source>
<filter **>
  @type record_transformer
  enable_ruby true
  <record>
    seoul ${time.localtime("+09:00").strftime("%F %T.%L %z")}
    utc ${time.utc.iso8601(6)}
  </record>
</filter>
<match **>
  @type file
  path /var/log/x
  <inject>
    time_key at
    time_format %Y-%m-%d %H:%M:%S %z
    timezone +0530
    tag_key from
  </inject>
</match>
--- app
{"m":1}
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
          seoul: 'strftime(time, "%F %T.%L %z", "Etc/GMT-9")'
          utc: 'strftime(time, "%Y-%m-%dT%H:%M:%S.") + strftime(time, "%N")[:6] + strftime(time, "Z")'
    # old.conf:13 <match **> file
    - expr: {set: {at: 'strftime(time, "%Y-%m-%d %H:%M:%S %z", "Asia/Kolkata")'}}

routes:
  # old.conf:13 <match **> file
  - match: '**'
    filters: [common]
    outputs: [file]

outputs:
  # old.conf:13 <match **> file
  file: {type: file, path: /var/log/x.%Y%m%d.log, fields: {tag: from}}
--- app
file (file /var/log/x.20260101.log): {"m":1,"seoul":"2026-01-01 09:00:00.000
    +0900","utc":"2026-01-01T00:00:00.000000Z","at":"2026-01-01 05:30:00
    +0530","@timestamp":"2026-01-01T00:00:00Z","from":"app","cluster":"default"}
said: <match **> file: a line is one JSON object with the time and the tag in it, not the time, the tag and
    JSON with tabs between
`},
		{Name: "fields of Fluent Bit's that filters remove, with a condition", Old: `
[INPUT]
  Name forward
  Listen 127.0.0.1
[FILTER]
  Name modify
  Match app
  Condition Key_Value_Equals level warn
  Remove_wildcard _
  Remove_regex ^when
  Set level warning
[OUTPUT]
  Name kinesis_streams
  Match *
  region eu-west-1
  stream s
  data_keys level
--- app
{"level":"warn","_a":1,"when":2,"log":"x","other":3}
{"level":"info","_a":1,"when":2,"log":"x"}
`, New: `
listeners:
  # old.conf:1 [INPUT] forward
  - name: forward
    address: 127.0.0.1:24224

# The queue on disk of all outputs, in place of their buffers.
buffer:
  path: data

filters:
  app:
    # old.conf:4 [FILTER] modify
    - expr: {set: {~when: 'record.level != nil and string(record.level ?? "") == "warn"'}}
      when: 'tag matches "^app$"'
    - modify: {remove: [_*]}
      when: '(tag matches "^app$") and (record["~when"] == true)'
    - expr:
        set:
          _kept: '"{" + join(map(filter(keys(record), not (string(#) matches "^when")), toJSON(string(#)) +
    ":" + toJSON(record[#])), ",") + "}"'
      when: '(tag matches "^app$") and (record["~when"] == true)'
    - parse: {field: _kept, format: json, time: {key: ""}, reserve_data: false}
      when: '(tag matches "^app$") and (record["~when"] == true)'
    - modify: {set: {level: warning}}
      when: '(tag matches "^app$") and (record["~when"] == true)'
    - modify: {remove: [~when]}
      when: 'tag matches "^app$"'
    # old.conf:11 [OUTPUT] kinesis_streams
    - modify: {keep: [level]}

routes:
  # old.conf:11 [OUTPUT] kinesis_streams
  - match: '**'
    filters: [app]
    outputs: [kinesis_streams]

outputs:
  # old.conf:11 [OUTPUT] kinesis_streams
  kinesis_streams:
    type: kinesis
    region: eu-west-1
    fields: {time: "", tag: "", cluster: ""}
    stream: s
    partition_key: random
--- app
kinesis_streams (stream s): {"level":"warning"}
kinesis_streams (stream s): {"level":"info"}
`},
	}, whole)
}
