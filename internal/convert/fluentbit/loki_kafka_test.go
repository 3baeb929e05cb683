package fluentbit_test

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/converttest"
)

func TestLokiAndKafka(t *testing.T) {
	converttest.Run(t, []converttest.Case{
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
  labels: {job: "fluentbit", kubernetes_namespace_name: "{record.kubernetes.namespace_name|}", pod:
    "{record.kubernetes.pod_name|}", sub_a_b: "{record.sub.a-b|}"}
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
	}, output)
}
