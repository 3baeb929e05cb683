package httpclient

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// listen returns the address of a server that gives each connection to handle, which need not close it.
func listen(t *testing.T, handle func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			handle(conn)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-ended
	})
	return l.Addr().String()
}

// readRequest reads a request with its body.
func readRequest(conn net.Conn) {
	buf, all := make([]byte, 4096), ""
	for !strings.HasSuffix(all, "body") {
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		all += string(buf[:n])
	}
}

// reset closes the connection with what was not read, which the other side sees as a reset.
func reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
}

// Without a whole answer the error says what was wrong and what to do, and whether the server may have the request.
func TestDo_NoAnswer(t *testing.T) {
	for _, tc := range []struct {
		name   string
		handle func(net.Conn) // nil: nothing listens
		sent   bool
		want   string
	}{
		{"refused", nil, false, "nothing listens there"},
		{
			"closed at once", func(conn net.Conn) { readRequest(conn) }, true,
			"closed the connection without a whole answer",
		},
		{"reset", func(conn net.Conn) { readRequest(conn); reset(conn) }, true, "the connection was reset"},
		{
			"cut in the header", func(conn net.Conn) {
				readRequest(conn)
				_, _ = io.WriteString(
					conn, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n",
				)
			},
			true, "without a whole answer",
		},
		{
			"cut in the body", func(conn net.Conn) {
				readRequest(conn)
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345")
			}, true, "without a whole answer",
		},
		{
			"cut in a chunk", func(conn net.Conn) {
				readRequest(conn)
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n12345")
			}, true, "without a whole answer",
		},
		{
			"another protocol", func(conn net.Conn) {
				readRequest(conn)
				_, _ = io.WriteString(
					conn, "220 mail ESMTP\r\n",
				)
			},
			true, "does not speak plain HTTP there",
		},
		{
			"one without words", func(conn net.Conn) { readRequest(conn); _, _ = io.WriteString(conn, "+PONG\r\n") },
			true, "does not speak plain HTTP there",
		},
		{
			"a header without end", func(conn net.Conn) {
				readRequest(conn)
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nX: "+strings.Repeat("x", 300<<10))
			}, true, "exceeded",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			address := "127.0.0.1:1" // a port that was free a moment ago may be another's by now
			if tc.handle != nil {
				address = listen(t, tc.handle)
			}
			c := newClient(t, Config{Compression: "none"}, time.Minute)
			_, sent, err := c.Do(t.Context(), Request{
				Method: http.MethodPost, URL: "http://" + address + "/?key=s3cr3t", Body: []byte("body"),
			})
			se := failed(t, err)
			if sent != tc.sent || se.Reason != outputs.ReasonNetwork || !strings.Contains(se.Error(), tc.want) {
				t.Errorf("sent %v: %s: %v", sent, se.Reason, se)
			}
			if strings.Contains(se.Error(), "s3cr3t") {
				t.Errorf("the URL shows: %v", se)
			}
		})
	}
}

// A URL that can't be asked is an error that does not show it.
func TestDo_BadURL(t *testing.T) {
	c := newClient(t, Config{}, time.Minute)
	for _, to := range []string{"http://host/\x00s3cr3t", "http://host:s3cr3t/", "s3cr3t://host/"} {
		_, sent, err := c.Do(t.Context(), Request{Method: http.MethodPost, URL: to, Body: []byte("x")})
		if se := failed(t, err); sent || strings.Contains(se.Error(), "host/") {
			t.Errorf("%q: sent %v, %v", to, sent, se)
		}
	}
}

// A server that does not answer, or stops in the middle, is given up after the time-out, or when the caller ends.
func TestDo_Slow(t *testing.T) {
	for name, begin := range map[string]string{"no answer": "", "half of one": "x"} {
		t.Run(name, func(t *testing.T) {
			reached := make(chan struct{})
			to, _ := newServer(t, func(w http.ResponseWriter, r *http.Request) {
				if begin != "" {
					_, _ = io.WriteString(w, begin)
					_ = http.NewResponseController(w).Flush()
				}
				if r.URL.Path == "/ended" { // the others may get here after they were given up, or never
					close(reached)
				}
				<-r.Context().Done()
			})
			c := newClient(t, Config{}, 50*time.Millisecond)
			_, sent, err := c.Do(t.Context(), Request{Method: http.MethodPost, URL: to, Body: []byte("x")})
			se := failed(t, err)
			if se.Reason != outputs.ReasonNetwork || !strings.Contains(se.Error(), "within the timeout of 50ms") {
				t.Errorf("sent %v, %v", sent, se)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			c = newClient(t, Config{}, time.Minute)
			_, _, err = c.Do(ctx, Request{Method: http.MethodPost, URL: to, Body: []byte("x")})
			cancel()
			if se := failed(t, err); !strings.Contains(se.Error(), "no whole answer in time") {
				t.Errorf("a caller without time: %v", se)
			}

			ctx, cancel = context.WithCancel(t.Context())
			c = newClient(t, Config{}, time.Minute)
			go func() {
				<-reached
				cancel()
			}()
			_, sent, err = c.Do(ctx, Request{Method: http.MethodPost, URL: to + "/ended", Body: []byte("x")})
			if se := failed(t, err); !sent || !strings.Contains(se.Error(), "the request was ended") {
				t.Errorf("sent %v, %v", sent, se)
			}
		})
	}
}

// newTLSServer returns a server with a certificate for example.com and this machine, and what trusts it.
func newTLSServer(t *testing.T) (*httptest.Server, *x509.CertPool) {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(noContent))
	s.StartTLS()
	t.Cleanup(s.Close)
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return s, pool
}

// What is wrong with TLS is said in words that name the setting.
func TestDo_TLS(t *testing.T) {
	server, pool := newTLSServer(t)
	plain, _ := newServer(t, noContent)
	trusting := func(host string) *tls.Config {
		return &tls.Config{RootCAs: pool, ServerName: host, MinVersion: tls.VersionTLS12}
	}
	for _, tc := range []struct {
		name, to string
		tls      func(host string) *tls.Config
		want     string // "": it works
	}{
		{"trusted", server.URL, trusting, ""},
		{"not trusted", server.URL, nil, "set tls.ca_file"},
		{
			"another name", server.URL, func(string) *tls.Config {
				return &tls.Config{RootCAs: pool, ServerName: "logs.example", MinVersion: tls.VersionTLS12}
			},
			"set tls.server_name",
		},
		{
			"no common version", server.URL, func(host string) *tls.Config {
				return &tls.Config{
					RootCAs: pool, ServerName: host, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10,
				}
			},
			"tls.min_version",
		},
		{"TLS to a plain server", strings.Replace(plain, "http:", "https:", 1), trusting, "does not speak TLS there"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, err := New(Config{Proxy: outputs.NoProxy}, Options{Timeout: time.Minute, TLS: tc.tls, Now: now})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			answer, sent, err := c.Do(t.Context(), Request{Method: http.MethodPost, URL: tc.to, Body: []byte("x")})
			if tc.want == "" {
				if err != nil || answer.Status != http.StatusNoContent {
					t.Errorf("%+v, %v", answer, err)
				}
				return
			}
			if se := failed(t, err); sent || se.Reason != outputs.ReasonNetwork || !strings.Contains(
				se.Error(), tc.want,
			) {
				t.Errorf("sent %v, %v", sent, se)
			}
		})
	}
}

// A plain request to a server with TLS gets an answer of its own, which says what to write.
func TestDo_PlainToTLS(t *testing.T) {
	server, _ := newTLSServer(t)
	c := newClient(t, Config{}, time.Minute)
	answer, _, err := c.Do(
		t.Context(), Request{Method: http.MethodPost, URL: "http://" + server.Listener.Addr().String()},
	)
	if err != nil {
		t.Fatal(err)
	}
	se := Refused(Refusals(), "send", "h", &answer)
	if se.Suspect || se.Reason != outputs.ReasonServer || !strings.Contains(se.Remedy, "https") {
		t.Errorf("%+v", se)
	}
}

// Requests go through the proxy of the settings, plain ones by its name and those with TLS through a tunnel.
func TestDo_Proxy(t *testing.T) {
	server, pool := newTLSServer(t)
	for _, tc := range []struct {
		name, to, user string
		wantMethod     string
		wantLogin      string
		status         int // the proxy's answer; 0: it does its work
		wantStatus     int // the answer as the client has it
		want           string
	}{
		{"plain", "http://logs.invalid/in", "", "POST", "", 0, 204, ""},
		{"plain, with a login", "http://logs.invalid/in", "u:pw@", "POST", "Basic dTpwdw==", 0, 204, ""},
		{"plain, no valid login", "http://logs.invalid/in", "", "POST", "", 407, 407, ""},
		{"TLS", server.URL, "", "CONNECT", "", 0, 204, ""},
		{"TLS, with a login", server.URL, "u:pw@", "CONNECT", "Basic dTpwdw==", 0, 204, ""},
		{
			"TLS, no valid login", server.URL, "u:pw@", "CONNECT", "Basic dTpwdw==", 407, 0,
			"it wants another login (407)",
		},
		{"TLS, forbidden", server.URL, "", "CONNECT", "", 403, 0, "403 Forbidden: see what it lets through"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			asked := make(chan *http.Request, 1)
			proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked <- r
				switch {
				case tc.status != 0:
					w.WriteHeader(tc.status)
				case r.Method == http.MethodConnect:
					tunnel(t, w, r.Host)
				default:
					w.WriteHeader(http.StatusNoContent)
				}
			}))
			defer proxy.Close()
			c, err := New(
				Config{Proxy: strings.Replace(proxy.URL, "http://", "http://"+tc.user, 1)},
				Options{Timeout: time.Minute, Now: now, TLS: func(host string) *tls.Config {
					return &tls.Config{RootCAs: pool, ServerName: host, MinVersion: tls.VersionTLS12}
				}},
			)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			answer, _, err := c.Do(t.Context(), Request{Method: http.MethodPost, URL: tc.to, Body: []byte("x")})
			if got := <-asked; got.Method != tc.wantMethod || got.Header.Get("Proxy-Authorization") != tc.wantLogin {
				t.Errorf("the proxy was asked for %s with %q", got.Method, got.Header.Get("Proxy-Authorization"))
			}
			switch {
			case tc.want == "" && (err != nil || answer.Status != tc.wantStatus):
				t.Errorf("%+v, %v", answer, err)
			case tc.want != "" && !strings.Contains(failed(t, err).Error(), tc.want):
				t.Error(err)
			case err != nil && strings.Contains(err.Error(), "pw"):
				t.Errorf("the password shows: %v", err)
			}
		})
	}
}

// tunnel is what a proxy does after CONNECT.
func tunnel(t *testing.T, w http.ResponseWriter, host string) {
	t.Helper()
	server, err := net.Dial("tcp", host)
	if err != nil {
		t.Error(err)
		return
	}
	client, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	_, _ = io.WriteString(client, "HTTP/1.1 200 OK\r\n\r\n")
	go func() {
		_, _ = io.Copy(server, client)
		_ = server.Close()
	}()
	_, _ = io.Copy(client, server)
	_ = client.Close()
}

// A proxy that is no URL is an error that does not show it.
func TestNew_BadProxy(t *testing.T) {
	if _, err := New(
		Config{Proxy: "http://u:s3cr3t@ho st"}, Options{},
	); err == nil || strings.Contains(err.Error(), "s3cr3t") {
		t.Error(err)
	}
}

// Secrets do not show in an answer that quotes the request in any of the usual ways.
func TestDo_Concealed(t *testing.T) {
	cfg := Config{
		Username: "elastic", Password: setting.NewSecret(`pass"word/+`),
		Headers: map[string]setting.Secret{
			"X-Auth": setting.NewSecret("ApiKey a1b2c3d4"), "X-Short": setting.NewSecret("12345"),
		},
	}
	for name, quoted := range map[string]string{
		"as it is":           `pass"word/+`,
		"in base64":          "cGFzcyJ3b3JkLys=",
		"in a query":         "pass%22word%2F%2B",
		"in JSON":            `pass\"word/+`,
		"the whole header":   "ApiKey a1b2c3d4",
		"without its scheme": "a1b2c3d4",
		"basic":              "ZWxhc3RpYzpwYXNzIndvcmQvKw==",
	} {
		t.Run(name, func(t *testing.T) {
			to, _ := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusBadRequest)
				_, _ = io.WriteString(w, "<"+quoted+"> 12345")
			})
			answer, _, err := newClient(t, cfg, time.Minute).Do(t.Context(), Request{Method: http.MethodPost, URL: to})
			if err != nil {
				t.Fatal(err)
			}
			if want := "<" + strings.Repeat("*", len(quoted)) + "> 12345"; string(answer.Body) != want {
				t.Errorf("%q, want %q", answer.Body, want)
			}
		})
	}
}
