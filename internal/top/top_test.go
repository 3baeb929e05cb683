package top

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/seed-afc6a195/aggregator/pkg/status/client"
)

// fake is a server that keeps what it is asked for.
type fake struct {
	state State
	err   error
	asked []string
}

func (f *fake) State(context.Context) (State, error) { return f.state, f.err }

func (f *fake) ControlOutput(_ context.Context, output, what string) (string, error) {
	f.asked = append(f.asked, what+" "+output)
	return "output " + output + ": " + what, f.err
}

func output(name, state string, pending uint64, lag, rate float64) Output {
	var o Output
	text := fmt.Sprintf(
		`{"name":%q,"state":%q,"lag_seconds":%g,"events_per_second":%g,"clusters":[{"cluster":"seoul","pending":%d}]}`,
		name, state, lag, rate, pending,
	)
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		panic(err)
	}
	return o
}

func newModel(t *testing.T, f *fake, width, rows int) *Model {
	t.Helper()
	m := New(t.Context(), Options{Server: f, Now: func() time.Time { return time.Unix(10_000, 0) }})
	m.Update(tea.WindowSizeMsg{Width: width, Height: rows})
	m.Update(m.Init()())
	return m
}

// press presses keys, and does what follows.
func press(m *Model, keys ...string) {
	for _, key := range keys {
		msg := tea.KeyPressMsg{Text: key, Code: []rune(key)[0]}
		switch key {
		case "enter":
			msg = tea.KeyPressMsg{Code: tea.KeyEnter}
		case "down":
			msg = tea.KeyPressMsg{Code: tea.KeyDown}
		case "up":
			msg = tea.KeyPressMsg{Code: tea.KeyUp}
		case "esc":
			msg = tea.KeyPressMsg{Code: tea.KeyEscape}
		}
		if _, cmd := m.Update(msg); cmd != nil {
			m.Update(cmd())
		}
	}
}

func three() *fake {
	f := &fake{}
	f.state.Hostname, f.state.Version, f.state.Uptime = "aggregator-0", "1.2.3", 7300
	f.state.Verdict = client.Verdict{Severity: client.Critical, Text: "output es: refused", Findings: []client.Finding{
		{
			Severity: client.Critical, Subject: "output es", Row: "output/es", Text: "the login is refused",
			Remedy: "set the password",
		},
		{Severity: client.Critical, Subject: "output lake", Row: "output/lake", Text: "it is paused"},
	}}
	f.state.Outputs = []Output{
		output("archive", "running", 0, 0, 100), output("es", "refused", 500, 61, 0), output("lake", "paused", 9, 5, 7),
	}
	return f
}

// names returns the outputs in the order in which they are shown.
func names(m *Model) (all []string) {
	for i := range m.state.Outputs {
		all = append(all, m.state.Outputs[i].Name)
	}
	return all
}

func wantText(t *testing.T, m *Model, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(m.Text(), part) {
			t.Errorf("%q is not shown:\n%s", part, m.Text())
		}
	}
}

func TestShown(t *testing.T) {
	m := newModel(t, three(), 120, 40)
	wantText(t, m, "aggregator-0  aggregator 1.2.3, up 2h", "output es: the login is refused",
		"what to do: set the password", "> es                           500       1m         0     never  refused",
		"lake")
	if strings.Contains(m.Text(), "\x1b") {
		t.Error("there are colours where none are wanted")
	}
	m.o.Color = true
	wantText(t, m, "\x1b[31moutput es: the login is refused\x1b[0m")
}

// What is wrong is said whole, over several lines; only where there are few rows, and of what is less urgent, it is
// cut.
func TestFindingsAreNotCut(t *testing.T) {
	f := three()
	long := strings.Repeat("word ", 40) + "end"
	f.state.Verdict.Findings[0].Text, f.state.Verdict.Findings[1].Text = long, long
	for range 4 {
		f.state.Verdict.Findings = append(f.state.Verdict.Findings, client.Finding{Subject: "queue", Text: long})
	}
	flat := func(m *Model) string { return strings.Join(strings.Fields(m.Text()), " ") }
	for rows, want := range map[int]int{24: 1, 60: 4} {
		m := newModel(t, f, 80, rows)
		if n := strings.Count(flat(m), long); n != want {
			t.Errorf("%d rows have %d findings whole, want %d:\n%s", rows, n, want, m.Text())
		}
		for line := range strings.Lines(m.Text()) {
			if len([]rune(strings.TrimSuffix(line, "\n"))) > 80 {
				t.Errorf("a line is too wide: %q", line)
			}
		}
		wantText(t, m, "and 2 more: aggregator status", "> es")
	}
	f.state.Verdict.Findings[0].Text = strings.Repeat("x", 1000) // without any space
	wantText(t, newModel(t, f, 80, 24), strings.Repeat("x", 60))
}

func TestSorted(t *testing.T) {
	m := newModel(t, three(), 120, 40)
	for _, want := range [][]string{
		{"es", "lake", "archive"},
		{"es", "lake", "archive"},
		{"es", "lake", "archive"},
		{"archive", "lake", "es"},
		{"archive", "es", "lake"},
	} {
		if got := names(m); !slices.Equal(got, want) {
			t.Errorf("by %s: %v, want %v", m.sorts()[m.sort].name, got, want)
		}
		press(m, "s")
	}
	if m.sort != 0 {
		t.Errorf("after the last order comes %d", m.sort)
	}
}

// Nothing is done without a yes, and what is done is what was asked for.
func TestSteered(t *testing.T) {
	f := three()
	m := newModel(t, f, 120, 40)
	press(m, "p", "n")
	wantText(t, m, "nothing was done")
	press(m, "p")
	wantText(t, m, "pause output es: its events stay in the queue until it is resumed?")
	press(m, "y")
	wantText(t, m, "output es: pause")
	press(m, "down", "p")
	wantText(t, m, "resume output lake")
	press(m, "enter", "down", "r", "y", "up", "up", "up")
	f.err = errors.New("no such output")
	press(m, "r", "y")
	wantText(t, m, "not done: no such output")
	if want := []string{"pause es", "resume lake", "retry archive", "retry es"}; !slices.Equal(f.asked, want) {
		t.Errorf("asked for %q, want %q", f.asked, want)
	}
}

// Closer there is the error in full, and what waits aside with why and what to do.
func TestCloser(t *testing.T) {
	f := three()
	o := &f.state.Outputs[1]
	o.LastError.Text = "403 Forbidden: " + strings.Repeat("long ", 30) + "the end"
	text := `{"waiting_targets":[{"target":"logs-a","events":12,"since":"1970-01-01T02:00:00Z","kind":"index_closed_` +
		`exception","remedy":"open the index"}]}`
	if err := json.Unmarshal([]byte(text), o); err != nil {
		t.Fatal(err)
	}
	m := newModel(t, f, 80, 40)
	press(m, "enter")
	wantText(t, m, "output es", "the end", "logs-a", "12  47m", "index_closed_exception: open the index", "seoul")
	press(m, "esc")
	wantText(t, m, "archive")
}

// With twenty clusters and ten outputs each, all that is wrong is seen, and nothing is wider or higher than the
// terminal.
func TestFits(t *testing.T) {
	f := three()
	for i := range 200 {
		f.state.Outputs = append(f.state.Outputs,
			output(fmt.Sprintf("output-with-a-long-name-%03d", i), "running", uint64(i), 1, 1))
	}
	if err := json.Unmarshal(
		[]byte(`{"clusters":[`+strings.Repeat(`{"name":"c"},`, 19)+`{"name":"c"}]}`), &f.state,
	); err != nil {
		t.Fatal(err)
	}
	for _, size := range [][2]int{{120, 40}, {40, 12}, {20, 6}, {0, 0}} {
		m := newModel(t, f, size[0], size[1])
		press(m, slices.Repeat([]string{"down"}, 150)...)
		lines := strings.Split(strings.TrimSuffix(m.Text(), "\n"), "\n")
		if len(lines) > max(size[1], 7) {
			t.Errorf("%v: %d lines", size, len(lines))
		}
		for _, line := range lines {
			if len([]rune(line)) > size[0] {
				t.Errorf("%v: %q is too wide", size, line)
			}
		}
		if size[1] == 40 {
			wantText(t, m, "> output-with-a-long-", "more")
		}
	}
}

// What a destination or an agent says steers no terminal.
func TestHostile(t *testing.T) {
	f := three()
	evil := "\x1b[2J\x07\r\n\u202e" + strings.Repeat("x", 1<<20)
	f.state.Verdict.Text, f.state.Outputs[1].StateText, f.state.Outputs[1].LastError.Text, f.state.Hostname = evil,
		evil, evil, evil
	f.state.Outputs[1].Notices = []string{evil}
	m := newModel(t, f, 80, 30)
	for range 2 {
		if text := m.Text(); strings.ContainsAny(text, "\x1b\x07\r\u202e") || strings.Count(text, "\n") > 30 {
			t.Errorf("shown %.300q", text)
		}
		press(m, "enter")
	}
}

// A server that answers no more is said so, with what was known last, until it answers again.
func TestLost(t *testing.T) {
	f := three()
	m := New(t.Context(), Options{Server: f})
	wantText(t, m, "asking the server")
	f.err = errors.New("connection refused")
	m.Update(m.Init()())
	wantText(t, m, "no answer since", "connection refused")
	f.err = nil
	m.Update(m.fetch())
	if strings.Contains(m.Text(), "no answer") || m.Trouble() != nil {
		t.Errorf("it answers:\n%s", m.Text())
	}
	f.err = os.ErrDeadlineExceeded
	m.Update(m.fetch())
	wantText(t, m, "no answer since", "archive")
}

// The server's own reply is understood.
func TestState(t *testing.T) {
	text, err := os.ReadFile("../../pkg/status/testdata/status.json")
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{}
	if err := json.Unmarshal(text, &f.state); err != nil {
		t.Fatal(err)
	}
	m := newModel(t, f, 150, 50)
	press(m, "enter")
	wantText(t, m, "aggregator-0", "output es", "last error", "seoul")
	if v := m.View(); v.Content != m.Text() || !v.AltScreen {
		t.Error("the view is another")
	}
}

func TestQuit(t *testing.T) {
	m := newModel(t, three(), 80, 24)
	if _, cmd := m.Update(tea.KeyPressMsg{Text: "q", Code: 'q'}); cmd == nil || cmd() != tea.Quit() {
		t.Error("q does not end it")
	}
}
