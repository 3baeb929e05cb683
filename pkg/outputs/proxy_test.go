package outputs_test

import (
	"bufio"
	"context"
	stdtls "crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
	"github.com/seed-afc6a195/aggregator/pkg/tls/tlstest"
)

// trusting returns TLS settings that trust what ca points to when they are asked for.
func trusting(ca **tlstest.CA) func(host string) *stdtls.Config {
	return func(host string) *stdtls.Config {
		return &stdtls.Config{ServerName: host, RootCAs: (*ca).Pool(), MinVersion: stdtls.VersionTLS12}
	}
}

// TestSecureTransport: a request to a server with TLS goes through the proxy, and an authority that has changed counts
// from the next connection on; what is not encrypted goes through it as a whole URL.
func TestSecureTransport(t *testing.T) {
	first, second := tlstest.NewCA(t, "first"), tlstest.NewCA(t, "second")
	current := first
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "here") // or the test fails
	}))
	server.TLS = &stdtls.Config{GetConfigForClient: func(*stdtls.ClientHelloInfo) (*stdtls.Config, error) {
		return &stdtls.Config{
			Certificates: []stdtls.Certificate{current.Issue(t, tlstest.Spec{}).Certificate(t)},
			MinVersion:   stdtls.VersionTLS12,
		}, nil
	}}
	server.StartTLS()
	defer server.Close()
	plain := httptest.NewServer(server.Config.Handler)
	defer plain.Close()
	proxy := outputtest.NewProxy(t)
	through, err := outputs.ParseProxy(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	trusted := first
	transport := &http.Transport{DisableKeepAlives: true}
	outputs.SecureTransport(transport, through, trusting(&trusted), time.Minute)
	get := func(to string) error {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, to, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := transport.RoundTrip(req)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if b, err := io.ReadAll(res.Body); err != nil || string(b) != "here" {
			t.Errorf("%q, %v", b, err)
		}
		return nil
	}
	if err := errors.Join(get(server.URL), get(plain.URL+"/a")); err != nil {
		t.Fatal(err)
	}
	current = second
	if err := get(server.URL); outputs.CertificateTrouble(err) == "" {
		t.Errorf("a certificate of an authority that is not trusted: %v", err)
	}
	trusted = second
	if err := get(server.URL); err != nil {
		t.Errorf("the authority that is trusted now: %v", err)
	}
	host := server.Listener.Addr().String()
	if want := []string{host, plain.URL + "/a", host, host}; !slices.Equal(proxy.Asked(), want) {
		t.Errorf("the proxy was asked for %q, want %q", proxy.Asked(), want)
	}
}

// answering returns a listener whose connections are answered with the text, and the header that came.
func answering(t *testing.T, text string) (address string, came chan string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	came = make(chan string, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		req, err := http.ReadRequest(bufio.NewReader(conn))
		if err != nil {
			return
		}
		came <- req.Method + " " + req.Host + " " + req.Header.Get("Proxy-Authorization")
		_, _ = io.WriteString(conn, text) // it may have gone
		_, _ = io.Copy(io.Discard, conn)
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return l.Addr().String(), came
}

func TestDialThrough(t *testing.T) {
	for _, tc := range []struct{ name, answer, want string }{
		{"a login", "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "wants another login (407)"},
		{"refused", "HTTP/1.1 403 Forbidden\r\n\r\nno", "403 Forbidden: see what it lets through"},
		{"no proxy", "SSH-2.0-x\r\n\r\n", "no answer to the request"},
		{"no end", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 100_000), "has no end"},
		{"what follows is the server's", "HTTP/1.1 200 OK\r\n\r\nhello", ""},
		{"an old proxy", "HTTP/1.0 200 Connection established\r\n\r\nhello", ""},
		{"lengths mean nothing", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello", ""},
		{"nor do chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nhello", ""},
		{"another success", "HTTP/1.1 201 Created\r\n\r\nhello", ""},
		{"a refusal with a body", "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 100000\r\n\r\nno", "502 Bad Gateway"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			address, came := answering(t, tc.answer)
			proxy := &url.URL{Scheme: "http", Host: address, User: url.UserPassword("u", "secret-p")}
			conn, err := outputs.DialThrough(t.Context(), outputs.Dialer(time.Minute), proxy, "tcp",
				"kafka.invalid:9092")
			if got := <-came; got != "CONNECT kafka.invalid:9092 Basic dTpzZWNyZXQtcA==" {
				t.Errorf("the proxy was asked %q", got)
			}
			if tc.want != "" {
				if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "secret") {
					t.Errorf("%v, want %q", err, tc.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			hello := make([]byte, 5)
			if _, err := io.ReadFull(conn, hello); err != nil || string(hello) != "hello" {
				t.Errorf("%q, %v", hello, err)
			}
		})
	}
	t.Run("silent", func(t *testing.T) {
		address, came := answering(t, "")
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-came
			cancel()
		}()
		conn, err := outputs.DialThrough(ctx, outputs.Dialer(time.Minute), &url.URL{Scheme: "http", Host: address},
			"tcp",
			"a:1")
		if !errors.Is(err, context.Canceled) || conn != nil {
			t.Errorf("%v, %v", conn, err)
		}
	})
}

func TestParseProxy(t *testing.T) {
	for _, tc := range []struct {
		text, through string
		right         bool
	}{
		{"", "", true},
		{outputs.NoProxy, "", true},
		{"http://proxy:3128", "http://proxy:3128", true},
		{"socks5://proxy", "socks5://proxy", true},
		{"proxy:3128", "", false},
		{"http://", "", false},
		{"http://a:secret@b\x7f", "", false},
	} {
		var r setting.Report
		outputs.CheckProxy(&r, tc.text)
		if (len(r.Problems) == 0) != tc.right {
			t.Errorf("%q: %v", tc.text, r.Problems)
		}
		if !tc.right {
			continue
		}
		proxy, err := outputs.ParseProxy(tc.text)
		if err != nil {
			t.Fatal(err)
		}
		got, err := proxy(&http.Request{URL: &url.URL{Scheme: "https", Host: "127.0.0.1:1"}})
		if err != nil || got == nil != (tc.through == "") || got != nil && got.String() != tc.through {
			t.Errorf("%q: through %v, %v", tc.text, got, err)
		}
	}
}

// TestDiagnoseProxy: what is the proxy's is said of it, not of the server behind it.
func TestDiagnoseProxy(t *testing.T) {
	dead := &url.URL{Scheme: "http", Host: "127.0.0.1:1"}
	_, direct := outputs.DialThrough(t.Context(), outputs.Dialer(time.Minute), dead, "tcp", "a:1")
	client := http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(dead)}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://a.invalid/", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, through := client.Do(req)
	if through == nil {
		res.Body.Close()
	}
	for _, err := range []error{direct, through} {
		if got := outputs.Diagnose(err); !strings.HasPrefix(got, "the proxy") ||
			!strings.Contains(got, "127.0.0.1:1 was refused") {
			t.Errorf("%v: %s", err, got)
		}
	}
	reset := &net.OpError{Op: "read", Err: syscall.ECONNRESET}
	if plain, secure := outputs.DiagnoseAt("http://a/", reset),
		outputs.DiagnoseAt("https://a/", reset); !strings.HasSuffix(
		plain, "does it want https://?") || plain == secure {
		t.Errorf("%s; %s", plain, secure)
	}
}
