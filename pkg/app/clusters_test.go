package app

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/config"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/forward/client"
	"github.com/seed-afc6a195/aggregator/pkg/status"
)

const twoClusters = `
hostname: aggregator.test
listeners: [{address: "127.0.0.1:0"}]
clusters:
  - {name: seoul, shared_key: [new, old], tags: ["kube.**"], fields: {region: ap}}
  - {name: tokyo, shared_key: other, users: [{name: agent, password: secret}]}
buffer: {path: "%[1]s/data", min_free_disk: 1MiB}
outputs:
  all: {type: file, path: "%[1]s/{cluster}", batch: {max_wait: 1ms}}
status: {address: "127.0.0.1:0"}
`

// TestClusters has agents of two clusters log in, and strangers try.
func TestClusters(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir, twoClusters)
	send := func(login *client.Login, tag string) error {
		agent, err := client.Dial(t.Context(), client.Config{
			Address: p.ListenerAddrs()[0].String(), Login: login, Timeout: patience,
		})
		if err != nil {
			return err
		}
		one := event.AppendEntry(nil, event.AppendTime(nil, event.Time{Sec: 1}), nil, []byte{0x80})
		err = agent.Send(t.Context(), &client.Message{Tag: tag, Entries: one, Events: 1, Chunk: "c"})
		return errors.Join(err, agent.Close())
	}
	for _, tc := range []struct {
		name  string
		login *client.Login
		tag   string
		fails bool
	}{
		{"first key", &client.Login{SharedKey: "new", Hostname: "a"}, "kube.a", false},
		{"second key", &client.Login{SharedKey: "old", Hostname: "a"}, "kube.a", false},
		{"tag of nobody", &client.Login{SharedKey: "old", Hostname: "a"}, "host.a", false},
		{
			"key and user", &client.Login{SharedKey: "other", Hostname: "a", User: "agent", Password: "secret"},
			"host.a", false,
		},
		{"key without user", &client.Login{SharedKey: "other", Hostname: "a"}, "host.a", true},
		{"wrong key", &client.Login{SharedKey: "wrong", Hostname: "a"}, "kube.a", true},
		{"no key", nil, "kube.a", true},
	} {
		if err := send(tc.login, tc.tag); (err != nil) != tc.fails {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
	s := p.await("deliveries and refusals", func(s status.Snapshot) bool {
		return delivered(s, "all") == 3 && s.Listeners[0].Refused.Sum() == 3
	})
	if c := s.Clusters[0]; c.Name != "seoul" || c.StoredEvents != 2 || c.Dead["tag_not_allowed"] != 1 {
		t.Errorf("seoul: %+v", c)
	}
	if c := s.Clusters[1]; c.Name != "tokyo" || c.StoredEvents != 1 {
		t.Errorf("tokyo: %+v", c)
	}
	if r := s.Listeners[0].Refused; r["shared_key"] != 1 || r["user"] != 1 {
		t.Errorf("refused: %v", r)
	}
	for name, want := range map[string]int{"seoul": 2, "tokyo": 0} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || strings.Count(string(text), `"region":"ap"`) != want {
			t.Errorf("%s has %q: %v", name, text, err)
		}
	}
}

// TestInherited: a listener accepts from the socket that the process was given for its name, answers heartbeats beside
// it, and gives it back when it stops.
func TestInherited(t *testing.T) {
	var lc net.ListenConfig
	given, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Parse("test.yaml", fmt.Appendf(nil, `
listeners: [{name: public, address: "127.0.0.1:1"}, {name: second, address: "127.0.0.1:0"}]
buffer: {path: %[1]s/queue}
outputs: {out: {type: file, path: "%[1]s/out"}}
status: {address: "127.0.0.1:0"}
`, t.TempDir()), config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p := startWith(t, cfg, Options{
		Version: "test", Log: zerolog.New(zerolog.NewTestWriter(t)),
		Inherited: func(name, _ string) (net.Listener, net.PacketConn) {
			if name != "public" {
				return nil, nil
			}
			return given, nil
		},
	})
	if got := p.ListenerAddrs()[0].String(); got != given.Addr().String() {
		t.Fatalf("it listens on %s, and was given %s", got, given.Addr())
	}
	p.send("a", "chunk", "hello")
	p.end()
	if _, err := given.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the listener is open after the stop: %v", err)
	}
}
