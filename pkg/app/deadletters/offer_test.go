package deadletters

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/config"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// Every kind of output says where it would send an event and what, after the filters; or why it would get nothing.
func TestOffers(t *testing.T) {
	cfg, err := config.Parse("test.yaml", []byte(`
filters:
  add: [{modify: {set: {service: web}}}]
  drop: [{grep: {exclude: {log: one}}}]
  strict: [{parse: {field: log, format: json, on_error: dead_letter}}]
  join: [{multiline: {key: "{tag}", start: "^x", field: log}}]
routes:
  - {match: "kube.**", filters: [add], outputs: [es, fh, ks, cw, cwm, s3, file, out, up], continue: true}
  - {match: "kube.**", filters: [drop], outputs: [dropped], continue: true}
  - {match: "kube.**", filters: [strict], outputs: [dead], continue: true}
  - {match: "kube.**", filters: [join], outputs: [joined], continue: true}
  - {match: "kube.**", when: 'record.log == "two"', outputs: [never], continue: true}
  - {match: "kube.**", outputs: [plain]}
clusters: [{name: seoul, shared_key: k, fields: {region: here}}]
outputs:
  es: {type: elasticsearch, hosts: ["http://127.0.0.1:9"], index: "logs-{cluster}-{record.service}-%Y.%m.%d"}
  fh: {type: firehose, region: us-east-1, delivery_stream: "fh-{cluster}"}
  ks: {type: kinesis, region: us-east-1, stream: "ks-{record.service}"}
  cw: {type: cloudwatch_logs, region: us-east-1, log_group: "/k8s/{cluster}", log_stream: "{tag}"}
  cwm: {type: cloudwatch_logs, region: us-east-1, log_group: g, log_stream: s, message: log}
  s3: {type: s3, region: us-east-1, bucket: lake, key: "{cluster}/%Y/"}
  file: {type: file, path: "out/{cluster}.ndjson", compression: gzip}
  out: {type: stdout}
  up: {type: forward, servers: ["10.0.0.9:24224"], tag: "up.{tag}"}
  dropped: {type: stdout}
  dead: {type: stdout}
  joined: {type: stdout}
  never: {type: stdout}
  plain: {type: stdout}
`), config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	const (
		document = `{"log":"one","service":"web","@timestamp":"2023-11-14T22:13:20.000000005Z","tag":"kube.a",` +
			`"cluster":"seoul","region":"here"}`
		plain = `{"log":"one","@timestamp":"2023-11-14T22:13:20.000000005Z","tag":"kube.a","cluster":"seoul",` +
			`"region":"here"}`
	)
	for output, want := range map[string]struct{ target, document, text, reason string }{
		"es":      {target: "index logs-seoul-web-2023.11.14", document: document},
		"fh":      {target: "delivery stream fh-seoul", document: document},
		"ks":      {target: "stream ks-web", document: document},
		"cw":      {target: "log group /k8s/seoul, log stream kube.a", document: document},
		"cwm":     {target: "log group g, log stream s", text: "one"},
		"s3":      {target: "s3://lake/seoul/2023/…", document: document},
		"file":    {target: "file out/seoul.ndjson.gz", document: document},
		"out":     {target: "standard output", document: document},
		"up":      {target: "tag up.kube.a at 10.0.0.9:24224", document: `{"log":"one","service":"web"}`},
		"dropped": {reason: "a filter drops it"},
		"dead":    {reason: "it would become a dead letter again: filter: "},
		"joined":  {target: "standard output", document: plain},
		"never":   {reason: "the conditions (when) of the routes to this output are not true of it"},
		"plain":   {target: "standard output", document: plain},
	} {
		t.Run(output, func(t *testing.T) {
			o := newOfferer(cfg, output)
			defer o.close()
			for range 2 { // nothing of the first is left behind
				chunk := event.Chunk{Cluster: "seoul", Tag: "kube.a", Entries: entryOf("one")}
				var ev event.Event
				it := chunk.Iterator()
				if !it.Next(&ev) {
					t.Fatal(it.Err())
				}
				all := o.of(&ev, time.Unix(1_700_000_100, 0))
				if len(all) != 1 {
					t.Fatalf("%d offers: %+v", len(all), all)
				}
				got := all[0]
				if got.Output != output || got.Target != want.target || string(got.Document) != want.document ||
					got.Text != want.text || !strings.HasPrefix(got.Reason, want.reason) ||
					(want.reason == "") != (got.Reason == "") {
					t.Errorf("got %s", must(json.Marshal(got)))
				}
			}
		})
	}
	for name, out := range cfg.Outputs {
		if o := newOfferer(cfg, name); o.broken != "" {
			t.Errorf("%s: %s", out.Common.Type, o.broken)
		} else {
			o.close()
		}
	}
}

// entryOf returns an entry whose record is {"log": text}.
func entryOf(text string) []byte {
	record := append([]byte{0x81, 0xa3, 'l', 'o', 'g', 0xa0 | byte(len(text))}, text...)
	return event.AppendEntry(nil, event.AppendTime(nil, event.Time{Sec: 1_700_000_000, Nsec: 5}), nil, record)
}

func must(text []byte, err error) string {
	if err != nil {
		return err.Error()
	}
	return string(text)
}
