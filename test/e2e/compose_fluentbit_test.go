//go:build fluentbit

package e2e

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestComposeDemo runs what deployments/compose runs, without containers: its generator, its configurations of Fluent
// Bit and of the aggregator, and Elasticsearch 8.14.3. Each cluster's events are in its own index, once, without those
// that the filter drops.
func TestComposeDemo(t *testing.T) {
	binary := fluentBit(t)
	es := startNode(t, "elasticsearch")
	const dir = "../../deployments/compose"
	read := func(name string) string {
		t.Helper()
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	address := freeAddress(t)
	home := t.TempDir()
	config := strings.NewReplacer("0.0.0.0:24224", address, "/var/lib/aggregator", "%[1]s/data",
		"http://elasticsearch:9200", es.URL, "0.0.0.0:9880", "127.0.0.1:0",
		"%", "%%").Replace(read("config/aggregator.yaml")) + "log: {format: json}\n"
	keys := map[string]string{"seoul": "key of seoul", "tokyo": "key of tokyo"}
	s := start(t, home, config, "SEOUL_KEY="+keys["seoul"], "TOKYO_KEY="+keys["tokyo"], "STATUS_TOKEN=demo")
	const rounds = 40 // of five lines, one of them for /healthcheck
	for cluster, key := range keys {
		node := t.TempDir()
		for _, name := range []string{"containers", "state"} {
			if err := os.Mkdir(filepath.Join(node, name), 0o750); err != nil {
				t.Fatal(err)
			}
		}
		script := strings.NewReplacer("/var/log/containers", filepath.Join(node, "containers"), "sleep 0.2", "sleep 0",
			"while true", fmt.Sprintf("for round in $(seq %d)", rounds)).Replace(read("shop.sh"))
		if out, err := exec.Command("sh", "-c", script).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		parsers, conf := filepath.Join(node, "parsers.conf"), filepath.Join(node, "fluent-bit.conf")
		text := strings.NewReplacer("/var/log/containers", filepath.Join(node, "containers"), "/var/lib/fluent-bit",
			filepath.Join(node, "state"),
			"/fluent-bit/etc/parsers.conf", parsers, "2020",
			freeAddress(t)[len("127.0.0.1:"):]).Replace(read("fluent-bit/fluent-bit.conf"))
		for name, data := range map[string]string{parsers: "[PARSER]\n    Name json\n    Format json\n", conf: text} {
			if err := os.WriteFile(name, []byte(data), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		host, port, _ := strings.Cut(address, ":")
		agent := &site{t: t, dir: node}
		agent.startAgentWith(
			[]string{
				"AGGREGATOR_HOST=" + host, "AGGREGATOR_PORT=" + port, "AGGREGATOR_SHARED_KEY=" + key,
				"NODE_NAME=node-1." + cluster,
			}, binary, "-c", conf,
		)
	}
	for cluster := range keys {
		index := "logs-" + cluster + "-*"
		s.eventually("the events of "+cluster, func() bool { return es.count(index) == 4*rounds })
		hit := at(es.must(http.MethodGet, "/"+index+"/_search?size=1&q=seq:2", nil), "hits", "hits").([]any)[0]
		for field, want := range map[string]any{"path": "/cart", "cluster": cluster, "status": float64(200)} {
			if got := at(hit, "_source", field); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%s: %s is %v, want %v", cluster, field, got, want)
			}
		}
	}
	s.stop()
}
