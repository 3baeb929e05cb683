package link

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
)

// A refusal explains what does not work for a while.
func TestWhyNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, fault := &Link{}, errors.New("no answer")
		if got := l.WhyNot(fault); !errors.Is(got, fault) || got.Error() != "no answer" {
			t.Errorf("%v", got)
		}
		l.note(nats.ErrSlowConsumer)
		if got := l.WhyNot(fault); errors.Is(got, nats.ErrSlowConsumer) {
			t.Errorf("%v is no refusal", got)
		}
		l.note(nats.ErrAuthorization)
		if got := l.WhyNot(fault); !errors.Is(got, nats.ErrAuthorization) || !errors.Is(got, fault) {
			t.Errorf("%v", got)
		}
		if got := l.WhyNot(nil); got != nil {
			t.Errorf("what works is refused: %v", got)
		}
		time.Sleep(lately)
		if got := l.WhyNot(fault); errors.Is(got, nats.ErrAuthorization) {
			t.Errorf("%v is long ago", got)
		}
	})
}

// options returns what the client is given.
func options(t *testing.T, l *Link, o *Options) *nats.Options {
	t.Helper()
	given := nats.GetDefaultOptions()
	for _, set := range l.options(o) {
		if err := set(&given); err != nil {
			t.Fatal(err)
		}
	}
	return &given
}

// The login of the moment counts at each connection.
func TestLogin(t *testing.T) {
	user := func(password string) *buffer.JetStreamConfig {
		return &buffer.JetStreamConfig{Username: "u", Password: setting.NewSecret(password)}
	}
	token := func(text string) *buffer.JetStreamConfig {
		return &buffer.JetStreamConfig{Token: setting.NewSecret(text)}
	}
	l := &Link{}
	l.SetLogin(user("old"))
	o := options(t, l, &Options{Config: user("old")})
	l.SetLogin(user("new"))
	if name, password := o.UserInfo(); name != "u" || password != "new" {
		t.Errorf("%s with %q", name, password)
	}
	l.SetLogin(token("old"))
	o = options(t, l, &Options{Config: token("old")})
	l.SetLogin(token("new"))
	if got := o.TokenHandler(); got != "new" {
		t.Errorf("token %q", got)
	}
	if o := options(t, l, &Options{Config: &buffer.JetStreamConfig{}}); o.UserInfo != nil || o.TokenHandler != nil {
		t.Error("who has no login shows one")
	}
}

// Whom to trust, and what is shown, is asked at each connection.
func TestTLS(t *testing.T) {
	now := &tls.Config{MinVersion: tls.VersionTLS12}
	o := options(t, &Link{}, &Options{
		Config: &buffer.JetStreamConfig{}, TLS: func(string) *tls.Config { return now.Clone() },
	})
	if !o.Secure || o.TLSConfig.RootCAs != nil {
		t.Errorf("secure: %v", o.Secure)
	}
	if c, err := o.TLSConfig.GetClientCertificate(nil); err != nil || len(c.Certificate) != 0 {
		t.Errorf("%+v is shown: %v", c, err)
	}
	pool := x509.NewCertPool()
	mine := &tls.Certificate{Certificate: [][]byte{{1}}}
	now = &tls.Config{
		MinVersion: tls.VersionTLS12, RootCAs: pool,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return mine, nil },
	}
	if got, err := o.RootCAsCB(); err != nil || got != pool {
		t.Errorf("other authorities: %v", err)
	}
	if c, err := o.TLSConfig.GetClientCertificate(nil); err != nil || c != mine {
		t.Errorf("%+v is shown: %v", c, err)
	}
	if o := options(t, &Link{}, &Options{Config: &buffer.JetStreamConfig{}}); o.Secure {
		t.Error("secure without being asked")
	}
}

// A connection that can't be made yet is no error, and Close ends the attempts.
func TestDial(t *testing.T) {
	l, err := Dial(&Options{
		Config: &buffer.JetStreamConfig{}, Name: "test", Turned: func() {}, InProcess: away{},
	})
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if l.AwaitConnected(ended) {
		t.Error("it is connected to nobody")
	}
	l.Close()
	if !l.Conn().IsClosed() {
		t.Error("it is not closed")
	}
}

// away is a server that can't be reached.
type away struct{}

func (away) InProcessConn() (net.Conn, error) { return nil, errors.New("the server is away") }
