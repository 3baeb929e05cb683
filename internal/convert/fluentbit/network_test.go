package fluentbit_test

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/converttest"
)

// TestNetwork: what goes to servers of other protocols, and to files.
func TestNetwork(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "http, of lines", Old: `
Name http
Host logs.example
Port 443
URI /in/x
Format json_lines
tls On
Header X-Api-Key secret
Header X-Env ${ENV}
Header Content-Type application/x-ndjson
Header User-Agent me
json_date_key time
json_date_format iso8601
Compress gzip
`, New: `
http
  url: "https://logs.example:443/in/x"
  body: "ndjson"
  headers: {X-Api-Key: "${file:/etc/aggregator/secrets/http-x-api-key}", X-Env: "${env:ENV}"}
  content_type: "application/x-ndjson"
  compression: "gzip"
  fields: {time: "time", tag: "", cluster: ""}
said: [OUTPUT] http header User-Agent: the program sets it itself
file: /etc/aggregator/secrets/http-x-api-key
variable: ENV
`},
		{Name: "http, of a stream", Old: `
Name http
Host a
Format json_stream
header_tag X-Tag
HTTP_Method put
Compress snappy
json_date_format epoch_ms
`, New: `
http
  url: "http://a:80/"
  body: "ndjson"
  method: "PUT"
  event_headers: {X-Tag: "{tag}"}
  compression: "gzip"
  fields: {time: "", tag: "", cluster: ""}
expr: {set: {date: "time.UnixMilli()"}}
said: [OUTPUT] http format: a line ends behind each object
said: [OUTPUT] http compress: requests are compressed by gzip or zstd, not by snappy
`},
		{Name: "http, without a format", Old: `
Name http
Host a
json_date_key false
`, New: `
http
  url: "http://a:80/"
  body: "json_array"
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
lost: [OUTPUT] http format: requests are JSON, not msgpack
`},
		{Name: "http, what it does with single events", Old: `
Name http
Host a
Format json
HTTP_Method get
body_key $a
headers_key $b
json_date_format java_sql_timestamp
`, New: `
http
  url: "http://a:80/"
  body: "json_array"
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
expr: {set: {date: 'strftime(time, "%Y-%m-%d %H:%M:%S.") + strftime(time, "%N")[:6]'}}
lost: [OUTPUT] http http_method: requests are POST, PUT or PATCH, not get
lost: [OUTPUT] http body_key: what a request holds is the same for all events
lost: [OUTPUT] http headers_key: what a request holds is the same for all events
`},
		{Name: "http, a date that there is none of", Old: `
Name http
Host a
Format json
json_date_format rfc1123
`, New: `
http
  url: "http://a:80/"
  body: "json_array"
  compression: "none"
  fields: {time: "date", tag: "", cluster: ""}
lost: [OUTPUT] http json_date_format: the time is written as RFC 3339, not as rfc1123
`},
		{Name: "http, logins", Old: `
Name http
Host a
Format json
HTTP_User u
HTTP_Passwd p
http_bearer_token t
json_date_format epoch
proxy http://proxy:3128
http.response_timeout 10s
aws_auth On
aws_region eu-west-1
`, New: `
http
  url: "http://a:80/"
  body: "json_array"
  bearer_token: "${file:/etc/aggregator/secrets/http-token}"
  proxy: "http://proxy:3128"
  compression: "none"
  timeout: "10s"
  fields: {time: "", tag: "", cluster: ""}
expr: {set: {date: "time.Unix()"}}
lost: [OUTPUT] http aws_auth: requests are not signed for AWS
said: [OUTPUT] http: the name and the password are left out: the token is the login
file: /etc/aggregator/secrets/http-password
file: /etc/aggregator/secrets/http-token
`},
		{Name: "http, OAuth 2.0", Old: `
Name http
Host a
Format json
json_date_key off
tls On
oauth2.enable On
oauth2.token_url https://id.example/token
oauth2.client_id c
oauth2.client_secret s
oauth2.scope a b
oauth2.audience x
`, New: `
http
  url: "https://a:80/"
  body: "json_array"
  oauth2: {token_url: "https://id.example/token", client_id: "c", client_secret:
    "${file:/etc/aggregator/secrets/http-client-secret}", scopes: ["a", "b"], parameters: {audience: "x"}}
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
file: /etc/aggregator/secrets/http-client-secret
`},
		{Name: "http, OAuth 2.0 by signed texts", Old: `
Name http
Host a
Format json
json_date_key off
tls On
oauth2.enable On
oauth2.token_url https://id.example/token
oauth2.client_id c
oauth2.auth_method private_key_jwt
oauth2.client_secret s
`, New: `
http
  url: "https://a:80/"
  body: "json_array"
  oauth2: {token_url: "https://id.example/token", client_id: "c", client_secret:
    "${file:/etc/aggregator/secrets/http-client-secret}"}
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
lost: [OUTPUT] http oauth2.auth_method: a client is known by its secret, not by a signed text
file: /etc/aggregator/secrets/http-client-secret
`},
		{Name: "splunk, raw", Old: `
Name splunk
Host s
Splunk_Token ${TOKEN}
Splunk_Send_Raw On
TLS On
TLS.Verify Off
`, New: `
splunk_hec
  url: "https://s:8088"
  token: "${env:TOKEN}"
  tls: {insecure_skip_verify: true}
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
lost: [OUTPUT] splunk splunk_send_raw: the record is the event, not the object around it
variable: TOKEN
`},
		{Name: "splunk by fields", Old: `
Name splunk
Host s
Port 443
Splunk_Token t
tls On
Event_Host h
Event_Source $TAG
Event_Sourcetype st
Event_Sourcetype_Key $a['st']
Event_Index main
Event_Index_Key idx
Event_Field a $b['c']
Event_Field env prod
Event_Key $log
HTTP_User u
HTTP_Passwd p
compress gzip
`, New: `
splunk_hec
  url: "https://s:443"
  token: "${file:/etc/aggregator/secrets/splunk-token}"
  index: "{record.idx|main}"
  source: "{tag}"
  sourcetype: "{record.a.st|st}"
  host: "h"
  indexed_fields: {a: "{record.b.c}", env: "prod"}
  message: "log"
  compression: "gzip"
  fields: {time: "", tag: "", cluster: ""}
said: [OUTPUT] splunk http_user: the token is the login
file: /etc/aggregator/secrets/splunk-token
`},
		{Name: "splunk without a token", Old: `
Name splunk
Host s
`, New: `
splunk_hec
  url: "http://s:8088"
  token: "missing"
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
lost: [OUTPUT] splunk: it has no token
`},
		{Name: "opentelemetry by gRPC", Old: `
Name opentelemetry
Host otel
Port 4317
grpc on
logs_uri /v1/logs
logs_body_key $message
metrics_uri /v1/metrics
add_label a b
Header Authorization Bearer x
aws_auth on
`, New: `
otlp
  url: "http://otel:4317/v1/logs"
  body: "message"
  headers: {Authorization: "${file:/etc/aggregator/secrets/opentelemetry-authorization}"}
  compression: "none"
lost: [OUTPUT] opentelemetry grpc: OTLP goes over HTTP here, not over gRPC
lost: [OUTPUT] opentelemetry aws_auth: requests are not signed for AWS
file: /etc/aggregator/secrets/opentelemetry-authorization
`},
		{Name: "loki, the labels of Kubernetes", Old: `
Name loki
Host loki
Port 443
tls On
URI /loki/api/v1/push
Labels job=fluentbit, $kubernetes['namespace_name'], pod=$kubernetes['pod_name'], $sub['a-b']
Remove_Keys kubernetes, stream, $a['b'], $c[0]
HTTP_User 1
HTTP_Passwd ${LOKI_KEY}
bearer_token t
Line_Format key_value
Drop_Single_Key raw
`, New: `
loki
  url: "https://loki:443"
  bearer_token: "${file:/etc/aggregator/secrets/loki-token}"
  labels: {job: "fluentbit", kubernetes_namespace_name: "{record.kubernetes.namespace_name|none}", pod:
    "{record.kubernetes.pod_name|none}", sub_a_b: "{record.sub.a-b|none}"}
  fields: {time: "", tag: "", cluster: ""}
modify: {remove: ["stream", "a.b"]}
lost: [OUTPUT] loki remove_keys: the field $c[0] can't be read
said: [OUTPUT] loki: the name and the password are left out: the token is the login
said: [OUTPUT] loki remove_keys: the field kubernetes stays in the event: a name, an id or a label of the
    output needs it
said: [OUTPUT] loki line_format: a line is JSON, not key=value
said: [OUTPUT] loki drop_single_key: a record with one field alone is a line of JSON too
file: /etc/aggregator/secrets/loki-token
variable: LOKI_KEY
`},
		{Name: "loki, without labels", Old: `
Name loki
Host loki
label_map_path /map.json
structured_metadata_map_keys $kubernetes['labels']
drop_single_key off
`, New: `
loki
  url: "http://loki:3100"
  labels: {job: "fluentbit"}
  fields: {time: "", tag: "", cluster: ""}
lost: [OUTPUT] loki structured_metadata_map_keys: structured metadata is named one by one
lost: [OUTPUT] loki label_map_path: the file is not read
`},
		{Name: "kafka by certificates", Old: `
Name kafka
Brokers k:9093
Topics logs
Topic_Key $topic
Dynamic_Topic On
Message_Key k
Timestamp_Key false
rdkafka.security.protocol ssl
rdkafka.ssl.ca.location /ca.crt
rdkafka.ssl.certificate.location /c.crt
rdkafka.ssl.key.location /c.key
rdkafka.ssl.key.password p
rdkafka.enable.ssl.certificate.verification false
rdkafka.ssl.endpoint.identification.algorithm none
rdkafka.message.max.bytes 4194304
rdkafka.request.required.acks 1
rdkafka.compression.type zstd
rdkafka.moon.phase full
`, New: `
kafka
  brokers: ["k:9093"]
  topic: "{record.topic|logs}"
  key: "k"
  compression: "zstd"
  tls: {ca_file: "/ca.crt", cert_file: "/c.crt", key_file: "/c.key", insecure_skip_verify: true}
  max_message_size: "4MiB"
  fields: {time: "", tag: "", cluster: ""}
lost: [OUTPUT] kafka rdkafka.ssl.key.password: keys are read without a passphrase
lost: [OUTPUT] kafka rdkafka.ssl.endpoint.identification.algorithm: the name in the brokers' certificates is
    always checked
lost: [OUTPUT] kafka rdkafka.moon.phase: the setting has no like that is known here
said: [OUTPUT] kafka rdkafka.request.required.acks: a record is delivered once all replicas in sync have it
file: /ca.crt
file: /c.crt
file: /c.key
`},
		{Name: "kafka by names", Old: `
Name kafka
Brokers k:9092
Timestamp_Format iso8601
rdkafka.security.protocol SASL_PLAINTEXT
rdkafka.sasl.mechanisms SCRAM-SHA-512
rdkafka.sasl.username u
rdkafka.sasl.password ${P}
`, New: `
kafka
  brokers: ["k:9092"]
  topic: "fluent-bit"
  compression: "none"
  sasl: {mechanism: "scram-sha-512", username: "u", password: "${env:P}"}
  fields: {time: "@timestamp", tag: "", cluster: ""}
variable: P
`},
		{Name: "kafka, raw", Old: `
Name kafka
Brokers k:9092
Format raw
Raw_Log_Key log
`, New: `
kafka
  brokers: ["k:9092"]
  topic: "fluent-bit"
  message: "log"
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
expr: {set: {@timestamp: "float(time.UnixMicro()) / 1000000"}}
`},
		{Name: "kafka, of other forms", Old: `
Name kafka
Brokers k:9092
Format msgpack
`, New: `
kafka
  brokers: ["k:9092"]
  topic: "fluent-bit"
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
expr: {set: {@timestamp: "float(time.UnixMicro()) / 1000000"}}
lost: [OUTPUT] kafka format: records are one JSON object each, not msgpack
`},
		{Name: "forward as an agent has it", Old: `
Name forward
Host 10.0.0.1
Port 24225
Shared_Key ${KEY}
Self_Hostname me
Require_ack_response On
Tag central.$TAG
Compress gzip
tls On
`, New: `
forward
  servers: ["10.0.0.1:24225"]
  shared_key: "${env:KEY}"
  tls: {}
  ack: true
  tag: "central.{tag}"
variable: KEY
`},
		{Name: "forward through a socket", Old: `
Name forward
Unix_Path /run/a.sock
Username u
Password p
Shared_Key k
tls On
tls.ca_file /ca.crt
`, New: `
forward
  servers: ["unix:/run/a.sock"]
  shared_key: "${file:/etc/aggregator/secrets/forward-key}"
  username: "u"
  password: "${file:/etc/aggregator/secrets/forward-password}"
  tls: {ca_file: "/ca.crt"}
  ack: false
  compression: "none"
file: /etc/aggregator/secrets/forward-key
file: /etc/aggregator/secrets/forward-password
file: /ca.crt
`},
		{Name: "forward to servers of other keys", Old: `
Name forward
Upstream u.conf
[NODE]
  name a
  host h
  port 1
  shared_key k
  tls on
  tls.ca_file /ca.crt
[NODE]
  name b
  host i
  shared_key other
  weight 3
  net.keepalive on
`, New: `
forward
  servers: ["h:1", "i:24224"]
  tls: {ca_file: "/ca.crt"}
  shared_key: "${file:/etc/aggregator/secrets/forward-key}"
  ack: false
  compression: "none"
lost: [NODE] b shared_key: all servers of an output have the same
file: /ca.crt
file: /etc/aggregator/secrets/forward-key
file: /etc/aggregator/secrets/forward-key-2
`},
		{Name: "file", Old: `
Name file
Path /logs
File app.log
Format csv
Delimiter ;
Mkdir On
`, New: `
file
  path: "/logs/app.log"
lost: [OUTPUT] file format: lines are one JSON object each, not csv
`},
		{Name: "file, named by tags", Old: `
Name file
Path /logs/
`, New: `
file
  path: "/logs/{tag}"
said: [OUTPUT] file: a line is one JSON object with the time and the tag in it
`},
		{Name: "counted by itself", Old: `
Name prometheus_exporter
Match *
`, New: `
nowhere
said: [OUTPUT] prometheus_exporter: left out: the aggregator counts by itself: /metrics
`},
	}, output)
}
