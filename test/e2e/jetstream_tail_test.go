package e2e

import (
	"bufio"
	"encoding/json"
	"io"
	"maps"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/status/client"
	"github.com/seed-afc6a195/aggregator/test/harness"
	"github.com/seed-afc6a195/aggregator/test/nats"
)

// tailing is a command aggregator tail --json that runs, with what it has shown.
type tailing struct {
	mu     sync.Mutex
	events []client.TailEvent
	notes  strings.Builder
}

// watch runs aggregator tail at s until the test ends.
func watch(t *testing.T, s *server, args ...string) *tailing {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), path,
		append([]string{"tail", "--json", "--rate", "1000", "--status", "http://" + s.Status}, args...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	notes, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w := new(tailing)
	var reading sync.WaitGroup
	each := func(in io.Reader, take func(line []byte)) {
		reading.Go(func() {
			for lines := bufio.NewScanner(in); lines.Scan(); {
				w.mu.Lock()
				take(lines.Bytes())
				w.mu.Unlock()
			}
		})
	}
	each(out, func(line []byte) {
		var e client.TailEvent
		if err := json.Unmarshal(line, &e); err != nil {
			t.Errorf("%q: %v", line, err)
		}
		w.events = append(w.events, e)
	})
	each(notes, func(line []byte) { w.notes.Write(append(line, '\n')) })
	t.Cleanup(func() {
		reading.Wait()
		// The end of the test ends it.
		_ = cmd.Wait()
	})
	return w
}

// noted reports whether the notes have all of the texts.
func (w *tailing) noted(texts ...string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, text := range texts {
		if !strings.Contains(w.notes.String(), text) {
			return false
		}
	}
	return true
}

// count returns how many events it has shown of each pod, and whether any of them twice, as far as they have ids.
func (w *tailing) count() (of map[string]int, twice bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	of, seen := map[string]int{}, map[string]bool{}
	for i := range w.events {
		e := &w.events[i]
		of[e.Pod]++
		twice = twice || e.ID != "" && seen[e.ID]
		seen[e.ID] = true
	}
	return of, twice
}

// TestJetStreamTail shows events of all aggregators at one of them, with the permissions that are documented, also of
// one that comes later; and says when one is gone.
func TestJetStreamTail(t *testing.T) {
	c := startNATS(t, nats.Options{
		Config: "include user.conf\n", Files: map[string]string{"user.conf": user(t, "secret", permissions(t))},
	})
	config := sharedConfig(quoted(c), filepath.Join(t.TempDir(), "out"), ", username: aggregator, password: secret")
	run := func(name string) *server { return start(t, t.TempDir(), "hostname: "+name+"\n"+config) }
	one, two := run("one"), run("two")
	one.eventually("both know each other", func() bool {
		return len(one.Snapshot().Group.Pods) == 2 && len(two.Snapshot().Group.Pods) == 2
	})
	arriving, delivered := watch(t, one), watch(t, one, "--at", "archive")
	one.eventually("both show their events", func() bool {
		return arriving.noted("events of one, two") && delivered.noted("events of one, two")
	})
	send := func(s *server, name string) {
		(&harness.Agent{Name: name, Tag: "a", Address: s.Address, Limit: 100}).Run(t.Context())
	}
	send(one, "x")
	send(two, "y")
	one.eventually("all are shown as they arrive", func() bool {
		of, _ := arriving.count()
		return of["one"] == 100 && of["two"] == 100
	})
	one.eventually("all are shown as they are delivered", func() bool {
		of, twice := delivered.count()
		return of["one"]+of["two"] == 200 && !twice
	})
	three := run("three")
	one.eventually("the new one shows its events", func() bool {
		return arriving.noted("events of three are shown too")
	})
	send(three, "z")
	one.eventually("those of the new one are shown", func() bool {
		of, _ := arriving.count()
		return maps.Equal(of, map[string]int{"one": 100, "two": 100, "three": 100})
	})
	two.kill()
	one.eventually("that one is gone is said", func() bool { return arriving.noted("two is gone") })
	if log := c.Nodes[0].Log(); strings.Contains(log, "Violation") {
		t.Errorf("the servers refused something:\n%s", log)
	}
}
