package fluentbit_test

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/converttest"
)

// TestClassic: what whole files in the classic form do.
func TestClassic(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "an agent that reads files", Old: `
[SERVICE]
    Flush        1
    HTTP_Server  On
    Parsers_File parsers.conf
    storage.path /var/fluent
[INPUT]
    Name   tail
    Path   /var/log/*.log
    Tag    app.*
[INPUT]
    Name         systemd
    storage.type filesystem
[INPUT]
    Name  dummy
    Dummy {"a":1}
[INPUT]
    Name  storage_backlog
[INPUT]
    Name  fluentbit_metrics
[FILTER]
    Name   kubernetes
    Match  app.*
[FILTER]
    Name   modify
    Match  *
    Set    node ${NODE}
[OUTPUT]
    Name   es
    Match  app.*
[OUTPUT]
    Name   null
    Match  *
`, New: `
source [INPUT] tail
  with DB /var/lib/fluent-bit/tail.db
  with storage.type filesystem
source [INPUT] systemd
source [INPUT] dummy
  with storage.type filesystem
sample dummy.0 {"a":1}
status
pipe "" (start)
filter app.** stays with the agent: it asks the Kubernetes API about pods
filter ** stays with the agent: the variable NODE is the agent's
match app.**
  output es of type elasticsearch
match **
  nowhere
lost: [INPUT] fluentbit_metrics: metrics are no events of logs
said: [INPUT] systemd: without a Tag its events have the input's own name
`},
		{Name: "a server with a key and users", Old: `
[INPUT]
    Name            forward
    Listen          0.0.0.0
    Port            24300
    Shared_Key      secret
    Self_Hostname   me
    Security.Users  a pass word
    Security.Users  b other
    Tag_Prefix      in.
    Tag             x
    Buffer_Max_Size 10M
[OUTPUT]
    Name   stdout
    Match  *
`, New: `
listener {address: ":24300"}
  cluster {name: "default", shared_key: "${file:/etc/aggregator/secrets/agents-key}", users: [{name: "a",
    password: "${file:/etc/aggregator/secrets/agents-password}"}, {name: "b", password:
    "${file:/etc/aggregator/secrets/agents-password-2}"}]}
pipe "" (start)
match **
  output stdout of type stdout
said: [INPUT] forward tag: is for events that come without one, which agents don't send: x
file: /etc/aggregator/secrets/agents-key
file: /etc/aggregator/secrets/agents-password
file: /etc/aggregator/secrets/agents-password-2
`},
		{Name: "a server with TLS", Old: `
[INPUT]
    Name         forward
    Listen       10.0.0.1
    tls          on
    tls.crt_file /tls.crt
    tls.key_file /tls.key
    tls.ca_file  /ca.crt
[OUTPUT]
    Name   stdout
    Match  *
`, New: `
listener {address: "10.0.0.1:24224", tls: {cert_file: "/tls.crt", key_file: "/tls.key", client_ca_file:
    "/ca.crt", client_auth: "request"}}
pipe "" (start)
match **
  output stdout of type stdout
file: /tls.crt
file: /tls.key
file: /ca.crt
`},
		{Name: "a server at a socket, and one at a variable", Old: `
[INPUT]
    Name       forward
    Unix_Path  /run/a.sock
[INPUT]
    Name    forward
    Listen  ${LISTEN}
    Port    24225
[OUTPUT]
    Name   stdout
    Match  *
`, New: `
listener {address: "unix:/run/a.sock"}
listener {address: "${env:LISTEN}:24225"}
pipe "" (start)
match **
  output stdout of type stdout
variable: LISTEN
`},
		{Name: "a server that reads files too", Old: `
[SERVICE]
    HTTP_Server ${ON}
[INPUT]
    Name   forward
[INPUT]
    Name   tail
    Path   /var/log/a
    Tag    a
[PLUGINS]
    Path   /x.so
[STREAM_TASK]
    Name   x
[OUTPUT]
    Name   stdout
    Match  *
`, New: `
listener {address: ":24224"}
source [INPUT] tail
  with DB /var/lib/fluent-bit/tail.db
  with storage.type filesystem
status
pipe "" (start)
match **
  output stdout of type stdout
lost: [PLUGINS]: plugins in Go and C are not loaded
lost: [STREAM_TASK]: it has no like here
lost: [INPUT] tail: the aggregator takes events from agents alone
`},
		{Name: "outputs in their order, for all that fit", Old: `
[INPUT]
    Name   forward
    Listen 127.0.0.1
[OUTPUT]
    Name        stdout
    Match_Regex ^a\.
    Alias       One_Two
[OUTPUT]
    Name   stdout
[OUTPUT]
    Name   counter
    Match  b{c},d
[OUTPUT]
    Name   mongo
    Match  *
`, New: `
listener {address: "127.0.0.1:24224"}
status
pipe "" (start)
match ** /^a\./
  output one_two of type stdout
match nothing
  output stdout of type stdout
match b\{c\}\,d
  nowhere
match **
  output mongo of type file
lost: [OUTPUT] mongo: there is no output of this type
said: [OUTPUT] stdout: it has no Match, and gets nothing there
said: [OUTPUT] counter: left out: the aggregator counts by itself: /metrics
`},
		{Name: "a tag that is written anew", Old: `
[INPUT]
    Name   forward
    Listen 127.0.0.1
[FILTER]
    Name   rewrite_tag
    Match  app.*
    Rule   $level ^error$ err.$TAG[1].$level false
[FILTER]
    Name   modify
    Match  err.*
    Set    a b
[OUTPUT]
    Name   stdout
    Match  err.*
`, New: `
listener {address: "127.0.0.1:24224"}
pipe "" (start)
match app.**
  new tags, to ""
    rule when record.level != nil and string(record.level) matches "^error$": err.**.**
      modify: {tag: "err.{tag[1]}.{record.level}"}
filter err.**
  modify: {set: {a: "b"}}
match err.**
  output stdout of type stdout
`},
		{Name: "values set in the file", Old: `
@SET host=10.0.0.9
@SET port=9200
[INPUT]
    Name   forward
    Listen 127.0.0.1
[OUTPUT]
    Name   es
    Host   ${host}
    Port   ${port}
    Match  *
`, New: `
listener {address: "127.0.0.1:24224"}
pipe "" (start)
match **
  output es of type elasticsearch
`},
	}, classic)
}
