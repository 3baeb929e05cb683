package fluentbit_test

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/converttest"
)

func TestOutputs(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "es", Old: `
Name es
Host h
Port 1
HTTP_User u
HTTP_Passwd p
Logstash_Format On
Logstash_Prefix_Key $k['n']
Replace_Dots On
Include_Tag_Key On
tls On
tls.verify Off
tls.ca_file /ca
Retry_Limit 3
Workers 2
storage.total_limit_size 1G
`, New: `
elasticsearch
  tls: {ca_file: "/ca", insecure_skip_verify: true}
  hosts: ["https://h:1"]
  username: "u"
  password: "${file:/etc/aggregator/secrets/es-password}"
  index: "{record.k.n|logstash}-%Y.%m.%d"
  fields: {time: "@timestamp", tag: "_flb-key", cluster: ""}
  compression: "none"
  template: {manage: false}
  workers: 2
  max_queue_size: "1GB"
  retry: {max_attempts: 4}
dedot: {separator: "_"}
file: /ca
file: /etc/aggregator/secrets/es-password
`},
		{Name: "es, an id", Old: `
Name es
Index a-%Y
Id_Key id
Write_Operation upsert
Cloud_Auth elastic:pw
`, New: `
elasticsearch
  hosts: ["http://127.0.0.1:9200"]
  username: "elastic"
  password: "${file:/etc/aggregator/secrets/es-password}"
  index: "a-%Y"
  id: "{record.id}"
  fields: {time: "@timestamp", tag: "", cluster: ""}
  compression: "none"
  template: {manage: false}
lost: [OUTPUT] es write_operation: documents are created or replaced, not changed by upsert
file: /etc/aggregator/secrets/es-password
`},
		{Name: "opensearch of AWS", Old: `
Name opensearch
Host h
AWS_Auth On
AWS_Region eu-west-1
AWS_Service_Name aoss
`, New: `
elasticsearch
  hosts: ["http://h:9200"]
  aws: {region: "eu-west-1", service: "aoss"}
  flavor: "opensearch"
  index: "fluent-bit"
  fields: {time: "@timestamp", tag: "", cluster: ""}
  compression: "none"
  template: {manage: false}
`},
		{Name: "http", Old: `
Name http
Host h
URI /a
Format json_lines
Header X-A b
Header Authorization ${AUTH}
header_tag X-Tag
compress snappy
json_date_key t
json_date_format java_sql_timestamp
`, New: `
http
  url: "http://h:80/a"
  body: "ndjson"
  headers: {X-A: "${file:/etc/aggregator/secrets/http-x-a}", Authorization: "${env:AUTH}"}
  event_headers: {X-Tag: "{tag}"}
  compression: "gzip"
  fields: {time: "", tag: "", cluster: ""}
expr: {set: {t: 'strftime(time, "%Y-%m-%d %H:%M:%S.") + strftime(time, "%N")[:6]'}}
said: [OUTPUT] http compress: requests are compressed by gzip or zstd, not by snappy
file: /etc/aggregator/secrets/http-x-a
variable: AUTH
`},
		{Name: "http, msgpack", Old: `
Name http
Host h
Format msgpack
json_date_key false
oauth2.enable on
oauth2.token_url https://t
oauth2.client_id c
oauth2.client_secret s
oauth2.scope a b
`, New: `
http
  url: "http://h:80/"
  body: "json_array"
  oauth2: {token_url: "https://t", client_id: "c", client_secret:
    "${file:/etc/aggregator/secrets/http-client-secret}", scopes: ["a", "b"]}
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
lost: [OUTPUT] http format: requests are JSON, not msgpack
file: /etc/aggregator/secrets/http-client-secret
`},
		{Name: "splunk", Old: `
Name splunk
Host h
Splunk_Token t
event_index i
event_source $TAG
event_sourcetype_key $st
event_field a $b['c']
event_field d e
tls On
Splunk_Send_Raw On
`, New: `
splunk_hec
  url: "https://h:8088"
  token: "${file:/etc/aggregator/secrets/splunk-token}"
  index: "i"
  source: "{tag}"
  sourcetype: "{record.st}"
  indexed_fields: {a: "{record.b.c}", d: "e"}
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
lost: [OUTPUT] splunk splunk_send_raw: the record is the event, not the object around it
file: /etc/aggregator/secrets/splunk-token
`},
		{Name: "opentelemetry", Old: `
Name opentelemetry
Host h
Port 4318
Logs_uri /v1/logs
Header X-A b
logs_body_key $log
grpc on
compress gzip
`, New: `
otlp
  url: "http://h:4318/v1/logs"
  body: "log"
  headers: {X-A: "${file:/etc/aggregator/secrets/opentelemetry-x-a}"}
  compression: "gzip"
lost: [OUTPUT] opentelemetry grpc: OTLP goes over HTTP here, not over gRPC
file: /etc/aggregator/secrets/opentelemetry-x-a
`},
		{Name: "loki", Old: `
Name loki
Host h
Labels job=x, $a['b']
Label_keys $c
tenant_id t
tenant_id_key $u
auto_kubernetes_labels on
remove_keys d
structured_metadata e=$f
`, New: `
loki
  url: "http://h:3100"
  tenant: "{record.u|t}"
  labels: {job: "x", a_b: "{record.a.b|}", c: "{record.c|}"}
  structured_metadata: {e: "{record.f|}"}
  fields: {time: "", tag: "", cluster: ""}
modify: {remove: ["d"]}
lost: [OUTPUT] loki auto_kubernetes_labels: labels are named one by one
`},
		{Name: "kafka", Old: `
Name kafka
Brokers a:1,b:2
Topics t,u
Message_Key_Field k
rdkafka.security.protocol sasl_ssl
rdkafka.sasl.mechanism GSSAPI
rdkafka.linger.ms 5
rdkafka.compression.codec lz4
`, New: `
kafka
  brokers: ["a:1", "b:2"]
  topic: "t"
  key: "{record.k}"
  compression: "lz4"
  tls: {}
  fields: {time: "", tag: "", cluster: ""}
expr: {set: {@timestamp: "float(time.UnixMicro()) / 1000000"}}
lost: [OUTPUT] kafka topics: an output has one topic; u is left out
lost: [OUTPUT] kafka rdkafka.sasl.mechanism: there is no login by gssapi
`},
		{Name: "kinesis_firehose", Old: `
Name kinesis_firehose
region eu-west-1
delivery_stream d
log_key log
time_key t
time_key_format %Y
endpoint vpce
`, New: `
firehose
  region: "eu-west-1"
  endpoint: "https://vpce"
  message: "log"
  fields: {time: "t", tag: "", cluster: ""}
  delivery_stream: "d"
lost: [OUTPUT] kinesis_firehose time_key_format: the time is written as RFC 3339
`},
		{Name: "kinesis_streams", Old: `
Name kinesis_streams
region eu-west-1
stream s
partition_key id
`, New: `
kinesis
  region: "eu-west-1"
  fields: {time: "", tag: "", cluster: ""}
  stream: "s"
  partition_key: "{record.id}"
`},
		{Name: "cloudwatch_logs", Old: `
Name cloudwatch_logs
region eu-west-1
log_group_name g
log_group_template $k['n']
log_stream_prefix p-
log_retention_days 3
new_log_group_tags a=b
metric_namespace m
`, New: `
cloudwatch_logs
  region: "eu-west-1"
  log_group: "{record.k.n|g}"
  log_stream: "p-{tag}"
  auto_create: false
  retention_days: 3
  log_group_tags: {a: "b"}
  fields: {time: "", tag: "", cluster: ""}
lost: [OUTPUT] cloudwatch_logs metric_namespace: no metrics are made of events
`},
		{Name: "s3", Old: `
Name s3
bucket logs
region eu-west-1
s3_key_format /a/$TAG[1]/%Y/$UUID.gz
compression gzip
total_file_size 500M
upload_timeout 5m
log_key log
`, New: `
s3
  region: "eu-west-1"
  message: "log"
  bucket: "logs"
  key: "a/{tag[1]}/%Y/"
  compression: "gzip"
  rotate: {max_size: "256MiB", max_age: "5m"}
  fields: {time: "date", tag: "", cluster: ""}
said: [OUTPUT] s3 s3_key_format: what is behind the last / of an object's name, a time and a number, is the
    aggregator's own
said: [OUTPUT] s3 total_file_size: objects have 256 MiB of events at most
`},
		{Name: "forward", Old: `
Name forward
Host h
Shared_Key k
Require_ack_response On
Compress gzip
tls on
tls.verify off
`, New: `
forward
  servers: ["h:24224"]
  shared_key: "${file:/etc/aggregator/secrets/forward-key}"
  tls: {insecure_skip_verify: true}
  ack: true
file: /etc/aggregator/secrets/forward-key
`},
		{Name: "forward, servers that are not here", Old: `
Name forward
Upstream nowhere.conf
`, New: `
forward
  servers: ["127.0.0.1:24224"]
  ack: false
  compression: "none"
lost: [OUTPUT] forward upstream: the file of servers is not here
`},
		{Name: "forward, servers", Old: `
Name forward
Upstream u.conf
[UPSTREAM]
  name u
[NODE]
  name a
  host h
  port 1
  shared_key k
[NODE]
  name b
  host i
  port 2
`, New: `
forward
  servers: ["h:1", "i:2"]
  shared_key: "${file:/etc/aggregator/secrets/forward-key}"
  ack: false
  compression: "none"
file: /etc/aggregator/secrets/forward-key
`},
		{Name: "file", Old: `
Name file
Path /x
File y
Format ltsv
`, New: `
file
  path: "/x/y"
lost: [OUTPUT] file format: lines are one JSON object each, not ltsv
`},
		{Name: "null", Old: `
Name null
`, New: `
nowhere
`},
		{Name: "a type that there is none of", Old: `
Name datadog
apikey k
`, New: `
file
  path: "data/not-converted/datadog/%Y-%m-%d.ndjson"
lost: [OUTPUT] datadog: there is no output of this type
`},
	}, output)
}
