package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/seed-afc6a195/aggregator/pkg/config"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/forward/client"
	"github.com/seed-afc6a195/aggregator/pkg/status"
)

// patience bounds waits for what must happen soon; it is no measure of speed.
const patience = time.Minute

// program is an App under test with its data in dir.
type program struct {
	*App
	t    *testing.T
	stop context.CancelFunc
	done chan error
}

// start runs a program whose configuration may hold %[1]s for dir. It is stopped, and checked for goroutines that it
// left behind, at the end of the test.
func start(t *testing.T, dir, text string) *program {
	t.Helper()
	cfg, err := config.Parse("test.yaml", fmt.Appendf(nil, text, dir), config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return startWith(t, cfg, Options{
		ConfigSource: "test.yaml", Version: "test", Log: zerolog.New(zerolog.NewTestWriter(t)),
	})
}

func startWith(t *testing.T, cfg *config.Config, o Options) *program {
	t.Helper()
	t.Cleanup(func() { goleak.VerifyNone(t) })
	ctx, cancel := context.WithCancel(context.Background())
	a, err := New(ctx, cfg, o)
	if err != nil {
		t.Fatal(err)
	}
	p := &program{App: a, t: t, stop: cancel, done: make(chan error, 1)}
	go func() { p.done <- a.Run(ctx) }()
	t.Cleanup(p.end)
	return p
}

// end stops the program and expects a clean end.
func (p *program) end() {
	p.t.Helper()
	p.stop()
	select {
	case err := <-p.done:
		p.done <- nil
		if err != nil {
			p.t.Errorf("Run: %v", err)
		}
	case <-time.After(patience):
		p.t.Fatal("Run did not return")
	}
}

// send sends entries of tag in one chunk and waits for the ack.
func (p *program) send(tag, chunk string, records ...string) {
	p.t.Helper()
	agent, err := client.Dial(p.t.Context(), client.Config{Address: p.ListenerAddrs()[0].String(), Timeout: patience})
	if err != nil {
		p.t.Fatal(err)
	}
	var entries []byte
	for i, text := range records {
		record := append([]byte{0x81, 0xa3, 'l', 'o', 'g', 0xa0 | byte(len(text))}, text...)
		entries = event.AppendEntry(entries, event.AppendTime(nil, event.Time{Sec: 1_700_000_000, Nsec: uint32(i + 1)}),
			nil, record)
	}
	if err := agent.Send(p.t.Context(), &client.Message{
		Tag: tag, Entries: entries, Events: len(records), Chunk: chunk,
	}); err != nil {
		p.t.Fatal(err)
	}
	if err := agent.Close(); err != nil {
		p.t.Fatal(err)
	}
}

// await polls the snapshot until it is as wanted.
func (p *program) await(what string, holds func(status.Snapshot) bool) status.Snapshot {
	p.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for {
		s := p.snapshot()
		if holds(s) {
			return s
		}
		select {
		case <-tick.C:
		case <-deadline:
			text, _ := json.MarshalIndent(s, "", " ")
			p.t.Fatalf("waited in vain for %s:\n%s", what, text)
		}
	}
}

func delivered(s status.Snapshot, output string) (n uint64) {
	for _, o := range s.Outputs {
		for _, c := range o.Clusters {
			if o.Name == output {
				n += c.Delivered
			}
		}
	}
	return n
}

const twoOutputs = `
listeners: [{address: "127.0.0.1:0"}]
buffer: {path: "%[1]s/data", min_free_disk: 1MiB}
routes:
  - {match: "kube.**", outputs: [pods], continue: true}
  - {match: "kube.**", outputs: [all]}
  - {match: "host.*", outputs: [all]}
outputs:
  pods: {type: file, path: "%[1]s/pods", batch: {max_wait: 1ms}}
  all: {type: file, path: "%[1]s/all", batch: {max_wait: 1ms}}
status: {address: "127.0.0.1:0"}
`

func TestProgram(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir, twoOutputs)
	p.send("kube.a", "1", "one", "two")
	p.send("host.a", "2", "three")
	p.send("other", "3", "four")
	s := p.await("all deliveries", func(
		s status.Snapshot,
	) bool {
		return delivered(s, "pods") == 2 && delivered(s, "all") == 3
	})
	c := s.Clusters[0]
	if c.Name != "default" || c.ReceivedEvents != 4 || c.StoredEvents != 3 || c.Dead["unrouted"] != 1 ||
		c.Messages != 3 {
		t.Errorf("cluster: %+v", c)
	}
	if d := s.DeadLetters; d.Count != 1 || d.Events != 1 || len(d.By) != 1 || d.By[0].Reason != "unrouted" {
		t.Errorf("dead letters: %+v", d)
	}
	for _, want := range []string{`"log":"one"`, `"log":"three"`, `"tag":"host.a"`, `"cluster":"default"`} {
		if text, err := os.ReadFile(filepath.Join(dir, "all")); err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s is not in %q: %v", want, text, err)
		}
	}
	if err := p.readiness(); err != nil {
		t.Errorf("not ready: %v", err)
	}
	resp, err := http.Get("http://" + p.StatusAddr().String() + "/readyz")
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("readyz: %v %v", resp, err)
	} else if err := resp.Body.Close(); err != nil {
		t.Error(err)
	}
	http.DefaultClient.CloseIdleConnections()
	p.end()
	if err := p.readiness(); err == nil {
		t.Error("still ready after the end")
	}
}

// TestRestart stops a program whose output can't write, and starts it again when it can.
func TestRestart(t *testing.T) {
	dir := t.TempDir()
	blocked := filepath.Join(dir, "pods")
	if err := os.Mkdir(blocked, 0o700); err != nil {
		t.Fatal(err)
	}
	p := start(t, dir, twoOutputs)
	p.send("kube.a", "1", "one")
	s := p.await("the other output", func(s status.Snapshot) bool {
		return delivered(s, "all") == 1 && s.Outputs[1].State == status.StateRetrying && s.Queue.PendingEvents == 1
	})
	if s.Outputs[1].LastError.Text == "" {
		t.Errorf("output %+v", s.Outputs[1])
	}
	p.end()
	if err := os.Remove(blocked); err != nil {
		t.Fatal(err)
	}
	// Without its output, the backlog is kept and shown.
	gone := strings.NewReplacer("[pods]", "[all]", "  pods: {", "  other: {", "{match: \"host.*\", outputs: [all]}",
		"{match: \"x\", outputs: [other]}").Replace(twoOutputs)
	p = start(t, dir, gone)
	s = p.snapshot()
	if o := s.Outputs[len(s.Outputs)-1]; o.Name != "pods" || o.State != status.StateUnconfigured ||
		o.Clusters[0].Pending != 1 {
		t.Errorf("output without configuration: %+v", o)
	}
	p.end()
	p = start(t, dir, twoOutputs)
	s = p.await("what was left", func(
		s status.Snapshot,
	) bool {
		return delivered(s, "pods") == 1 && s.Queue.PendingEvents == 0
	})
	if c := s.Outputs[1].Clusters[0]; c.Recovered != 1 || c.Queued != 0 || c.Pending != 0 {
		t.Errorf("account: %+v", c)
	}
	p.end()
}

// TestNewFails checks that what New has opened is closed again: the next New finds the directory free.
func TestNewFails(t *testing.T) {
	dir := t.TempDir()
	taken := httptest.NewServer(http.NotFoundHandler())
	defer taken.Close()
	text := strings.ReplaceAll(twoOutputs, `status: {address: "127.0.0.1:0"}`,
		`status: {address: "`+taken.Listener.Addr().String()+`"}`)
	cfg, err := config.Parse("test.yaml", fmt.Appendf(nil, text, dir), config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err = New(t.Context(), cfg, Options{Log: zerolog.Nop()}); err == nil ||
			!strings.Contains(err.Error(), "address already in use") {
			t.Fatalf("New with a taken address: %v", err)
		}
	}
}

// TestUnroutedLetters cuts what no route wants into letters of a bounded size.
func TestUnroutedLetters(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir, twoOutputs)
	var records []string
	for range 5000 {
		records = append(records, strings.Repeat("x", 30))
	}
	p.send("other", "1", records...)
	s := p.snapshot()
	if s.DeadLetters.Events != 5000 || s.DeadLetters.Count < 2 || s.Clusters[0].Dead["unrouted"] != 5000 {
		t.Errorf("dead letters %+v, cluster %+v", s.DeadLetters, s.Clusters[0])
	}
	letters, _, err := p.queue.DeadLetters().Page(t.Context(), deadletter.Filter{}, deadletter.Page{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	var all []byte
	for _, l := range letters {
		if len(l.Entry) > 64<<10+100 {
			t.Errorf("a letter of %d bytes", len(l.Entry))
		}
		all = append(all, l.Entry...)
	}
	if n := bytes.Count(all, []byte("xxx\x92")) + 1; n != 5000 {
		t.Errorf("%d entries in the letters", n)
	}
}

// TestDuplicateWithLetters has an agent send a message again of which a part is dead on arrival.
func TestDuplicateWithLetters(t *testing.T) {
	p := start(t, t.TempDir(), twoOutputs)
	entry := event.AppendEntry(nil, event.AppendTime(nil, event.Time{Sec: 1_700_000_000}), nil, []byte{0x80})
	for conn := range uint64(3) {
		b := p.router.NewBatch(conn)
		b.Begin("default", "host.a", "x")
		b.Add(entry, 1, false)
		b.Reject([]byte{0xc0}, 1, "invalid")
		b.Begin("default", "other", "y")
		b.Add(entry, 1, false)
		if err := b.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		p.router.Settle(conn, 1, false)
	}
	s := p.snapshot()
	c := s.Clusters[0]
	if c.ReceivedEvents != 9 || c.StoredEvents != 1 || c.DuplicateEvents != 6 || c.Dead["invalid"] != 1 ||
		c.Dead["unrouted"] != 1 {
		t.Errorf("%+v", c)
	}
	if s.DeadLetters.Events != 2 {
		t.Errorf("dead letters %+v", s.DeadLetters)
	}
}
