package elasticsearch

import (
	"context"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/elasticsearch/elastictest"
)

const (
	secret = "s3cr3t-passw0rd"
	// calm is how long a probe of a server that is there may take: however busy this machine is.
	calm = time.Minute
)

// newOutput returns an output to the handler, for test events to index logs-{cluster}.
func newOutput(tb testing.TB, h http.Handler, change func(*Config)) *Output {
	tb.Helper()
	server := httptest.NewServer(h)
	tb.Cleanup(server.Close)
	cfg := Config{
		Common: outputs.Common{Fields: event.Fields{Time: "@timestamp", Tag: "tag", Cluster: "cluster"}},
		Hosts:  []string{server.URL}, Index: "logs-{cluster}", Flavor: "auto", OpType: "create", ID: idAuto,
		Login: Login{Username: "agent", Password: setting.NewSecret(secret)},
	}
	cfg.Template.Manage = false
	if change != nil {
		change(&cfg)
	}
	o, err := New(cfg, Options{Now: time.Now})
	if err != nil {
		tb.Fatal(err)
	}
	o.client.longestProbe = calm
	if err := o.Prepare(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	return o
}

// newPipedOutput is newOutput for a bubble of synctest: its hosts are the names in handlers, which it reaches through
// pipes, so that waits cost no time and nothing else takes any.
func newPipedOutput(t *testing.T, timeout time.Duration, handlers map[string]http.Handler) *Output {
	t.Helper()
	cfg := Config{
		Common: outputs.Common{Timeout: timeout, Fields: event.Fields{Time: "@timestamp"}},
		Index:  "logs-{cluster}", OpType: "create", ID: idAuto,
	}
	var dial dialer
	cfg.Hosts, dial = pipes(t, handlers)
	o, err := New(cfg, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.Close() })
	o.client.http.Proxy, o.client.http.DialContext = nil, dial
	if err := o.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	return o
}

type dialer func(ctx context.Context, network, address string) (net.Conn, error)

// pipes returns the hosts of those names, in their order, and how to reach them. One without a handler takes
// connections and never reads from them.
func pipes(t *testing.T, handlers map[string]http.Handler) (hosts []string, dial dialer) {
	t.Helper()
	listeners := map[string]pipeListener{}
	for _, name := range slices.Sorted(maps.Keys(handlers)) {
		hosts = append(hosts, "http://"+name)
		if handlers[name] == nil {
			continue
		}
		l := pipeListener{make(chan net.Conn), make(chan struct{}), new(sync.Once)}
		listeners[name+":80"] = l
		server := &http.Server{Handler: handlers[name]}
		var serving sync.WaitGroup
		serving.Go(func() { _ = server.Serve(l) }) // until it is closed
		t.Cleanup(func() {
			_ = server.Close()
			serving.Wait()
		})
	}
	return hosts, func(ctx context.Context, _, address string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		l, answers := listeners[address]
		if !answers {
			return ours, nil
		}
		select {
		case l.conns <- theirs:
			return ours, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   *sync.Once // to close it
}

func (l pipeListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

// numbers returns the n of each document that the server has.
func numbers(t *testing.T, s *elastictest.Server) []int {
	t.Helper()
	var all []int
	for _, d := range s.Documents() {
		_, text, _ := strings.Cut(string(d.Source), `"n":`)
		text, _, _ = strings.Cut(text, ",")
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatalf("a document has no number: %s", d.Source)
		}
		all = append(all, n)
	}
	slices.Sort(all)
	return all
}
