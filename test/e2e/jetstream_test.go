package e2e

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/tls/tlstest"
	"github.com/seed-afc6a195/aggregator/test/harness"
	"github.com/seed-afc6a195/aggregator/test/nats"
)

// shared is a configuration whose queue is on JetStream. URLS and MORE are of its section; %[1]s is the directory.
const shared = `
listeners:
  - {name: test, address: "127.0.0.1:0"}
  - {name: handover, address: "127.0.0.1:0", handover: {shared_key: hand over, clusters: [default]}}
buffer:
  type: jetstream
  path: "%[1]s/data"
  jetstream: {urls: [URLS], stream: LOGS, replicas: 1, max_size: 1GiBMORE}
outputs:
  archive: {type: file, path: "OUT/archive-{tag}.ndjson", batch: {max_wait: 50ms}, fields: {id: _id}}
  away: {type: forward, servers: ["127.0.0.1:1"]}
routes:
  - {match: "away", outputs: [away]}
  - {match: "a*", outputs: [archive]}
status: {address: "127.0.0.1:0"}
log: {format: json}
`

// startNATS starts servers, or has the test skipped where there are none.
func startNATS(t *testing.T, o nats.Options) *nats.Cluster {
	t.Helper()
	if _, err := nats.Install(); err != nil {
		need(t, err.Error())
	}
	return nats.Start(t, o)
}

// sharedConfig returns shared for the servers; more begins with a comma.
func sharedConfig(urls, out, more string) string {
	return strings.NewReplacer("URLS", urls, "OUT", out, "MORE", more).Replace(shared)
}

// quoted are the addresses of the servers as YAML has them.
func quoted(c *nats.Cluster) string { return `"` + strings.Join(c.URLs(), `", "`) + `"` }

// deliveredOnce holds that each of the agent's events is in the file of its tag, once.
func deliveredOnce(t *testing.T, s *server, agents ...*harness.Agent) {
	t.Helper()
	for _, a := range agents {
		seen := map[string]int{}
		for _, e := range s.events("archive-" + a.Tag) {
			if e["agent"] == a.Name {
				seen[fmt.Sprint(e["n"])]++
			}
		}
		for n := range a.Acked() {
			if got := seen[strconv.Itoa(n)]; got != 1 {
				t.Fatalf("%s: event %d is there %d times", a.Name, n, got)
			}
		}
	}
}

// TestJetStreamKilled kills the one aggregator of a stream, which comes back without a file of its own.
func TestJetStreamKilled(t *testing.T) {
	c := startNATS(t, nats.Options{})
	out := t.TempDir()
	config := sharedConfig(quoted(c), filepath.Join(out, "out"), "")
	s := start(t, t.TempDir(), config)
	a := &harness.Agent{Name: "a", Tag: "away", Address: s.Address, Limit: 1000}
	a.Run(t.Context())
	s.kill()
	s = start(t, t.TempDir(), awayToFile(config, out))
	s.Dir = out
	s.await("archive-away", a.Limit)
	deliveredOnce(t, s, a)
	s.Balanced()
	s.stop()
}

// TestJetStreamDrain shows and drains what a killed aggregator has stored, of which it has told nobody.
func TestJetStreamDrain(t *testing.T) {
	c := startNATS(t, nats.Options{})
	out := t.TempDir()
	config := sharedConfig(quoted(c), filepath.Join(out, "out"), "")
	s := start(t, t.TempDir(), config)
	a := &harness.Agent{Name: "a", Tag: "away", Address: s.Address, Limit: 1000}
	a.Run(t.Context())
	s.kill()
	path, _ := binary() // built by now
	// The agent sends twenty events a chunk.
	look := exec.CommandContext(t.Context(), path, "queue", "--offline", "--json", "-c",
		filepath.Join(s.Dir, "aggregator.yaml"))
	said, err := look.Output()
	if err != nil || !strings.Contains(string(said), `"chunks": 50`) {
		t.Errorf("aggregator queue --offline says %s, %v", said, err)
	}
	drain(t, t.TempDir(), awayToFile(config, out)).says(t, 0, "", "")
	s.Dir = out
	deliveredOnce(t, s, a)
	drain(t, t.TempDir(), config).says(t, 0, "", "")
	// Where no server answers, nothing is known to be done.
	away := sharedConfig(`"nats://127.0.0.1:1"`, filepath.Join(out, "out"), "")
	drain(t, t.TempDir(), away, "--timeout", "1s").says(t, 1, "it is not known what waits", "more may be left")
}

// awayToFile returns config with events of the tag away going to the files that deliveredOnce reads.
func awayToFile(config, out string) string {
	return strings.Replace(config, "{type: forward, servers: [\"127.0.0.1:1\"]}",
		"{type: file, path: \""+out+"/out/archive-away.ndjson\", batch: {max_wait: 50ms}}", 1)
}

// TestJetStreamTakeover has one of two end in either way, and the other one deliver what waits.
func TestJetStreamTakeover(t *testing.T) {
	c := startNATS(t, nats.Options{})
	out := t.TempDir()
	config := sharedConfig(quoted(c), filepath.Join(out, "out"), "")
	one, two := start(t, t.TempDir(), config), start(t, t.TempDir(), config)
	one.Dir = out
	first := &harness.Agent{Name: "first", Tag: "a1", Address: one.Address, Limit: 2000}
	first.Run(t.Context())
	one.stop()
	two.Dir = out
	two.await("archive-a1", first.Limit)
	two.Drained()
	// A file output without its directory may write twice what was in hand at a kill, so that all waits.
	two.says("output", "pause", "archive")
	second := &harness.Agent{Name: "second", Tag: "a2", Address: two.Address, Limit: 2000}
	second.Run(t.Context())
	three := start(t, t.TempDir(), config)
	two.kill()
	three.says("output", "resume", "archive")
	// What the killed one has stored last is in no figure yet.
	three.Dir = out
	three.await("archive-a2", second.Limit)
	three.Drained()
	deliveredOnce(t, one, first, second)
	three.eventually("the group shows who has ended and who is gone", func() bool {
		states := map[string]int{}
		for _, p := range three.Snapshot().Group.Pods {
			states[string(p.State)]++
		}
		return states["ended"] == 1 && states["gone"] == 1 && states["ready"] == 1
	})
	three.Balanced()
	if out := three.says("queue", "--json"); !strings.Contains(out, `"output": "archive"`) {
		t.Errorf("aggregator queue says %s", out)
	}
}

// TestJetStreamPause has a pause hold for all, and for one that starts later.
func TestJetStreamPause(t *testing.T) {
	c := startNATS(t, nats.Options{})
	config := sharedConfig(quoted(c), t.TempDir(), "")
	one, two := start(t, t.TempDir(), config), start(t, t.TempDir(), config)
	paused := func(s *server, want bool) {
		t.Helper()
		s.eventually(fmt.Sprintf("archive to be paused: %t", want), func() bool {
			for _, o := range s.Snapshot().Outputs {
				if o.Name == "archive" {
					return (o.State == "paused") == want
				}
			}
			return false
		})
	}
	one.says("output", "pause", "archive")
	paused(two, true)
	three := start(t, t.TempDir(), config)
	paused(three, true)
	three.says("output", "resume", "archive")
	paused(one, false)
	paused(two, false)
}

// permissions returns the list of docs/scaling.md.
func permissions(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/scaling.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)<!-- begin permissions -->\n```\n(.*?)```").FindSubmatch(text)
	if m == nil {
		t.Fatal("docs/scaling.md has no permissions")
	}
	return string(m[1])
}

// user is a user of NATS with just the permissions that docs/scaling.md lists.
func user(t *testing.T, password, permissions string) string {
	t.Helper()
	return "authorization { users = [{user: aggregator, password: \"" + password + "\", permissions: {\n" +
		permissions +
		"}}] }\n"
}

// TestJetStreamPermissions does all that there is with the permissions that are documented, and names one that is
// missing.
func TestJetStreamPermissions(t *testing.T) {
	allowed := permissions(t)
	c := startNATS(t, nats.Options{
		Config: "include user.conf\n", Files: map[string]string{"user.conf": user(t, "secret", allowed)},
	})
	out := t.TempDir()
	config := sharedConfig(quoted(c), filepath.Join(out, "out"), ", username: aggregator, password: secret")
	s := start(t, t.TempDir(), config)
	agents := []*harness.Agent{
		{Name: "a", Tag: "app", Address: s.Address, Limit: 500},
		{Name: "b", Tag: "away", Address: s.Address, Limit: 500},
		{Name: "c", Tag: "nobody", Address: s.Address, Limit: 100},
	}
	for _, a := range agents {
		a.Run(t.Context())
	}
	s.eventually("the archive's are delivered", func() bool {
		s.Dir = out
		return len(s.events("archive-app")) == 500
	})
	deliveredOnce(t, s, agents[0])
	for _, args := range [][]string{
		{"dead", "list"},
		{"dead", "purge", "--all", "--yes"},
		{"output", "pause", "away"},
		{"output", "retry", "away"},
	} {
		if out := s.says(args...); strings.Contains(out, "aggregator: ") {
			t.Errorf("%v: %s", args, out)
		}
	}
	s.stop()
	if log := c.Nodes[0].Log(); strings.Contains(log, "Violation") {
		t.Errorf("the servers refused something:\n%s", log)
	}
	less := strings.Replace(allowed, `"LOGS.>", `, "", 1)
	c.Nodes[0].Write(map[string]string{"user.conf": user(t, "secret", less)})
	c.Nodes[0].Stop()
	c.Nodes[0].Start()
	c.Nodes[0].Healthy()
	s = start(t, t.TempDir(), config)
	a := &harness.Agent{Name: "d", Tag: "app", Address: s.Address, Limit: 100}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { a.Run(ctx); close(done) }()
	s.eventually("the missing permission is named", func() bool {
		return strings.Contains(s.Log.String(), "ermission") && strings.Contains(s.Log.String(), "LOGS.")
	})
	cancel()
	<-done
	if n := a.Acked(); n != 0 {
		t.Errorf("%d events were acknowledged though nothing may be stored", n)
	}
}

// TestJetStreamTLS speaks TLS to the servers, with a password that is changed while it runs.
func TestJetStreamTLS(t *testing.T) {
	ca := tlstest.NewCA(t, "nats")
	cert, key := ca.Issue(t, tlstest.Spec{CommonName: "nats"}).Files(t)
	authority := ca.File(t)
	c := startNATS(t, nats.Options{
		Config: fmt.Sprintf("tls { cert_file: %q, key_file: %q }\ninclude user.conf\n", cert, key),
		Files:  map[string]string{"user.conf": user(t, "first", permissions(t))},
	})
	out := t.TempDir()
	dir := t.TempDir()
	secret := filepath.Join(dir, "password")
	if err := os.WriteFile(secret, []byte("first"), 0o600); err != nil {
		t.Fatal(err)
	}
	config := sharedConfig(quoted(c), filepath.Join(out, "out"),
		`, username: aggregator, password: "${file:`+secret+`}", tls: {ca_file: "`+authority+`"}`)
	s := start(t, dir, config)
	a := &harness.Agent{Name: "a", Tag: "app", Address: s.Address, Limit: 500}
	a.Run(t.Context())
	// The servers know only the new password, and have lost all connections.
	c.Nodes[0].Write(map[string]string{"user.conf": user(t, "second", permissions(t))})
	c.Nodes[0].Stop()
	c.Nodes[0].Start()
	if err := os.WriteFile(secret, []byte("second"), 0o600); err != nil {
		t.Fatal(err)
	}
	a.Limit = 1000
	a.Run(t.Context())
	s.Drained()
	s.Dir = out
	deliveredOnce(t, s, a)
	if state := s.Snapshot().Config; len(state.Restart) > 0 {
		t.Errorf("a password waits for a restart: %v", state.Restart)
	}
}

// TestJetStreamForeign refuses a stream of somebody else, and says what differs.
func TestJetStreamForeign(t *testing.T) {
	c := startNATS(t, nats.Options{})
	create(t, c.Nodes[0].Client, `{"name":"LOGS","subjects":["LOGS.q.>"],"retention":"limits","storage":"memory",`+
		`"max_consumers":-1,"max_msgs":-1,"max_bytes":-1,"discard":"old","num_replicas":1}`)
	dir := t.TempDir()
	out := checked(t, dir, sharedConfig(quoted(c), dir, ""))
	if !strings.Contains(out, "retention") || !strings.Contains(out, "the queue can't be used") {
		t.Errorf("check --connect says:\n%s", out)
	}
}

// create makes a stream, by NATS' own protocol.
func create(t *testing.T, address, config string) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "CONNECT {\"verbose\":false}\r\nSUB made 1\r\nPUB $JS.API.STREAM.CREATE.LOGS made %d\r\n%s\r\n",
		len(config), config)
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		if text := lines.Text(); strings.HasPrefix(text, "{") {
			if strings.Contains(text, `"error"`) {
				t.Fatal(text)
			}
			return
		}
	}
	t.Fatal("no stream was made")
}

// checked returns what check --connect says.
func checked(t *testing.T, dir, config string) string {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "aggregator.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, config, dir), 0o600); err != nil {
		t.Fatal(err)
	}
	// The outputs can't be reached, either.
	text, _ := exec.CommandContext(t.Context(), path, "check", "--connect", file).CombinedOutput()
	return string(text)
}

// TestJetStreamTooOld refuses servers of a version that lacks what is needed.
func TestJetStreamTooOld(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go old(conn)
		}
	}()
	dir := t.TempDir()
	out := checked(t, dir, sharedConfig(`"nats://`+l.Addr().String()+`"`, dir, ""))
	if !strings.Contains(out, "NATS 2.2.0") || !strings.Contains(out, "the queue can't be used") {
		t.Errorf("check --connect says:\n%s", out)
	}
}

// old speaks as a server of 2.2.0 does until its client goes.
func old(conn net.Conn) {
	defer conn.Close()
	fmt.Fprint(conn, `INFO {"server_id":"X","version":"2.2.0","proto":1,"headers":true,"max_payload":1048576}`+"\r\n")
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		if lines.Text() == "PING" {
			fmt.Fprint(conn, "PONG\r\n")
		}
	}
}
