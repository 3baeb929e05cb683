package sender

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/tinylib/msgp/msgp"

	"github.com/seed-afc6a195/aggregator/pkg/forward/client"
)

// server is a Forward server that does as the test says with each frame.
type server struct {
	t       *testing.T
	l       net.Listener
	handle  func(conn int, f frame) []byte // what to answer; nil: close the connection
	running sync.WaitGroup

	mu     sync.Mutex
	frames []frame
}

// frame is one message, in the form of a packed one.
type frame struct {
	raw              []byte
	tag, chunk       string
	entries          []byte
	elements, events int
}

func newServer(t *testing.T, handle func(conn int, f frame) []byte) *server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, l: l, handle: handle}
	s.running.Go(func() {
		for n := 1; ; n++ {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.running.Go(func() { s.serve(n, conn) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		s.running.Wait()
	})
	return s
}

func (s *server) serve(n int, conn net.Conn) {
	defer conn.Close()
	var buf []byte
	for {
		rest, err := msgp.Skip(buf)
		if len(buf) == 0 || err != nil {
			more := make([]byte, 256<<10)
			n, err := conn.Read(more)
			if err != nil {
				return
			}
			buf = append(buf, more[:n]...)
			continue
		}
		f := parseFrame(s.t, bytes.Clone(buf[:len(buf)-len(rest)]))
		buf = rest
		s.mu.Lock()
		s.frames = append(s.frames, f)
		s.mu.Unlock()
		answer := s.handle(n, f)
		if answer == nil {
			return
		}
		if _, err := conn.Write(answer); err != nil {
			return
		}
	}
}

// config returns a Config for the server.
func (s *server) config() Config {
	return Config{
		Client: client.Config{Address: s.l.Addr().String()}, Tag: "t", Mode: client.PackedMode, Ack: true,
		Connections: 1, Pipeline: 1,
		RetryTimeout: time.Minute, StopGrace: time.Millisecond,
		Notice: func(format string, args ...any) { s.t.Logf(format, args...) },
	}
}

// got returns the frames so far: a connection that the sender has given up may still bring more.
func (s *server) got() []frame {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.frames)
}

// received returns all records as JSON, in the order in which they came.
func (s *server) received() (records []string) {
	for _, f := range s.got() {
		records = append(records, jsonOf(s.t, f.entries)...)
	}
	return records
}

// jsonOf returns the entries' records as JSON.
func jsonOf(t *testing.T, entries []byte) (records []string) {
	t.Helper()
	for len(entries) > 0 {
		_, rest, _ := msgp.ReadArrayHeaderBytes(entries)
		rest, _ = msgp.Skip(rest)
		var b bytes.Buffer
		after, err := msgp.Skip(rest)
		if err == nil {
			_, err = msgp.UnmarshalAsJSON(&b, rest[:len(rest)-len(after)])
		}
		if err != nil {
			t.Fatalf("entry %x: %v", entries, err)
		}
		records, entries = append(records, b.String()), after
	}
	return records
}

func parseFrame(t *testing.T, raw []byte) frame {
	t.Helper()
	f := frame{raw: raw}
	n, rest, err := msgp.ReadArrayHeaderBytes(raw)
	f.elements = int(n)
	f.tag, rest, _ = msgp.ReadStringBytes(rest)
	switch {
	case n == 4:
		option, _ := msgp.Skip(rest)
		option, _ = msgp.Skip(option)
		f.entries = append([]byte{0x92}, rest[:len(rest)-len(option)]...)
		rest = option
	case msgp.NextType(rest) == msgp.ArrayType:
		after, _ := msgp.Skip(rest)
		_, entries, _ := msgp.ReadArrayHeaderBytes(rest)
		f.entries, rest = entries[:len(entries)-len(after)], after
	default:
		f.entries, rest, err = msgp.ReadBytesZC(rest)
	}
	if err != nil || n < 3 {
		t.Errorf("frame %x: %v", raw, err)
	}
	f.chunk, _, _ = msgp.ReadStringBytes(msgp.Locate("chunk", rest))
	f.events, _, _ = msgp.ReadIntBytes(msgp.Locate("size", rest))
	switch compressed, _, _ := msgp.ReadStringBytes(msgp.Locate("compressed", rest)); compressed {
	case "gzip":
		r, err := gzip.NewReader(bytes.NewReader(f.entries))
		if err == nil {
			f.entries, err = io.ReadAll(r)
		}
		if err != nil {
			t.Errorf("gzip: %v", err)
		}
	case "zstd":
		r, _ := zstd.NewReader(nil)
		defer r.Close()
		if f.entries, err = r.DecodeAll(f.entries, nil); err != nil {
			t.Errorf("zstd: %v", err)
		}
	}
	return f
}

// ack answers as a server should.
func ack(_ int, f frame) []byte {
	if f.chunk == "" {
		return []byte{}
	}
	return msgp.AppendString([]byte("\x81\xa3ack"), f.chunk)
}

// lines opens text as an Input.
func lines(t *testing.T, cfg InputConfig, text string) *Input {
	t.Helper()
	in, err := OpenInput(cfg, nil, bytes.NewReader([]byte(text)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(in.Close)
	return in
}

// readAll takes all that a reader has; err is nil at its end.
func readAll(ctx context.Context, r Reader) (entries []byte, chunks []int, err error) {
	for {
		e, n, err := r.Next(ctx)
		if n > 0 {
			entries, chunks = append(entries, e...), append(chunks, n)
		}
		if errors.Is(err, io.EOF) {
			return entries, chunks, nil
		}
		if err != nil {
			return entries, chunks, err
		}
	}
}
