package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/forward/client"
	"github.com/seed-afc6a195/aggregator/test/harness"
)

// endless listens and takes connections, and answers nobody.
func endless(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String() // the kernel completes what nobody accepts
}

// once fails the test unless the file of each agent has the events that were acknowledged to it, once each.
func once(t *testing.T, s *server, agents ...*harness.Agent) {
	t.Helper()
	for _, a := range agents {
		seen := map[string]int{}
		for _, e := range s.events(a.Tag) {
			seen[e["n"].(json.Number).String()]++
		}
		for n := range a.Acked() {
			if c := seen[strconv.Itoa(n)]; c != 1 {
				t.Fatalf("event %d of %s, which was acknowledged, is there %d times", n, a.Name, c)
			}
		}
		if a.Acked() == 0 {
			t.Errorf("%s got no ack", a.Name)
		}
	}
}

// TestStopUnderLoad stops the program again and again while agents send, and finds each acknowledged event delivered
// exactly once: what the destination took before a stop is not sent again, and what the agents repeat is recognised.
func TestStopUnderLoad(t *testing.T) {
	dir := t.TempDir()
	address := harness.FreeAddress(t)
	config := strings.Replace(defaultConfig, "127.0.0.1:0", address, 1)
	s := start(t, dir, config)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	progress := make(chan struct{}, 1)
	acks := new(atomic.Int64)
	var agents []*harness.Agent
	var sending sync.WaitGroup
	for i := range 6 {
		a := &harness.Agent{
			Name: fmt.Sprint("a", i), Tag: fmt.Sprint("load.", i), Address: func() string { return address },
			Padding: 100, Seed: uint64(i),
			InFlight: 1 + i%3, Mode: []client.Mode{client.PackedMode, client.MessageMode}[i/5],
			OnAck: func(int) {
				if acks.Add(1)%200 == 0 {
					select {
					case progress <- struct{}{}:
					default:
					}
				}
			},
		}
		agents = append(agents, a)
		sending.Go(func() { a.Run(ctx) })
	}
	for range 5 {
		<-progress // of before the start, possibly
		<-progress
		s.stop()
		s = start(t, dir, config)
	}
	<-progress
	s.stop()
	cancel()
	sending.Wait()
	s = start(t, dir, config)
	for _, a := range agents {
		a.Finish(t.Context())
	}
	s.Drained()
	s.Balanced()
	once(t, s, agents...)
	s.stop()
}

// hanging has outputs that a stop must not wait for: one whose destination never answers, so that it does not even get
// ready, and one that nobody listens for.
const hanging = `
listeners: [{name: test, address: "127.0.0.1:0", idle_timeout: 1h}]
buffer: {path: %[1]s/data, min_free_disk: 1MiB}
outputs:
  archive: {type: file, path: "%[1]s/out/{tag}.ndjson", batch: {max_wait: 50ms}}
  hangs: {type: elasticsearch, hosts: ["http://HANGS"], index: x, timeout: 1h}
  silent: {type: forward, servers: ["HANGS"], ack: true, timeout: 1h}
  away: {type: forward, servers: ["127.0.0.1:1"], retry: {initial: 1h, max: 1h}}
routes: [{match: "**", outputs: [archive, hangs, silent, away]}]
status: {address: "127.0.0.1:0"}
log: {format: json}
shutdown_timeout: 2s
`

// TestStopAmongWhatHangs stops the program while destinations don't answer, an agent is in the middle of a message and
// a client of the status endpoint in the middle of a request.
func TestStopAmongWhatHangs(t *testing.T) {
	dir := t.TempDir()
	config := strings.ReplaceAll(hanging, "HANGS", endless(t))
	s := start(t, dir, config)
	a := &harness.Agent{Name: "a", Tag: "a", Address: s.Address, Limit: 100}
	a.Run(t.Context())
	s.await("a", 100)
	for address, half := range map[string]string{
		s.Forward: "\x93\xa1a\xdb\x00\x00\x10\x00half", s.Status: "GET /status HTTP/1.1\r\nHost: localhost\r\n",
	} {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Write([]byte(half)); err != nil {
			t.Fatal(err)
		}
	}
	s.stop()
	for _, want := range []string{
		`"output":"hangs","events":100`, `"output":"silent","events":100`, `"output":"away","events":100`,
	} {
		if !strings.Contains(s.Log.String(), want) {
			t.Errorf("the log does not say %s", want)
		}
	}
	s = start(t, dir, config)
	for _, o := range s.Snapshot().Outputs {
		want := uint64(100)
		if o.Name == "archive" {
			want = 0
		}
		var pending uint64
		for _, c := range o.Clusters {
			pending += c.Pending
		}
		if pending != want {
			t.Errorf("output %s has %d events pending, want %d", o.Name, pending, want)
		}
	}
	s.stop()
}

// TestStopWhileNothingCanBeStored stops the program while its disk has no room and agents wait for acks.
func TestStopWhileNothingCanBeStored(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir, strings.Replace(hanging, "HANGS", endless(t), 2)+"shutdown_delay: 50ms\n")
	blocked := strings.Replace(strings.Replace(hanging, "HANGS", endless(t), 2), "min_free_disk: 1MiB",
		"max_size: 1MiB, segment_size: 1MiB", 1)
	if err := os.WriteFile(s.config, fmt.Appendf(nil, blocked, dir), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Request(t.Context(), http.MethodPost, "/reload"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	a := &harness.Agent{Name: "a", Tag: "a", Address: s.Address, Padding: 60000, InFlight: 4}
	var sending sync.WaitGroup
	sending.Go(func() { a.Run(ctx) })
	s.eventually("a full queue", func() bool { return s.Snapshot().Queue.Full })
	s.stop()
	cancel()
	sending.Wait()
	s = start(t, dir, strings.Replace(hanging, "HANGS", endless(t), 2))
	if q := s.Snapshot().Queue; q.RecoveredEvents < uint64(3*a.Acked()) {
		t.Errorf("%d events were acknowledged for 3 outputs and more, %d are there", a.Acked(), q.RecoveredEvents)
	}
	s.stop()
}

// TestStopDuringReload stops the program while a reload waits for an output that does not end.
func TestStopDuringReload(t *testing.T) {
	dir := t.TempDir()
	config := strings.ReplaceAll(hanging, "HANGS", endless(t))
	s := start(t, dir, config)
	a := &harness.Agent{Name: "a", Tag: "a", Address: s.Address, Limit: 100}
	a.Run(t.Context())
	s.eventually("a request under way", func() bool {
		for _, o := range s.Snapshot().Outputs {
			if o.Name == "silent" && o.InFlight > 0 {
				return true
			}
		}
		return false
	})
	changed := strings.Replace(config, "ack: true", "ack: true, workers: 3", 1)
	if err := os.WriteFile(s.config, fmt.Appendf(nil, changed, dir), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	s.stop()
}

// TestSecondSignal ends the program at once while a stop waits for a destination, and then while it waits for load
// balancers: agents are still served meanwhile.
func TestSecondSignal(t *testing.T) {
	dir := t.TempDir()
	for name, more := range map[string]string{
		"stopping": "shutdown_timeout: 1h\n", "not ready any more": "shutdown_delay: 1h\n",
	} {
		config := strings.ReplaceAll(hanging, "HANGS", endless(t))
		s := start(t, dir, strings.Replace(config, "shutdown_timeout: 2s\n", more, 1))
		a := &harness.Agent{Name: "a", Tag: "a", Address: s.Address, Limit: 100}
		a.Run(t.Context())
		if err := s.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		s.eventually("the log to say "+name, func() bool { return strings.Contains(s.Log.String(), name) })
		if strings.Contains(more, "delay") {
			if _, err := s.Request(t.Context(), http.MethodGet, "/readyz"); err == nil ||
				!strings.Contains(err.Error(), "503") {
				t.Errorf("/readyz: %v", err)
			}
			late := &harness.Agent{Name: "late", Tag: "late", Address: s.Address, Limit: 100}
			late.Run(t.Context())
			s.await("late", late.Acked())
			once(t, s, late)
		}
		if err := s.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		<-s.Exited()
	}
}

// TestStopWithoutReaction stops the program while an output hangs in a system call: it ends all the same, says so, and
// the events are delivered after the next start.
func TestStopWithoutReaction(t *testing.T) {
	dir := t.TempDir()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	unread, pipe, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer unread.Close()
	defer pipe.Close()
	config := strings.Replace(defaultConfig, "outputs:\n", "outputs:\n  console: {type: stdout}\n", 1) +
		"shutdown_timeout: 2s\n"
	config = fmt.Sprintf(strings.Replace(config, "[archive]", "[archive, console]", 1), dir)
	s := harness.Start(t, harness.Options{Binary: path, Dir: dir, Config: config, Stdout: pipe})
	a := &harness.Agent{Name: "a", Tag: "a", Address: s.Address, Limit: 100, Padding: 10000}
	a.Run(t.Context())
	s.Eventually("a write under way", func() bool { return s.Snapshot().Outputs[1].InFlight > 0 })
	if err := s.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-s.Exited()
	if !strings.Contains(s.Log.String(), "output console hangs") {
		t.Errorf("the log does not say what hangs")
	}
	s.Options.Stdout = nil
	s = s.Restart()
	s.Drained()
	s.Stop()
	once(t, &server{Server: s, t: t, Dir: dir}, a)
}
