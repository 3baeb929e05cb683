package fluentbit_test

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/converttest"
)

func TestForwardAndFiles(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "forward as an agent has it", Old: `
Name forward
Host 10.0.0.1
Port 24225
Shared_Key ${KEY}
Self_Hostname me
Require_ack_response On
Tag central.$TAG
Compress gzip
tls On
`, New: `
forward
  servers: ["10.0.0.1:24225"]
  shared_key: "${env:KEY}"
  tls: {}
  ack: true
  tag: "central.{tag}"
variable: KEY
`},
		{Name: "forward through a socket", Old: `
Name forward
Unix_Path /run/a.sock
Username u
Password p
Shared_Key k
tls On
tls.ca_file /ca.crt
`, New: `
forward
  servers: ["unix:/run/a.sock"]
  shared_key: "${file:/etc/aggregator/secrets/forward-key}"
  username: "u"
  password: "${file:/etc/aggregator/secrets/forward-password}"
  tls: {ca_file: "/ca.crt"}
  ack: false
  compression: "none"
file: /etc/aggregator/secrets/forward-key
file: /etc/aggregator/secrets/forward-password
file: /ca.crt
`},
		{Name: "forward to servers of other keys", Old: `
Name forward
Upstream u.conf
[NODE]
  name a
  host h
  port 1
  shared_key k
  tls on
  tls.ca_file /ca.crt
[NODE]
  name b
  host i
  shared_key other
  weight 3
  net.keepalive on
`, New: `
forward
  servers: ["h:1", "i:24224"]
  tls: {ca_file: "/ca.crt"}
  shared_key: "${file:/etc/aggregator/secrets/forward-key}"
  ack: false
  compression: "none"
lost: [NODE] b shared_key: all servers of an output have the same
file: /ca.crt
file: /etc/aggregator/secrets/forward-key
file: /etc/aggregator/secrets/forward-key-2
`},
		{Name: "file", Old: `
Name file
Path /logs
File app.log
Format csv
Delimiter ;
Mkdir On
`, New: `
file
  path: "/logs/app.log"
lost: [OUTPUT] file format: lines are one JSON object each, not csv
`},
		{Name: "file, named by tags", Old: `
Name file
Path /logs/
`, New: `
file
  path: "/logs/{tag}"
said: [OUTPUT] file: a line is one JSON object with the time and the tag in it
`},
		{Name: "counted by itself", Old: `
Name prometheus_exporter
Match *
`, New: `
nowhere
said: [OUTPUT] prometheus_exporter: left out: the aggregator counts by itself: /metrics
`},
	}, output)
}
