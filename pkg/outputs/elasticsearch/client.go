package elasticsearch

import (
	"context"
	stdtls "crypto/tls"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// Options are what an output needs besides its settings.
type Options struct {
	// TLS returns the configuration for one dial of host, a name or an address without its port; the
	// client takes a new one for every dial. nil: Go's defaults, with TLS 1.2 at least.
	TLS func(host string) *stdtls.Config
	Log zerolog.Logger
	Now func() time.Time // nil: time.Now
}

// client sends requests to the hosts in turn. Safe for concurrent use.
type client struct {
	hosts []*url.URL
	http  *http.Transport
}

// newClient returns a client of the hosts of cfg. It does not reach them.
func newClient(cfg Config, _ Options) (*client, error) {
	c := &client{http: &http.Transport{}}
	for _, h := range cfg.Hosts {
		u, err := url.Parse(h)
		if err != nil {
			return nil, fmt.Errorf("hosts: %w", err)
		}
		c.hosts = append(c.hosts, u)
	}
	return c, nil
}

// perform sends req, whose URL has a path and a query only, to one host and returns its reply, whatever
// its status. It changes req, which is for one call. The caller closes the reply's body. There is no second
// try, and the body is not copied; the time is bounded by req's context alone.
func (c *client) perform(req *http.Request) (*http.Response, error) {
	req.URL.Scheme, req.URL.Host = c.hosts[0].Scheme, c.hosts[0].Host
	return c.http.RoundTrip(req)
}

// prepare learns what the servers are and makes the index template. Its error is a *outputs.SendError.
// Once it has returned nil it does nothing.
func (c *client) prepare(context.Context) error { return nil }

// server returns what prepare has learned of the servers.
func (c *client) server() server { return server{flavor: elasticsearch} }

// report fills in what the client knows: Server, Hosts and Notices.
func (c *client) report(*outputs.Report) {}

// close closes idle connections. No perform runs or follows.
func (c *client) close() { c.http.CloseIdleConnections() }
