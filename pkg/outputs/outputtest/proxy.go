package outputtest

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// Proxy is an HTTP proxy on this machine, which takes CONNECT and whole URLs.
type Proxy struct {
	*httptest.Server
	// Refuse, where it is set, is what every request is answered with.
	Refuse int

	tb    testing.TB
	conns sync.WaitGroup
	mu    sync.Mutex
	asked []string
}

// NewProxy starts a proxy, which ends with the test.
func NewProxy(tb testing.TB) *Proxy {
	tb.Helper()
	p := &Proxy{tb: tb}
	p.Server = httptest.NewServer(p)
	tb.Cleanup(func() {
		p.CloseClientConnections()
		p.Close()
		p.conns.Wait()
	})
	return p
}

// Asked returns what it was asked for so far: host:port of connections, URLs of requests.
func (p *Proxy) Asked() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.asked...)
}

// ServeHTTP satisfies http.Handler.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	what := r.URL.String()
	if r.Method == http.MethodConnect {
		what = r.Host
	}
	p.asked = append(p.asked, what)
	p.mu.Unlock()
	switch {
	case p.Refuse != 0:
		w.WriteHeader(p.Refuse)
	case r.Method == http.MethodConnect:
		p.connect(r.Context(), w, r.Host)
	default:
		p.forward(w, r)
	}
}

func (p *Proxy) forward(w http.ResponseWriter, r *http.Request) {
	out := r.Clone(r.Context())
	out.RequestURI = ""
	res, err := http.DefaultTransport.RoundTrip(out)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	// It was read as far as it goes.
	defer func() { _ = res.Body.Close() }()
	for name, values := range res.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(res.StatusCode)
	// Who asked may have gone.
	_, _ = io.Copy(w, res.Body)
}

func (p *Proxy) connect(ctx context.Context, w http.ResponseWriter, address string) {
	to, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	from, buffered, err := w.(http.Hijacker).Hijack()
	if err != nil {
		p.tb.Error(err)
		_ = to.Close()
		return
	}
	// Either side may go at any time.
	_, _ = io.WriteString(from, "HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n")
	p.conns.Go(func() {
		_, _ = io.Copy(to, buffered)
		_ = to.Close()
	})
	p.conns.Go(func() {
		_, _ = io.Copy(from, to)
		_ = from.Close()
	})
	p.tb.Cleanup(func() {
		_ = from.Close()
		_ = to.Close()
	})
}
