package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestDemo runs it in a pipe as a user would: it says where to look, both clusters' events are there, and one signal
// ends it and leaves nothing behind.
func TestDemo(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "demo")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	temp := t.TempDir()
	cmd := exec.Command(binary, "-listen", "127.0.0.1:0", "-status", "127.0.0.1:0", "-rate", "200")
	cmd.Env = append(os.Environ(), "TMPDIR="+temp)
	var errOut bytes.Buffer
	cmd.Stderr = &errOut
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	var said strings.Builder
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		said.WriteString(lines.Text() + "\n")
		if strings.HasPrefix(lines.Text(), "Ctrl-C") {
			break
		}
	}
	page := regexp.MustCompile(`http://[0-9.:]+/`).FindString(said.String())
	dir := regexp.MustCompile(`tail -f (\S+)/logs`).FindStringSubmatch(said.String())
	if page == "" || dir == nil {
		t.Fatalf("it does not say where to look:\n%s%s", &said, &errOut)
	}

	eventually(t, "events of both clusters", func() bool {
		var status struct{ Clusters []map[string]any }
		get(t, page+"status", &status)
		for _, cluster := range clusters() {
			files, _ := filepath.Glob(filepath.Join(dir[1], "logs", cluster, "*.ndjson"))
			if len(files) != 1 {
				return false
			}
			line, err := os.ReadFile(files[0])
			if err != nil || !strings.Contains(string(line), `"cluster":"`+cluster+`"`) {
				return false
			}
		}
		return len(status.Clusters) >= 2
	})
	for _, command := range regexp.MustCompile(`(?m)^  echo .*(?:\n    .*)*$`).FindAllString(said.String(), -1) {
		out, err := exec.Command("sh", "-c", command).CombinedOutput()
		if wrong := strings.Contains(command, "--shared-key wrong"); wrong != (err != nil) {
			t.Errorf("%s: %v\n%s", command, err, out)
		}
	}

	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(&said, stdout)
	if err := cmd.Wait(); err != nil {
		t.Errorf("after Ctrl-C: %v\n%s%s", err, &said, &errOut)
	}
	if left := processes(t, dir[1]); len(left) > 0 {
		t.Errorf("still running: %q", left)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// TestDemoFails: what hinders it is said, and nothing is left.
func TestDemoFails(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	var out strings.Builder
	err = (&demo{listen: busy.Addr().String(), status: "127.0.0.1:0", rate: 1, out: &out}).run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "another listeners[].address") ||
		!strings.Contains(err.Error(), "-listen 127.0.0.1:0") || out.Len() > 0 {
		t.Errorf("said %q and %v", &out, err)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(2 * time.Minute); !holds(); {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func get(t *testing.T, url string, into any) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		t.Fatal(err)
	}
}

// processes returns the command lines that name dir.
func processes(t *testing.T, dir string) (left []string) {
	t.Helper()
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, f := range files {
		if line, err := os.ReadFile(f); err == nil && bytes.Contains(line, []byte(dir)) {
			left = append(left, strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	return left
}
