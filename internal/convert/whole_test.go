package convert_test

import (
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/converttest"
)

// whole returns the configuration that a file becomes, without the comment at its top, and what it makes of the events
// that stand behind it: "--- TAG" and lines of JSON or text.
func whole(t *testing.T, text string) string {
	t.Helper()
	pieces := strings.Split(text, "--- ")
	r := converttest.Convert(t, "old.conf", pieces[0])
	cfg := converttest.Load(t, r.Configuration)
	_, body, _ := strings.Cut(string(r.Configuration), "\n\n")
	if len(r.Notes.Lost)+len(r.Notes.Files)+len(r.Notes.Env) > 0 {
		for strings.HasPrefix(body, "#") {
			_, body, _ = strings.Cut(body, "\n\n")
		}
	}
	var out strings.Builder
	out.WriteString(strings.TrimSpace(body) + "\n")
	for _, piece := range pieces[1:] {
		tag, events, _ := strings.Cut(piece, "\n")
		out.WriteString("--- " + tag + "\n")
		out.WriteString(converttest.Events(t, cfg, tag, strings.Split(strings.TrimSpace(events), "\n")...))
	}
	for _, f := range r.Agents {
		out.WriteString("--- " + f.Name + "\n" + string(f.Data))
	}
	return converttest.Wrapped(out.String()) + converttest.Notes(r.Notes)
}

// TestWhole shows what people have, what it becomes, and what that makes of events.
func TestWhole(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "an index for each namespace, health checks dropped", Old: `
<source>
  @type forward
  bind 127.0.0.1
</source>
<filter kube.**>
  @type grep
  <exclude>
    key path
    pattern /^\/healthz/
  </exclude>
</filter>
<filter kube.**>
  @type record_transformer
  enable_ruby
  <record>
    level ${(record["level"] || "info").downcase}
    ns ${record["kubernetes"]["namespace_name"]}
  </record>
  remove_keys kubernetes
</filter>
<match kube.**>
  @type elasticsearch
  host es
  logstash_format true
  logstash_prefix app-${ns}
  <buffer tag, time, ns>
    timekey 1d
  </buffer>
</match>
--- kube.shop
{"path":"/healthz","level":"INFO"}
{"path":"/","level":"WARN","kubernetes":{"namespace_name":"shop"}}
{"path":"/","kubernetes":{"namespace_name":"pay"}}
`, New: `
listeners:
  # old.conf:1 <source> forward
  - name: forward
    address: 127.0.0.1:24224

# The queue on disk of all outputs, in place of their buffers.
buffer:
  path: data

filters:
  kube:
    # old.conf:5 <filter kube.**> grep
    - grep: {exclude: {path: ^/healthz}}
    # old.conf:12 <filter kube.**> record_transformer
    - expr: {set: {level: 'lower(string((record.level ?? "info") ?? ""))'}}
    - modify: {remove: [kubernetes], set: {ns: '{record.kubernetes.namespace_name}'}}
    # old.conf:21 <match kube.**> elasticsearch
    # An event that says its own @timestamp keeps it.
    - parse:
        field: '["@timestamp"]'
        format: regex
        regex: '^(?<time>\d{4}-\d\d-\d\dT.+)$'
        keep: true
      when: 'record["@timestamp"] != nil'

routes:
  # old.conf:21 <match kube.**> elasticsearch
  - match: kube.**
    filters: [kube]
    outputs: [elasticsearch]

outputs:
  # old.conf:21 <match kube.**> elasticsearch
  elasticsearch:
    type: elasticsearch
    hosts: ['http://es:9200']
    index: app-{record.ns}-%Y.%m.%d
    fields: {time: '@timestamp', tag: "", cluster: ""}
    template: {manage: false}
--- kube.shop
dropped kube[0] grep
elasticsearch (index app-shop-2026.01.01):
    {"path":"/","level":"warn","ns":"shop","@timestamp":"2026-01-01T00:00:00Z"}
elasticsearch (index app-pay-2026.01.01):
    {"path":"/","level":"info","ns":"pay","@timestamp":"2026-01-01T00:00:00Z"}
`},
		{Name: "the first match takes events, and the rest goes nowhere", Old: `
<source>
  @type forward
  bind 127.0.0.1
</source>
<match app.a.**>
  @type file
  path /logs/a
  <format>
    @type json
  </format>
</match>
<match app.**>
  @type s3
  s3_bucket logs
  s3_region eu-west-1
  path ${tag[1]}/
  <buffer tag, time>
    timekey 1h
  </buffer>
  <format>
    @type single_value
    message_key log
  </format>
</match>
<match **>
  @type null
</match>
--- app.a.b
{"log":"one"}
--- app.b
{"log":"two"}
--- other
{"log":"three"}
`, New: `
listeners:
  # old.conf:1 <source> forward
  - name: forward
    address: 127.0.0.1:24224

# The queue on disk of all outputs, in place of their buffers.
buffer:
  path: data

routes:
  # old.conf:5 <match app.a.**> file
  - match: app.a.**
    outputs: [file]
  # old.conf:12 <match app.**> s3
  - match: app.**
    outputs: [s3]

# The old file dropped what nothing else took.
unrouted: drop

outputs:
  # old.conf:5 <match app.a.**> file
  file: {type: file, path: /logs/a.%Y%m%d.log, fields: {time: "", tag: "", cluster: ""}}
  # old.conf:12 <match app.**> s3
  s3:
    type: s3
    region: eu-west-1
    bucket: logs
    key: '{tag[1]}/%Y%m%d%H_{index}'
    compression: gzip
    rotate: {max_age: 1h}
    message: log
    fields: {time: "", tag: "", cluster: ""}
--- app.a.b
file (file /logs/a.20260101.log): {"log":"one"}
--- app.b
s3 (s3://logs/b/2026010100_0…): two
--- other
dropped unrouted
`},
		{Name: "errors are copied to another place, under another tag", Old: `
<source>
  @type forward
  bind 127.0.0.1
</source>
<match app.**>
  @type copy
  <store>
    @type stdout
  </store>
  <store>
    @type relabel
    @label @ALERTS
  </store>
</match>
<label @ALERTS>
  <filter **>
    @type grep
    <regexp>
      key level
      pattern /^(error|fatal)$/i
    </regexp>
  </filter>
  <match **>
    @type kafka2
    brokers kafka:9092
    default_topic alerts
  </match>
</label>
--- app.x
{"level":"info"}
{"level":"ERROR"}
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
    # old.conf:16 <filter **> grep
    - grep: {include: {level: '(?i)^(error|fatal)$'}}

routes:
  # old.conf:5 <match app.**> copy
  - match: app.**
    outputs: [stdout]
    continue: true
  # old.conf:23 <match **> kafka2
  - match: app.**
    filters: [common]
    outputs: [kafka2]

outputs:
  # old.conf:7 <match app.**> <store> stdout
  stdout: {type: stdout}
  # old.conf:23 <match **> kafka2
  kafka2:
    type: kafka
    brokers: ['kafka:9092']
    topic: alerts
    compression: none
    fields: {time: "", tag: "", cluster: ""}
--- app.x
stdout (standard output): {"level":"info","@timestamp":"2026-01-01T00:00:00Z"}
dropped common[0] grep
stdout (standard output): {"level":"ERROR","@timestamp":"2026-01-01T00:00:00Z"}
kafka2 (topic alerts): {"level":"ERROR"}
`},
		{Name: "rewritten tags find their matches", Old: `
<source>
  @type forward
  bind 127.0.0.1
</source>
<match kube.**>
  @type rewrite_tag_filter
  <rule>
    key $.kubernetes.namespace_name
    pattern /^(kube-.*)$/
    tag system.$1
  </rule>
  <rule>
    key $.kubernetes.namespace_name
    pattern /^(.+)$/
    tag app.$1
  </rule>
</match>
<match system.**>
  @type null
</match>
<match app.*>
  @type loki
  url http://loki:3100
  line_format json
  extra_labels {"job":"fluentd"}
  <label>
    pod $.kubernetes.pod_name
  </label>
</match>
--- kube.x
{"kubernetes":{"namespace_name":"kube-system"}}
{"kubernetes":{"namespace_name":"shop","pod_name":"web-1"}}
{"log":"no namespace"}
`, New: `
listeners:
  # old.conf:1 <source> forward
  - name: forward
    address: 127.0.0.1:24224

# The queue on disk of all outputs, in place of their buffers.
buffer:
  path: data

filters:
  to-app:
    # old.conf:12 <match kube.**> rewrite_tag_filter
    - expr:
        set:
          _tag: 'replacePattern(string(record.kubernetes?.namespace_name), "(?s)^.*?(?:^(.+)$).*$",
    "app.$${1}")'
    - modify: {tag: '{record._tag}', remove: [_tag]}
    # old.conf:21 of the new tag
    - expr: {drop: 'not (tag matches "^app\\.[^.]*$")'}
  discard:
    # What routes to nowhere: dropped, and counted.
    - expr: {drop: "true"}

routes:
  # old.conf:18 <match system.**> null
  - match: kube.**
    when: 'record.kubernetes?.namespace_name != nil and string(record.kubernetes?.namespace_name) matches
    "^(kube-.*)$"'
    filters: [discard]
    outputs: [loki]
  # old.conf:21 <match app.*> loki
  - match: kube.**
    when: 'record.kubernetes?.namespace_name != nil and string(record.kubernetes?.namespace_name) matches
    "^(.+)$"'
    filters: [to-app]
    outputs: [loki]
  # old.conf:5
  - match: kube.**
    filters: [discard]
    outputs: [loki]
  # old.conf:18 <match system.**> null
  - match: system.**
    filters: [discard]
    outputs: [loki]
  # old.conf:21 <match app.*> loki
  - match: app.*
    outputs: [loki]

outputs:
  # old.conf:21 <match app.*> loki
  loki:
    type: loki
    url: http://loki:3100
    labels: {job: fluentd, pod: '{record.kubernetes.pod_name|}'}
    fields: {time: "", tag: "", cluster: ""}
--- kube.x
dropped discard[0] expr
loki (stream {job="fluentd", pod="web-1"}): {"kubernetes":{"namespace_name":"shop","pod_name":"web-1"}}
dropped discard[0] expr
said: <match app.*> loki include_thread_label: left out: there is no label fluentd_thread
said: <match app.*> loki <label>: the fields of labels stay in the line too; the plugin takes them out
`},
	}, whole)
}
