package outputs_test

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/converttest"
)

func TestForward(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "forward", Old: `
@type forward
require_ack_response true
compress gzip
transport tls
tls_cert_path ["/a","/b"]
tls_insecure_mode true
<security>
  self_hostname h
  shared_key k
</security>
<server>
  host a
  port 1
  weight 10
</server>
<server>
  host ::1
  standby true
</server>
`, New: `
forward
  servers: ["a:1", {address: "[::1]:24224", standby: true, weight: 6}]
  shared_key: "${file:/etc/aggregator/secrets/forward-key}"
  self_hostname: "h"
  tls: {ca_file: "/a", insecure_skip_verify: true}
  ack: true
  compression: "gzip"
lost: <match **> forward tls_cert_path: authorities are in one file
file: /etc/aggregator/secrets/forward-key
file: /a
`},
		{Name: "file", Old: `
@type file
path /var/log/a.*
compress gzip
<buffer time>
  timekey 1h
</buffer>
<inject>
  time_key t
  time_format %Y
  timezone Asia/Seoul
  hostname_key h
</inject>
<format>
  @type json
</format>
`, New: `
file
  path: "/var/log/a.%Y%m%d%H"
  compression: "gzip"
  fields: {time: "", tag: "", cluster: ""}
modify: {set: {h: "${env:HOSTNAME}"}}
expr: {set: {t: 'strftime(time, "%Y", "Asia/Seoul")'}}
variable: HOSTNAME
`},
		{Name: "names by a zone", Old: `
@type file
path /x/%Y-%m-%d
<buffer time>
  timekey 1d
  timekey_zone Asia/Seoul
</buffer>
`, New: `
file
  path: "/x/%Y-%m-%d.log"
lost: <match **> file <buffer> timekey_zone: %Y, %m, %d in names are UTC
said: <match **> file: a line is one JSON object with the time and the tag in it, not the time, the tag and
    JSON with tabs between
`},
	}, read)
}

// TestForwardOfUsers is what people write, and what has no like.
func TestForwardOfUsers(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "several servers of one weight, and one to stand in", Old: `
@type forward
<server>
  host 10.0.0.1
  weight 60
</server>
<server>
  host 10.0.0.2
</server>
<server>
  name spare
  host 10.0.0.3
  port 24225
  standby
</server>
<secondary>
  @type file
  path /var/log/failed
</secondary>
`, New: `
forward
  servers: ["10.0.0.1:24224", "10.0.0.2:24224", {address: "10.0.0.3:24225", standby: true}]
  ack: false
  compression: "none"
said: <match **> forward <secondary>: what is refused, or has been tried too often, becomes dead letters,
    which can be sent again: docs/dead-letters.md
`},
		{Name: "servers of other weights", Old: `
@type forward
<server>
  host a
  weight 100
</server>
<server>
  host b
</server>
<server>
  host c
  weight 20
</server>
`, New: `
forward
  servers: [{address: "a:24224", weight: 5}, {address: "b:24224", weight: 3}, "c:24224"]
  ack: false
  compression: "none"
`},
		{Name: "a server without a host, and one with a key of its own", Old: `
@type forward
<server>
  port 1
</server>
<server>
  host a
  shared_key other
  username u
  password p
</server>
`, New: `
forward
  shared_key: "${file:/etc/aggregator/secrets/forward-key}"
  servers: ["a:24224"]
  username: "u"
  password: "${file:/etc/aggregator/secrets/forward-password}"
  ack: false
  compression: "none"
lost: <match **> forward <server>: it has no host
lost: <match **> forward <server> shared_key: all servers of an output have one key
file: /etc/aggregator/secrets/forward-password
file: /etc/aggregator/secrets/forward-key
`},
		{Name: "no server", Old: `
@type forward
`, New: `
forward
  servers: ["127.0.0.1:24224"]
  ack: false
  compression: "none"
lost: <match **> forward: it names no server that can be read
`},
		{Name: "servers of a list", Old: `
@type forward
<service_discovery>
  @type static
  <service>
    host a
    port 1
    weight 1
  </service>
  <service>
    host b
    weight 2
  </service>
</service_discovery>
`, New: `
forward
  servers: ["a:1", {address: "b:24224", weight: 2}]
  ack: false
  compression: "none"
`},
		{Name: "servers of the DNS", Old: `
@type forward
<service_discovery>
  @type srv
  service aggregator
</service_discovery>
`, New: `
forward
  servers: ["127.0.0.1:24224"]
  ack: false
  compression: "none"
lost: <match **> forward <service_discovery>: servers are named in the configuration
lost: <match **> forward: it names no server that can be read
`},
		{Name: "where an agent runs, and by which variables", Old: `
@type forward
require_ack_response
ack_response_timeout 30
send_timeout 60s
heartbeat_type none
keepalive true
<security>
  self_hostname "#{Socket.gethostname}"
  shared_key "#{ENV['KEY']}"
</security>
<server>
  host "#{ENV['HOST'] || '127.0.0.1'}"
  port "#{ENV['PORT']}"
</server>
`, New: `
forward
  servers: ["${env:HOST:-127.0.0.1}:${env:PORT}"]
  shared_key: "${env:KEY}"
  ack: true
  ack_timeout: "30s"
  compression: "none"
variable: PORT
variable: KEY
variable: HOSTNAME
`},
		{Name: "TLS whose names are not looked at", Old: `
@type forward
transport tls
tls_verify_hostname false
tls_cert_path /ca.crt
tls_client_cert_path /c.crt
tls_client_private_key_path /c.key
tls_client_private_key_passphrase p
<server>
  host a
</server>
`, New: `
forward
  servers: ["a:24224"]
  tls: {ca_file: "/ca.crt", cert_file: "/c.crt", key_file: "/c.key"}
  ack: false
  compression: "none"
lost: <match **> forward tls_verify_hostname: the name in the server's certificate is always checked
lost: <match **> forward tls_client_private_key_passphrase: keys are read without a passphrase
file: /ca.crt
file: /c.crt
file: /c.key
`},
		{Name: "TLS of the system's authorities", Old: `
@type forward
transport tls
<server>
  host a
</server>
`, New: `
forward
  servers: ["a:24224"]
  tls: {}
  ack: false
  compression: "none"
`},
		{Name: "secure_forward", Old: `
@type secure_forward
self_hostname me
shared_key s
secure yes
ca_cert_path /ca.crt
<server>
  host a
</server>
`, New: `
forward
  servers: ["a:24284"]
  shared_key: "${file:/etc/aggregator/secrets/secure_forward-key}"
  self_hostname: "me"
  tls: {ca_file: "/ca.crt"}
  ack: false
  compression: "none"
file: /etc/aggregator/secrets/secure_forward-key
file: /ca.crt
`},
		{Name: "compressed, under another tag", Old: `
@type forward
compress zstd
tag central.${tag}
<server>
  host a
</server>
`, New: `
forward
  servers: ["a:24224"]
  ack: false
  compression: "zstd"
  tag: "central.{tag}"
`},
	}, read)
}

// TestFile: names have the time as precisely as slices are long.
func TestFile(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "files by the hour", Old: `
@type file
path /logs/${tag}
append true
<buffer tag, time>
  timekey 6h
</buffer>
`, New: `
file
  path: "/logs/{tag}.%Y%m%d%H.log"
said: <match **> file: a line is one JSON object with the time and the tag in it, not the time, the tag and
    JSON with tabs between
`},
		{Name: "files by the minute, with the star of old versions", Old: `
@type file
path /logs/a.*.json
compress gz
<buffer time>
  timekey 10m
</buffer>
`, New: `
file
  path: "/logs/a.%Y%m%d%H%M.json"
  compression: "gzip"
said: <match **> file: a line is one JSON object with the time and the tag in it, not the time, the tag and
    JSON with tabs between
`},
		{Name: "files by the second", Old: `
@type file
path /logs/a
<buffer time>
  timekey 30
</buffer>
`, New: `
file
  path: "/logs/a.%Y%m%d%H%M%S.log"
said: <match **> file: a line is one JSON object with the time and the tag in it, not the time, the tag and
    JSON with tabs between
`},
		{Name: "files without slices, and with another end", Old: `
@type file
path /logs/a.log
path_suffix .txt
<buffer tag>
</buffer>
`, New: `
file
  path: "/logs/a.log.txt"
said: <match **> file: a line is one JSON object with the time and the tag in it, not the time, the tag and
    JSON with tabs between
`},
		{Name: "files whose names say the time", Old: `
@type file
path /logs/%Y/%m/a.log
<buffer time>
  timekey 1h
</buffer>
`, New: `
file
  path: "/logs/%Y/%m/a.log"
said: <match **> file: a line is one JSON object with the time and the tag in it, not the time, the tag and
    JSON with tabs between
`},
		{Name: "files without an end", Old: `
@type file
path /logs/a
add_path_suffix false
time_slice_format %Y-%m
format ltsv
`, New: `
file
  path: "/logs/a.%Y-%m"
  fields: {time: "", tag: "", cluster: ""}
lost: <match **> file <format>: events are written as one JSON object a line, not as ltsv
`},
		{Name: "a file without a path", Old: `
@type file
`, New: `
file
  path: "data/missing.%Y%m%d.log"
lost: <match **> file: it has no path
said: <match **> file: a line is one JSON object with the time and the tag in it, not the time, the tag and
    JSON with tabs between
`},
		{Name: "a field alone", Old: `
@type file
path /logs/a
<format>
  @type single_value
  message_key log
</format>
`, New: `
file
  path: "/logs/a.%Y%m%d.log"
  message: "log"
`},
	}, read)
}
