package outputs_test

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/converttest"
)

func TestLoki(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "loki", Old: `
@type loki
url https://loki/
tenant ${tag}
extra_labels {"env":"dev"}
line_format json
<label>
  pod $.kubernetes.pod_name
</label>
remove_keys a
`, New: `
loki
  url: "https://loki"
  tenant: "{tag}"
  labels: {env: "dev", pod: "{record.kubernetes.pod_name|}"}
  fields: {time: "", tag: "", cluster: ""}
modify: {remove: ["a"]}
said: <match **> loki <label>: the fields of labels stay in the line too; the plugin takes them out
said: <match **> loki include_thread_label: left out: there is no label fluentd_thread
`},
	}, read)
}

// TestLokiOfUsers is what people write, and what has no like.
func TestLokiOfUsers(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "without a URL, with a login", Old: `
@type loki
username 123
password "#{ENV['LOKI_KEY']}"
extra_labels {"b":"2","a":"1"}
`, New: `
loki
  url: "https://logs-prod-us-central1.grafana.net"
  username: "123"
  password: "${env:LOKI_KEY}"
  labels: {a: "1", b: "2"}
  fields: {time: "", tag: "", cluster: ""}
said: <match **> loki line_format: a line is JSON, not key=value
said: <match **> loki include_thread_label: left out: there is no label fluentd_thread
variable: LOKI_KEY
`},
		{Name: "a token in a file, headers, certificates", Old: `
@type loki
url http://loki:3100
bearer_token_file /var/run/secrets/token
username left-over
custom_headers {"X-Scope":"a"}
ca_cert /ca.crt
cert /c.crt
key /c.key
insecure_tls true
`, New: `
loki
  url: "http://loki:3100"
  bearer_token: "${file:/var/run/secrets/token}"
  headers: {X-Scope: "${file:/etc/aggregator/secrets/loki-x-scope}"}
  fields: {time: "", tag: "", cluster: ""}
said: <match **> loki: the name and the password are left out: the token is the login
said: <match **> loki line_format: a line is JSON, not key=value
said: <match **> loki include_thread_label: left out: there is no label fluentd_thread
file: /var/run/secrets/token
file: /etc/aggregator/secrets/loki-x-scope
file: /ca.crt
file: /c.crt
file: /c.key
`},
		{Name: "labels of a record", Old: `
@type loki
url http://loki:3100
extract_kubernetes_labels true
drop_single_key true
line_format key_value
remove_keys kubernetes, $.a.b
<label>
  app
  level $.log.level
  first $.list[0]
</label>
`, New: `
loki
  url: "http://loki:3100"
  labels: {app: "{record.app|none}", level: "{record.log.level|}"}
  fields: {time: "", tag: "", cluster: ""}
modify: {remove: ["kubernetes", "a.b"]}
lost: <match **> loki <label> first: the field $.list[0] can't be read
lost: <match **> loki extract_kubernetes_labels: labels are named one by one
said: <match **> loki <label>: the fields of labels stay in the line too; the plugin takes them out
said: <match **> loki line_format: a line is JSON, not key=value
said: <match **> loki drop_single_key: a record with one field alone is a line of JSON too
said: <match **> loki include_thread_label: left out: there is no label fluentd_thread
`},
		{Name: "labels that are no object", Old: `
@type loki
url http://loki:3100
extra_labels a=b
`, New: `
loki
  url: "http://loki:3100"
  fields: {time: "", tag: "", cluster: ""}
lost: <match **> loki extra_labels: it is no object of texts
said: <match **> loki line_format: a line is JSON, not key=value
said: <match **> loki include_thread_label: left out: there is no label fluentd_thread
`},
	}, read)
}
