package fluentbit_test

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/converttest"
)

// TestElasticsearchNames is which index a document gets, and which id.
func TestElasticsearchNames(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "an index of tag and fields", Old: `
Name es
Index a-$TAG-$TAG[1]-$kubernetes['x']-%Y
`, New: `
elasticsearch
  hosts: ["http://127.0.0.1:9200"]
  index: "a-{tag}-{tag[1]}-{record.kubernetes.x}-%Y"
  fields: {time: "@timestamp", tag: "", cluster: ""}
  compression: "none"
  template: {manage: false}
`},
		{Name: "a lonely dollar, and a part of a time that nobody knows", Old: `
Name es
Index a-$-%Y-%q
`, New: `
elasticsearch
  hosts: ["http://127.0.0.1:9200"]
  index: "a-$-%Y-"
  fields: {time: "@timestamp", tag: "", cluster: ""}
  compression: "none"
  template: {manage: false}
lost: [OUTPUT] es index: %q is no part of a time here
`},
		{Name: "a date of its own", Old: `
Name es
logstash_format on
logstash_prefix p
logstash_prefix_separator _
logstash_dateformat %Y.%W
`, New: `
elasticsearch
  hosts: ["http://127.0.0.1:9200"]
  index: "p_%Y."
  fields: {time: "@timestamp", tag: "", cluster: ""}
  compression: "none"
  template: {manage: false}
lost: [OUTPUT] es logstash_dateformat: %W is no part of a time here
`},
		{Name: "a prefix that is no field", Old: `
Name es
logstash_format on
logstash_prefix_key $a['b
`, New: `
elasticsearch
  hosts: ["http://127.0.0.1:9200"]
  index: "logstash-%Y.%m.%d"
  fields: {time: "@timestamp", tag: "", cluster: ""}
  compression: "none"
  template: {manage: false}
lost: [OUTPUT] es logstash_prefix_key: the field can't be read
`},
		{Name: "an id that is no field", Old: `
Name es
Index a
id_key $a['b
`, New: `
elasticsearch
  hosts: ["http://127.0.0.1:9200"]
  index: "a"
  fields: {time: "@timestamp", tag: "", cluster: ""}
  compression: "none"
  template: {manage: false}
lost: [OUTPUT] es id_key: the field can't be read
`},
		{Name: "an id in a map", Old: `
Name es
Index a
id_key $a['b']
write_operation index
`, New: `
elasticsearch
  hosts: ["http://127.0.0.1:9200"]
  index: "a"
  id: "{record.a.b}"
  op_type: "index"
  fields: {time: "@timestamp", tag: "", cluster: ""}
  compression: "none"
  template: {manage: false}
`},
		{Name: "only new ones", Old: `
Name es
Index a
write_operation create
generate_id on
`, New: `
elasticsearch
  hosts: ["http://127.0.0.1:9200"]
  index: "a"
  fields: {time: "@timestamp", tag: "", cluster: ""}
  compression: "none"
  template: {manage: false}
`},
		{Name: "changed ones", Old: `
Name es
Index a
write_operation update
`, New: `
elasticsearch
  hosts: ["http://127.0.0.1:9200"]
  index: "a"
  fields: {time: "@timestamp", tag: "", cluster: ""}
  compression: "none"
  template: {manage: false}
lost: [OUTPUT] es write_operation: documents are created or replaced, not changed by update
`},
		{Name: "a time that is written otherwise", Old: `
Name es
Index a
time_key t
time_key_format %d.%m.%Y
`, New: `
elasticsearch
  hosts: ["http://127.0.0.1:9200"]
  index: "a"
  fields: {time: "t", tag: "", cluster: ""}
  compression: "none"
  template: {manage: false}
lost: [OUTPUT] es time_key_format: the time is written as RFC 3339
`},
		{Name: "a time of RFC 3339", Old: `
Name es
Index a
time_key t
time_key_format %Y-%m-%dT%H:%M:%S
time_key_nanos on
current_time_index on
`, New: `
elasticsearch
  hosts: ["http://127.0.0.1:9200"]
  index: "a"
  fields: {time: "t", tag: "", cluster: ""}
  compression: "none"
  template: {manage: false}
said: [OUTPUT] es current_time_index: names have the event's time, not the one at which it is sent
`},
		{Name: "the tag under its name", Old: `
Name es
Index a
include_tag_key on
tag_key tag
type _doc
suppress_type_name on
`, New: `
elasticsearch
  hosts: ["http://127.0.0.1:9200"]
  index: "a"
  fields: {time: "@timestamp", tag: "tag", cluster: ""}
  compression: "none"
  template: {manage: false}
`},
	}, output)
}

// TestElasticsearchPlaces is where documents go, and how the sender logs in.
func TestElasticsearchPlaces(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "a pipeline behind a path", Old: `
Name es
Host h
Path /es/
Pipeline p
Index a
compress gzip
`, New: `
elasticsearch
  hosts: ["http://h:9200/es"]
  index: "a"
  pipeline: "p"
  fields: {time: "@timestamp", tag: "", cluster: ""}
  template: {manage: false}
`},
		{Name: "an address with its scheme", Old: `
Name es
Host https://h
Port 443
Index a
`, New: `
elasticsearch
  hosts: ["https://h:443"]
  index: "a"
  fields: {time: "@timestamp", tag: "", cluster: ""}
  compression: "none"
  template: {manage: false}
`},
		{Name: "a cloud", Old: `
Name es
Index a
cloud_id d:ZXhhbXBsZS5jb20kYQ==
cloud_auth u:p
`, New: `
elasticsearch
  cloud_id: "d:ZXhhbXBsZS5jb20kYQ=="
  username: "u"
  password: "${file:/etc/aggregator/secrets/es-password}"
  index: "a"
  fields: {time: "@timestamp", tag: "", cluster: ""}
  compression: "none"
  template: {manage: false}
file: /etc/aggregator/secrets/es-password
`},
		{Name: "a key", Old: `
Name es
Index a
http_api_key ${KEY}
`, New: `
elasticsearch
  hosts: ["http://127.0.0.1:9200"]
  api_key: "${env:KEY}"
  index: "a"
  fields: {time: "@timestamp", tag: "", cluster: ""}
  compression: "none"
  template: {manage: false}
variable: KEY
`},
		{Name: "a region that is none", Old: `
Name opensearch
Host h
Index a
aws_auth on
aws_region nowhere
`, New: `
elasticsearch
  hosts: ["http://h:9200"]
  aws: {region: "${env:AWS_REGION}"}
  flavor: "opensearch"
  index: "a"
  fields: {time: "@timestamp", tag: "", cluster: ""}
  compression: "none"
  template: {manage: false}
lost: [OUTPUT] opensearch aws_region: nowhere is no region
variable: AWS_REGION
`},
		{Name: "a role and a profile", Old: `
Name opensearch
Host h
Index a
aws_auth on
aws_region eu-west-1
aws_role_arn arn:aws:iam::123456789012:role/r
aws_external_id x
aws_profile p
`, New: `
elasticsearch
  hosts: ["http://h:9200"]
  aws: {region: "eu-west-1", role_arn: "arn:aws:iam::123456789012:role/r", external_id: "x"}
  flavor: "opensearch"
  index: "a"
  fields: {time: "@timestamp", tag: "", cluster: ""}
  compression: "none"
  template: {manage: false}
said: [OUTPUT] opensearch aws_profile: credentials come from the environment, a profile, IRSA or the instance
`},
		{Name: "what is of no use here", Old: `
Name es
Host h
Index a
buffer_size 1M
trace_output off
trace_error on
net.connect_timeout 5
extra_user_agent x
`, New: `
elasticsearch
  hosts: ["http://h:9200"]
  index: "a"
  fields: {time: "@timestamp", tag: "", cluster: ""}
  compression: "none"
  template: {manage: false}
`},
		{Name: "one try", Old: `
Name es
Host h
Index a
Retry_Limit no_retries
`, New: `
elasticsearch
  hosts: ["http://h:9200"]
  index: "a"
  fields: {time: "@timestamp", tag: "", cluster: ""}
  compression: "none"
  template: {manage: false}
  retry: {max_attempts: 1}
`},
		{Name: "tries without end", Old: `
Name es
Host h
Index a
Retry_Limit no_limits
`, New: `
elasticsearch
  hosts: ["http://h:9200"]
  index: "a"
  fields: {time: "@timestamp", tag: "", cluster: ""}
  compression: "none"
  template: {manage: false}
`},
		{Name: "no try", Old: `
Name es
Host h
Index a
Retry_Limit 0
Workers 0
`, New: `
elasticsearch
  hosts: ["http://h:9200"]
  index: "a"
  fields: {time: "@timestamp", tag: "", cluster: ""}
  compression: "none"
  template: {manage: false}
`},
	}, output)
}

// TestNamesOfTimes is what becomes of parts of times that the aggregator does not know, in names of all kinds.
func TestNamesOfTimes(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "an object", Old: `
Name s3
Bucket logs-b
Region eu-west-1
s3_key_format /$TAG/%Y/%W/$INDEX
`, New: `
s3
  region: "eu-west-1"
  bucket: "logs-b"
  key: "{tag}/%Y/{index}"
  compression: "none"
  rotate: {max_age: "10m"}
  fields: {time: "date", tag: "", cluster: ""}
lost: [OUTPUT] s3 s3_key_format: %W is no part of a time here
`},
		{Name: "a prefix with braces and percents", Old: `
Name es
logstash_format on
logstash_prefix a%b
logstash_dateformat %%-%Y
`, New: `
elasticsearch
  hosts: ["http://127.0.0.1:9200"]
  index: "a%%b-%%-%Y"
  fields: {time: "@timestamp", tag: "", cluster: ""}
  compression: "none"
  template: {manage: false}
`},
	}, output)
}
