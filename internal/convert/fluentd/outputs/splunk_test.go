package outputs_test

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/converttest"
)

func TestSplunk(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "splunk_hec", Old: `
@type splunk_hec
hec_host s
hec_token t
index main
source ${tag}
sourcetype_key st
use_ack true
insecure_ssl true
<fields>
  ns namespace
</fields>
`, New: `
splunk_hec
  url: "https://s:8088"
  token: "${file:/etc/aggregator/secrets/splunk_hec-token}"
  index: "main"
  source: "{tag}"
  sourcetype: "{record.st}"
  indexed_fields: {ns: "{record.namespace}"}
  tls: {insecure_skip_verify: true}
  ack: "true"
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
said: <match **> splunk_hec sourcetype_key: the field st stays in the event
file: /etc/aggregator/secrets/splunk_hec-token
`},
		{Name: "splunk_hec of the other plugin", Old: `
@type splunk_hec
host s
port 8089
token t
use_ssl true
default_index main
index_key idx
event_key log
`, New: `
splunk_hec
  url: "https://s:8089"
  token: "${file:/etc/aggregator/secrets/splunk_hec-token}"
  index: "{record.idx|main}"
  message: "log"
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
said: <match **> splunk_hec index_key: the field idx stays in the event
file: /etc/aggregator/secrets/splunk_hec-token
`},
	}, read)
}

// TestSplunkOfUsers is what people write, and what has no like.
func TestSplunkOfUsers(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "Splunk Connect for Kubernetes", Old: `
@type splunk_hec
protocol https
hec_host splunk.example
hec_port 8088
hec_token "#{ENV['SPLUNK_HEC_TOKEN']}"
index_key index
insecure_ssl false
host_key node
source_key source
sourcetype_key sourcetype
ca_file /ca.crt
client_cert /c.crt
client_key /c.key
<fields>
  pod
  namespace $.kubernetes.namespace_name
</fields>
<buffer>
  @type memory
  chunk_limit_records 100000
  chunk_limit_size 20m
  flush_interval 5s
  flush_thread_count 1
  overflow_action block
  retry_max_times 5
  total_limit_size 600m
</buffer>
<format>
  @type single_value
  message_key log
  add_newline false
</format>
`, New: `
splunk_hec
  url: "https://splunk.example:8088"
  token: "${env:SPLUNK_HEC_TOKEN}"
  index: "{record.index}"
  source: "{record.source}"
  sourcetype: "{record.sourcetype}"
  host: "{record.node}"
  indexed_fields: {pod: "{record.pod}", namespace: "{record.kubernetes.namespace_name}"}
  message: "log"
  tls: {ca_file: "/ca.crt", cert_file: "/c.crt", key_file: "/c.key"}
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
  retry: {max_attempts: 6}
  batch: {max_wait: "5s"}
  workers: 1
  max_queue_size: "600MiB"
when full: block
said: <match **> splunk_hec index_key: the field index stays in the event
said: <match **> splunk_hec source_key: the field source stays in the event
said: <match **> splunk_hec sourcetype_key: the field sourcetype stays in the event
said: <match **> splunk_hec host_key: the field node stays in the event
file: /ca.crt
file: /c.crt
file: /c.key
variable: SPLUNK_HEC_TOKEN
`},
		{Name: "a URL, raw, and compressed", Old: `
@type splunk_hec
full_url https://splunk:8088/services/collector
hec_token t
hec_endpoint raw
gzip_compression true
host h-${tag}
index i
`, New: `
splunk_hec
  url: "https://splunk:8088"
  token: "${file:/etc/aggregator/secrets/splunk_hec-token}"
  index: "i"
  host: "h-{tag}"
  endpoint: "raw"
  fields: {time: "", tag: "", cluster: ""}
file: /etc/aggregator/secrets/splunk_hec-token
`},
		{Name: "the time that a field has", Old: `
@type splunk_hec
hec_host s
hec_token t
time_key $.ts
`, New: `
splunk_hec
  url: "https://s:8088"
  token: "${file:/etc/aggregator/secrets/splunk_hec-token}"
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
parse: {field: "ts", format: "regex", regex: "^(?<time>.+)$", keep: true}
file: /etc/aggregator/secrets/splunk_hec-token
`},
		{Name: "metrics", Old: `
@type splunk_hec
hec_host s
hec_token t
data_type metric
metrics_from_event true
`, New: `
splunk_hec
  url: "https://s:8088"
  token: "${file:/etc/aggregator/secrets/splunk_hec-token}"
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
lost: <match **> splunk_hec data_type: no metrics are made of events
file: /etc/aggregator/secrets/splunk_hec-token
`},
		{Name: "neither host nor token", Old: `
@type splunk_hec
`, New: `
splunk_hec
  url: "http://missing:8088"
  token: "missing"
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
lost: <match **> splunk_hec: it has no host
lost: <match **> splunk_hec: it has no token
`},
		{Name: "the other plugin's plain connections", Old: `
@type splunk_hec
host s
token t
default_host web
default_source ${tag}
default_sourcetype json
host_key h
raw true
ssl_verify false
`, New: `
splunk_hec
  url: "http://s:8088"
  token: "${file:/etc/aggregator/secrets/splunk_hec-token}"
  source: "{tag}"
  sourcetype: "json"
  host: "{record.h|web}"
  endpoint: "raw"
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
said: <match **> splunk_hec host_key: the field h stays in the event
file: /etc/aggregator/secrets/splunk_hec-token
`},
		{Name: "authorities in a directory", Old: `
@type splunk_hec
hec_host s
hec_token t
ca_path /certs
`, New: `
splunk_hec
  url: "https://s:8088"
  token: "${file:/etc/aggregator/secrets/splunk_hec-token}"
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
lost: <match **> splunk_hec ca_path: authorities are in one file
file: /etc/aggregator/secrets/splunk_hec-token
`},
	}, read)
}
