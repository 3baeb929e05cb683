package multiline_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
	"github.com/seed-afc6a195/aggregator/pkg/filter/multiline"
)

func start() time.Time { return time.Date(2025, 11, 21, 10, 15, 0, 0, time.UTC) }

func defaults() multiline.Config {
	return multiline.Config{
		Field: "log", MaxLines: 500, MaxBytes: 1 << 20, MaxWait: 3 * time.Second, Separator: "\n", MaxMessageLines: 20, Key: "{record.pod}",
	}
}

// stream feeds a Joiner and keeps what comes out.
type stream struct {
	t       testing.TB
	j       *multiline.Joiner
	chunk   *event.Chunk
	ev      filter.Event
	in      int
	origins []int
	out     []string            // texts
	byPod   map[string][]string // texts
	last    map[string]int      // origin by cluster, tag and pod
}

func newStream(tb testing.TB, c multiline.Config) *stream {
	tb.Helper()
	j, err := multiline.New(c)
	if err != nil {
		tb.Fatal(err)
	}
	return &stream{t: tb, j: j, chunk: &event.Chunk{Cluster: "a", Tag: "t"}, byPod: map[string][]string{}, last: map[string]int{}}
}

func text(e *filter.Event, name string) string {
	value, _ := e.Get(name)
	return string(event.AppendText(nil, value))
}

func (s *stream) emit(e *filter.Event) {
	pod := text(e, "pod")
	for _, mark := range e.Origins {
		o := mark.(int)
		from := e.Chunk.Cluster + e.Chunk.Tag + pod
		if last, ok := s.last[from]; ok && o < last {
			s.t.Errorf("%s: origin %d came out after %d", from, o, last)
		}
		s.last[from] = o
		s.origins = append(s.origins, o)
	}
	if first := e.Origins[0].(int); e.Pos != first {
		s.t.Errorf("an event of the origin %d has position %d", first, e.Pos)
	}
	s.out = append(s.out, text(e, "log"))
	s.byPod[pod] = append(s.byPod[pod], text(e, "log"))
}

func (s *stream) line(pod, line string, now time.Time) {
	record := filter.AppendMapHeader(nil, 2)
	record = filter.AppendString(filter.AppendString(record, "log"), line)
	record = filter.AppendString(filter.AppendString(record, "pod"), pod)
	s.ev.Reset(&event.Event{Chunk: s.chunk, Pos: s.in, Record: record}, s.in)
	s.in++
	if err := s.j.Join(&s.ev, now, s.emit); err != nil {
		s.t.Error(err)
	}
}

// end flushes and checks that each origin came out once. emit checks that each pod's came in order.
func (s *stream) end() {
	s.t.Helper()
	s.j.Flush(start(), true, s.emit)
	if due := s.j.Due(); !due.IsZero() {
		s.t.Errorf("due %v after all was flushed", due)
	}
	slices.Sort(s.origins)
	for i, o := range s.origins {
		if i != o {
			s.t.Fatalf("origin %d came out twice, or another is missing: %v", o, s.origins)
		}
	}
	if len(s.origins) != s.in {
		s.t.Fatalf("%d of %d origins came out", len(s.origins), s.in)
	}
}

// golden reads the events of a file; between them are lines of dashes.
func golden(tb testing.TB, name string) []string {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".txt"))
	if err != nil {
		tb.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(b), "\n"), "\n-----\n")
}

func languages() []string { return []string{"java", "python", "go", "dotnet", "ruby"} }

func compare(t *testing.T, got, want []string) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			t.Fatalf("event %d and further:\n%s\nwant:\n%s", i, strings.Join(got[min(i, len(got)):], "\n-----\n"), strings.Join(want[min(i, len(want)):], "\n-----\n"))
		}
	}
}

func TestLanguages(t *testing.T) {
	for _, language := range languages() {
		for _, ends := range []string{"", "\n", "\r\n"} {
			t.Run(fmt.Sprintf("%s, lines end with %q", language, ends), func(t *testing.T) {
				c := defaults()
				c.Format = language
				s := newStream(t, c)
				want := golden(t, language)
				for _, e := range want {
					for line := range strings.SplitSeq(e, "\n") {
						s.line("web", line+ends, start())
					}
				}
				s.end()
				for i := range s.out {
					s.out[i] = strings.TrimSuffix(s.out[i], ends)
				}
				compare(t, s.out, want)
			})
		}
	}
}

// Five pods in five languages write one line each in turn.
func TestInterleavedPods(t *testing.T) {
	c := defaults()
	c.Format = "all"
	s := newStream(t, c)
	lines := map[string][]string{}
	most := 0
	for _, language := range languages() {
		lines[language] = strings.Split(strings.Join(golden(t, language), "\n"), "\n")
		most = max(most, len(lines[language]))
	}
	for i := range most {
		for _, language := range languages() {
			if i < len(lines[language]) {
				s.line(language, lines[language][i], start())
			}
		}
	}
	s.end()
	for _, language := range languages() {
		compare(t, s.byPod[language], golden(t, language))
	}
}

func TestPatterns(t *testing.T) {
	for _, tc := range []struct {
		name, first, further string
		lines, want          string // events after "|"
	}{
		{"start", `^\[`, "", "lost,[1] a,b,c,[2] a,[3]", "lost|[1] a,b,c|[2] a|[3]"},
		{"continue", "", `^\s`, "a, b, c,d, e", "a, b, c|d, e"},
		{"a continuing line is first", "", `^\s`, " a, b,c", " a, b|c"},
		{"both", `^\[`, `^\s`, "lost,[1], a, b,no,[2],[3], a, b,no, c", "lost|[1], a, b|no|[2]|[3], a, b|no| c"},
		{"a line that fits both is a first one", `^a`, `a`, "a1,ba,a2,c", "a1,ba|a2|c"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := defaults()
			c.Start, c.Continue, c.Separator = tc.first, tc.further, ","
			s := newStream(t, c)
			for line := range strings.SplitSeq(tc.lines, ",") {
				s.line("web", line, start())
			}
			s.end()
			if got := strings.Join(s.out, "|"); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	c := defaults()
	c.Start, c.Separator, c.MaxLines = "^x", ",", 3
	s := newStream(t, c)
	for line := range strings.SplitSeq("x1,2,3,4,5,6,7,x2", ",") {
		s.line("web", line, start())
	}
	s.end()
	compare(t, s.out, []string{"x1,2,3", "4,5,6", "7", "x2"})

	c = defaults()
	c.Start, c.Separator, c.MaxBytes = "^x", ",", 10
	s = newStream(t, c)
	for _, line := range []string{"x23", "567", "90", "bcdefghijk", "lm", "more than ten", "n"} {
		s.line("web", line, start())
	}
	s.end()
	compare(t, s.out, []string{"x23,567,90", "bcdefghijk", "lm", "more than ten", "n"})

	c = defaults()
	c.Start = "^x"
	s = newStream(t, c)
	for i := range 10_003 {
		s.line(strconv.Itoa(i), "x", start())
	}
	if want := []string{"x", "x", "x"}; !reflect.DeepEqual(s.out, want) {
		t.Errorf("with too many keys %q went on, want the three oldest", s.out)
	}
	s.end()
}

func TestWaitingEnds(t *testing.T) {
	c := defaults()
	c.Format = "java"
	s := newStream(t, c)
	if due := s.j.Due(); !due.IsZero() {
		t.Errorf("due %v with nothing held back", due)
	}
	second := func(n int) time.Time { return start().Add(time.Duration(n) * time.Second) }
	s.line("web", "a.BException: 1", second(0))
	s.line("db", "a.BException: 2", second(1))
	s.line("web", "\tat a.B.c(B.java:1)", second(2))
	if due := s.j.Due(); due != second(3) {
		t.Errorf("due at %v, want 3 s after the first line", due)
	}
	s.j.Flush(second(2), false, s.emit)
	compare(t, s.out, nil)
	s.j.Flush(second(3), false, s.emit)
	compare(t, s.out, []string{"a.BException: 1\n\tat a.B.c(B.java:1)"})
	s.line("web", "\tat a.B.d(B.java:2)", second(3)) // too late, but a frame
	s.j.Flush(second(4), false, s.emit)
	compare(t, s.out[1:], []string{"a.BException: 2"})
	s.end()
}

// What is no text, or too long, ends what is under way and goes on.
func TestNoText(t *testing.T) {
	c := defaults()
	c.Start = "^x"
	c.Key = ""
	s := newStream(t, c)
	s.line("web", "x", start())
	for _, record := range [][]byte{{0x80}, {0x81, 0xa3, 'l', 'o', 'g', 0x01}} {
		s.ev.Reset(&event.Event{Chunk: s.chunk, Pos: s.in, Record: record}, s.in)
		s.in++
		if err := s.j.Join(&s.ev, start(), s.emit); err != nil {
			t.Error(err)
		}
	}
	compare(t, s.out, []string{"x", "", "1"})
	s.end()
}

func TestClustersAndTagsAreApart(t *testing.T) {
	c := defaults()
	c.Start = "^x"
	s := newStream(t, c)
	chunks := []*event.Chunk{{Cluster: "a", Tag: "t"}, {Cluster: "b", Tag: "t"}, {Cluster: "a", Tag: "u"}}
	for _, line := range []string{"x", "1"} {
		for i, chunk := range chunks {
			s.chunk = chunk
			s.line("web", fmt.Sprint(line, i), start())
		}
	}
	s.end()
	compare(t, s.out, []string{"x0\n10", "x1\n11", "x2\n12"})
}

func TestCheck(t *testing.T) {
	for _, tc := range []struct {
		c   multiline.Config
		key string
	}{
		{multiline.Config{Field: "log", Format: "java"}, ""},
		{multiline.Config{Field: "log"}, "format"},
		{multiline.Config{Field: "log", Format: "java", Start: "x"}, "format"},
		{multiline.Config{Field: "a..b", Format: "java"}, "field"},
		{multiline.Config{Field: "log", Format: "java", Key: "{record}"}, "key"},
		{multiline.Config{Field: "log", Start: "("}, "start"},
		{multiline.Config{Field: "log", Continue: "("}, "continue"},
	} {
		var r setting.Report
		tc.c.Check(&r)
		switch {
		case tc.key == "" && len(r.Problems) > 0, tc.key != "" && (len(r.Problems) != 1 || r.Problems[0].Key != tc.key):
			t.Errorf("%+v: problems %+v, want one at %q", tc.c, r.Problems, tc.key)
		}
		if _, err := multiline.New(tc.c); (err == nil) != (tc.key == "") && (tc.c.Start == "" || tc.key != "format") && tc.c != (multiline.Config{Field: "log"}) {
			t.Errorf("%+v: New: %v", tc.c, err)
		}
	}
}
