//go:build fluentbit || fluentd

package e2e

import (
	"bytes"
	"encoding/json"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/outputs/elasticsearch/elastictest"
)

// runAgent runs a real agent, with the command that the variable holds, with the agent.conf of a move until the test
// ends. Its files are below dir, and hosts that it sends to are the servers: pairs of the shipped host and an address.
// The test is skipped where the variable is not set.
func (m *move) runAgent(variable, dir string, hosts []string, env ...string) {
	m.t.Helper()
	command := strings.Fields(os.Getenv(variable))
	if len(command) == 0 {
		m.t.Skip("needs " + variable + ", a command")
	}
	m.secret("agent/ca.crt", string(m.ca.PEM))
	agent := filepath.Join(m.secrets, "agent")
	text := strings.NewReplacer("/var/", dir+"/var/", "/fluent-bit/aggregator", agent, "/fluentd/aggregator", agent).
		Replace(m.read("agent.conf"))
	for pair := range slices.Chunk(hosts, 2) {
		before, after, ok := strings.Cut(text, pair[0]+"\n")
		if !ok {
			m.t.Fatalf("agent.conf has no %s", pair[0])
		}
		_, port, err := net.SplitHostPort(pair[1])
		if err != nil { // no address
			text = before + pair[1] + "\n" + after
			continue
		}
		text = before + "localhost\n" + strings.Replace(after, "24224", port, 1)
	}
	config := filepath.Join(dir, "agent.conf")
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		m.t.Fatal(err)
	}
	var out bytes.Buffer
	cmd := exec.Command(command[0], append(command[1:], "-c", config)...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait() // it has said what it has to say
		if m.t.Failed() {
			m.t.Logf("log of the agent:\n%s", &out)
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

// TestMoveAgents runs the agents of moves, as they are shipped, with a real Fluent Bit (5 or later) and fluentd (1.11
// or later), which no package registry has.
//
//	FLUENT_BIT=/usr/bin/fluent-bit FLUENTD="ruby -I/src/fluentd/lib /src/fluentd/bin/fluentd" \
//	  go test -tags fluentbit,fluentd -run MoveAgents ./test/e2e
func TestMoveAgents(t *testing.T) {
	t.Run("nginx-cloudwatch", func(t *testing.T) {
		c := startMoto(t)
		m := newMove(t, "nginx-cloudwatch", "shop")
		m.env = m.irsa(c)
		s := m.start(t.TempDir())
		dir := t.TempDir()
		const pod = "nginx-7c5ddbdf54-abcde"
		m.writeLog(filepath.Join(dir, "var/log/nginx/access.log"), "shop", "nginx.access."+pod+".ndjson")
		m.runAgent("FLUENT_BIT", dir, []string{"aggregator.logging.svc", s.Forward}, "POD_NAME="+pod,
			"SHOP_KEY="+strings.TrimSpace(keyOf("shop")))
		wantLines(t, s, "log group /nginx/shop", m.golden("cw"),
			func() []string { lines, _ := c.linesOfLogs("/nginx/shop"); return lines })
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
		old := start(t, t.TempDir(),
			strings.NewReplacer("buffer:", "clusters: [{name: old, shared_key: the old key}]\nbuffer:", "{tag}.ndjson",
				"old.ndjson").Replace(defaultConfig))
		dir := t.TempDir()
		m.writeLog(filepath.Join(dir, "var/log/containers/api.log"), "seoul", "kube.api.ndjson")
		m.runAgent("FLUENT_BIT", dir, []string{"aggregator.example", s.Forward, "logs.example", old.Forward},
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
		if want := []string{"GET /orders" + index, "GET /orders/1017" + index}; !slices.Equal(
			slices.Sorted(slices.Values(got)), want,
		) {
			t.Errorf("documents %q, want %q", got, want)
		}
	})
	t.Run("eck", func(t *testing.T) {
		made := elastictest.New(elastictest.Options{})
		es := httptest.NewServer(made.Handler())
		defer es.Close()
		m := newMove(t, "eck", "production")
		m.secret("secrets/logging-es-elastic-user/elastic", "the password")
		m.secret("secrets/logging-es-http-certs-public/ca.crt", string(m.ca.PEM))
		e := startECK(t, es.URL, m.ca, "the password")
		m.env = []string{"ELASTIC_URL=" + e.url}
		s := m.start(t.TempDir())
		dir := t.TempDir()
		const prefix = "kube.var.log.containers."
		inputs, err := filepath.Glob(filepath.Join(m.dir, "input", "production", prefix+"*.ndjson"))
		if err != nil || len(inputs) != 1 {
			t.Fatal(inputs, err)
		}
		tag := strings.TrimSuffix(filepath.Base(inputs[0]), ".ndjson")
		m.writeLog(filepath.Join(dir, "var/log/containers", strings.TrimPrefix(tag, prefix)), "production",
			tag+".ndjson")
		// The tag that the file would have in its place.
		m.runAgent("FLUENTD", dir, []string{"tag kube.*", "tag " + tag, "aggregator.logging.svc", s.Forward},
			"NODE_NAME=node-1", "PRODUCTION_KEY="+strings.TrimSpace(keyOf("production")))
		var got []string
		want := m.golden("es")
		s.eventually("documents", func() bool { return len(made.Documents()) >= len(want) })
		for _, d := range made.Documents() {
			got = append(got, string(d.Source))
		}
		times := regexp.MustCompile(`"@timestamp":"[^"]*"`) // of what has none in its line: when the agent read it
		for _, lines := range [][]string{got, want} {
			for i, line := range lines {
				if !strings.Contains(line, `"message"`) && !strings.Contains(line, `"app"`) {
					lines[i] = times.ReplaceAllString(line, `"@timestamp":""`)
				}
			}
			slices.Sort(lines)
		}
		if !slices.Equal(got, want) {
			t.Errorf("documents\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}
