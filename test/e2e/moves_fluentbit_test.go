//go:build fluentbit

package e2e

import (
	"bytes"
	"encoding/json"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/outputs/elasticsearch/elastictest"
)

// runAgent runs a real Fluent Bit, which FLUENT_BIT names, with the agent.conf of a move until the test ends. Its files are
// below dir, and hosts that it sends to are the servers: pairs of the shipped host and an address.
func (m *move) runAgent(dir string, hosts []string, env ...string) {
	m.t.Helper()
	binary := os.Getenv("FLUENT_BIT")
	if binary == "" {
		m.t.Fatal("FLUENT_BIT must name a fluent-bit binary, version 5 or later")
	}
	m.secret("agent/ca.crt", string(m.ca.PEM))
	text := strings.NewReplacer("/var/", dir+"/var/", "/fluent-bit/aggregator", filepath.Join(m.secrets, "agent")).Replace(m.read("agent.conf"))
	for pair := range slices.Chunk(hosts, 2) {
		_, port, err := net.SplitHostPort(pair[1])
		if err != nil {
			m.t.Fatal(err)
		}
		before, after, ok := strings.Cut(text, pair[0]+"\n")
		if !ok {
			m.t.Fatalf("agent.conf has no host %s", pair[0])
		}
		text = before + "localhost\n" + strings.Replace(after, "24224", port, 1)
	}
	config := filepath.Join(dir, "agent.conf")
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		m.t.Fatal(err)
	}
	var out bytes.Buffer
	cmd := exec.Command(binary, "-c", config)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait() // it has said what it has to say
		if m.t.Failed() {
			m.t.Logf("log of fluent-bit:\n%s", &out)
		}
	})
}

// writeLog writes the lines of the field log of an input into a file, as the program that logs does.
func (m *move) writeLog(path string, input ...string) {
	m.t.Helper()
	var lines strings.Builder
	for _, line := range splitLines(m.t, []byte(m.shifted(m.read(append([]string{"input"}, input...)...)))) {
		var e struct{ Log string }
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			m.t.Fatal(err)
		}
		lines.WriteString(e.Log + "\n")
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(lines.String()), 0o600); err != nil {
		m.t.Fatal(err)
	}
}

// TestMoveAgents runs the agents of moves, as they are shipped, with a real Fluent Bit.
//
//	FLUENT_BIT=/usr/bin/fluent-bit go test -tags fluentbit -run MoveAgents ./test/e2e
func TestMoveAgents(t *testing.T) {
	t.Run("nginx-cloudwatch", func(t *testing.T) {
		c := startMoto(t)
		m := newMove(t, "nginx-cloudwatch", "shop")
		m.env = m.irsa(c)
		s := m.start(t.TempDir())
		dir := t.TempDir()
		const pod = "nginx-7c5ddbdf54-abcde"
		m.writeLog(filepath.Join(dir, "var/log/nginx/access.log"), "shop", "nginx.access."+pod+".ndjson")
		m.runAgent(dir, []string{"aggregator.logging.svc", s.Forward}, "POD_NAME="+pod, "SHOP_KEY="+strings.TrimSpace(keyOf("shop")))
		wantLines(t, s, "log group /nginx/shop", m.golden("cw"), func() []string { lines, _ := c.linesOfLogs("/nginx/shop"); return lines })
		if _, streams := c.linesOfLogs("/nginx/shop"); !slices.Equal(streams, []string{pod}) {
			t.Errorf("streams %q, want the pod's", streams)
		}
	})
	t.Run("fluentd-loadbalancer", func(t *testing.T) { // both destinations, as in the parallel run
		made := elastictest.New(elastictest.Options{})
		es := httptest.NewServer(made.Handler())
		defer es.Close()
		m := newMove(t, "fluentd-loadbalancer", "seoul", "tokyo")
		m.env = []string{"ELASTIC_URL=" + es.URL}
		s := m.start(t.TempDir())
		old := start(t, t.TempDir(), strings.NewReplacer("buffer:", "clusters: [{name: old, shared_key: the old key}]\nbuffer:", "{tag}.ndjson", "old.ndjson").Replace(defaultConfig))
		dir := t.TempDir()
		m.writeLog(filepath.Join(dir, "var/log/containers/api.log"), "seoul", "kube.api.ndjson")
		m.runAgent(dir, []string{"aggregator.example", s.Forward, "logs.example", old.Forward},
			"NODE_NAME=node-1", "SEOUL_KEY="+strings.TrimSpace(keyOf("seoul")), "OLD_SHARED_KEY=the old key")
		old.await("old", 2)
		var got []string
		s.eventually("documents", func() bool { got = nil; return len(made.Documents()) >= 2 })
		for _, d := range made.Documents() {
			var e struct{ Message, Cluster, Region string }
			if err := json.Unmarshal(d.Source, &e); err != nil {
				t.Fatal(err)
			}
			got = append(got, strings.Join([]string{e.Message, e.Cluster, e.Region, d.Index}, " "))
		}
		index := " seoul ap-northeast-2 logs-seoul-" + m.day.Format("2006.01.02")
		if want := []string{"GET /orders" + index, "GET /orders/1017" + index}; !slices.Equal(slices.Sorted(slices.Values(got)), want) {
			t.Errorf("documents %q, want %q", got, want)
		}
	})
}
