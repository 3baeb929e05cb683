package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// mounted mounts something at a new directory below dir and unmounts it in the end.
func mounted(t *testing.T, dir string, args ...string) string {
	t.Helper()
	at := filepath.Join(dir, "data")
	if err := os.Mkdir(at, 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mount", append(args, at)...).CombinedOutput(); err != nil {
		need(t, fmt.Sprintf("the right to mount: %v: %s", err, out))
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", "-l", at).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	})
	return at
}

// probe returns the status and the text of a probe.
func (s *server) probe(path string) (int, string) {
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
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// notReady waits until /readyz says no, with a reason that has the words.
func (s *server) notReady(words string) {
	s.t.Helper()
	s.eventually("/readyz to say "+words, func() bool {
		code, text := s.probe("/readyz")
		return code == http.StatusServiceUnavailable && strings.Contains(text, words)
	})
	if code, text := s.probe("/healthz"); code != http.StatusOK {
		s.t.Errorf("/healthz says %d: %s", code, text)
	}
}

// sending has the agent send until the function that it returns is called.
func (s *server) sending(a *agent) (stop func()) {
	ctx, cancel := context.WithCancel(s.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			a.run(ctx, s.Forward, 0)
		}
	}()
	return func() { cancel(); <-done }
}

// withBuffer returns the configuration with these settings of the buffer, and an output that looks
// often whether it works again.
func withBuffer(settings string) string {
	return strings.NewReplacer("min_free_disk: 1MiB", settings, "batch: {max_wait: 50ms}",
		"batch: {max_wait: 50ms}\n    retry: {max: 500ms}").Replace(defaultConfig)
}

// blocked makes the archive's directory a file, so that nothing can be delivered, until the function
// that it returns is called.
func blocked(t *testing.T, dir string) (unblock func()) {
	t.Helper()
	out := filepath.Join(dir, "out")
	if err := os.WriteFile(out, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.Remove(out); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDiskTrouble takes something from the disk under the running program: acks stop, the process
// lives and /readyz says why; when it is given back, all goes on by itself and nothing is missing.
func TestDiskTrouble(t *testing.T) {
	const smallSegments = "segment_size: 1MiB, max_size: 1GiB"
	fill := func(t *testing.T, data string, n int) func() {
		t.Helper()
		ballast := filepath.Join(data, "ballast")
		// The queue, which grows meanwhile, may leave less than that: then the disk is full all the same.
		if err := os.WriteFile(ballast, make([]byte, n), 0o600); err != nil && !errors.Is(err, unix.ENOSPC) {
			t.Fatal(err)
		}
		return func() {
			if err := os.Remove(ballast); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, tc := range []struct {
		name   string
		mount  []string
		buffer string
		take   func(t *testing.T, s *server, data string) (giveBack func())
		why    string
	}{
		{
			"no space",
			[]string{"-t", "tmpfs", "-o", "size=32m", "tmpfs"},
			smallSegments + ", min_free_disk: 0",
			func(t *testing.T, _ *server, data string) func() { t.Helper(); return fill(t, data, 20<<20) },
			"no space left on device",
		},
		{
			"less than min_free_disk",
			[]string{"-t", "tmpfs", "-o", "size=200m", "tmpfs"},
			smallSegments + ", min_free_disk: 16MiB",
			func(t *testing.T, _ *server, data string) func() { t.Helper(); return fill(t, data, 160<<20) },
			"buffer.min_free_disk keeps 16777216",
		},
		{
			"no inodes",
			[]string{"-t", "tmpfs", "-o", "size=256m,nr_inodes=16", "tmpfs"},
			smallSegments,
			func(t *testing.T, _ *server, data string) func() {
				t.Helper()
				all, err := filepath.Glob(filepath.Join(data, "kept*"))
				if err != nil {
					t.Fatal(err)
				}
				for i := 0; ; i++ {
					name := filepath.Join(data, fmt.Sprint("file", i))
					if err := os.WriteFile(name, nil, 0o600); err != nil {
						break
					}
					all = append(all, name)
				}
				return func() {
					for _, name := range all {
						if err := os.Remove(name); err != nil {
							t.Fatal(err)
						}
					}
				}
			},
			"no space left on device",
		},
		{
			"no descriptors",
			[]string{"-t", "tmpfs", "-o", "size=256m", "tmpfs"},
			smallSegments,
			func(t *testing.T, s *server, _ string) func() {
				t.Helper()
				var before unix.Rlimit
				if err := unix.Prlimit(s.PID(), unix.RLIMIT_NOFILE, nil, &before); err != nil {
					t.Fatal(err)
				}
				// What is open stays open; the queue's next file is one too many.
				if err := unix.Prlimit(
					s.PID(), unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 3, Max: before.Max}, nil,
				); err != nil {
					t.Fatal(err)
				}
				s.eventually("acks to stop",
					func() bool { return strings.Contains(s.Log.String(), "too many open files") })
				return func() {
					if err := unix.Prlimit(s.PID(), unix.RLIMIT_NOFILE, &before, nil); err != nil {
						t.Fatal(err)
					}
				}
			},
			"",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			data := mounted(t, dir, tc.mount...)
			unblock := blocked(t, dir)
			if tc.name == "no inodes" { // these can be given back, however many the queue takes before
				for i := range 4 {
					if err := os.WriteFile(filepath.Join(data, fmt.Sprint("kept", i)), nil, 0o600); err != nil {
						t.Fatal(err)
					}
				}
			}
			s := start(t, dir, withBuffer(tc.buffer))
			a := &agent{tag: "disk"}
			stop := s.sending(a)
			s.eventually("the first acks", func() bool { return a.acked.Load() > 0 })
			giveBack := tc.take(t, s, data)
			left := free(t, data)
			if tc.why != "" {
				s.notReady(tc.why)
				queue, _ := s.get("/status")["queue"].(map[string]any)
				if reason, _ := queue["full_reason"].(string); queue["full"] != true ||
					!strings.Contains(reason, tc.why) {
					t.Errorf("/status says %v", queue)
				}
			}
			if strings.Contains(tc.buffer, "16MiB") {
				// The disk is asked every 8 MiB, and besides what is stored there are the segments' own pages.
				if now := free(t, data); now < min(4<<20, left-1<<20) {
					t.Errorf("%d bytes are left free of the 16 MiB to keep, %d were", now, left)
				}
			}
			giveBack()
			acked := a.acked.Load()
			s.eventually("acks to go on", func() bool { return a.acked.Load() > acked+perChunk })
			stop()
			unblock()
			a.run(t.Context(), s.Forward, a.next+perChunk) // what hangs is sent again
			wantAcked(t, s, []*agent{a})
			if code, text := s.probe("/readyz"); code != http.StatusOK {
				t.Errorf("/readyz says %d: %s", code, text)
			}
			s.stop()
		})
	}
}

// TestFileSystemFails lets the file system give up, as ext4 does after an error of the disk: it turns
// read-only while files are open. Acks stop and the process lives; after the next mount and start
// everything that was acknowledged is there.
func TestFileSystemFails(t *testing.T) {
	dir := t.TempDir()
	image := filepath.Join(dir, "image")
	if out, err := exec.Command("sh", "-c", "truncate -s 128M "+image+" && mkfs.ext4 -q -F "+image).
		CombinedOutput(); err != nil {
		need(t, fmt.Sprintf("mkfs.ext4: %v: %s", err, out))
	}
	data := mounted(t, dir, "-o", "loop,errors=remount-ro", image)
	unblock := blocked(t, dir)
	config := withBuffer("segment_size: 1MiB, min_free_disk: 0")
	s := start(t, dir, config)
	a := &agent{tag: "ext4"}
	stop := s.sending(a)
	s.eventually("some acks", func() bool { return a.acked.Load() > 100*perChunk })
	if out, err := exec.Command("mount", "-o", "remount,abort", data).CombinedOutput(); err != nil {
		need(t, fmt.Sprintf("an ext4 that can be aborted: %v: %s", err, out))
	}
	s.notReady("file system")
	acked := a.acked.Load()
	stop()
	if now := a.acked.Load(); now > acked {
		t.Errorf("acked %d events after nothing could be stored", now-acked)
	}
	s.kill()
	for _, args := range [][]string{{"umount", data}, {"mount", "-o", "loop", image, data}} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v: %s", args, err, out)
		}
	}
	unblock()
	s = start(t, dir, config)
	a.run(t.Context(), s.Forward, a.next+perChunk)
	wantAcked(t, s, []*agent{a})
	s.stop()
}

// free returns how many bytes are free on the file system of a directory.
func free(t *testing.T, dir string) int64 {
	t.Helper()
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		t.Fatal(err)
	}
	return int64(st.Bavail) * st.Bsize
}

// TestDirectoryRemoved takes the whole data directory away: what is written to a file without a name
// is gone with the process, so nothing is acknowledged any more.
func TestDirectoryRemoved(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir, defaultConfig)
	a := &agent{tag: "gone"}
	stop := s.sending(a)
	s.eventually("some acks", func() bool { return a.acked.Load() > perChunk })
	// A file that the program makes meanwhile is in the way of it.
	s.eventually("the directory to go", func() bool { return os.RemoveAll(filepath.Join(dir, "data")) == nil })
	s.notReady("is not the directory any more")
	acked := a.acked.Load()
	stop()
	if now := a.acked.Load(); now > acked {
		t.Errorf("acked %d events into a directory that is gone", now-acked)
	}
	s.kill()
	s = start(t, dir, defaultConfig)
	before := a.acked.Load()
	a.run(t.Context(), s.Forward, a.next+perChunk)
	if a.acked.Load() == before {
		t.Error("nothing is acknowledged after the next start")
	}
	s.stop()
}

// TestDirectoryUnusable starts with a data directory that can't be used: exit code 1, and an error that
// says what was tried, where, and what to do.
func TestDirectoryUnusable(t *testing.T) {
	built, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	if os.Getuid() != 0 {
		need(t, "root, to become somebody else")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "aggregator") // where somebody else may run it
	if out, err := exec.Command("cp", built, path).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for at := dir; at != "/"; at = filepath.Dir(at) { // and come to
		if at != os.TempDir() {
			if err := os.Chmod(at, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if at == os.TempDir() {
			break
		}
	}
	readOnly := mounted(t, dir, "-t", "tmpfs", "-o", "ro,mode=755,uid=65534", "tmpfs")
	other := filepath.Join(dir, "other")
	file := filepath.Join(dir, "file")
	if err := os.Mkdir(other, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	foreign := filepath.Join(dir, "foreign") // somebody ran it as root once
	if err := errors.Join(
		os.Mkdir(foreign, 0o750), os.WriteFile(filepath.Join(foreign, "state.db"), nil, 0o600),
		os.Chown(foreign, 65534, 65534),
	); err != nil {
		t.Fatal(err)
	}
	running := start(t, t.TempDir(), defaultConfig)
	for _, tc := range []struct {
		name, data string
		root       bool
		want       []string
	}{
		{
			"of another user", other, false,
			[]string{other, "permission denied", "let user 65534, which this runs as, write there"},
		},
		{
			"to be made in one of another user", other + "/sub/data", false,
			[]string{other + "/sub", "permission denied", "let user 65534"},
		},
		{
			"with a state.db of another user", foreign, false,
			[]string{foreign + "/state.db: permission denied", "let user 65534, which this runs as, write there"},
		},
		{"a file", file, false, []string{file, "not a directory", "a file is in the way"}},
		{"below a file", file + "/data", false, []string{file, "not a directory", "a file is in the way"}},
		{
			"read-only", readOnly, false,
			[]string{readOnly, "read-only file system", "mount its file system for writing"},
		},
		{
			"in use", filepath.Join(running.Dir, "data"), true,
			[]string{fmt.Sprint("in use by process ", running.PID()), "stop that one, or set another buffer.path"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			config := filepath.Join(dir, "aggregator.yaml")
			text := strings.ReplaceAll(fmt.Sprintf(defaultConfig, dir), dir+"/data,", tc.data+",")
			if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", path, "run", "-c",
				config)
			if tc.root {
				cmd = exec.Command(path, "run", "-c", config)
			}
			cmd.Dir = "/"
			out, err := cmd.CombinedOutput()
			if cmd.ProcessState == nil {
				t.Fatal(err)
			}
			if cmd.ProcessState.ExitCode() != 1 {
				t.Errorf("exit code %d", cmd.ProcessState.ExitCode())
			}
			for _, want := range tc.want {
				if !strings.Contains(string(out), want) {
					t.Errorf("%q is not in %s", want, out)
				}
			}
		})
	}
	running.stop()
}
