package e2e

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/seed-afc6a195/aggregator/test/harness"
)

// TestConfined runs the static binary as a container should have it: as nobody, without privileges and without a home,
// on a file system of which only the data directory can be written, not even /tmp. It takes events, delivers them,
// shows its dead letters and stops; and what it wrote is not for everybody's eyes.
func TestConfined(t *testing.T) {
	if os.Geteuid() != 0 {
		need(t, "root, to become nobody")
	}
	for _, tool := range []string{"unshare", "setpriv", "mount"} {
		if _, err := exec.LookPath(tool); err != nil {
			need(t, tool)
		}
	}
	const nobody = 65534
	dir := t.TempDir()
	for d := dir; d != "/" && d != os.TempDir(); d = filepath.Dir(d) { // nobody must get there
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("CGO_ENABLED", "0")
	path, err := harness.Build(filepath.Join(dir, "bin"))
	if err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(data, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	// The harness starts this in place of the program.
	wrapper := filepath.Join(dir, "confined")
	script := fmt.Sprintf(`#!/bin/sh
exec unshare --mount -- /bin/sh -c '
	mount --make-rprivate / &&
	mount --bind "%[1]s" "%[1]s" &&
	for m in $(awk "{print \$5}" /proc/self/mountinfo | sort -r); do
		case $m in "%[1]s"|/proc*|/sys*) ;; *) mount -o remount,bind,ro "$m" 2>/dev/null ;; esac
	done
	touch /tmp/aggregator-must-not 2>/dev/null && { echo "/tmp can be written"; exit 9; }
	exec setpriv --reuid %[2]d --regid %[2]d --clear-groups --no-new-privs \
		--inh-caps=-all --bounding-set=-all env -i "%[3]s" "$@"' sh "$@"
`, data, nobody, path)
	if err := os.WriteFile(wrapper, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf(`
listeners:
  - {name: test, address: "127.0.0.1:0"}
buffer: {path: %[1]s/queue, min_free_disk: 1MiB}
outputs:
  plain: {type: file, path: "%[1]s/out/{tag}.ndjson", batch: {max_wait: 10ms}}
  packed: {type: file, path: "%[1]s/out/{tag}", compression: zstd, batch: {max_wait: 10ms}}
routes:
  - {match: "app", outputs: [plain, packed]}
status: {address: "127.0.0.1:0"}
log: {format: json}
`, data)
	if err := exec.Command("unshare", "--mount", "mount", "--make-rprivate", "/").Run(); err != nil {
		need(t, "the right to make a mount namespace: "+err.Error())
	}
	// The harness writes the configuration for its own user's eyes, unless there is one already.
	if err := os.WriteFile(filepath.Join(dir, "aggregator.yaml"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	s := harness.Start(t, harness.Options{Binary: wrapper, Dir: dir, Config: config})
	confined := &server{Server: s, t: t, Dir: dir, config: s.Config}
	command(t, strings.NewReader("{\"n\":1}\n{\"n\":2}\n"), "send", "--address", s.Forward, "--tag", "app", "--ack")
	command(t, strings.NewReader("{\"n\":3}\n"), "send", "--address", s.Forward, "--tag", "unrouted", "--ack")
	confined.eventually("the dead letter", func() bool { return confined.deadLetters() == 1 })
	out := filepath.Join(data, "out", "app.ndjson")
	confined.eventually("the delivered events", func() bool {
		text, err := os.ReadFile(out)
		return err == nil && strings.Count(string(text), "\n") == 2
	})
	confined.stop()
	err = filepath.WalkDir(data, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if mode := info.Mode().Perm(); path != data && mode&0o007 != 0 {
			t.Errorf("%s has mode %o: everybody may look", path, mode)
		}
		if owner := info.Sys().(*syscall.Stat_t).Uid; owner != nobody {
			t.Errorf("%s is user %d's", path, owner)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
