package e2e

import (
	stdtls "crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/ndjson"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/forward/client"
	"github.com/seed-afc6a195/aggregator/pkg/tls/tlstest"
)

// move is one of deployments/moves. Its configuration runs as it is shipped: other addresses and directories apart.
type move struct {
	t       *testing.T
	dir     string      // where it is shipped
	secrets string      // in place of /etc/aggregator
	day     time.Time   // in place of the day of its events: CloudWatch Logs takes no old ones
	ca      *tlstest.CA // that the agents trust
	env     []string
}

// newMove makes the secrets of a move: the listener's certificate, and a key for each of its clusters.
func newMove(t *testing.T, name string, clusters ...string) *move {
	t.Helper()
	m := &move{
		t: t, dir: filepath.Join("../../deployments/moves", name), secrets: t.TempDir(),
		day: time.Now().UTC().AddDate(0, 0, -1).Truncate(24 * time.Hour), ca: tlstest.NewCA(t, "listeners"),
	}
	pair := m.ca.Issue(t, tlstest.Spec{})
	m.secret("tls/tls.crt", string(pair.CertPEM))
	m.secret("tls/tls.key", string(pair.KeyPEM))
	for _, cluster := range clusters {
		m.secret("secrets/agents-keys/"+cluster, keyOf(cluster))
	}
	return m
}

func keyOf(cluster string) string { return "the key of " + cluster + "\n" }

// secret writes a file as Kubernetes mounts it from a secret.
func (m *move) secret(name, text string) {
	m.t.Helper()
	path := filepath.Join(m.secrets, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		m.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		m.t.Fatal(err)
	}
}

// shifted returns text with the days of the golden files replaced by m.day.
func (m *move) shifted(text string) string {
	day := m.day.Format(time.DateOnly)
	return strings.NewReplacer("2026-03-01", day, "2026-01-01", day,
		"01/Mar/2026", m.day.Format("02/Jan/2006"), "2026/03/01", m.day.Format("2006/01/02")).Replace(text)
}

// read returns a shipped file.
func (m *move) read(names ...string) string {
	m.t.Helper()
	b, err := os.ReadFile(filepath.Join(append([]string{m.dir}, names...)...))
	if err != nil {
		m.t.Fatal(err)
	}
	return string(b)
}

// start runs the shipped configuration with its data in dir.
func (m *move) start(dir string, env ...string) *server {
	m.t.Helper()
	shipped := strings.NewReplacer("%", "%%", "/etc/aggregator", m.secrets, "/var/lib/aggregator", "%[1]s/data",
		`":24224"`, "127.0.0.1:0", `":9880"`, freeAddress(m.t)).Replace(m.read("aggregator.yaml"))
	return start(m.t, dir, shipped, slices.Concat(m.env, env)...)
}

// agent connects as an agent of the cluster does, with its key, over TLS.
func (m *move) agent(s *server, cluster string) *client.Client {
	m.t.Helper()
	agent, err := client.Dial(m.t.Context(), client.Config{
		Address: s.Forward, TLS: &stdtls.Config{RootCAs: m.ca.Pool()}, Timeout: patience,
		Login: &client.Login{SharedKey: strings.TrimSpace(keyOf(cluster)), Hostname: "agent-of-" + cluster},
	})
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { agent.Close() })
	return agent
}

// sendInput sends input/CLUSTER/TAG.ndjson as the clusters' agents do, a file after the other to the servers in turn,
// and returns when all is acknowledged.
func (m *move) sendInput(servers ...*server) {
	m.t.Helper()
	files, err := filepath.Glob(filepath.Join(m.dir, "input", "*", "*.ndjson"))
	if err != nil || len(files) == 0 {
		m.t.Fatal(files, err)
	}
	for i, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			m.t.Fatal(err)
		}
		message := client.Message{Tag: strings.TrimSuffix(filepath.Base(file), ".ndjson"), Chunk: client.NewChunk()}
		for line := range strings.Lines(m.shifted(string(text))) {
			m.add(&message, line, 0)
		}
		cluster := filepath.Base(filepath.Dir(file))
		if err := m.agent(servers[i%len(servers)], cluster).Send(m.t.Context(), &message); err != nil {
			m.t.Fatal(err)
		}
	}
}

// add adds a record to a message, at so many nanoseconds of m.day.
func (m *move) add(message *client.Message, line string, nanoseconds uint32) {
	m.t.Helper()
	record, _, err := ndjson.AppendObject(nil, []byte(line), "")
	if err != nil {
		m.t.Fatal(err)
	}
	message.Entries = event.AppendEntry(message.Entries,
		event.AppendTime(nil, event.Time{Sec: m.day.Unix(), Nsec: nanoseconds}), nil, record)
	message.Events++
}

// golden returns the lines that the output is to get.
func (m *move) golden(output string) []string {
	m.t.Helper()
	return splitLines(m.t, []byte(m.shifted(m.read("output", output+".ndjson"))))
}

// shell returns a shell in which the move's guide finds the server, the keys and the listener's authority.
func (m *move) shell(s *server, env ...string) *shell {
	m.t.Helper()
	sh := newShell(m.t, slices.Concat(m.env, []string{"AGGREGATOR=" + s.Forward}, env)...)
	sh.replace = append(sh.replace, "/etc/aggregator/config/aggregator.yaml", s.config, "127.0.0.1:9880", s.Status)
	sh.write("ca.crt", string(m.ca.PEM))
	keys, err := os.ReadDir(filepath.Join(m.secrets, "secrets", "agents-keys"))
	if err != nil {
		m.t.Fatal(err)
	}
	for _, key := range keys {
		sh.write(key.Name(), keyOf(key.Name()))
	}
	return sh
}

// hours are the times between which the guides count events: all of m.day.
func (m *move) hours() []string {
	return []string{"FROM=" + m.day.Format(time.RFC3339), "TO=" + m.day.AddDate(0, 0, 1).Format(time.RFC3339)}
}

// canonical returns a line of JSON with its keys in order, and the same for any other spelling of it.
func canonical(t *testing.T, v any) string {
	t.Helper()
	if line, ok := v.(string); ok {
		d := json.NewDecoder(strings.NewReader(line))
		d.UseNumber()
		if err := d.Decode(&v); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// documents returns the documents in the indices that pattern names, by index.
func (n *node) documents(pattern string) map[string][]string {
	n.t.Helper()
	all := map[string][]string{}
	if n.count(pattern) == 0 {
		return all
	}
	hits, _ := at(n.must(http.MethodGet, "/"+pattern+"/_search?size=1000", nil), "hits", "hits").([]any)
	for _, hit := range hits {
		index, _ := at(hit, "_index").(string)
		all[index] = append(all[index], canonical(n.t, at(hit, "_source")))
	}
	return all
}

// wantDocuments expects exactly the golden documents, each in the index that indexOf names for it.
func (m *move) wantDocuments(es *node, pattern, output string, indexOf func(document map[string]any) string) {
	m.t.Helper()
	want := map[string][]string{}
	for _, line := range m.golden(output) {
		var document map[string]any
		if err := json.Unmarshal([]byte(line), &document); err != nil {
			m.t.Fatal(err)
		}
		want[indexOf(document)] = append(want[indexOf(document)], canonical(m.t, line))
	}
	got := es.documents(pattern)
	for _, documents := range []map[string][]string{want, got} {
		for index := range documents {
			slices.Sort(documents[index])
		}
	}
	if g, w := canonical(m.t, got), canonical(m.t, want); g != w {
		m.t.Errorf("%s holds\n%s\nwant\n%s", pattern, g, w)
	}
}

// TestMoves runs the configuration of each of the four moves against what its destination is.
func TestMoves(t *testing.T) {
	t.Run("Elasticsearch", func(t *testing.T) {
		es := startNode(t, "elasticsearch")
		t.Run("fluentd-loadbalancer", func(t *testing.T) { es.t = t; testMoveLoadBalancer(t, es) })
		t.Run("eck", func(t *testing.T) { es.t = t; testMoveECK(t, es) })
		es.t = t
	})
	t.Run("AWS", func(t *testing.T) {
		c := startMoto(t)
		t.Run("nginx-cloudwatch", func(t *testing.T) { c.t = t; testMoveCloudWatch(t, c) })
		t.Run("firehose-s3", func(t *testing.T) { c.t = t; testMoveFirehose(t, c) })
		c.t = t
	})
	t.Run("firehose-s3 throttled", testMoveThrottled)
}

// testMoveLoadBalancer: three replicas take the agents' events. In the parallel run they go to indices of their own,
// then to those that fluentd has made, and a chunk that is sent again to another replica is there once.
func testMoveLoadBalancer(t *testing.T, es *node) {
	t.Helper()
	m := newMove(t, "fluentd-loadbalancer", "seoul", "tokyo")
	m.env = []string{"ELASTIC_URL=" + es.URL}
	day := m.day.Format("2006.01.02")
	indexOf := func(prefix string) func(document map[string]any) string {
		return func(document map[string]any) string {
			return fmt.Sprintf("%slogs-%s-%s", prefix, document["cluster"], day)
		}
	}
	// Today's index, as fluentd has made it, with a document of fluentd's.
	es.must(http.MethodPut, "/logs-seoul-"+day, map[string]any{
		"mappings": map[string]any{"properties": map[string]any{"@timestamp": map[string]any{"type": "date"}}},
	})
	es.must(http.MethodPut, "/logs-seoul-"+day+"/_create/old", map[string]any{
		"message": "by fluentd", "@timestamp": m.day.Format(time.RFC3339),
	})

	var dirs []string
	for _, prefix := range []string{"parallel-", ""} {
		var replicas []*server
		for i := range 3 {
			if len(dirs) <= i {
				dirs = append(dirs, t.TempDir())
			}
			replicas = append(replicas, m.start(dirs[i], "INDEX_PREFIX="+prefix))
		}
		m.sendInput(replicas...)
		dead := 0
		for _, replica := range replicas {
			replica.drained()
			dead += replica.deadLetters()
		}
		if prefix == "" { // what fluentd left stays where it is
			es.must(http.MethodDelete, "/logs-seoul-"+day+"/_doc/old", nil)
			dead /= 2 // those of the parallel run are kept
		}
		if want := len(m.golden("nowhere")); dead != want {
			t.Errorf("%d dead letters, want %d", dead, want)
		}
		m.wantDocuments(es, prefix+"logs-*", "es", indexOf(prefix))
		before := es.count(prefix + "logs-tokyo-" + day)
		message := client.Message{Tag: "kube.again", Chunk: client.NewChunk()}
		m.add(&message, `{"message":"acknowledged too late"}`, 7)
		for _, replica := range replicas[:2] {
			if err := m.agent(replica, "tokyo").Send(t.Context(), &message); err != nil {
				t.Fatal(err)
			}
			replica.drained()
		}
		if after := es.count(prefix + "logs-tokyo-" + day); after != before+1 {
			t.Errorf("a chunk of one event that two replicas got made %d documents", after-before)
		}
		if prefix != "" {
			const guide = "migrate/fluentd-loadbalancer.md"
			sh := m.shell(replicas[0], m.hours()...)
			wantOutput(t, "try", sh.run(guide, "try"), "tests passed: 4",
				`message: "login of kim@example.com" → "login of <email>"`)
			wantOutput(t, "connect", sh.run(guide, "connect"), "es: ok")
			wantOutput(t, "first", sh.run(guide, "first"), "1 sent, 1 acknowledged")
			replicas[0].drained()
			if n := es.count("parallel-logs-seoul-" + time.Now().UTC().Format("2006.01.02")); n != 1 {
				t.Errorf("the first event is there %d times", n)
			}
			wantOutput(t, "compare", sh.run(guide, "compare"), "seoul: fluentd 1, aggregator 3\n",
				"tokyo: fluentd 0, aggregator 2\n")
			wantOutput(t, "where", sh.run(guide, "where"), `"name": "seoul"`, `"received_events"`)
			sh.run("migrate/README.md", "keys")
		}
		for _, replica := range replicas {
			replica.stop()
		}
	}
	for name, index := range es.must(http.MethodGet, "/logs-*", nil) {
		if got := at(index, "mappings", "properties", "@timestamp", "type"); got != "date" {
			t.Errorf("%s: @timestamp is %v, and date in the indices that fluentd has made", name, got)
		}
	}
}

// eck is a real Elasticsearch as ECK serves it: over TLS, to those who know the password.
type eck struct {
	password atomic.Pointer[string]
	refused  atomic.Int64
	pair     atomic.Pointer[tlstest.Pair]
	url      string
}

func startECK(t *testing.T, es string, ca *tlstest.CA, password string) *eck {
	t.Helper()
	target, err := url.Parse(es)
	if err != nil {
		t.Fatal(err)
	}
	e := &eck{}
	pair := ca.Issue(t, tlstest.Spec{})
	e.pair.Store(&pair)
	e.password.Store(&password)
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "elastic" || password != *e.password.Load() {
			e.refused.Add(1)
			w.Header().Set("X-Elastic-Product", "Elasticsearch")
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write(
				[]byte(
					`{"error":{"type":"security_exception","reason":"unable to authenticate user ` +
						`[elastic]"},"status":401}`,
				),
			)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	s.TLS = &stdtls.Config{GetConfigForClient: func(*stdtls.ClientHelloInfo) (*stdtls.Config, error) {
		pair := e.pair.Load()
		certificate, err := stdtls.X509KeyPair(pair.CertPEM, pair.KeyPEM)
		return &stdtls.Config{Certificates: []stdtls.Certificate{certificate}, MinVersion: stdtls.VersionTLS12}, err
	}}
	s.StartTLS()
	t.Cleanup(s.Close)
	e.url = s.URL
	return e
}

// testMoveECK: over TLS, with the secrets that ECK makes. Both change while it runs, as an operator who rotates them
// does.
func testMoveECK(t *testing.T, es *node) {
	t.Helper()
	m := newMove(t, "eck", "production")
	ca := tlstest.NewCA(t, "ECK")
	e := startECK(t, es.URL, ca, "the first password")
	m.env = []string{"ELASTIC_URL=" + e.url}
	m.secret("secrets/logging-es-elastic-user/elastic", "the first password")
	m.secret("secrets/logging-es-http-certs-public/ca.crt", string(ca.PEM))
	day := m.day.Format("2006.01.02")
	indexOf := func(prefix string) func(map[string]any) string {
		return func(map[string]any) string { return prefix + "logstash-" + day }
	}
	dir := t.TempDir()
	s := m.start(dir, "INDEX_PREFIX=parallel-")
	m.sendInput(s)
	s.drained()
	m.wantDocuments(es, "parallel-logstash-*", "es", indexOf("parallel-"))
	const guide = "migrate/eck.md"
	sh := m.shell(s,
		append(m.hours(), "ES_PASSWORD=the first password",
			"ES_CA="+filepath.Join(m.secrets, "secrets", "logging-es-http-certs-public", "ca.crt"))...)
	wantOutput(t, "try", sh.run(guide, "try"), "tests passed: 3", `pod_name":"web-7d4b9c6f5-x2x1z`)
	wantOutput(t, "connect", sh.run(guide, "connect"), "es: ok")
	wantOutput(t, "compare", sh.run(guide, "compare"), fmt.Sprintf("daemonset 0, aggregator %d\n", len(m.golden("es"))))
	s.stop()

	s = m.start(dir)
	m.sendInput(s)
	s.drained()
	m.wantDocuments(es, "logstash-*", "es", indexOf(""))

	// The password is another one: events are held, and delivered once the secret is.
	second := "the second password"
	e.password.Store(&second)
	es.must(http.MethodDelete, "/logstash-"+day, nil)
	m.sendInput(s)
	s.eventually("the output to say that it is refused", func() bool {
		outputs, _ := s.get("/status")["outputs"].([]any)
		return e.refused.Load() > 0 && at(outputs[0], "state") == "refused"
	})
	m.secret("secrets/logging-es-elastic-user/elastic", second)
	s.drained()
	m.wantDocuments(es, "logstash-*", "es", indexOf(""))

	// The authority is another one: first both are trusted, then the certificate changes.
	next := tlstest.NewCA(t, "ECK, renewed")
	m.secret("secrets/logging-es-http-certs-public/ca.crt", string(ca.PEM)+string(next.PEM))
	s.eventually("both authorities to be trusted", func() bool {
		for _, c := range s.get("/status")["certificates"].([]any) {
			if reloads, _ := at(c, "reloads").(float64); at(c, "owner") == "output es" && reloads > 0 {
				return true
			}
		}
		return false
	})
	pair := next.Issue(t, tlstest.Spec{})
	e.pair.Store(&pair)
	es.must(http.MethodDelete, "/logstash-"+day, nil)
	m.sendInput(s)
	s.drained()
	m.wantDocuments(es, "logstash-*", "es", indexOf(""))
	if n := s.deadLetters(); n != 0 {
		t.Errorf("%d dead letters", n)
	}
	s.stop()
}
