// Package e2e runs the built binary against real clients. What a test needs beyond Go it names; where that is missing
// it is skipped with the reason, or fails where E2E=required says that everything must be there.
package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds every wait; it is no measure of speed.
const patience = 2 * time.Minute

// binary is the program under test, built once.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "aggregator-e2e")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "aggregator")
	out, err := exec.Command("go", "build", "-o", path, "../../cmd/aggregator").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build the binary: %w\n%s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := binary(); err == nil {
		os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// need skips the test, or fails it where E2E=required, because something is missing.
func need(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("E2E") == "required" {
		t.Fatal("needs " + what)
	}
	t.Skip("needs " + what)
}

// server is a running aggregator with its data in Dir.
type server struct {
	t      *testing.T
	Dir    string
	config string
	cmd    *exec.Cmd
	log    *logBuffer
	exited chan error

	Forward, Status string // addresses
}

// defaultConfig is used with the directory's name filled in: every event in one file per tag, with its id.
const defaultConfig = `
listeners:
  - {name: test, address: "127.0.0.1:0"}
buffer: {path: %[1]s/data, min_free_disk: 1MiB}
outputs:
  archive:
    type: file
    path: "%[1]s/out/{tag}.ndjson"
    batch: {max_wait: 50ms}
    fields: {id: _id}
routes:
  - {match: "**", outputs: [archive]}
status: {address: "127.0.0.1:0"}
log: {format: json}
`

// start runs the program with its data below dir; config may hold %[1]s for dir.
func start(t *testing.T, dir, config string, env ...string) *server {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, Dir: dir, config: filepath.Join(dir, "aggregator.yaml")}
	if err := os.WriteFile(s.config, fmt.Appendf(nil, config, dir), 0o600); err != nil {
		t.Fatal(err)
	}
	s.log = &logBuffer{listening: make(chan struct{})}
	s.exited = make(chan error, 1)
	s.cmd = exec.Command(path, "run", "-c", s.config)
	s.cmd.Dir = dir
	s.cmd.Env = append(os.Environ(), env...)
	s.cmd.Stderr = s.log
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { s.exited <- s.cmd.Wait() }()
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill() // it may have ended
		if t.Failed() {
			t.Logf("log of the server:\n%s", s.log)
		}
	})
	select {
	case <-s.log.listening:
	case err := <-s.exited:
		s.exited <- err
		t.Fatalf("the server ended at its start: %v\n%s", err, s.log)
	case <-time.After(patience):
		t.Fatalf("the server did not start:\n%s", s.log)
	}
	s.Forward, s.Status = s.log.forward, s.log.status
	return s
}

// kill ends the server with SIGKILL and waits for its end.
func (s *server) kill() {
	s.t.Helper()
	if err := s.cmd.Process.Kill(); err != nil {
		s.t.Fatal(err)
	}
	<-s.exited
}

// stop ends the server with SIGTERM and expects exit code 0.
func (s *server) stop() {
	s.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
	select {
	case err := <-s.exited:
		if err != nil {
			s.t.Fatalf("after SIGTERM: %v\n%s", err, s.log)
		}
	case <-time.After(patience):
		s.t.Fatal("the server did not end after SIGTERM")
	}
}

// get returns the JSON that the status endpoint answers at path.
func (s *server) get(path string) map[string]any {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.Status+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	var v map[string]any
	if err := json.Unmarshal(body, &v); err != nil {
		s.t.Fatalf("%s answered %s: %s", path, resp.Status, body)
	}
	return v
}

// events returns what was delivered for a tag, line by line in the order of delivery.
func (s *server) events(tag string) []map[string]any {
	s.t.Helper()
	f, err := os.Open(filepath.Join(s.Dir, "out", tag+".ndjson"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	var events []map[string]any
	lines := bufio.NewReader(f)
	for {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF {
			return events // a line without its end is still being written
		}
		if err != nil {
			s.t.Fatal(err)
		}
		d := json.NewDecoder(bytes.NewReader(line))
		d.UseNumber()
		var e map[string]any
		if err := d.Decode(&e); err != nil {
			s.t.Fatalf("not JSON: %q: %v", line, err)
		}
		events = append(events, e)
	}
}

// await returns the events of a tag once there are n.
func (s *server) await(tag string, n int) []map[string]any {
	s.t.Helper()
	var events []map[string]any
	s.eventually(fmt.Sprintf("%d events of %s", n, tag), func() bool {
		events = s.events(tag)
		return len(events) >= n
	})
	return events
}

// eventually waits until what holds.
func (s *server) eventually(what string, holds func() bool) {
	s.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			_ = s.cmd.Process.Signal(syscall.SIGQUIT) // its log then says what every goroutine waits for
			<-s.exited
			s.t.Fatalf("waited in vain for %s", what)
		}
	}
}

// logBuffer keeps the server's log and finds the addresses in it.
type logBuffer struct {
	mu              sync.Mutex
	text            bytes.Buffer
	line            []byte
	forward, status string
	listening       chan struct{}
	closed          bool
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(p)
	l.line = append(l.line, p...)
	for {
		i := bytes.IndexByte(l.line, '\n')
		if i < 0 {
			return len(p), nil
		}
		var entry struct{ Message, Listener, Status, Address string }
		if json.Unmarshal(l.line[:i], &entry) == nil && entry.Message == "listening" {
			if entry.Listener != "" {
				l.forward = entry.Address
			} else {
				l.status = entry.Address
			}
			if l.forward != "" && l.status != "" && !l.closed {
				l.closed = true
				close(l.listening)
			}
		}
		l.line = l.line[i+1:]
	}
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.ToValidUTF8(l.text.String(), "?")
}
