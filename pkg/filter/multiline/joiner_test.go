package multiline_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
	"github.com/seed-afc6a195/aggregator/pkg/filter/multiline"
)

func start() time.Time { return time.Date(2025, 11, 21, 10, 15, 0, 0, time.UTC) }

func defaults() multiline.Config {
	return multiline.Config{
		Field: "log", MaxLines: 500, MaxBytes: 1 << 20, MaxWait: 3 * time.Second, Separator: "\n", MaxMessageLines: 20,
		Key: "{record.pod}",
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
	return &stream{
		t: tb, j: j, chunk: &event.Chunk{Cluster: "a", Tag: "t"}, byPod: map[string][]string{}, last: map[string]int{},
	}
}

func text(e *filter.Event, name string) string {
	value, _ := e.Get(name)
	return string(event.AppendText(nil, value))
}

func (s *stream) emit(e *filter.Event) {
	pod := text(e, "pod")
	for _, mark := range e.Origins {
		o := mark.(int)
		from := e.Chunk.Cluster + e.Chunk.Tag + pod + string(filter.StreamKey{}.Append(nil, e))
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

// record is line for a record that has some other fields.
func (s *stream) record(fields, line string) {
	var values map[string]any
	if err := json.Unmarshal([]byte(fields), &values); err != nil {
		s.t.Fatal(err)
	}
	values["log"] = line
	record, err := filter.AppendValue(nil, values)
	if err != nil {
		s.t.Fatal(err)
	}
	s.ev.Reset(&event.Event{Chunk: s.chunk, Pos: s.in, Record: record}, s.in)
	s.in++
	if err := s.j.Join(&s.ev, start(), s.emit); err != nil {
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

func languages() []string {
	return []string{"java", "js", "python", "go", "dotnet", "ruby", "php", "dart", "rust"}
}

func compare(t *testing.T, got, want []string) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			t.Fatalf("event %d and further:\n%s\nwant:\n%s", i, strings.Join(got[min(i, len(got)):], "\n-----\n"),
				strings.Join(want[min(i, len(want)):], "\n-----\n"))
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

// Each of the traces that others test with is one event, alone and twice in a row, and what is around
// it is not in it.
func TestTracesOfOthers(t *testing.T) {
	for _, language := range languages() {
		if language == "rust" {
			continue // nobody has any
		}
		for _, format := range []string{language, "all"} {
			t.Run(language+" as "+format, func(t *testing.T) {
				c := defaults()
				c.Format = format
				s := newStream(t, c)
				want := []string{"no trace"}
				for _, trace := range golden(t, "corpus/"+language) {
					want = append(want, trace, "no trace", trace, trace, "a text", "", "of several lines")
				}
				for line := range strings.SplitSeq(strings.Join(want, "\n"), "\n") {
					s.line("web", line, start())
				}
				s.end()
				compare(t, s.out, want)
			})
		}
	}
}

// A pod in each language writes one line in turn.
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
		name, first, further, last string
		lines, want                string // events after "|"
	}{
		{"start", `^\[`, "", "", "lost,[1] a,b,c,[2] a,[3]", "lost|[1] a,b,c|[2] a|[3]"},
		{"continue", "", `^\s`, "", "a, b, c,d, e", "a, b, c|d, e"},
		{"a continuing line is first", "", `^\s`, "", " a, b,c", " a, b|c"},
		{"both", `^\[`, `^\s`, "", "lost,[1], a, b,no,[2],[3], a, b,no, c", "lost|[1], a, b|no|[2]|[3], a, b|no| c"},
		{"a line that fits both is a first one", `^a`, `a`, "", "a1,ba,a2,c", "a1,ba|a2|c"},
		{"end", "", "", `;$`, "a,b;,c;,d,e", "a,b;|c;|d,e"},
		{
			"start and end", `^BEGIN`, "", `^END`, "x,BEGIN,1,2,END,y,BEGIN,3,BEGIN,END,END",
			"x|BEGIN,1,2,END|y|BEGIN,3|BEGIN,END|END",
		},
		{"a first line that is the last", `^<`, "", `>$`, "<a>,<b,c>,d", "<a>|<b,c>|d"},
		{"continue and end", "", `^\s`, `\.$`, "a, b., c, d,e", "a, b.| c, d|e"},
		{"all three", `^a`, `^\s`, `\.$`, "a, b., c,a, d,e,a.", "a, b.| c|a, d|e|a."},
		{"lines that end in a backslash go on", "", "", `[^\\]$`, `a\,b,c\,d\,e,f`, `a\,b|c\,d\,e|f`},
	} {
		for _, ends := range []string{"", "\n", "\r\n"} {
			t.Run(fmt.Sprintf("%s, lines end with %q", tc.name, ends), func(t *testing.T) {
				c := defaults()
				c.Start, c.Continue, c.End, c.Separator = tc.first, tc.further, tc.last, ","
				s := newStream(t, c)
				for line := range strings.SplitSeq(tc.lines, ",") {
					s.line("web", line+ends, start())
				}
				s.end()
				if got, want := strings.Join(s.out, "|"), strings.ReplaceAll(tc.want, "|", ends+"|")+ends; got != want {
					t.Errorf("got %q, want %q", got, want)
				}
			})
		}
	}
}

// What has its last line goes on at once.
func TestEndNeedNotWait(t *testing.T) {
	c := defaults()
	c.Start, c.End = "^BEGIN", "^END"
	s := newStream(t, c)
	for _, line := range []string{"BEGIN", "1", "END"} {
		s.line("web", line, start())
	}
	compare(t, s.out, []string{"BEGIN\n1\nEND"})
	s.end()
}

// Lines that may belong to a trace's message wait for a frame, so many and so long at most. Without one
// they go on as they came.
func TestMessageLinesWaitForAFrame(t *testing.T) {
	const head, frame = "a.BException: 1", "\tat a.B.c(B.java:1)"
	message := func(n int) (lines []string) {
		for i := range n {
			lines = append(lines, fmt.Sprint("message ", i))
		}
		return lines
	}
	joined := func(n int) string { return strings.Join(append(append([]string{head}, message(n)...), frame), "\n") }
	for _, tc := range []struct {
		name  string
		most  int
		lines []string
		want  []string
	}{
		{"as many as may wait", 20, append(append([]string{head}, message(20)...), frame), []string{joined(20)}},
		{
			"one more", 20, append(append([]string{head}, message(21)...), frame),
			append(append([]string{head}, message(21)...), frame),
		},
		{"none may", 0, []string{head, "message 0", frame}, []string{head, "message 0", frame}},
		{"no frame", 20, append([]string{head}, message(3)...), append([]string{head}, message(3)...)},
		{
			"another entry", 20,
			[]string{head, "message 0", "2026-01-01 INFO next", frame},
			[]string{head, "message 0", "2026-01-01 INFO next", frame},
		},
		{
			"another trace", 20,
			[]string{head, "message 0", "a.CException: 2", frame},
			[]string{head, "message 0", "a.CException: 2\n" + frame},
		},
		{
			"the frame shows only the lines before it", 20,
			[]string{head, "message 0", frame, "message 1"},
			[]string{joined(1), "message 1"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := defaults()
			c.Format, c.MaxMessageLines = "java", tc.most
			s := newStream(t, c)
			for _, line := range tc.lines {
				s.line("web", line, start())
			}
			s.end()
			compare(t, s.out, tc.want)
		})
	}

	c := defaults()
	c.Format = "all"
	s := newStream(t, c)
	s.line("web", head, start())
	s.line("web", "message 0", start().Add(time.Second))
	// Begins a trace if no frame shows that it is the first one's.
	s.line("web", "Traceback (most recent call last):", start().Add(2*time.Second))
	s.line("web", `  File "a.py", line 1`, start().Add(2*time.Second))
	s.j.Flush(start().Add(c.MaxWait), false, s.emit)
	compare(t, s.out, []string{head, "message 0"})
	if due := s.j.Due(); due != start().Add(2*time.Second+c.MaxWait) {
		t.Errorf("the trace among the message's lines is due at %v, want 3 s after its first line", due)
	}
	s.line("web", "KeyError: 'a'", start().Add(4*time.Second))
	s.end()
	compare(t, s.out[2:], []string{"Traceback (most recent call last):\n  File \"a.py\", line 1\nKeyError: 'a'"})
}

// Without a key the record says which stream a line is of.
func TestStreamsAreApartWithoutAKey(t *testing.T) {
	for _, tc := range []struct {
		name, a, b string // records
		together   bool
	}{
		{
			"pods", `{"kubernetes":{"namespace_name":"shop","pod_name":"a"}}`,
			`{"kubernetes":{"namespace_name":"shop","pod_name":"b"}}`, false,
		},
		{
			"namespaces", `{"kubernetes":{"namespace_name":"shop","pod_name":"a"}}`,
			`{"kubernetes":{"namespace_name":"blog","pod_name":"a"}}`, false,
		},
		{
			"containers of a pod", `{"kubernetes":{"pod_name":"a","container_name":"app"}}`,
			`{"kubernetes":{"pod_name":"a","container_name":"proxy"}}`, false,
		},
		{
			"labels", `{"kubernetes":{"pod_name":"a","labels":{"v":"1"}}}`,
			`{"kubernetes":{"pod_name":"a","labels":{"v":"2"}}}`, true,
		},
		{
			"Docker's containers", `{"container_id":"a","source":"stdout"}`, `{"container_id":"b","source":"stdout"}`,
			false,
		},
		{"stdout and stderr", `{"stream":"stdout"}`, `{"stream":"stderr"}`, false},
		{"Docker's stdout and stderr", `{"source":"stdout"}`, `{"source":"stderr"}`, false},
		{"fields of other meaning", `{"stream":"events","source":"app"}`, `{"stream":"orders","source":"db"}`, true},
		{"no fields", `{}`, `{}`, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := defaults()
			c.Format, c.Key = "java", ""
			s := newStream(t, c)
			for _, line := range []string{"a.BException:", "\tat a.B.c(B.java:1)"} {
				for _, fields := range []string{tc.a, tc.b} {
					s.record(fields, line)
				}
			}
			s.end()
			want := []string{"a.BException:\n\tat a.B.c(B.java:1)", "a.BException:\n\tat a.B.c(B.java:1)"}
			if tc.together {
				want = []string{"a.BException:", "a.BException:\n\tat a.B.c(B.java:1)\n\tat a.B.c(B.java:1)"}
			}
			compare(t, s.out, want)
		})
	}
}
