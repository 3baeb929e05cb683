package outputs_test

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/converttest"
)

func TestElasticsearch(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "elasticsearch, a day an index", Old: `
@type elasticsearch
host es
port 9243
scheme https
user u
password p
logstash_format true
logstash_prefix app-${tag[1]}
ssl_verify false
request_timeout 30s
include_tag_key true
<buffer tag, time>
  timekey 1d
  flush_interval 5s
  flush_thread_count 4
  total_limit_size 2g
  overflow_action block
  retry_max_times 5
  retry_wait 2s
</buffer>
`, New: `
elasticsearch
  hosts: ["https://es:9243"]
  username: "u"
  password: "${file:/etc/aggregator/secrets/elasticsearch-password}"
  tls: {insecure_skip_verify: true}
  index: "app-{tag[1]}-%Y.%m.%d"
  timeout: "30s"
  fields: {time: "@timestamp", tag: "tag", cluster: ""}
  template: {manage: false}
  retry: {initial: "2s", max_attempts: 6}
  batch: {max_wait: "5s"}
  workers: 4
  max_queue_size: "2GiB"
parse: {field: '["@timestamp"]', format: "regex", regex: '^(?<time>\d{4}-\d\d-\d\dT.+)$', keep: true} when
    record["@timestamp"] != nil
when full: block
file: /etc/aggregator/secrets/elasticsearch-password
`},
		{Name: "elasticsearch, several hosts with a login", Old: `
@type elasticsearch
hosts https://u:p@a:1/x,https://b
index_name i-%Y.%m
id_key $.a.b
remove_keys x, $.y.z
time_key ts
time_key_format %Y-%m-%d
`, New: `
elasticsearch
  username: "u"
  password: "${file:/etc/aggregator/secrets/elasticsearch-password}"
  hosts: ["https://a:1/x", "https://b:9200"]
  index: "i-%Y.%m"
  id: "{record.a.b}"
  op_type: "index"
  fields: {time: "", tag: "", cluster: ""}
  template: {manage: false}
modify: {remove: ["x", "y.z"]}
file: /etc/aggregator/secrets/elasticsearch-password
`},
		{Name: "elasticsearch in the cloud", Old: `
@type elasticsearch
cloud_id d:ZXUuZXhhbXBsZS5jb20kYWJjJGRlZg==
cloud_auth elastic:pw
api_key k
custom_headers {"X-A":"b"}
`, New: `
elasticsearch
  cloud_id: "d:ZXUuZXhhbXBsZS5jb20kYWJjJGRlZg=="
  api_key: "${file:/etc/aggregator/secrets/elasticsearch-api-key}"
  username: "elastic"
  password: "${file:/etc/aggregator/secrets/elasticsearch-password}"
  headers: {X-A: "${file:/etc/aggregator/secrets/elasticsearch-x-a}"}
  index: "fluentd"
  fields: {time: "", tag: "", cluster: ""}
  template: {manage: false}
file: /etc/aggregator/secrets/elasticsearch-api-key
file: /etc/aggregator/secrets/elasticsearch-password
file: /etc/aggregator/secrets/elasticsearch-x-a
`},
		{Name: "a data stream", Old: `
@type elasticsearch_data_stream
host es
data_stream_name logs-app-prod
`, New: `
elasticsearch
  hosts: ["http://es:9200"]
  index: "logs-app-prod"
  data_stream: true
  fields: {time: "@timestamp", tag: "", cluster: ""}
  template: {manage: false}
parse: {field: '["@timestamp"]', format: "regex", regex: '^(?<time>\d{4}-\d\d-\d\dT.+)$', keep: true} when
    record["@timestamp"] != nil
`},
		{Name: "opensearch of AWS", Old: `
@type opensearch
index_name a
<endpoint>
  url https://search-x.eu-west-1.es.amazonaws.com/
  region eu-west-1
  assume_role_arn arn:aws:iam::123456789012:role/r
</endpoint>
`, New: `
elasticsearch
  hosts: ["https://search-x.eu-west-1.es.amazonaws.com"]
  aws: {region: "eu-west-1", role_arn: "arn:aws:iam::123456789012:role/r"}
  flavor: "opensearch"
  index: "a"
  fields: {time: "", tag: "", cluster: ""}
  template: {manage: false}
`},
	}, read)
}

// TestElasticsearchOfUsers is what people write, and what has no like.
func TestElasticsearchOfUsers(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "Kubernetes' daemonset with variables of the environment", Old: `
@type elasticsearch
@id out_es
@log_level info
include_tag_key true
host "#{ENV['ES_HOST']}"
port "#{ENV['ES_PORT']}"
path "#{ENV['ES_PATH']}"
scheme "#{ENV['ES_SCHEME'] || 'http'}"
ssl_verify "#{ENV['ES_SSL_VERIFY'] || 'true'}"
user "#{ENV['ES_USER'] || use_default}"
password "#{ENV['ES_PASSWORD'] || use_default}"
reload_connections "#{ENV['ES_RELOAD_CONNECTIONS'] || 'false'}"
logstash_prefix "#{ENV['ES_LOGSTASH_PREFIX'] || 'logstash'}"
logstash_format "#{ENV['ES_LOGSTASH_FORMAT'] || 'true'}"
<buffer>
  flush_thread_count "#{ENV['ES_BUFFER_FLUSH_THREAD_COUNT'] || '8'}"
  flush_interval "#{ENV['ES_BUFFER_FLUSH_INTERVAL'] || '5s'}"
  chunk_limit_size "#{ENV['ES_BUFFER_CHUNK_LIMIT_SIZE'] || '2M'}"
  queue_limit_length 32
  retry_max_interval 30
  retry_forever true
</buffer>
`, New: `
elasticsearch
  hosts: ["${env:ES_SCHEME:-http}://${env:ES_HOST}:${env:ES_PORT}/${env:ES_PATH}"]
  index: "${env:ES_LOGSTASH_PREFIX:-logstash}-%Y.%m.%d"
  fields: {time: "@timestamp", tag: "tag", cluster: ""}
  template: {manage: false}
  retry: {max: "30s"}
  batch: {max_wait: "5s"}
  workers: 8
parse: {field: '["@timestamp"]', format: "regex", regex: '^(?<time>\d{4}-\d\d-\d\dT.+)$', keep: true} when
    record["@timestamp"] != nil
said: <match **> elasticsearch user: left out, as where the variable ES_USER is not set
said: <match **> elasticsearch password: left out: it is nobody's without a name
said: <match **> elasticsearch <buffer>: the defaults of ES_BUFFER_FLUSH_INTERVAL,
    ES_BUFFER_FLUSH_THREAD_COUNT are taken
said: <match **> elasticsearch: the defaults of ES_LOGSTASH_FORMAT, ES_SSL_VERIFY are taken
variable: ES_PORT
variable: ES_PATH
variable: ES_HOST
`},
		{Name: "an index for each namespace, of elasticsearch_dynamic", Old: `
@type elasticsearch_dynamic
hosts es-0,es-1:9201
index_name app-${record['kubernetes']['namespace_name']}
`, New: `
elasticsearch
  hosts: ["http://es-0:9200", "http://es-1:9201"]
  index: "app-{record.kubernetes.namespace_name}"
  fields: {time: "", tag: "", cluster: ""}
  template: {manage: false}
`},
		{Name: "an index by the fields that chunks are cut by", Old: `
@type elasticsearch
host es
index_name logs-${$.kubernetes.namespace_name}-${tag_parts[1]}-%Y.%m.%d
<buffer tag, time, $.kubernetes.namespace_name>
  timekey 1h
</buffer>
`, New: `
elasticsearch
  hosts: ["http://es:9200"]
  index: "logs-{record.kubernetes.namespace_name}-{tag[1]}-%Y.%m.%d"
  fields: {time: "", tag: "", cluster: ""}
  template: {manage: false}
`},
		{Name: "weeks of the ISO calendar", Old: `
@type elasticsearch
host es
logstash_format true
logstash_prefix web
logstash_prefix_separator _
logstash_dateformat %G.%V
`, New: `
elasticsearch
  hosts: ["http://es:9200"]
  index: "web_%G.%V"
  fields: {time: "@timestamp", tag: "", cluster: ""}
  template: {manage: false}
parse: {field: '["@timestamp"]', format: "regex", regex: '^(?<time>\d{4}-\d\d-\d\dT.+)$', keep: true} when
    record["@timestamp"] != nil
`},
		{Name: "a conversion of strftime that there is none of", Old: `
@type elasticsearch
host es
index_name logs-%Y-%C
`, New: `
elasticsearch
  hosts: ["http://es:9200"]
  index: "logs-%Y-"
  fields: {time: "", tag: "", cluster: ""}
  template: {manage: false}
lost: <match **> elasticsearch index_name: %C is no part of a time here
`},
		{Name: "a placeholder that there is none of", Old: `
@type elasticsearch
host es
index_name logs-${chunk_id}
`, New: `
elasticsearch
  hosts: ["http://es:9200"]
  index: "logs-"
  fields: {time: "", tag: "", cluster: ""}
  template: {manage: false}
lost: <match **> elasticsearch index_name: ${chunk_id} is no placeholder here
`},
		{Name: "IPv6, a path, certificates and a passphrase", Old: `
@type elasticsearch
host https://[::1]/
port 9200
path /es/
ca_file /certs/ca.crt
client_cert /certs/tls.crt
client_key /certs/tls.key
client_key_pass secret
`, New: `
elasticsearch
  hosts: ["https://[::1]:9200/es"]
  tls: {ca_file: "/certs/ca.crt", cert_file: "/certs/tls.crt", key_file: "/certs/tls.key"}
  index: "fluentd"
  fields: {time: "", tag: "", cluster: ""}
  template: {manage: false}
lost: <match **> elasticsearch client_key_pass: keys are read without a passphrase
file: /certs/ca.crt
file: /certs/tls.crt
file: /certs/tls.key
`},
		{Name: "what looks like Ruby, without quotes", Old: `
@type elasticsearch
hosts https://#{ENV['U']}:x@es:9200
`, New: `
elasticsearch
  username: "#{ENV['U']}"
  password: "${file:/etc/aggregator/secrets/elasticsearch-password}"
  hosts: ["https://es:9200"]
  index: "fluentd"
  fields: {time: "", tag: "", cluster: ""}
  template: {manage: false}
file: /etc/aggregator/secrets/elasticsearch-password
`},
		{Name: "hosts whose login is of the environment", Old: `
@type elasticsearch
hosts "https://#{ENV['U']}:#{ENV['P']}@es:9200"
`, New: `
elasticsearch
  hosts: ["https://es:9200"]
  index: "fluentd"
  fields: {time: "", tag: "", cluster: ""}
  template: {manage: false}
lost: <match **> elasticsearch hosts: its name and password are variables
variable: U
variable: P
`},
	}, read)
}

func TestPlain(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "certificates that are not looked at, on connections without", Old: `
@type elasticsearch
host es
scheme http
ssl_verify false
`, New: `
elasticsearch
  hosts: ["http://es:9200"]
  index: "fluentd"
  fields: {time: "", tag: "", cluster: ""}
  template: {manage: false}
`},
	}, read)
}
