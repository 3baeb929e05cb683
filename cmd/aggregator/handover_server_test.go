package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/status/client"
)

// giverText is a server whose output can't write, so that what comes stays in its queue.
const giverText = `
listeners: [{name: in, address: "127.0.0.1:0", udp_heartbeat: false}]
buffer: {path: "%[1]s/data", min_free_disk: 1MiB}
routes: [{match: "kube.**", outputs: [archive]}]
outputs: {archive: {type: file, path: "%[1]s/out", batch: {max_wait: 1ms}, retry: {initial: 1ms, max: 2ms}}}
status: {address: "127.0.0.1:0"}
log: {level: info, format: json}
`

// takerText is a server that takes over.
const takerText = `
listeners:
  - {name: in, address: "127.0.0.1:0", udp_heartbeat: false, handover: {shared_key: hand over, clusters: [default]}}
buffer: {path: "%[1]s/data", min_free_disk: 1MiB}
routes: [{match: "**", outputs: [archive]}]
outputs: {archive: {type: file, path: "%[1]s/out", batch: {max_wait: 1ms}}}
status: {address: "127.0.0.1:0"}
log: {level: info, format: json}
`

// waiting leaves a data directory with three events that wait, and one dead letter, and returns its configuration.
func waiting(t *testing.T) (config string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "out"), 0o700); err != nil {
		t.Fatal(err)
	}
	s := startServer(t, dir, giverText)
	for tag, text := range map[string]string{"kube.a": "one\ntwo\nthree\n", "elsewhere": "nobody's\n"} {
		if code, out, errOut := command(t, text, "send", "--address", s.address, "--tag", tag); code != exitOK {
			t.Fatalf("send ends with %d: %s%s", code, out, errOut)
		}
	}
	if code := s.end(); code != exitOK {
		t.Fatalf("the server ends with %d:\n%s", code, s.log.String())
	}
	return s.config
}

// A queue is handed over to a running server: what is planned is said before, what was done after, and then nothing is
// left.
func TestHandOverToAServer(t *testing.T) {
	t.Chdir(t.TempDir())
	config, dir := waiting(t), t.TempDir()
	to := startServer(t, dir, takerText)
	drain := func(args ...string) (code int, out, errOut string) {
		t.Helper()
		return command(t, "", append([]string{"drain", "-c", config, "--to", to.address}, args...)...)
	}
	if code, out, errOut := drain("--shared-key", "another"); code != exitFailed ||
		!strings.Contains(errOut, "give the shared_key of the handover of its listener") || out != "" {
		t.Errorf("with another key: %d, %q, %s", code, out, errOut)
	}
	code, out, errOut := drain("--shared-key", "hand over", "--dry-run")
	if code != exitOK || !strings.Contains(out, "archive") || !strings.Contains(out, "(dead letters)") {
		t.Errorf("the plan: %d, %s%s", code, out, errOut)
	}
	if _, err := os.Stat(filepath.Join(dir, "out")); err == nil {
		t.Error("a plan hands something over")
	}
	code, out, errOut = drain("--shared-key", "hand over", "--timeout", patience.String())
	if want := "handed over 3 events and 1 dead letters to " + to.address; code != exitOK ||
		!strings.HasPrefix(out, want) {
		t.Fatalf("the handover: %d, %q, want %q: %s\n%s", code, out, want, errOut, to.log.String())
	}
	to.until("the delivery", func() bool {
		text, _ := os.ReadFile(filepath.Join(dir, "out"))
		return strings.Count(string(text), "\n") == 3
	})
	if code, out, errOut := command(t, "", "dead", "--status", to.status); code != exitOK ||
		!strings.Contains(out, "1 dead letter") {
		t.Errorf("the letter there: %d, %s%s", code, out, errOut)
	}
	code, out, errOut = drain("--shared-key", "hand over")
	if code != exitOK || !strings.HasPrefix(out, "handed over 0 events and 0 dead letters") {
		t.Errorf("once more: %d, %s%s", code, out, errOut)
	}
	if code, out, errOut := command(t, "", "drain", "-c", config); code != exitOK {
		t.Errorf("what is left: %d, %s%s", code, out, errOut)
	}
	if code := to.end(); code != exitOK {
		t.Errorf("the server ends with %d:\n%s", code, to.log.String())
	}
}

// What the other server does not take over stays, and is said with what to do; so is a listener that takes nothing.
func TestHandOverIsRefused(t *testing.T) {
	t.Chdir(t.TempDir())
	config := waiting(t)
	t.Setenv("AGGREGATOR_SHARED_KEY", "hand over")
	others := startServer(t, t.TempDir(),
		"clusters: [{name: oslo, shared_key: o}]"+strings.Replace(takerText, "[default]", "[oslo]", 1))
	none := startServer(t, t.TempDir(), serverText)
	for _, tc := range []struct {
		name    string
		address string
		args    []string
		code    int
		out     string
		errs    []string
	}{
		{
			"a plan for another cluster", others.address,
			[]string{"--dry-run"},
			exitOK,
			"not taken by " + others.address, nil,
		},
		{"another cluster", others.address, nil, exitFailed, "", []string{
			"3 events that outputs want, and 1 in dead letters, are left in ",
			"cluster default: 4 events, which " + others.address + " does not take over",
		}},
		{
			"no handover there", none.address,
			[]string{"--timeout", "1s"},
			exitFailed, "",
			[]string{context.DeadlineExceeded.Error()},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			code, out, errOut := command(t, "",
				append([]string{"drain", "-c", config, "--to", tc.address}, tc.args...)...)
			if code != tc.code || !strings.Contains(out, tc.out) {
				t.Errorf("%d, %q: %s", code, out, errOut)
			}
			for _, want := range tc.errs {
				if !strings.Contains(errOut, want) {
					t.Errorf("it says %s, want %q", errOut, want)
				}
			}
		})
	}
	t.Run("no handover there, said", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		silent := startServer(t, t.TempDir(), serverText)
		var out bytes.Buffer
		errOut, code := new(lockedLog), make(chan int, 1)
		go func() {
			args := []string{"drain", "-c", config, "--to", silent.address}
			code <- run(ctx, args, strings.NewReader(""), &out, errOut)
		}()
		silent.until("a connection", func() bool { return silent.connections() == 1 })
		silent.end() // who waits for a HELO on it is told
		silent.until("a word of it", func() bool { return strings.Contains(errOut.String(), "trying again: ") })
		cancel()
		got := <-code
		for _, want := range []string{
			"3 events that outputs want", "connecting to " + silent.address, "waiting for HELO",
		} {
			if got != exitFailed || !strings.Contains(errOut.String(), want) {
				t.Errorf("%d: it says %s, want %q", got, errOut, want)
			}
		}
	})
}

// connections returns how many the server's listener has open.
func (s *runningServer) connections() (n int) {
	s.t.Helper()
	var state struct{ Listeners []struct{ Connections int } }
	if err := (&client.Client{Address: s.status}).Get(s.t.Context(), "status", nil, &state); err != nil {
		s.t.Fatal(err)
	}
	for _, l := range state.Listeners {
		n += l.Connections
	}
	return n
}
