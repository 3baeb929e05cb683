package systemd_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/systemd"
)

// TestMain is also the program that is given sockets: it says what it was given, and answers on each.
func TestMain(m *testing.M) {
	if os.Getenv("BE_ACTIVATED") == "" {
		os.Exit(m.Run())
	}
	if err := activated(); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
}

func activated() error {
	s, err := systemd.Inherit(os.Getenv, os.Getpid())
	if err != nil {
		return err
	}
	for _, l := range []struct{ name, address string }{
		{"forward", "127.0.0.1:1"}, {"none", os.Getenv("SECOND")}, {"unix", "unix:" + os.Getenv("THIRD")}, {
			"other",
			":1",
		},
	} {
		stream, packet := s.Take(l.name, l.address)
		fmt.Printf("%s: %v %v\n", l.name, stream != nil, packet != nil)
		if stream == nil {
			continue
		}
		conn, err := stream.Accept()
		if err != nil {
			return err
		}
		_, err = io.WriteString(conn, "hello from "+l.name)
		if err := conn.Close(); err != nil {
			return err
		}
		if err != nil {
			return err
		}
	}
	fmt.Printf("left: %d\n", len(s.Left()))
	return s.Close()
}

// listenFiles opens sockets and returns them as files, which a child has as descriptors from 3 on.
func listenFiles(t *testing.T, dir string) (files []*os.File, addresses []string) {
	t.Helper()
	var lc net.ListenConfig
	var pc net.PacketConn
	file := func(f *os.File, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		files = append(files, f)
	}
	for len(addresses) < 2 {
		l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		if pc == nil {
			// Another process may have the port for UDP.
			pc, err = lc.ListenPacket(t.Context(), "udp", l.Addr().String())
			if errors.Is(err, syscall.EADDRINUSE) {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		file(l.(*net.TCPListener).File())
		addresses = append(addresses, l.Addr().String())
	}
	t.Cleanup(func() { _ = pc.Close() })
	file(pc.(*net.UDPConn).File())
	u, err := lc.Listen(t.Context(), "unix", dir+"/s")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = u.Close() })
	file(u.(*net.UnixListener).File())
	return files, append(addresses, dir+"/s")
}

// TestInherit: the sockets that a process was given are taken by name, or by address, each once; the socket outlives
// the process, and who connects in between is served by the next.
func TestInherit(t *testing.T) {
	files, addresses := listenFiles(t, t.TempDir())
	for range 2 {
		// A shell sets LISTEN_PID to its own number and becomes the program, as systemd does it.
		cmd := exec.CommandContext(t.Context(), "sh", "-c", `LISTEN_PID=$$ exec "$0"`, os.Args[0])
		cmd.Env = append(os.Environ(), "BE_ACTIVATED=1", "LISTEN_FDS=4", "LISTEN_FDNAMES=forward:x.socket:forward:unix",
			"SECOND="+addresses[1], "THIRD="+addresses[2])
		cmd.ExtraFiles = files
		var heard []string
		answers := make(chan string, 3)
		for i, network := range []string{"tcp", "tcp", "unix"} {
			// Connected before the program is there.
			conn, err := (&net.Dialer{}).DialContext(t.Context(), network, addresses[i])
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = conn.Close() })
			go func() {
				text, _ := io.ReadAll(conn) // what came is compared
				answers <- string(text)
			}()
		}
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		for range 3 {
			heard = append(heard, <-answers)
		}
		want := "forward: true true\nnone: true false\nunix: true false\nother: false false\nleft: 0\n"
		if string(out) != want {
			t.Errorf("%s, want %s", out, want)
		}
		for _, name := range []string{"forward", "none", "unix"} {
			if !strings.Contains(strings.Join(heard, "\n"), "hello from "+name) {
				t.Errorf("no answer from %s: %q", name, heard)
			}
		}
	}
}

// TestInheritNothing: without the variables, or with those of another process, there are no sockets; a number that is
// none is a mistake.
func TestInheritNothing(t *testing.T) {
	for _, tc := range []struct {
		name    string
		env     map[string]string
		wantErr bool
	}{
		{"nothing", nil, false},
		{"of another process", map[string]string{"LISTEN_PID": "1", "LISTEN_FDS": "1"}, false},
		{"no number", map[string]string{"LISTEN_PID": "7", "LISTEN_FDS": "x"}, true},
		{"too many", map[string]string{"LISTEN_PID": "7", "LISTEN_FDS": "1000"}, true},
		{"none", map[string]string{"LISTEN_PID": "7", "LISTEN_FDS": "0"}, false},
	} {
		s, err := systemd.Inherit(func(name string) string { return tc.env[name] }, 7)
		if (err != nil) != tc.wantErr {
			t.Errorf("%s: %v", tc.name, err)
		}
		if err != nil {
			continue
		}
		if l, pc := s.Take("forward", ":24224"); l != nil || pc != nil || len(s.Left()) != 0 {
			t.Errorf("%s: %v %v", tc.name, l, pc)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}
