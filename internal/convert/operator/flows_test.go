package operator_test

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/converttest"
)

func TestFlows(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "logging operator: flows of namespaces and of all", Old: `
apiVersion: logging.banzaicloud.io/v1beta1
kind: Logging
metadata: {name: l}
spec: {}
---
apiVersion: logging.banzaicloud.io/v1beta1
kind: ClusterFlow
metadata: {name: all, namespace: logging}
spec:
  match:
  - exclude: {namespaces: [kube-system], hosts: [node-1]}
  - select: {container_names: [nginx], labels: {app: web}}
  filters:
  - tag_normaliser: {format: 'k.${namespace_name}'}
  - detectExceptions: {languages: [java]}
  - grep: {exclude: [{key: log, pattern: debug}]}
  - record_transformer: {records: [{a: b, c: d}]}
  - parser: {key_name: log, parse: {type: multi_format, patterns: [{format: json}, {format: none}]}}
  globalOutputRefs: [s3, none]
---
apiVersion: logging.banzaicloud.io/v1beta1
kind: Flow
metadata: {name: shop, namespace: shop}
spec:
  localOutputRefs: [es]
  globalOutputRefs: [s3]
---
apiVersion: logging.banzaicloud.io/v1beta1
kind: Output
metadata: {name: es, namespace: shop}
spec:
  elasticsearch:
    host: es
    user: u
    password: {mountFrom: {secretKeyRef: {name: es, key: pw}}}
    buffer: {tags: tag, flush_interval: 10s}
---
apiVersion: logging.banzaicloud.io/v1beta1
kind: ClusterOutput
metadata: {name: s3, namespace: logging}
spec: {s3: {s3_bucket: logs, s3_region: eu-west-1, buffer: {timekey: 1h}}}
---
apiVersion: logging.banzaicloud.io/v1beta1
kind: SyslogNGFlow
metadata: {name: n}
spec: {}
`, New: `
source
  @type forward
  port 24240
match **
  @type label_router
  route
    @label @clusterflow-logging-all
    match
      negate true
      namespaces kube-system
      hosts node-1
    match
      labels app:web
      container_names nginx
  route
    @label @flow-shop-shop
    match
      namespaces shop
label @clusterflow-logging-all
  match kubernetes.**
    @type tag_normaliser
    format k.${namespace_name}
  match kubernetes.**
    @type detect_exceptions
    languages java
  filter **
    @type grep
    exclude
      key log
      pattern debug
  filter **
    @type record_transformer
    record
      a b
      c d
  filter **
    @type parser
    key_name log
    parse
      @type multi_format
      pattern
        format json
      pattern
        format none
  match **
    @type copy
    store
      @type s3
      @id s3
      s3_bucket logs
      s3_region eu-west-1
      buffer tag,time
        timekey 1h
label @flow-shop-shop
  match **
    @type copy
    store
      @type elasticsearch
      @id es
      host es
      user u
      password ${ES_PW}
      buffer tag
        flush_interval 10s
        timekey 10m
    store
      @type s3
      @id s3
      s3_bucket logs
      s3_region eu-west-1
      buffer tag,time
        timekey 1h
does
listener {address: ":24240"}
pipe "" (start)
match **
  label "@clusterflow-logging-all by x.yaml:10"
  label "@flow-shop-shop by x.yaml:25"
pipe "@clusterflow-logging-all"
match kubernetes.**
  new tags, to "@clusterflow-logging-all"
    rule: **
      modify: {tag: "k.{record.kubernetes.namespace_name|unknown}"}
filter kubernetes.**
  multiline: {field: "log", format: "java", key: "{tag}"}
filter **
  grep: {exclude: {log: "debug"}}
filter **
  modify: {set: {a: "b", c: "d"}}
filter **
  parse: {field: "log", format: "text", on_error: "dead_letter"} when record.log == nil
  modify: {rename: {log: "_text"}}
  parse: {field: "_text", format: "json", reserve_data: false} when record._text != nil
  parse: {field: "_text", format: "text", reserve_data: false, on_error: "dead_letter"} when record._text != nil
match **
  output s3 of type s3
pipe "@clusterflow-logging-all by x.yaml:10"
filter **
  expr: {drop: '(record.kubernetes?.namespace_name in ["kube-system"] and record.kubernetes?.host in
      ["node-1"])'}
  expr: {drop: 'not ((record.kubernetes?.container_name in ["nginx"] and record.kubernetes?.labels?.app ==
      "web"))'}
match **
  label "@clusterflow-logging-all"
pipe "@flow-shop-shop"
match **
  output es of type elasticsearch
  output s3 of type s3
pipe "@flow-shop-shop by x.yaml:25"
filter **
  expr: {drop: 'not ((record.kubernetes?.namespace_name in ["shop"]))'}
match **
  label "@flow-shop-shop"
lost: SyslogNGFlow n: it is not read here
lost: ClusterFlow all globalOutputRefs: no output none is in the files
said: <match **> <store> s3: a line is one JSON object with the time and the tag in it, not the time, the tag
    and JSON with tabs between
variable: ES_PW
`},
		{Name: "logging operator: other outputs", Old: `
apiVersion: logging.banzaicloud.io/v1beta1
kind: ClusterFlow
metadata: {name: f, namespace: l}
spec: {globalOutputRefs: [k, h, n, kin, splunk]}
---
apiVersion: logging.banzaicloud.io/v1beta1
kind: ClusterOutput
metadata: {name: k}
spec: {kafka: {brokers: k:9092, default_topic: t, format: {type: json}}}
---
apiVersion: logging.banzaicloud.io/v1beta1
kind: ClusterOutput
metadata: {name: h}
spec: {http: {endpoint: http://h}}
---
apiVersion: logging.banzaicloud.io/v1beta1
kind: ClusterOutput
metadata: {name: n}
spec: {nullout: {}}
---
apiVersion: logging.banzaicloud.io/v1beta1
kind: ClusterOutput
metadata: {name: kin}
spec: {kinesisStream: {stream_name: s, region: eu-west-1}}
---
apiVersion: logging.banzaicloud.io/v1beta1
kind: ClusterOutput
metadata: {name: splunk}
spec: {splunkHec: {hec_host: s, hec_token: {value: t}}}
`, New: `
source
  @type forward
  port 24240
match **
  @type label_router
  route
    @label @clusterflow-l-f
    match
label @clusterflow-l-f
  match **
    @type copy
    store
      @type kafka2
      @id k
      brokers k:9092
      default_topic t
      format
        @type json
    store
      @type http
      @id h
      endpoint http://h
    store
      @type null
      @id n
    store
      @type kinesis_streams
      @id kin
      stream_name s
      region eu-west-1
    store
      @type splunk_hec
      @id splunk
      hec_host s
      hec_token t
does
listener {address: ":24240"}
pipe "" (start)
match **
  label "@clusterflow-l-f by x.yaml:4"
pipe "@clusterflow-l-f"
match **
  output k of type kafka
  output h of type http
  nowhere
  output kin of type kinesis
  output splunk of type splunk_hec
pipe "@clusterflow-l-f by x.yaml:4"
match **
  label "@clusterflow-l-f"
file: /etc/aggregator/secrets/splunk-token
`},
		{Name: "a list, a resource without a spec, and others beside them", Old: `
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: ConfigMap}
- {apiVersion: fluentbit.fluent.io/v1alpha2, kind: ClusterInput, metadata: {name: a}}
- {apiVersion: fluentbit.fluent.io/v1alpha2, kind: ClusterInput, metadata: {name: b}, spec: {dummy: {tag: d}}}
`, New: `
input
  name dummy
  tag d
does
source [INPUT] dummy
  with storage.type filesystem
sample d {"message":"dummy"}
pipe "" (start)
`},
	}, resources)
}
