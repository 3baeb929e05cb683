package forwardtest

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// Step is one thing that an agent does.
type Step func(tb testing.TB, nc net.Conn)

// Run does the steps on nc, one after the other, and closes it.
func Run(tb testing.TB, nc net.Conn, steps ...Step) {
	tb.Helper()
	defer nc.Close() //nolint:errcheck // it may be closed already
	for _, step := range steps {
		step(tb, nc)
	}
}

// Send writes all parts at once.
func Send(parts ...[]byte) Step {
	return func(tb testing.TB, nc net.Conn) {
		tb.Helper()
		if _, err := nc.Write(bytes.Join(parts, nil)); err != nil {
			tb.Errorf("sending: %v", err)
		}
	}
}

// SendPieces writes b in pieces of size bytes, stopping without an error when the server closes.
func SendPieces(b []byte, size int) Step {
	return func(tb testing.TB, nc net.Conn) {
		tb.Helper()
		for len(b) > 0 {
			n := min(size, len(b))
			if _, err := nc.Write(b[:n]); err != nil {
				return
			}
			b = b[n:]
		}
	}
}

// ExpectAcks reads acks of the chunks, in their order; each read must bring whole ones.
func ExpectAcks(chunks ...string) Step {
	return func(tb testing.TB, nc net.Conn) {
		tb.Helper()
		buf := make([]byte, 1<<16)
		for len(chunks) > 0 {
			n, err := nc.Read(buf)
			if err != nil {
				tb.Errorf("ack of %q: %v", chunks[0], err)
				return
			}
			for got := buf[:n]; len(got) > 0; chunks = chunks[1:] {
				var ok bool
				if len(chunks) > 0 {
					got, ok = bytes.CutPrefix(got, Ack(chunks[0]))
				}
				if !ok {
					tb.Errorf("ack: got % x; want those of %q", buf[:n], chunks)
					return
				}
			}
		}
	}
}

// ExpectClose reads until the server closes, and nothing may come before.
func ExpectClose(tb testing.TB, nc net.Conn) {
	tb.Helper()
	b, err := io.ReadAll(nc)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrClosedPipe) {
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			tb.Errorf("the connection is still open: %v", err)
		}
	}
	if len(b) > 0 {
		tb.Errorf("before it closed, the server sent % x", b)
	}
}

// Sleep waits; in a synctest bubble it takes no time.
func Sleep(d time.Duration) Step {
	return func(testing.TB, net.Conn) { time.Sleep(d) }
}
