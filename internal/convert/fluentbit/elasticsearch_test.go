package fluentbit_test

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/converttest"
)

// TestElasticsearch: es and opensearch.
func TestElasticsearch(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "Fluent Bit's chart", Old: `
Name es
Host elasticsearch-master
Logstash_Format On
Logstash_Prefix node
Retry_Limit False
Suppress_Type_Name On
Replace_Dots On
Trace_Error On
Generate_ID On
`, New: `
elasticsearch
  hosts: ["http://elasticsearch-master:9200"]
  index: "node-%Y.%m.%d"
  fields: {time: "@timestamp", tag: "", cluster: ""}
  compression: "none"
  template: {manage: false}
dedot: {separator: "_"}
`},
		{Name: "by fields and of weeks", Old: `
Name es
Host ${ES_HOST}
Port ${ES_PORT}
HTTP_User ${ES_USER}
HTTP_Passwd ${ES_PASSWORD}
Logstash_Format On
Logstash_Prefix_Key $kubernetes['labels']['app']
Logstash_Prefix_Separator _
Logstash_DateFormat %Y.%V
Time_Key time
Time_Key_Format %d/%b/%Y
Time_Key_Nanos On
Include_Tag_Key On
Tag_Key tag
Current_Time_Index On
`, New: `
elasticsearch
  hosts: ["http://${env:ES_HOST}:${env:ES_PORT}"]
  username: "${env:ES_USER}"
  password: "${env:ES_PASSWORD}"
  index: "{record.kubernetes.labels.app|logstash}_%Y.%V"
  fields: {time: "time", tag: "tag", cluster: ""}
  compression: "none"
  template: {manage: false}
lost: [OUTPUT] es time_key_format: the time is written as RFC 3339
said: [OUTPUT] es current_time_index: names have the event's time, not the one at which it is sent
variable: ES_HOST
variable: ES_PORT
variable: ES_USER
variable: ES_PASSWORD
`},
		{Name: "TLS as far as it goes", Old: `
Name es
Host es
tls On
tls.verify Off
tls.ca_file /ca.crt
tls.crt_file /c.crt
tls.key_file /c.key
tls.key_passwd p
tls.vhost es.example
tls.ca_path /certs
Path /es/
Compress gzip
`, New: `
elasticsearch
  tls: {ca_file: "/ca.crt", cert_file: "/c.crt", key_file: "/c.key", server_name: "es.example",
    insecure_skip_verify: true}
  hosts: ["https://es:9200/es"]
  index: "fluent-bit"
  fields: {time: "@timestamp", tag: "", cluster: ""}
  template: {manage: false}
lost: [OUTPUT] es tls.key_passwd: keys are read without a passphrase
lost: [OUTPUT] es tls.ca_path: authorities are in one file
file: /ca.crt
file: /c.crt
file: /c.key
`},
		{Name: "a prefix that can't be read, an id neither", Old: `
Name es
Host https://es
Logstash_Format On
Logstash_Prefix_Key $a[0]
Id_Key $b[1]
Write_Operation upsert
`, New: `
elasticsearch
  hosts: ["https://es:9200"]
  index: "logstash-%Y.%m.%d"
  fields: {time: "@timestamp", tag: "", cluster: ""}
  compression: "none"
  template: {manage: false}
lost: [OUTPUT] es logstash_prefix_key: the field can't be read
lost: [OUTPUT] es id_key: the field can't be read
lost: [OUTPUT] es write_operation: documents are created or replaced, not changed by upsert
`},
		{Name: "an index with the tag in it, and an operation", Old: `
Name es
Index logs-$TAG-%Y
Include_Tag_Key On
Write_Operation index
Pipeline p
Buffer_Size False
net.keepalive On
Workers 4
storage.total_limit_size 500M
`, New: `
elasticsearch
  hosts: ["http://127.0.0.1:9200"]
  index: "logs-{tag}-%Y"
  op_type: "index"
  pipeline: "p"
  fields: {time: "@timestamp", tag: "_flb-key", cluster: ""}
  compression: "none"
  template: {manage: false}
  workers: 4
  max_queue_size: "500MB"
`},
		{Name: "Elastic Cloud", Old: `
Name es
Cloud_ID deployment:ZXUuZXhhbXBsZS5jb20kYWJjJGRlZg==
Cloud_Auth elastic:secret
tls On
`, New: `
elasticsearch
  cloud_id: "deployment:ZXUuZXhhbXBsZS5jb20kYWJjJGRlZg=="
  username: "elastic"
  password: "${file:/etc/aggregator/secrets/es-password}"
  index: "fluent-bit"
  fields: {time: "@timestamp", tag: "", cluster: ""}
  compression: "none"
  template: {manage: false}
file: /etc/aggregator/secrets/es-password
`},
		{Name: "a key of Elastic Cloud that is no pair", Old: `
Name es
Cloud_ID deployment:ZXUuZXhhbXBsZS5jb20kYWJjJGRlZg==
Cloud_Auth secret
HTTP_API_Key k
`, New: `
elasticsearch
  cloud_id: "deployment:ZXUuZXhhbXBsZS5jb20kYWJjJGRlZg=="
  api_key: "${file:/etc/aggregator/secrets/es-api-key}"
  index: "fluent-bit"
  fields: {time: "@timestamp", tag: "", cluster: ""}
  compression: "none"
  template: {manage: false}
lost: [OUTPUT] es cloud_auth: it is a name and a password in one
file: /etc/aggregator/secrets/es-api-key
`},
		{Name: "OpenSearch Serverless", Old: `
Name opensearch
Host x.eu-west-1.aoss.amazonaws.com
Port 443
tls On
AWS_Auth On
AWS_Region eu-west-1
AWS_Service_Name aoss
AWS_Role_ARN arn:aws:iam::123456789012:role/r
AWS_External_ID e
AWS_Profile p
`, New: `
elasticsearch
  hosts: ["https://x.eu-west-1.aoss.amazonaws.com:443"]
  aws: {region: "eu-west-1", service: "aoss", role_arn: "arn:aws:iam::123456789012:role/r", external_id: "e"}
  flavor: "opensearch"
  index: "fluent-bit"
  fields: {time: "@timestamp", tag: "", cluster: ""}
  compression: "none"
  template: {manage: false}
said: [OUTPUT] opensearch aws_profile: credentials come from the environment, a profile, IRSA or the instance
`},
		{Name: "tries", Old: `
Name es
Retry_Limit 5
`, New: `
elasticsearch
  hosts: ["http://127.0.0.1:9200"]
  index: "fluent-bit"
  fields: {time: "@timestamp", tag: "", cluster: ""}
  compression: "none"
  template: {manage: false}
  retry: {max_attempts: 6}
`},
		{Name: "one try", Old: `
Name es
Retry_Limit no_retries
`, New: `
elasticsearch
  hosts: ["http://127.0.0.1:9200"]
  index: "fluent-bit"
  fields: {time: "@timestamp", tag: "", cluster: ""}
  compression: "none"
  template: {manage: false}
  retry: {max_attempts: 1}
`},
		{Name: "no number of tries", Old: `
Name es
Retry_Limit often
`, New: `
elasticsearch
  hosts: ["http://127.0.0.1:9200"]
  index: "fluent-bit"
  fields: {time: "@timestamp", tag: "", cluster: ""}
  compression: "none"
  template: {manage: false}
lost: [OUTPUT] es retry_limit: "often" is no number
`},
		{Name: "a setting that there is none of", Old: `
Name es
Speed 11
`, New: `
elasticsearch
  hosts: ["http://127.0.0.1:9200"]
  index: "fluent-bit"
  fields: {time: "@timestamp", tag: "", cluster: ""}
  compression: "none"
  template: {manage: false}
lost: [OUTPUT] es speed: the setting has no like that is known here
`},
	}, output)
}
