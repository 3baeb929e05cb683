package app

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/config"
	"github.com/seed-afc6a195/aggregator/pkg/status"
)

// lockedBuffer is a log that is read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Who takes an output with a backlog out of the configuration is told its name and how much waits: in the log, in the
// reply and in the status, and again at the next start, until it is back or purged.
func TestAnOutputThatGoesWithABacklogIsWarnedOf(t *testing.T) {
	const warning = "output pods is not configured any more, and 3 events wait for it"
	dir, text := t.TempDir(), twoOutputs
	load := func() (Loaded, error) {
		cfg, err := config.Parse("test.yaml", fmt.Appendf(nil, text, dir), config.Options{})
		return Loaded{Config: cfg, Hash: text}, err
	}
	without := strings.NewReplacer("pods: {type: file", "fresh: {type: file", "[pods]", "[fresh]").Replace(twoOutputs)
	var log lockedBuffer
	begin := func() *program {
		t.Helper()
		loaded, err := load()
		if err != nil {
			t.Fatal(err)
		}
		return startWith(t, loaded.Config, Options{Load: load, ConfigHash: text, Log: zerolog.New(&log)})
	}
	warned := func(warnings []string) bool { return strings.Contains(strings.Join(warnings, "\n"), warning) }
	p := begin()
	p.await("the outputs", func(s status.Snapshot) bool { return len(s.Outputs) == 2 })
	if _, err := p.controlOutput("pods", "pause"); err != nil {
		t.Fatal(err)
	}
	p.send("kube.a", "c", "one", "two", "three")
	p.await("the other output", func(s status.Snapshot) bool { return delivered(s, "all") == 3 })
	if warnings, err := p.Reload(); err != nil || warned(warnings) || strings.Contains(log.String(), warning) {
		t.Errorf("a reload that changes nothing warns of %q, %v", warnings, err)
	}
	text = without
	if warnings, err := p.Reload(); err != nil || !warned(warnings) || !strings.Contains(log.String(), warning) {
		t.Errorf("the reply warns of %q, %v; the log:\n%s", warnings, err, log.String())
	}
	if s := p.snapshot(); !warned(s.Config.Warnings) {
		t.Errorf("the status warns of %q", s.Config.Warnings)
	}
	p.end()
	log.b.Reset()
	p = begin()
	if s := p.snapshot(); !warned(s.Config.Warnings) {
		t.Errorf("after a start the status warns of %q", s.Config.Warnings)
	}
	p.await("the log", func(status.Snapshot) bool { return strings.Contains(log.String(), warning) })
	if _, err := p.controlOutput("nobody", "purge"); err == nil {
		t.Error("purged what waits for nobody")
	}
	text = twoOutputs
	if warnings, err := p.Reload(); err != nil || warned(warnings) {
		t.Errorf("back in the configuration, it is warned of: %q, %v", warnings, err)
	}
	p.await("its events", func(
		s status.Snapshot,
	) bool {
		return delivered(s, "pods") == 3 && !warned(s.Config.Warnings)
	})
}

// What is purged has a place in the account of its output, which adds up.
func TestPurgedIsCounted(t *testing.T) {
	dir, text := t.TempDir(), twoOutputs
	load := func() (Loaded, error) {
		cfg, err := config.Parse("test.yaml", fmt.Appendf(nil, text, dir), config.Options{})
		return Loaded{Config: cfg, Hash: text}, err
	}
	loaded, err := load()
	if err != nil {
		t.Fatal(err)
	}
	p := startWith(t, loaded.Config, Options{Load: load, ConfigHash: text, Log: zerolog.Nop()})
	p.await("the outputs", func(s status.Snapshot) bool { return len(s.Outputs) == 2 })
	if _, err := p.controlOutput("pods", "pause"); err != nil {
		t.Fatal(err)
	}
	p.send("kube.a", "c", "one", "two", "three")
	p.await("the other output", func(s status.Snapshot) bool { return delivered(s, "all") == 3 })
	text = strings.NewReplacer("pods: {type: file", "fresh: {type: file", "[pods]", "[fresh]").Replace(twoOutputs)
	if _, err := p.Reload(); err != nil {
		t.Fatal(err)
	}
	if done, err := p.controlOutput("pods", "purge"); err != nil ||
		done != "purged 3 events that waited for output pods" {
		t.Errorf("%q, %v", done, err)
	}
	s := p.snapshot()
	o := s.Outputs[2]
	if c := o.Clusters[0]; o.Name != "pods" || o.State != status.StateRemoved || c.Purged != 3 || c.Queued != 3 ||
		c.Pending != 0 || len(c.Dropped) != 0 {
		t.Errorf("%+v", o)
	}
	if len(s.Config.Warnings) > 0 {
		t.Errorf("after the purge it is warned of %q", s.Config.Warnings)
	}
}
