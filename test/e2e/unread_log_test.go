package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestStopWithUnreadLog stops a server while nobody reads the pipe that it logs to: it ends all the same, and says with
// its exit code that the stop was not clean.
func TestStopWithUnreadLog(t *testing.T) {
	built, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	config, pipe := filepath.Join(dir, "aggregator.yaml"), filepath.Join(dir, "log")
	if err := errors.Join(
		os.WriteFile(config, []byte(fmt.Sprintf(defaultConfig, dir)+"\nshutdown_timeout: 1s\n"), 0o600),
		syscall.Mkfifo(pipe, 0o600),
	); err != nil {
		t.Fatal(err)
	}
	log, err := os.OpenFile(pipe, os.O_RDWR, 0) // a FIFO so opened waits for nobody
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	out, err := os.OpenFile(pipe, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command(built, "run", "-c", config)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	for lines := bufio.NewScanner(log); !strings.Contains(lines.Text(), "queue and dead letters are here"); {
		if !lines.Scan() {
			t.Fatalf("the server did not start: %v", lines.Err())
		}
	}
	fill, err := syscall.Open(pipe, syscall.O_WRONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Close(fill) }()
	for _, size := range []int{4096, 1} {
		for err = nil; err == nil; _, err = syscall.Write(fill, make([]byte, size)) {
		}
		if !errors.Is(err, syscall.EAGAIN) {
			t.Fatal(err)
		}
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 1 {
		t.Errorf("it ended with %v, not with exit code 1", err)
	}
}
