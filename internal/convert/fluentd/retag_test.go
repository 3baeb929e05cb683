package fluentd_test

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/converttest"
)

func TestRetag(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "rewrite_tag_filter", Old: `
<source>
  @type forward
</source>
<match app.**>
  @type rewrite_tag_filter
  <rule>
    key level
    pattern /^(error|fatal)$/
    tag alert.$1.${tag}
  </rule>
  <rule>
    key $.kubernetes.namespace
    pattern /^prod/
    invert true
    tag other.${tag_parts[1]}.__TAG__
  </rule>
  <rule>
    key message
    pattern /.*/
    tag rest
    label @X
  </rule>
</match>
<match **>
  @type stdout
</match>
`, New: `
listener {address: ":24224"}
pipe "" (start)
match app.**
  new tags, to ""
    rule when record.level != nil and string(record.level) matches "^(error|fatal)$": alert.**.app.**
      expr: {set: {_tag: 'replacePattern(string(record.level), "(?s)^.*?(?:^(error|fatal)$).*$", "alert.$${1}.") +
          tag'}}
      modify: {tag: "{record._tag}", remove: ["_tag"]}
    rule when not (string(record.kubernetes?.namespace ?? "") matches "^prod"): other.**.app.**
      modify: {tag: "other.{tag[1]}.{tag}"}
    rule when string(record.message ?? "") != "" and string(record.message) matches ".*", to "@X": rest
      modify: {tag: "rest"}
match **
  output stdout of type stdout
`},
		{Name: "rewrite_tag_filter, as old versions have it", Old: `
<source>
  @type forward
</source>
<match app.**>
  @type rewrite_tag_filter
  remove_tag_prefix app
  hostname_command hostname
  rewriterule1 status !^2 bad.${tag}
  rewriterule2 status ^2 good.__TAG_PARTS[1]__.__HOSTNAME__
  rewriterule3 status
</match>
<match **>
  @type stdout
</match>
`, New: `
listener {address: ":24224"}
pipe "" (start)
match app.**
  new tags, to ""
    rule when not (string(record.status ?? "") matches "^2"): bad.**
      expr: {set: {_tag: '"bad." + trimPrefix(tag, "app.")'}}
      modify: {tag: "{record._tag}", remove: ["_tag"]}
    rule when record.status != nil and string(record.status) matches "^2": good.**.**
      expr: {set: {_tag: '"good." + string(get(split(trimPrefix(tag, "app."), "."), 1) ?? "") + "." +
          "${env:HOSTNAME}"'}}
      modify: {tag: "{record._tag}", remove: ["_tag"]}
match **
  output stdout of type stdout
lost: <match app.**> rewrite_tag_filter rewriterule3: it is not a field, an expression and a tag
variable: HOSTNAME
`},
		{Name: "rewrite_tag_filter, rules that can't be said", Old: `
<source>
  @type forward
</source>
<match app.**>
  @type rewrite_tag_filter
  remove_tag_regexp /^app/
  @label @ROOT
  <rule>
    key $.a[0]
    pattern x
    tag y
  </rule>
  <rule>
    key a
    pattern (?=x)
    tag y
  </rule>
  <rule>
    key a
    pattern x
    tag ${SecureRandom.uuid}
  </rule>
</match>
<match **>
  @type stdout
</match>
`, New: `
listener {address: ":24224"}
pipe "" (start)
match app.**
  new tags, to ""
match **
  output stdout of type stdout
lost: <match app.**> rewrite_tag_filter <rule>: the field $.a[0] can't be read
lost: <match app.**> rewrite_tag_filter <rule> pattern: look-around, (?=…), (?!…), (?<=…), (?<!…),
    has no like: match what is around too, or use a second step
lost: <match app.**> rewrite_tag_filter <rule> tag: the tag ${SecureRandom.uuid} can't be said:
    ${SecureRandom.uuid} is none of a tag's placeholders
lost: <match app.**> rewrite_tag_filter: it has no rule that can be said
`},
		{Name: "detect_exceptions, with and without a prefix", Old: `
<source>
  @type forward
</source>
<match raw.a.** raw.{b,c}.*>
  @type detect_exceptions
  remove_tag_prefix raw
  languages java
  stream stream
  <buffer>
    @type memory
  </buffer>
</match>
<match plain.**>
  @type detect_exceptions
  message msg
  max_bytes 500000
</match>
<match **>
  @type stdout
</match>
`, New: `
listener {address: ":24224"}
pipe "" (start)
match raw.a.** raw.{b,c}.*
  new tags, to ""
    rule: a.** b.* c.*
      multiline: {field: "log", format: "java", key: "{tag}/{record.stream}"}
      expr: {set: {_tag: 'trimPrefix(tag, "raw.")'}}
      modify: {tag: "{record._tag}", remove: ["_tag"]}
filter plain.**
  multiline: {field: "msg", format: "all", key: "{tag}", max_bytes: "500000"}
match **
  output stdout of type stdout
`},
		{Name: "other ways to a new tag", Old: `
<source>
  @type forward
</source>
<match a.**>
  @type record_reformer
  tag reformed.${tag_suffix[1]}
  enable_ruby true
  <record>
    host ${hostname}
    n ${record["n"].to_i + 1}
  </record>
  remove_keys x
</match>
<match b.**>
  @type add_tag_prefix
  tag p.${tag}
</match>
<match c.**>
  @type retag
</match>
<match d.**>
  @type retag
  tag ${SecureRandom.uuid}
</match>
<match **>
  @type stdout
</match>
`, New: `
listener {address: ":24224"}
pipe "" (start)
match a.**
  new tags, to ""
    rule: reformed.**
      expr: {set: {n: "int(record.n ?? 0) + 1"}}
      modify: {remove: ["x"], set: {host: "${env:HOSTNAME}"}}
      expr: {set: {_tag: '"reformed." + string(join(split(tag, ".")[1:], "."))'}}
      modify: {tag: "{record._tag}", remove: ["_tag"]}
match b.**
  new tags, to ""
    rule: p.b.**
      modify: {tag: "p.{tag}"}
match c.**
  new tags, to ""
match d.**
  new tags, to ""
match **
  output stdout of type stdout
lost: <match c.**> retag: it has no tag that can be said
lost: <match d.**> retag tag: the tag ${SecureRandom.uuid} can't be said: ${SecureRandom.uuid} is none of a
    tag's placeholders
variable: HOSTNAME
`},
		{Name: "tags of Kubernetes", Old: `
<source>
  @type forward
</source>
<match kubernetes.**>
  @type tag_normaliser
  format k.${namespace_name}.${labels.app}
  unknown none
</match>
<match **>
  @type stdout
</match>
`, New: `
listener {address: ":24224"}
pipe "" (start)
match kubernetes.**
  new tags, to ""
    rule: **
      modify: {tag: "k.{record.kubernetes.namespace_name|none}.{record.kubernetes.labels.app|none}"}
match **
  output stdout of type stdout
`},
		{Name: "a router of Kubernetes", Old: `
<source>
  @type forward
</source>
<match **>
  @type label_router
  default_route @REST
  <route>
    @label @A
    <match>
      namespaces shop, pay
      labels app:web,tier:front
      container_names nginx
      hosts node-1
    </match>
    <match>
      namespaces kube-system
      negate true
    </match>
  </route>
  <route>
    <match>
    </match>
  </route>
  <route>
    @label @B
    <match>
    </match>
  </route>
</match>
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
pipe "" (start)
match **
  label "@A by x.conf:7"
  label "@B by x.conf:24"
pipe "@A"
match **
  output stdout of type stdout
pipe "@A by x.conf:7"
filter **
  expr: {drop: '(record.kubernetes?.namespace_name in ["kube-system"])'}
  expr: {drop: 'not ((record.kubernetes?.namespace_name in ["shop", "pay"] and record.kubernetes?.host in
      ["node-1"] and record.kubernetes?.container_name in ["nginx"] and record.kubernetes?.labels?.app == "web"
      and record.kubernetes?.labels?.tier == "front"))'}
match **
  label "@A"
pipe "@B"
match **
  nowhere
pipe "@B by x.conf:24"
match **
  label "@B"
lost: <match **> label_router <route>: it leads to no label
lost: <match **> label_router default_route: what no route takes is not told apart
`},
	}, whole)
}
