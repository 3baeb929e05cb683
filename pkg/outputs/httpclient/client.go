package httpclient

import (
	"bytes"
	"context"
	stdtls "crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

const (
	dialTimeout = 10 * time.Second
	// idleConnections is less than proxies and load balancers usually wait.
	idleConnections = 30 * time.Second
	// maxAnswer is how many bytes of an answer are read.
	maxAnswer = 64 << 10
	// maxQuote is how many bytes of it an error shows.
	maxQuote = 300
	// minConcealed is how long a secret is at least: shorter ones would be found in plain words.
	minConcealed = 6
	// maxRetryAfter is the longest wish to wait that is believed.
	maxRetryAfter = 365 * 24 * time.Hour
)

// errTimeout ends a request that took longer than the time-out.
var errTimeout = errors.New("the timeout has passed")

// Options is what a Client needs besides its settings.
type Options struct {
	// TLS returns the settings for a connection to host, for each anew. nil: Go's defaults, with TLS 1.2 at least.
	TLS func(host string) *stdtls.Config
	// Connections counts those that are kept open to one host.
	Connections int
	// Timeout is that of a request.
	Timeout time.Duration
	Now     func() time.Time
}

// Client makes requests, each once. Safe for concurrent use.
type Client struct {
	cfg     Config
	o       Options
	http    *http.Client
	secrets [][]byte
	// zips has *gzip.Writer.
	zips sync.Pool
	zstd *zstd.Encoder

	mu sync.Mutex
	// tokens is nil where there is none at the moment.
	tokens oauth2.TokenSource
}

// New returns a Client, which reaches for nothing before Do.
func New(cfg Config, o Options) (*Client, error) {
	c := &Client{cfg: cfg, o: o, secrets: secrets(&cfg)}
	proxy, err := outputs.ParseProxy(cfg.Proxy)
	if err != nil {
		return nil, err
	}
	config := o.TLS
	if config == nil {
		config = func(host string) *stdtls.Config {
			return &stdtls.Config{ServerName: host, MinVersion: stdtls.VersionTLS12}
		}
	}
	transport := &http.Transport{
		TLSClientConfig: config(""), TLSHandshakeTimeout: dialTimeout, DisableCompression: true,
		MaxIdleConnsPerHost: o.Connections + 1, IdleConnTimeout: idleConnections, MaxResponseHeaderBytes: 256 << 10,
	}
	outputs.SecureTransport(transport, proxy, config, dialTimeout)
	c.http = &http.Client{
		Transport:     transport,
		CheckRedirect: stay,
	}
	c.zips.New = func() any {
		// An unknown level is its only error.
		w, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed)
		return w
	}
	if cfg.Compression == compressionZstd {
		if c.zstd, err = zstd.NewWriter(
			nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
		); err != nil {
			return nil, fmt.Errorf("compression: %w", err)
		}
	}
	return c, nil
}

// stay follows no redirect: it would take a body, and a login, to a host that they were not meant for.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// Request is one request. The body is not changed, and is not kept.
type Request struct {
	Method, URL, ContentType string
	// Header is what is sent besides the headers of the settings.
	Header http.Header
	// Body is before compression.
	Body []byte
	// Plain says that it is not compressed, whatever the settings say.
	Plain bool
}

// Answer is what the server answered.
type Answer struct {
	Status int
	// Kind is its media type.
	Kind string
	// Body is at most its beginning, without secrets.
	Body       []byte
	RetryAfter time.Duration
	// Location is where a redirect leads to, without what stands behind a ?.
	Location string
}

// Do makes a request, once, within the time-out. An error is a *outputs.SendError: there was no whole answer. sent
// reports whether the server may have it.
func (c *Client) Do(ctx context.Context, r Request) (answer Answer, sent bool, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.o.Timeout, errTimeout)
	defer cancel()
	body, encoding := r.Body, ""
	if !r.Plain {
		if body, encoding, err = c.pack(r.Body); err != nil {
			return Answer{}, false, &outputs.SendError{
				Reason: outputs.ReasonServer,
				Err:    fmt.Errorf("compress: %w", err),
			}
		}
	}
	reader := &watched{Reader: bytes.NewReader(body)}
	content := io.Reader(reader)
	if len(body) == 0 {
		// Of a reader with nothing in it http can't tell that, and would send it in chunks, which some servers refuse.
		reader.read.Store(true)
		content = http.NoBody
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, r.URL, content)
	if err != nil {
		// Its text would show the URL.
		return Answer{}, false, &outputs.SendError{
			Reason: outputs.ReasonServer,
			Err:    errors.New("the URL can't be asked"),
		}
	}
	req.ContentLength = int64(len(body))
	concealed, err := c.head(ctx, req, r, encoding)
	if err != nil {
		return Answer{}, false, err
	}
	res, err := c.http.Do(req)
	if err != nil {
		return Answer{}, reader.read.Load(), c.network(ctx, r.URL, err)
	}
	// What matters of it has been read.
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(outputs.ConcealReader(res.Body, concealed), maxAnswer))
	if err != nil {
		return Answer{}, true, c.network(ctx, r.URL, fmt.Errorf("read the answer: %w", err))
	}
	// Then the connection can be used again.
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxAnswer))
	kind, _, _ := strings.Cut(res.Header.Get("Content-Type"), ";")
	location, _, _ := strings.Cut(res.Header.Get("Location"), "?")
	if res.StatusCode == http.StatusUnauthorized {
		c.forget()
	}
	return Answer{
		Status: res.StatusCode, Kind: strings.TrimSpace(strings.ToLower(kind)), Body: text,
		RetryAfter: retryAfter(res.Header.Get("Retry-After"), c.o.Now), Location: location,
	}, true, nil
}

// head sets a request's headers, and returns what its answer must not show.
func (c *Client) head(ctx context.Context, req *http.Request, r Request, encoding string) ([][]byte, error) {
	for name, value := range c.cfg.Headers {
		req.Header.Set(name, value.Reveal())
	}
	for name, values := range r.Header {
		req.Header[name] = values
	}
	req.Header.Set("User-Agent", "aggregator")
	if r.ContentType != "" {
		req.Header.Set("Content-Type", r.ContentType)
	}
	if encoding != "" {
		req.Header.Set("Content-Encoding", encoding)
	}
	switch {
	case c.cfg.BearerToken.IsSet():
		req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(c.cfg.BearerToken.Reveal()))
	case c.cfg.Username != "":
		req.SetBasicAuth(c.cfg.Username, c.cfg.Password.Reveal())
	case c.cfg.OAuth2 != nil:
		token, err := c.token(ctx)
		if err != nil {
			return nil, err
		}
		token.SetAuthHeader(req)
		if len(token.AccessToken) >= minConcealed {
			return longestFirst(append(slices.Clone(c.secrets), []byte(token.AccessToken))), nil
		}
	}
	return c.secrets, nil
}

// token returns one that is good for now.
func (c *Client) token(ctx context.Context) (*oauth2.Token, error) {
	c.mu.Lock()
	if c.tokens == nil {
		o := c.cfg.OAuth2
		values := url.Values{}
		for name, value := range o.Parameters {
			values.Set(name, value)
		}
		// The context is that of all requests for tokens, which a time-out of the client bounds.
		asking := context.WithValue(
			context.WithoutCancel(ctx),
			oauth2.HTTPClient,
			&http.Client{Transport: c.http.Transport, Timeout: dialTimeout, CheckRedirect: stay},
		)
		c.tokens = (&clientcredentials.Config{
			ClientID: o.ClientID, ClientSecret: o.ClientSecret.Reveal(), TokenURL: o.TokenURL, Scopes: o.Scopes,
			EndpointParams: values,
		}).TokenSource(asking)
	}
	tokens := c.tokens
	c.mu.Unlock()
	token, err := tokens.Token()
	if err == nil {
		return token, nil
	}
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) && refused.Response != nil {
		what := outputs.KindOf(refused.ErrorCode)
		return nil, &outputs.SendError{
			Reason: outputs.ReasonAuth, Status: refused.Response.StatusCode, Remedy: "check oauth2",
			Err: fmt.Errorf("get a token: it answered %s: %s", statusText(refused.Response.StatusCode), what),
		}
	}
	return nil, &outputs.SendError{
		Reason: outputs.ReasonAuth,
		Remedy: "check oauth2.token_url",
		Err:    fmt.Errorf("get a token: %s", outputs.Diagnose(bare(err))),
	}
}

// forget has the next request fetch a token anew.
func (c *Client) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tokens = nil
}

// pack compresses a body as the settings say.
func (c *Client) pack(body []byte) (packed []byte, encoding string, err error) {
	switch c.cfg.Compression {
	case compressionGzip:
		w := c.zips.Get().(*gzip.Writer) //nolint:forcetypeassert // New makes nothing else
		defer c.zips.Put(w)
		var out bytes.Buffer
		out.Grow(len(body)/4 + 64)
		w.Reset(&out)
		if _, err := w.Write(body); err != nil {
			return nil, "", err
		}
		if err := w.Close(); err != nil {
			return nil, "", err
		}
		return out.Bytes(), compressionGzip, nil
	case compressionZstd:
		return c.zstd.EncodeAll(body, make([]byte, 0, len(body)/4+64)), compressionZstd, nil
	default:
		return body, "", nil
	}
}

// network returns what follows from an error of a request to a URL that got no whole answer.
func (c *Client) network(ctx context.Context, to string, err error) error {
	var se *outputs.SendError
	if errors.As(err, &se) {
		return se
	}
	err = bare(err)
	switch {
	case errors.Is(context.Cause(ctx), errTimeout):
		err = fmt.Errorf("no whole answer within the timeout of %s", c.o.Timeout)
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		err = errors.New("no whole answer in time: is the server busy, or the port another's?")
	case ctx.Err() != nil:
		err = fmt.Errorf("the request was ended: %w", ctx.Err())
	default:
		err = errors.New(outputs.DiagnoseAt(to, err))
	}
	return &outputs.SendError{Reason: outputs.ReasonNetwork, Err: err}
}

// bare takes the URL off an error, which may hold a secret.
func bare(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// Close closes idle connections. No Do runs or follows.
func (c *Client) Close() {
	c.http.CloseIdleConnections()
	if c.zstd != nil {
		// It writes nowhere.
		_ = c.zstd.Close()
	}
}

// Unencrypted reports whether a login would go to the URL in clear.
func (c *Client) Unencrypted(to string) bool {
	return strings.HasPrefix(to, "http://") && (c.cfg.login() != "" || len(c.cfg.Headers) > 0 && !local(to))
}

func local(to string) bool {
	u, err := url.Parse(to)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// Quote returns what an answer says, marked as outputs.Words.
func (a *Answer) Quote() string {
	said := bytes.TrimSpace(a.Body)
	if len(said) == 0 {
		return "(an empty answer)"
	}
	text := string(said[:min(len(said), maxQuote)])
	if strings.Contains(text, `"`) && strconv.CanBackquote(text) {
		// As JSON is, which would be full of backslashes.
		return outputs.Words("`"+text+"`", "words of its own")
	}
	return outputs.Words(strconv.Quote(text), "words of its own")
}

// Text returns the status with its meaning.
func (a *Answer) Text() string { return statusText(a.Status) }

func statusText(code int) string {
	return strings.TrimSpace(strconv.Itoa(code) + " " + http.StatusText(code))
}

// watched notes whether any of it was read, and so perhaps sent.
type watched struct {
	*bytes.Reader
	read atomic.Bool
}

// Read satisfies io.Reader.
func (w *watched) Read(p []byte) (int, error) {
	w.read.Store(true)
	return w.Reader.Read(p)
}

// WriteTo satisfies io.WriterTo.
func (w *watched) WriteTo(to io.Writer) (int64, error) {
	w.read.Store(true)
	return w.Reader.WriteTo(to)
}

// retryAfter returns a Retry-After header's seconds, of which some servers write fractions, or the time until its date;
// 0 for none.
func retryAfter(header string, now func() time.Time) time.Duration {
	if at, err := http.ParseTime(header); err == nil {
		return min(max(at.Sub(now()), 0), maxRetryAfter)
	}
	if strings.Trim(header, "0123456789.") != "" {
		return 0
	}
	seconds, err := strconv.ParseFloat(header, 64)
	if err != nil {
		return 0
	}
	return time.Duration(min(seconds, maxRetryAfter.Seconds()) * float64(time.Second))
}

// secrets returns what must not be shown of an answer, the longest first.
func secrets(cfg *Config) (words [][]byte) {
	var plain []string
	add := func(text string) {
		if text = strings.TrimSpace(text); len(text) < minConcealed {
			return
		}
		plain = append(plain, text, base64.StdEncoding.EncodeToString([]byte(text)), url.QueryEscape(text))
		plain = append(plain, outputs.Quotings(text)...)
	}
	add(cfg.Password.Reveal())
	add(cfg.BearerToken.Reveal())
	if cfg.Username != "" {
		add(base64.StdEncoding.EncodeToString([]byte(cfg.Username + ":" + cfg.Password.Reveal())))
	}
	for _, value := range cfg.Headers {
		add(value.Reveal())
		// A token may be shown without the scheme before it.
		if _, token, found := strings.Cut(value.Reveal(), " "); found {
			add(token)
		}
	}
	if cfg.OAuth2 != nil {
		add(cfg.OAuth2.ClientSecret.Reveal())
	}
	slices.Sort(plain)
	for _, word := range slices.Compact(plain) {
		words = append(words, []byte(word))
	}
	return longestFirst(words)
}

func longestFirst(words [][]byte) [][]byte {
	slices.SortStableFunc(words, func(a, b []byte) int { return len(b) - len(a) })
	return words
}
