package main

import (
	"context"
	"errors"
	"io"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/status/snapshot/snapshottest"
)

// node returns a command that runs a script of the browser's. Without the browser the test is skipped, unless it is
// required.
func node(t *testing.T, script string, args ...string) *exec.Cmd {
	t.Helper()
	missing := ""
	if _, err := exec.LookPath("node"); err != nil {
		missing = "node"
	}
	if _, err := os.Stat("browser/node_modules/puppeteer-core"); err != nil {
		missing = "test/page/browser/node_modules"
	}
	browser := os.Getenv("CHROMIUM")
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil && browser == "" {
			browser = path
		}
	}
	if browser == "" {
		missing = "chromium"
	}
	if missing != "" {
		t.Skipf("no %s: test/page/browser/install.sh installs what this needs", missing)
	}
	cmd := exec.CommandContext(t.Context(), "node", append([]string{filepath.Join("browser", script)}, args...)...)
	cmd.Env = append(os.Environ(), "CHROMIUM="+browser)
	return cmd
}

// show serves a day until the test ends.
func show(t *testing.T, name string, control bool) (url string) {
	t.Helper()
	for _, d := range snapshottest.Days() {
		if d.Name != name {
			continue
		}
		s := newStage(d.At, control)
		server := httptest.NewServer(s.handler())
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- s.play(ctx) }()
		t.Cleanup(func() {
			s.live.Close()
			server.Close()
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
		return server.URL
	}
	t.Fatalf("there is no day %q", name)
	return ""
}

// TestInABrowser looks at each day in a real browser: axe finds nothing, nothing scrolls sideways, no text becomes more
// than text, and verdict and picture are seen without scrolling.
func TestInABrowser(t *testing.T) {
	for _, d := range snapshottest.Days() {
		t.Run(d.Name, func(t *testing.T) {
			out, err := node(t, "check.mjs", d.Name, show(t, d.Name, true)).CombinedOutput()
			if err != nil || len(out) > 0 {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
	t.Run("a stranger", func(t *testing.T) {
		out, err := node(t, "check.mjs", "bad", show(t, "bad", false)).CombinedOutput()
		if err != nil || len(out) > 0 {
			t.Errorf("%v\n%s", err, out)
		}
	})
}

// TestScreenshots makes the pictures of docs/images, where SCREENSHOTS names a directory for them.
func TestScreenshots(t *testing.T) {
	into := os.Getenv("SCREENSHOTS")
	if into == "" {
		into = t.TempDir()
	}
	args := []string{into}
	for _, day := range []string{"normal", "bad"} {
		args = append(args, day+"="+show(t, day, true))
	}
	if out, err := node(t, "shots.mjs", args...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	made, err := filepath.Glob(filepath.Join(into, "page-*.png"))
	if err != nil || len(made) != 4 {
		t.Errorf("%d pictures were made: %v", len(made), err)
	}
}

// TestCommand plays a day until it is told to end.
func TestCommand(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	in, out := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, []string{"-day", "new"}, out) }()
	line := make([]byte, 100)
	n, err := in.Read(line)
	if err != nil || !strings.HasPrefix(string(line[:n]), "http://127.0.0.1:") {
		t.Fatalf("%q %v", line[:n], err)
	}
	cancel()
	if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	var list strings.Builder
	if err := run(t.Context(), []string{"-list"}, &list); err != nil || !strings.Contains(list.String(), "bad\n") {
		t.Errorf("%q %v", list.String(), err)
	}
	if err := run(t.Context(), []string{"-day", "none"}, io.Discard); err == nil {
		t.Error("a day that there is not is played")
	}
}
