package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/outputs/elasticsearch/elastictest"
)

// besides is what a configuration of the README gets for a test: free ports, and a log that can be read.
const besides = `
buffer: {path: data, min_free_disk: 1MiB, max_size: 100MiB}
log: {format: json}
status: {address: %q}
`

// TestReadmeEvent does what the README has for the first two minutes, on other ports.
func TestReadmeEvent(t *testing.T) {
	sh := newShell(t)
	address := freeAddress(t)
	start(t, sh.Dir, fmt.Sprintf("listeners: [{address: %q}]\n", address)+fmt.Sprintf(besides, "127.0.0.1:0")+`# %[1]s
outputs: {archive: {type: file, path: "data/archive/{cluster}/%%Y-%%m-%%d.ndjson"}}
`)
	// How long it takes is no matter of this test.
	sh.replace = append(sh.replace, "aggregator send", "aggregator send --address "+address,
		"sleep 2", "until grep -qs hello data/archive/default/*.ndjson; do sleep 0.1; done")
	out := sh.run("../README.md", "an event")
	wantOutput(t, "the file", out, `{"message":"hello","@timestamp":"`, `","tag":"test.hello","cluster":"default"}`)
}

// TestReadmeConvert converts a file of fluentd's, and shows what becomes of an event.
func TestReadmeConvert(t *testing.T) {
	sh := newShell(t)
	sh.write("fluent.conf", `
<source>
  @type forward
  <security>
    self_hostname logs
    shared_key s3cret
  </security>
</source>
<filter kube.**>
  @type record_transformer
  <record>
    team shop
  </record>
</filter>
<match kube.**>
  @type elasticsearch
  host es.example
  user elastic
  password changeme
  logstash_format true
</match>
`)
	sh.write("lines.ndjson", `{"log":"hello"}`+"\n")
	wantOutput(t, "try", sh.run("../README.md", "your own file"), `+ team: "shop"`, "→ elasticsearch", "delivered: 1")
	wantOutput(t, "the configuration", sh.read("aggregator.yaml"), "${file:secrets/")
}

// TestReadmeTwoClusters brings events of two clusters into an index each.
func TestReadmeTwoClusters(t *testing.T) {
	made := elastictest.New(elastictest.Options{})
	es := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/_cat/indices/") {
			made.Handler().ServeHTTP(w, r)
			return
		}
		for _, d := range made.Documents() {
			fmt.Fprintf(w, "yellow open %s\n", d.Index)
		}
	}))
	defer es.Close()
	sh := newShell(t)
	address, status := freeAddress(t), freeAddress(t)
	text := strings.NewReplacer("127.0.0.1:24224", address, "http://127.0.0.1:9200", es.URL, "%", "%%").
		Replace(mustBlock(t, "../README.md", "yaml two clusters"))
	start(t, sh.Dir, text+fmt.Sprintf(besides, status)+"# %[1]s\n")
	sh.write("two.yaml", strings.ReplaceAll(text, "%%", "%")+fmt.Sprintf(besides, status))
	sh.replace = append(sh.replace, "aggregator send", "aggregator send --address "+address,
		"http://127.0.0.1:9200", es.URL, "sleep 3", `all() { curl -s "`+es.URL+`/_cat/indices/logs-*"; }
until all | grep logs-seoul && all | grep logs-tokyo && aggregator status -c two.yaml | grep "All is well"; do
  sleep 0.1
done >/dev/null`)
	wantOutput(t, "the indices", sh.run("../README.md", "two clusters"), "es: ok: ", "logs-seoul-2", "logs-tokyo-2",
		"All is well")
}
