package convert_test

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/converttest"
)

func TestWholeFluentBitOutputs(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "Fluent Bit: a tag that is written anew goes through all filters again", Old: `
[INPUT]
    Name    forward
    Listen  127.0.0.1
[FILTER]
    Name    rewrite_tag
    Match   kube.*
    Rule    $level ^(error|fatal)$ alert.$1.$TAG[1] false
[FILTER]
    Name    modify
    Match   alert.*
    Set     page on
[OUTPUT]
    Name    stdout
    Match   kube.*
[OUTPUT]
    Name    http
    Match   alert.*
    Host    pager
    Format  json_lines
    json_date_key false
--- kube.shop
{"level":"info"}
{"level":"fatal"}
`, New: `
listeners:
  # old.conf:1 [INPUT] forward
  - name: forward
    address: 127.0.0.1:24224

# The queue on disk of all outputs, in place of their buffers.
buffer:
  path: data

filters:
  to-alert:
    # old.conf:7 [FILTER] rewrite_tag
    - expr:
        set:
          _tag: '"alert." + replacePattern(string(record.level), "(?s)^.*?(?:^(error|fatal)$).*$", "$${1}") +
    "." + split(tag, ".")[1]'
    - modify: {tag: '{record._tag}', remove: [_tag]}
  alert:
    # old.conf:8 [FILTER] modify
    - modify: {set: {page: "on"}}

routes:
  # old.conf:15 [OUTPUT] http
  - match: kube.**
    when: 'record.level != nil and string(record.level) matches "^(error|fatal)$"'
    filters: [to-alert, alert]
    outputs: [http]
    continue: true
  # old.conf:12 [OUTPUT] stdout
  - match: kube.**
    when: 'not (record.level != nil and string(record.level) matches "^(error|fatal)$")'
    outputs: [stdout]
  # old.conf:15 [OUTPUT] http
  - match: alert.**
    filters: [alert]
    outputs: [http]

outputs:
  # old.conf:15 [OUTPUT] http
  http:
    type: http
    url: http://pager:80/
    body: ndjson
    compression: none
    fields: {time: "", tag: "", cluster: ""}
  # old.conf:12 [OUTPUT] stdout
  stdout: {type: stdout}
--- kube.shop
stdout (standard output): {"level":"info","@timestamp":"2026-01-01T00:00:00Z"}
http (POST http://pager:80/): {"level":"fatal","page":"on"}
`},
		{Name: "Fluent Bit: parsers, one after the other", Old: `
[PARSER]
    Name        web
    Format      regex
    Regex       ^(?<time>[^ ]+) (?<status>\d+) (?<path>.*)$
    Time_Key    time
    Time_Format %Y-%m-%dT%H:%M:%SZ
    Types       status:integer
[INPUT]
    Name    forward
    Listen  127.0.0.1
[FILTER]
    Name         parser
    Match        *
    Key_Name     log
    Parser       json
    Parser       web
    Reserve_Data On
[OUTPUT]
    Name    stdout
    Match   *
--- app
{"log":"2026-02-03T04:05:06Z 503 /x","stream":"stdout"}
{"log":"{\"a\":1}","stream":"stdout"}
{"log":"text"}
`, New: `
listeners:
  # old.conf:8 [INPUT] forward
  - name: forward
    address: 127.0.0.1:24224

# The queue on disk of all outputs, in place of their buffers.
buffer:
  path: data

filters:
  common:
    # old.conf:11 [FILTER] parser
    # parser json
    - parse: {field: log, format: json, time: {key: ""}}
    # parser web
    - parse:
        field: log
        format: regex
        regex: '^(?<time>[^ ]+) (?<status>\d+) (?<path>.*)$'
        time: {format: '%Y-%m-%dT%H:%M:%SZ'}
        types: ['status:integer']
      when: record.log != nil

routes:
  # old.conf:18 [OUTPUT] stdout
  - match: '**'
    filters: [common]
    outputs: [stdout]

outputs:
  # old.conf:18 [OUTPUT] stdout
  stdout: {type: stdout}
--- app
failed: parse: not a JSON object
stdout (standard output): {"stream":"stdout","status":503,"path":"/x","@timestamp":"2026-02-03T04:05:06Z"}
stdout (standard output): {"stream":"stdout","a":1,"@timestamp":"2026-01-01T00:00:00Z"}
failed: parse: not a JSON object
failed: parse: the regular expression does not match
stdout (standard output): {"log":"text","@timestamp":"2026-01-01T00:00:00Z"}
`},
		{Name: "Fluent Bit: labels of Loki, and what is left of the event", Old: `
[INPUT]
    Name    forward
    Listen  127.0.0.1
[OUTPUT]
    Name        loki
    Match       *
    Host        loki
    Labels      job=fluentbit, $kubernetes['namespace_name'], env=$env
    Remove_Keys kubernetes, tmp
    Line_Format json
--- app
{"log":"x","tmp":1,"env":"prod","kubernetes":{"namespace_name":"shop"}}
`, New: `
listeners:
  # old.conf:1 [INPUT] forward
  - name: forward
    address: 127.0.0.1:24224

# The queue on disk of all outputs, in place of their buffers.
buffer:
  path: data

filters:
  for-loki:
    # old.conf:4 [OUTPUT] loki
    - modify: {remove: [tmp]}

routes:
  # old.conf:4 [OUTPUT] loki
  - match: '**'
    filters: [for-loki]
    outputs: [loki]

outputs:
  # old.conf:4 [OUTPUT] loki
  loki:
    type: loki
    url: http://loki:3100
    labels:
      job: fluentbit
      kubernetes_namespace_name: '{record.kubernetes.namespace_name|}'
      env: '{record.env|}'
    fields: {time: "", tag: "", cluster: ""}
--- app
loki (stream {env="prod", job="fluentbit", kubernetes_namespace_name="shop"}):
    {"log":"x","env":"prod","kubernetes":{"namespace_name":"shop"}}
said: [OUTPUT] loki remove_keys: the field kubernetes stays in the event: a name, an id or a label of the
    output needs it
`},
		{Name: "Fluent Bit: names of S3's objects and records of Kinesis", Old: `
[INPUT]
    Name    forward
    Listen  127.0.0.1
[OUTPUT]
    Name          s3
    Match         app.*
    bucket        logs
    region        eu-west-1
    s3_key_format /$TAG[1]/%Y/%m/%d/part-$INDEX-$UUID.json
    json_date_key false
[OUTPUT]
    Name          kinesis_streams
    Match         app.*
    region        eu-west-1
    stream        events
    partition_key user
    log_key       log
--- app.web
{"log":"x","user":"kim"}
`, New: `
listeners:
  # old.conf:1 [INPUT] forward
  - name: forward
    address: 127.0.0.1:24224

# The queue on disk of all outputs, in place of their buffers.
buffer:
  path: data

routes:
  # old.conf:4 [OUTPUT] s3
  - match: app.**
    outputs: [s3, kinesis_streams]

outputs:
  # old.conf:4 [OUTPUT] s3
  s3:
    type: s3
    region: eu-west-1
    bucket: logs
    key: '{tag[1]}/%Y/%m/%d/part-{index}'
    compression: none
    rotate: {max_age: 10m}
    fields: {time: "", tag: "", cluster: ""}
  # old.conf:11 [OUTPUT] kinesis_streams
  kinesis_streams:
    type: kinesis
    region: eu-west-1
    message: log
    fields: {time: "", tag: "", cluster: ""}
    stream: events
    partition_key: '{record.user}'
--- app.web
s3 (s3://logs/web/2026/01/01/part-0…): {"log":"x","user":"kim"}
kinesis_streams (stream events): x
`},
	}, whole)
}
