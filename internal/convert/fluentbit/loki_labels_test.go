package fluentbit_test

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/converttest"
)

// TestLokiLabels is what labels become, and where a tenant, an address and a login come from.
func TestLokiLabels(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "nothing said", Old: `
Name loki
`, New: `
loki
  url: "http://127.0.0.1:3100"
  labels: {job: "fluentbit"}
  fields: {time: "", tag: "", cluster: ""}
`},
		{Name: "texts and fields", Old: `
Name loki
labels a=b, $c, d=$e['f'], $g['h']['i-j']
`, New: `
loki
  url: "http://127.0.0.1:3100"
  labels: {a: "b", c: "{record.c|}", d: "{record.e.f|}", g_h_i_j: "{record.g.h.i-j|}"}
  fields: {time: "", tag: "", cluster: ""}
`},
		{Name: "keys of labels", Old: `
Name loki
labels a=b
label_keys $x, $y['z']
`, New: `
loki
  url: "http://127.0.0.1:3100"
  labels: {a: "b", x: "{record.x|}", y_z: "{record.y.z|}"}
  fields: {time: "", tag: "", cluster: ""}
`},
		{Name: "empty ones between", Old: `
Name loki
labels a=b,,c={d},
`, New: `
loki
  url: "http://127.0.0.1:3100"
  labels: {a: "b", c: "{{d}}"}
  fields: {time: "", tag: "", cluster: ""}
`},
		{Name: "structured metadata", Old: `
Name loki
labels a=b
structured_metadata pod=$kubernetes['pod_name'],$trace
`, New: `
loki
  url: "http://127.0.0.1:3100"
  labels: {a: "b"}
  structured_metadata: {pod: "{record.kubernetes.pod_name|}", trace: "{record.trace|}"}
  fields: {time: "", tag: "", cluster: ""}
`},
		{Name: "metadata of a map", Old: `
Name loki
labels a=b
structured_metadata_map_keys $kubernetes
`, New: `
loki
  url: "http://127.0.0.1:3100"
  labels: {a: "b"}
  fields: {time: "", tag: "", cluster: ""}
lost: [OUTPUT] loki structured_metadata_map_keys: structured metadata is named one by one
`},
		{Name: "a file of labels", Old: `
Name loki
labels a=b
label_map_path /etc/labels.json
`, New: `
loki
  url: "http://127.0.0.1:3100"
  labels: {a: "b"}
  fields: {time: "", tag: "", cluster: ""}
lost: [OUTPUT] loki label_map_path: the file is not read
`},
		{Name: "labels of pods", Old: `
Name loki
labels a=b
auto_kubernetes_labels on
`, New: `
loki
  url: "http://127.0.0.1:3100"
  labels: {a: "b"}
  fields: {time: "", tag: "", cluster: ""}
lost: [OUTPUT] loki auto_kubernetes_labels: labels are named one by one
`},
		{Name: "a tenant", Old: `
Name loki
labels a=b
tenant_id t
`, New: `
loki
  url: "http://127.0.0.1:3100"
  tenant: "t"
  labels: {a: "b"}
  fields: {time: "", tag: "", cluster: ""}
`},
		{Name: "a tenant of a field", Old: `
Name loki
labels a=b
tenant_id_key $org['id']
`, New: `
loki
  url: "http://127.0.0.1:3100"
  tenant: "{record.org.id}"
  labels: {a: "b"}
  fields: {time: "", tag: "", cluster: ""}
`},
		{Name: "a tenant of a field, or another", Old: `
Name loki
labels a=b
tenant_id t
tenant_id_key org
`, New: `
loki
  url: "http://127.0.0.1:3100"
  tenant: "{record.org|t}"
  labels: {a: "b"}
  fields: {time: "", tag: "", cluster: ""}
`},
		{Name: "fields that are taken away", Old: `
Name loki
labels a=b
remove_keys kubernetes, $stream
`, New: `
loki
  url: "http://127.0.0.1:3100"
  labels: {a: "b"}
  fields: {time: "", tag: "", cluster: ""}
modify: {remove: ["kubernetes", "stream"]}
`},
		{Name: "keys and values", Old: `
Name loki
labels a=b
line_format key_value
`, New: `
loki
  url: "http://127.0.0.1:3100"
  labels: {a: "b"}
  fields: {time: "", tag: "", cluster: ""}
said: [OUTPUT] loki line_format: a line is JSON, not key=value
`},
		{Name: "a field alone", Old: `
Name loki
labels a=b
drop_single_key raw
`, New: `
loki
  url: "http://127.0.0.1:3100"
  labels: {a: "b"}
  fields: {time: "", tag: "", cluster: ""}
said: [OUTPUT] loki drop_single_key: a record with one field alone is a line of JSON too
`},
		{Name: "all fields", Old: `
Name loki
labels a=b
drop_single_key off
line_format json
compress gzip
`, New: `
loki
  url: "http://127.0.0.1:3100"
  labels: {a: "b"}
  fields: {time: "", tag: "", cluster: ""}
`},
		{Name: "behind a path, with a login", Old: `
Name loki
Host h
Port 443
tls on
uri /org/loki/api/v1/push
labels a=b
http_user u
http_passwd p
header X-A b
`, New: `
loki
  url: "https://h:443/org"
  username: "u"
  password: "${file:/etc/aggregator/secrets/loki-password}"
  headers: {X-A: "${file:/etc/aggregator/secrets/loki-x-a}"}
  labels: {a: "b"}
  fields: {time: "", tag: "", cluster: ""}
file: /etc/aggregator/secrets/loki-password
file: /etc/aggregator/secrets/loki-x-a
`},
		{Name: "a token", Old: `
Name loki
labels a=b
bearer_token t
`, New: `
loki
  url: "http://127.0.0.1:3100"
  bearer_token: "${file:/etc/aggregator/secrets/loki-token}"
  labels: {a: "b"}
  fields: {time: "", tag: "", cluster: ""}
file: /etc/aggregator/secrets/loki-token
`},
	}, output)
}
