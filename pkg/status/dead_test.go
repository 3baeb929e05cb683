package status

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/status/client"

	"github.com/seed-afc6a195/aggregator/pkg/status/snapshot/snapshottest"
)

// letters is a client.DeadStore with letters 1 to n that notes what it is asked for.
type letters struct {
	n     uint64
	asked []string
	err   error
}

func (l *letters) note(what string, f client.DeadFilter, more ...any) {
	l.asked = append(l.asked, fmt.Sprintf("%s %+v %v", what, f, more))
}

func (l *letters) Summary(_ context.Context, f client.DeadFilter) (client.DeadSummary, error) {
	l.note("summary", f)
	return client.DeadSummary{Letters: int64(l.n), Events: 2 * int64(l.n), Oldest: time.Unix(1, 0).UTC()}, l.err
}

func (l *letters) List(_ context.Context, f client.DeadFilter, p client.DeadPage) (list client.DeadList, err error) {
	l.note("list", f, p)
	for id := p.After + 1; id <= l.n && len(list.Letters) < p.Limit; id++ {
		list.Letters = append(list.Letters, letter(id, p.Records))
	}
	if len(list.Letters) == p.Limit {
		list.Next = p.After + uint64(p.Limit)
	}
	return list, l.err
}

func letter(id uint64, record bool) client.DeadLetter {
	l := client.DeadLetter{
		ID: id, Time: time.Unix(int64(id), 5).UTC(), Output: "es", Cluster: "c", Tag: "t", Status: 400,
		Reason: "rejected", Detail: "no\u009bt so", Attempts: 1, Events: 1,
	}
	if record {
		l.Record = json.RawMessage(`{"a":1}`)
	}
	return l
}

func (l *letters) Get(_ context.Context, id uint64) (client.DeadLetter, error) {
	if id > l.n {
		return client.DeadLetter{}, fmt.Errorf("%w: %d", client.ErrDeadUnknown, id)
	}
	return letter(id, true), nil
}

func (l *letters) Retry(
	_ context.Context, f client.DeadFilter, to string, progress func(client.DeadResult),
) (client.DeadResult, error) {
	l.note("retry", f, to)
	return l.change(progress)
}

func (l *letters) Purge(
	_ context.Context, f client.DeadFilter, progress func(client.DeadResult),
) (client.DeadResult, error) {
	l.note("purge", f)
	return l.change(progress)
}

func (l *letters) change(progress func(client.DeadResult)) (client.DeadResult, error) {
	if errors.Is(l.err, client.ErrDeadBusy) {
		return client.DeadResult{}, l.err
	}
	progress(client.DeadResult{Letters: 1, Events: 2})
	return client.DeadResult{Letters: 3, Events: 6, Skipped: map[string]int64{"no route wants them": 1}}, l.err
}

// deadServer serves the letters.
func deadServer(t *testing.T, store *letters, config Config) (*Server, string) {
	t.Helper()
	s := testServer(func() Snapshot { return Snapshot{} })
	s.options.DeadLetters, s.options.Config, s.options.Log = store, config, zerolog.Nop()
	srv := httptest.NewServer(s.handler(s.registry()))
	t.Cleanup(srv.Close)
	return s, srv.URL
}

func TestDeadRequests(t *testing.T) {
	for _, tc := range []struct {
		method, path string
		code         int
		contains     string
	}{
		{"GET", "/dead-letters", 200, `"record"`},
		{"GET", "/dead-letters?records=1&limit=2", 200, `"next": 2`},
		{"GET", "/dead-letters?limit=1001", 400, "1000 at most"},
		{"GET", "/dead-letters?limit=x", 400, "must be a number"},
		{"GET", "/dead-letters?after=-1", 400, "must be a number"},
		{"GET", "/dead-letters?clutser=a", 400, `clutser="a"`},
		{"GET", "/dead-letters?older_than=5", 400, "a duration"},
		{"GET", "/dead-letters?older_than=-5s", 400, "a duration"},
		{"GET", "/dead-letters?newest=maybe", 400, "true or false"},
		{"GET", "/dead-letters?id=0", 400, "a letter's number"},
		{"GET", "/dead-letters?" + strings.Repeat("id=1&", 501), 400, "500 at most"},
		{"GET", "/dead-letters/summary?output=-", 200, `"letters": 5`},
		{"GET", "/dead-letters/summary?limit=3", 400, "unknown here"},
		{"GET", "/dead-letters/3", 200, `"id": 3`},
		{"GET", "/dead-letters/x", 400, "no letter's number"},
		{"GET", "/dead-letters/9", 404, "no such dead letter"},
		{"GET", "/dead-letters/export?output=es", 200, `"record":{"a":1}`},
		{"GET", "/dead-letters/export?x=y", 400, "unknown here"},
		{"GET", "/dead-letters/retry", 400, "no letter's number"},
		{"POST", "/dead-letters/retry", 400, "filter, or all"},
		{"POST", "/dead-letters/retry?all=true&output=es", 400, "contradict"},
		{"POST", "/dead-letters/retry?all=true", 200, `"done":true`},
		{"POST", "/dead-letters/purge?to=es&all=1", 400, "unknown here"},
		{"POST", "/dead-letters/purge?id=1", 200, `"letters":3`},
		{"DELETE", "/dead-letters", 405, ""},
	} {
		_, address := deadServer(t, &letters{n: 5}, Config{})
		r, err := http.NewRequestWithContext(t.Context(), tc.method, address+tc.path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		code, body := do(t, r)
		if contains := strings.Contains(body, tc.contains); code != tc.code ||
			contains == (tc.path == "/dead-letters" && tc.method == "GET") {
			t.Errorf("%s %.60s: %d %s, want %d %s", tc.method, tc.path, code, body, tc.code, tc.contains)
		}
		if strings.Contains(body, "\u009b") {
			t.Errorf("%s %.60s: a control character", tc.method, tc.path)
		}
	}
}

func do(t *testing.T, r *http.Request) (code int, body string) {
	t.Helper()
	reply, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	var b strings.Builder
	if err := reply.Write(&b); err != nil {
		t.Fatal(err)
	}
	return reply.StatusCode, b.String()
}

// TestExportPages writes every letter once, over several pages, and is cut where it fails.
func TestExportPages(t *testing.T) {
	store := &letters{n: 2*client.MaxDeadLimit + 10}
	_, address := deadServer(t, store, Config{})
	reply, err := http.Get(address + "/dead-letters/export?cluster=c")
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	d, n := json.NewDecoder(reply.Body), uint64(0)
	for d.More() {
		var l client.DeadLetter
		if err := d.Decode(&l); err != nil {
			t.Fatal(err)
		}
		if n++; l.ID != n {
			t.Fatalf("letter %d comes as number %d", l.ID, n)
		}
	}
	if n != store.n || len(store.asked) != 3 {
		t.Errorf("%d letters by %d pages", n, len(store.asked))
	}
}

// TestRecordsInOpenReplies is who is shown an example on /status, which is open to all.
func TestRecordsInOpenReplies(t *testing.T) {
	token := Config{Token: setting.NewSecret("t0ken")}
	for _, tc := range []struct {
		name, local, given string
		config             Config
		want               bool
	}{
		{"loopback, nothing set", "127.0.0.1:9880", "", Config{}, false},
		{"elsewhere, nothing set", "10.1.2.3:9880", "", Config{}, false},
		{"loopback without the token", "127.0.0.1:9880", "", token, false},
		{"loopback with a wrong one", "127.0.0.1:9880", "Bearer no", token, false},
		{"loopback with it", "127.0.0.1:9880", "Bearer t0ken", token, true},
		{"elsewhere without", "10.1.2.3:9880", "", token, false},
		{"elsewhere with it", "10.1.2.3:9880", "Bearer t0ken", token, true},
	} {
		s := testServer(func() Snapshot { return snapshottest.Program(time.Now(), 10) })
		s.options.Config, s.options.Log = tc.config, zerolog.Nop()
		local, err := net.ResolveTCPAddr("tcp", tc.local)
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest(http.MethodGet, "/status", http.NoBody)
		r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, local))
		r.Host = tc.local
		if tc.given != "" {
			r.Header.Set("Authorization", tc.given)
		}
		w := httptest.NewRecorder()
		s.handler(s.registry()).ServeHTTP(w, r)
		if got := strings.Contains(w.Body.String(), "[r-1]: version conflict"); w.Code != http.StatusOK ||
			got != tc.want {
			t.Errorf("%s: %d, the example is shown: %t", tc.name, w.Code, got)
		}
	}
}

// TestAccess is who may do what.
func TestAccess(t *testing.T) {
	open := []string{"GET /", "GET /status", "GET /queue", "GET /metrics", "GET /healthz", "GET /readyz"}
	closed := []string{
		"GET /dead-letters", "GET /dead-letters/summary", "GET /dead-letters/1", "GET /dead-letters/export",
		"POST /dead-letters/retry?all=true",
		"POST /dead-letters/purge?all=true", "POST /reload", "POST /outputs/es/pause",
	}
	far, near := "10.1.2.3:9880", "127.0.0.1:9880"
	none := Config{}
	token := Config{Token: setting.NewSecret("t0ken")}
	private := Config{Token: setting.NewSecret("t0ken"), Private: true}
	users := Config{Users: []User{{"ops", setting.NewSecret("pass")}, {"dev", setting.NewSecret("")}}}
	bearer := func(t string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+t) }
	}
	basic := func(u, p string) func(*http.Request) { return func(r *http.Request) { r.SetBasicAuth(u, p) } }
	origin := func(o string) func(*http.Request) { return func(r *http.Request) { r.Header.Set("Origin", o) } }
	anyone := func(*http.Request) {}
	for _, tc := range []struct {
		name        string
		config      Config
		local, host string
		who         func(*http.Request)
		want        int // of what is closed
	}{
		{"loopback", none, near, "localhost:9880", anyone, 200},
		{"loopback with a token set", token, near, "127.0.0.1:9880", anyone, 200},
		{"loopback by another name", none, near, "evil.example:9880", anyone, 403},
		{"loopback by another name with a token", token, near, "agg.example", bearer("t0ken"), 200},
		{"loopback, a page of another site", none, near, "localhost:9880", origin("http://evil.example"), 403},
		{"loopback, its own page", none, near, "localhost:9880", origin("http://localhost:9880"), 200},
		{"loopback, another port's page", none, near, "localhost:9880", origin("http://localhost:80"), 403},
		{"elsewhere, nothing set", none, far, "10.1.2.3:9880", anyone, 403},
		{"elsewhere claiming to be local", none, far, "localhost", anyone, 403},
		{"elsewhere, an empty token", none, far, "a", bearer(""), 403},
		{"elsewhere without", token, far, "a", anyone, 401},
		{"the token", token, far, "a", bearer("t0ken"), 200},
		{
			"the token, behind a TLS proxy", token, far, "a",
			func(r *http.Request) { bearer("t0ken")(r); origin("https://a")(r) }, 200,
		},
		{
			"the token, by another site", token, far, "a",
			func(r *http.Request) { bearer("t0ken")(r); origin("http://b")(r) }, 403,
		},
		{"a token too short", token, far, "a", bearer("t0ke"), 401},
		{"no token", token, far, "a", bearer(""), 401},
		{"the token as a password", token, far, "a", basic("anybody", "t0ken"), 200},
		{"the token as a name", token, far, "a", basic("t0ken", ""), 401},
		{"private, on loopback", private, near, "localhost:9880", anyone, 401},
		{"private, on loopback with the token", private, near, "localhost:9880", basic("", "t0ken"), 200},
		{"private, elsewhere with the token", private, far, "a", bearer("t0ken"), 200},
		{"private, elsewhere", private, far, "a", anyone, 401},
		{"a user", users, far, "a", basic("ops", "pass"), 200},
		{"another user's password", users, far, "a", basic("dev", "pass"), 401},
		{"a wrong password", users, far, "a", basic("ops", "wrong"), 401},
		{"nobody", users, far, "a", basic("", ""), 401},
		{"a user's password as a token", users, far, "a", bearer("pass"), 401},
		{"an empty token where users are", users, far, "a", bearer(""), 401},
	} {
		s := testServer(func() Snapshot { return Snapshot{} })
		s.options.Config, s.options.DeadLetters, s.options.Log = tc.config, &letters{n: 2}, zerolog.Nop()
		s.options.Reload = func() ([]string, error) { return nil, nil }
		s.options.ControlOutput = func(string, string) (string, error) { return "done", nil }
		handler := s.handler(s.registry())
		local, err := net.ResolveTCPAddr("tcp", tc.local)
		if err != nil {
			t.Fatal(err)
		}
		for _, request := range append(slices.Clone(open), closed...) {
			method, path, _ := strings.Cut(request, " ")
			r := httptest.NewRequest(method, path, http.NoBody)
			r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, local))
			r.Host = tc.host
			tc.who(r)
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			want := tc.want
			if slices.Contains(open, request) && !tc.config.Private || strings.HasSuffix(path, "z") {
				want = 200
			}
			if w.Code != want {
				t.Errorf("%s: %s: %d %s, want %d", tc.name, request, w.Code, w.Body, want)
			}
			if challenged := len(w.Header().Values("WWW-Authenticate")) == 2; challenged != (want == 401) {
				t.Errorf("%s: %s: %v", tc.name, request, w.Header())
			}
		}
	}
}

// TestWordsAndAudit: a destination's own words are only for who shows the token, on loopback too; who changes
// something, and from where, stands in the log.
func TestWordsAndAudit(t *testing.T) {
	var log strings.Builder
	s := testServer(func() Snapshot {
		return Snapshot{
			Outputs:     []Output{{Name: "es", LastError: Failure{Text: "a type", Detail: "a type: hunter2"}}},
			DeadLetters: DeadLetters{Count: 2},
		}
	})
	s.options.Config = Config{Token: setting.NewSecret("t0ken"), Users: []User{{"ops", setting.NewSecret("pass")}}}
	s.options.DeadLetters, s.options.Log = &letters{n: 2}, zerolog.New(&log)
	s.options.ControlOutput = func(string, string) (string, error) { return "", errors.New("not that one") }
	handler := s.handler(s.registry())
	ask := func(method, path, user, password string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, path, http.NoBody)
		ctx, cancel := context.WithCancel(r.Context())
		if path == livePath {
			cancel() // it goes on until the page has left
		}
		defer cancel()
		r = r.WithContext(
			context.WithValue(ctx, http.LocalAddrContextKey, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9880}),
		)
		r.Host = "localhost:9880"
		if password != "" {
			r.SetBasicAuth(user, password)
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		return w
	}
	for _, path := range []string{"/status", livePath} {
		for _, tc := range []struct {
			password string
			words    bool
		}{{"", false}, {"wrong", false}, {"t0ken", true}, {"pass", true}} {
			body := ask("GET", path, "ops", tc.password).Body.String()
			if strings.Contains(body, "hunter2") != tc.words ||
				path == livePath && (strings.Contains(body, `"words":true`) != tc.words) {
				t.Errorf("%s with %q shows\n%s", path, tc.password, body)
			}
		}
	}
	if w := ask("GET", "/login", "", ""); w.Code != http.StatusUnauthorized ||
		len(w.Header().Values("WWW-Authenticate")) != 2 {
		t.Errorf("signing in: %d %v", w.Code, w.Header())
	}
	if w := ask("GET", "/login", "me", "t0ken"); w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/" {
		t.Errorf("signing in with the token: %d %v", w.Code, w.Header())
	}
	log.Reset()
	ask("POST", "/outputs/es/pause", "", "")
	ask("POST", "/dead-letters/retry?all=true", "ops", "pass")
	ask("POST", "/dead-letters/purge?output=es", "x", "t0ken")
	for _, want := range []string{
		`"who":"somebody on this machine","from":"192.0.2.1:1234","what":"POST ` +
			`/outputs/es/pause","code":422,"message":"a change was asked for at the status endpoint, and refused"`,
		`"who":"user ops","from":"192.0.2.1:1234","what":"POST /dead-letters/retry?all=true","code":200,`,
		`"who":"the token","from":"192.0.2.1:1234","what":"POST /dead-letters/purge?output=es","code":200,`,
	} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %s in\n%s", want, log.String())
		}
	}
	if strings.Contains(log.String(), "t0ken") {
		t.Error("the log has the token")
	}
}

func TestConfigCheck(t *testing.T) {
	alone := Config{Private: true}
	var why setting.Report
	if alone.Check(&why); len(why.Problems) != 1 || why.Problems[0].Key != "private" {
		t.Errorf("private without anybody who may see anything: %+v", why.Problems)
	}
	c := Config{
		Users: []User{{"a", setting.NewSecret("x")}, {"b:c", setting.NewSecret("x")}, {"a", setting.NewSecret("x")}},
	}
	var r setting.Report
	c.Check(&r)
	if len(r.Problems) != 2 || r.Problems[0].Key != "users[1].name" || r.Problems[1].Key != "users[2].name" {
		t.Errorf("%+v", r.Problems)
	}
}

func FuzzDeadQuery(f *testing.F) {
	f.Add("output=es&tag=kube.**&older_than=1h&id=5&id=6&all=true")
	f.Add("id=&newest=&limit=99999999999999999999")
	f.Fuzz(func(t *testing.T, text string) {
		values, err := url.ParseQuery(text)
		if err != nil {
			return
		}
		q := queryReader{values: values}
		filter := q.filter()
		if q.end() != nil {
			return
		}
		again := queryReader{values: filter.Query()}
		if got := again.filter(); again.end() != nil || !reflect.DeepEqual(got, filter) {
			t.Fatalf("%+v becomes %+v: %v", filter, got, again.err)
		}
	})
}
