package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/app"
)

// patience bounds what has to happen, on however slow a machine.
const patience = 30 * time.Second

// lockedLog is a log that is read while it is written.
type lockedLog struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// runningServer is `aggregator run`, in this process.
type runningServer struct {
	t      *testing.T
	log    lockedLog
	stop   context.CancelFunc
	exit   chan int
	ended  chan struct{} // closed after exit has the code
	config string        // file

	address, status string
}

// serverText is a configuration of two outputs in %[1]s: one that works, and one that can't write as long as a
// directory is where its file should be.
const serverText = `
listeners: [{name: in, address: "127.0.0.1:0", udp_heartbeat: false}]
buffer: {path: "%[1]s/data", min_free_disk: 1MiB}
routes: [{match: "**", outputs: [works, blocked]}]
outputs:
  works: {type: file, path: "%[1]s/works", batch: {max_wait: 1ms}}
  blocked: {type: file, path: "%[1]s/blocked", batch: {max_wait: 1ms}, retry: {initial: 1ms, max: 2ms}}
status: {address: "127.0.0.1:0"}
log: {level: info, format: json}
`

// startServer runs a server whose configuration is text, and waits until it listens.
func startServer(t *testing.T, dir, text string) *runningServer {
	t.Helper()
	s := &runningServer{
		t: t, exit: make(chan int, 1), ended: make(chan struct{}), config: filepath.Join(dir, "aggregator.yaml"),
	}
	if err := os.WriteFile(s.config, fmt.Appendf(nil, text, dir), 0o600); err != nil {
		t.Fatal(err)
	}
	var ctx context.Context
	ctx, s.stop = context.WithCancel(context.Background())
	go func() {
		defer close(s.ended)
		s.exit <- run(ctx, []string{"run", "-c", s.config}, strings.NewReader(""), &s.log, &s.log)
	}()
	// It writes to its directory, which is removed after, until it has ended.
	t.Cleanup(func() { s.stop(); <-s.ended })
	s.until("a listener", func() bool {
		for line := range strings.Lines(s.log.String()) {
			var l struct{ Message, Listener, Address, Status string }
			if json.Unmarshal([]byte(line), &l) != nil || l.Message != "listening" {
				continue
			}
			if l.Listener == "in" {
				s.address = l.Address
			} else {
				s.status = "http://" + l.Address
			}
		}
		return s.address != "" && s.status != ""
	})
	return s
}

// until waits for something, and fails with the log.
func (s *runningServer) until(what string, holds func() bool) {
	s.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.After(patience)
	for !holds() {
		select {
		case <-tick.C:
		case code := <-s.exit:
			s.t.Fatalf("waited for %s, and it ended with %d:\n%s", what, code, s.log.String())
		case <-late:
			s.t.Fatalf("waited in vain for %s:\n%s", what, s.log.String())
		}
	}
}

// end stops the server and returns its exit code.
func (s *runningServer) end() int {
	s.t.Helper()
	s.stop()
	select {
	case code := <-s.exit:
		return code
	case <-time.After(patience):
		s.t.Fatalf("it does not end:\n%s", s.log.String())
		return -1
	}
}

// command runs another command, with the input, and returns what it printed.
func command(t *testing.T, input string, args ...string) (code int, out, errOut string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(t.Context(), args, strings.NewReader(input), &o, &e)
	return code, o.String(), e.String()
}

// TestServerFromStartToEnd runs a server, and asks and changes it with the other commands, until nothing is left to
// deliver in what it leaves behind.
func TestServerFromStartToEnd(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("AGGREGATOR_CONFIG", "")
	dir := t.TempDir()
	blocked := filepath.Join(dir, "blocked")
	if err := os.Mkdir(blocked, 0o700); err != nil {
		t.Fatal(err)
	}
	s := startServer(t, dir, serverText)
	if code, out, errOut := command(
		t, "one\ntwo\n", "send", "--address", s.address, "--tag", "kube.a",
	); code != exitOK || !strings.Contains(out, "2") {
		t.Fatalf("send ends with %d: %s%s", code, out, errOut)
	}
	s.until("the delivery", func() bool {
		text, _ := os.ReadFile(filepath.Join(dir, "works"))
		return strings.Count(string(text), "\n") == 2
	})
	var queued struct {
		Events  int64
		Outputs []struct {
			Output, State string
			Events        int64
		}
	}
	s.until("what waits", func() bool {
		code, out, errOut := command(t, "", "queue", "--status", s.status, "--json")
		if code != exitOK {
			t.Fatalf("queue ends with %d: %s", code, errOut)
		}
		if err := json.Unmarshal([]byte(out), &queued); err != nil {
			t.Fatal(err)
		}
		return queued.Events == 2 && len(queued.Outputs) == 2 && queued.Outputs[0].State == "retrying"
	})
	if o := queued.Outputs[0]; o.Output != "blocked" || o.Events != 2 {
		t.Errorf("waiting: %+v", queued)
	}
	for _, tc := range []struct {
		args []string
		code int
		want string // printed
	}{
		{[]string{"output", "pause", "blocked"}, exitOK, "output blocked is paused"},
		{[]string{"output", "resume", "blocked"}, exitOK, "output blocked goes on"},
		{[]string{"output", "pause", "nobody"}, exitFailed, `no output is named "nobody"`},
		{[]string{"reload"}, exitOK, ""},
		{[]string{"dead", "list"}, exitOK, ""},
	} {
		code, out, errOut := command(t, "", append(tc.args, "--status", s.status)...)
		if code != tc.code || !strings.Contains(out+errOut, tc.want) {
			t.Errorf("%v ends with %d, %s%s", tc.args, code, out, errOut)
		}
	}
	if code, _, errOut := command(t, "", "queue", "--data-dir", filepath.Join(dir, "data")); code != exitFailed ||
		!strings.Contains(errOut, "leave out --data-dir") {
		t.Errorf("the directory of a server that runs: %d, %s", code, errOut)
	}
	if code := s.end(); code != exitOK || !strings.Contains(s.log.String(), `"message":"stopped"`) {
		t.Errorf("it ends with %d:\n%s", code, s.log.String())
	}

	code, out, errOut := command(t, "", "queue", "--data-dir", filepath.Join(dir, "data"), "--json")
	if code != exitOK || json.Unmarshal([]byte(out), &queued) != nil || queued.Events != 2 ||
		queued.Outputs[0].State != app.StateOffline {
		t.Errorf("offline: %d, %s%s", code, out, errOut)
	}
	code, out, errOut = command(t, "", "drain", "-c", s.config, "--no-status", "--timeout", "300ms")
	if code != exitFailed || !strings.Contains(errOut, "2 events are left in") ||
		!strings.Contains(errOut, "(--timeout)") ||
		!strings.Contains(errOut, "output blocked: 2 events in 1 chunks (2 of cluster default)") {
		t.Errorf("a drain that can't: %d, %s%s", code, out, errOut)
	}
	if err := os.Remove(blocked); err != nil {
		t.Fatal(err)
	}
	code, out, errOut = command(t, "", "drain", "-c", s.config, "--no-status")
	if code != exitOK || !strings.Contains(out, "delivered 2 of the 2 events that waited in") {
		t.Errorf("a drain: %d, %s%s", code, out, errOut)
	}
	code, out, _ = command(t, "", "drain", "-c", s.config, "--no-status")
	if code != exitOK || !strings.Contains(out, "nothing waited in") {
		t.Errorf("a second drain: %d, %s", code, out)
	}
}

// TestRunRefuses ends with the exit code of wrong usage, or of a failure, and says why.
func TestRunRefuses(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("AGGREGATOR_CONFIG", "")
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	taken := startServer(t, t.TempDir(), serverText)
	for _, tc := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"an argument", []string{"run", "x"}, exitUsage, "x"},
		{
			"a wrong configuration",
			[]string{"run", "-c", write("wrong.yaml", "listeners: 5")},
			exitUsage,
			"the configuration has a mistake",
		},
		{
			"several mistakes",
			[]string{"run", "-c", write("more.yaml", "listeners: 5\nbufer: {}")},
			exitUsage,
			"the configuration has 2 mistakes",
		},
		{"no file", []string{"run", "-c", filepath.Join(dir, "none.yaml")}, exitUsage, "none.yaml"},
		{"an empty -c", []string{"run", "-c", ""}, exitUsage, "-c: names nothing"},
		{
			"an address that is taken",
			[]string{"run", "-c", write("taken.yaml", fmt.Sprintf(
				"listeners: [{address: %q}]\nbuffer: {path: %q}\nstatus: {address: '127.0.0.1:0'}", taken.address,
				filepath.Join(dir, "data")))},
			exitFailed, "address already in use",
		},
		{
			"a drain without a directory", []string{
				"drain", "-c", write("nodir.yaml", "buffer: {path: "+filepath.Join(dir, "nodir")+"}"),
			}, exitFailed, "there is no data directory to drain",
		},
		{
			"a drain of a file", []string{
				"drain", "-c", write("file.yaml", "buffer: {path: "+filepath.Join(dir, "file.yaml")+"}"),
			}, exitFailed, "there is no data directory to drain (buffer.path): open ",
		},
		{
			"a drain of a directory that is no queue's", []string{
				"drain", "-c", write("other.yaml", "buffer: {path: "+t.TempDir()+"}"),
			}, exitFailed, "has no queue in it: name the directory that the server has as buffer.path",
		},
		{
			"a queue that is none",
			[]string{"queue", "--data-dir", t.TempDir()},
			exitFailed,
			"has no queue in it: name the directory that the server has as buffer.path",
		},
		{"a drain for less than no time", []string{"drain", "--timeout", "-1s"}, exitUsage, "must not be negative"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			code, out, errOut := command(t, "", tc.args...)
			if code != tc.code || !strings.Contains(out+errOut, tc.want) {
				t.Errorf("it ends with %d, %s%s", code, out, errOut)
			}
		})
	}
	if code := taken.end(); code != exitOK {
		t.Errorf("the server ends with %d", code)
	}
}

// TestDrainReport says what was delivered, and what became of the rest.
func TestDrainReport(t *testing.T) {
	unconfigured := app.Backlog{
		Output: "gone", Events: 5, Chunks: 1, Clusters: []app.ClusterBacklog{{Cluster: "a", Events: 5}},
	}
	failing := app.Backlog{
		Output: "es", Configured: true, Events: 7, Chunks: 2, LastError: "connection refused",
		Clusters: []app.ClusterBacklog{{Cluster: "a", Events: 3}, {Cluster: "b", Events: 4}},
	}
	slow := app.Backlog{
		Output: "s3", Configured: true, Events: 1, Chunks: 1, Clusters: []app.ClusterBacklog{{Cluster: "a", Events: 1}},
	}
	for _, tc := range []struct {
		name   string
		ignore bool
		d      app.Drained
		ended  error
		out    []string
		left   []string // of the error; none: there is no error
	}{
		{"nothing", false, app.Drained{}, nil, []string{"nothing waited in /data\n"}, nil},
		{
			"all", false,
			app.Drained{Found: 9, Delivered: 9},
			nil,
			[]string{"delivered 9 of the 9 events that waited in /data, in 1.5s\n"},
			nil,
		},
		{
			"some dropped, some dead", false,
			app.Drained{Found: 9, Delivered: 5, Dropped: 1, Dead: 3, DeadLetters: 4},
			nil,
			[]string{
				"delivered 5 of the 9", "; 1 were dropped, by filters or for damage; 3 became dead letters\n",
				"dead letters with 4 events stay there: 'aggregator dead --data-dir /data'",
			},
			nil,
		},
		{
			"one that fails, and time is over", false,
			app.Drained{Found: 8, Left: []app.Backlog{failing, slow}},
			context.DeadlineExceeded,
			[]string{"delivered 0 of the 8"},
			[]string{
				"8 events are left in /data after 1m0s (--timeout):\n",
				"  output es: 7 events in 2 chunks (3 of cluster a, 4 of cluster b): connection refused\n",
				"  output s3: 1 events in 1 chunks (1 of cluster a): it was not done yet",
			},
		},
		{
			"told to stop", false,
			app.Drained{Found: 1, Left: []app.Backlog{slow}},
			context.Canceled, nil,
			[]string{"1 events are left in /data, as the drain was told to stop:"},
		},
		{
			"one that is not configured", false,
			app.Drained{Found: 5, Left: []app.Backlog{unconfigured}},
			nil, nil,
			[]string{
				"output gone: 5 events in 1 chunks (5 of cluster a): the configuration has no output of that name",
			},
		},
		{
			"one that does not matter", true,
			app.Drained{Found: 5, Left: []app.Backlog{unconfigured}},
			nil,
			[]string{"5 events for output gone, which is not configured, stay there\n"},
			nil,
		},
		{
			"that one and another", true,
			app.Drained{Found: 6, Left: []app.Backlog{unconfigured, slow}},
			nil, nil,
			[]string{"6 events are left in /data:", "output gone", "output s3"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := drainFlags{ignoreUnconfigured: tc.ignore, timeout: time.Minute}
			var out bytes.Buffer
			if err := f.report(&out, &tc.d, "/data", 1520*time.Millisecond); err != nil {
				t.Fatal(err)
			}
			for _, want := range tc.out {
				if !strings.Contains(out.String(), want) {
					t.Errorf("it says %q, want %q", &out, want)
				}
			}
			err := f.left(&tc.d, "/data", tc.ended)
			if (err == nil) != (tc.left == nil) {
				t.Fatalf("left is %v", err)
			}
			for _, want := range tc.left {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("left is %q, want %q", err, want)
				}
			}
			if errors.Is(err, context.Canceled) {
				t.Error("its end is no error of its own")
			}
		})
	}
}
