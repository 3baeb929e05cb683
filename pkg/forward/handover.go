package forward

import (
	"context"
	"crypto/subtle"
	"errors"
	"io"
	"net"
	"os"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/forward/internal/handshake"
	"github.com/seed-afc6a195/aggregator/pkg/forward/internal/refusal"
)

// HandoverVersion is what HELO says where another aggregator may hand over its queue: see package handover.
const HandoverVersion = 1

// Handover serves a connection on which another aggregator hands over its queue, until that closes it (nil), a read of
// conn fails, or ctx ends. set has whose events are taken.
type Handover func(ctx context.Context, conn net.Conn, set *Config) error

// errHandover is what login returns of a client that is no agent.
var errHandover = errors.New("it hands over a queue")

// handover returns who may hand over here, nil: nobody.
func (s *Server) handover() *HandoverConfig {
	if s.opts.Handover == nil {
		return nil
	}
	return s.limits().Handover
}

// madeWith reports whether the client knows the key.
func (l *Login) madeWith(key string) bool {
	want := handshake.Digest(l.Salt, l.Hostname, string(l.Nonce), key)
	return subtle.ConstantTimeCompare([]byte(want), []byte(l.KeyDigest)) == 1
}

// proof returns what proves to the client that the server knows the key.
func (l *Login) proof(key string) string {
	return handshake.Digest(l.Salt, l.ServerHostname, string(l.Nonce), key)
}

// handOver serves a connection of another aggregator. Like serve it returns why the connection ended, never nil.
func (c *conn) handOver(ctx context.Context) error {
	err := c.server.opts.Handover(ctx, drainedConn{c.net, &c.drain}, c.server.limits())
	switch {
	case err == nil:
		return io.EOF
	case errors.Is(err, os.ErrDeadlineExceeded) && c.drain.due():
		return errDrained
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errIdle
	}
	return refusal.New(refusal.Handover, "what it hands over: %w", err)
}

// drainedConn is a connection that ends with the server between two reads: what is read and not acknowledged is sent
// again.
type drainedConn struct {
	net.Conn
	drain *drainState
}

// SetReadDeadline implements net.Conn.
func (c drainedConn) SetReadDeadline(t time.Time) error {
	c.drain.wait(t, true)
	return nil
}
