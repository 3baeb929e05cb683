package elasticsearch

import (
	"context"
	stdtls "crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/elastic/elastic-transport-go/v8/elastictransport"
	"github.com/klauspost/compress/gzip"
	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/internal/logevery"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/awsclient"
)

const (
	userAgent   = "aggregator"
	dialTimeout = 10 * time.Second
	// idleConnections is less than proxies and load balancers usually wait.
	idleConnections = 30 * time.Second
	// maxReplyHeader is in bytes.
	maxReplyHeader = 256 << 10
	// connectionBuffer is in bytes, for writing; replies are small.
	connectionBuffer = 64 << 10
)

// Options are what an output needs besides its settings.
type Options struct {
	// TLS returns the configuration for one dial of host, a name or an address without its port; the
	// client takes a new one for every dial. nil: Go's defaults, with TLS 1.2 at least.
	TLS func(host string) *stdtls.Config
	Log zerolog.Logger
	// Now may be nil: time.Now.
	Now func() time.Time
	// Credentials are those of AWS, shared by all outputs of the process; nil: the output's own.
	Credentials *awsclient.Credentials
}

// client sends requests to the hosts in turn. Safe for concurrent use.
type client struct {
	cfg Config
	log zerolog.Logger
	now func() time.Time
	// authorization is the header; "" for none.
	authorization string
	// secrets are what no reply may show.
	secrets [][]byte
	http    *http.Transport
	// signer may be nil: requests are not signed.
	signer *awsclient.Signer
	// prepared is prepare's own.
	prepared bool
	// longestProbe is how long a probe may take.
	longestProbe time.Duration

	// probes are those of hosts that no request waits for.
	probes sync.WaitGroup
	alive  context.Context
	// end ends alive.
	end context.CancelFunc

	mu sync.Mutex
	// hosts is the fields below a host's own are guarded by mu.
	hosts []*host
	// next is the host whose turn is next.
	next    int
	known   server
	notices []string

	// warnings is how often it is told that hosts fail.
	warnings logevery.Limit
}

// newClient returns a client of the hosts of cfg. It does not reach them.
func newClient(cfg Config, o Options) (*client, error) {
	c := &client{
		cfg: cfg, log: o.Log, now: o.Now, authorization: authorization(&cfg), secrets: secrets(&cfg),
		warnings: logevery.Limit{Every: quiet}, longestProbe: min(probeTimeout, cfg.Settings().Timeout/2),
	}
	var err error
	if c.http, err = newTransport(&cfg, o.TLS); err != nil {
		return nil, err
	}
	c.alive, c.end = context.WithCancel(context.Background())
	if c.now == nil {
		c.now = time.Now
	}
	through := http.RoundTripper(c.http)
	if cfg.AWS != nil {
		c.signer = awsclient.NewSigner(cfg.AWS.identity(cfg.Proxy), cfg.AWS.Service,
			awsclient.Options{Log: o.Log, Credentials: o.Credentials}, c.now)
		through = c.signer.Transport(c.http)
	}
	hosts, err := cfg.addresses()
	if err != nil {
		return nil, err
	}
	c.known = assumed(flavor(cfg.Flavor))
	for _, text := range hosts {
		u, err := parseHost(text)
		if err != nil {
			return nil, fmt.Errorf("hosts: %w", err)
		}
		h, err := newHost(u, through)
		if err != nil {
			return nil, fmt.Errorf("hosts: %w", err)
		}
		if u.Scheme == "http" && (c.authorization != "" || c.signer != nil) {
			c.notice("the credentials go to %s unencrypted: use https", h.address)
		}
		c.hosts = append(c.hosts, h)
	}
	if len(c.hosts) == 0 {
		return nil, errors.New("hosts: there is none")
	}
	return c, nil
}

// newTransport returns what all hosts' connections are kept in.
func newTransport(cfg *Config, config func(host string) *stdtls.Config) (*http.Transport, error) {
	proxy, err := outputs.ParseProxy(cfg.Proxy)
	if err != nil {
		return nil, err
	}
	if config == nil {
		config = func(host string) *stdtls.Config {
			return &stdtls.Config{ServerName: host, MinVersion: stdtls.VersionTLS12}
		}
	}
	t := &http.Transport{
		TLSClientConfig:     config(""),
		TLSHandshakeTimeout: dialTimeout,
		// There is one for a probe too.
		MaxIdleConnsPerHost:    cfg.Settings().Workers + 1,
		IdleConnTimeout:        idleConnections,
		MaxResponseHeaderBytes: maxReplyHeader,
		WriteBufferSize:        connectionBuffer,
		// Replies are asked to be short.
		DisableCompression: true,
	}
	outputs.SecureTransport(t, proxy, config, dialTimeout)
	return t, nil
}

// newHost returns a host that is not reached before its turn comes.
func newHost(u *url.URL, t http.RoundTripper) (*host, error) {
	transport, err := elastictransport.NewClient(elastictransport.WithURLs(u), elastictransport.WithTransport(t),
		elastictransport.WithDisableRetry(), elastictransport.WithUserAgent(userAgent))
	if err != nil {
		return nil, err
	}
	return &host{address: u.String(), transport: transport}, nil
}

// authorization returns the header that proves who the client is.
func authorization(cfg *Config) string {
	switch {
	case cfg.APIKey.IsSet():
		key := strings.TrimSpace(cfg.APIKey.Reveal())
		// It is id:key; the encoded form has no colon.
		if strings.Contains(key, ":") {
			key = base64.StdEncoding.EncodeToString([]byte(key))
		}
		return "ApiKey " + key
	case cfg.BearerToken.IsSet():
		return "Bearer " + strings.TrimSpace(cfg.BearerToken.Reveal())
	case cfg.Username != "":
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(cfg.Username+":"+cfg.Password.Reveal()))
	}
	return ""
}

// perform sends req, whose URL has a path and a query only, to one host and returns its reply, whatever
// its status. It changes req, which is for one call. The caller closes the reply's body. There is no second
// try once req is on its way, and the body is not copied; the time is bounded by req's context alone.
func (c *client) perform(req *http.Request) (*http.Response, error) {
	h, err := c.take(req.Context())
	if err != nil {
		return nil, err
	}
	return c.performAt(h, req)
}

// performAt is perform at h.
func (c *client) performAt(h *host, req *http.Request) (*http.Response, error) {
	res, err := c.do(h, req)
	switch {
	case err != nil && awsclient.Unsigned(err):
		// This says nothing about the host.
		return nil, unsigned(err)
	case err != nil && req.Context().Err() == context.Canceled:
		if hung, ok := errors.AsType[*hungError](context.Cause(req.Context())); ok {
			// Watch has noted it.
			err = hung
		}
		return nil, &hostError{h.address, err} // else that says nothing about the host
	case err != nil:
		c.failed(h, err)
		return nil, &hostError{h.address, err}
	case res.StatusCode == http.StatusBadGateway || res.StatusCode == http.StatusServiceUnavailable ||
		res.StatusCode == http.StatusGatewayTimeout:
		c.failed(h, fmt.Errorf("it answered %s", status(res.StatusCode)))
	default:
		c.works(h)
	}
	if wish := retryAfter(res.Header.Get("Retry-After"), c.now); wish > 0 && c.wishes(h, wish) {
		// It is not the others'.
		res.Header.Del("Retry-After")
	}
	return res, nil
}

// do adds the credentials and sends to h. The reply's body is not compressed.
func (c *client) do(h *host, req *http.Request) (*http.Response, error) {
	if c.authorization != "" {
		req.Header.Set("Authorization", c.authorization)
	}
	for name, value := range c.cfg.Headers {
		req.Header.Set(name, value.Reveal())
	}
	res, err := h.transport.Perform(req)
	if err == nil && strings.EqualFold(res.Header.Get("Content-Encoding"), "gzip") {
		res.Body = &unzipped{Closer: res.Body, packed: res.Body}
	}
	if err == nil {
		// It may say what it was sent.
		concealReply(res, c.secrets)
	}
	return res, err
}

// unzipped is the body of a reply that was compressed without being asked for, as some proxies do.
type unzipped struct {
	io.Closer
	packed io.Reader
	// zip may be nil before the first Read.
	zip *gzip.Reader
}

// Read satisfies io.Reader.
func (u *unzipped) Read(p []byte) (n int, err error) {
	if u.zip == nil {
		if u.zip, err = gzip.NewReader(u.packed); err != nil {
			return 0, err
		}
	}
	return u.zip.Read(p)
}

// server returns what is known of the servers.
func (c *client) server() server {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.known
}

// notice keeps what the operator should know, once, and logs it. Everybody sees it.
func (c *client) notice(format string, args ...any) {
	text := outputs.Public(fmt.Sprintf(format, args...))
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range c.notices {
		if n == text {
			return
		}
	}
	c.notices = append(c.notices, text)
	c.log.Warn().Msg(text)
}

// prepare learns what the servers are and makes the index template. Its error is a *outputs.SendError.
// Once it has returned nil it does nothing. It is called by one goroutine at a time.
func (c *client) prepare(ctx context.Context) error {
	if c.prepared {
		return nil
	}
	h, err := c.take(ctx)
	if err != nil {
		return asSendError(err)
	}
	c.mu.Lock()
	refused := h.refused
	if refused != nil {
		// It is asked again next time.
		h.ready = false
	}
	c.mu.Unlock()
	if refused != nil {
		return refused
	}
	if c.cfg.Alias == "" {
		// Each alias has a template of its own.
		if err := c.makeTemplate(ctx); err != nil {
			return err
		}
	}
	c.prepared = true
	return nil
}

// report fills in what the client knows: Server, Hosts and Notices.
func (c *client) report(r *outputs.Report) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r.Server = c.known.name()
	r.Notices = append(r.Notices, c.notices...)
	for _, h := range c.hosts {
		host := outputs.Host{Address: h.address, Down: h.fails > 0}
		if host.Down {
			host.Error, host.Since = h.last, h.since
		}
		r.Hosts = append(r.Hosts, host)
	}
}

// close ends probes and closes idle connections. No perform runs or follows.
func (c *client) close() {
	c.end()
	c.probes.Wait()
	c.http.CloseIdleConnections()
}
