package fluentd_test

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/converttest"
)

// TestPipes: the order of filters and matches, labels, copies and new tags.
func TestPipes(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "filters and matches in their order", Old: `
<source>
  @type forward
</source>
<filter kube.** host.*>
  @type grep
  <exclude>
    key log
    pattern debug
  </exclude>
</filter>
<match kube.{a,b}.**>
  @type stdout
</match>
<match>
  @type null
</match>
`, New: `
listener {address: ":24224"}
pipe "" (start)
filter kube.** host.*
  grep: {exclude: {log: "debug"}}
match kube.{a,b}.**
  output stdout of type stdout
match **
  nowhere
`},
		{Name: "expressions as tags", Old: `
<source>
  @type forward
</source>
<match /^kube\..*/>
  @type stdout
</match>
<match /^(?!kube)/>
  @type stdout
</match>
<match "#{ENV['T']}.**">
  @type stdout
</match>
<match x#{y>
  @type stdout
</match>
`, New: `
listener {address: ":24224"}
pipe "" (start)
match ** /^kube\..*/
  output stdout of type stdout
match **
  output stdout of type stdout
match *.**
  output stdout of type stdout
match x*
  output stdout of type stdout
lost: <match /^(?!kube)/>: look-around, (?=…), (?!…), (?<=…), (?<!…), has no like: match what is
    around too, or use a second step
lost: <match #{ENV['T']}.**>: the tag depends on Ruby
lost: <match x#{y>: the tag depends on Ruby
`},
		{Name: "copies, labels and nothing", Old: `
<source>
  @type forward
</source>
<match **>
  @type copy
  copy_mode deep
  <store>
    @type relabel
    @label @A
  </store>
  <store ignore_error>
    @type stdout
  </store>
  <store>
    @type null
  </store>
</match>
<label @A>
  <match **>
    @type relabel
    @label @ROOT
  </match>
</label>
`, New: `
listener {address: ":24224"}
pipe "" (start)
match **
  label "@A"
  output stdout of type stdout
  nowhere
pipe "@A"
match **
  label ""
`},
		{Name: "stores in turn, and none", Old: `
<source>
  @type forward
</source>
<match a.**>
  @type roundrobin
  <store>
    @type stdout
  </store>
</match>
<match **>
  @type copy
</match>
`, New: `
listener {address: ":24224"}
pipe "" (start)
match a.**
  output stdout of type stdout
match **
lost: <match a.**> roundrobin: events go to each store in turn there, and to all of them here
lost: <match **> copy: it has no <store>
`},
		{Name: "fluentd's own log and errors", Old: `
<source>
  @type forward
</source>
<label @ERROR>
  <match **>
    @type stdout
  </match>
</label>
<label @FLUENT_LOG>
  <match **>
    @type stdout
  </match>
</label>
<match fluent.**>
  @type relabel
  @label @ERROR
</match>
<match **>
  @type stdout
</match>
`, New: `
listener {address: ":24224"}
pipe "" (start)
match fluent.**
  nowhere
match **
  output stdout of type stdout
said: <label @ERROR>: events that can't be read or are refused are dead letters here, with the reason:
    docs/dead-letters.md
said: <label @FLUENT_LOG>: the aggregator writes its own log to its standard error, and sends it to no output
said: <match fluent.**> relabel: @ERROR is the dead letters here; the events are dropped
`},
		{Name: "the label of its own log, which is not there", Old: `
<source>
  @type forward
</source>
<match fluent.**>
  @type relabel
  @label @FLUENT_LOG
</match>
<match **>
  @type stdout
</match>
`, New: `
listener {address: ":24224"}
pipe "" (start)
match fluent.**
  nowhere
match **
  output stdout of type stdout
said: <match fluent.**> relabel: dropped: no label @FLUENT_LOG is in the files, and fluentd drops what leads
    to its own log without one
`},
		{Name: "the label of its own log, to which others lead", Old: `
<source>
  @type forward
</source>
<label @FLUENT_LOG>
  <match **>
    @type stdout
  </match>
</label>
<match **>
  @type relabel
  @label @FLUENT_LOG
</match>
`, New: `
listener {address: ":24224"}
pipe "" (start)
match **
  label "@FLUENT_LOG"
pipe "@FLUENT_LOG"
match **
  output stdout of type stdout
said: <label @FLUENT_LOG>: the aggregator writes its own log to its standard error, and sends it to no output
`},
		{Name: "workers, the system, and what stands nowhere", Old: `
log_level info
<system>
  log_level debug
  workers 2
  root_dir /tmp
  <log>
    format json
  </log>
  moon full
</system>
<worker 0>
  <source>
    @type forward
  </source>
</worker>
<worker 1-2>
  <match **>
    @type stdout
  </match>
</worker>
<parser x>
</parser>
`, New: `
listener {address: ":24224"}
pipe "" (start)
match **
  output stdout of type stdout
lost: log_level: it stands in no section
lost: <system> moon: the setting has no like that is known here
lost: <parser>: fluentd has no such section
said: <system> log_level: log: {level: debug} says the same
`},
		{Name: "a label with more than filters and matches", Old: `
<source>
  @type forward
  @label @A
</source>
<label @A>
  <source>
    @type tail
  </source>
  <match **>
    @type stdout
  </match>
</label>
`, New: `
listener {address: ":24224"}
pipe ""
pipe "@A" (start)
match **
  output stdout of type stdout
lost: <source> in <label @A>: a label has filters and matches alone
`},
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
    rule when record.kubernetes?.namespace != nil and not (string(record.kubernetes?.namespace) matches "^prod"):
        other.**.app.**
      modify: {tag: "other.{tag[1]}.{tag}"}
    rule when record.message != nil and string(record.message) matches ".*": rest
      modify: {tag: "rest"}
match **
  output stdout of type stdout
lost: <match app.**> rewrite_tag_filter <rule> label: rules go to the label of the match alone
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
    rule when record.status != nil and not (string(record.status) matches "^2"): bad.**
      expr: {set: {_tag: '"bad." + trimPrefix(tag, "app.")'}}
      modify: {tag: "{record._tag}", remove: ["_tag"]}
    rule when record.status != nil and string(record.status) matches "^2": good.**.**
      modify: {tag: "good.{tag[1]}.${env:HOSTNAME}"}
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
lost: <match app.**> rewrite_tag_filter remove_tag_regexp: tags are cut by no expression here
lost: <match app.**> rewrite_tag_filter <rule>: the field $.a[0] can't be read
lost: <match app.**> rewrite_tag_filter <rule> pattern: look-around, (?=…), (?!…), (?<=…), (?<!…),
    has no like: match what is around too, or use a second step
lost: <match app.**> rewrite_tag_filter <rule> tag: the tag ${SecureRandom.uuid} can't be said: SecureRandom
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
lost: <match d.**> retag tag: the tag ${SecureRandom.uuid} can't be said: SecureRandom
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
