package fluentd_test

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/converttest"
)

// TestInputs: where events come in, who may send them, and what agents read.
func TestInputs(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "a source without a word", Old: `
<source>
  @type forward
</source>
<match **>
  @type stdout
</match>
`, New: `
listener {address: ":24224"}
pipe "" (start)
match **
  output stdout of type stdout
`},
		{Name: "a source with a key and users", Old: `
<source>
  @type forward
  port 24300
  bind 127.0.0.1
  chunk_size_limit 64m
  source_hostname_key host
  add_tag_prefix in.
  <security>
    self_hostname me
    shared_key secret
    user_auth true
    <user>
      username a
      password p
    </user>
    <user>
      username b
      password q
    </user>
  </security>
</source>
<match **>
  @type stdout
</match>
`, New: `
listener {address: "127.0.0.1:24300", max_message_size: "64MiB"}
  cluster {name: "default", shared_key: "${file:/etc/aggregator/secrets/agents-key}", users: [{name: "a",
    password: "${file:/etc/aggregator/secrets/agents-password-a}"}, {name: "b", password:
    "${file:/etc/aggregator/secrets/agents-password-b}"}]}
pipe "" (start)
match **
  output stdout of type stdout
said: <source> forward source_address_key: fields: {source: …} of an output adds who sent an event
file: /etc/aggregator/secrets/agents-key
file: /etc/aggregator/secrets/agents-password-a
file: /etc/aggregator/secrets/agents-password-b
`},
		{Name: "clients with keys, networks and users of their own", Old: `
<source>
  @type forward
  <security>
    self_hostname me
    shared_key secret
    user_auth true
    <user>
      username a
      password p
    </user>
    <user>
      username b
      password q
    </user>
    <client>
      network 10.0.0.0/8
      shared_key other
      users a
    </client>
    <client>
      host 192.168.0.1
      users b
    </client>
    <client>
      host web.example
      users b
    </client>
  </security>
</source>
<match **>
  @type stdout
</match>
`, New: `
listener {address: ":24224"}
  cluster {name: "default", shared_key: "${file:/etc/aggregator/secrets/agents-key-1}", users: [{name: "a",
    password: "${file:/etc/aggregator/secrets/agents-password-a}"}], sources: ["10.0.0.0/8"]}
  cluster {name: "agents-2", shared_key: "${file:/etc/aggregator/secrets/agents-key}", users: [{name: "b",
    password: "${file:/etc/aggregator/secrets/agents-password-b}"}]}
pipe "" (start)
match **
  output stdout of type stdout
lost: <source> forward <client> host: sources are addresses and networks, not names such as web.example
said: <source> forward <client>: clients that share a user are one cluster here
said: <source> forward <security> allow_anonymous_source: agents of networks that no <client> names may come
    in there, and not here
file: /etc/aggregator/secrets/agents-key
file: /etc/aggregator/secrets/agents-password-a
file: /etc/aggregator/secrets/agents-password-b
file: /etc/aggregator/secrets/agents-key-1
`},
		{Name: "users that nobody asks for", Old: `
<source>
  @type forward
  <security>
    self_hostname me
    shared_key secret
    <user>
      username a
      password p
    </user>
  </security>
</source>
<match **>
  @type stdout
</match>
`, New: `
listener {address: ":24224"}
  cluster {name: "default", shared_key: "${file:/etc/aggregator/secrets/agents-key}"}
pipe "" (start)
match **
  output stdout of type stdout
said: <source> forward <user>: left out: user_auth is off
file: /etc/aggregator/secrets/agents-key
file: /etc/aggregator/secrets/agents-password-a
`},
		{Name: "TLS with certificates of clients", Old: `
<source>
  @type forward
  <transport tls>
    cert_path /tls.crt
    private_key_path /tls.key
    private_key_passphrase p
    client_cert_auth true
    ca_path /ca.crt
    min_version TLS1_3
  </transport>
</source>
<match **>
  @type stdout
</match>
`, New: `
listener {address: ":24224", tls: {cert_file: "/tls.crt", key_file: "/tls.key", client_ca_file: "/ca.crt",
    min_version: "1.3"}}
pipe "" (start)
match **
  output stdout of type stdout
lost: <source> forward <transport tls> private_key_passphrase: keys are read without a passphrase
file: /tls.crt
file: /tls.key
file: /ca.crt
`},
		{Name: "TLS whose authority is not asked", Old: `
<source>
  @type forward
  <transport tls>
    cert_path /tls.crt
    private_key_path /tls.key
    ca_path /ca.crt
  </transport>
</source>
<match **>
  @type stdout
</match>
`, New: `
listener {address: ":24224", tls: {cert_file: "/tls.crt", key_file: "/tls.key"}}
pipe "" (start)
match **
  output stdout of type stdout
file: /tls.crt
file: /tls.key
`},
		{Name: "TLS without a certificate", Old: `
<source>
  @type forward
  <transport tls>
    insecure true
    ca_private_key_path /k
  </transport>
</source>
<match **>
  @type stdout
</match>
`, New: `
listener {address: ":24224", tls: {cert_file: "/etc/aggregator/tls/tls.crt", key_file:
    "/etc/aggregator/tls/tls.key"}}
pipe "" (start)
match **
  output stdout of type stdout
said: <source> forward: the certificate that fluentd made itself, or none, becomes files
file: /etc/aggregator/tls/tls.crt
file: /etc/aggregator/tls/tls.key
`},
		{Name: "secure_forward", Old: `
<source>
  @type secure_forward
  self_hostname me
  shared_key s
  secure yes
  cert_path /tls.crt
  private_key_path /tls.key
</source>
<match **>
  @type stdout
</match>
`, New: `
listener {address: ":24284", tls: {cert_file: "/tls.crt", key_file: "/tls.key"}}
  cluster {name: "default", shared_key: "${file:/etc/aggregator/secrets/agents-key}"}
pipe "" (start)
match **
  output stdout of type stdout
file: /tls.crt
file: /tls.key
file: /etc/aggregator/secrets/agents-key
`},
		{Name: "a socket, a port of a variable, and one tag for all", Old: `
<source>
  @type unix
  path /run/a.sock
</source>
<source>
  @type forward
  port "#{ENV['PORT']}"
  tag all
</source>
<match **>
  @type stdout
</match>
`, New: `
listener {address: "unix:/run/a.sock"}
listener {address: ":${env:PORT}"}
pipe "" (start)
match **
  output stdout of type stdout
variable: PORT
`},
		{Name: "inputs that lead to different labels", Old: `
<source>
  @type forward
  @label @A
</source>
<source>
  @type forward
  port 24225
  @label @B
</source>
<label @A>
  <match **>
    @type stdout
  </match>
</label>
<label @B>
  <match **>
    @type null
  </match>
</label>
`, New: `
listener {address: ":24224"}
listener {address: ":24225"}
pipe ""
pipe "@A" (start)
match **
  output stdout of type stdout
pipe "@B"
match **
  nowhere
lost: inputs with @label @B: inputs lead to different labels, and routes know tags and clusters alone: all
    events are taken for those of @A
`},
		{Name: "what only an agent reads beside what comes from agents", Old: `
<source>
  @type forward
</source>
<source>
  @type tail
  path /var/log/a
  tag a
  <parse>
    @type none
  </parse>
</source>
<source>
  @type prometheus
</source>
<source>
</source>
<match **>
  @type stdout
</match>
`, New: `
listener {address: ":24224"}
source <source> tail
status
pipe "" (start)
match **
  output stdout of type stdout
lost: <source> : it has no @type
lost: <source> tail: the aggregator takes events from agents alone
said: <source> prometheus: the aggregator serves metrics and its state by itself, at status.address
`},
		{Name: "what an agent reads, with a sample", Old: `
<source>
  @type tail
  path /var/log/a
  tag a
  @label @LOGS
  <parse>
    @type none
  </parse>
</source>
<source>
  @type sample
  sample [{"a":1},{"a":2}]
  tag s
  @label @LOGS
</source>
<source>
  @type dummy
  tag d
  @label @LOGS
</source>
<label @LOGS>
  <filter **>
    @type kubernetes_metadata
  </filter>
  <filter a>
    @type record_transformer
    <record>
      host "#{Socket.gethostname}"
    </record>
  </filter>
  <match **>
    @type stdout
  </match>
</label>
`, New: `
source <source> tail @LOGS
source <source> sample @LOGS
source <source> dummy @LOGS
sample s {"a":1} {"a":2}
sample d {"message":"sample"}
pipe ""
pipe "@LOGS" (start)
filter ** stays with the agent: it asks the Kubernetes API about pods
filter a stays with the agent: the variable HOSTNAME is the agent's
match **
  output stdout of type stdout
`},
	}, whole)
}
