package systemd_test

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/systemd"
)

// listen returns the environment that systemd would give, and what is sent to its socket.
func listen(t *testing.T, more map[string]string) (getenv func(string) string, sent func() string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "n")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return func(name string) string {
			if name == "NOTIFY_SOCKET" {
				return path
			}
			return more[name]
		}, func() string {
			buf := make([]byte, 100)
			n, err := conn.Read(buf)
			if err != nil {
				t.Error(err)
			}
			return string(buf[:n])
		}
}

func TestNotify(t *testing.T) {
	getenv, sent := listen(t, nil)
	n := systemd.New(getenv, 7)
	for _, state := range []string{systemd.Ready, systemd.Stopping} {
		if err := n.Notify(t.Context(), state); err != nil {
			t.Fatal(err)
		}
		if got := sent(); got != state {
			t.Errorf("%q, want %q", got, state)
		}
	}
	n.Watch(t.Context(), func() bool { t.Error("no watchdog is set"); return true })
	nobody := systemd.New(func(string) string { return "" }, 7)
	if err := nobody.Notify(t.Context(), systemd.Ready); err != nil {
		t.Error(err)
	}
	gone := systemd.New(func(name string) string {
		return map[string]string{"NOTIFY_SOCKET": filepath.Join(t.TempDir(), "none")}[name]
	}, 7)
	if err := gone.Notify(t.Context(), systemd.Ready); err == nil {
		t.Error("a socket that is not there is no error")
	}
}

// Nobody who ends waits for a systemd that does not read.
func TestNotifyNobodyReads(t *testing.T) {
	getenv, _ := listen(t, map[string]string{"WATCHDOG_USEC": "3000"})
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Close(fd) }()
	to := &syscall.SockaddrUnix{Name: getenv("NOTIFY_SOCKET")}
	for err == nil {
		err = syscall.Sendto(fd, []byte("x"), syscall.MSG_DONTWAIT, to)
	}
	if !errors.Is(err, syscall.EAGAIN) {
		t.Fatal(err)
	}
	n := systemd.New(getenv, 7)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	n.Watch(ctx, func() bool { return true }) // which must end
	if err := n.Notify(ctx, systemd.Stopping); err == nil {
		t.Error("a state that was not sent is no error")
	}
}

// TestWatch: signs of life come only while the program is well, and only from the process that is meant.
func TestWatch(t *testing.T) {
	getenv, sent := listen(t, map[string]string{"WATCHDOG_USEC": "3000", "WATCHDOG_PID": "7"})
	ctx, cancel := context.WithCancel(t.Context())
	var asked atomic.Int64
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		systemd.New(getenv, 7).Watch(ctx, func() bool { return asked.Add(1) > 3 })
	}()
	if got := sent(); got != "WATCHDOG=1" {
		t.Errorf("%q", got)
	}
	if n := asked.Load(); n < 4 {
		t.Errorf("a sign of life after %d questions, before the program was well", n)
	}
	cancel()
	<-ended
	systemd.New(getenv, 8).Watch(t.Context(), func() bool { t.Error("the watchdog is another process's"); return true })
}
