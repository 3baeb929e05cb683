package awsclient

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go/logging"
	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// Options is what a Client needs beside its settings.
type Options struct {
	Log zerolog.Logger
	// Credentials is shared by all outputs of the process; nil: the Client's own.
	Credentials *Credentials
}

// Client is what the SDK's client of a service is made of:
//
//	firehose.NewFromConfig(c.AWS, func(o *firehose.Options) { o.BaseEndpoint = c.Endpoint(o.BaseEndpoint) })
//
// Make one client of a service per output and keep it: it corrects its signatures by the difference
// between the local clock and the last answer's, so that a wrong clock costs one request.
type Client struct {
	AWS      aws.Config
	endpoint string
	http     connections
}

// Load returns a Client. It reads the environment and the shared configuration files, and makes no
// request: the first credentials are fetched by the first call. A call is one attempt, since repeating is
// the delivery loop's, and ends with its context only.
func Load(ctx context.Context, cfg Config, o Options) (*Client, error) {
	if o.Credentials == nil {
		o.Credentials = NewCredentials()
	}
	keys := o.Credentials.cache(cfg, o.Log)
	a, err := load(ctx, cfg, o.Log, awsconfig.WithCredentialsProvider(keys), forgetting(keys))
	if err != nil {
		return nil, err
	}
	c := &Client{AWS: a, endpoint: cfg.Endpoint, http: httpClient(a.HTTPClient)}
	c.AWS.HTTPClient = c.http
	return c, nil
}

// load returns the SDK's configuration with one attempt per call.
func load(
	ctx context.Context, cfg Config, log zerolog.Logger, more ...func(*awsconfig.LoadOptions) error,
) (aws.Config, error) {
	proxy, err := outputs.ParseProxy(cfg.Proxy)
	if err != nil {
		return aws.Config{}, err
	}
	opts := []func(*awsconfig.LoadOptions) error{
		awsconfig.WithRegion(cfg.Region),
		awsconfig.WithRetryer(func() aws.Retryer { return aws.NopRetryer{} }),
		// It takes a CA from the environment.
		awsconfig.WithHTTPClient(newHTTPClient(proxy)),
		awsconfig.WithAppID("aggregator"),
		awsconfig.WithLogger(logging.LoggerFunc(func(_ logging.Classification, format string, v ...any) {
			log.Debug().Msgf(format, v...)
		})),
	}
	if cfg.UseFIPS {
		opts = append(opts, awsconfig.WithUseFIPSEndpoint(aws.FIPSEndpointStateEnabled))
	}
	if cfg.UseDualStack {
		opts = append(opts, awsconfig.WithUseDualStackEndpoint(aws.DualStackEndpointStateEnabled))
	}
	a, err := awsconfig.LoadDefaultConfig(ctx, append(opts, more...)...)
	if err != nil {
		return aws.Config{}, fmt.Errorf("read the AWS settings of environment and profile: %w", err)
	}
	return a, nil
}

// newHTTPClient returns the SDK's client with connections that find dead peers, through a proxy but to this machine
// and its neighbours, which have credentials for it: no proxy has those.
func newHTTPClient(proxy outputs.ProxyFor) *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.Proxy = func(r *http.Request) (*url.URL, error) {
			if ip := net.ParseIP(r.URL.Hostname()); ip != nil && (ip.IsLinkLocalUnicast() || ip.Equal(instance())) {
				return nil, nil //nolint:nilnil // there is none
			}
			return proxy(r)
		}
		t.DialContext = outputs.Dialer(awshttp.DefaultDialConnectTimeout).DialContext
	})
}

// instance is the address of an instance's metadata in IPv6; that in IPv4 is link-local, as those of containers are.
func instance() net.IP { return net.ParseIP("fd00:ec2::254") }

// connections is an HTTP client for the SDK.
type connections struct{ *http.Client }

// Do makes the request. The SDK closes a request's body when the answer's header is there, and a closed
// body's WriteTo returns io.EOF, for which net/http, where its writer is that late, breaks the connection and so
// the answer. A body that can only be read ends as it should.
func (c connections) Do(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		r.Body = struct{ io.ReadCloser }{r.Body}
	}
	res, err := c.Client.Do(r) //nolint:gosec // the host is the operator's choice
	if err == nil && res.StatusCode >= http.StatusMultipleChoices {
		concealReply(res, r.Header)
	}
	return res, err
}

// concealReply keeps what a request was authorized with out of the words of an answer that is no success: they are
// shown.
func concealReply(res *http.Response, sent http.Header) {
	var words [][]byte
	for _, header := range []string{"X-Amz-Security-Token", "Authorization"} {
		if text := sent.Get(header); text != "" {
			words = append(words, []byte(text))
		}
	}
	if len(words) == 0 {
		return
	}
	// The longest is first.
	slices.SortFunc(words, func(a, b []byte) int { return len(b) - len(a) })
	for _, values := range res.Header {
		for i := range values {
			value := []byte(values[i])
			outputs.Conceal(value, words)
			values[i] = string(value)
		}
	}
	res.Body = outputs.ConcealReader(res.Body, words)
}

// httpClient returns a client of its own connections, with what the SDK found in the environment.
func httpClient(from aws.HTTPClient) connections {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if b, ok := from.(*awshttp.BuildableClient); ok {
		transport = b.GetTransport()
	}
	// As many requests may be in flight, to one host.
	transport.MaxIdleConnsPerHost = 64
	transport.IdleConnTimeout = 20 * time.Second
	return connections{&http.Client{
		Transport: transport,
		// A redirect would take a signed body to a host that it was not signed for.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Endpoint returns the base URL to use for a service: the configured one, else its own, as the SDK
// found it.
func (c *Client) Endpoint(own *string) *string {
	if c.endpoint != "" {
		return &c.endpoint
	}
	return own
}

// Close closes idle connections. No call runs or follows.
func (c *Client) Close() { c.http.CloseIdleConnections() }
