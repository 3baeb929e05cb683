package app

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/status"
	"github.com/seed-afc6a195/aggregator/pkg/tls"
)

// endpoint is the status endpoint.
type endpoint struct {
	server       *status.Server // nil: none
	certificates *tls.Server    // nil without TLS
}

// listen binds what o says. After an error there is no endpoint.
func (e *endpoint) listen(o status.Options, now func() time.Time) error {
	var certificates *tls.Server
	if set := o.Config.TLS; set != nil {
		var err error
		if certificates, err = tls.NewServer(*set, tls.Options{Log: o.Log, Now: now}); err != nil {
			return fmt.Errorf("status.tls: %w", err)
		}
		o.TLS = certificates.Config()
	}
	s := status.New(o)
	if err := s.Listen(); err != nil {
		return err
	}
	e.server, e.certificates = s, certificates
	return nil
}

// addr returns what the endpoint is bound to, nil where there is none.
func (e *endpoint) addr() net.Addr {
	if e.server == nil {
		return nil
	}
	return e.server.Addr()
}

// url returns where the endpoint is reached from this machine, without a path.
func (e *endpoint) url() string {
	scheme := "http"
	if e.certificates != nil {
		scheme = "https"
	}
	return scheme + "://" + e.addr().String()
}

// shutdown ends the endpoint. Requests may take for as long as grace; the error says that one was cut off.
func (e *endpoint) shutdown(grace time.Duration) error {
	if e.server == nil {
		return nil
	}
	brief, done := context.WithTimeout(context.Background(), grace)
	defer done()
	return e.server.Shutdown(brief)
}
