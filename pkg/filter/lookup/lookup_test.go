package lookup

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"github.com/vmihailenco/msgpack/v5"
	"go.uber.org/goleak"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func write(tb testing.TB, name, content string) string {
	tb.Helper()
	if !filepath.IsAbs(name) {
		name = filepath.Join(tb.TempDir(), name)
	}
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		tb.Fatal(err)
	}
	return name
}

func open(tb testing.TB, cfg Config) *Step {
	tb.Helper()
	if cfg.MaxSize == 0 {
		cfg.MaxSize = 1 << 20
	}
	s, err := New(cfg, zerolog.Nop())
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// apply returns what s makes of a record, as JSON.
func apply(tb testing.TB, s *Step, record any) string {
	tb.Helper()
	var b bytes.Buffer
	packer := msgpack.NewEncoder(&b)
	packer.SetSortMapKeys(true)
	if err := packer.Encode(record); err != nil {
		tb.Fatal(err)
	}
	var e filter.Event
	e.Reset(&event.Event{Chunk: &event.Chunk{}, Record: b.Bytes()}, 1)
	if v, err := s.Apply(&e); v != filter.Keep || err != nil {
		tb.Fatalf("%v, %v", v, err)
	}
	var enc event.Encoder
	out, err := enc.AppendValue(nil, e.Rendered())
	if err != nil {
		tb.Fatal(err)
	}
	return string(out)
}

const (
	teams = "namespace,team,on call\nshop,web,+82 10\npay,\"money, and more\",\n404,none,x\n"

	teamsObject = `{"shop": {"team": "web", "tier": 1, "share": 0.5, "owners": ["a", {"b": null}], "gone": null}, ` +
		`"pay": {"team": "money"}}`
	teamsArray = `[{"ns": "shop", "team": "web"}, {"ns": 404, "team": true}]`
	teamsLines = `{"ns":"shop","team":"web","id":18446744073709551615}` + "\n\r\n" + `{"ns":true,"team":"yes","id":-3}`
)

func TestLookup(t *testing.T) {
	type m = map[string]any
	for _, tc := range []struct {
		name, file, content string
		cfg                 Config
		record              any
		want                string
	}{
		{
			"csv, all columns", "t.csv", teams,
			Config{},
			m{"ns": "shop"},
			`{"ns":"shop","team":"web","on call":"+82 10"}`,
		},
		{"csv, a missing value", "t.csv", teams, Config{}, m{"ns": "pay"}, `{"ns":"pay","team":"money, and more"}`},
		{
			"csv, a number", "t.csv", teams,
			Config{Add: map[string]string{"team": "team"}},
			m{"ns": 404},
			`{"ns":404,"team":"none"}`,
		},
		{"csv, no such key", "t.csv", teams, Config{}, m{"ns": "none"}, `{"ns":"none"}`},
		{"no such field", "t.csv", teams, Config{}, m{"a": 1}, `{"a":1}`},
		{
			"csv by another column", "t.csv", teams, Config{
				Key: "team", Add: map[string]string{"k8s.ns": "namespace", `["a.b"]`: "team"},
			}, m{"ns": "web"}, `{"ns":"web","a.b":"web","k8s":{"ns":"shop"}}`,
		},
		{
			"a byte order mark, CRLF, a comma at the end", "t.csv", "\xef\xbb\xbfns, team,\r\nshop,web,\r\n",
			Config{Key: "ns"},
			m{"ns": "shop"},
			`{"ns":"shop","team":"web"}`,
		},
		{
			"default of a key", "t.csv", teams, Config{
				Add: map[string]string{"team": "team"}, Default: m{"team": "unknown"},
			}, m{"ns": "none"}, `{"ns":"none","team":"unknown"}`,
		},
		{
			"default of a value", "t.csv", teams,
			Config{Default: m{`["on call"]`: 119}},
			m{"ns": "pay"},
			`{"ns":"pay","on call":119,"team":"money, and more"}`,
		},
		{
			"default of nothing in the file", "t.csv", teams,
			Config{Default: m{"looked.up": true}},
			m{"a": 1},
			`{"a":1,"looked":{"up":true}}`,
		},
		{
			"it overwrites", "t.csv", teams,
			Config{Add: map[string]string{"team": "team"}},
			m{"ns": "shop", "team": "old"},
			`{"ns":"shop","team":"web"}`,
		},
		{"only a header", "t.csv", "ns,team\n", Config{}, m{"ns": "shop"}, `{"ns":"shop"}`},
		{
			"json, by names", "t.json", teamsObject,
			Config{},
			m{"ns": "shop"},
			`{"ns":"shop","owners":["a",{"b":null}],"share":0.5,"team":"web","tier":1}`,
		},
		{
			"json, texts by names", "t.json", `{"shop": "web", "pay": 7}`,
			Config{Add: map[string]string{"team": "value"}},
			m{"ns": "pay"},
			`{"ns":"pay","team":7}`,
		},
		{"json, array", "t.json", teamsArray, Config{Key: "ns"}, m{"ns": 404}, `{"ns":404,"team":true}`},
		{
			"ndjson", "t.ndjson", teamsLines,
			Config{Key: "ns"},
			m{"ns": "shop"},
			`{"ns":"shop","id":18446744073709551615,"team":"web"}`,
		},
		{"ndjson, a bool", "t.jsonl", teamsLines, Config{Key: "ns"}, m{"ns": true}, `{"ns":true,"id":-3,"team":"yes"}`},
		{
			"a format by setting", "teams", teamsLines, Config{
				Key: "ns", Format: "ndjson", Add: map[string]string{"t": "team"},
			}, m{"ns": "shop"}, `{"ns":"shop","t":"web"}`,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.cfg.Field, tc.cfg.File = "ns", write(t, tc.file, tc.content)
			var r setting.Report
			if tc.cfg.Check(&r); len(r.Problems) > 0 {
				t.Fatalf("settings: %v", r.Problems)
			}
			s := open(t, tc.cfg)
			defer s.Close()
			if got := apply(t, s, tc.record); got != tc.want {
				t.Errorf("%s, want %s", got, tc.want)
			}
		})
	}
}

func TestBadFiles(t *testing.T) {
	for _, tc := range []struct {
		file, content string
		cfg           Config
		want          string
	}{
		{"t.csv", "", Config{}, "it is empty"},
		{"t.csv", "a,b\n1\n", Config{}, "line 2: wrong number of fields"},
		{"t.csv", "a,b\n\"1,2\n", Config{}, `extraneous or missing " in quoted-field`},
		{"t.csv", "a,b\n1,2\n1,3\n", Config{}, `line 3: the key "1" is there twice`},
		{"t.csv", "a,b\n,2\n", Config{}, "line 2: the key is empty"},
		{"t.csv", "a,a\n1,2\n", Config{}, `the column "a" is there twice`},
		{"t.csv", "a,b\n1,2\n", Config{Key: "c"}, `no column "c" for the key; there are a, b`},
		{"t.csv", "a,b\n1,2\n", Config{Add: map[string]string{"x": "c"}}, `no column "c"; there are a, b`},
		{"t.csv", strings.Repeat("x", 1<<20+1), Config{}, "larger than max_size, 1MiB"},
		{"t.json", "", Config{}, "unexpected EOF"},
		{"t.json", "7", Config{}, "it should be an object"},
		{"t.json", `{"a":{"b":1}`, Config{}, "it is cut"},
		{"t.json", `{"a":{"b":1},`, Config{}, "EOF"},
		{"t.json", `{"a":{"b":1}} x`, Config{}, "something follows"},
		{"t.json", `{"a":1,"a":2}`, Config{}, `row 2: the key "a" is there twice`},
		{"t.json", `[{"k":"a"}]`, Config{}, "key must name the member"},
		{"t.json", `[{"k":"a"},7]`, Config{Key: "k"}, "row 2 is no object"},
		{"t.json", `[{"k":[1]}]`, Config{Key: "k"}, `row 1: it has no member "k" with a text or number`},
		{
			"t.json", `{"a":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}`,
			Config{},
			"more than 100 levels",
		},
		{"t.json", `{"a":` + strings.Repeat("[", 200000), Config{}, "row 1"},
		{"t.ndjson", "{\"k\":1}\n{\"k\":2} x\n", Config{Key: "k"}, "line 2: something follows"},
		{"t.ndjson", "{\"k\":1}\n[1]\n", Config{Key: "k"}, "line 2: "},
		{"t.yaml", "", Config{}, "format is not known"},
	} {
		tc.cfg.Field, tc.cfg.File, tc.cfg.MaxSize = "ns", write(t, tc.file, tc.content), 1<<20
		s, err := New(tc.cfg, zerolog.Nop())
		if err == nil {
			s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s %.40q: %v, want %q", tc.file, tc.content, err, tc.want)
		}
	}
	for file, want := range map[string]string{
		"/nowhere/t.csv": "no such file", t.TempDir(): "no regular file", "/dev/zero": "no regular file",
	} {
		if _, err := New(Config{Field: "ns", File: file, Format: "csv", MaxSize: 1}, zerolog.Nop()); err == nil ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", file, err, want)
		}
	}
}

func TestCheck(t *testing.T) {
	for _, tc := range []struct {
		cfg  Config
		want string
	}{
		{Config{Field: "a", File: "t.CSV"}, ""},
		{Config{Field: "a", File: "t.csv", Add: map[string]string{"x.y": "c"}, Default: map[string]any{"x.y": 1}}, ""},
		{Config{Field: "a", File: "t"}, "format: the name t does not tell"},
		{Config{Field: "a", File: "t.jsonl"}, "key: an NDJSON file has no first column"},
		{Config{Field: "a..b", File: "t.csv"}, "field: "},
		{Config{Field: "a", File: "t.csv", Add: map[string]string{"": "c"}}, "add: "},
		{Config{Field: "a", File: "t.csv", Default: map[string]any{"x.": 1}}, "default: "},
		{
			Config{Field: "a", File: "t.csv", Add: map[string]string{"x": "c"}, Default: map[string]any{"y": 1}},
			"default.y: no column leads",
		},
	} {
		var r setting.Report
		tc.cfg.Check(&r)
		var all []string
		for _, p := range r.Problems {
			all = append(all, p.Key+": "+p.Reason)
		}
		if got := strings.Join(all, "\n"); (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
			t.Errorf("%+v: %q, want %q", tc.cfg, got, tc.want)
		}
	}
}

// logged takes what is logged to another goroutine.
type logged chan string

func (l logged) Write(line []byte) (int, error) {
	l <- string(line)
	return len(line), nil
}

// drain returns the lines since the last call.
func (l logged) drain() (lines string) {
	for {
		select {
		case line := <-l:
			lines += line
		default:
			return lines
		}
	}
}

func TestReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := make(logged, 100)
		file := write(t, "t.csv", "ns,team\nshop,web\n")
		s, err := New(Config{Field: "ns", File: file, MaxSize: 1 << 10}, zerolog.New(log))
		if err != nil {
			t.Fatal(err)
		}
		for _, tc := range []struct {
			name   string
			change func() error
			want   string
			log    string // of warnings; "" none
		}{
			{"nothing", func() error { return nil }, "web", ""},
			{
				"written in place", func() error { return os.WriteFile(file, []byte("ns,team\nshop,blue\n"), 0o600) },
				"blue", "",
			},
			{
				"bad", func() error { return os.WriteFile(file, []byte("ns,team\nshop\n"), 0o600) }, "blue",
				"wrong number of fields",
			},
			{"still bad", func() error { return nil }, "blue", ""},
			{"gone", func() error { return os.Remove(file) }, "blue", "no such file"},
			{
				"too large", func() error { return os.WriteFile(file, make([]byte, 2<<10), 0o600) }, "blue",
				"larger than max_size",
			},
			{
				"as it was", func() error { return os.WriteFile(file, []byte("ns,team\nshop,blue\n"), 0o600) }, "blue",
				"",
			},
			{
				"too large again", func() error { return os.WriteFile(file, make([]byte, 2<<10), 0o600) }, "blue",
				"larger than max_size",
			},
			{"renamed over, of old", func() error {
				other := write(t, "new.csv", "ns,team\nshop,red\n")
				return os.Rename(other, file)
			}, "red", ""},
			{"long ago", func() error { return os.Chtimes(file, time.Time{}, time.Now().Add(-time.Hour)) }, "red", ""},
			{
				"and changed since", func() error { return os.WriteFile(file, []byte("ns,team\nshop,sea\n"), 0o600) },
				"sea", "",
			},
		} {
			if err := tc.change(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2*lookEvery + time.Millisecond)
			synctest.Wait()
			if got, want := apply(t, s, map[string]any{"ns": "shop"}),
				`{"ns":"shop","team":"`+tc.want+`"}`; got != want {
				t.Errorf("%s: %s, want %s", tc.name, got, want)
			}
			lines := log.drain()
			warned := strings.Count(lines, `"level":"warn"`)
			if (tc.log == "") != (warned == 0) || warned > 1 || !strings.Contains(lines, tc.log) {
				t.Errorf("%s: logged %s, want one warning of %q", tc.name, lines, tc.log)
			}
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if got := apply(t, s, map[string]any{"ns": "shop"}); !strings.Contains(got, "sea") {
			t.Errorf("after Close: %s", got)
		}
	})
}

func FuzzRead(f *testing.F) {
	for _, content := range []string{teams, teamsObject, teamsArray, teamsLines, "[{", `{"a":`, "a,b\n\""} {
		f.Add([]byte(content))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		for _, format := range []string{"csv", "json", "ndjson"} {
			c := Config{Format: format, Key: "ns"}
			table, err := c.read(content, nil)
			if err != nil {
				continue
			}
			for key, row := range table.rows {
				if len(row) > len(table.targets) {
					t.Fatalf("%s: key %q has %d values for %d fields", format, key, len(row), len(table.targets))
				}
				for _, value := range row {
					if value == nil {
						continue
					}
					if rest, err := event.Skip(value); err != nil || len(rest) > 0 {
						t.Fatalf("%s: key %q has the value %x: %v", format, key, value, err)
					}
				}
			}
		}
	})
}

func BenchmarkApply(b *testing.B) {
	s := open(b, Config{Field: "ns", File: write(b, "t.csv", teams), Add: map[string]string{"team": "team"}})
	defer s.Close()
	for _, ns := range []string{"shop", "none"} {
		b.Run(ns, func(b *testing.B) {
			record, err := msgpack.Marshal(map[string]any{
				"log": strings.Repeat("x", 200), "ns": ns, "stream": "stdout",
			})
			if err != nil {
				b.Fatal(err)
			}
			in := event.Event{Chunk: &event.Chunk{}, Record: record}
			var e filter.Event
			var origin any = 1
			b.ReportAllocs()
			for b.Loop() {
				e.Reset(&in, origin)
				_, _ = s.Apply(&e)
			}
		})
	}
}
