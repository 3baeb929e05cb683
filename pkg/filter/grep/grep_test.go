package grep

import (
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
)

func newEvent(tb testing.TB, record map[string]any) *filter.Event {
	tb.Helper()
	b, err := filter.AppendValue(nil, record)
	if err != nil {
		tb.Fatal(err)
	}
	e := &filter.Event{}
	e.Reset(&event.Event{Chunk: &event.Chunk{}, Record: b}, nil)
	return e
}

type rules = map[string][]string

func sample() map[string]any {
	return map[string]any{
		"path": "/healthcheck", "status": 404, "level": "info", "nothing": nil, "list": []any{1, 2},
		"a.b":        "dotted",
		"kubernetes": map[string]any{"labels": map[string]any{"app": "web", "app.kubernetes.io/name": "shop"}},
	}
}

func TestApply(t *testing.T) {
	for _, tc := range []struct {
		name string
		c    Config
		want filter.Verdict
	}{
		{"exclude", Config{Exclude: rules{"path": {"^/healthcheck"}}}, filter.Drop},
		{"exclude another", Config{Exclude: rules{"path": {"^/ready"}}}, filter.Keep},
		{"exclude any of several", Config{Exclude: rules{"path": {"^/ready"}, "level": {"info"}}}, filter.Drop},
		{"exclude any of a list", Config{Exclude: rules{"path": {"^/ready", "check$"}}}, filter.Drop},
		{"include", Config{Include: rules{"kubernetes.labels.app": {"^web$"}}}, filter.Keep},
		{"include another", Config{Include: rules{"kubernetes.labels.app": {"^db$"}}}, filter.Drop},
		{"include all of several", Config{Include: rules{"path": {"^/"}, "level": {"debug"}}}, filter.Drop},
		{"include any", Config{IncludeAny: rules{"path": {"^/nothing"}, "level": {"info"}}}, filter.Keep},
		{"include any of none", Config{IncludeAny: rules{"path": {"^/nothing"}, "level": {"debug"}}}, filter.Drop},
		{"exclude all", Config{ExcludeAll: rules{"path": {"^/health"}, "level": {"info"}}}, filter.Drop},
		{"exclude all but one", Config{ExcludeAll: rules{"path": {"^/health"}, "level": {"debug"}}}, filter.Keep},
		{
			"include and exclude",
			Config{Include: rules{"level": {"info"}}, Exclude: rules{"path": {"health"}}},
			filter.Drop,
		},
		{"a number", Config{Include: rules{"status": {"^4"}}}, filter.Keep},
		{"a list", Config{Include: rules{"list": {`^\[1,2\]$`}}}, filter.Keep},
		{"a name with dots", Config{Include: rules{`["a.b"]`: {"dotted"}}}, filter.Keep},
		{
			"a nested name with dots",
			Config{Include: rules{`kubernetes.labels["app.kubernetes.io/name"]`: {"shop"}}},
			filter.Keep,
		},
		{"missing is empty", Config{Exclude: rules{"missing": {"^$"}}}, filter.Drop},
		{"nil is empty", Config{Include: rules{"nothing": {"."}}}, filter.Drop},
		{"through what is no map", Config{Include: rules{"path.x": {"."}}}, filter.Drop},
		{"ignoring case", Config{Include: rules{"level": {"(?i)INFO"}}}, filter.Keep},
	} {
		s, err := New(tc.c)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		for range 2 {
			if got, err := s.Apply(newEvent(t, sample())); got != tc.want || err != nil {
				t.Errorf("%s: %v, %v; want %v", tc.name, got, err, tc.want)
			}
		}
		var r setting.Report
		if tc.c.Check(&r); len(r.Problems) > 0 {
			t.Errorf("%s: %v", tc.name, r.Problems)
		}
	}
}

func TestCheck(t *testing.T) {
	for _, tc := range []struct {
		name string
		c    Config
		want string
	}{
		{"nothing", Config{}, "there is no expression"},
		{"no expression", Config{Exclude: rules{"path": {}}}, "there is no expression"},
		{
			"a bad expression",
			Config{Exclude: rules{"path": {"("}}},
			"exclude.path: error parsing regexp: missing closing )",
		},
		{"no RE2", Config{Include: rules{"path": {"(?!x)"}}}, "invalid or unsupported Perl syntax"},
		{"a bad field", Config{Include: rules{"a..b": {"x"}}}, `include.a..b: field "a..b": position 3`},
	} {
		var r setting.Report
		tc.c.Check(&r)
		if len(r.Problems) != 1 || !strings.Contains(r.Problems[0].Key+": "+r.Problems[0].Reason, tc.want) {
			t.Errorf("%s: %v, want %q", tc.name, r.Problems, tc.want)
		}
		if _, err := New(tc.c); err == nil && !strings.Contains(tc.want, "there is no") {
			t.Errorf("%s: made all the same", tc.name)
		}
	}
}

// The short cuts agree with the regular expression.
func FuzzMatcher(f *testing.F) {
	for _, text := range []string{
		`^/health`, `check$`, `^abc$`, `abc`, ``, `^`, `$`, `^$`, `a.*bcd`, `(?i)abc`, `^a(b|c)`, `(?m)^b$`, `a|b`,
		`\babc`, `^abc+`, `abcd?`, `(abc)x*`, `x{2}abc`, `[a]bc`, `\Aabc\z`, `^abc.$`, `^/(health|ready)(check)?`,
		`GET|POST`, `[a-c]b`, `^/(health|ready)/.*x`, `a(b|c+)d`, `\x{FFFD}`, `[\x{FFF0}-\x{FFFF}]`,
		`(a|b)(c|d)(e|f)(g|h)(i|j)`,
	} {
		for _, s := range []string{"", "abc", "/healthcheck", "xabc", "a\nb", "\xff", "abcc"} {
			f.Add(text, []byte(s))
		}
	}
	f.Fuzz(func(t *testing.T, text string, s []byte) {
		regex, err := filter.CompilePattern(text) // which also refuses what stands in slashes
		m, also := newMatcher(text)
		if (err == nil) != (also == nil) {
			t.Fatalf("%q: %v, but %v", text, also, err)
		}
		if err == nil && m.match(s) != regex.Match(s) {
			t.Fatalf("%q on %q: %v (%+v)", text, s, m.match(s), m)
		}
	})
}

func BenchmarkGrep(b *testing.B) {
	record := sample()
	record["path"] = "/api/v1/items"
	record["log"] = strings.Repeat("x", 120)
	record["stream"], record["time"] = "stdout", "2024-05-01T10:00:00.123456789Z"
	for _, bench := range []struct {
		name string
		c    Config
	}{
		{"prefix", Config{Exclude: rules{"path": {"^/healthcheck"}}}},
		{"regex", Config{Exclude: rules{"path": {"^/(healthcheck|ready)"}}}},
		{"literal", Config{Exclude: rules{"log": {"/healthcheck"}}}},
		{"nested", Config{Include: rules{"kubernetes.labels.app": {"^web$"}}}},
		{"two", Config{Exclude: rules{"path": {"^/healthcheck"}, "level": {"^debug$"}}}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			s, err := New(bench.c)
			if err != nil {
				b.Fatal(err)
			}
			e := newEvent(b, record)
			ev := e.Event
			b.ReportAllocs()
			for b.Loop() {
				e.Reset(&ev, nil)
				if v, _ := s.Apply(e); v != filter.Keep {
					b.Fatal("dropped")
				}
			}
		})
	}
}

func TestApplyAllocatesNothing(t *testing.T) {
	s, err := New(Config{
		Exclude: rules{
			"path": {"^/ready", "^/(a|b)[0-9]+$"}, "status": {"^5"}, "kubernetes.labels.app": {"^db$"},
			"missing": {"x"},
		},
		IncludeAny: rules{"level": {"(?i)INFO"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	e := newEvent(t, sample())
	ev := e.Event
	if n := testing.AllocsPerRun(100, func() {
		e.Reset(&ev, nil)
		if v, _ := s.Apply(e); v != filter.Keep {
			t.Fatal("dropped")
		}
	}); n > 0 {
		t.Errorf("%v allocations for an event", n)
	}
}
