package e2e

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/test/harness"
)

// drained is a run of aggregator drain that has ended.
type drained struct {
	out, err string
	code     int
}

// drain runs aggregator drain in dir with a configuration.
func drain(t *testing.T, dir, config string, args ...string) drained {
	t.Helper()
	cmd, out, log := drainCommand(t, dir, config, args...)
	return ended(t, cmd.Run(), out, log)
}

func drainCommand(t *testing.T, dir, config string, args ...string) (cmd *exec.Cmd, out, log *strings.Builder) {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "drain.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, config, dir), 0o600); err != nil {
		t.Fatal(err)
	}
	out, log = new(strings.Builder), new(strings.Builder)
	cmd = exec.CommandContext(t.Context(), path, append([]string{"drain", "-c", file}, args...)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, out, log
	return cmd, out, log
}

func ended(t *testing.T, err error, out, log *strings.Builder) drained {
	t.Helper()
	d := drained{out: out.String(), err: log.String()}
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		d.code = exit.ExitCode()
	case err != nil:
		t.Fatal(err)
	}
	return d
}

// says fails the test unless the command ended with the code, said what out has, and complained of what err has. That
// it says which configuration it took is no complaint, nor is what it logs.
func (d drained) says(t *testing.T, code int, out, err string) {
	t.Helper()
	if d.code != code || !strings.Contains(d.out, out) || !strings.Contains(d.err, err) ||
		err == "" && strings.Contains(d.err, "aggregator: ") {
		t.Errorf("exit code %d, want %d, with %q and %q; it printed:\n%s\n%s", d.code, code, out, err, d.out, d.err)
	}
}

// backlog has a directory hold 200 events that wait for archive, which a directory in its file's place keeps from
// writing, and for old, which the drains do not know; and a dead letter.
func backlog(t *testing.T) (dir, obstacle string, agent *harness.Agent) {
	t.Helper()
	dir = t.TempDir()
	obstacle = filepath.Join(dir, "out", "a.ndjson")
	if err := os.MkdirAll(obstacle, 0o700); err != nil {
		t.Fatal(err)
	}
	config := strings.NewReplacer("outputs:\n", "outputs:\n  old: {type: forward, servers: [\"127.0.0.1:1\"]}\n",
		`match: "**", outputs: [archive]`, `match: "a", outputs: [archive, old]`).Replace(defaultConfig)
	s := start(t, dir, config)
	agent = &harness.Agent{Name: "a", Tag: "a", Address: s.Address, Limit: 200}
	agent.Run(t.Context())
	(&harness.Agent{Name: "x", Tag: "unrouted", Address: s.Address, Limit: 20}).Run(t.Context())
	s.kill()
	return dir, obstacle, agent
}

func TestDrain(t *testing.T) {
	dir, obstacle, agent := backlog(t)

	d := drain(t, dir, defaultConfig, "--timeout", "10s")
	d.says(t, 1, "delivered 0 of the 400 events", "400 events are left in")
	d.says(t, 1, "dead letters with 20 events stay there", "after 10s (--timeout)")
	d.says(t, 1, "", "output archive: 200 events in 10 chunks (200 of cluster default): ")
	d.says(t, 1, "", "it is a device, a pipe or a directory, not a file")
	d.says(t, 1, "",
		"output old: 200 events in 10 chunks (200 of cluster default): the configuration has no output of that name")

	if err := os.Remove(obstacle); err != nil {
		t.Fatal(err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	busy := strings.Replace(defaultConfig, `status: {address: "127.0.0.1:0"}`,
		`status: {address: "`+taken.Addr().String()+`"}`, 1)
	d = drain(t, dir, busy)
	d.says(t, 1, "delivered 200 of the 400 events", "200 events are left in")
	d.says(t, 1, "", "there is no status endpoint, and the drain goes on without it")
	once(t, &server{t: t, Dir: dir}, agent)

	drain(t, dir, defaultConfig).says(t, 1, "", "output old: 200 events")
	drain(t, dir, busy, "--no-status", "--ignore-unconfigured").says(t, 0,
		"200 events for output old, which is not configured, stay there", "")
	once(t, &server{t: t, Dir: dir}, agent)
	segments, err := filepath.Glob(filepath.Join(dir, "data", "seg-*.db"))
	if err != nil || len(segments) == 0 {
		t.Errorf("segments %v, %v: those with what is left must stay", segments, err)
	}

	old := strings.Replace(defaultConfig, "outputs:\n",
		"outputs:\n  old: {type: file, path: \"%[1]s/out/old-{tag}.ndjson\"}\n", 1)
	drain(t, dir, old).says(t, 0, "delivered 200 of the 200 events", "")
	drain(t, dir, old).says(t, 0, "nothing waited in "+filepath.Join(dir, "data"), "")
	if segments, err = filepath.Glob(filepath.Join(dir, "data", "seg-*.db")); err != nil || len(segments) != 0 {
		t.Errorf("segments %v, %v: the disk was not given back", segments, err)
	}
}

func TestDrainRefuses(t *testing.T) {
	dir := t.TempDir()
	drain(t, dir, defaultConfig).says(t, 1, "", "there is no data directory to drain (buffer.path)")
	drain(t, dir, "x: 1 # %s\n").says(t, 2, "", "unknown key")
	drain(t, dir, defaultConfig, "--timeout", "-1s").says(t, 2, "", "must not be negative")
	drain(t, dir, defaultConfig, "more").says(t, 2, "", "more")

	s := start(t, dir, defaultConfig)
	drain(t, dir, defaultConfig).says(t, 1, "", fmt.Sprintf("is in use by process %d", s.PID()))
	s.stop()
	drain(t, dir, defaultConfig).says(t, 0, "nothing waited", "")
}

// TestDrainIsStopped ends a drain that can't go on by a signal, in good order.
func TestDrainIsStopped(t *testing.T) {
	dir, obstacle, agent := backlog(t)
	address := harness.FreeAddress(t)
	cmd, out, log := drainCommand(t, dir,
		strings.Replace(defaultConfig, `status: {address: "127.0.0.1:0"}`, `status: {address: "`+address+`"}`, 1))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &harness.Server{T: t, Status: address}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for { // until the status endpoint shows that it is not ready, since it drains
		if _, err := s.Request(t.Context(), "GET", "/readyz"); err != nil &&
			strings.Contains(err.Error(), "draining: nothing is accepted") {
			break
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("the drain serves no status")
		}
	}
	if _, err := s.Request(t.Context(), "GET", "/healthz"); err != nil {
		t.Error(err)
	}
	if _, err := s.Request(t.Context(), "POST", "/reload"); err == nil {
		t.Error("a drain was reloaded")
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	ended(t, cmd.Wait(), out, log).says(t, 1, "delivered 0 of the 400 events", "as the drain was told to stop")
	if err := os.Remove(obstacle); err != nil {
		t.Fatal(err)
	}
	drain(t, dir, defaultConfig, "--ignore-unconfigured").says(t, 0, "delivered 200 of the 400 events", "")
	once(t, &server{t: t, Dir: dir}, agent)
}
