// Package top is the status page in a terminal: what is wrong, outputs and clusters, live, with keys to sort, to look
// closer, and to pause, resume and retry an output.
package top

import (
	"cmp"
	"context"
	"slices"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/seed-afc6a195/aggregator/pkg/status/client"
)

// every is how often the server is asked.
const every = 2 * time.Second

// State is what of the server's state is shown.
type State struct {
	Version  string         `json:"version"`
	Hostname string         `json:"hostname"`
	Uptime   float64        `json:"uptime_seconds"`
	Verdict  client.Verdict `json:"verdict"`
	Queue    struct {
		Pending uint64   `json:"pending_events"`
		Disk    float64  `json:"disk_bytes"`
		Max     float64  `json:"max_bytes"`
		Full    bool     `json:"full"`
		Oldest  float64  `json:"oldest_age_seconds"`
		FullIn  *float64 `json:"full_in_seconds"`
	} `json:"queue"`
	Clusters []struct {
		Name        string    `json:"name"`
		Rate        float64   `json:"events_per_second"`
		Connections int       `json:"connections"`
		LastSeen    time.Time `json:"last_seen"`
	} `json:"clusters"`
	Outputs []Output      `json:"outputs"`
	Group   *client.Group `json:"group"`
}

// Output is an output.
type Output struct {
	Name      string  `json:"name"`
	State     string  `json:"state"`
	StateText string  `json:"state_text"`
	Lag       float64 `json:"lag_seconds"`
	Rate      float64 `json:"events_per_second"`
	LastError struct {
		Text   string    `json:"text"`
		Detail string    `json:"detail"`
		Age    float64   `json:"age_seconds"`
		Ended  time.Time `json:"ended"`
	} `json:"last_error"`
	Done     *float64 `json:"done_in_seconds"`
	Clusters []struct {
		Cluster string `json:"cluster"`
		Pending uint64 `json:"pending"`
	} `json:"clusters"`
	Waiting []struct {
		Target string    `json:"target"`
		Events uint64    `json:"events"`
		Since  time.Time `json:"since"`
		Kind   string    `json:"kind"`
		Remedy string    `json:"remedy"`
	} `json:"waiting_targets"`
	Notices []string `json:"notices"`
}

// pending returns how many events wait for the output.
func (o *Output) pending() (n uint64) {
	for _, c := range o.Clusters {
		n += c.Pending
	}
	return n
}

// Server is who is asked.
type Server interface {
	// State returns the server's state.
	State(ctx context.Context) (State, error)
	// ControlOutput does what to an output: pause, resume or retry. It returns what the server says of it.
	ControlOutput(ctx context.Context, output, what string) (string, error)
}

// Options is what a Model is made of.
type Options struct {
	Server Server
	Color  bool
	// Now may be nil: time.Now.
	Now func() time.Time
}

// Model is a tea.Model: all that is shown follows from it.
type Model struct {
	o     Options
	ctx   context.Context //nolint:containedctx // of the whole program; commands have no other way to get it
	width int
	rows  int

	state State
	// known: state is the server's.
	known bool
	// trouble is why the server could not be asked; nil where it was.
	trouble error
	lost    time.Time

	// sort is an index of sorts.
	sort int
	// at is the output that is chosen, by name.
	at string
	// detail says that it is looked at closer.
	detail bool
	// pods says that all that share the queue are looked at, in place of the outputs.
	pods bool
	// ask is what is done to it once that is confirmed; "": nothing.
	ask string
	// said is what became of the last one.
	said string
}

// New returns a Model that knows nothing yet.
func New(ctx context.Context, o Options) *Model {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Model{o: o, ctx: ctx, width: 100, rows: 40}
}

// Trouble returns why the server could not be asked last, nil where it was.
func (m *Model) Trouble() error { return m.trouble }

// fetched is the server's state, or why there is none.
type fetched struct {
	state State
	err   error
}

// controlled is what became of a wish.
type controlled struct{ said string }

type tick struct{}

// Init asks the server for the first time.
func (m *Model) Init() tea.Cmd { return m.fetch }

// fetch asks the server.
func (m *Model) fetch() tea.Msg {
	ctx, cancel := context.WithTimeout(m.ctx, 5*every)
	defer cancel()
	state, err := m.o.Server.State(ctx)
	return fetched{state, err}
}

// controlOutput asks for a change.
func (m *Model) controlOutput(output, what string) tea.Cmd {
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(m.ctx, 5*every)
		defer cancel()
		said, err := m.o.Server.ControlOutput(ctx, output, what)
		if err != nil {
			said = "not done: " + err.Error()
		}
		return controlled{said}
	}
}

// Update implements tea.Model.
func (m *Model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.rows = msg.Width, msg.Height
	case fetched:
		m.take(msg)
		return m, tea.Tick(every, func(time.Time) tea.Msg { return tick{} })
	case tick:
		return m, m.fetch
	case controlled:
		m.said = msg.said
	case tea.KeyPressMsg:
		return m, m.key(msg.String())
	}
	return m, nil
}

// take takes in what the server said.
func (m *Model) take(f fetched) {
	if f.err != nil {
		if m.trouble == nil {
			m.lost = m.o.Now()
		}
		m.trouble = f.err
		return
	}
	m.state, m.known, m.trouble = f.state, true, nil
	m.order()
	if !slices.ContainsFunc(m.state.Outputs, func(o Output) bool { return o.Name == m.at }) &&
		len(m.state.Outputs) > 0 {
		m.at, m.detail, m.ask = m.state.Outputs[0].Name, false, ""
	}
}

// sorts are the orders of outputs, the first one at the start.
func (m *Model) sorts() []struct {
	name    string
	compare func(a, b *Output) int
} {
	place := func(o *Output) int {
		at, _ := m.found("output/" + o.Name)
		return at
	}
	return []struct {
		name    string
		compare func(a, b *Output) int
	}{
		{"trouble", func(a, b *Output) int { return cmp.Compare(place(a), place(b)) }},
		{"pending", func(a, b *Output) int { return cmp.Compare(b.pending(), a.pending()) }},
		{"lag", func(a, b *Output) int { return cmp.Compare(b.Lag, a.Lag) }},
		{"rate", func(a, b *Output) int { return cmp.Compare(b.Rate, a.Rate) }},
		{"name", func(*Output, *Output) int { return 0 }},
	}
}

// found returns where the first finding about a row stands among all, the worst first, and how bad it is; an output of
// which nothing is found stands behind all others.
func (m *Model) found(row string) (int, client.Severity) {
	all := m.state.Verdict.Findings
	i := slices.IndexFunc(all, func(f client.Finding) bool { return f.Row == row })
	if i < 0 {
		return len(all), client.OK
	}
	return i, all[i].Severity
}

// order sorts the outputs.
func (m *Model) order() {
	by := m.sorts()[m.sort].compare
	slices.SortFunc(m.state.Outputs, func(a, b Output) int { return cmp.Or(by(&a, &b), cmp.Compare(a.Name, b.Name)) })
}

// key does what a key is for.
func (m *Model) key(key string) tea.Cmd {
	if m.ask != "" {
		what := m.ask
		m.ask = ""
		if key == "y" || key == "enter" {
			m.said = ""
			return m.controlOutput(m.at, what)
		}
		m.said = "nothing was done"
		return nil
	}
	switch key {
	case "q", "ctrl+c":
		return tea.Quit
	case "up", "k":
		m.move(-1)
	case "down", "j":
		m.move(1)
	case "enter":
		m.detail, m.pods = !m.detail, false
	case "g":
		m.detail, m.pods = false, !m.pods && m.state.Group != nil
	case "esc":
		m.detail, m.pods = false, false
	case "s":
		m.sort = (m.sort + 1) % len(m.sorts())
		m.order()
	case "p":
		if o := m.chosen(); o != nil {
			m.ask = map[bool]string{true: "resume", false: "pause"}[o.State == "paused"]
		}
	case "r":
		if m.chosen() != nil {
			m.ask = "retry"
		}
	}
	return nil
}

// move chooses another output.
func (m *Model) move(by int) {
	all := m.state.Outputs
	at := slices.IndexFunc(all, func(o Output) bool { return o.Name == m.at })
	if len(all) > 0 {
		m.at = all[min(max(at+by, 0), len(all)-1)].Name
	}
}

// chosen returns the output that is chosen, nil where there is none.
func (m *Model) chosen() *Output {
	for i := range m.state.Outputs {
		if o := &m.state.Outputs[i]; o.Name == m.at {
			return o
		}
	}
	return nil
}
