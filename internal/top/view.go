package top

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/clipperhouse/displaywidth"

	"github.com/seed-afc6a195/aggregator/internal/humanize"
	"github.com/seed-afc6a195/aggregator/internal/safetext"
	"github.com/seed-afc6a195/aggregator/pkg/status/client"
)

// View implements tea.Model.
func (m *Model) View() tea.View {
	v := tea.NewView(m.Text())
	v.AltScreen = true
	return v
}

// Colours, as a terminal's own palette has them.
const (
	red, yellow, green, dim, reversed = "31", "33", "32", "2", "7"
)

// page is the text that is being made.
type page struct {
	strings.Builder

	m *Model
	// left counts rows.
	left int
}

// line adds a line, as wide as there is room, in a colour where it has one.
func (p *page) line(color, format string, args ...any) {
	if p.left <= 0 {
		return
	}
	p.left--
	text := fit(safetext.Line(fmt.Sprintf(format, args...), ' '), p.m.width)
	if color != "" && p.m.o.Color {
		text = "\x1b[" + color + "m" + text + "\x1b[0m"
	}
	p.WriteString(text + "\n")
}

const (
	// maxWrapped is how many lines of a finding.
	maxWrapped = 4
	// highTerminal is how many rows, from which on findings are shown whole.
	highTerminal = 40
)

// wrap adds a text in so many lines at most, the first of which is indented by less than the others.
func (p *page) wrap(color, indent string, most int, text string) {
	text = safetext.Line(text, ' ')
	for n := 1; ; n++ {
		line, rest := cut(text, max(p.m.width-len(indent), 10))
		if rest == "" || n == most {
			p.line(color, "%s%s", indent, text)
			return
		}
		if space := strings.LastIndexByte(line, ' '); rest[0] != ' ' && space > len(line)/2 {
			line, rest = line[:space], line[space:]+rest
		}
		p.line(color, "%s%s", indent, line)
		text = strings.TrimLeft(rest, " ")
		if n == 1 {
			indent += "  "
		}
	}
}

// cut returns as much of a text as n cells hold, and the rest.
func cut(text string, n int) (head, rest string) {
	head = displaywidth.TruncateString(text, n, "")
	return head, text[len(head):]
}

// fit cuts what is wider than n cells.
func fit(text string, n int) string {
	if n < 1 {
		return ""
	}
	return displaywidth.TruncateString(text, n, "…")
}

// column is a text in a column of n cells.
func column(text string, n int) string {
	text = fit(text, n)
	return text + strings.Repeat(" ", n-displaywidth.String(text))
}

// Text returns what is shown.
func (m *Model) Text() string {
	p := &page{m: m, left: max(m.rows-2, 5)}
	switch {
	case !m.known && m.trouble == nil:
		p.line("", "asking the server…")
		return p.String()
	case m.trouble != nil:
		p.line(red, "no answer since %s: %s", m.lost.Format(time.TimeOnly), m.trouble)
	}
	if m.known {
		m.head(p)
		o := m.chosen()
		switch {
		case m.detail && o != nil:
			m.closer(p, o)
		case m.pods && m.state.Group != nil:
			m.group(p)
		default:
			m.outputs(p)
			m.clusters(p)
			if m.groupRows() > 0 {
				p.line("", "")
				m.group(p)
			}
		}
	}
	p.left = 2
	m.foot(p)
	return p.String()
}

func (m *Model) head(p *page) {
	s := &m.state
	p.line("", "%s  aggregator %s, up %s", s.Hostname, s.Version, seconds(s.Uptime))
	if len(s.Verdict.Findings) == 0 {
		p.wrap(colorOf(s.Verdict.Severity), "", maxWrapped, s.Verdict.Text)
	}
	// On a high terminal nothing is cut; on a low one the tables keep their place.
	most := 1
	if m.rows > highTerminal {
		most = maxWrapped
	}
	for i := range min(len(s.Verdict.Findings), 4) {
		f := &s.Verdict.Findings[i]
		lines := most
		if i == 0 {
			lines = maxWrapped
		}
		p.wrap(colorOf(f.Severity), "", lines, f.Subject+": "+f.Text)
		if f.Remedy != "" {
			p.wrap(dim, "  ", most, "what to do: "+f.Remedy)
		}
	}
	if more := len(s.Verdict.Findings) - 4; more > 0 {
		p.line("", "and %d more: aggregator status", more)
	}
	full := ""
	if s.Queue.FullIn != nil {
		full = ", full in " + seconds(*s.Queue.FullIn)
	}
	if s.Queue.Full {
		full = ", full"
	}
	p.line("", "queue  %d events pending, oldest %s, %s of %s%s", s.Queue.Pending, seconds(s.Queue.Oldest),
		humanize.Bytes(s.Queue.Disk), humanize.Bytes(s.Queue.Max), full)
	p.line("", "")
}

func colorOf(s client.Severity) string {
	switch s {
	case client.Critical:
		return red
	case client.Warning:
		return yellow
	case client.OK:
	}
	return green
}

// keepsUp is how many seconds an output may be behind that keeps up: then what waits is what has just come.
const keepsUp = 5

// outputs shows the table of outputs, as many as leave room for the clusters: those around the one that is chosen.
func (m *Model) outputs(p *page) {
	all := m.state.Outputs
	p.line(dim, "  %-20s %11s %8s %9s %9s  %s", "OUTPUT by "+m.sorts()[m.sort].name, "PENDING", "LAG", "RATE/s",
		"DONE IN", "STATE")
	room := max(p.left-3-min(len(m.state.Clusters), 4)-m.groupRows(), 1)
	from := 0
	for i := range all {
		if all[i].Name == m.at && i >= room {
			from = i - room + 1
		}
	}
	for i := from; i < min(len(all), from+room); i++ {
		o := &all[i]
		color, mark := "", " "
		if _, severity := m.found("output/" + o.Name); severity != client.OK {
			color = colorOf(severity)
		}
		if o.Name == m.at {
			mark = ">"
		}
		done := "never"
		switch {
		case o.pending() == 0, o.Lag < keepsUp && o.Rate > 0:
			done = ""
		case o.Done != nil:
			done = seconds(*o.Done)
		}
		p.line(color, "%s %s %11d %8s %9.0f %9s  %s", mark, column(o.Name, 20), o.pending(), seconds(o.Lag), o.Rate,
			done, text(o))
	}
	if more := len(all) - room; more > 0 {
		p.line(dim, "  and %s more", humanize.Count(more, "output"))
	}
}

// text says how an output does.
func text(o *Output) string {
	return cmp.Or(o.StateText, o.State)
}

func (m *Model) clusters(p *page) {
	if len(m.state.Clusters) == 0 {
		return
	}
	p.line("", "")
	p.line(dim, "  %-20s %11s %9s  %s", "CLUSTER", "CONNECTIONS", "RATE/s", "LAST SEEN")
	for i := range m.state.Clusters {
		c := &m.state.Clusters[i]
		seen := "never"
		if !c.LastSeen.IsZero() {
			seen = seconds(max(0, m.o.Now().Sub(c.LastSeen).Seconds())) + " ago"
		}
		if p.left == 1+m.groupRows() && i < len(m.state.Clusters)-1 {
			p.line(dim, "  and %s more", humanize.Count(len(m.state.Clusters)-i, "cluster"))
			return
		}
		p.line("", "  %s %11d %9.0f  %s", column(c.Name, 20), c.Connections, c.Rate, seen)
	}
}

// closer shows one output.
func (m *Model) closer(p *page, o *Output) {
	p.line(reversed, "output %s", o.Name)
	p.line("", "%s", text(o))
	if o.LastError.Text != "" {
		over := ""
		if !o.LastError.Ended.IsZero() {
			over = ", over for " + seconds(max(0, m.o.Now().Sub(o.LastError.Ended).Seconds()))
		}
		p.line("", "")
		p.line("", "last error, %s ago%s:", seconds(o.LastError.Age), over)
		words := o.LastError.Text
		if o.LastError.Detail != "" {
			words = o.LastError.Detail
		}
		for _, line := range wrap(safetext.Line(words, ' '), m.width-2) {
			p.line(yellow, "  %s", line)
		}
	}
	if len(o.Waiting) > 0 {
		p.line("", "")
		p.line(dim, "  %-40s %11s  %s", "WAITS ASIDE FOR", "EVENTS", "FOR")
	}
	for i := range o.Waiting {
		w := &o.Waiting[i]
		p.line("", "  %s %11d  %s", column(w.Target, 40), w.Events, seconds(max(0, m.o.Now().Sub(w.Since).Seconds())))
		for _, line := range wrap(safetext.Line(w.Kind+": "+w.Remedy, ' '), m.width-4) {
			p.line(dim, "    %s", line)
		}
	}
	for i, c := range o.Clusters {
		if i == 0 {
			p.line("", "")
			p.line(dim, "  %-40s %11s", "CLUSTER", "PENDING")
		}
		p.line("", "  %s %11d", column(c.Cluster, 40), c.Pending)
	}
	for _, n := range o.Notices {
		p.line(yellow, "notice: %s", n)
	}
}

func (m *Model) foot(p *page) {
	switch {
	case m.ask != "":
		p.line(reversed, "%s  y: yes, any other key: no", question(m.ask, m.at))
	case m.said != "":
		p.line("", "%s", m.said)
	}
	group := ""
	if m.state.Group != nil {
		group = "g pods   "
	}
	p.line(dim, "↑↓ choose   enter closer   s sort   p pause or resume   r retry now   %sq quit", group)
}

// question says what will be done.
func question(what, output string) string {
	switch what {
	case "pause":
		return fmt.Sprintf("pause output %s: its events stay in the queue until it is resumed?", output)
	case "resume":
		return fmt.Sprintf("resume output %s: it sends again, at once?", output)
	default:
		return fmt.Sprintf("have output %s try again now what waits?", output)
	}
}

// wrap cuts a text into lines of n cells at most.
func wrap(text string, n int) (lines []string) {
	for n = max(n, 10); ; {
		line, rest := cut(text, n)
		lines = append(lines, line)
		if rest == "" {
			return lines
		}
		text = rest
	}
}

// seconds returns a span for people.
func seconds(s float64) string {
	d := time.Duration(s * float64(time.Second))
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%.0fs", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%.0fm", d.Minutes())
	case d < 48*time.Hour:
		return fmt.Sprintf("%.0fh", d.Hours())
	}
	return fmt.Sprintf("%.0fd", d.Hours()/24)
}
