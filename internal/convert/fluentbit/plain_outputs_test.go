package fluentbit_test

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/converttest"
)

// TestOtherOutputs is files, forward, and what has no like.
func TestOtherOutputs(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "lines as they are", Old: `
Name file
Path /var/log/
File a.log
Mkdir on
Format plain
`, New: `
file
  path: "/var/log/a.log"
said: [OUTPUT] file: a line is one JSON object with the time and the tag in it
`},
		{Name: "csv", Old: `
Name file
Path /var/log
Format csv
Delimiter tab
`, New: `
file
  path: "/var/log/{tag}"
lost: [OUTPUT] file format: lines are one JSON object each, not csv
`},
		{Name: "nothing said", Old: `
Name file
`, New: `
file
  path: "./{tag}"
said: [OUTPUT] file: a line is one JSON object with the time and the tag in it
`},
		{Name: "a socket", Old: `
Name forward
unix_path /var/run/f.sock
compress gzip
`, New: `
forward
  servers: ["unix:/var/run/f.sock"]
  ack: false
`},
		{Name: "a login", Old: `
Name forward
Host h
shared_key k
self_hostname me
username u
password p
require_ack_response on
tls on
tls.verify_hostname off
`, New: `
forward
  servers: ["h:24224"]
  shared_key: "${file:/etc/aggregator/secrets/forward-key}"
  username: "u"
  password: "${file:/etc/aggregator/secrets/forward-password}"
  tls: {}
  ack: true
  compression: "none"
file: /etc/aggregator/secrets/forward-key
file: /etc/aggregator/secrets/forward-password
`},
		{Name: "what a line of forward leaves out", Old: `
Name forward
Host h
time_as_integer on
send_options on
add_option a b
fluentd_compat on
retain_metadata_in_forward_mode on
empty_shared_key on
`, New: `
forward
  servers: ["h:24224"]
  ack: false
  compression: "none"
`},
		{Name: "metrics", Old: `
Name prometheus_remote_write
Host h
`, New: `
nowhere
said: [OUTPUT] prometheus_remote_write: left out: the aggregator counts by itself: /metrics
`},
		{Name: "counts", Old: `
Name flowcounter
Unit minute
`, New: `
nowhere
said: [OUTPUT] flowcounter: left out: the aggregator counts by itself: /metrics
`},
		{Name: "a name of its own", Old: `
Name stdout
Alias My Output!
Format json_lines
`, New: `
stdout
`},
		{Name: "a name of nothing", Old: `
Name stdout
Alias ---
`, New: `
stdout
`},
		{Name: "another plugin", Old: `
Name nats
Host h
`, New: `
file
  path: "data/not-converted/nats/%Y-%m-%d.ndjson"
lost: [OUTPUT] nats: there is no output of this type
`},
	}, output)
}
