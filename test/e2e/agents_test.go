//go:build fluentbit || fluentd

package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/tls/tlstest"
)

// The settings in deployments/agents, with a real agent: what it reads arrives, although the aggregator is killed and
// the agent is stopped and started in between.

const agentsDir = "../../deployments/agents"

// site is an aggregator with TLS and a shared key, and a node whose containers write logs.
type site struct {
	t       *testing.T
	dir     string // of the node: containers/, state/
	address string // of the aggregator, also after a restart
	ca      string // file
	server  *server
	home    string // of the aggregator
	config  string // for start
	written int
}

const siteKey = "b2f1c9e0 key of the site"

func newSite(t *testing.T) *site {
	t.Helper()
	ca := tlstest.NewCA(t, "site")
	cert, key := ca.Issue(t, tlstest.Spec{DNS: []string{"localhost"}}).Files(t)
	s := &site{t: t, dir: t.TempDir(), home: t.TempDir(), address: freeAddress(t), ca: ca.File(t)}
	for _, name := range []string{"containers", "state"} {
		if err := os.Mkdir(filepath.Join(s.dir, name), 0o750); err != nil {
			t.Fatal(err)
		}
	}
	s.config = fmt.Sprintf(`
hostname: aggregator-0
listeners:
  - {name: test, address: "%s", tls: {cert_file: %s, key_file: %s}}
clusters:
  - {name: site, shared_key: "%s"}
buffer: {path: %%[1]s/data, min_free_disk: 1MiB}
outputs:
  archive:
    type: file
    path: "%%[1]s/out/all.ndjson"
    batch: {max_wait: 50ms}
    fields: {id: _id, metadata: otlp}
status: {address: "127.0.0.1:0"}
log: {format: json}
`, s.address, cert, key, siteKey)
	s.server = start(t, s.home, s.config)
	return s
}

// crash kills the aggregator and starts it again at the same address.
func (s *site) crash() {
	s.t.Helper()
	s.server.kill()
	s.server = start(s.t, s.home, s.config)
}

// write makes a container log some numbered lines, as the container runtime writes them.
func (s *site) write(lines int) {
	s.t.Helper()
	name := filepath.Join(s.dir, "containers",
		"web-0_shop_web-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef.log")
	f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	var text strings.Builder
	for range lines {
		fmt.Fprintf(&text, "%s stdout F {\"n\":%d,\"text\":\"이벤트\"}\n", time.Now().UTC().Format(time.RFC3339Nano),
			s.written)
		s.written++
	}
	if _, err := f.WriteString(text.String()); err != nil {
		s.t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		s.t.Fatal(err)
	}
}

// arrived returns the ids under which each number was delivered.
func (s *site) arrived() map[string]map[string]bool {
	got := map[string]map[string]bool{}
	data, _ := os.ReadFile(filepath.Join(s.home, "out", "all.ndjson")) // none: nothing came
	number, id := regexp.MustCompile(`\\?"n\\?":(\d+)`), regexp.MustCompile(`"_id":"([^"]+)"`)
	for line := range strings.Lines(string(data)) {
		n, i := number.FindStringSubmatch(line), id.FindStringSubmatch(line)
		if n == nil || i == nil || !strings.HasSuffix(line, "\n") {
			continue
		}
		if got[n[1]] == nil {
			got[n[1]] = map[string]bool{}
		}
		got[n[1]][i[1]] = true
	}
	return got
}

// wantAll waits until every number that was written has arrived, and expects each under one id: what a crash repeats
// has the id that it had.
func (s *site) wantAll() {
	s.t.Helper()
	var got map[string]map[string]bool
	s.server.eventually(fmt.Sprintf("%d lines", s.written), func() bool {
		got = s.arrived()
		return len(got) == s.written
	})
	twice := 0
	for _, ids := range got {
		if len(ids) > 1 {
			twice++
		}
	}
	if twice > 0 {
		s.t.Errorf("%d of %d lines were stored twice", twice, s.written)
	}
}

// file writes a shipped file with its paths replaced, and returns the copy's name.
func (s *site) file(name string, replace ...string) string {
	s.t.Helper()
	data, err := os.ReadFile(filepath.Join(agentsDir, name))
	if err != nil {
		s.t.Fatal(err)
	}
	text := string(data)
	for i := 0; i < len(replace); i += 2 {
		if !strings.Contains(text, replace[i]) {
			s.t.Fatalf("%s has no %q", name, replace[i])
		}
		text = strings.ReplaceAll(text, replace[i], replace[i+1])
	}
	path := filepath.Join(s.dir, filepath.Base(name))
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// agentEnv is what the shipped files take from the environment.
func (s *site) agentEnv() []string {
	_, port, _ := strings.Cut(s.address, ":")
	return append(os.Environ(), "AGGREGATOR_HOST=localhost", "AGGREGATOR_PORT="+port, "AGGREGATOR_SHARED_KEY="+siteKey,
		"NODE_NAME=node-1")
}

// process is a running agent.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	done chan error
}

// startAgent runs an agent of the site.
func (s *site) startAgent(name string, args ...string) *process {
	s.t.Helper()
	return s.startAgentWith(s.agentEnv(), name, args...)
}

// startAgentWith runs an agent, whose log is shown when the test fails.
func (s *site) startAgentWith(env []string, name string, args ...string) *process {
	s.t.Helper()
	p := &process{t: s.t, cmd: exec.Command(name, args...), done: make(chan error, 1)}
	logName := filepath.Join(s.dir, "agent.log")
	log, err := os.OpenFile(logName, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = env, log, log
	if err := p.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() { p.done <- p.cmd.Wait() }()
	s.t.Cleanup(func() {
		p.stop()
		if s.t.Failed() {
			text, _ := os.ReadFile(logName) // all that there is
			s.t.Logf("log of the agent:\n%s", text)
		}
	})
	return p
}

// ended reports whether the agent has ended.
func (p *process) ended() bool { return len(p.done) > 0 }

// stop ends the agent in good order; it may have ended.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case err := <-p.done:
		p.done <- err
	case <-time.After(patience):
		p.t.Error("the agent did not end")
		_ = p.cmd.Process.Kill()
	}
}

// survive sends through the agent while the aggregator is killed three times and the agent is started again once.
func (s *site) survive(startAgent func() *process) {
	s.t.Helper()
	s.write(1000) // before the agent is there
	agent := startAgent()
	some := func() {
		s.t.Helper()
		n := len(s.arrived())
		s.write(2000)
		s.server.eventually("some lines", func() bool { return agent.ended() || len(s.arrived()) > n })
		if agent.ended() {
			s.t.Fatal("the agent ended by itself")
		}
	}
	some()
	for range 3 {
		s.write(500)
		s.crash()
		some()
	}
	s.write(500)
	agent.stop()
	s.write(500) // nobody reads
	agent = startAgent()
	some()
	s.wantAll()
	agent.stop()
	s.server.stop()
}

// dryRun asks an agent whether it would take a file.
func (s *site) dryRun(name string, args ...string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = s.agentEnv()
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Errorf("%s %v: %v\n%s", name, args, err, out)
	}
}

// post sends a body over HTTP once somebody answers there.
func (s *site) post(url, body string) {
	s.t.Helper()
	var answer string
	s.server.eventually("an answer from "+url, func() bool {
		resp, err := http.Post(url, "application/json", strings.NewReader(body))
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		answer = resp.Status + " " + string(text)
		return err == nil
	})
	if !strings.HasPrefix(answer, "20") {
		s.t.Errorf("%s answered %s", url, answer)
	}
}
