package app

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/config"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/forward/client"
	"github.com/seed-afc6a195/aggregator/pkg/status"
)

// TestReload puts new routes and outputs in force while a connection stays open, refuses what is wrong, and keeps the
// backlog and the counters of outputs that go and come back.
func TestReload(t *testing.T) {
	dir := t.TempDir()
	text := twoOutputs
	load := func() (Loaded, error) {
		cfg, err := config.Parse("test.yaml", fmt.Appendf(nil, text, dir), config.Options{})
		return Loaded{Config: cfg, Hash: text}, err
	}
	p := start(t, dir, text)
	if _, err := p.Reload(); err == nil {
		t.Error("reloaded without a file")
	}
	p.end()
	first, err := load()
	if err != nil {
		t.Fatal(err)
	}
	p = startWith(t, first.Config, Options{Load: load, ConfigHash: text, Log: zerolog.New(zerolog.NewTestWriter(t))})
	agent, err := client.Dial(t.Context(), client.Config{Address: p.ListenerAddrs()[0].String(), Timeout: patience})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { agent.Close() })
	one := event.AppendEntry(nil, event.AppendTime(nil, event.Time{Sec: 1}), nil, []byte{0x80})
	send := func(tag string) {
		t.Helper()
		if err := agent.Send(t.Context(), &client.Message{Tag: tag, Entries: one, Events: 1, Chunk: "c"}); err != nil {
			t.Fatal(err)
		}
	}
	send("kube.a")
	p.await("both outputs", func(
		s status.Snapshot,
	) bool {
		return delivered(s, "pods") == 1 && delivered(s, "all") == 1
	})

	text = strings.NewReplacer("pods: {type: file", "fresh: {type: file", "[pods]", "[fresh]", "min_free_disk: 1MiB",
		"dedupe_window: 1m, min_free_disk: 2MiB",
		`address: "127.0.0.1:0"}]`,
		`address: "127.0.0.1:0", max_message_size: 64KiB, udp_heartbeat: false}]`).Replace(twoOutputs)
	warnings, err := p.Reload()
	if err != nil || len(warnings) == 0 || !strings.HasPrefix(warnings[0], "buffer, listeners[0] can't change") {
		t.Fatalf("%q, %v", warnings, err)
	}
	send("kube.b")
	s := p.await("the new output", func(
		s status.Snapshot,
	) bool {
		return delivered(s, "fresh") == 1 && delivered(s, "all") == 2
	})
	if c := s.Config; c.Reloads != 1 || c.Hash != text || strings.Join(c.Restart, " ") != "buffer listeners[0]" {
		t.Errorf("state of the configuration: %+v", c)
	}
	if o := s.Outputs[2]; o.Name != "pods" || o.State != status.StateRemoved || o.Clusters[0].Delivered != 1 ||
		o.Requests == 0 || o.DeliveredBytes == 0 || o.Type != "file" {
		t.Errorf("the output that went: %+v", o)
	}

	if _, err := p.controlOutput("all", "purge"); err == nil {
		t.Error("purged an output that is configured")
	}
	if _, err := p.controlOutput("nobody", "pause"); err == nil {
		t.Error("paused an output that is not there")
	}
	if _, err := p.controlOutput("all", "pause"); err != nil || p.snapshot().Outputs[0].State != status.StatePaused {
		t.Errorf("pause: %v", err)
	}
	if _, err := p.controlOutput("all", "resume"); err != nil || p.snapshot().Outputs[0].State == status.StatePaused {
		t.Errorf("resume: %v", err)
	}
	if _, err := p.controlOutput("all", "retry"); err != nil {
		t.Errorf("retry: %v", err)
	}

	good := text
	text = strings.ReplaceAll(text, "type: file", "type: nothing")
	if _, err := p.Reload(); err == nil || !strings.Contains(err.Error(), "nothing") {
		t.Errorf("a wrong configuration: %v", err)
	}
	if s := p.snapshot(); s.Config.Failing.Text == "" || s.Config.Hash != good {
		t.Errorf("state after a wrong configuration: %+v", s.Config)
	}
	large := client.Message{
		Tag: "kube.l", Entries: bytes.Repeat(one, 64<<10/len(one)+1), Events: 64<<10/len(one) + 1, Chunk: "l",
	}
	big, err := client.Dial(t.Context(), client.Config{Address: p.ListenerAddrs()[0].String(), Timeout: patience})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { big.Close() })
	if err := big.Send(t.Context(), &large); err == nil {
		t.Error("a message beyond the new max_message_size was acknowledged")
	}
	send("kube.c")
	p.await("the output still there", func(s status.Snapshot) bool { return delivered(s, "fresh") == 2 })

	text = twoOutputs
	if _, err := p.Reload(); err != nil {
		t.Fatal(err)
	}
	send("kube.d")
	s = p.await("the output that came back", func(s status.Snapshot) bool { return delivered(s, "pods") == 2 })
	if s.Config.Failing.Text != "" || len(s.Config.Restart) != 0 {
		t.Errorf("state after a good configuration: %+v", s.Config)
	}
}
