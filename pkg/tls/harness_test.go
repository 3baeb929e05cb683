package tls

import (
	"bytes"
	stdtls "crypto/tls"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/tls/tlstest"
)

// handshake connects both sides and returns what each found. Without an error, a byte went both ways.
func handshake(
	tb testing.TB, server, client *stdtls.Config,
) (atServer, atClient stdtls.ConnectionState, serverErr, clientErr error) {
	tb.Helper()
	far, near := socketPair(tb)
	var sides sync.WaitGroup
	sides.Go(func() {
		defer far.Close()
		conn := stdtls.Server(far, server)
		b := make([]byte, 1)
		if _, serverErr = conn.Read(b); serverErr == nil {
			_, serverErr = conn.Write(b)
		}
		atServer = conn.ConnectionState()
	})
	conn := stdtls.Client(near, client)
	clientErr = ping(conn)
	atClient = conn.ConnectionState()
	near.Close()
	sides.Wait()
	return atServer, atClient, serverErr, clientErr
}

// socketPair returns both ends of a connection that, unlike net.Pipe's, holds what nobody reads yet:
// with TLS both sides may write at once.
func socketPair(tb testing.TB) (a, b net.Conn) {
	tb.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		tb.Fatal(err)
	}
	var conns [2]net.Conn
	for i, fd := range fds {
		file := os.NewFile(uintptr(fd), "socket")
		if conns[i], err = net.FileConn(file); err != nil {
			tb.Fatal(err)
		}
		file.Close()
	}
	return conns[0], conns[1]
}

// ping sends one byte and waits for one.
func ping(conn net.Conn) error {
	if _, err := conn.Write([]byte("x")); err != nil {
		return err
	}
	_, err := conn.Read(make([]byte, 1))
	return err
}

// shown returns the serial number that a new connection to the listener is shown.
func shown(tb testing.TB, listener *stdtls.Config, ca *tlstest.CA) string {
	tb.Helper()
	_, atClient, serverErr, err := handshake(tb, listener, &stdtls.Config{RootCAs: ca.Pool(), ServerName: "localhost"})
	if err != nil || serverErr != nil {
		tb.Fatalf("handshake: %v, server: %v", err, serverErr)
	}
	return atClient.PeerCertificates[0].SerialNumber.Text(16)
}

func newServer(tb testing.TB, set setting.ServerTLS, o Options) *Server {
	tb.Helper()
	s, err := NewServer(set, o)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func serial(p tlstest.Pair) string { return p.Leaf.SerialNumber.Text(16) }

// secret is a directory as a kubelet keeps it: the files are links through ..data, which is swapped.
type secret struct {
	dir      string
	versions int
}

func newSecret(tb testing.TB, content map[string][]byte) *secret {
	tb.Helper()
	s := &secret{dir: tb.TempDir()}
	s.swap(tb, content)
	for name := range content {
		if err := os.Symlink(filepath.Join("..data", name), s.path(name)); err != nil {
			tb.Fatal(err)
		}
	}
	return s
}

func (s *secret) path(name string) string { return filepath.Join(s.dir, name) }

func (s *secret) swap(tb testing.TB, content map[string][]byte) {
	tb.Helper()
	old, _ := os.Readlink(s.path("..data"))
	s.versions++
	version := "..version" + strings.Repeat("+", s.versions)
	if err := os.Mkdir(s.path(version), 0o700); err != nil {
		tb.Fatal(err)
	}
	for name, data := range content {
		tlstest.Write(tb, s.path(filepath.Join(version, name)), data)
	}
	if err := os.Symlink(version, s.path("..new")); err != nil {
		tb.Fatal(err)
	}
	if err := os.Rename(s.path("..new"), s.path("..data")); err != nil {
		tb.Fatal(err)
	}
	if old != "" {
		if err := os.RemoveAll(s.path(old)); err != nil {
			tb.Fatal(err)
		}
	}
}

func pairFiles(p tlstest.Pair) map[string][]byte {
	return map[string][]byte{"tls.crt": p.CertPEM, "tls.key": p.KeyPEM}
}

// logs gathers log lines.
type logs struct{ bytes.Buffer }

func (l *logs) logger() zerolog.Logger { return zerolog.New(&l.Buffer) }

// take returns level and message of the lines since the last call.
func (l *logs) take(tb testing.TB) (lines []string) {
	tb.Helper()
	d := json.NewDecoder(&l.Buffer)
	for d.More() {
		var line struct{ Level, Message string }
		if err := d.Decode(&line); err != nil {
			tb.Fatal(err)
		}
		lines = append(lines, line.Level+" "+line.Message)
	}
	l.Reset()
	return lines
}
