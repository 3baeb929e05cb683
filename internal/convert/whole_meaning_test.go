package convert_test

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/converttest"
)

// TestWholeMeaning is what plugins do that their settings don't show.
func TestWholeMeaning(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "rules to labels, groups in capitals, fields that are missing", Old: `
<source>
  @type forward
  bind 127.0.0.1
</source>
<match app.**>
  @type rewrite_tag_filter
  capitalize_regex_backreference yes
  <rule>
    key level
    pattern /^(err)or|(fat)al$/
    tag alert.$1$2.${tag_parts[1]}
    label @ALERTS
  </rule>
  <rule>
    key message
    pattern /.*/
    tag said.${tag}
  </rule>
  <rule>
    key kind
    pattern /^audit$/
    invert true
    tag other
  </rule>
</match>
<match other>
  @type file
  path /var/log/other
</match>
<match **>
  @type stdout
</match>
<label @ALERTS>
  <match alert.Err.**>
    @type file
    path /var/log/errors
  </match>
  <match **>
    @type file
    path /var/log/alerts
  </match>
</label>
--- app.web
{"level":"error","n":1}
{"level":"fatal","n":2}
{"message":"","kind":"audit","n":3}
{"message":"","n":4}
{"message":"hello","n":5}
`, New: `
listeners:
  # old.conf:1 <source> forward
  - name: forward
    address: 127.0.0.1:24224

# The queue on disk of all outputs, in place of their buffers.
buffer:
  path: data

filters:
  to-alert:
    # old.conf:8 <match app.**> rewrite_tag_filter
    - expr:
        set:
          _tag: '"alert." + upper(replacePattern(string(record.level), "(?s)^.*?(?:^(err)or|(fat)al$).*$",
    "$${1}")[:1]) + lower(replacePattern(string(record.level), "(?s)^.*?(?:^(err)or|(fat)al$).*$",
    "$${1}")[1:]) + upper(replacePattern(string(record.level), "(?s)^.*?(?:^(err)or|(fat)al$).*$",
    "$${2}")[:1]) + lower(replacePattern(string(record.level), "(?s)^.*?(?:^(err)or|(fat)al$).*$",
    "$${2}")[1:]) + "." + string(get(split(tag, "."), 1) ?? "")'
    - modify: {tag: '{record._tag}', remove: [_tag]}
  only-alert-Err:
    # old.conf:34 of the new tag
    - expr: {drop: 'not (tag matches "^alert\\.Err(?:\\..*)?$")'}
  without-alert-Err:
    # old.conf:34 of the new tag
    - expr: {drop: 'tag matches "^alert\\.Err(?:\\..*)?$"'}
  to-said-app:
    # old.conf:14 <match app.**> rewrite_tag_filter
    - modify: {tag: 'said.{tag}'}
  to-other:
    # old.conf:19 <match app.**> rewrite_tag_filter
    - modify: {tag: other}
  discard:
    # What routes to nowhere: dropped, and counted.
    - expr: {drop: "true"}

routes:
  # old.conf:34 <match alert.Err.**> file
  - match: app.**
    when: 'record.level != nil and string(record.level) matches "^(err)or|(fat)al$"'
    filters: [to-alert, only-alert-Err]
    outputs: [file]
    continue: true
  # old.conf:38 <match **> file
  - match: app.**
    when: 'record.level != nil and string(record.level) matches "^(err)or|(fat)al$"'
    filters: [to-alert, without-alert-Err]
    outputs: [file-2]
  # old.conf:30 <match **> stdout
  - match: app.**
    when: 'string(record.message ?? "") != "" and string(record.message) matches ".*"'
    filters: [to-said-app]
    outputs: [stdout]
  # old.conf:26 <match other> file
  - match: app.**
    when: 'not (string(record.kind ?? "") matches "^audit$")'
    filters: [to-other]
    outputs: [file-3]
  # old.conf:5
  - match: app.**
    filters: [discard]
    outputs: [file]
  # old.conf:26 <match other> file
  - match: other
    outputs: [file-3]
  # old.conf:30 <match **> stdout
  - match: '**'
    outputs: [stdout]

outputs:
  # old.conf:34 <match alert.Err.**> file
  file: {type: file, path: /var/log/errors.%Y%m%d.log}
  # old.conf:38 <match **> file
  file-2: {type: file, path: /var/log/alerts.%Y%m%d.log}
  # old.conf:30 <match **> stdout
  stdout: {type: stdout}
  # old.conf:26 <match other> file
  file-3: {type: file, path: /var/log/other.%Y%m%d.log}
--- app.web
file (file /var/log/errors.20260101.log):
    {"level":"error","n":1,"@timestamp":"2026-01-01T00:00:00Z","tag":"alert.Err.web","cluster":"default"}
dropped without-alert-Err[0] expr
dropped only-alert-Err[0] expr
file-2 (file /var/log/alerts.20260101.log):
    {"level":"fatal","n":2,"@timestamp":"2026-01-01T00:00:00Z","tag":"alert.Fat.web","cluster":"default"}
dropped discard[0] expr
file-3 (file /var/log/other.20260101.log):
    {"message":"","n":4,"@timestamp":"2026-01-01T00:00:00Z","tag":"other","cluster":"default"}
stdout (standard output):
    {"message":"hello","n":5,"@timestamp":"2026-01-01T00:00:00Z","tag":"said.app.web","cluster":"default"}
said: <match other> file: a line is one JSON object with the time and the tag in it, not the time, the tag
    and JSON with tabs between
said: <match alert.Err.**> file: a line is one JSON object with the time and the tag in it, not the time, the
    tag and JSON with tabs between
said: <match **> file: a line is one JSON object with the time and the tag in it, not the time, the tag and
    JSON with tabs between
`},
		{Name: "a tag that begins with what a group matched", Old: `
<source>
  @type forward
  bind 127.0.0.1
</source>
<match kube.**>
  @type rewrite_tag_filter
  <rule>
    key $.k8s.ns
    pattern ^(.+)$
    tag $1.${tag}
  </rule>
</match>
<match shop.kube.**>
  @type file
  path /var/log/shop
</match>
<match *.kube.**>
  @type null
</match>
<match **>
  @type stdout
</match>
--- kube.web
{"k8s":{"ns":"shop"}}
{"k8s":{"ns":"other"}}
{"k8s":{"ns":"a.b"}}
{"log":"of no pod"}
--- host
{"log":"of a host"}
`, New: `
listeners:
  # old.conf:1 <source> forward
  - name: forward
    address: 127.0.0.1:24224

# The queue on disk of all outputs, in place of their buffers.
buffer:
  path: data

filters:
  to-kube:
    # old.conf:7 <match kube.**> rewrite_tag_filter
    - expr:
        set:
          _tag: 'replacePattern(string(record.k8s?.ns), "(?s)^.*?(?:^(.+)$).*$", "$${1}.") + tag'
    - modify: {tag: '{record._tag}', remove: [_tag]}
  only-shop-kube:
    # old.conf:13 of the new tag
    - expr: {drop: 'not (tag matches "^shop\\.kube(?:\\..*)?$")'}
  without-shop-kube:
    # old.conf:13 of the new tag
    - expr: {drop: 'tag matches "^shop\\.kube(?:\\..*)?$"'}
    # old.conf:17 of the new tag
    - expr: {drop: 'tag matches "^[^.]*\\.kube(?:\\..*)?$"'}
  discard:
    # What routes to nowhere: dropped, and counted.
    - expr: {drop: "true"}

routes:
  # old.conf:13 <match shop.kube.**> file
  - match: kube.**
    when: 'record.k8s?.ns != nil and string(record.k8s?.ns) matches "^(.+)$"'
    filters: [to-kube, only-shop-kube]
    outputs: [file]
    continue: true
  # old.conf:20 <match **> stdout
  - match: kube.**
    when: 'record.k8s?.ns != nil and string(record.k8s?.ns) matches "^(.+)$"'
    filters: [to-kube, without-shop-kube]
    outputs: [stdout]
  # old.conf:5
  - match: kube.**
    filters: [discard]
    outputs: [file]
  # old.conf:13 <match shop.kube.**> file
  - match: shop.kube.**
    outputs: [file]
  # old.conf:17 <match *.kube.**> null
  - match: '*.kube.**'
    filters: [discard]
    outputs: [file]
  # old.conf:20 <match **> stdout
  - match: '**'
    outputs: [stdout]

outputs:
  # old.conf:13 <match shop.kube.**> file
  file: {type: file, path: /var/log/shop.%Y%m%d.log}
  # old.conf:20 <match **> stdout
  stdout: {type: stdout}
--- kube.web
file (file /var/log/shop.20260101.log):
    {"k8s":{"ns":"shop"},"@timestamp":"2026-01-01T00:00:00Z","tag":"shop.kube.web","cluster":"default"}
dropped without-shop-kube[0] expr
dropped only-shop-kube[0] expr
dropped without-shop-kube[1] expr
dropped only-shop-kube[0] expr
stdout (standard output):
    {"k8s":{"ns":"a.b"},"@timestamp":"2026-01-01T00:00:00Z","tag":"a.b.kube.web","cluster":"default"}
dropped discard[0] expr
--- host
stdout (standard output): {"log":"of a host","@timestamp":"2026-01-01T00:00:00Z"}
said: <match shop.kube.**> file: a line is one JSON object with the time and the tag in it, not the time, the
    tag and JSON with tabs between
`},
		{Name: "a rule that takes what it rewrites", Old: `
<source>
  @type forward
  bind 127.0.0.1
</source>
<match app.**>
  @type rewrite_tag_filter
  <rule>
    key level
    pattern /(.+)/
    tag app.$1
  </rule>
</match>
<match **>
  @type stdout
</match>
--- app
{"level":"warn"}
{"n":1}
--- other
{"level":"warn"}
`, New: `
listeners:
  # old.conf:1 <source> forward
  - name: forward
    address: 127.0.0.1:24224

# The queue on disk of all outputs, in place of their buffers.
buffer:
  path: data

filters:
  discard:
    # What routes to nowhere: dropped, and counted.
    - expr: {drop: "true"}

routes:
  # old.conf:5
  - match: app.**
    when: 'record.level != nil and string(record.level) matches "(.+)"'
    filters: [discard]
    outputs: [stdout]
  # old.conf:5
  - match: app.**
    filters: [discard]
    outputs: [stdout]
  # old.conf:13 <match **> stdout
  - match: '**'
    outputs: [stdout]

outputs:
  # old.conf:13 <match **> stdout
  stdout: {type: stdout}
--- app
dropped discard[0] expr
dropped discard[0] expr
--- other
stdout (standard output): {"level":"warn","@timestamp":"2026-01-01T00:00:00Z"}
lost: events go round in a circle: it takes what it rewrites:
`},
	}, whole)
}
