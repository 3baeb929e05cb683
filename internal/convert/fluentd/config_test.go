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
	}, whole)
}
