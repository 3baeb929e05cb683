package outputs_test

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/converttest"
)

func TestDocuments(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "an index that a field names", Old: `
@type elasticsearch
host es
index_name other
target_index_key $.meta.index
target_type_key type
`, New: `
elasticsearch
  hosts: ["http://es:9200"]
  index: "{record.meta.index}"
  fields: {time: "", tag: "", cluster: ""}
  template: {manage: false}
modify: {set_if_missing: {meta.index: "other"}}
said: <match **> elasticsearch target_index_key: the field $.meta.index stays in the document; the plugin
    takes it out
said: <match **> elasticsearch target_type_key: documents have no types any more
`},
		{Name: "an index whose field stands in an array", Old: `
@type elasticsearch
host es
target_index_key $.a[0].b
id_key $.a[0]
`, New: `
elasticsearch
  hosts: ["http://es:9200"]
  index: "fluentd"
  fields: {time: "", tag: "", cluster: ""}
  template: {manage: false}
lost: <match **> elasticsearch target_index_key: the field can't be read
lost: <match **> elasticsearch id_key: the field can't be read
`},
		{Name: "ids that a filter made", Old: `
@type elasticsearch
host es
id_key _hash
remove_keys _hash
`, New: `
elasticsearch
  hosts: ["http://es:9200"]
  index: "fluentd"
  fields: {time: "", tag: "", cluster: ""}
  template: {manage: false}
modify: {remove: ["_hash"]}
`},
		{Name: "ids and operations", Old: `
@type elasticsearch
host es
id_key request_id
write_operation create
`, New: `
elasticsearch
  hosts: ["http://es:9200"]
  index: "fluentd"
  id: "{record.request_id}"
  fields: {time: "", tag: "", cluster: ""}
  template: {manage: false}
`},
		{Name: "documents that are changed, routed and have parents", Old: `
@type elasticsearch
host es
id_key id
write_operation upsert
routing_key r
parent_key p
remove_keys_on_update a
`, New: `
elasticsearch
  hosts: ["http://es:9200"]
  index: "fluentd"
  id: "{record.id}"
  fields: {time: "", tag: "", cluster: ""}
  template: {manage: false}
lost: <match **> elasticsearch write_operation: documents are created or replaced, not changed by upsert
lost: <match **> elasticsearch parent_key: documents have no parent here
lost: <match **> elasticsearch routing_key: documents have no routing here
`},
		{Name: "the life of indices", Old: `
@type elasticsearch
host es
index_name app
enable_ilm true
ilm_policy_id keep-30-days
rollover_index true
template_name app
template_file /t.json
customize_template {"<<shard>>": "3"}
`, New: `
elasticsearch
  hosts: ["http://es:9200"]
  index: "app"
  fields: {time: "", tag: "", cluster: ""}
  template: {manage: false}
said: <match **> elasticsearch enable_ilm: the policy and the template that are there stay in force; a write
    alias is made by nobody here
said: <match **> elasticsearch template: the template that is there stays in force
`},
		{Name: "life without a policy's name", Old: `
@type elasticsearch
host es
enable_ilm true
`, New: `
elasticsearch
  hosts: ["http://es:9200"]
  index: "fluentd"
  fields: {time: "", tag: "", cluster: ""}
  template: {manage: false}
said: <match **> elasticsearch enable_ilm: the policy and the template that are there stay in force; a write
    alias is made by nobody here
`},
		{Name: "the time stays out of documents", Old: `
@type elasticsearch
host es
logstash_format true
time_key ts
time_key_exclude_timestamp true
`, New: `
elasticsearch
  hosts: ["http://es:9200"]
  index: "logstash-%Y.%m.%d"
  fields: {time: "", tag: "", cluster: ""}
  template: {manage: false}
parse: {field: '["@timestamp"]', format: "regex", regex: '^(?<time>\d{4}-\d\d-\d\dT.+)$', keep: true} when
    record["@timestamp"] != nil
parse: {field: "ts", format: "regex", regex: "^(?<time>.+)$", keep: true} when record["@timestamp"] == nil
`},
		{Name: "maps are made flat", Old: `
@type elasticsearch
host es
flatten_hashes true
flatten_hashes_separator .
`, New: `
elasticsearch
  hosts: ["http://es:9200"]
  index: "fluentd"
  fields: {time: "", tag: "", cluster: ""}
  template: {manage: false}
modify: {flatten: {separator: "."}}
`},
		{Name: "maps are made flat with the usual separator", Old: `
@type elasticsearch
host es
flatten_hashes true
`, New: `
elasticsearch
  hosts: ["http://es:9200"]
  index: "fluentd"
  fields: {time: "", tag: "", cluster: ""}
  template: {manage: false}
modify: {flatten: {separator: "_"}}
`},
		{Name: "names by local time, and an answer that takes hours", Old: `
@type elasticsearch
host es
logstash_format true
utc_index false
request_timeout 2h
pipeline p-${tag}
`, New: `
elasticsearch
  hosts: ["http://es:9200"]
  index: "logstash-%Y.%m.%d"
  timeout: "1h"
  pipeline: "p-{tag}"
  fields: {time: "@timestamp", tag: "", cluster: ""}
  template: {manage: false}
parse: {field: '["@timestamp"]', format: "regex", regex: '^(?<time>\d{4}-\d\d-\d\dT.+)$', keep: true} when
    record["@timestamp"] != nil
lost: <match **> elasticsearch utc_index: %Y, %m, %d in names are UTC
said: <match **> elasticsearch request_timeout: an hour at most: no answer within one is none
`},
		{Name: "compressed requests, and a note of who calls", Old: `
@type elasticsearch
host es
compression_level best_speed
custom_headers {"X-Opaque-Id":"a","User-Agent":"b","Content-Type":"c"}
`, New: `
elasticsearch
  hosts: ["http://es:9200"]
  headers: {X-Opaque-Id: "${file:/etc/aggregator/secrets/elasticsearch-x-opaque-id}"}
  index: "fluentd"
  fields: {time: "", tag: "", cluster: ""}
  template: {manage: false}
said: <match **> elasticsearch header User-Agent: the program sets it itself
file: /etc/aggregator/secrets/elasticsearch-x-opaque-id
`},
		{Name: "headers that are no object", Old: `
@type elasticsearch
host es
custom_headers [1]
`, New: `
elasticsearch
  hosts: ["http://es:9200"]
  index: "fluentd"
  fields: {time: "", tag: "", cluster: ""}
  template: {manage: false}
lost: <match **> elasticsearch custom_headers: it is no object of texts
`},
		{Name: "OpenSearch's data stream", Old: `
@type opensearch_data_stream
host os
data_stream_name logs-${tag}
data_stream_template_name t
`, New: `
elasticsearch
  hosts: ["http://os:9200"]
  flavor: "opensearch"
  index: "logs-{tag}"
  data_stream: true
  fields: {time: "@timestamp", tag: "", cluster: ""}
  template: {manage: false}
parse: {field: '["@timestamp"]', format: "regex", regex: '^(?<time>\d{4}-\d\d-\d\dT.+)$', keep: true} when
    record["@timestamp"] != nil
`},
		{Name: "a data stream without a name", Old: `
@type elasticsearch_data_stream
host es
`, New: `
elasticsearch
  hosts: ["http://es:9200"]
  index: "logs-generic-default"
  data_stream: true
  fields: {time: "@timestamp", tag: "", cluster: ""}
  template: {manage: false}
parse: {field: '["@timestamp"]', format: "regex", regex: '^(?<time>\d{4}-\d\d-\d\dT.+)$', keep: true} when
    record["@timestamp"] != nil
`},
		{Name: "a cloud whose login is a variable", Old: `
@type elasticsearch
cloud_id deployment:ZXUuZXhhbXBsZS5jb20kYWJjJGRlZg==
cloud_auth "#{ENV['CLOUD_AUTH']}"
`, New: `
elasticsearch
  cloud_id: "deployment:ZXUuZXhhbXBsZS5jb20kYWJjJGRlZg=="
  index: "fluentd"
  fields: {time: "", tag: "", cluster: ""}
  template: {manage: false}
lost: <match **> elasticsearch cloud_auth: it is a name and a password in one
`},
		{Name: "keys of OpenSearch that are somebody's own", Old: `
@type opensearch
<endpoint>
  url https://search-x.eu-west-1.es.amazonaws.com
  region "#{ENV['AWS_REGION']}"
  access_key_id AKIA
  secret_access_key s
  aws_service_name aoss
</endpoint>
`, New: `
elasticsearch
  hosts: ["https://search-x.eu-west-1.es.amazonaws.com"]
  aws: {region: "${env:AWS_REGION}", service: "aoss"}
  flavor: "opensearch"
  index: "fluentd"
  fields: {time: "", tag: "", cluster: ""}
  template: {manage: false}
said: <match **> opensearch <endpoint> access_key_id: credentials come from the environment, a profile, IRSA
    or the instance
variable: AWS_REGION
`},
		{Name: "values that are none", Old: `
@type elasticsearch
host es
request_timeout soon
logstash_format maybe
<buffer>
  flush_interval fast
  flush_thread_count many
  total_limit_size huge
  retry_max_times often
</buffer>
`, New: `
elasticsearch
  hosts: ["http://es:9200"]
  index: "fluentd"
  fields: {time: "", tag: "", cluster: ""}
  template: {manage: false}
lost: <match **> elasticsearch logstash_format: "maybe" is no truth value
lost: <match **> elasticsearch request_timeout: "soon" is no time
lost: <match **> elasticsearch <buffer> retry_max_times: "often" is no number
lost: <match **> elasticsearch <buffer> flush_interval: "fast" is no time
lost: <match **> elasticsearch <buffer> flush_thread_count: "many" is no number
lost: <match **> elasticsearch <buffer> total_limit_size: "huge" is no size
`},
	}, read)
}
