package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tinylib/msgp/msgp"
)

// A peer is the server's side of a connection, as a test plays it.
type peer struct {
	t    *testing.T
	conn net.Conn
	read reader
}

func (p *peer) send(b []byte) {
	if _, err := p.conn.Write(b); err != nil && !errors.Is(err, io.ErrClosedPipe) {
		p.t.Errorf("server: %v", err)
	}
}

// next returns a copy of the next value that the client sent, nil at the end.
func (p *peer) next() []byte {
	value, err := p.read.next()
	if err != nil {
		return nil
	}
	return bytes.Clone(value)
}

// playClient runs server against a Client over a pipe; use gets the client, or Dial's error.
func playClient(t *testing.T, cfg Config, server func(*peer), use func(context.Context, *Client, error)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			defer theirs.Close()
			server(&peer{t: t, conn: theirs, read: reader{from: theirs}})
		}()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		c, err := newClient(ctx, ours, cfg)
		use(t.Context(), c, err)
		ours.Close()
		<-ended
	})
}

func ackOf(chunk string) []byte {
	return msgp.AppendString(msgp.AppendString([]byte{0x81}, "ack"), chunk)
}

// chunkOf returns the chunk option of a frame.
func chunkOf(frame []byte) string {
	n, rest, _ := msgp.ReadArrayHeaderBytes(frame)
	for range n - 1 {
		rest, _ = msgp.Skip(rest)
	}
	chunk, _, _ := msgp.ReadStringBytes(msgp.Locate("chunk", rest))
	return chunk
}

var oneEvent = append(AppendTime([]byte{0x92}, 1, 2), 0x81, 0xa1, 'a', 1)

func TestClientSend(t *testing.T) {
	for _, tc := range []struct {
		name   string
		server func(*peer)
		want   error
		text   string
	}{
		{"acked", func(p *peer) { p.send(ackOf(chunkOf(p.next()))) }, nil, ""},
		{"ack byte by byte", func(p *peer) {
			for _, b := range ackOf(chunkOf(p.next())) {
				p.send([]byte{b})
			}
		}, nil, ""},
		{"ack after another key", func(p *peer) {
			p.send(append(append([]byte{0x82, 0xa1, 'x', 0xc0}, "\xa3ack"...), ackOf(chunkOf(p.next()))[5:]...))
		}, nil, ""},
		{"another ack", func(p *peer) { p.next(); p.send(ackOf("stale")) }, ErrAck, `got "stale"`},
		{"map without ack", func(p *peer) { p.next(); p.send([]byte{0x80}) }, nil, "without an ack"},
		{"ack that is nil", func(p *peer) { p.next(); p.send([]byte("\x81\xa3ack\xc0")) }, nil, "broken ack"},
		{"a number", func(p *peer) { p.next(); p.send([]byte{7}) }, nil, "something else than an ack"},
		{"no msgpack", func(p *peer) { p.next(); p.send([]byte{0xc1}) }, nil, "something else than msgpack"},
		{"HELO", func(p *peer) { p.next(); p.send(heloBytes("nonce", "", true)) }, ErrLogin, "wants a shared key"},
		{"closed", func(p *peer) { p.next() }, io.EOF, ""},
		{"closed in the ack", func(p *peer) { p.send(ackOf(chunkOf(p.next()))[:9]) }, io.ErrUnexpectedEOF, ""},
		{"endless value", func(p *peer) {
			p.next()
			p.send(append([]byte("\x81\xa3ack\xdb\xff\xff\xff\xff"), make([]byte, maxValue)...))
		}, nil, "more than 16384 bytes"},
		{"silence", func(p *peer) { p.next(); p.next() }, os.ErrDeadlineExceeded, ""},
		{"nothing read", func(p *peer) { time.Sleep(2 * time.Minute) }, os.ErrDeadlineExceeded, "sending"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			playClient(t, Config{Address: "test"}, tc.server, func(ctx context.Context, c *Client, err error) {
				if err == nil {
					err = c.Send(ctx, &Message{Tag: "t", Entries: oneEvent, Events: 1, Chunk: NewChunk()})
				}
				checkClientError(t, err, tc.want, tc.text)
			})
		})
	}
}

// checkClientError compares an error with the wanted one and the wanted text; neither: there must be none.
func checkClientError(t *testing.T, err, want error, text string) {
	t.Helper()
	switch {
	case want == nil && text == "" && err != nil:
		t.Errorf("error %v", err)
	case want != nil && !errors.Is(err, want), text != "" && (err == nil || !strings.Contains(err.Error(), text)):
		t.Errorf("error %v, want %v %q", err, want, text)
	}
}

func TestClientPipelinesAcks(t *testing.T) {
	server := func(p *peer) {
		var acks []byte
		for range 3 {
			acks = append(acks, ackOf(chunkOf(p.next()))...)
		}
		p.send(acks)
	}
	playClient(t, Config{}, server, func(ctx context.Context, c *Client, err error) {
		var e Encoder
		for i := 0; i < 3 && err == nil; i++ {
			var frame []byte
			if frame, err = e.Append(nil, &Message{
				Tag: "t", Entries: oneEvent, Events: 1, Chunk: strconv.Itoa(i),
			}); err == nil {
				err = c.Write(ctx, frame)
			}
		}
		for i := 0; i < 3 && err == nil; i++ {
			err = c.ReadAck(ctx, strconv.Itoa(i))
		}
		if err != nil {
			t.Error(err)
		}
	})
}

func TestClientWithoutAckWaitsForNothing(t *testing.T) {
	playClient(t, Config{}, func(p *peer) { p.next() }, func(ctx context.Context, c *Client, err error) {
		if err := errors.Join(err, c.Send(ctx, &Message{Tag: "t", Entries: oneEvent, Events: 1})); err != nil {
			t.Error(err)
		}
	})
}

func TestClientEndsWithItsContext(t *testing.T) {
	playClient(t, Config{}, func(p *peer) { p.next(); p.next() }, func(ctx context.Context, c *Client, err error) {
		stop := errors.New("enough")
		ctx, cancel := context.WithCancelCause(ctx)
		time.AfterFunc(time.Second, func() { cancel(stop) })
		start := time.Now()
		err = errors.Join(err, c.Send(ctx, &Message{Tag: "t", Entries: oneEvent, Events: 1, Chunk: "c"}))
		if !errors.Is(err, stop) || time.Since(start) != time.Second {
			t.Errorf("error %v after %v", err, time.Since(start))
		}
	})
}

func TestClientAddress(t *testing.T) {
	for in, want := range map[string]string{
		"127.0.0.1:24224": "tcp 127.0.0.1:24224 127.0.0.1",
		"logs.example":    "tcp logs.example:24224 logs.example", "[::1]:5": "tcp [::1]:5 ::1",
		"::1": "tcp [::1]:24224 ::1", "[::1]": "tcp [::1]:24224 ::1", "unix:/run/a.sock": "unix /run/a.sock localhost",
		"": "no host", ":24224": "no host", "unix:": "no path", "a:b:c": "write host:port",
	} {
		network, address, host, err := splitAddress(in)
		got := strings.Join([]string{network, address, host}, " ")
		if err != nil {
			got = err.Error()
		}
		if err == nil && got != want || !strings.Contains(got, want) {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}

func TestDial(t *testing.T) {
	certified := httptest.NewTLSServer(nil)
	defer certified.Close()
	roots := x509.NewCertPool()
	roots.AddCert(certified.Certificate())
	for _, tc := range []struct {
		name, network, address string
		server, client         *tls.Config
		unknown                bool // the server's certificate is refused
	}{
		{name: "tcp", network: "tcp", address: "127.0.0.1:0"},
		{name: "unix", network: "unix", address: filepath.Join(t.TempDir(), "s")},
		{
			name: "tls", network: "tcp", address: "127.0.0.1:0", server: certified.TLS,
			client: &tls.Config{RootCAs: roots},
		},
		{
			name: "tls over unix", network: "unix", address: filepath.Join(t.TempDir(), "s"), server: certified.TLS,
			client: &tls.Config{RootCAs: roots, ServerName: "example.com"},
		},
		{
			name: "unknown authority", network: "tcp", address: "127.0.0.1:0", server: certified.TLS,
			client: &tls.Config{}, unknown: true,
		},
		{
			name: "other name", network: "tcp", address: "127.0.0.1:0", server: certified.TLS,
			client: &tls.Config{RootCAs: roots, ServerName: "x.example"}, unknown: true,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l, err := net.Listen(tc.network, tc.address)
			if err != nil {
				t.Fatal(err)
			}
			if tc.server != nil {
				l = tls.NewListener(l, tc.server)
			}
			defer l.Close()
			go func() {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				p := &peer{t: t, conn: conn, read: reader{from: conn}}
				if frame := p.next(); frame != nil {
					p.send(ackOf(chunkOf(frame)))
				}
				p.next() // until the client closes
				conn.Close()
			}()
			address := l.Addr().String()
			if tc.network == "unix" {
				address = "unix:" + address
			}
			c, err := Dial(t.Context(), Config{Address: address, TLS: tc.client})
			if tc.unknown {
				if _, ok := errors.AsType[*tls.CertificateVerificationError](err); !ok {
					t.Errorf("error %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Send(t.Context(), &Message{Tag: "t", Entries: oneEvent, Events: 1, Chunk: "c"}); err != nil {
				t.Error(err)
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	// Its own end of a connection is an address where nobody listens, nor anybody else can meanwhile.
	taken, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	if _, err := Dial(t.Context(), Config{Address: taken.LocalAddr().String()}); err == nil ||
		!strings.Contains(err.Error(), "refused") {
		t.Errorf("nobody listens: error %v", err)
	}
}

func TestClientFinish(t *testing.T) {
	for _, tc := range []struct {
		name   string
		server func(p *peer)
		want   error
		text   string
	}{
		{"read whole", func(p *peer) { p.next(); p.next() }, nil, ""},
		{"read whole, with an ack", func(p *peer) { p.next(); p.send(ackOf("x")); p.next() }, nil, ""},
		{"a key is wanted", func(p *peer) { p.send(heloBytes("nonce", "", true)); p.next(); p.next() }, ErrLogin, ""},
		{"reset", func(p *peer) { p.next(); _ = p.conn.(*net.TCPConn).SetLinger(0) }, nil, "to have read everything"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				conn, err := l.Accept()
				if err != nil {
					return
				}
				defer conn.Close()
				tc.server(&peer{t: t, conn: conn, read: reader{from: conn}})
			}()
			c, err := Dial(t.Context(), Config{Address: l.Addr().String()})
			if err != nil {
				t.Fatal(err)
			}
			err = c.Send(t.Context(), &Message{Tag: "t", Entries: oneEvent, Events: 1})
			err = errors.Join(err, c.Finish(t.Context()))
			checkClientError(t, err, tc.want, tc.text)
			<-ended
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := Dial(t.Context(), Config{Address: l.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	checkClientError(t, c.Finish(ctx), context.DeadlineExceeded, "to have read everything")
}

func TestClientLoginDoesNotPrint(t *testing.T) {
	cfg := Config{Login: &Login{SharedKey: "k3y", Password: "s3cret"}}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(verb, cfg.Login); text != "<secret>" {
			t.Errorf("%s: %s", verb, text)
		}
	}
}
