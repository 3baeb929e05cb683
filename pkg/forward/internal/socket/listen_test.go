package socket

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"testing"
)

func TestOnLoopback(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1:24224": true, "127.8.8.8:1": true, "[::1]:24224": true, "localhost:24224": true,
		"[::ffff:127.0.0.1]:1": true, ":24224": false, "0.0.0.0:24224": false, "[::]:1": false, "10.0.0.1:1": false,
		"elsewhere:24224": false, "127.0.0.1": false, "": false,
	} {
		if got := OnLoopback(address); got != want {
			t.Errorf("%s: %v", address, got)
		}
	}
}

// TCP and UDP get the same port; without heartbeats there is no UDP.
func TestListenTCP(t *testing.T) {
	var lc net.ListenConfig
	l, pc, err := ListenTCP(t.Context(), &lc, "127.0.0.1:0", true)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	defer pc.Close()
	if l.Addr().String() != pc.LocalAddr().String() {
		t.Errorf("TCP at %s, UDP at %s", l.Addr(), pc.LocalAddr())
	}
	if _, _, err := ListenTCP(t.Context(), &lc, l.Addr().String(), false); err == nil {
		t.Error("two listen at one address")
	}
	plain, none, err := ListenTCP(t.Context(), &lc, "127.0.0.1:0", false)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	if none != nil {
		t.Error("heartbeats are answered that nobody wants")
	}
}

// Only a socket on which nobody listens any more is removed.
func TestRemoveStale(t *testing.T) {
	dir := t.TempDir()
	listen := func(name string) (string, *net.UnixListener) {
		path := filepath.Join(dir, name)
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		l.SetUnlinkOnClose(false)
		return path, l
	}
	left, l := listen("left")
	l.Close()
	used, l := listen("used")
	defer l.Close()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		path        string
		fails, stay bool
	}{
		{left, false, false}, {used, true, true}, {file, true, true}, {filepath.Join(dir, "none"), false, false},
	} {
		if err := RemoveStale(t.Context(), tc.path); (err != nil) != tc.fails {
			t.Errorf("%s: %v", tc.path, err)
		}
		if _, err := os.Stat(tc.path); (err == nil) != tc.stay {
			t.Errorf("%s: %v", tc.path, err)
		}
	}
}

// Nobody gets more bytes than he sent.
func TestAnswerHeartbeats(t *testing.T) {
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { AnswerHeartbeats(pc); close(ended) }()
	client, err := net.Dial("udp", pc.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for _, sent := range []string{"", "x", "much more"} {
		if _, err := client.Write([]byte(sent)); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 100)
		n, err := client.Read(got)
		if err != nil {
			t.Fatal(err)
		}
		if want := make([]byte, min(len(sent), 1)); !bytes.Equal(got[:n], want) {
			t.Errorf("%q was answered with %x", sent, got[:n])
		}
	}
	pc.Close()
	<-ended
}
