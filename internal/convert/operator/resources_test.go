package operator_test

import (
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/converttest"
	"github.com/seed-afc6a195/aggregator/internal/convert/fluentbit"
	"github.com/seed-afc6a195/aggregator/internal/convert/fluentd"
	"github.com/seed-afc6a195/aggregator/internal/convert/operator"
	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
	"github.com/seed-afc6a195/aggregator/internal/convert/syntax"
)

// sections writes sections as files have them, with those inside further to the right.
func sections(all []*syntax.Section, indent string) string {
	var b strings.Builder
	for _, s := range all {
		b.WriteString(indent + strings.TrimSpace(s.Name+" "+s.Arg) + "\n")
		for _, e := range s.Entries {
			b.WriteString(strings.TrimRight(indent+"  "+e.Key+" "+e.Value.Shown(), " ") + "\n")
		}
		b.WriteString(sections(s.Sections, indent+"  "))
	}
	return b.String()
}

// resources says which sections resources become, and what these do as a whole.
func resources(t *testing.T, text string) string {
	t.Helper()
	notes := &settings.Notes{}
	r := &operator.Reader{}
	r.Add("x.yaml", []byte(text))
	f := r.Files(notes)
	var out string
	if f.Bit != nil {
		out = sections(f.Bit.Sections, "") + "does\n" +
			converttest.Flow(fluentbit.Convert(f.Bit, f.Bit.Parsers(), notes))
	}
	if f.Fluentd != nil {
		out += sections(f.Fluentd.Sections, "") + "does\n" + converttest.Flow(fluentd.Convert(f.Fluentd, notes))
	}
	converttest.Check(t, "x.yaml", text)
	return out + converttest.Notes(notes)
}

// TestResources: which files operators write of their resources, and what these do.
func TestResources(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "fluent-operator: what has no name of its own", Old: `
apiVersion: fluentbit.fluent.io/v1alpha2
kind: ClusterOutput
metadata: {name: a}
spec:
  matchRegex: ^kube\.
  loki: {host: loki, labels: [a=b, $c], removeKeys: [d], httpUser: {valueFrom: {secretKeyRef: {name: loki, key: user}}}}
---
apiVersion: fluentbit.fluent.io/v1alpha2
kind: ClusterOutput
metadata: {name: b}
spec:
  alias: x
  match: '*'
  logLevel: info
  opensearch: {host: os, port: 9200, logstashFormat: true, traceError: true}
---
apiVersion: fluentbit.fluent.io/v1alpha2
kind: ClusterOutput
metadata: {name: c}
spec: {match: '*', cloudWatch: {region: eu-west-1, logGroupName: g, logStreamPrefix: p}}
---
apiVersion: fluentbit.fluent.io/v1alpha2
kind: ClusterOutput
metadata: {name: d}
spec: {match: '*', kafka: {brokers: 'k:9092', topics: t, rdkafka: {security.protocol: ssl}}}
---
apiVersion: fluentbit.fluent.io/v1alpha2
kind: ClusterOutput
metadata: {name: e}
spec: {match: '*', http: {host: h, headers: {X-A: b, X-C: d}, tls: {verify: true, caFile: /ca.crt}}}
`, New: `
output
  name loki
  host loki
  labels a=b
  labels $c
  remove_keys d
  http_user ${LOKI_USER}
  match_regex ^kube\.
output
  name opensearch
  host os
  port 9200
  logstash_format true
  trace_error true
  alias x
  match *
  log_level info
output
  name cloudwatch_logs
  region eu-west-1
  log_group_name g
  log_stream_prefix p
  match *
output
  name kafka
  brokers k:9092
  topics t
  rdkafka.security.protocol ssl
  match *
output
  name http
  host h
  header X-A b
  header X-C d
  tls on
  tls.verify true
  tls.ca_file /ca.crt
  match *
does
pipe "" (start)
match ** /^kube\./
  output loki of type loki
match **
  output x of type elasticsearch
match **
  output cloudwatch_logs of type cloudwatch_logs
match **
  output kafka of type kafka
match **
  output http of type http
lost: [OUTPUT] http format: requests are JSON, not msgpack
file: /ca.crt
file: /etc/aggregator/secrets/http-x-a
file: /etc/aggregator/secrets/http-x-c
variable: LOKI_USER
`},
		{Name: "fluent-operator: all kinds of filters", Old: `
apiVersion: fluentbit.fluent.io/v1alpha2
kind: ClusterFilter
metadata: {name: all}
spec:
  match: kube.*
  filters:
  - grep: {regex: log ^a, exclude: log b}
  - kubernetes: {kubeURL: https://k, kubeCAFile: /ca, useJournal: true}
  - nest: {operation: lift, nestedUnder: kubernetes, addPrefix: k_}
  - parser: {keyName: log, parser: json, reserveData: true}
  - rewriteTag: {rules: [$a ^b$ c false, $d ^e$ f true], emitterName: x}
  - throttle: {rate: 100, window: 5, interval: 1s}
  - multiline: {keyContent: log, parser: java}
  - lua: {script: {name: s, key: k}, call: f}
  - customPlugin: {config: "Name modify\nAdd a b\n"}
`, New: `
filter
  name grep
  regex log ^a
  exclude log b
  match kube.*
filter
  name kubernetes
  kube_url https://k
  kube_ca_file /ca
  use_journal true
  match kube.*
filter
  name nest
  operation lift
  nested_under kubernetes
  add_prefix k_
  match kube.*
filter
  name parser
  key_name log
  parser json
  reserve_data true
  match kube.*
filter
  name rewrite_tag
  rule $a ^b$ c false
  rule $d ^e$ f true
  emitter_name x
  match kube.*
filter
  name throttle
  rate 100
  window 5
  interval 1s
  match kube.*
filter
  name multiline
  multiline.key_content log
  multiline.parser java
  match kube.*
filter
  name lua
  script name s
  script key k
  call f
  match kube.*
filter
  name modify
  add a b
  match kube.*
does
pipe "" (start)
filter kube.**
  grep: {include: {log: "^a"}, exclude: {log: "b"}}
filter kube.**
  expr: {set: {_lifted: "toJSON(record.kubernetes)", kubernetes: "nil"}} when record.kubernetes != nil
  parse: {field: "_lifted", format: "json", time: {key: ""}, prefix: "k_"} when record._lifted != nil
filter kube.**
  parse: {field: "log", format: "json", time: {key: ""}}
match kube.**
  new tags, to ""
    rule when record.a != nil and string(record.a) matches "^b$": c
      modify: {tag: "c"}
    rule when record.d != nil and string(record.d) matches "^e$", and on: f
      modify: {tag: "f"}
filter kube.**
  throttle: {rate: 100, interval: "5s", burst: 500}
filter kube.**
  multiline: {field: "log", format: "java", key: "{tag}/{record.stream|}", max_wait: "2s"}
filter kube.**
  modify: {set_if_missing: {a: "b"}}
lost: [FILTER] kubernetes: it asks the Kubernetes API about pods
lost: [FILTER] lua: there is no Lua
`},
		{Name: "fluent-operator: inputs, parsers and what runs them", Old: `
apiVersion: fluentbit.fluent.io/v1alpha2
kind: FluentBit
metadata: {name: fb}
spec: {image: x}
---
apiVersion: fluentbit.fluent.io/v1alpha2
kind: ClusterFluentBitConfig
metadata: {name: c}
spec: {service: {parsersFile: parsers.conf}}
---
apiVersion: fluentbit.fluent.io/v1alpha2
kind: ClusterInput
metadata: {name: tail}
spec:
  tail: {tag: kube.*, path: /var/log/*.log, parser: cri, memBufLimit: 5MB, dbSync: Normal, refreshIntervalSeconds: 10}
---
apiVersion: fluentbit.fluent.io/v1alpha2
kind: ClusterInput
metadata: {name: forward}
spec: {forward: {port: 24224, tagPrefix: x}}
---
apiVersion: fluentbit.fluent.io/v1alpha2
kind: ClusterParser
metadata: {name: p}
spec: {json: {timeKey: time, timeFormat: '%Y'}, decoders: [x]}
---
apiVersion: fluentbit.fluent.io/v1alpha2
kind: ClusterMultilineParser
metadata: {name: m}
spec:
  type: regex
  flushTimeout: 1000
  rules:
  - {start: start_state, regex: '/^"a"/', next: cont}
  - {state: cont, regex: '/^\s/', next: cont}
`, New: `
multiline_parser
  name m
  type regex
  flush_timeout 1000
  rule "start_state" "/^\"a\"/" "cont"
  rule "cont" "/^\s/" "cont"
parser
  name p
  format json
  time_key time
  time_format %Y
input
  name forward
  port 24224
  tag_prefix x
input
  name tail
  tag kube.*
  path /var/log/*.log
  parser cri
  mem_buf_limit 5MB
  db.sync Normal
  refresh_interval 10
does
listener {address: ":24224"}
source [INPUT] tail
  with DB /var/lib/fluent-bit/tail.db
  with storage.type filesystem
pipe "" (start)
lost: [INPUT] tail: the aggregator takes events from agents alone
`},
		{Name: "fluent-operator's fluentd: everywhere, with all that outputs have", Old: `
apiVersion: fluentd.fluent.io/v1alpha1
kind: Fluentd
metadata: {name: f}
spec:
  globalInputs:
  - forward: {port: 24224, bind: 0.0.0.0}
---
apiVersion: fluentd.fluent.io/v1alpha1
kind: ClusterFluentdConfig
metadata: {name: c}
spec: {}
---
apiVersion: fluentd.fluent.io/v1alpha1
kind: ClusterFilter
metadata: {name: g}
spec:
  filters:
  - tag: a.**
    recordTransformer: {enableRuby: true, records: [{key: k, value: '${tag}'}], removeKeys: x}
  - parser: {keyName: log, parse: {type: json}}
  - customPlugin: {config: "<filter>"}
---
apiVersion: fluentd.fluent.io/v1alpha1
kind: ClusterOutput
metadata: {name: o}
spec:
  outputs:
  - s3: {s3Bucket: logs, s3Region: eu-west-1, path: 'a/${tag}/'}
    buffer: {tag: 'tag,time', timekey: 1h, timekeyWait: 10m}
    format: {type: json}
    inject: {timeKey: time}
    logLevel: info
  - kafka: {brokers: 'k:9092', defaultTopic: t}
  - elasticsearch: {host: es, password: {valueFrom: {secretKeyRef: {name: es, key: pw}}}}
    id: es
  - cloudWatch: {logGroupName: g, region: eu-west-1}
`, New: `
source
  @type forward
  port 24224
  bind 0.0.0.0
filter a.**
  @type record_transformer
  enable_ruby true
  remove_keys x
  record
    k ${tag}
filter **
  @type parser
  key_name log
  parse
    @type json
match **
  @type copy
  store
    @type s3
    s3_bucket logs
    s3_region eu-west-1
    path a/${tag}/
    @log_level info
    buffer tag,time
      timekey 1h
      timekey_wait 10m
    format
      @type json
    inject
      time_key time
  store
    @type kafka2
    brokers k:9092
    default_topic t
  store
    @type elasticsearch
    host es
    password ${ES_PW}
    @id es
  store
    @type cloudwatch_logs
    log_group_name g
    region eu-west-1
does
listener {address: ":24224"}
pipe "" (start)
filter a.**
  modify: {remove: ["x"], set: {k: "{tag}"}}
filter **
  parse: {field: "log", format: "json", reserve_data: false, on_error: "dead_letter"}
match **
  output s3 of type s3
  output kafka2 of type kafka
  output es of type elasticsearch
  output cloudwatch_logs of type cloudwatch_logs
lost: ClusterFilter g customPlugin: what is written as a text is not read here
lost: <match **> <store> cloudwatch_logs: it says no log_stream
said: <match **> <store> elasticsearch password: left out: it is nobody's without a name
`},
		{Name: "fluent-operator's fluentd: a namespace's own", Old: `
apiVersion: fluentd.fluent.io/v1alpha1
kind: FluentdConfig
metadata: {name: c, namespace: shop}
spec: {}
---
apiVersion: fluentd.fluent.io/v1alpha1
kind: Output
metadata: {name: o, namespace: shop}
spec: {outputs: [{stdout: {}}]}
---
apiVersion: fluentd.fluent.io/v1alpha1
kind: Moon
metadata: {name: m}
spec: {}
`, New: `
match **
  @type label_router
  route
    @label @namespaces
    match
      namespaces shop
label @namespaces
  match **
    @type copy
    store
      @type stdout
does
pipe "" (start)
match **
  label "@namespaces by x.yaml"
pipe "@namespaces"
match **
  output stdout of type stdout
pipe "@namespaces by x.yaml"
filter **
  expr: {drop: 'not ((record.kubernetes?.namespace_name in ["shop"]))'}
match **
  label "@namespaces"
lost: Moon m: it is not read here
`},
	}, resources)
}
