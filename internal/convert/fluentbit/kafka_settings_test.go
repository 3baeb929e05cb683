package fluentbit_test

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/converttest"
)

// TestKafkaRecords is what becomes of topics, keys, times and the form of records.
func TestKafkaRecords(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "nothing said", Old: `
Name kafka
`, New: `
kafka
  brokers: ["127.0.0.1:9092"]
  topic: "fluent-bit"
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
expr: {set: {@timestamp: "float(time.UnixMicro()) / 1000000"}}
`},
		{Name: "several topics", Old: `
Name kafka
Topics a,b,c
`, New: `
kafka
  brokers: ["127.0.0.1:9092"]
  topic: "a"
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
expr: {set: {@timestamp: "float(time.UnixMicro()) / 1000000"}}
lost: [OUTPUT] kafka topics: an output has one topic; b,c is left out
`},
		{Name: "a topic of a field", Old: `
Name kafka
Topics a
topic_key $kubernetes['namespace_name']
dynamic_topic on
`, New: `
kafka
  brokers: ["127.0.0.1:9092"]
  topic: "{record.kubernetes.namespace_name|a}"
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
expr: {set: {@timestamp: "float(time.UnixMicro()) / 1000000"}}
`},
		{Name: "one of several topics", Old: `
Name kafka
Topics a,b
topic_key t
`, New: `
kafka
  brokers: ["127.0.0.1:9092"]
  topic: "{record.t|a}"
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
expr: {set: {@timestamp: "float(time.UnixMicro()) / 1000000"}}
said: [OUTPUT] kafka topic_key: any topic that the field names is taken; there, only those of topics
`},
		{Name: "a key", Old: `
Name kafka
Topics a
message_key k
`, New: `
kafka
  brokers: ["127.0.0.1:9092"]
  topic: "a"
  key: "k"
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
expr: {set: {@timestamp: "float(time.UnixMicro()) / 1000000"}}
`},
		{Name: "a key of a field", Old: `
Name kafka
Topics a
message_key k
message_key_field id
`, New: `
kafka
  brokers: ["127.0.0.1:9092"]
  topic: "a"
  key: "{record.id|k}"
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
expr: {set: {@timestamp: "float(time.UnixMicro()) / 1000000"}}
`},
		{Name: "a field alone", Old: `
Name kafka
Topics a
Format raw
raw_log_key log
timestamp_key false
`, New: `
kafka
  brokers: ["127.0.0.1:9092"]
  topic: "a"
  message: "log"
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
`},
		{Name: "msgpack", Old: `
Name kafka
Topics a
Format msgpack
timestamp_key false
`, New: `
kafka
  brokers: ["127.0.0.1:9092"]
  topic: "a"
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
lost: [OUTPUT] kafka format: records are one JSON object each, not msgpack
`},
		{Name: "gelf", Old: `
Name kafka
Topics a
Format gelf
timestamp_format iso8601
`, New: `
kafka
  brokers: ["127.0.0.1:9092"]
  topic: "a"
  compression: "none"
  fields: {time: "@timestamp", tag: "", cluster: ""}
lost: [OUTPUT] kafka format: records are one JSON object each, not gelf
`},
		{Name: "seconds", Old: `
Name kafka
Topics a
timestamp_key at
timestamp_format epoch
`, New: `
kafka
  brokers: ["127.0.0.1:9092"]
  topic: "a"
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
expr: {set: {at: "time.Unix()"}}
`},
		{Name: "a queue that is full", Old: `
Name kafka
Topics a
timestamp_key false
queue_full_retries 5
client_id c
group_id g
`, New: `
kafka
  brokers: ["127.0.0.1:9092"]
  topic: "a"
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
`},
	}, output)
}

// TestKafkaOfLibrdkafka is what becomes of the settings of the library below it.
func TestKafkaOfLibrdkafka(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "compression", Old: `
Name kafka
Topics a
timestamp_key false
rdkafka.compression.codec snappy
`, New: `
kafka
  brokers: ["127.0.0.1:9092"]
  topic: "a"
  compression: "snappy"
  fields: {time: "", tag: "", cluster: ""}
`},
		{Name: "compression by its other name", Old: `
Name kafka
Topics a
timestamp_key false
rdkafka.compression.codec gzip
rdkafka.compression.type lz4
`, New: `
kafka
  brokers: ["127.0.0.1:9092"]
  topic: "a"
  compression: "lz4"
  fields: {time: "", tag: "", cluster: ""}
`},
		{Name: "no compression", Old: `
Name kafka
Topics a
timestamp_key false
rdkafka.compression.codec none
`, New: `
kafka
  brokers: ["127.0.0.1:9092"]
  topic: "a"
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
`},
		{Name: "one ack", Old: `
Name kafka
Topics a
timestamp_key false
rdkafka.request.required.acks 1
`, New: `
kafka
  brokers: ["127.0.0.1:9092"]
  topic: "a"
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
said: [OUTPUT] kafka rdkafka.request.required.acks: a record is delivered once all replicas in sync have it
`},
		{Name: "all acks", Old: `
Name kafka
Topics a
timestamp_key false
rdkafka.request.required.acks -1
rdkafka.acks all
`, New: `
kafka
  brokers: ["127.0.0.1:9092"]
  topic: "a"
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
`},
		{Name: "large records", Old: `
Name kafka
Topics a
timestamp_key false
rdkafka.message.max.bytes 10000000
`, New: `
kafka
  brokers: ["127.0.0.1:9092"]
  topic: "a"
  compression: "none"
  max_message_size: "10MB"
  fields: {time: "", tag: "", cluster: ""}
`},
		{Name: "what the client does by itself", Old: `
Name kafka
Topics a
timestamp_key false
rdkafka.log.connection.close false
rdkafka.queue.buffering.max.ms 100
rdkafka.batch.num.messages 1000
rdkafka.linger.ms 5
rdkafka.socket.keepalive.enable true
rdkafka.metadata.max.age.ms 1000
rdkafka.reconnect.backoff.ms 10
rdkafka.message.send.max.retries 2
rdkafka.message.timeout.ms 5000
rdkafka.delivery.timeout.ms 5000
rdkafka.statistics.interval.ms 0
rdkafka.broker.address.family v4
rdkafka.enable.idempotence true
rdkafka.max.in.flight 1
rdkafka.topic.metadata.refresh.interval.ms 1
rdkafka.connections.max.idle.ms 1
rdkafka.sticky.partitioning.linger.ms 1
rdkafka.partitioner murmur2
`, New: `
kafka
  brokers: ["127.0.0.1:9092"]
  topic: "a"
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
`},
		{Name: "one that nobody knows", Old: `
Name kafka
Topics a
timestamp_key false
rdkafka.plugin.library.paths x
`, New: `
kafka
  brokers: ["127.0.0.1:9092"]
  topic: "a"
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
lost: [OUTPUT] kafka rdkafka.plugin.library.paths: the setting has no like that is known here
`},
		{Name: "certificates", Old: `
Name kafka
Topics a
timestamp_key false
rdkafka.security.protocol SSL
rdkafka.ssl.ca.location /ca.crt
rdkafka.ssl.certificate.location /c.crt
rdkafka.ssl.key.location /c.key
rdkafka.ssl.key.password p
rdkafka.ssl.endpoint.identification.algorithm none
`, New: `
kafka
  brokers: ["127.0.0.1:9092"]
  topic: "a"
  compression: "none"
  tls: {ca_file: "/ca.crt", cert_file: "/c.crt", key_file: "/c.key"}
  fields: {time: "", tag: "", cluster: ""}
lost: [OUTPUT] kafka rdkafka.ssl.key.password: keys are read without a passphrase
lost: [OUTPUT] kafka rdkafka.ssl.endpoint.identification.algorithm: the name in the brokers' certificates is
    always checked
file: /ca.crt
file: /c.crt
file: /c.key
`},
		{Name: "no certificates that are looked at", Old: `
Name kafka
Topics a
timestamp_key false
rdkafka.security.protocol ssl
rdkafka.enable.ssl.certificate.verification false
rdkafka.ssl.endpoint.identification.algorithm https
`, New: `
kafka
  brokers: ["127.0.0.1:9092"]
  topic: "a"
  compression: "none"
  tls: {insecure_skip_verify: true}
  fields: {time: "", tag: "", cluster: ""}
`},
		{Name: "a name and a password", Old: `
Name kafka
Topics a
timestamp_key false
rdkafka.security.protocol sasl_plaintext
rdkafka.sasl.mechanism PLAIN
rdkafka.sasl.username u
rdkafka.sasl.password p
`, New: `
kafka
  brokers: ["127.0.0.1:9092"]
  topic: "a"
  compression: "none"
  sasl: {mechanism: "plain", username: "u", password: "${file:/etc/aggregator/secrets/kafka-password}"}
  fields: {time: "", tag: "", cluster: ""}
file: /etc/aggregator/secrets/kafka-password
`},
		{Name: "scram", Old: `
Name kafka
Topics a
timestamp_key false
rdkafka.security.protocol sasl_ssl
rdkafka.sasl.mechanisms SCRAM-SHA-256
rdkafka.sasl.username u
rdkafka.sasl.password ${PW}
`, New: `
kafka
  brokers: ["127.0.0.1:9092"]
  topic: "a"
  compression: "none"
  tls: {}
  sasl: {mechanism: "scram-sha-256", username: "u", password: "${env:PW}"}
  fields: {time: "", tag: "", cluster: ""}
variable: PW
`},
		{Name: "kerberos", Old: `
Name kafka
Topics a
timestamp_key false
rdkafka.security.protocol sasl_ssl
rdkafka.sasl.mechanism GSSAPI
`, New: `
kafka
  brokers: ["127.0.0.1:9092"]
  topic: "a"
  compression: "none"
  tls: {}
  fields: {time: "", tag: "", cluster: ""}
lost: [OUTPUT] kafka rdkafka.sasl.mechanism: there is no login by gssapi
`},
	}, output)
}
