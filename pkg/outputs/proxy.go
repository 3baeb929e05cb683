package outputs

import (
	"bufio"
	"context"
	stdtls "crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
)

// NoProxy is the setting proxy for none at all.
const NoProxy = "none"

// maxProxyHeader bounds what a proxy may answer before its connection is the server's, in bytes.
const maxProxyHeader = 64 << 10

// CheckProxy reports a setting proxy that is no URL of a proxy.
func CheckProxy(r *setting.Report, text string) {
	if text == "" || text == NoProxy {
		return
	}
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || !slices.Contains([]string{"http", "https", "socks5"}, u.Scheme) {
		// Its text may hold a password.
		r.Add("proxy", "write http://host:port, or none", "it is not the URL of a proxy")
	}
}

// ProxyFor says through which proxy a request goes; a nil URL: through none.
type ProxyFor func(*http.Request) (*url.URL, error)

// ParseProxy returns what a setting proxy means: the URL for all requests, NoProxy, or, where it is empty, what the
// environment says (HTTP_PROXY, HTTPS_PROXY, NO_PROXY). The error does not show it.
func ParseProxy(text string) (ProxyFor, error) {
	switch text {
	case "":
		return http.ProxyFromEnvironment, nil
	case NoProxy:
		return func(*http.Request) (*url.URL, error) { return nil, nil }, nil //nolint:nilnil // there is none
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, errors.New("proxy: it is not a URL")
	}
	return http.ProxyURL(u), nil
}

// SecureTransport has t make TLS connections with settings of their own, so that files that have changed meanwhile
// count from the next connection on, through a proxy too: secure returns those for a server's host name. Connections
// are given up after timeout. t's own TLS settings are left for SOCKS proxies.
func SecureTransport(
	t *http.Transport, proxy ProxyFor, secure func(host string) *stdtls.Config, timeout time.Duration,
) {
	dialer := Dialer(timeout)
	t.Proxy = func(r *http.Request) (*url.URL, error) {
		through, err := proxy(r)
		if err != nil || through == nil || r.URL.Scheme == "https" && through.Scheme != "socks5" {
			return nil, err
		}
		return through, nil
	}
	t.DialContext = dialer.DialContext
	t.DialTLSContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		through, err := proxy(&http.Request{URL: &url.URL{Scheme: "https", Host: address}})
		if err != nil {
			return nil, err
		}
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		raw, err := DialThrough(ctx, dialer, through, network, address)
		if err != nil {
			return nil, err
		}
		conn := stdtls.Client(raw, secure(host))
		if err := conn.HandshakeContext(ctx); err != nil {
			// Never used.
			_ = raw.Close()
			return nil, fmt.Errorf("TLS with %s: %w", address, err)
		}
		return conn, nil
	}
}

// DialThrough connects to address, through a proxy that takes CONNECT where there is one.
func DialThrough(
	ctx context.Context, dialer *net.Dialer, proxy *url.URL, network, address string,
) (conn net.Conn, err error) {
	if proxy == nil || proxy.Scheme == "socks5" {
		return dialer.DialContext(ctx, network, address)
	}
	port := proxy.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[proxy.Scheme]
	}
	if conn, err = dialer.DialContext(ctx, "tcp", net.JoinHostPort(proxy.Hostname(), port)); err != nil {
		return nil, &proxyError{proxy.Host, err}
	}
	raw := conn
	stop := context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Unix(1, 0)) })
	defer func() {
		if !stop() {
			err = errors.Join(ctx.Err(), err)
		}
		if err != nil {
			// Never used.
			_ = conn.Close()
			conn = nil
		}
	}()
	if proxy.Scheme == "https" {
		secured := stdtls.Client(conn, &stdtls.Config{ServerName: proxy.Hostname(), MinVersion: stdtls.VersionTLS12})
		if err := secured.HandshakeContext(ctx); err != nil {
			return conn, &proxyError{proxy.Host, fmt.Errorf("TLS: %w", err)}
		}
		conn = secured
	}
	return conn, tunnel(conn, proxy, address)
}

// tunnel asks a proxy for a connection to address.
func tunnel(conn net.Conn, proxy *url.URL, address string) error {
	req := &http.Request{
		Method: http.MethodConnect, URL: &url.URL{Opaque: address}, Host: address, Header: http.Header{},
	}
	if user := proxy.User; user != nil {
		password, _ := user.Password()
		login := base64.StdEncoding.EncodeToString([]byte(user.Username() + ":" + password))
		req.Header.Set("Proxy-Authorization", "Basic "+login)
	}
	if err := req.Write(conn); err != nil {
		return &proxyError{proxy.Host, fmt.Errorf("ask for %s: %w", address, err)}
	}
	in := bufio.NewReaderSize(&headerReader{conn: conn, left: maxProxyHeader}, 1)
	res, err := http.ReadResponse(in, req) //nolint:bodyclose // see below
	if err != nil {
		return &proxyError{proxy.Host, fmt.Errorf("no answer to the request for %s: %w", address, err)}
	}
	// Its body is not read: after a success what follows is the server's, whatever lengths the header tells, and after
	// a refusal the connection is closed.
	switch {
	case res.StatusCode/100 == 2:
		return nil
	case res.StatusCode == http.StatusProxyAuthRequired:
		return &proxyError{proxy.Host, errors.New(
			"it wants another login (407): set it in the URL, http://user:password@host:port",
		)}
	default:
		return &proxyError{proxy.Host, fmt.Errorf("it answers the request for %s with %d %s: see what it lets through",
			address, res.StatusCode, http.StatusText(res.StatusCode))}
	}
}

// headerReader reads a byte at a time, so that nothing of what follows the header is taken, and no header without end.
type headerReader struct {
	conn net.Conn
	left int
}

// Read satisfies io.Reader.
func (h *headerReader) Read(p []byte) (int, error) {
	if h.left--; h.left < 0 {
		return 0, errors.New("its answer has no end")
	}
	return h.conn.Read(p[:min(1, len(p))])
}
