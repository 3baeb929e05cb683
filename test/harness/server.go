// Package harness runs the built program for tests of the whole: it builds it, starts it, ends it in every way, reads
// what it says of itself, and sends to it as agents do, remembering what was acknowledged.
//
//	// Or with build flags: harness.Build(dir, "-tags=failpoints").
//	path, err := harness.Build(dir)
//	s := harness.Start(t, harness.Options{Binary: path, Dir: t.TempDir(), Config: yaml})
//	a := &harness.Agent{Name: "a1", Tag: "kube.a1", Address: s.Address}
//	// Until ctx ends: chunks with acks, sent again until acknowledged.
//	go a.Run(ctx)
//	// SIGKILL; again with the same directory and configuration.
//	s.Kill(); s = s.Restart()
//	// Between two Runs; or give all of them an address that stays.
//	a.Address = s.Address
//	// All delivered; /status's ledger adds up; SIGTERM, exit code 0.
//	s.Drained(); s.Balanced(); s.Stop()
//
// The configuration must log JSON to stderr (log: {format: json}) and have a status endpoint: the addresses are read
// from the log, so that ports may be 0.
package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/status"
)

// Patience bounds every wait; it is no measure of speed. A slow machine that does much else takes a minute or two to
// start a JVM.
const Patience = 5 * time.Minute

// Build builds the program into dir with more flags for go build, and returns its path.
func Build(dir string, flags ...string) (string, error) {
	path := filepath.Join(dir, "aggregator")
	args := append([]string{"build", "-o", path}, flags...)
	out, err := exec.CommandContext(context.Background(), "go",
		append(args, "github.com/seed-afc6a195/aggregator/cmd/aggregator")...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build the program: %w\n%s", err, out)
	}
	return path, nil
}

// Options is what a Server is made of.
type Options struct {
	Binary string // what Build returned
	// Dir is its working directory, where the configuration is written to.
	Dir    string
	Config string   // YAML
	Env    []string // beside the test's own
	Stdout *os.File // nil: nowhere
}

// Server is a running program. Its methods are for the test's goroutine, but for those that say otherwise.
type Server struct {
	T       testing.TB
	Options Options
	Config  string // the configuration's path
	Forward string // address of the first listener that was logged
	Status  string // address of the status endpoint
	Log     *Log
	cmd     *exec.Cmd
	exited  chan struct{} // closed when it has ended
	exit    error         // of Wait, once exited is closed
}

// Start runs the program and waits until it listens. It ends with the test at the latest; the log of a failed test is
// shown.
func Start(tb testing.TB, o Options) *Server {
	tb.Helper()
	s := Launch(tb, o)
	if !s.Listening() {
		tb.Fatalf("the program ended at its start: %v\n%s", s.exit, s.Log)
	}
	return s
}

// Launch is Start without the wait: see Listening.
func Launch(tb testing.TB, o Options) *Server {
	tb.Helper()
	s := &Server{
		T: tb, Options: o, Config: filepath.Join(o.Dir, "aggregator.yaml"), Log: &Log{listening: make(chan struct{})},
		exited: make(chan struct{}),
	}
	if err := os.WriteFile(s.Config, []byte(o.Config), 0o600); err != nil {
		tb.Fatal(err)
	}
	s.cmd = exec.CommandContext(context.Background(), o.Binary, "run", "-c", s.Config)
	s.cmd.Dir = o.Dir
	s.cmd.Env = append(os.Environ(), o.Env...)
	s.cmd.Stderr = s.Log
	if o.Stdout != nil {
		s.cmd.Stdout = o.Stdout
	}
	if err := s.cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	go func() {
		s.exit = s.cmd.Wait()
		close(s.exited)
	}()
	tb.Cleanup(func() {
		// It may have ended.
		_ = s.cmd.Process.Kill()
		<-s.exited
		if tb.Failed() {
			tb.Logf("log of the program:\n%s", s.Log.tail())
		}
	})
	return s
}

// Listening waits until the program listens; false: it ended before.
func (s *Server) Listening() bool {
	s.T.Helper()
	select {
	case <-s.Log.listening:
	case <-s.exited:
		return false
	case <-time.After(Patience):
		s.T.Fatalf("the program did not start:\n%s", s.Log)
	}
	s.Forward, s.Status = s.Log.addresses()
	return true
}

// Restart starts the program again, once it has ended, with the same directory and configuration and with env instead
// of what it had beside the test's own.
func (s *Server) Restart(env ...string) *Server {
	s.T.Helper()
	<-s.exited
	o := s.Options
	o.Env = env
	return Start(s.T, o)
}

// Address returns s.Forward, for Agents.
func (s *Server) Address() string { return s.Forward }

// PID is the process's id.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Exited is closed when the program has ended. Safe for concurrent use.
func (s *Server) Exited() <-chan struct{} { return s.exited }

// Signal sends sig. Safe for concurrent use.
func (s *Server) Signal(sig os.Signal) error { return s.cmd.Process.Signal(sig) }

// Kill ends the program with SIGKILL and waits for its end. That it ended before is no mistake, but a panic is.
func (s *Server) Kill() {
	s.T.Helper()
	if err := s.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		s.T.Fatal(err)
	}
	<-s.exited
	s.wantNoPanic()
}

// Killed reports whether the program has ended by SIGKILL, whoever sent it, once Exited is closed.
func (s *Server) Killed() bool {
	<-s.exited
	status, ok := s.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// Stop ends the program with SIGTERM and expects exit code 0.
func (s *Server) Stop() {
	s.T.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.T.Fatal(err)
	}
	select {
	case <-s.exited:
		if s.exit != nil {
			s.T.Fatalf("after SIGTERM: %v\n%s", s.exit, s.Log)
		}
	case <-time.After(Patience):
		s.Dump()
		s.T.Fatal("the program did not end after SIGTERM")
	}
	s.wantNoPanic()
}

// Dump ends the program with SIGQUIT: its log then says what every goroutine waits for.
func (s *Server) Dump() {
	// It may have ended.
	_ = s.cmd.Process.Signal(syscall.SIGQUIT)
	<-s.exited
}

// wantNoPanic fails the test where the log shows that the program broke down.
func (s *Server) wantNoPanic() {
	s.T.Helper()
	text := s.Log.String()
	for _, sign := range []string{"\npanic: ", "\nfatal error: ", "\nSIGSEGV", "\nWARNING: DATA RACE"} {
		if strings.Contains("\n"+text, sign) {
			s.T.Errorf("the program broke down:%s", sign)
		}
	}
}

// Request sends a request to the status endpoint and returns the reply's body, or an error where it is not 200. Safe
// for concurrent use.
func (s *Server) Request(ctx context.Context, method, path string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "http://"+s.Status+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	// Only read from.
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s answered %s: %.200s", method, path, resp.Status, body)
	}
	return body, err
}

// Get reads what the status endpoint answers at path into v.
func (s *Server) Get(path string, v any) {
	s.T.Helper()
	body, err := s.Request(s.T.Context(), http.MethodGet, path)
	if err == nil {
		err = json.Unmarshal(body, v)
	}
	if err != nil {
		s.T.Fatalf("%s: %v\n%.200s", path, err, body)
	}
}

// Now reads /status into v as it is now: a program that takes more than a second to look answers with what it saw
// before, or with nothing. In vain v is that.
func (s *Server) Now(v any) {
	s.T.Helper()
	for deadline := time.Now().Add(Patience); ; time.Sleep(20 * time.Millisecond) {
		var body json.RawMessage
		s.Get("/status", &body)
		var of struct {
			Time  time.Time `json:"time"`
			Stale float64   `json:"stale_seconds"`
		}
		err := json.Unmarshal(body, &of)
		if err == nil && (of.Stale > 0 || of.Time.IsZero()) && time.Now().Before(deadline) {
			continue
		}
		if err == nil {
			err = json.Unmarshal(body, v)
		}
		if err != nil {
			s.T.Fatalf("/status: %v", err)
		}
		return
	}
}

// Snapshot returns /status as it is now.
func (s *Server) Snapshot() *status.Snapshot {
	s.T.Helper()
	snapshot := new(status.Snapshot)
	s.Now(snapshot)
	return snapshot
}

// Drained waits until nothing waits for an output any more, for as long as it gets less.
func (s *Server) Drained() {
	s.T.Helper()
	for left := s.Snapshot().Queue.PendingChunks; left != 0; {
		before := left
		s.Eventually(fmt.Sprintf("the queue to get shorter than %d chunks", before), func() bool {
			left = s.Snapshot().Queue.PendingChunks
			return left < before
		})
	}
}

// Balanced waits until all figures of /status's ledger rest, and fails the test unless each account adds up:
// received = stored + duplicates + dropped + dead, and queued + returned + recovered = delivered + dropped + dead +
// pending.
func (s *Server) Balanced() status.Ledger {
	s.T.Helper()
	var ledger status.Ledger
	s.Eventually("the ledger's figures to rest", func() bool {
		ledger = s.Snapshot().Ledger
		for _, a := range ledger.Ingest {
			if a.Balanced == nil {
				return false
			}
		}
		for _, a := range ledger.Outputs {
			if a.Balanced == nil {
				return false
			}
		}
		return true
	})
	for _, a := range ledger.Ingest {
		if !*a.Balanced {
			s.T.Errorf("the ledger doesn't add up: %+v", a)
		}
	}
	for _, a := range ledger.Outputs {
		if !*a.Balanced {
			s.T.Errorf("the ledger doesn't add up: %+v", a)
		}
	}
	return ledger
}

// Eventually waits until what holds. In vain, the test fails with all goroutines of the program in the log.
func (s *Server) Eventually(what string, holds func() bool) {
	s.T.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(Patience)
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			s.Dump()
			s.T.Fatalf("waited in vain for %s", what)
		}
	}
}

// The ports of FreeAddress: below those that systems give to connections, and to who listens on port 0.
const firstPort, ports = 20000, 6000

// FreeAddress returns an address of 127.0.0.1 on which nobody listens, for a server that keeps it over restarts. Nobody
// takes its place while it is away: no connection is given its port, and no other call returns it until the test ends.
func FreeAddress(tb testing.TB) string {
	tb.Helper()
	var listen net.ListenConfig
	for range 1000 {
		port := firstPort + rand.IntN(ports)
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		// Whoever calls this, in whatever process, holds a port of its own for each, of UDP and above these.
		held, err := listen.ListenPacket(tb.Context(), "udp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port+ports)))
		if err != nil {
			continue
		}
		l, err := listen.Listen(tb.Context(), "tcp", address)
		if err != nil {
			_ = held.Close() // it holds nothing that counts
			continue
		}
		tb.Cleanup(func() { _ = held.Close() }) // as above
		if err := l.Close(); err != nil {
			tb.Fatal(err)
		}
		return address
	}
	tb.Fatal("no port is free")
	return ""
}

// Log keeps what the program writes to stderr and finds the addresses in it. Safe for concurrent use.
type Log struct {
	mu              sync.Mutex
	text            bytes.Buffer
	line            []byte
	forward, status string
	listening       chan struct{}
	closed          bool
}

// Write takes what the program has written.
func (l *Log) Write(p []byte) (int, error) {
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
			switch {
			case entry.Listener == "":
				l.status = entry.Address
			case l.forward == "":
				l.forward = entry.Address
			}
			if l.forward != "" && l.status != "" && !l.closed {
				l.closed = true
				close(l.listening)
			}
		}
		l.line = l.line[i+1:]
	}
}

func (l *Log) addresses() (forward, status string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.forward, l.status
}

// tail returns the end of it, as much as somebody may want to read.
func (l *Log) tail() string {
	text := l.String()
	if over := len(text) - 32<<10; over > 0 {
		text = "…" + text[over:]
	}
	return text
}

// String returns all of it so far.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.ToValidUTF8(l.text.String(), "?")
}
