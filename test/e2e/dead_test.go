package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/outputs/elasticsearch/elastictest"
)

// exported returns the event ids of all dead letters.
func exported(t *testing.T, args ...string) map[string]bool {
	t.Helper()
	ids := map[string]bool{}
	lines := bufio.NewScanner(strings.NewReader(command(t, nil, append([]string{"dead", "export"}, args...)...)))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var l struct {
			EventID string          `json:"event_id"`
			Record  json.RawMessage `json:"record"`
		}
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil || l.EventID == "" || ids[l.EventID] ||
			len(l.Record) == 0 {
			t.Fatalf("%s: %v", lines.Bytes(), err)
		}
		ids[l.EventID] = true
	}
	return ids
}

// TestDeadRetryKilled kills the server in the middle of retries: in the end every event is there once, under the id
// that it had as a dead letter, and none is a dead letter any more.
func TestDeadRetryKilled(t *testing.T) {
	const total, kills = 30_000, 4
	made := elastictest.New(elastictest.Options{})
	es := httptest.NewServer(made.Handler())
	defer es.Close()
	made.SetFaults(elastictest.Faults{Poison: "seq"}) // all of them
	dir, config := t.TempDir(), elasticConfig("127.0.0.1:0", es.URL, "dead", "template: {manage: false}")
	s := start(t, dir, config)
	sendMade(t, s.Forward, total)
	s.eventually("the dead letters", func() bool { return s.deadLetters() == total })
	ids := exported(t, "--status", "http://"+s.Status)
	if len(ids) != total {
		t.Fatalf("%d dead letters were exported, not %d", len(ids), total)
	}
	made.SetFaults(elastictest.Faults{})
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	for kill := range kills {
		before := s.deadLetters()
		var out bytes.Buffer
		retry := exec.Command(path, "dead", "retry", "--status", "http://"+s.Status, "--all", "--yes")
		retry.Stdout, retry.Stderr = &out, &out
		if err := retry.Start(); err != nil {
			t.Fatal(err)
		}
		s.eventually("fewer dead letters", func() bool { n := s.deadLetters(); return n < before || n == 0 })
		s.kill()
		if err := retry.Wait(); err == nil && kill == 0 {
			t.Logf("the retry was done before the kill: %s", &out)
		}
		s = start(t, dir, config)
		t.Logf("after kill %d: %d dead letters are left", kill+1, s.deadLetters())
	}
	command(t, nil, "dead", "retry", "--status", "http://"+s.Status, "--all", "--yes")
	if n := s.deadLetters(); n != 0 {
		t.Errorf("%d dead letters are left", n)
	}
	s.drained()
	docs := made.Documents()
	for _, d := range docs {
		if !ids[d.ID] || d.Writes != 1 {
			t.Fatalf("document %s, written %d times, was no dead letter", d.ID, d.Writes)
		}
	}
	if len(docs) != total {
		t.Errorf("%d documents, want %d", len(docs), total)
	}
	s.stop()

	// Without a server: the same commands look into its directory.
	if out := command(t, nil, "dead", "--data-dir", dir+"/data"); out != "no dead letters\n" {
		t.Errorf("left: %s", out)
	}
}

// TestDeadOffline retries while no server runs: the next one delivers.
func TestDeadOffline(t *testing.T) {
	const total = 500
	made := elastictest.New(elastictest.Options{})
	es := httptest.NewServer(made.Handler())
	defer es.Close()
	made.SetFaults(elastictest.Faults{Poison: "seq"})
	dir, config := t.TempDir(), elasticConfig("127.0.0.1:0", es.URL, "dead", "template: {manage: false}")
	s := start(t, dir, config)
	sendMade(t, s.Forward, total)
	s.eventually("the dead letters", func() bool { return s.deadLetters() == total })
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(path, "dead", "list", "--data-dir", dir+"/data").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "leave out --data-dir") {
		t.Errorf("a server uses the directory: %v %s", err, out)
	}
	s.stop()
	made.SetFaults(elastictest.Faults{})
	want := fmt.Sprintf("put %d dead letters with %d events back into the queue\n", total, total)
	if out := command(
		t, nil, "dead", "retry", "--data-dir", dir+"/data", "-c", s.config, "--reason", "rejected", "--yes",
	); out != want {
		t.Errorf("said %q, want %q", out, want)
	}
	s = start(t, dir, config)
	s.drained()
	seen := map[string]bool{}
	for _, d := range made.Documents() {
		var doc struct{ Seq int }
		if err := json.Unmarshal(d.Source, &doc); err != nil {
			t.Fatal(err)
		}
		seen[strconv.Itoa(doc.Seq)] = true
	}
	if len(seen) != total {
		t.Errorf("%d events, want %d", len(seen), total)
	}
	s.stop()
}
