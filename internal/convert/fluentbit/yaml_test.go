package fluentbit_test

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/converttest"
)

// TestYAML: what whole files in YAML do.
func TestYAML(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "a whole file", Old: `
env:
  HOST: es.example
service:
  http_server: on
parsers:
  - name: p
    format: regex
    regex: ^(?<a>.)$
multiline_parsers:
  - name: m
    type: regex
    rules:
      - state: start_state
        regex: /^\d/
        next_state: cont
      - {state: cont, regex: '/^\s/', next_state: cont}
pipeline:
  inputs:
    - name: forward
      listen: 127.0.0.1
  filters:
    - {name: parser, match: '*', key_name: log, parser: [p, json]}
    - {name: multiline, match: '*', multiline.key_content: log, multiline.parser: m}
  outputs:
    - name: es
      host: ${HOST}
      match: 'a.*'
    - name: stdout
      match_regex: ^b
`, New: `
listener {address: "127.0.0.1:24224"}
status
pipe "" (start)
filter **
  parse: {field: "log", format: "regex", regex: "^(?<a>.)$", time: {key: ""}, reserve_data: false}
  parse: {field: "log", format: "json", time: {key: ""}, reserve_data: false} when record.log != nil
filter **
  multiline: {field: "log", start: '^\d', continue: '^\s', key: "{tag}/{record.stream|}", max_wait: "2s"}
match a.**
  output es of type elasticsearch
match ** /^b/
  output stdout of type stdout
`},
		{Name: "processors of an input", Old: `
pipeline:
  inputs:
    - name: forward
      listen: 127.0.0.1
      processors:
        metrics:
          - name: labels
        logs:
          - {name: content_modifier, action: insert, key: a, value: b}
          - {name: content_modifier, action: upsert, key: c, value: d}
          - {name: content_modifier, action: delete, key: e}
          - {name: content_modifier, action: rename, key: f, value: g}
          - {name: content_modifier, action: convert, key: h, converted_type: int}
          - {name: content_modifier, action: extract, key: i, pattern: '^(?<j>\d+)'}
          - {name: content_modifier, action: hash, key: k}
          - {name: opentelemetry_envelope}
          - {name: sampling}
  outputs:
    - {name: stdout, match: '*'}
`, New: `
listener {address: "127.0.0.1:24224"}
pipe ""
match **
  output stdout of type stdout
pipe "inputs" (start)
filter **
  modify: {set_if_missing: {a: "b"}}
  modify: {set: {c: "d"}}
  modify: {remove: ["e"]}
  modify: {rename: {f: "g"}}
  modify: {convert: {h: "int"}}
  parse: {field: "i", format: "regex", regex: '^(?<j>\d+)', keep: true, time: {key: ""}}
  redact: {fields: ["k"], patterns: ["(?s)^.+$"], with: "hash", key:
      "${file:/etc/aggregator/secrets/redact-key}"}
match **
  label ""
said: [INPUT] forward processors metrics: left out: only logs come here
said: [INPUT] forward processor content_modifier: the hash is another one, made with a key, so that nobody
    can try texts
said: [INPUT] forward processor opentelemetry_envelope: left out: it changes no record
said: [INPUT] forward processor sampling: left out: it is for traces and metrics, not for logs
file: /etc/aggregator/secrets/redact-key
`},
		{Name: "processors that can't be said", Old: `
pipeline:
  inputs:
    - name: forward
      listen: 127.0.0.1
      processors:
        logs:
          - {name: content_modifier, action: insert, key: a, value: b, context: attributes}
          - {name: content_modifier, action: insert}
          - {name: content_modifier, action: juggle, key: a}
          - {name: content_modifier, action: convert, key: a, converted_type: moon}
          - {name: content_modifier, action: extract, key: a, pattern: '(?=x)'}
          - {name: lua, call: f}
          - {name: unheard_of}
  outputs:
    - {name: stdout, match: '*'}
`, New: `
listener {address: "127.0.0.1:24224"}
pipe "" (start)
match **
  output stdout of type stdout
lost: [INPUT] forward processor content_modifier context: only what is in the record is changed, not its
    attributes
lost: [INPUT] forward processor content_modifier action: the setting has no like that is known here
lost: [INPUT] forward processor content_modifier key: the setting has no like that is known here
lost: [INPUT] forward processor content_modifier value: the setting has no like that is known here
lost: [INPUT] forward processor content_modifier: it has no key
lost: [INPUT] forward processor content_modifier action: the setting has no like that is known here
lost: [INPUT] forward processor content_modifier action: there is no change juggle
lost: [INPUT] forward processor content_modifier action: there is no change convert
lost: [INPUT] forward processor content_modifier: look-around, (?=…), (?!…), (?<=…), (?<!…), has no
    like: match what is around too, or use a second step
lost: [INPUT] forward processor lua: there is no Lua
lost: [INPUT] forward processor unheard_of: there is no step for it
`},
		{Name: "queries", Old: `
pipeline:
  inputs:
    - name: forward
      listen: 127.0.0.1
      processors:
        logs:
          - name: sql
            query: SELECT a, b AS c FROM STREAM WHERE level = 'error' AND n >= 5 OR x <> -1.5;
          - name: sql
            query: SELECT * FROM STREAM WHERE a = 'x'
          - name: sql
            query: SELECT count(*) FROM STREAM
          - name: sql
            query: SELECT a FROM STREAM WHERE lower(a) = 'x'
          - name: sql
            query: DELETE
  outputs:
    - {name: stdout, match: '*'}
`, New: `
listener {address: "127.0.0.1:24224"}
pipe ""
match **
  output stdout of type stdout
pipe "inputs" (start)
filter **
  expr: {drop: 'not (record.level == "error" and record.n >= 5 or record.x != -1.5)'}
  modify: {rename: {b: "c"}, keep: ["a", "c"]}
  expr: {drop: 'not (record.a == "x")'}
match **
  label ""
lost: [INPUT] forward processor sql query: the column count(*) is not read here
lost: [INPUT] forward processor sql query: the condition is not read here
lost: [INPUT] forward processor sql query: the query is not read here
`},
		{Name: "conditions", Old: `
pipeline:
  inputs:
    - name: forward
      listen: 127.0.0.1
  filters:
    - name: modify
      match: '*'
      set: a b
      condition:
        op: or
        rules:
          - {field: $level, op: eq, value: error}
          - {field: $level, op: neq, value: debug}
          - {field: $n, op: gt, value: 5}
          - {field: $n, op: lte, value: -1.5}
          - {field: "$a['b']", op: regex, value: ^x}
          - {field: $c, op: not_regex, value: ^y}
          - {field: $d, op: in, value: [a, b]}
          - {field: $d, op: not_in, value: [c]}
    - name: nest
      match: '*'
      operation: lift
      nested_under: k
      condition:
        op: and
        rules:
          - {field: $x, op: eq, value: y}
          - {field: $z, op: eq, value: w}
`, New: `
listener {address: "127.0.0.1:24224"}
pipe "" (start)
filter **
  modify: {set: {a: "b"}} when (string(record.level ?? "") == "error") or (record.level != nil and
      string(record.level ?? "") != "debug") or (record.n != nil and float(record.n) > 5) or (record.n != nil
      and float(record.n) <= -1.5) or (string(record.a?.b ?? "") matches "^x") or (record.c != nil and not
      (string(record.c ?? "") matches "^y")) or (string(record.d ?? "") in ["a", "b"]) or (record.d != nil and
      not (string(record.d ?? "") in ["c"]))
filter **
  expr: {set: {_when: '(string(record.x ?? "") == "y") and (string(record.z ?? "") == "w")'}}
  expr: {set: {_lifted: "toJSON(record.k)", k: "nil"}} when (record.k != nil) and (record._when == true)
  parse: {field: "_lifted", format: "json", time: {key: ""}} when (record._lifted != nil) and (record._when ==
      true)
  modify: {remove: ["_when"]}
`},
		{Name: "conditions that can't be said", Old: `
pipeline:
  inputs:
    - name: forward
      listen: 127.0.0.1
  filters:
    - name: modify
      match: '*'
      set: a b
      condition: {op: and, rules: [{field: '$a[0]', op: eq, value: x}]}
    - name: modify
      match: '*'
      set: c d
      condition: {op: and, rules: [{field: $a, op: gt, value: x}]}
    - name: modify
      match: '*'
      set: e f
      condition: {op: and, rules: [{field: $a, op: regex, value: '(?=x)'}]}
    - name: modify
      match: '*'
      set: g h
      condition: {op: and, rules: [{field: $a, op: moon, value: x}]}
    - name: modify
      match: '*'
      set: i j
      condition: {op: and, rules: [{field: $a, op: eq, value: x, context: metadata}]}
    - name: modify
      match: '*'
      set: k l
      condition: {op: and}
  outputs:
    - {name: stdout, match: '*'}
`, New: `
listener {address: "127.0.0.1:24224"}
pipe "" (start)
filter **
filter **
filter **
filter **
filter **
filter **
  modify: {set: {k: "l"}}
match **
  output stdout of type stdout
lost: [FILTER] modify condition: the field $a[0] can't be read
lost: [FILTER] modify condition: x is no number
lost: [FILTER] modify condition: look-around, (?=…), (?!…), (?<=…), (?<!…), has no like: match what
    is around too, or use a second step
lost: [FILTER] modify condition: there is no comparison moon
lost: [FILTER] modify condition: the field $a can't be read
`},
		{Name: "processors of an output, and servers in the file", Old: `
upstream_servers:
  - name: u
    nodes:
      - {name: a, host: h, port: 1}
      - {name: b, host: i, port: 2}
pipeline:
  inputs:
    - {name: tail, path: /a, tag: a}
  outputs:
    - name: forward
      match: '*'
      upstream: u.yaml
      processors:
        logs:
          - {name: modify, set: a b}
`, New: `
source [INPUT] tail
  with DB /var/lib/fluent-bit/tail.db
  with storage.type filesystem
pipe "" (start)
match **
  output forward of type forward
`},
	}, yaml)
}
