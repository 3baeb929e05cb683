package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// elasticConfig delivers everything to the host that is filled in, with more settings of the output.
func elasticConfig(address, host, index string, more ...string) string {
	settings := ""
	if len(more) > 0 {
		settings = "    " + strings.Join(more, "\n    ") + "\n"
	}
	return `
listeners:
  - {name: test, address: "` + address + `"}
buffer: {path: %[1]s/data, min_free_disk: 1MiB}
outputs:
  es:
    type: elasticsearch
    hosts: ["` + host + `"]
    index: "` + index + `"
    batch: {max_wait: 50ms}
    retry: {initial: 50ms, max: 1s}
` + settings + `routes:
  - {match: "**", outputs: [es]}
status: {address: "127.0.0.1:0"}
log: {format: json}
`
}

// manyEvents is how many events the tests send that look for the one that is lost or doubled; E2E_EVENTS changes it.
func manyEvents(t *testing.T) int {
	t.Helper()
	text := os.Getenv("E2E_EVENTS")
	if text == "" {
		return 100_000
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("E2E_EVENTS: %v", err)
	}
	return n
}

// command runs the program with args and stdin, and fails the test unless it ends with 0.
func command(t *testing.T, stdin io.Reader, args ...string) (stdout string) {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Stdin = stdin
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil {
		t.Fatalf("aggregator %s: %v\n%s%s", strings.Join(args, " "), err, out.String(), errOut.String())
	}
	return out.String()
}

// sendMade sends made-up events, which count from 1 in their field seq, and returns when all are acknowledged.
func sendMade(t *testing.T, address string, events int, more ...string) {
	t.Helper()
	command(t, nil, append([]string{"send", "--address", address, "--count", strconv.Itoa(events)}, more...)...)
}

// drained waits until nothing waits for an output any more, for as long as it gets less.
func (s *server) drained() {
	s.t.Helper()
	pending := func() string { return fmt.Sprint(at(s.get("/status"), "queue", "pending_chunks")) }
	for left := pending(); left != "0"; {
		before := left
		s.eventually("the queue to get shorter than "+before+" chunks", func() bool {
			left = pending()
			return left != before
		})
	}
}

// deadLetters returns how many dead letters there are.
func (s *server) deadLetters() int {
	s.t.Helper()
	n, _ := at(s.get("/status"), "dead_letters", "events").(float64)
	return int(n)
}

// TestElasticsearch delivers to a real one.
func TestElasticsearch(t *testing.T) {
	es := startNode(t, "elasticsearch")
	for _, tc := range []struct {
		name string
		run  func(t *testing.T, es *node)
	}{
		{"indices of clusters", testClusterIndices},
		{"data stream", testDataStream},
		{"block", testElasticBlock},
		{"faults", testElasticFaults},
		{"poison", testElasticPoison},
		{"outage", testElasticOutage}, // last: it stops the node
	} {
		t.Run(tc.name, func(t *testing.T) {
			outer := es.t
			es.t = t
			defer func() { es.t = outer }()
			tc.run(t, es)
		})
	}
}

// testClusterIndices expects each cluster's events in an index of its own, mapped as the template says.
func testClusterIndices(t *testing.T, es *node) {
	t.Helper()
	config := strings.Replace(elasticConfig("127.0.0.1:0", es.URL, "logs-{cluster}-%%Y.%%m.%%d"), "buffer:", `clusters:
  - {name: Seoul, shared_key: key-of-seoul}
  - {name: busan, shared_key: key-of-busan}
buffer:`, 1)
	s := start(t, t.TempDir(), config)
	sendMade(t, s.Forward, 1000, "--shared-key", "key-of-seoul", "--tag", "kube.Web")
	sendMade(t, s.Forward, 500, "--shared-key", "key-of-busan")
	s.drained()
	es.wantOnce("logs-seoul-*", "seq", 1000)
	es.wantOnce("logs-busan-*", "seq", 500)
	for name, index := range es.must(http.MethodGet, "/logs-seoul-*", nil) {
		for field, want := range map[string]string{"@timestamp": "date_nanos", "tag": "keyword", "cluster": "keyword"} {
			if got := at(index, "mappings", "properties", field, "type"); got != want {
				t.Errorf("%s: %s is %v, want %s", name, field, got, want)
			}
		}
		if name != strings.ToLower(name) || !strings.HasPrefix(name, "logs-seoul-2") {
			t.Errorf("the index is called %s", name)
		}
	}
	hit := at(es.must(http.MethodGet, "/logs-seoul-*/_search?size=1", nil), "hits", "hits").([]any)[0]
	if tag, cluster := at(hit, "_source", "tag"), at(hit, "_source", "cluster"); tag != "kube.Web" ||
		cluster != "Seoul" {
		t.Errorf("tag %v, cluster %v; want kube.Web, Seoul", tag, cluster)
	}
	s.stop()
}

// testDataStream expects a data stream, made by the template, and each event in it once.
func testDataStream(t *testing.T, es *node) {
	t.Helper()
	s := start(t, t.TempDir(), elasticConfig("127.0.0.1:0", es.URL, "stream-{cluster}", "data_stream: true"))
	sendMade(t, s.Forward, 2000)
	s.drained()
	streams, _ := es.must(http.MethodGet, "/_resolve/index/stream-default", nil)["data_streams"].([]any)
	if len(streams) != 1 || at(streams[0], "name") != "stream-default" {
		t.Errorf("data streams: %v, want stream-default", streams)
	}
	es.wantOnce("stream-default", "seq", 2000)
	s.stop()
}
