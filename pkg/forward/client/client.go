// Package client is the other side of the Forward protocol: it logs in, sends messages of every form and awaits their
// acks, for the forward output, for aggregator send and for tests.
package client

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
)

// Config says how to reach a Forward server.
type Config struct {
	Address string // host, host:port or unix:/path; the port is 24224 where none is given
	// TLS may be nil: plain; its ServerName is Address's host where empty.
	TLS *tls.Config
	// Login may be nil: the server has no shared key.
	Login *Login
	// DialTimeout is for connecting, TLS and login together; 0: 10 s.
	DialTimeout time.Duration
	// Timeout is for each write, and for each ack once it is waited for; 0: 60 s.
	Timeout time.Duration

	// Connect makes the connection below TLS; nil: a net.Dialer does.
	Connect func(ctx context.Context, network, address string) (net.Conn, error)
}

// Check returns what is wrong with the address, so that nobody tries it again and again.
func (c Config) Check() error {
	_, _, _, err := splitAddress(c.Address)
	return err
}

// Host returns the name or IP address in Address, which a server's certificate must be for; "localhost" for a Unix
// socket, "" for an address that Check refuses.
func (c Config) Host() string {
	_, _, host, _ := splitAddress(c.Address)
	return host
}

// Login is what a server with a shared key wants to know.
type Login struct {
	// SharedKey is "" is a key too.
	SharedKey string
	// Hostname is the client's own name, which must differ from the server's; "": the host's name.
	Hostname string
	// User is told only to a server that asks for users.
	User     string
	Password string
	// Handover says that the key is for handing over a queue, and told only to a server that takes over: else
	// ErrNoHandover.
	Handover bool
}

// Format keeps the secrets out of whatever prints a configuration.
func (*Login) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte("<secret>")) }

// minConcealed is the length from which on a secret is searched in a server's words: a shorter one would be found in
// plain words.
const minConcealed = 6

// conceal puts stars in place of the secrets in a server's words, which are logged and shown.
func (l *Login) conceal(text string) string {
	for _, secret := range []string{l.SharedKey, l.Password} {
		if len(secret) >= minConcealed {
			text = strings.ReplaceAll(text, secret, strings.Repeat("*", len(secret)))
		}
	}
	return text
}

// Errors that a caller decides on; all others are faults of the network or of the server, after
// which a new connection may do better.
var (
	// ErrLogin is returned when server and client can't agree on who they are: a wrong key,
	// user or password, a PONG that proves nothing, a server that wants a key where none is set.
	ErrLogin = errors.New("login failed")
	// ErrNoHandover is returned for a Login with Handover by a server that takes over no queue there.
	ErrNoHandover = errors.New("it takes over no queue there")
	// ErrAck is returned when the server acknowledges another chunk than the one sent.
	ErrAck = errors.New("the server acknowledged another chunk")
)

// Client is one connection to a Forward server. After an error it is of no use but to Close: a
// frame may have been cut, an ack may still be under way. One goroutine may Write while another
// reads acks; Send does both. Making a new connection and sending again what was not
// acknowledged, under the same chunk id, is the caller's business.
type Client struct {
	cfg     Config
	conn    net.Conn
	read    reader
	encoder Encoder
	frame   []byte
}

// Dial connects to a server and, with cfg.Login, logs in. See ErrLogin.
func Dial(ctx context.Context, cfg Config) (*Client, error) {
	network, address, host, err := splitAddress(cfg.Address)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(cfg.DialTimeout, 10*time.Second))
	defer cancel()
	connect := cfg.Connect
	if connect == nil {
		// A dead peer of an idle connection, or of one that waits for an ack, is found within 15 s.
		keepAlive := net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 5 * time.Second, Count: 2}
		connect = (&net.Dialer{KeepAliveConfig: keepAlive}).DialContext
	}
	conn, err := connect(ctx, network, address)
	if err != nil {
		if op, ok := errors.AsType[*net.OpError](err); ok {
			// This one doesn't say the address once more.
			err = op.Err
		}
		return nil, fmt.Errorf("connecting to %s: %w", cfg.Address, cause(ctx, err))
	}
	if cfg.TLS != nil {
		conn = tls.Client(conn, tlsFor(cfg.TLS, host))
	}
	c, err := newClient(ctx, conn, cfg)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("connecting to %s: %w", cfg.Address, err), ignoreClosed(conn.Close()))
	}
	return c, nil
}

// newClient does the TLS handshake and the login on conn, as far as cfg asks for them.
func newClient(ctx context.Context, conn net.Conn, cfg Config) (*Client, error) {
	c := &Client{cfg: cfg, conn: conn, read: reader{from: conn}}
	c.cfg.Timeout = cmp.Or(cfg.Timeout, time.Minute)
	if secure, ok := conn.(*tls.Conn); ok {
		if err := secure.HandshakeContext(ctx); err != nil {
			return nil, fmt.Errorf("TLS handshake: %w", cause(ctx, err))
		}
	}
	if cfg.Login == nil {
		return c, nil
	}
	defer guard(ctx, 0, conn.SetDeadline)()
	if err := logIn(conn, &c.read, *cfg.Login); err != nil {
		return nil, cause(ctx, err)
	}
	return c, nil
}

// Send writes m in one frame and, where m.Chunk is set, returns nil only once the server has
// acknowledged it. See ErrAck.
func (c *Client) Send(ctx context.Context, m *Message) error {
	var err error
	if c.frame, err = c.encoder.Append(c.frame[:0], m); err != nil {
		return err
	}
	if err = c.Write(ctx, c.frame); err != nil || m.Chunk == "" {
		return err
	}
	return c.ReadAck(ctx, m.Chunk)
}

// Write sends frames that Encoder made: whole ones, one or many. nil means that they are on
// their way, not that they arrived.
func (c *Client) Write(ctx context.Context, frames []byte) error {
	defer guard(ctx, c.cfg.Timeout, c.conn.SetWriteDeadline)()
	if _, err := c.conn.Write(frames); err != nil {
		return fmt.Errorf("sending %d bytes to %s: %w", len(frames), c.cfg.Address, cause(ctx, err))
	}
	return nil
}

// ReadAck waits for the next ack and compares it with chunk, the oldest one that has none yet:
// servers answer in order.
func (c *Client) ReadAck(ctx context.Context, chunk string) error {
	value, err := c.Read(ctx)
	if err != nil {
		return err
	}
	got, err := readAck(value)
	if err != nil {
		return fmt.Errorf("waiting for an ack from %s: %w", c.cfg.Address, err)
	}
	if string(got) != chunk {
		return fmt.Errorf("%w: got %.40q, expected %q", ErrAck, got, chunk)
	}
	return nil
}

// Read waits for the next value that the server sends, an ack or what an extension of the protocol has instead. It is
// valid until the next call.
func (c *Client) Read(ctx context.Context) (value []byte, err error) {
	if value, err = c.read.buffered(); value == nil && err == nil {
		stop := guard(ctx, c.cfg.Timeout, c.conn.SetReadDeadline)
		value, err = c.read.next()
		stop()
	}
	if err != nil {
		return nil, fmt.Errorf("waiting for an ack from %s: %w", c.cfg.Address, cause(ctx, err))
	}
	return value, nil
}

// Finish tells the server that nothing more comes and waits until it closes too. Without acks that
// is the best sign there is that it has read everything; an error says that it may not have, as does
// ErrLogin. Then only Close is left to do.
func (c *Client) Finish(ctx context.Context) error {
	defer guard(ctx, c.cfg.Timeout, c.conn.SetDeadline)()
	half, ok := c.conn.(interface{ CloseWrite() error })
	if !ok {
		return fmt.Errorf("%T can't be closed by half", c.conn)
	}
	err := half.CloseWrite()
	var value []byte
	for err == nil {
		if value, err = c.read.next(); err == nil {
			if _, err = readAck(value); !errors.Is(err, ErrLogin) {
				// An ack that nobody asked for, or whatever else, does no harm.
				err = nil
			}
		}
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		// The latter is TLS without a goodbye.
		return nil
	}
	return fmt.Errorf("waiting for %s to have read everything: %w", c.cfg.Address, cause(ctx, err))
}

// Close ends the connection and whatever waits on it.
func (c *Client) Close() error { return ignoreClosed(c.conn.Close()) }

// ignoreClosed drops what closing says about a connection that is gone already.
func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
		return nil
	}
	return err
}

// guard limits what follows to timeout (0: none) and to ctx, until the returned function is called.
func guard(ctx context.Context, timeout time.Duration, setDeadline func(time.Time) error) func() {
	var deadline time.Time
	if timeout > 0 {
		deadline = time.Now().Add(timeout)
	}
	// Fails on a closed connection, as will what follows.
	_ = setDeadline(deadline)
	stop := context.AfterFunc(ctx, func() { _ = setDeadline(time.Unix(1, 0)) })
	return func() { stop() }
}

// cause puts the reason why ctx ended in place of the timeout that its end looks like.
func cause(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) &&
		(errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.Canceled)) {
		return fmt.Errorf("%w (%w)", cause, err)
	}
	return err
}

// splitAddress splits an address as users write it; host is for TLS.
func splitAddress(s string) (network, address, host string, err error) {
	if path, ok := strings.CutPrefix(s, "unix:"); ok {
		if path == "" {
			return "", "", "", fmt.Errorf("address %q: no path (write unix:/path)", s)
		}
		return "unix", path, "localhost", nil
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		host, port = strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"), "24224"
		if strings.Contains(host, ":") && net.ParseIP(host) == nil {
			return "", "", "", fmt.Errorf("address %q: %w (write host:port or unix:/path)", s, err)
		}
	}
	if host == "" {
		return "", "", "", fmt.Errorf("address %q: no host (write host:port or unix:/path)", s)
	}
	return "tcp", net.JoinHostPort(host, port), host, nil
}

// tlsFor fills in the name that the server's certificate must have.
func tlsFor(cfg *tls.Config, host string) *tls.Config {
	cfg = cfg.Clone()
	cfg.ServerName = cmp.Or(cfg.ServerName, host)
	return cfg
}
