package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// flavors are the real servers that can be started, by the script and its first arguments.
var flavors = map[string][]string{
	"elasticsearch": {"start.sh"},
	"legacy7":       {"older/start.sh", "legacy7"},
	"legacy6":       {"older/start.sh", "legacy6"},
	"opensearch":    {"older/start.sh", "opensearch"},
}

// node is a real Elasticsearch or OpenSearch. See test/elasticsearch.
type node struct {
	t        *testing.T
	URL      string
	port     string // the same after each start
	data     string
	flavor   string
	settings []string
	cmd      *exec.Cmd
	log      *bytes.Buffer // what it says after it is ready; to be read when it has ended
	drained  chan struct{}
}

// startNode starts a node with an empty data directory. The test is skipped where that needs what is not there.
func startNode(t *testing.T, flavor string, settings ...string) *node {
	t.Helper()
	if _, err := exec.LookPath("java"); err != nil {
		need(t, "a JDK 17")
	}
	build := scriptOf(t, flavor, "0", t.TempDir())
	build.Env = append(build.Env, "ES_BUILD_ONLY=1")
	if out, err := build.CombinedOutput(); err != nil {
		need(t, fmt.Sprintf("a JDK 17, mvn and the jars of %s: %v: %s", flavor, err, out))
	}
	_, port, _ := net.SplitHostPort(freeAddress(t))
	n := &node{t: t, port: port, data: t.TempDir(), flavor: flavor, settings: settings}
	n.start()
	t.Cleanup(func() {
		if n.cmd != nil {
			n.stop()
		}
		if t.Failed() {
			t.Logf("log of the node:\n%s", n.log)
		}
	})
	return n
}

// scriptOf returns the command that starts a node of that flavor.
func scriptOf(t *testing.T, flavor string, args ...string) *exec.Cmd {
	t.Helper()
	words := flavors[flavor]
	script, err := filepath.Abs(filepath.Join("../elasticsearch", words[0]))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(script, append(words[1:len(words):len(words)], args...)...)
	cmd.Env = os.Environ()
	return cmd
}

// start runs the node, after a stop at the same address and with the data that it had.
func (n *node) start() {
	n.t.Helper()
	n.cmd = scriptOf(n.t, n.flavor, append([]string{n.port, n.data}, n.settings...)...)
	out, err := n.cmd.StdoutPipe()
	if err != nil {
		n.t.Fatal(err)
	}
	n.log = &bytes.Buffer{}
	n.cmd.Stderr = n.cmd.Stdout
	if err := n.cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	giveUp := time.AfterFunc(patience, func() { _ = n.cmd.Process.Kill() }) // which ends the lines below
	defer giveUp.Stop()
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			n.t.Fatalf("the node did not start:\n%s%s", n.log, line)
		}
		n.log.WriteString(line)
		if _, after, ready := strings.Cut(line, " ready on "); ready {
			n.URL, _, _ = strings.Cut(after, " ")
			break
		}
	}
	n.drained = make(chan struct{})
	go func() {
		defer close(n.drained)
		_, _ = io.Copy(n.log, lines) // ends with the node
	}()
}

// stop ends the node with SIGTERM and waits for its end.
func (n *node) stop() {
	n.t.Helper()
	if err := n.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		n.t.Error(err)
	}
	giveUp := time.AfterFunc(patience, func() { _ = n.cmd.Process.Kill() })
	defer giveUp.Stop()
	<-n.drained
	_ = n.cmd.Wait() // a JVM that gets SIGTERM ends with 143
	n.cmd = nil
}

// call asks the node and returns its answer. body may be nil.
func (n *node) call(method, path string, body any) (status int, answer map[string]any) {
	n.t.Helper()
	var reader io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			n.t.Fatal(err)
		}
		reader = bytes.NewReader(b)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, n.URL+path, reader)
	if err != nil {
		n.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		n.t.Fatal(err)
	}
	defer resp.Body.Close()
	d := json.NewDecoder(resp.Body)
	d.UseNumber()
	if err := d.Decode(&answer); err != nil && method != http.MethodHead {
		n.t.Fatalf("%s %s: %s: %v", method, path, resp.Status, err)
	}
	return resp.StatusCode, answer
}

// must is call for what has to succeed.
func (n *node) must(method, path string, body any) map[string]any {
	n.t.Helper()
	status, answer := n.call(method, path, body)
	if status >= 300 {
		n.t.Fatalf("%s %s: %d: %v", method, path, status, answer)
	}
	return answer
}

// at returns what lies below v under the keys one after the other; nil where a key is missing.
func at(v any, keys ...string) any {
	for _, key := range keys {
		m, _ := v.(map[string]any)
		v = m[key]
	}
	return v
}

// count returns how many documents the indices hold that pattern names.
func (n *node) count(pattern string) int {
	n.t.Helper()
	status, answer := n.call(http.MethodPost, "/"+pattern+"/_refresh", nil)
	if status == http.StatusNotFound {
		return 0
	}
	if status == http.StatusOK {
		status, answer = n.call(http.MethodGet, "/"+pattern+"/_count", nil)
	}
	if status != http.StatusOK { // shards that are still being made or recovered
		n.t.Logf("count %s: %d: %v", pattern, status, at(answer, "error", "reason"))
		return 0
	}
	var count int
	_, err := fmt.Sscan(fmt.Sprint(answer["count"]), &count)
	if err != nil {
		n.t.Fatal(err)
	}
	return count
}

// numbers returns how often each value of the integer field is there, of the values from 1 to most.
func (n *node) numbers(pattern, field string, most int) map[int]int {
	n.t.Helper()
	const page = 5000 // values; a search returns 10,000 documents at most
	found := map[int]int{}
	for from := 1; from <= most; from += page {
		query := map[string]any{
			"size": 2 * page, "_source": false, "docvalue_fields": []string{field},
			"query": map[string]any{"range": map[string]any{field: map[string]any{"gte": from, "lt": from + page}}},
		}
		hits, _ := at(n.must(http.MethodPost, "/"+pattern+"/_search", query), "hits", "hits").([]any)
		for _, hit := range hits {
			values, _ := at(hit, "fields", field).([]any)
			var number int
			if _, err := fmt.Sscan(strings.Trim(fmt.Sprint(values), "[]"), &number); err != nil {
				n.t.Fatalf("a document without one %s: %v: %v", field, hit, err)
			}
			found[number]++
		}
	}
	return found
}

// wantOnce fails unless the events are there whose field counts from 1 to total, each once, and nothing else.
func (n *node) wantOnce(pattern, field string, total int) {
	n.t.Helper()
	if count := n.count(pattern); count != total {
		n.t.Errorf("%s holds %d documents, want %d", pattern, count, total)
	}
	wrong := 0
	found := n.numbers(pattern, field, total)
	for number := 1; number <= total; number++ {
		if found[number] != 1 {
			if wrong++; wrong <= 5 {
				n.t.Errorf("event %d is there %d times", number, found[number])
			}
		}
	}
	if wrong > 0 {
		n.t.Errorf("%d of %d events are not there once", wrong, total)
	}
}
