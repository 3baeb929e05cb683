package outputs_test

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/converttest"
)

func TestKafka(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "kafka2", Old: `
@type kafka2
brokers a:1, b:2
default_topic t
topic_key topic
message_key_key k
headers {"h":"v"}
headers_from_record {"ns":"$.kubernetes.ns"}
compression_codec snappy
ssl_ca_cert /ca
username u
password p
scram_mechanism sha512
required_acks 1
`, New: `
kafka
  brokers: ["a:1", "b:2"]
  topic: "{record.topic|t}"
  key: "{record.k}"
  compression: "snappy"
  headers: {h: "v", ns: "{record.kubernetes.ns|}"}
  sasl: {mechanism: "scram-sha-512", username: "u", password:
    "${file:/etc/aggregator/secrets/kafka2-password}"}
  tls: {ca_file: "/ca"}
  fields: {time: "", tag: "", cluster: ""}
said: <match **> kafka2 required_acks: a record is delivered once all replicas in sync have it
file: /ca
file: /etc/aggregator/secrets/kafka2-password
`},
		{Name: "kafka without brokers", Old: `
@type kafka_buffered
zookeeper z:2181
default_topic t
`, New: `
kafka
  brokers: ["localhost:9092"]
  topic: "t"
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
lost: <match **> kafka_buffered: it names no brokers
`},
	}, read)
}

// TestKafkaOfUsers is what people write, and what has no like.
func TestKafkaOfUsers(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "topics by tags and records", Old: `
@type kafka2
brokers kafka:9092
topic logs-${tag[1]}-%Y
message_key_key $.kubernetes.pod_name
default_message_key none
use_event_time true
<format>
  @type json
</format>
<inject>
  tag_key tag
  time_key time
  time_type float
</inject>
`, New: `
kafka
  brokers: ["kafka:9092"]
  topic: "logs-{tag[1]}-%Y"
  key: "{record.kubernetes.pod_name}"
  compression: "none"
  fields: {time: "", tag: "tag", cluster: ""}
expr: {set: {time: "float(time.UnixMicro()) / 1000000"}}
`},
		{Name: "the topic of a field, without another", Old: `
@type rdkafka2
brokers kafka:9092
topic_key $.a.topic
exclude_topic_key true
exclude_message_key true
compression_codec lzma
`, New: `
kafka
  brokers: ["kafka:9092"]
  topic: "{record.a.topic}"
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
lost: <match **> rdkafka2 compression_codec: records are not compressed by lzma
said: <match **> rdkafka2 exclude_topic_key: the field stays in the event
said: <match **> rdkafka2 exclude_message_key: the field stays in the event
`},
		{Name: "logins by certificates of the system", Old: `
@type kafka2
brokers kafka:9093
default_topic t
username u
password "#{ENV['P']}"
scram_mechanism sha256
sasl_over_ssl true
ssl_ca_certs_from_system true
ssl_verify_hostname false
`, New: `
kafka
  brokers: ["kafka:9093"]
  topic: "t"
  compression: "none"
  sasl: {mechanism: "scram-sha-256", username: "u", password: "${env:P}"}
  tls: {}
  fields: {time: "", tag: "", cluster: ""}
lost: <match **> kafka2 ssl_verify_hostname: the name in the brokers' certificates is always checked
variable: P
`},
		{Name: "plain logins on plain connections", Old: `
@type kafka2
brokers kafka:9092
default_topic t
username u
password p
sasl_over_ssl false
`, New: `
kafka
  brokers: ["kafka:9092"]
  topic: "t"
  compression: "none"
  sasl: {mechanism: "plain", username: "u", password: "${file:/etc/aggregator/secrets/kafka2-password}"}
  fields: {time: "", tag: "", cluster: ""}
file: /etc/aggregator/secrets/kafka2-password
`},
		{Name: "certificates", Old: `
@type kafka2
brokers kafka:9093
default_topic t
ssl_ca_cert /ca.crt
ssl_client_cert /c.crt
ssl_client_cert_key /c.key
ssl_client_cert_key_password p
ssl_client_cert_chain /chain.crt
`, New: `
kafka
  brokers: ["kafka:9093"]
  topic: "t"
  compression: "none"
  tls: {ca_file: "/ca.crt", cert_file: "/c.crt", key_file: "/c.key"}
  fields: {time: "", tag: "", cluster: ""}
lost: <match **> kafka2 ssl_client_cert_key_password: keys are read without a passphrase
lost: <match **> kafka2 ssl_client_cert_chain: a certificate and its chain are in one file
file: /ca.crt
file: /c.crt
file: /c.key
`},
		{Name: "Kerberos, and partitions", Old: `
@type kafka2
brokers kafka:9092
default_topic t
principal p@REALM
keytab /k
partition_key_key user
required_acks -1
max_send_retries 3
`, New: `
kafka
  brokers: ["kafka:9092"]
  topic: "t"
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
lost: <match **> kafka2 principal: there is no Kerberos
said: <match **> kafka2 partition_key: the key of a record says its partition: {record.…} in key
`},
		{Name: "what old versions put into records", Old: `
@type kafka_buffered
brokers kafka:9092
default_topic t
output_include_tag true
output_include_time true
output_data_type json
`, New: `
kafka
  brokers: ["kafka:9092"]
  topic: "t"
  compression: "none"
  fields: {time: "time", tag: "tag", cluster: ""}
`},
		{Name: "headers that can't be read", Old: `
@type kafka2
brokers kafka:9092
default_topic t
headers_from_record {"a":"$.b[0]"}
<format>
  @type single_value
</format>
`, New: `
kafka
  brokers: ["kafka:9092"]
  topic: "t"
  compression: "none"
  message: "message"
  fields: {time: "", tag: "", cluster: ""}
lost: <match **> kafka2 headers_from_record: the field $.b[0] can't be read
`},
	}, read)
}
