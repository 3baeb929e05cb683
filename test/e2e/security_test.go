package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log" //nolint:depguard // http.Server takes no other logger
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/forward/client"
	"github.com/seed-afc6a195/aggregator/test/harness"
)

// planted are the secrets of a test. Each is a word that can't be there by chance.
type planted map[string]string // by what it is of

// secret plants one of what that may also stand in a URL and a header.
func (p planted) secret(what string) string {
	p[what] = "PLANTED" + hex.EncodeToString([]byte(what)) + "X"
	return p[what]
}

// search reports secrets in text, also as base64, percent-encoded or hexadecimal.
func (p planted) search(t *testing.T, where, text string) {
	t.Helper()
	squeezed := regexp.MustCompile(`[A-Za-z0-9+/_-]{16,}={0,2}`).ReplaceAllStringFunc(text, func(word string) string {
		for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding, base64.RawStdEncoding} {
			if plain, err := encoding.DecodeString(word); err == nil {
				word += " " + string(plain)
			}
		}
		return word
	})
	for what, secret := range p {
		for _, form := range []string{secret, url.QueryEscape(secret), hex.EncodeToString([]byte(secret))} {
			if i := strings.Index(squeezed, form); i >= 0 {
				t.Errorf("%s shows the %s: …%.300q", where, what, squeezed[max(0, i-100):])
				break
			}
		}
	}
}

// echo answers as no server should: it says what it was sent, credentials and all, in every place where an answer has
// room.
func echo(code func(*http.Request) int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var sent bytes.Buffer
		_ = r.Header.Write(&sent) // never fails
		said := r.Header.Get("X-Amz-Security-Token") + " " + strings.ReplaceAll(sent.String(), "\r\n", " ")
		if user, password, ok := r.BasicAuth(); ok {
			said += " " + user + ":" + password
		}
		status := code(r)
		w.Header().Set("X-Elastic-Product", "Elasticsearch")
		w.Header().Set("Warning", `299 echo "`+strings.ReplaceAll(said, `"`, "'")+`"`)
		w.Header().Set("X-Amzn-Errortype", "AccessDeniedException")
		if status/100 == 3 {
			w.Header().Set("Location",
				"http://"+url.QueryEscape(r.Header.Get("Authorization"))+"@127.0.0.1:1/?"+url.QueryEscape(said))
		}
		w.WriteHeader(status)
		text, _ := json.Marshal(said) // a string
		fmt.Fprintf(w,
			`{"__type":"AccessDeniedException","message":%s,"Message":%s,"error":{"type":"security_exception",`+
				`"reason":%s,"root_cause":[{"type":%s,"reason":%s}]},"status":%d}`,
			text, text, text, text, text, status)
	})
}

// TestSecretsStayInside plants a secret in every place of a configuration that has room for one and looks for them in
// all that the program says: every path of its endpoint, its log, its commands, what destinations make it say, and its
// end.
func TestSecretsStayInside(t *testing.T) {
	secrets := planted{}
	dir := t.TempDir()
	file := func(what string) string {
		name := filepath.Join(dir, "secret-"+strings.ReplaceAll(what, " ", "-"))
		if err := os.WriteFile(name, []byte(secrets.secret(what)+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return "${file:" + name + "}"
	}
	var env []string
	variable := func(what, name string) string {
		env = append(env, name+"="+secrets.secret(what))
		return "${env:" + name + "}"
	}
	var turn atomic.Int64
	elastic := httptest.NewServer(echo(func(*http.Request) int {
		return []int{401, 302, 500, 403, 400, 429, 307, 413}[turn.Add(1)%8]
	}))
	defer elastic.Close()
	aws := httptest.NewServer(echo(func(*http.Request) int { return 403 }))
	defer aws.Close()
	secure := httptest.NewUnstartedServer(echo(func(*http.Request) int { return 200 }))
	secure.Config.ErrorLog = log.New(io.Discard, "", 0) // nobody trusts its certificate
	secure.StartTLS()
	defer secure.Close()
	upstream := fakeUpstream(t)
	variable("AWS secret key", "AWS_SECRET_ACCESS_KEY")
	variable("AWS session token", "AWS_SESSION_TOKEN")
	env = append(env, "AWS_ACCESS_KEY_ID=AKIAEXAMPLE", "AWS_REGION=us-east-1", "AWS_EC2_METADATA_DISABLED=true",
		"HTTPS_PROXY=http://proxyuser:"+secrets.secret("proxy's password")+"@127.0.0.1:1", "NO_PROXY=127.0.0.1")
	common := `batch: {max_wait: 10ms}, retry: {initial: 10ms, max: 100ms}`
	text := `
listeners:
  - {name: test, address: "127.0.0.1:0"}
clusters:
  - name: seoul
    shared_key: ["` + file("cluster key") + `", "` + variable("older key", "OLD_KEY") + `", ` +
		secrets.secret("literal key") + `]
    users: [{name: agent, password: "` + variable("agent's password", "AGENT_PASSWORD") + `"}]
  - name: osaka
    shared_key: "` + file("osaka key") + `"
buffer: {path: ` + dir + `/data, min_free_disk: 1MiB}
filters:
  hide: [{redact: {fields: [message], with: hash, key: "` + variable("redaction key", "REDACT_KEY") +
		`", builtin: [email]}}]
routes:
  - {match: "**", filters: [hide], outputs: [basic, apikey, bearer, tls, firehose, cw, kinesis, s3, role, up, files]}
outputs:
  basic: {type: elasticsearch, hosts: ["` + elastic.URL + `"], username: elastic, password: "` +
		file("Elasticsearch password") + `", index: logs, ` + common + `}
  apikey: {type: elasticsearch, hosts: ["` + elastic.URL + `"], api_key: "` + file("API key") + `", index: logs, ` +
		common + `}
  bearer: {type: elasticsearch, hosts: ["` + elastic.URL + `"], bearer_token: ` + secrets.secret("bearer token") +
		`, index: logs, ` + common + `}
  tls: {type: elasticsearch, hosts: ["` + secure.URL + `"], username: elastic, password: "` + file("TLS password") +
		`", index: logs, ` + common + `}
  firehose: {type: firehose, region: us-east-1, endpoint: "` + aws.URL + `", delivery_stream: logs, ` + common + `}
  cw: {type: cloudwatch_logs, region: us-east-1, endpoint: "` + aws.URL + `", log_group: g, log_stream: s, ` + common +
		`}
  kinesis: {type: kinesis, region: us-east-1, endpoint: "` + aws.URL + `", stream: logs, ` + common + `}
  s3: {type: s3, region: us-east-1, endpoint: "` + aws.URL + `", bucket: logs, key: "k/", ` + common +
		`, rotate: {max_age: 1s}, path_style: true}
  role: {type: firehose, region: us-east-1, endpoint: "` + aws.URL +
		`", delivery_stream: logs, role_arn: "arn:aws:iam::123456789012:role/x", external_id: "` + file("external id") +
		`", ` + common + `}
  up: {type: forward, servers: ["` + upstream + `"], shared_key: "` + file("upstream key") +
		`", username: u, password: "` + file("upstream password") + `", ` + common + `}
  files: {type: file, path: "` + dir + `/out.ndjson", ` + common + `}
status: {address: "127.0.0.1:0", token: "` + variable("status token", "STATUS_TOKEN") +
		`", users: [{name: ops, password: "` + file("status password") + `"}], pprof: true}
log: {level: debug, format: json}
`
	s := start(t, dir, strings.Replace(text, dir+"/data", "%[1]s/data", 1), env...)
	agent, err := client.Dial(t.Context(), client.Config{
		Address: s.Forward, Timeout: patience, Login: &client.Login{
			SharedKey: secrets["cluster key"], User: "agent", Password: secrets["agent's password"], Hostname: "agent",
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer agent.Close()
	send(t, agent, "app", map[string]any{"message": "hello someone@example.com"})
	_, err = client.Dial(t.Context(), client.Config{
		Address: s.Forward, Timeout: patience,
		Login: &client.Login{SharedKey: secrets["osaka key"] + "wrong", Hostname: "agent"},
	})
	if err == nil {
		t.Error("a wrong key was accepted")
	}
	failing := func(name string) bool { return strings.Contains(s.page("/status", ""), `"name": "`+name+`"`) }
	for _, name := range []string{"basic", "apikey", "bearer", "tls", "firehose", "cw", "kinesis", "s3", "role", "up"} {
		if !failing(name) {
			t.Errorf("no output %s", name)
		}
	}
	s.eventually("errors of all outputs but one", func() bool {
		failed := 0
		for _, o := range s.get("/status")["outputs"].([]any) {
			if e, ok := o.(map[string]any)["last_error"].(map[string]any); ok && e["text"] != "" {
				failed++
			}
		}
		return failed == 10
	})
	look := func(when string) {
		for _, path := range []string{
			"/", "/status", "/metrics", "/healthz", "/readyz", "/dead-letters", "/dead-letters/summary",
			"/dead-letters/export", "/dead-letters/1",
			"/nothing", "/dead-letters?limit=x", "/debug/pprof/cmdline", "/debug/pprof/goroutine?debug=2",
		} {
			for _, token := range []string{"", "Bearer wrong", "Bearer " + secrets["status token"]} {
				secrets.search(t, when+", "+path, s.page(path, token))
			}
		}
		secrets.search(t, when+", the log", s.Log.String())
	}
	look("running")

	// The commands, on what is right and on what is wrong beside a secret.
	tool := func(args ...string) {
		path, _ := binary() // built by now
		cmd := exec.CommandContext(t.Context(), path, args...)
		cmd.Env = append(os.Environ(), env...)
		cmd.Stdin = strings.NewReader(`{"message":"someone@example.com"}` + "\n")
		out, _ := cmd.CombinedOutput() // some of them fail, as they should
		secrets.search(t, strings.Join(args, " "), string(out))
	}
	tool("check", "-c", s.config)
	tool("check", "-c", s.config, "--connect")
	tool("schema")
	tool("try", "-c", s.config)
	tool("test", "-c", s.config)
	tool("dead", "list", "-c", s.config)
	tool("dead", "list", "--status", "http://ops:"+secrets["status password"]+"@"+s.Status+"/%zz")
	tool("dead", "list", "--status", "http://ops:"+secrets["status password"]+"@127.0.0.1:1")
	tool("dead", "list", "--status", "http://"+s.Status, "--token", secrets["status token"], "--id", "x")
	tool("send", "--address", s.Forward, "--shared-key-file", filepath.Join(dir, "secret-osaka-key"), "--user", "u",
		"--password-file", filepath.Join(dir, "secret-upstream-password"))
	wrong := filepath.Join(dir, "wrong.yaml")
	written := func(change string) {
		t.Helper()
		if err := os.WriteFile(wrong, []byte(change), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	lit, ref := secrets["literal key"], file("cluster key")
	for _, change := range []string{
		"clusters: [{name: a, shared_keys: " + lit + "}]", "clusters: [{name: a, shared_key: {is: " + lit + "}}]",
		"clusters: [{name: a, shared_key: [[" + lit + "]]}]",
		"clusters: [{name: a, users: [{name: u, pasword: " + lit + "}]}]",
		"clusters: [{name: a, users: [{name: u, password: [" + lit + "]}]}]",
		"status: {token: {" + lit + ": 1}}", "status: {token: !!int " + lit + "}", "status: {tokn: " + lit + "}",
		"buffer: {max_size: " + ref + "}", "buffer: {type: " + ref + "}", "buffer: " + ref,
		"buffer: {sync: " + ref + "}", "buffer: {dedupe_window: " + ref + "}",
		"hostname: [" + ref + "]", "listeners: [{address: " + ref + "}]", "listeners: [{name: " + ref + "}]",
		"listeners: [{max_connections: " + ref + "}]",
		"outputs: {o: {type: " + ref + "}}", "outputs: {o: {type: elasticsearch, hosts: [" + ref + "], index: i}}",
		"outputs: {o: {type: elasticsearch, hosts: ['http://u:" + lit + "@h'], index: i}}",
		"outputs: {o: {type: elasticsearch, hosts: ['http://u:" + ref + "@h'], index: i}}",
		"outputs: {o: {type: forward, servers: [" + ref + "]}}",
		"outputs: {o: {type: file, path: '{" + ref + "}'}}",
		"outputs: {o: {type: elasticsearch, hosts: ['http://h'], index: '{" + ref + "}'}}",
		"outputs: {o: {type: s3, bucket: " + ref + "}}",
		"outputs: {o: {type: elasticsearch, hosts: ['http://h'], index: i, api_key: " + lit + ", password: " + lit +
			"}}",
		"routes: [{match: '" + ref + "{', outputs: [a]}]", "routes: [{match: '**', when: '" + ref +
			" ==', outputs: [archive]}]", "routes: [{match: '**', outputs: ['" + ref + "']}]",
		"routes: [{match: '**', clusters: ['" + ref + "'], outputs: [archive]}]",
		"filters: {f: [{grep: {include: {a: '(" + ref + "'}}}]}", "unrouted: " + ref, "log: {level: " + ref + "}",
		"listeners: [{tls: {cert_file: '" + ref + "', key_file: '" + ref + "'}}]",
		"clusters: [{name: a, sources: ['" + ref + "']}]",
	} {
		written(change)
		tool("check", "-c", wrong)
	}
	// The same mistakes while it runs, and a crash.
	if err := os.WriteFile(s.config, []byte(text+"\nunknown: "+ref+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_ = s.Signal(syscall.SIGHUP)
	s.eventually("the refused configuration",
		func() bool { return strings.Contains(s.page("/status", ""), "unknown key") })
	look("after a refused reload")
	_ = s.Signal(syscall.SIGQUIT)
	<-s.Exited()
	secrets.search(t, "the dump of all goroutines", s.Log.String())
	if !strings.Contains(s.Log.String(), "SIGQUIT: quit") {
		t.Error("no dump of goroutines")
	}
	if out, err := os.ReadFile(filepath.Join(dir, "out.ndjson")); err == nil {
		secrets.search(t, "what was delivered", string(out))
	}
}

// page is what a path of the endpoint answers, headers and all.
func (s *server) page(path, authorization string) string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.Status+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	reply, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer reply.Body.Close()
	var out bytes.Buffer
	_ = reply.Header.Write(&out) // never fails
	if _, err := io.Copy(&out, reply.Body); err != nil {
		s.t.Fatal(err)
	}
	return out.String()
}

// send sends one event.
func send(t *testing.T, agent *client.Client, tag string, record map[string]any) {
	t.Helper()
	body, err := msgpack.Marshal(record)
	if err != nil {
		t.Fatal(err)
	}
	entries := event.AppendEntry(nil, event.AppendTime(nil, event.Time{Sec: 1_800_000_000, Nsec: 5}), nil, body)
	if err := agent.Send(t.Context(), &client.Message{
		Tag: tag, Entries: entries, Events: 1, Chunk: client.NewChunk(),
	}); err != nil {
		t.Fatalf("tag %.100q: %v", tag, err)
	}
}

// fakeUpstream is a Forward server that refuses each login and says why with all that it was sent.
func fakeUpstream(t *testing.T) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				helo, _ := msgpack.Marshal([]any{
					"HELO", map[string]any{"nonce": []byte("nonce"), "auth": []byte("auth"), "keepalive": true},
				})
				_, _ = conn.Write(helo) // the agent may have gone
				ping := make([]byte, 4096)
				n, _ := conn.Read(ping)
				pong, _ := msgpack.Marshal([]any{"PONG", false, "refused: " + string(ping[:n]), "", ""})
				_, _ = conn.Write(pong)
			}()
		}
	}()
	return l.Addr().String()
}

// says runs a command that asks the server and returns all that it prints.
func (s *server) says(args ...string) string {
	path, _ := binary() // built by now
	cmd := exec.CommandContext(s.t.Context(), path, append(args, "--status", "http://"+s.Status)...)
	out, _ := cmd.CombinedOutput() // some of them fail, as they should
	return string(out)
}

// startAt is start, at addresses that are chosen here where the log, for people, does not tell them.
func startAt(t *testing.T, dir, config string, chosen bool) *server {
	t.Helper()
	if !chosen {
		return start(t, dir, config)
	}
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	forward, status := freeAddress(t), freeAddress(t)
	config = strings.Replace(config, `"127.0.0.1:0"`, `"`+forward+`"`, 1)
	config = strings.Replace(config, `"127.0.0.1:0"`, `"`+status+`"`, 1)
	s := harness.Launch(t, harness.Options{Binary: path, Dir: dir, Config: fmt.Sprintf(config, dir)})
	s.Forward, s.Status = forward, status
	for _, address := range []string{forward, status} {
		s.Eventually("somebody at "+address, func() bool {
			conn, err := net.DialTimeout("tcp", address, time.Second)
			if err == nil {
				conn.Close()
			}
			return err == nil
		})
	}
	return &server{Server: s, t: t, Dir: dir, config: s.Config}
}
