package app

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/config"
	"github.com/seed-afc6a195/aggregator/pkg/status"
)

// drainOf drains the directory that a program of this configuration has left behind.
func drainOf(ctx context.Context, t *testing.T, dir, text string, progress func(*App, Drained)) Drained {
	t.Helper()
	cfg, err := config.Parse("test.yaml", fmt.Appendf(nil, text, dir), config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	a, err := New(ctx, cfg, Options{Log: zerolog.Nop(), Drain: true, NoStatus: true})
	if err != nil {
		t.Fatal(err)
	}
	if a.StatusAddr() != nil || len(a.ListenerAddrs()) > 0 {
		t.Error("something listens during a drain")
	}
	if err := a.readiness(); err == nil || !strings.Contains(err.Error(), "draining: nothing is accepted") {
		t.Errorf("a drain is ready: %v", err)
	}
	d, err := a.Drain(ctx, func(d Drained) { progress(a, d) })
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestDrain delivers what a program has left behind, and names what it can't deliver.
func TestDrain(t *testing.T) {
	dir := t.TempDir()
	blocked := filepath.Join(dir, "pods")
	if err := os.Mkdir(blocked, 0o700); err != nil {
		t.Fatal(err)
	}
	p := start(t, dir, twoOutputs)
	p.await("the outputs", func(s status.Snapshot) bool { return len(s.Outputs) == 2 })
	if _, err := p.controlOutput("all", "pause"); err != nil {
		t.Fatal(err)
	}
	p.send("kube.a", "1", "one", "two")
	p.send("other", "2", "unrouted")
	p.await("the queue", func(s status.Snapshot) bool { return s.Queue.PendingEvents == 4 })
	p.end()

	// What an output can't take stays, with the reason, when the time is over.
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	d := drainOf(ctx, t, dir, twoOutputs, func(a *App, d Drained) {
		failed := a.outputs.get("pods").loop.Stats().LastError != ""
		if d.Delivered == 2 && len(d.Left) == 1 && failed {
			cancel()
		}
	})
	if d.Found != 4 || d.Delivered != 2 || d.Pending() != 2 || d.DeadLetters != 1 || len(d.Left) != 1 {
		t.Fatalf("%+v", d)
	}
	left := d.Left[0]
	if left.Output != "pods" || !left.Configured || left.Events != 2 || left.Chunks != 1 ||
		!strings.Contains(left.LastError, "pods") ||
		len(left.Clusters) != 1 || left.Clusters[0] != (ClusterBacklog{"default", 2}) {
		t.Errorf("left is %+v", left)
	}

	// What waits for an output that is not configured any more does not keep a drain.
	gone := strings.NewReplacer("pods: {type: file", "fresh: {type: file", "[pods]", "[fresh]").Replace(twoOutputs)
	d = drainOf(t.Context(), t, dir, gone, func(*App, Drained) {})
	if d.Found != 2 || d.Delivered != 0 || len(d.Left) != 1 || d.Left[0].Configured || d.Left[0].Output != "pods" {
		t.Errorf("without its output: %+v", d)
	}

	if err := os.Remove(blocked); err != nil {
		t.Fatal(err)
	}
	d = drainOf(t.Context(), t, dir, twoOutputs, func(*App, Drained) {})
	if d.Found != 2 || d.Delivered != 2 || d.Pending() != 0 {
		t.Errorf("with all of them: %+v", d)
	}
	if text := lines(t, blocked); strings.Count(text, "\n") != 2 {
		t.Errorf("delivered: %s", text)
	}
	d = drainOf(t.Context(), t, dir, twoOutputs, func(*App, Drained) {})
	if d.Found != 0 || len(d.Left) != 0 || d.DeadLetters != 1 {
		t.Errorf("an empty queue: %+v", d)
	}
}

// TestOfflineQueue shows what waits in the directory of a server that does not run.
func TestOfflineQueue(t *testing.T) {
	dir := t.TempDir()
	cfg, err := config.Parse("test.yaml", fmt.Appendf(nil, twoOutputs, dir), config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OfflineQueue(t.Context(), cfg, zerolog.Nop()); err == nil ||
		!strings.Contains(err.Error(), "there is no data directory") {
		t.Errorf("without a directory: %v", err)
	}
	p := startWith(t, cfg, Options{Log: zerolog.Nop()})
	p.await("the outputs", func(s status.Snapshot) bool { return len(s.Outputs) == 2 })
	if _, err := OfflineQueue(t.Context(), cfg, zerolog.Nop()); err == nil ||
		!strings.Contains(err.Error(), "leave out --data-dir to ask that server") {
		t.Errorf("with a server: %v", err)
	}
	for _, name := range []string{"all", "pods"} {
		if _, err := p.controlOutput(name, "pause"); err != nil {
			t.Fatal(err)
		}
	}
	p.send("kube.a", "1", "one", "two")
	p.send("host.a", "2", "three")
	p.await("the queue", func(s status.Snapshot) bool { return s.Queue.PendingEvents == 5 })
	p.end()
	q, err := OfflineQueue(t.Context(), cfg, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	if q.Events != 5 || q.Chunks != 3 || len(q.Outputs) != 2 || q.Full != "" || q.Oldest <= 0 {
		t.Fatalf("%+v", q)
	}
	for i, want := range []struct {
		output string
		events int64
	}{{"all", 3}, {"pods", 2}} {
		o := q.Outputs[i]
		if o.Output != want.output || o.State != StateOffline || o.Events != want.events || len(o.Clusters) != 1 ||
			o.Clusters[0].Events != want.events {
			t.Errorf("%+v", o)
		}
	}
}
