// Package e2e runs the built binary against real clients. What a test needs beyond Go it names; where that is missing
// it is skipped with the reason, or fails where E2E=required says that everything must be there.
package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/seed-afc6a195/aggregator/test/harness"
)

// patience bounds every wait; it is no measure of speed.
const patience = harness.Patience

// binary is the program under test, built once.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "aggregator-e2e")
	if err != nil {
		return "", err
	}
	return harness.Build(dir)
})

func TestMain(m *testing.M) {
	if !harness.Whole("e2e") {
		return
	}
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
	*harness.Server
	t      *testing.T
	Dir    string
	config string // its path
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
	s := harness.Start(t, harness.Options{Binary: path, Dir: dir, Config: fmt.Sprintf(config, dir), Env: env})
	return &server{Server: s, t: t, Dir: dir, config: s.Config}
}

func (s *server) kill() { s.t.Helper(); s.Kill() }

func (s *server) stop() { s.t.Helper(); s.Stop() }

func (s *server) eventually(what string, holds func() bool) { s.t.Helper(); s.Eventually(what, holds) }

// get returns the JSON that the status endpoint answers at path, as it is now.
func (s *server) get(path string) (v map[string]any) {
	s.t.Helper()
	if path == "/status" {
		s.Now(&v)
		return v
	}
	s.Get(path, &v)
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
