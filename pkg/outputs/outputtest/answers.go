package outputtest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// HTTPDestination is an output that sends what it is given in one request of HTTP.
type HTTPDestination struct {
	// New makes an output that sends to url. Where it logs in, the secret is Secret.
	New    func(t *testing.T, url string) outputs.Output
	Secret string
	// Good is an answer that proves delivery, byte by byte.
	Good string
}

// wireAnswer is what a server does with a request, and what has to follow.
type wireAnswer struct {
	name string
	// text is what it answers with before it ends the connection; {head} stands for the header of the request.
	text string
	// early says that it does so before it has read the request, reset that it throws away what is on its way.
	early, reset bool
	reason       outputs.Reason
	// half says that the answer has no end: what was sent may have been taken.
	half bool
}

// wireAnswers are what servers, and what stands before them, answer with that prove no delivery.
func wireAnswers() []wireAnswer {
	const network, server, auth = outputs.ReasonNetwork, outputs.ReasonServer, outputs.ReasonAuth
	endless := strings.Repeat("x", 8<<20)
	return []wireAnswer{
		{name: "ends before the request", early: true, reason: network},
		{name: "resets before the request", early: true, reset: true, reason: network},
		{name: "ends without an answer", reason: network, half: true},
		{name: "resets without an answer", reset: true, reason: network, half: true},
		{name: "half a status line", text: "HTTP/1.", reason: network, half: true},
		{name: "half a header", text: "HTTP/1.1 200 OK\r\nContent-Le", reason: network, half: true},
		{name: "half a body", text: "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", reason: network, half: true},
		{
			name: "half a chunk", text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n{",
			reason: network, half: true,
		},
		{
			name: "no chunks", text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno\r\n\r\n",
			reason: network, half: true,
		},
		{name: "another protocol", text: "SSH-2.0-OpenSSH_9.6\r\n", reason: network, half: true},
		{name: "an alert of TLS", text: "\x15\x03\x01\x00\x02\x02\x46", reason: network, half: true},
		{
			name: "a header without end", text: "HTTP/1.1 200 OK\r\nX: " + endless, reason: network, half: true,
		},
		{name: "an error without end", text: "HTTP/1.1 500 Error\r\n\r\n" + endless, reason: server},
		{name: "a page for people", text: answerOf("200 OK", "text/html", "<h1>Log in</h1>"), reason: server},
		{
			name: "a redirect with the body", text: answerOf("307 Temporary Redirect", "text/plain", ""),
			reason: server,
		},
		{name: "a redirect without it", text: answerOf("303 See Other", "text/plain", ""), reason: server},
		{name: "no content to be had", text: answerOf("304 Not Modified", "text/plain", ""), reason: server},
		{name: "a login of its own", text: answerOf("401 Unauthorized", "text/plain", ""), reason: auth},
		{name: "a proxy's login", text: answerOf("407 Proxy Authentication Required", "a/b", ""), reason: auth},
		{name: "a teapot", text: answerOf("418 I'm a teapot", "text/plain", ""), reason: server},
		{name: "misdirected", text: answerOf("421 Misdirected Request", "text/plain", ""), reason: server},
		{name: "too early", text: answerOf("425 Too Early", "text/plain", ""), reason: server},
		{name: "too many", text: answerOf("429 Too Many", "text/plain", ""), reason: outputs.ReasonThrottled},
		{name: "a bad wish to wait", text: "HTTP/1.1 503 No\r\nRetry-After: -1.5e9\r\n\r\n", reason: server},
		{name: "a portal's login", text: answerOf("511 Network Authentication Required", "a/b", ""), reason: server},
		{name: "a status of no standard", text: answerOf("799 Odd", "text/plain", ""), reason: server},
		{name: "what it was sent", text: answerOf("500 Error", "text/plain", "{head}"), reason: server},
		{name: "it as JSON", text: answerOf("502 No", "application/json", `{"text":"{head}"}`), reason: server},
		{name: "JSON of other types", text: answerOf("500 No", "application/json", `{"code":[1]}`), reason: server},
		{name: "broken JSON", text: answerOf("503 No", "application/json", `{"code":`), reason: server},
	}
}

// answerOf returns an answer that is whole, and leads elsewhere where it is a redirect.
func answerOf(status, kind, body string) string {
	return fmt.Sprintf("HTTP/1.1 %s\r\nLocation: {elsewhere}\r\nContent-Type: %s\r\nConnection: close\r\n\r\n%s",
		status, kind, body)
}

// HTTPAnswers checks what an output makes of answers that prove no delivery: the events are to be sent again, none is
// given up, no redirect is followed, and no secret is told. Then the destination is well, and takes them.
func HTTPAnswers(t *testing.T, d HTTPDestination) {
	t.Helper()
	for _, a := range wireAnswers() {
		t.Run(a.name, func(t *testing.T) {
			s := newWireServer(t)
			s.set(a)
			o := d.New(t, "http://"+s.address)
			b := Batch(Chunk(1, "a", "t", 3, 0, 10))
			err := o.Send(t.Context(), b)
			if err == nil {
				t.Fatal("the events count as delivered")
			}
			se := outputs.AsSendError(err)
			if se.Reason != a.reason {
				t.Errorf("%s, want %s: %v", se.Reason, a.reason, err)
			}
			for _, f := range se.Failed {
				if f.Reason.Final() {
					t.Errorf("event %d is given up: %+v", f.Index, f)
				}
			}
			for what, text := range map[string]string{
				"the error": outputs.Whole(err.Error()), "in public": outputs.Public(err.Error()),
			} {
				if strings.ContainsAny(text, "\r\n\x1b\x00") || len(text) > 2048 {
					t.Errorf("%s is not one line: %q", what, text)
				}
				if d.Secret != "" && strings.Contains(text, d.Secret) {
					t.Errorf("%s tells the secret: %s", what, text)
				}
			}
			if r, ok := o.(outputs.Reporter); ok && a.half && r.Report().PossibleDuplicates != 3 {
				t.Errorf("%d possible duplicates, want 3", r.Report().PossibleDuplicates)
			}
			s.set(wireAnswer{text: d.Good})
			if err := o.Send(t.Context(), b); err != nil {
				t.Errorf("the destination is well, and its answer is %v", err)
			}
			if err := o.Close(); err != nil {
				t.Error(err)
			}
			if n := s.strayed(); n > 0 {
				t.Errorf("%d requests followed a redirect", n)
			}
		})
	}
}

// wireServer answers each request, on a connection of its own, with bytes.
type wireServer struct {
	t       *testing.T
	address string

	mu     sync.Mutex
	answer wireAnswer
	stray  int
}

func newWireServer(t *testing.T) *wireServer {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &wireServer{t: t, address: l.Addr().String()}
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conns.Go(func() { s.serve(conn) })
		}
	})
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		conns.Wait()
	})
	return s
}

func (s *wireServer) set(a wireAnswer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = a
}

// strayed returns how many requests came that were led here by a redirect.
func (s *wireServer) strayed() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stray
}

// serve answers one request. The client may go at any time.
func (s *wireServer) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	s.mu.Lock()
	a := s.answer
	s.mu.Unlock()
	if a.early {
		s.drop(conn, a)
		return
	}
	var head strings.Builder
	req, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return
	}
	if _, err := io.Copy(io.Discard, req.Body); err != nil {
		return
	}
	if strings.Contains(req.URL.Path, "elsewhere") {
		s.mu.Lock()
		s.stray++
		s.mu.Unlock()
	}
	for _, name := range []string{"Authorization", "X-Key"} {
		head.WriteString(req.Header.Get(name) + " ")
	}
	text := strings.ReplaceAll(a.text, "{head}", head.String())
	_, _ = io.WriteString(conn, strings.ReplaceAll(text, "{elsewhere}", "http://"+s.address+"/elsewhere"))
	s.drop(conn, a)
}

// drop has the end of a connection be a reset, where the answer says so.
func (s *wireServer) drop(conn net.Conn, a wireAnswer) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		s.t.Errorf("%T is no connection of TCP", conn)
		return
	}
	if a.reset {
		if err := tcp.SetLinger(0); err != nil {
			s.t.Error(err)
		}
		return
	}
	// What the client still sends must not turn the end into a reset.
	_ = tcp.CloseWrite()
	_, _ = io.Copy(io.Discard, tcp)
}
