package convert_test

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/converttest"
)

func TestWholeFluentBit(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "Fluent Bit: what grep keeps of events without the field", Old: `
[INPUT]
    Name    forward
    Listen  127.0.0.1
[FILTER]
    Name    grep
    Match   a.*
    Regex   app .*
[FILTER]
    Name    grep
    Match   b.*
    Exclude log ^$
[FILTER]
    Name    grep
    Match   c.*
    Exclude log ^(?!ok)
[OUTPUT]
    Name    stdout
    Match   *
--- a.x
{"app":"","n":1}
{"n":2}
--- b.x
{"log":"","n":3}
{"n":4}
--- c.x
{"log":"ok","n":5}
{"log":"no","n":6}
{"n":7}
`, New: `
listeners:
  # old.conf:1 [INPUT] forward
  - name: forward
    address: 127.0.0.1:24224

# The queue on disk of all outputs, in place of their buffers.
buffer:
  path: data

filters:
  a:
    # old.conf:4 [FILTER] grep
    - grep: {include: {app: .*}}
      when: 'tag matches "^a(?:\\..*)?$"'
    - expr: {drop: record.app == nil}
      when: 'tag matches "^a(?:\\..*)?$"'
    # old.conf:8 [FILTER] grep
    - grep: {exclude: {log: ^$}}
      when: '(tag matches "^b(?:\\..*)?$") and (record.log != nil)'
    # old.conf:12 [FILTER] grep
    - grep: {include: {log: '^(?:ok)'}}
      when: '(tag matches "^c(?:\\..*)?$") and (record.log != nil)'

routes:
  # old.conf:16 [OUTPUT] stdout
  - match: '**'
    filters: [a]
    outputs: [stdout]

outputs:
  # old.conf:16 [OUTPUT] stdout
  stdout: {type: stdout}
--- a.x
stdout (standard output): {"app":"","n":1,"@timestamp":"2026-01-01T00:00:00Z"}
dropped a[1] expr
--- b.x
dropped a[2] grep
stdout (standard output): {"n":4,"@timestamp":"2026-01-01T00:00:00Z"}
--- c.x
stdout (standard output): {"log":"ok","n":5,"@timestamp":"2026-01-01T00:00:00Z"}
dropped a[3] grep
stdout (standard output): {"n":7,"@timestamp":"2026-01-01T00:00:00Z"}
`},
		{Name: "Fluent Bit: a condition holds for all that a filter does", Old: `
[INPUT]
    Name      forward
    Listen    127.0.0.1
[FILTER]
    Name      modify
    Match     *
    Condition Key_Exists level
    Rename    level severity
    Set       known yes
    Remove    tmp
[OUTPUT]
    Name      stdout
    Match     *
--- app
{"level":"warn","tmp":1}
{"tmp":2}
`, New: `
listeners:
  # old.conf:1 [INPUT] forward
  - name: forward
    address: 127.0.0.1:24224

# The queue on disk of all outputs, in place of their buffers.
buffer:
  path: data

filters:
  common:
    # old.conf:4 [FILTER] modify
    - expr: {set: {_when: record.level != nil}}
    - modify: {rename: {level: severity}, set: {known: "yes"}}
      when: record._when == true
    - modify: {remove: [tmp]}
      when: record._when == true
    - modify: {remove: [_when]}

routes:
  # old.conf:11 [OUTPUT] stdout
  - match: '**'
    filters: [common]
    outputs: [stdout]

outputs:
  # old.conf:11 [OUTPUT] stdout
  stdout: {type: stdout}
--- app
stdout (standard output): {"severity":"warn","known":"yes","@timestamp":"2026-01-01T00:00:00Z"}
stdout (standard output): {"tmp":2,"@timestamp":"2026-01-01T00:00:00Z"}
`},
		{Name: "Fluent Bit: a map is lifted, and others are put in one", Old: `
[INPUT]
    Name         forward
    Listen       127.0.0.1
[FILTER]
    Name         nest
    Match        *
    Operation    lift
    Nested_under kubernetes
    Add_prefix   k8s_
[FILTER]
    Name         nest
    Match        *
    Operation    nest
    Wildcard     k8s_pod_*
    Nest_under   pod
    Remove_prefix k8s_pod_
[FILTER]
    Name         record_modifier
    Match        *
    Remove_key   k8s_docker_id
    Record       cluster seoul
[OUTPUT]
    Name         stdout
    Match        *
--- app
{"log":"x","kubernetes":{"pod_name":"web-1","pod_ip":"10.0.0.1","docker_id":"d"}}
{"log":"y"}
`, New: `
listeners:
  # old.conf:1 [INPUT] forward
  - name: forward
    address: 127.0.0.1:24224

# The queue on disk of all outputs, in place of their buffers.
buffer:
  path: data

filters:
  common:
    # old.conf:4 [FILTER] nest
    # The members of kubernetes become fields.
    - expr: {set: {_lifted: toJSON(record.kubernetes), kubernetes: nil}}
      when: record.kubernetes != nil
    - parse: {field: _lifted, format: json, time: {key: ""}, prefix: k8s_}
      when: record._lifted != nil
    # old.conf:10 [FILTER] nest
    - modify: {move_under: {pod: [k8s_pod_*]}}
    - modify: {rename: {pod.k8s_pod_*: pod.*}}
    # old.conf:17 [FILTER] record_modifier
    - modify: {remove: [k8s_docker_id], set: {cluster: seoul}}

routes:
  # old.conf:22 [OUTPUT] stdout
  - match: '**'
    filters: [common]
    outputs: [stdout]

outputs:
  # old.conf:22 [OUTPUT] stdout
  stdout: {type: stdout}
--- app
stdout (standard output):
    {"log":"x","pod":{"ip":"10.0.0.1","name":"web-1"},"@timestamp":"2026-01-01T00:00:00Z"}
stdout (standard output): {"log":"y","@timestamp":"2026-01-01T00:00:00Z"}
`},
		{Name: "Fluent Bit: every output that fits gets an event, after all filters", Old: `
[INPUT]
    Name    forward
    Listen  127.0.0.1
[OUTPUT]
    Name    stdout
    Alias   all
    Match   *
[FILTER]
    Name    modify
    Match   app.*
    Add     team shop
[OUTPUT]
    Name    es
    Host    es
    Match   app.*
    Logstash_Format On
    Logstash_Prefix_Key $team
--- app.x
{"log":"x"}
--- host.y
{"log":"y"}
`, New: `
listeners:
  # old.conf:1 [INPUT] forward
  - name: forward
    address: 127.0.0.1:24224

# The queue on disk of all outputs, in place of their buffers.
buffer:
  path: data

filters:
  app:
    # old.conf:8 [FILTER] modify
    - modify: {set_if_missing: {team: shop}}
      when: 'tag matches "^app(?:\\..*)?$"'
  app-2:
    # old.conf:8 [FILTER] modify
    - modify: {set_if_missing: {team: shop}}

routes:
  # old.conf:4 [OUTPUT] stdout
  - match: '**'
    filters: [app]
    outputs: [all]
    continue: true
  # old.conf:12 [OUTPUT] es
  - match: app.**
    filters: [app-2]
    outputs: [es]

outputs:
  # old.conf:4 [OUTPUT] stdout
  all: {type: stdout}
  # old.conf:12 [OUTPUT] es
  es:
    type: elasticsearch
    hosts: ['http://es:9200']
    index: '{record.team|logstash}-%Y.%m.%d'
    fields: {time: '@timestamp', tag: "", cluster: ""}
    compression: none
    template: {manage: false}
--- app.x
all (standard output): {"log":"x","team":"shop","@timestamp":"2026-01-01T00:00:00Z"}
es (index shop-2026.01.01): {"log":"x","team":"shop","@timestamp":"2026-01-01T00:00:00Z"}
--- host.y
all (standard output): {"log":"y","@timestamp":"2026-01-01T00:00:00Z"}
`},
	}, whole)
}
