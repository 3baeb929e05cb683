package fluentd_test

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/converttest"
)

// TestFiltersOfUsers is what people write, and what has no like.
func TestFiltersOfUsers(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "grep, several groups that all have to take an event", Old: `
@type grep
<or>
  <regexp>
    key a
    pattern /x/
  </regexp>
  <regexp>
    key b
    pattern /y/
  </regexp>
</or>
<or>
  <regexp>
    key c
    pattern /z/
  </regexp>
</or>
<and>
  <regexp>
    key d
    pattern /^(?!debug)/
  </regexp>
</and>
<or>
  <exclude>
    key e
    pattern /^(?!w)/
  </exclude>
</or>
`, New: `
grep: {include_any: {a: "x", b: "y"}}
grep: {include_any: {c: "z"}}
grep: {exclude: {d: "^(?:debug)"}}
grep: {include: {e: "^(?:w)"}}
`},
		{Name: "grep, what can't be read", Old: `
@type grep
<regexp>
  key a
</regexp>
<regexp>
  key $.a[0]
  pattern x
</regexp>
<exclude>
  key b
  pattern "#{ENV['P']}"
</exclude>
regexp1 c
`, New: `
lost: <filter **> grep <regexp>: it has no key and pattern
lost: <filter **> grep: the field $.a[0] is within an array, or can't be read
lost: <filter **> grep: the expression depends on variables
lost: <filter **> grep regexp1: it is not a field and an expression
`},
		{Name: "grep, several expressions of a field", Old: `
@type grep
<exclude>
  key path
  pattern /^\/healthz/
</exclude>
<exclude>
  key path
  pattern /^\/readyz/
</exclude>
<exclude>
  key path
  pattern /^\/livez/i
</exclude>
`, New: `
grep: {exclude: {path: ["^/healthz", "^/readyz", "(?i)^/livez"]}}
`},
		{Name: "record_transformer, what people write", Old: `
@type record_transformer
enable_ruby true
<record>
  hostname ${hostname}
  tag ${tag}
  ns ${record.dig("kubernetes", "namespace_name") || "none"}
  app ${record["kubernetes"]["labels"]["app"]}
  level ${record["level"].upcase}
  time ${time.strftime('%Y-%m-%dT%H:%M:%S%z')}
  severity ${case record["level"] when "E" then "error" else "info" end}
  service ${tag_parts[1]}-${tag_suffix[2]}
  percent 100% {sure}
  cluster "#{ENV['CLUSTER']}"
  region "#{ENV['REGION'] || use_default}"
  list ["a","b"]
  secret "#{File.read('/run/secret').strip}"
  version "v-#{ENV['V'] || '1'}-${record['v']}"
</record>
remove_keys $.kubernetes.labels, docker
`, New: `
expr: {set: {ns: 'record.kubernetes?.namespace_name ?? "none"', level: 'upper(string(record.level ?? ""))',
    time: 'strftime(time, "%Y-%m-%dT%H:%M:%S%z")', severity: '(record.level == "E") ? "error" : "info"',
    service: 'string(get(split(tag, "."), 1) ?? "") + "-" + string(join(split(tag, ".")[2:], ".") ?? "")',
    list: '["a","b"]'}}
modify: {remove: ["kubernetes.labels", "docker"], set: {hostname: "${env:HOSTNAME}", tag: "{tag}", app:
    "{record.kubernetes.labels.app}", percent: "100%% {{sure}}", cluster: "${env:CLUSTER}", region:
    "${env:REGION:-}", secret: "${file:/run/secret}", version: "v-${env:V:-1}-{record.v}"}}
variable: CLUSTER
variable: HOSTNAME
variable: REGION
variable: V
`},
		{Name: "record_transformer, what it sets of what it changes", Old: `
@type record_transformer
enable_ruby true
<record>
  a ${record["a"].upcase}
  b ${record["a"]}
  c x
</record>
remove_keys c
`, New: `
modify: {set: {b: "{record.a}"}}
expr: {set: {a: 'upper(string(record.a ?? ""))'}}
modify: {set: {c: "x"}}
modify: {remove: ["c"]}
`},
		{Name: "record_transformer, a new record of some keys", Old: `
@type record_transformer
renew_record true
keep_keys message, $.kubernetes.pod_name
<record>
  a ${record["b"]}
</record>
`, New: `
modify: {keep: ["message", "kubernetes.pod_name", "a"], set: {a: "{record.b}"}}
`},
		{Name: "record_transformer, keys that can't be read", Old: `
@type record_transformer
remove_keys $.a[0], b
keep_keys c
`, New: `
modify: {remove: ["b"]}
lost: <filter **> record_transformer remove_keys: the field $.a[0] is within an array, or can't be read
`},
		{Name: "record_modifier, what it replaces and keeps", Old: `
@type record_modifier
char_encoding utf-8
prepare_value a
<record>
  a "#{1 + 1}"
  b ${record["c"]}
</record>
<replace>
  key $.a[0]
  expression /x/
  replace y
</replace>
<replace>
  key a
  expression /(?=x)/
  replace y
</replace>
remove_keys d
`, New: `
expr: {set: {a: "string(1 + 1)"}}
modify: {remove: ["d"], set: {b: "{record.c}"}}
lost: <filter **> record_modifier char_encoding: texts are UTF-8 here
lost: <filter **> record_modifier <replace>: the field $.a[0] can't be read
lost: <filter **> record_modifier expression: look-around, (?=…), (?!…), (?<=…), (?<!…), has no like:
    match what is around too, or use a second step
`},
	}, steps)
}
