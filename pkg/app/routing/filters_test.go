package routing

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/config"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
	"github.com/seed-afc6a195/aggregator/pkg/filter/rules"
)

// fate notes what becomes of events: it is the rules' sink.
type fate struct{ said []string }

func (f *fate) Emit(e *filter.Event)                { f.said = append(f.said, "out "+logOf(e.Rendered())) }
func (f *fate) Dropped(_ any, reason string)        { f.said = append(f.said, "dropped "+reason) }
func (f *fate) Dead(_ *filter.Event, reason string) { f.said = append(f.said, "dead "+reason) }

// logOf returns the printable part of a record.
func logOf(record []byte) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, string(record))
}

// send has an event {"log": text} of a cluster and tag go through the rules, and returns what becomes of it.
func send(t *testing.T, r *Rules, cluster, tag, text string) []string {
	t.Helper()
	record := append([]byte{0x81, 0xa3, 'l', 'o', 'g', 0xa0 | byte(len(text))}, text...)
	entries := event.AppendEntry(nil, event.AppendTime(nil, event.Time{Sec: 1_700_000_000}), nil, record)
	chunk := event.Chunk{Cluster: cluster, Tag: tag, Entries: entries}
	var ev event.Event
	it := chunk.Iterator()
	if !it.Next(&ev) {
		t.Fatal(it.Err())
	}
	var e filter.Event
	out := &fate{}
	e.Reset(&ev, t.Name())
	now := time.Unix(1_700_000_001, 0)
	r.Process(&e, now, out)
	r.Flush(now, true, out)
	return out.said
}

// made returns the rules of a configuration for the output named out.
func made(t *testing.T, cfg *config.Config, output string, log zerolog.Logger) *Rules {
	t.Helper()
	r, err := NewRules(cfg, output, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// The routes of a configuration decide by cluster, tag and condition, in order, what an output gets and how it is
// changed on the way.
func TestWhatAnOutputGets(t *testing.T) {
	cfg := parse(t, `
filters:
  mark: [{modify: {set: {log: marked}}}]
  quiet: [{grep: {exclude: {log: secret}}}]
  strict: [{parse: {field: log, format: json, on_error: dead_letter}}]
clusters: [{name: seoul, shared_key: k}, {name: osaka, shared_key: l}]
routes:
  - {match: "both.**", filters: [mark], outputs: [out], continue: true}
  - {match: "both.**", outputs: [other]}
  - {match: "if.**", when: 'record.log == "yes"', outputs: [out]}
  - {match: "if.**", outputs: [other]}
  - {match: "one.**", clusters: [seoul], filters: [quiet, mark], outputs: [out]}
  - {match: "json.**", filters: [strict], outputs: [out]}
`)
	drops := parse(t, "unrouted: drop\nroutes: [{match: 'a.**', when: 'record.log == \"yes\"', outputs: [out, other]}]")
	keeps := parse(t, "routes: [{match: 'a.**', when: 'record.log == \"yes\"', outputs: [out, other]}]")
	for _, tc := range []struct {
		name              string
		cfg               *config.Config
		cluster, tag, log string
		out, other        []string
	}{
		{"two routes take it", cfg, "seoul", "both.a", "x", []string{"out logmarked"}, []string{"out logx"}},
		{"a condition is true", cfg, "seoul", "if.a", "yes", []string{"out logyes"}, []string{"dropped when"}},
		{"a condition is not", cfg, "seoul", "if.a", "no", []string{"dropped when"}, []string{"out logno"}},
		{"filters in their order", cfg, "seoul", "one.a", "x", []string{"out logmarked"}, nil},
		{"a filter drops it", cfg, "seoul", "one.a", "secret", []string{"dropped filter"}, nil},
		{"a filter makes it a dead letter", cfg, "seoul", "json.a", "x", []string{"dead filter"}, nil},
		{"nobody wants it, and it is dropped", drops, "seoul", "a.b", "no", []string{"dropped unrouted"}, nil},
		{"nobody wants it, and it is kept", keeps, "seoul", "a.b", "no", []string{"dead unrouted"}, nil},
	} {
		if got := send(t, made(t, tc.cfg, "out", zerolog.Nop()), tc.cluster, tc.tag, tc.log); !slices.Equal(got,
			tc.out) {
			t.Errorf("%s: out: %q, want %q", tc.name, got, tc.out)
		}
		if tc.other == nil {
			continue
		}
		got := send(t, made(t, tc.cfg, "other", zerolog.Nop()), tc.cluster, tc.tag, tc.log)
		if !slices.Equal(got, tc.other) {
			t.Errorf("%s: other: %q, want %q", tc.name, got, tc.other)
		}
	}
}

// All that can't be made is named at once, with its place, for the outputs that it is for, and nothing stays open.
func TestPlacesOfWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	table := filepath.Join(dir, "table.csv")
	if err := os.WriteFile(table, []byte("ns,team\na,b\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := parse(t, fmt.Sprintf(`
filters:
  good: [{lookup: {field: ns, file: %q, add: {team: team}}}]
  bad: [{modify: {set: {a: b}}}, {lookup: {field: ns, file: /none/1.csv}}, {lookup: {field: ns, file: /none/2.csv}}]
routes:
  - {match: "a.**", filters: [good, bad], outputs: [out], continue: true}
  - {match: "b.**", filters: [good], outputs: [other]}`, table))
	_, err := NewRules(cfg, "out", zerolog.Nop())
	if err == nil {
		t.Fatal("rules were made of a table that there is not")
	}
	for _, place := range []string{"filters.bad[1].lookup: ", "filters.bad[2].lookup: "} {
		if strings.Count(err.Error(), place) != 1 {
			t.Errorf("%s is not named once: %v", place, err)
		}
	}
	if strings.Contains(err.Error(), "filters.good") || strings.Contains(err.Error(), "filters.bad[0]") {
		t.Errorf("what is right is named: %v", err)
	}
	made(t, cfg, "other", zerolog.Nop())
	// A route's condition is looked at for every output, since what the others take is not for this one.
	cfg.Routes[1].When = "tag =="
	for _, output := range []string{"out", "other"} {
		if _, err := NewRules(cfg, output, zerolog.Nop()); err == nil ||
			strings.Count(err.Error(), "routes[1].when: ") != 1 {
			t.Errorf("for %s: %v", output, err)
		}
	}
	cfg.Filters["good"][0].When = "((("
	if _, err := NewRules(cfg, "other", zerolog.Nop()); err == nil ||
		!strings.Contains(err.Error(), "filters.good[0].when: ") || !strings.Contains(err.Error(), "routes[1].when: ") {
		t.Errorf("two conditions are wrong: %v", err)
	}
}

// A step that fails is in the log the first time, with its name and without a second line for the same.
func TestErrorsOfStepsAreLoggedOnce(t *testing.T) {
	var log bytes.Buffer
	failed := logErrors(zerolog.New(&log))
	step := &filter.Stage{Filter: "f", Index: 2, Kind: "parse"}
	when := &filter.Stage{Filter: "routes[0]", Kind: rules.KindWhen}
	for range 3 {
		failed(step, errors.New("no JSON"))
		failed(when, errors.New("no number"))
	}
	failed(&filter.Stage{Filter: "f", Index: 3, Kind: "parse"}, errors.New("neither"))
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	want := []string{
		`"error":"no JSON","step":"f[2] parse"`, `"error":"no number","step":"routes[0].when"`,
		`"error":"neither","step":"f[3] parse"`,
	}
	if len(lines) != len(want) {
		t.Fatalf("logged\n%s", log.String())
	}
	for i := range want {
		if !strings.Contains(lines[i], want[i]) || !strings.Contains(lines[i], "a step failed on an event") {
			t.Errorf("line %d is %s, want %s", i, lines[i], want[i])
		}
	}
}

// Files that steps hold open are all closed, whatever one of them says.
func TestCloseOfRules(t *testing.T) {
	closed := 0
	end := func(err error) func() error { return func() error { closed++; return err } }
	one, two := errors.New("one"), errors.New("two")
	r := &Rules{open: []func() error{end(one), end(nil), end(two)}}
	if err := r.Close(); !errors.Is(err, one) || !errors.Is(err, two) || closed != 3 {
		t.Errorf("%d closed: %v", closed, err)
	}
	if err := (&Rules{}).Close(); err != nil {
		t.Error(err)
	}
}

// Only what looks at events has to be the same in two configurations: each of its parts counts.
func TestSameIsAboutAllThatChangesEvents(t *testing.T) {
	const text = `
filters: {f: [{modify: {set: {a: b}}}], unused: [{modify: {set: {c: d}}}]}
routes: [{match: "a.**", filters: [f], outputs: [out]}, {match: "b.**", outputs: [other]}]
`
	for _, tc := range []struct {
		name, old, with string
		want            bool
	}{
		{"nothing", "", "", true},
		{"the value that is set", "a: b", "a: c", false},
		{"a filter that is not used", "c: d", "c: e", false},
		{"a pattern", "a.**", "aa.**", false},
		{"a route without filters", "b.**", "c.**", false},
		{"where it goes", "outputs: [other]", "outputs: [out]", false},
		{"that it goes on", "outputs: [out]}", "outputs: [out], continue: true}", false},
		{
			"clusters, which say nothing of events", "filters: {", "clusters: [{name: a, shared_key: k}]\nfilters: {",
			true,
		},
	} {
		a, b := parse(t, text), parse(t, strings.Replace(text, tc.old, tc.with, 1))
		if Same(a, b) != tc.want || Same(b, a) != tc.want {
			t.Errorf("%s: the same is %v", tc.name, !tc.want)
		}
	}
}
