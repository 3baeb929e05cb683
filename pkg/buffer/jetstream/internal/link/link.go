// Package link is the connection of a process to the servers: it is made for as long as that takes, with the login and
// the certificates of the moment, and remembers what servers have refused.
package link

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
)

const (
	// maxInbox is how many bytes of a connection's own messages are kept while it is being made again.
	maxInbox = 8 << 20
	// lately is how long a refusal explains what does not work.
	lately = 15 * time.Second
	// poll is how often AwaitConnected looks.
	poll = 10 * time.Millisecond
)

// Options is what a connection is made with.
type Options struct {
	Config *buffer.JetStreamConfig
	// Name names the process to the servers' operators.
	Name string
	// TLS returns how a server is spoken to, and is asked at each connection; nil: as the URLs say.
	TLS func(host string) *tls.Config
	// InProcess is, in tests, the server.
	InProcess nats.InProcessConnProvider
	// Turned is called when the connection is made or lost, from Dial on.
	Turned func()
}

// Link is the connection, and what the servers refused. Safe for concurrent use.
type Link struct {
	conn  *nats.Conn
	login atomic.Pointer[buffer.JetStreamConfig]
	// refused is what a server last said of a permission or a login.
	refused atomic.Pointer[refusal]
	closed  chan struct{} // closed when the connection is, for good
}

type refusal struct {
	at  time.Time
	err error
}

// Dial returns a connection that is being made, for as long as that takes, and again whenever it is lost. Close ends
// it. It fails where the options make no sense.
func Dial(o *Options) (*Link, error) {
	l := &Link{closed: make(chan struct{})}
	l.login.Store(o.Config)
	nc, err := nats.Connect(strings.Join(o.Config.URLs, ","), l.options(o)...)
	if err != nil {
		return nil, fmt.Errorf("connect to NATS: %w", err)
	}
	l.conn = nc
	return l, nil
}

// Conn returns the connection.
func (l *Link) Conn() *nats.Conn { return l.conn }

// SetLogin replaces user, password and token, from the next connection on. A credentials file is read at each.
func (l *Link) SetLogin(cfg *buffer.JetStreamConfig) { l.login.Store(cfg) }

// Close closes the connection, and waits until nothing is called any more.
func (l *Link) Close() {
	l.conn.Close()
	<-l.closed
}

// AwaitConnected waits until there is a connection. false: ctx has ended before.
func (l *Link) AwaitConnected(ctx context.Context) bool {
	if l.conn.IsConnected() {
		return true
	}
	t := time.NewTicker(poll)
	defer t.Stop()
	for !l.conn.IsConnected() {
		select {
		case <-t.C:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// WhyNot returns what a server refused lately, or else err.
func (l *Link) WhyNot(err error) error {
	if r := l.refused.Load(); r != nil && time.Since(r.at) < lately && err != nil {
		return fmt.Errorf("%w (%w)", r.err, err)
	}
	return err
}

func (l *Link) options(o *Options) []nats.Option {
	cfg := o.Config
	options := []nats.Option{
		nats.Name(o.Name), nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1),
		nats.ReconnectWait(250 * time.Millisecond), nats.ReconnectJitter(250*time.Millisecond, time.Second),
		nats.ReconnectBufSize(maxInbox), nats.Timeout(3 * time.Second), nats.PingInterval(5 * time.Second),
		nats.MaxPingsOutstanding(2), nats.IgnoreAuthErrorAbort(), nats.FlusherTimeout(10 * time.Second),
		nats.ConnectHandler(func(*nats.Conn) { o.Turned() }),
		nats.ReconnectHandler(func(*nats.Conn) {
			l.refused.Store(nil)
			o.Turned()
		}),
		nats.DisconnectErrHandler(func(*nats.Conn, error) { o.Turned() }),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) { l.note(err) }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { l.note(err) }),
		nats.ClosedHandler(func(*nats.Conn) { close(l.closed) }),
	}
	switch {
	case cfg.CredentialsFile != "":
		options = append(options, nats.UserCredentials(cfg.CredentialsFile))
	case cfg.Token.Reveal() != "":
		options = append(options, nats.TokenHandler(func() string { return l.login.Load().Token.Reveal() }))
	case cfg.Username != "":
		options = append(options, nats.UserInfoHandler(func() (string, string) {
			login := l.login.Load()
			return login.Username, login.Password.Reveal()
		}))
	}
	if o.TLS != nil {
		options = append(options, secure(o.TLS))
	}
	if o.InProcess != nil {
		options = append(options, nats.InProcessServer(o.InProcess))
	}
	return options
}

// secure has each connection ask how its server is to be trusted, and what is shown to it.
func secure(how func(host string) *tls.Config) nats.Option {
	return func(o *nats.Options) error {
		// The client fills in the host.
		o.Secure, o.TLSConfig = true, how("")
		o.TLSConfig.RootCAs, o.RootCAsCB = nil, func() (*x509.CertPool, error) { return how("").RootCAs, nil }
		o.TLSConfig.GetClientCertificate = func(r *tls.CertificateRequestInfo) (*tls.Certificate, error) {
			if get := how("").GetClientCertificate; get != nil {
				return get(r)
			}
			// None is shown.
			return &tls.Certificate{}, nil
		}
		return nil
	}
}

// note remembers err where it explains what will not work.
func (l *Link) note(err error) {
	if err != nil && !errors.Is(err, nats.ErrSlowConsumer) {
		l.refused.Store(&refusal{time.Now(), err})
	}
}
