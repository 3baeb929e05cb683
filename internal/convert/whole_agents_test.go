package convert_test

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/converttest"
)

func TestWholeAgents(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "an agent of fluentd, whose filters stay where they need it", Old: `
<source>
  @type tail
  path /var/log/containers/*.log
  pos_file /var/log/pos
  tag kube.*
  <parse>
    @type cri
  </parse>
</source>
<filter kube.**>
  @type kubernetes_metadata
</filter>
<filter kube.**>
  @type record_transformer
  <record>
    node ${hostname}
  </record>
</filter>
<filter kube.**>
  @type grep
  <exclude>
    key log
    pattern debug
  </exclude>
</filter>
<match **>
  @type elasticsearch
  host es
  index_name app
</match>
--- kube.x
{"log":"debug"}
{"log":"x"}
`, New: `
listeners:
  # old.conf:1 what the agents of old.conf read
  - name: forward
    address: :24224

clusters:
  - name: agents
    shared_key: ${file:/etc/aggregator/secrets/agents-key}

# The queue on disk of all outputs, in place of their buffers.
buffer:
  path: data

filters:
  kube:
    # old.conf:19 <filter kube.**> grep
    - grep: {exclude: {log: debug}}
      when: 'tag matches "^kube(?:\\..*)?$"'

routes:
  # old.conf:26 <match **> elasticsearch
  - match: '**'
    filters: [kube]
    outputs: [elasticsearch]

outputs:
  # old.conf:26 <match **> elasticsearch
  elasticsearch:
    type: elasticsearch
    hosts: ['http://es:9200']
    index: app
    fields: {time: "", tag: "", cluster: ""}
    template: {manage: false}
--- kube.x
dropped kube[0] grep
elasticsearch (index app): {"log":"x"}
--- agent-old.conf
# The new configuration of the agents of old.conf: they read what they read before and send it to the
    aggregator.
# AGGREGATOR_HOST and AGGREGATOR_SHARED_KEY are variables of the agents; NODE_NAME is what they call
    themselves.
# What each setting is for: deployments/agents/README.md.

# old.conf:1
<source>
  @type tail
  path /var/log/containers/*.log
  pos_file /var/log/pos
  tag kube.*
  <parse>
    @type cri
  </parse>
</source>

# old.conf:10
<filter kube.**>
  @type kubernetes_metadata
</filter>

# old.conf:13
<filter kube.**>
  @type record_transformer
  <record>
    node ${hostname}
  </record>
</filter>

<match **>
  @type forward
  require_ack_response true
  ack_response_timeout 60s
  send_timeout 60s
  connect_timeout 10s
  # With TLS: the listener's certificate is signed by this authority.
  # transport tls
  # tls_verify_hostname true
  # tls_ca_cert_path /etc/fluentd/tls/ca.crt
  keepalive true
  keepalive_timeout 10m
  heartbeat_type none
  expire_dns_cache 60
  ignore_network_errors_at_startup true
  compress gzip
  <security>
    self_hostname "#{ENV['NODE_NAME'] || Socket.gethostname}"
    shared_key "#{ENV['AGGREGATOR_SHARED_KEY']}"
  </security>
  <server>
    host "#{ENV['AGGREGATOR_HOST']}"
    port "#{ENV['AGGREGATOR_PORT'] || 24224}"
  </server>
  <buffer tag>
    @type file
    path /var/log/fluentd-aggregator-buffer
    chunk_limit_size 8MB
    total_limit_size 8GB
    flush_mode interval
    flush_interval 1s
    flush_thread_count 2
    retry_forever true
    retry_max_interval 30s
    overflow_action block
  </buffer>
</match>
said: <filter kube.**> kubernetes_metadata: stays with the agents, with what stands before it: it asks the
    Kubernetes API about pods
said: <filter kube.**> record_transformer: stays with the agents, with what stands before it: the variable
    HOSTNAME is the agent's
file: /etc/aggregator/secrets/agents-key
`},
		{Name: "an agent of Fluent Bit", Old: `
[SERVICE]
    Flush 5
[INPUT]
    Name tail
    Path /var/log/*.log
    Tag  app
[FILTER]
    Name  kubernetes
    Match *
[FILTER]
    Name   modify
    Match  *
    Add    a b
[OUTPUT]
    Name  stdout
    Match *
--- app
{"log":"x"}
`, New: `
listeners:
  # old.conf:3 what the agents of old.conf read
  - name: forward
    address: :24224

clusters:
  - name: agents
    shared_key: ${file:/etc/aggregator/secrets/agents-key}

# The queue on disk of all outputs, in place of their buffers.
buffer:
  path: data

filters:
  common:
    # old.conf:10 [FILTER] modify
    - modify: {set_if_missing: {a: b}}

routes:
  # old.conf:14 [OUTPUT] stdout
  - match: '**'
    filters: [common]
    outputs: [stdout]

outputs:
  # old.conf:14 [OUTPUT] stdout
  stdout: {type: stdout}
--- app
stdout (standard output): {"log":"x","a":"b","@timestamp":"2026-01-01T00:00:00Z"}
--- agent-old.conf
# The new configuration of the agents of old.conf: they read what they read before and send it to the
    aggregator.
# AGGREGATOR_HOST and AGGREGATOR_SHARED_KEY are variables of the agents; NODE_NAME is what they call
    themselves.
# What each setting is for: deployments/agents/README.md.
[SERVICE]
    Flush 5
    # Chunks wait on disk, and are sent again within 30 s.
    storage.path         /var/lib/fluent-bit/chunks
    storage.sync         normal
    storage.max_chunks_up 64
    storage.backlog.mem_limit 32M
    scheduler.base       1
    scheduler.cap        30

# old.conf:3
[INPUT]
    Name tail
    Path /var/log/*.log
    Tag  app
    DB                   /var/lib/fluent-bit/tail.db
    storage.type         filesystem

# old.conf:7
[FILTER]
    Name  kubernetes
    Match *

[OUTPUT]
    Name                 forward
    Match                *
    Host                 ${AGGREGATOR_HOST}
    Port                 24224
    Shared_Key           ${AGGREGATOR_SHARED_KEY}
    Self_Hostname        ${NODE_NAME}
    Require_ack_response True
    Retry_Limit          no_limits
    storage.total_limit_size 8G
    Compress             gzip
    Workers              2
    # With TLS: the listener's certificate is signed by this authority.
    # tls                On
    # tls.verify         On
    # tls.verify_hostname On
    # tls.ca_file        /fluent-bit/tls/ca.crt
    net.connect_timeout  10
    net.io_timeout       60
    net.tcp_keepalive    On
    net.keepalive        On
    net.keepalive_idle_timeout 30
    net.keepalive_max_recycle 200
said: [FILTER] kubernetes: stays with the agents, with what stands before it: it asks the Kubernetes API
    about pods
file: /etc/aggregator/secrets/agents-key
`},
		{Name: "no output at all", Old: `
<source>
  @type forward
  bind 127.0.0.1
</source>
<filter **>
  @type dedot
</filter>
--- app
{"a.b":1}
`, New: `
listeners:
  # old.conf:1 <source> forward
  - name: forward
    address: 127.0.0.1:24224

# The queue on disk of all outputs, in place of their buffers.
buffer:
  path: data

filters:
  common:
    # old.conf:5 <filter **> dedot
    - dedot: {separator: _, nested: false}

routes:
  # old.conf
  - match: '**'
    filters: [common]
    outputs: [archive]

outputs:
  # old.conf
  archive: {type: file, path: 'data/archive/{cluster}/%Y-%m-%d.ndjson'}
--- app
archive (file data/archive/default/2026-01-01.ndjson): {"a_b":1,"@timestamp":"2026-01-01T00:00:00Z"}
lost: the outputs: there is no <match> or [OUTPUT] in the files
`},
	}, whole)
}
