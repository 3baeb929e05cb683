package e2e

import (
	"bytes"
	"context"
	stdtls "crypto/tls"
	"crypto/x509"
	encoding "encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/seed-afc6a195/aggregator/pkg/forward/client"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/elasticsearch/elastictest"
	"github.com/seed-afc6a195/aggregator/test/harness"
)

// agentAtWork is an agent that sends without pause.
type agentAtWork struct {
	*harness.Agent
	t       *testing.T
	server  *server
	cancel  context.CancelFunc
	resting atomic.Bool
	running sync.WaitGroup
}

// work has the agent send until rest or leave.
func (a *agentAtWork) work() {
	ctx, cancel := context.WithCancel(a.t.Context())
	a.cancel = cancel
	a.resting.Store(false)
	a.OnAck = func(int) {
		if a.resting.Load() {
			cancel()
		}
	}
	a.running.Go(func() { a.Run(ctx) })
}

// rest stops the agent after its next ack.
func (a *agentAtWork) rest() { a.resting.Store(true); a.running.Wait() }

// leave stops the agent at once; what has no ack it sends again when it works again.
func (a *agentAtWork) leave() { a.cancel(); a.running.Wait() }

// progress waits for n more acknowledged events.
func (a *agentAtWork) progress(what string, n int) {
	a.t.Helper()
	from := a.Acked()
	a.server.eventually(what, func() bool { return a.Acked() >= from+n })
}

// wantAll expects each acknowledged event of the agent once in the file output.
func (a *agentAtWork) wantAll(s *server) {
	a.t.Helper()
	acked := a.Acked()
	s.await(a.Tag, acked)
	times := map[string]int{}
	for _, e := range s.events(a.Tag) {
		times[fmt.Sprint(e["n"])]++
	}
	for n := range acked {
		if times[strconv.Itoa(n)] != 1 {
			a.t.Fatalf("event %d of %s is there %d times", n, a.Name, times[strconv.Itoa(n)])
		}
	}
}

// operated is a server as docs/operations.md has it, and a shell that finds its files.
type operated struct {
	*server
	*shell
	etc string // in place of /etc/aggregator
}

// operate runs the configuration, in which /etc/aggregator is a directory of the test's own.
func operate(t *testing.T, sh *shell, etc, config string) *operated {
	t.Helper()
	config = strings.NewReplacer("/etc/aggregator", etc).Replace(config)
	o := &operated{server: start(t, t.TempDir(), config), shell: sh, etc: etc}
	sh.env = append(sh.env, "AGGREGATOR="+o.Forward)
	sh.replace = append(sh.replace, "/etc/aggregator/config/aggregator.yaml", o.config, "/etc/aggregator", etc,
		"/var/lib/aggregator/queue", filepath.Join(o.server.Dir, "data"), "127.0.0.1:9880", o.Status)
	return o
}

// configure puts another configuration in place of that in force, as an editor does, and reloads.
func (o *operated) configure(config string) {
	o.server.t.Helper()
	text := fmt.Sprintf(strings.ReplaceAll(config, "/etc/aggregator", o.etc), o.server.Dir)
	if err := os.WriteFile(o.config, []byte(text), 0o600); err != nil {
		o.server.t.Fatal(err)
	}
	wantOutput(o.server.t, "reload", o.run("operations.md", "reload"), "true")
}

// TestRotation changes a cluster's key, the listener's certificate and its authority by the commands of
// docs/operations.md while agents send: nothing is lost, nothing is doubled, and who has what is new is not cut off.
func TestRotation(t *testing.T) {
	const doc = "operations.md"
	etc := t.TempDir()
	for _, dir := range []string{"tls", "secrets/agents-keys"} {
		if err := os.MkdirAll(filepath.Join(etc, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	sh := newShell(t)
	sh.replace = append(sh.replace, "/etc/aggregator/tls", etc+"/tls")
	sh.run("tls.md", "ca")
	for _, name := range []string{"ca.crt", "ca.key"} {
		sh.write(name, sh.read("agents-"+name))
	}
	sh.run(doc, "certificate")
	sh.replace = nil
	write := func(key, text string) {
		if err := os.WriteFile(filepath.Join(etc, "secrets", "agents-keys", key), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("seoul", "the old key\n")
	const config = `
listeners:
  - {name: forward, address: "127.0.0.1:0", tls: {cert_file: /etc/aggregator/tls/tls.crt,
      key_file: /etc/aggregator/tls/tls.key}, max_messages_per_connection: 20}
clusters:
  - name: seoul
    shared_key: ["${file:/etc/aggregator/secrets/agents-keys/seoul}"]
buffer: {path: %[1]s/data, min_free_disk: 1MiB}
outputs:
  archive: {type: file, path: "%[1]s/out/{tag}.ndjson", batch: {max_wait: 50ms}}
routes:
  - {match: "**", outputs: [archive]}
status: {address: "127.0.0.1:0"}
log: {format: json}
`
	o := operate(t, sh, etc, config)
	agent := func(name, key string) *agentAtWork {
		return &agentAtWork{t: t, server: o.server, Agent: &harness.Agent{
			Name: name, Tag: "kube." + name, Address: o.Address, Events: 5,
			Login: &client.Login{SharedKey: key, Hostname: name}, TLS: trusting(t, sh.read("ca.crt")),
		}}
	}
	first, forgotten := agent("first", "the old key"), agent("forgotten", "the old key")
	for _, a := range []*agentAtWork{first, forgotten} {
		a.work()
		a.progress("events under the old key", 500)
	}

	// The key.
	o.run(doc, "key-new")
	fresh, err := os.ReadFile(filepath.Join(etc, "secrets", "agents-keys", "seoul-next"))
	if err != nil {
		t.Fatal(err)
	}
	const old = `["${file:/etc/aggregator/secrets/agents-keys/seoul}"]`
	_, both, _ := strings.Cut(strings.TrimSpace(mustBlock(t, doc, "yaml two keys")), "shared_key: ")
	o.configure(strings.Replace(config, old, both, 1))
	forgotten.progress("events under the old key, while both are good", 500)
	first.rest()
	first.Login = &client.Login{SharedKey: strings.TrimSpace(string(fresh)), Hostname: "first"}
	first.work()
	first.progress("events under the new key, while both are good", 500)
	o.configure(strings.Replace(config, old, `["${file:/etc/aggregator/secrets/agents-keys/seoul-next}"]`, 1))
	first.progress("events under the new key alone", 500)
	o.eventually("the forgotten agent to be turned away", func() bool {
		listeners, _ := o.get("/status")["listeners"].([]any)
		n, _ := at(listeners[0], "refused", "shared_key").(float64)
		return n > 0
	})
	o.configure(strings.Replace(config, old, both, 1))
	forgotten.progress("the forgotten agent, let in again", 500)

	// The certificate.
	before := o.run(doc, "shown")
	o.run(doc, "certificate")
	o.run(doc, "reload")
	if after := o.run(doc, "shown"); strings.SplitN(after, "\n", 2)[0] == strings.SplitN(before, "\n", 2)[0] {
		t.Errorf("new connections are still shown the old certificate:\n%s", after)
	}
	first.progress("events after a new certificate", 500)

	// The authority.
	o.run(doc, "authority")
	first.rest()
	first.TLS = trusting(t, o.read("both.crt"))
	first.work()
	first.progress("events of an agent that trusts both authorities", 500)
	o.run(doc, "certificate")
	o.run(doc, "reload")
	wantOutput(t, "shown", o.run(doc, "shown"), "serial=", `"owner": "listener forward"`)
	first.progress("events of an agent that trusts both authorities, under the second", 500)
	first.rest()
	first.TLS = trusting(t, o.read("ca.crt"))
	first.work()
	first.progress("events of an agent that trusts the second authority alone", 500)

	o.eventually("the agent that trusts the first authority alone to turn away", func() bool {
		listeners, _ := o.get("/status")["listeners"].([]any)
		n, _ := at(listeners[0], "refused", "tls").(float64)
		return n > 0
	})
	first.rest()
	forgotten.leave() // it trusts the first authority alone, and so nobody
	forgotten.TLS = trusting(t, o.read("ca.crt"))
	for _, a := range []*agentAtWork{first, forgotten} {
		a.Finish(t.Context())
		a.wantAll(o.server)
	}
	o.stop()
}

// trusting returns what an agent that trusts these authorities has.
func trusting(t *testing.T, pem string) *stdtls.Config {
	t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(pem)) {
		t.Fatal("no authority in " + pem)
	}
	return &stdtls.Config{RootCAs: pool, MinVersion: stdtls.VersionTLS12}
}

// TestBackup copies the queue of a running program, as docs/operations.md says, and delivers what the copy holds: all
// that was acknowledged before the copy began is in it.
func TestBackup(t *testing.T) {
	sh := newShell(t)
	config := elasticConfig("127.0.0.1:0", "http://127.0.0.1:1", "logs-{cluster}") // nobody is there: all of it waits
	o := operate(t, sh, t.TempDir(),
		strings.Replace(config, "min_free_disk: 1MiB", "min_free_disk: 1MiB, segment_size: 1MiB", 1))
	agent := &agentAtWork{
		t: t, server: o.server,
		Agent: &harness.Agent{Name: "a", Tag: "kube.a", Address: o.Address, Padding: 2000, InFlight: 4},
	}
	agent.work()
	for range 3 {
		agent.progress("more events", 3000)
		acked := agent.Acked()
		if err := os.RemoveAll(filepath.Join(sh.Dir, "backup")); err != nil {
			t.Fatal(err)
		}
		o.run("operations.md", "backup")
		made := elastictest.New(elastictest.Options{})
		es := httptest.NewServer(made.Handler())
		sh.write("restore.yaml", fmt.Sprintf(elasticConfig("127.0.0.1:0", es.URL, "logs-{cluster}"), sh.Dir))
		sh.write("restore.yaml", strings.Replace(sh.read("restore.yaml"), sh.Dir+"/data", sh.Dir+"/backup", 1))
		wantOutput(t, "restore", o.run("operations.md", "restore"), "delivered ", "events that waited in")
		there := map[string]int{}
		number := regexp.MustCompile(`"n":(\d+)`)
		for _, d := range made.Documents() {
			there[string(number.FindSubmatch(d.Source)[1])]++
		}
		es.Close()
		for n := range acked {
			if there[strconv.Itoa(n)] != 1 {
				t.Fatalf("event %d of %d that were acknowledged before the copy began is in it %d times", n, acked,
					there[strconv.Itoa(n)])
			}
		}
	}
	agent.leave()
	o.kill()
}

// TestOperations runs the other commands of docs/operations.md.
func TestOperations(t *testing.T) {
	const doc = "operations.md"
	etc := t.TempDir()
	if err := os.MkdirAll(filepath.Join(etc, "secrets", "agents-keys"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(
		filepath.Join(etc, "secrets", "agents-keys", "seoul"), []byte("the key"), 0o600,
	); err != nil {
		t.Fatal(err)
	}
	made := elastictest.New(elastictest.Options{})
	es := httptest.NewServer(made.Handler())
	defer es.Close()
	config := func(address, status, routes string) string {
		text := strings.Replace(elasticConfig(address, es.URL, "logs-{cluster}"), "buffer:",
			"clusters:\n  - {name: seoul, shared_key: \"${file:/etc/aggregator/secrets/agents-keys/seoul}\"}\nbuffer:",
			1)
		return strings.NewReplacer(`match: "**"`, `match: "`+routes+`"`, `status: {address: "127.0.0.1:0"}`,
			`status: {address: "`+status+`"}`).Replace(text)
	}
	sh := newShell(t)
	address, status := freeAddress(t), freeAddress(t)
	o := operate(t, sh, etc, config(address, status, "app.**"))
	sh.write("seoul", "the key")
	sh.write("web.log", "2026-03-01T09:00:00Z stdout F one\n2026-03-01T09:00:01Z stdout F two\n")
	wantOutput(t, "upgrade", o.run(doc, "upgrade"), "aggregator")
	wantOutput(t, "look", o.run(doc, "look"), `"ready": true`, `"state": "idle"`)
	wantOutput(t, "again", o.run(doc, "again"), "2 sent, 2 acknowledged")
	wantOutput(t, "hello", o.run(doc, "hello"), "1 sent, 1 acknowledged")
	wantOutput(t, "noacks", o.run(doc, "noacks"), `"no_ack_peers": []`)
	wantOutput(t, "check", o.run(doc, "check"), "es")
	wantOutput(t, "dead", o.run(doc, "dead"), "unrouted")
	if n := o.deadLetters(); n != 3 {
		t.Errorf("%d dead letters, want 3", n)
	}
	o.configure(config(address, status, "kube.**")) // a route that takes them
	o.run(doc, "retry")
	o.drained()
	if n := o.deadLetters(); n != 0 {
		t.Errorf("%d dead letters are left", n)
	}
	o.run(doc, "pause")
	o.run(doc, "resume")
	wantOutput(t, "look", o.run(doc, "look"), `"state": "idle"`)

	// Events that wait when the program stops, because somebody has paused the output.
	o.run(doc, "pause")
	sendMade(t, o.Forward, 1000, "--shared-key", "the key", "--tag", "kube.made")
	o.stop()
	want, _, _ := strings.Cut(strings.TrimSpace(mustBlock(t, doc, "text")), " in /var")
	wantOutput(t, "drain", o.run(doc, "drain"), want)
	if n := len(made.Documents()); n != 1003 {
		t.Errorf("%d documents, want 1003", n)
	}
}

// TestOtherFormat starts the program on a directory that a newer version has written: it ends at once, says what to do,
// and leaves the directory as it was.
func TestOtherFormat(t *testing.T) {
	s := start(t, t.TempDir(), defaultConfig)
	sendMade(t, s.Forward, 10)
	s.stop()
	state := filepath.Join(s.Dir, "data", "state.db")
	db, err := bbolt.Open(state, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte("meta")).Put([]byte("format"), formatFour())
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(state)
	if err != nil {
		t.Fatal(err)
	}
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), path, "run", "-c", s.config).CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("%v, want exit code 1", err)
	}
	wantOutput(t, "the program", string(out), strings.TrimSpace(mustBlock(t, "operations.md", "text format")))
	if after, err := os.ReadFile(state); err != nil || !bytes.Equal(before, after) {
		t.Errorf("state.db is not as it was: %v", err)
	}
}

// formatFour is the number of a later format as state.db has it: with its checksum.
func formatFour() []byte {
	b := []byte{0, 0, 0, 4}
	return encoding.LittleEndian.AppendUint32(b, crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
}
