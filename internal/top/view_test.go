package top

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/seed-afc6a195/aggregator/pkg/status/client"
)

// Times are told in the unit that people think in.
func TestSeconds(t *testing.T) {
	for s, want := range map[float64]string{
		0: "0s", 0.4: "0s", 0.6: "1s", 59.4: "59s", 60: "1m", 3599: "60m", 3600: "1h", 47 * 3600: "47h",
		48 * 3600: "2d", 365 * 24 * 3600: "365d",
	} {
		if got := seconds(s); got != want {
			t.Errorf("%v s are %s, want %s", s, got, want)
		}
	}
}

// What is too wide is cut with a mark, by the cells of a terminal, of which a letter of Korean takes two.
func TestFit(t *testing.T) {
	for _, tc := range []struct {
		text string
		n    int
		want string
	}{
		{"short", 10, "short"},
		{"exactly", 7, "exactly"},
		{"longer", 5, "long…"},
		{"로그수집기", 10, "로그수집기"},
		{"로그수집기", 6, "로그…"},
		{"로그수집기", 5, "로그…"},
		{"e\u0301te\u0301s", 3, "e\u0301t…"},
		{"longer", 1, "…"},
		{"longer", 0, ""},
		{"longer", -3, ""},
		{"", 0, ""},
	} {
		if got := fit(tc.text, tc.n); got != tc.want {
			t.Errorf("%q in %d: %q, want %q", tc.text, tc.n, got, tc.want)
		}
	}
}

// A text goes over as many lines as it may, breaks at spaces, and loses nothing but what is beyond the last line.
func TestWrap(t *testing.T) {
	for _, tc := range []struct {
		name, text  string
		width, most int
		want        []string
	}{
		{"it fits", "a b c", 20, 3, []string{"a b c"}},
		{"at spaces", "one two three four", 12, 4, []string{"one two", "  three four"}},
		{"without spaces", strings.Repeat("x", 25), 12, 4, []string{"xxxxxxxxxxxx", "  xxxxxxxxxx", "  xxx"}},
		{"one line", "one two three four", 12, 1, []string{"one two thr…"}},
		{"the last is cut", "one two three four five six", 12, 2, []string{"one two", "  three fou…"}},
		{"steering", "a\x1b[31mb\nc", 20, 1, []string{"a [31mb c"}},
		{
			"of two cells each", "로그수집기가 느립니다", 14, 3,
			[]string{"로그수집기가", "  느립니다"},
		},
		{"of two cells without spaces", "로그수집기가", 10, 3, []string{"로그수집기", "  가"}},
		{"narrower than a word", "abc def", 3, 5, []string{"ab…"}},
	} {
		p := &page{m: &Model{width: tc.width}, left: 100}
		p.wrap("", "", tc.most, tc.text)
		if got := strings.Split(strings.TrimSuffix(p.String(), "\n"), "\n"); fmt.Sprint(got) != fmt.Sprint(tc.want) {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
	p := &page{m: &Model{width: 10}, left: 2}
	p.wrap("", "", 9, strings.Repeat("word ", 40))
	if n := strings.Count(p.String(), "\n"); n != 2 {
		t.Errorf("%d lines where there is room for two", n)
	}
}

// A column is as wide for every language, so that what follows stands below its head.
func TestColumn(t *testing.T) {
	for text, want := range map[string]string{
		"es": "es      ", "로그": "로그    ", "로그수집기": "로그수… ", "elasticsearch": "elastic…",
	} {
		if got := column(text, 8); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// Colours say how bad something is, where colours are wanted, and never more than the words do.
func TestColours(t *testing.T) {
	f := three()
	f.state.Outputs = []Output{
		output("fine", "running", 1, 0, 1), output("stalled", "stalled", 1, 0, 0), output("lags", "running", 1, 0, 0),
	}
	f.state.Verdict.Findings = []client.Finding{
		{Severity: client.Critical, Subject: "output stalled", Row: "output/stalled"},
		{Severity: client.Warning, Subject: "output lags", Row: "output/lags"},
		{Severity: client.Warning, Subject: "cluster fine", Row: "cluster/fine"},
	}
	m := newModel(t, f, 120, 40)
	plain := m.Text()
	m.o.Color = true
	coloured := m.Text()
	for start, color := range map[string]string{"> stalled": red, "  lags": yellow, "  fine": ""} {
		want := "\n" + start
		if color != "" {
			want = "\n\x1b[" + color + "m" + start
		}
		if !strings.Contains(coloured, want) {
			t.Errorf("%s is not in colour %q:\n%q", start, color, coloured)
		}
	}
	for _, code := range []string{red, yellow, green, dim, reversed, "0"} {
		coloured = strings.ReplaceAll(coloured, "\x1b["+code+"m", "")
	}
	if coloured != plain {
		t.Errorf("with colours:\n%s\nwithout:\n%s", coloured, plain)
	}
	for severity, want := range map[client.Severity]string{
		client.Critical: red, client.Warning: yellow, client.OK: green, "new": green,
	} {
		if got := colorOf(severity); got != want {
			t.Errorf("%s is %s", severity, got)
		}
	}
}

// The queue's line says how full it is, and when there is no room any more.
func TestQueueLine(t *testing.T) {
	for _, tc := range []struct{ json, want string }{
		{`{}`, "queue  0 events pending, oldest 0s, 0 B of 0 B"},
		{
			`{"pending_events":52800,"disk_bytes":153092096,"max_bytes":17179869184,"oldest_age_seconds":3700}`,
			"queue  52800 events pending, oldest 1h, 146 MiB of 16 GiB\n",
		},
		{`{"full_in_seconds":7200}`, ", full in 2h\n"},
		{`{"full":true,"full_in_seconds":5}`, "of 0 B, full\n"},
	} {
		f := three()
		if err := json.Unmarshal([]byte(`{"queue":`+tc.json+`}`), &f.state); err != nil {
			t.Fatal(err)
		}
		wantText(t, newModel(t, f, 120, 40), tc.want)
	}
}

// An output's line says when it will be done, or that it never is; one that has nothing to do, or keeps up, says
// nothing of it.
func TestDoneIn(t *testing.T) {
	f := three()
	in := 125.0
	f.state.Outputs = []Output{
		output("goes", "running", 10, 61, 5), output("grows", "running", 10, 61, 5),
		output("keeps-up", "running", 10, 1, 5), output("rests", "idle", 0, 0, 0),
	}
	f.state.Outputs[0].Done = &in
	f.state.Outputs[3].StateText = "nothing to do"
	wantText(t, newModel(t, f, 120, 40),
		"goes                          10       1m         5        2m  running",
		"grows                         10       1m         5     never  running",
		"keeps-up                      10       1s         5            running",
		"rests                          0       0s         0            nothing to do")
}

// Clusters are shown with when they were seen last, as many as there is room for.
func TestClusters(t *testing.T) {
	f := three()
	text := `{"clusters":[` +
		`{"name":"seoul","connections":3,"events_per_second":12.4,"last_seen":"1970-01-01T02:45:40Z"},` +
		`{"name":"ahead","last_seen":"1970-01-01T09:00:00Z"},{"name":"new"}]}`
	if err := json.Unmarshal([]byte(text), &f.state); err != nil {
		t.Fatal(err)
	}
	wantText(t, newModel(t, f, 120, 40), "CLUSTER", "  seoul                          3        12  1m ago",
		"  ahead                          0         0  0s ago", "  new                            0         0  never")
	f.state.Clusters = nil
	if m := newModel(t, f, 120, 40); strings.Contains(m.Text(), "CLUSTER") {
		t.Errorf("there are none:\n%s", m.Text())
	}
}

// Each key does one thing, in each state that the screen may be in.
func TestKeys(t *testing.T) {
	for _, tc := range []struct {
		name  string
		keys  []string
		at    string
		sort  string
		ask   string
		close bool
	}{
		{"nothing", nil, "es", "trouble", "", false},
		{"down", []string{"down"}, "lake", "trouble", "", false},
		{"down as in vi", []string{"j"}, "lake", "trouble", "", false},
		{"beyond the end", []string{"j", "j", "j", "j"}, "archive", "trouble", "", false},
		{"up again", []string{"j", "j", "k"}, "lake", "trouble", "", false},
		{"beyond the beginning", []string{"up", "up"}, "es", "trouble", "", false},
		{"sort", []string{"s"}, "es", "pending", "", false},
		{"all around", []string{"s", "s", "s", "s", "s"}, "es", "trouble", "", false},
		{"closer", []string{"enter"}, "es", "trouble", "", true},
		{"and back", []string{"enter", "esc"}, "es", "trouble", "", false},
		{"and back by the same key", []string{"enter", "enter"}, "es", "trouble", "", false},
		{"another one closer", []string{"enter", "down"}, "lake", "trouble", "", true},
		{"pause", []string{"p"}, "es", "trouble", "pause", false},
		{"resume what is paused", []string{"down", "p"}, "lake", "trouble", "resume", false},
		{"retry", []string{"r"}, "es", "trouble", "retry", false},
		{"while asked keys choose nothing", []string{"r", "down"}, "es", "trouble", "", false},
		{"unknown keys", []string{"x", "Z", "7"}, "es", "trouble", "", false},
	} {
		m := newModel(t, three(), 120, 40)
		press(m, tc.keys...)
		if m.at != tc.at || m.sorts()[m.sort].name != tc.sort || m.ask != tc.ask || m.detail != tc.close {
			t.Errorf("%s: at %s by %s, asks %q, closer %v", tc.name, m.at, m.sorts()[m.sort].name, m.ask, m.detail)
		}
	}
}

// Without outputs no key does anything, and nothing is asked.
func TestKeysWithoutOutputs(t *testing.T) {
	f := three()
	f.state.Outputs = nil
	m := newModel(t, f, 80, 24)
	for _, key := range []string{"down", "up", "p", "r", "y", "enter", "s", "g"} {
		press(m, key)
		if m.ask != "" || len(f.asked) > 0 {
			t.Errorf("%s asks for %q", key, f.asked)
		}
		wantText(t, m, "OUTPUT by")
	}
}

// The output that is chosen stays so while others come and go; where it goes, the first one is.
func TestChosenStays(t *testing.T) {
	f := three()
	m := newModel(t, f, 120, 40)
	press(m, "down", "enter")
	f.state.Outputs = append([]Output{output("a-new-one", "refused", 1, 1, 1)}, f.state.Outputs...)
	m.Update(m.fetch())
	if m.at != "lake" || !m.detail {
		t.Errorf("at %s, closer %v", m.at, m.detail)
	}
	press(m, "p")
	f.state.Outputs = []Output{output("other", "running", 0, 0, 0)}
	m.Update(m.fetch())
	if m.at != "other" || m.detail || m.ask != "" {
		t.Errorf("at %s, closer %v, asks %q of one that is gone", m.at, m.detail, m.ask)
	}
	f.state.Outputs = nil
	if m.Update(m.fetch()); m.chosen() != nil {
		t.Errorf("chosen is %v", m.chosen())
	}
}

// The server is asked again and again, and an answer that takes too long is one that failed.
func TestAskedAgain(t *testing.T) {
	m := New(t.Context(), Options{Server: three()})
	if _, again := m.Update(m.fetch()); again == nil {
		t.Error("after an answer nobody asks again")
	}
	if _, ask := m.Update(tick{}); ask == nil {
		t.Error("when it is time nobody asks")
	} else if _, ok := ask().(fetched); !ok {
		t.Error("what is asked is another")
	}
	if _, other := m.Update(struct{}{}); other != nil {
		t.Error("what nobody knows does something")
	}
	hanging := New(t.Context(), Options{Server: deadline{}})
	hanging.Update(hanging.fetch())
	if !errors.Is(hanging.Trouble(), errNoDeadline) && hanging.Trouble() != nil {
		t.Errorf("%v", hanging.Trouble())
	}
	if text := hanging.controlOutput("es", "pause")().(controlled).said; !strings.HasPrefix(text, "done within") {
		t.Errorf("%q", text)
	}
}

var errNoDeadline = errors.New("there is no deadline")

// deadline is a server that looks at how long it may take.
type deadline struct{}

func (deadline) State(ctx context.Context) (State, error) {
	if _, ok := ctx.Deadline(); !ok {
		return State{}, errNoDeadline
	}
	return State{}, nil
}

func (deadline) ControlOutput(ctx context.Context, _, _ string) (string, error) {
	until, ok := ctx.Deadline()
	if !ok {
		return "", errNoDeadline
	}
	return fmt.Sprintf("done within %v", time.Until(until).Round(time.Second)), nil
}

// Questions say what happens to events.
func TestQuestions(t *testing.T) {
	for what, want := range map[string]string{
		"pause": "stay in the queue until it is resumed", "resume": "sends again", "retry": "try again now",
	} {
		if got := question(what, "es"); !strings.Contains(got, want) || !strings.Contains(got, "es") {
			t.Errorf("%s asks %q", what, got)
		}
	}
}

// An error that is over is said to be.
func TestErrorThatIsOver(t *testing.T) {
	f := three()
	f.state.Outputs = f.state.Outputs[1:2]
	o := &f.state.Outputs[0]
	o.LastError.Text, o.LastError.Age = "429", 300
	m := newModel(t, f, 100, 40)
	press(m, "enter")
	wantText(t, m, "last error, 5m ago:", "  429")
	o.LastError.Ended, o.LastError.Detail = m.o.Now().Add(-800*time.Second), "429 in the destination's words"
	m.Update(m.fetch())
	wantText(t, m, "last error, 5m ago, over for 13m:", "in the destination's words")
}

// The terminal's size is followed.
func TestResize(t *testing.T) {
	m := newModel(t, three(), 40, 30)
	narrow := m.Text()
	m.Update(tea.WindowSizeMsg{Width: 200, Height: 60})
	wide := m.Text()
	if len(narrow) >= len(wide) {
		t.Errorf("40 columns show as much as 200:\n%s\n%s", narrow, wide)
	}
}
