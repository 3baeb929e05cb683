package top

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/humanize"
	"github.com/seed-afc6a195/aggregator/pkg/status/client"
)

// missed is for how long one that has fallen silent is shown.
const missed = 15 * time.Minute

// podRank says how much is wrong with an aggregator of the group.
func podRank(p *client.Pod) int {
	switch p.State {
	case "not_ready":
		return 2
	case "gone":
		return 1
	}
	return 0
}

// podText says in words how it is.
func podText(p *client.Pod) string {
	switch p.State {
	case "not_ready":
		return "not ready: " + strings.Join(p.NotReady, "; ")
	case "gone":
		return "has fallen silent"
	}
	return p.State
}

// podsShown returns those that run and those that are missed, those in trouble first.
func (m *Model) podsShown() (all []client.Pod) {
	for i := range m.state.Group.Pods {
		p := &m.state.Group.Pods[i]
		replaced := slices.ContainsFunc(m.state.Group.Pods[i+1:], func(o client.Pod) bool { return o.Host == p.Host })
		gone := p.State == "gone" && !replaced && m.o.Now().Sub(p.LastSeen) < missed
		if p.State == "ready" || p.State == "not_ready" || gone {
			all = append(all, *p)
		}
	}
	slices.SortStableFunc(all, func(a, b client.Pod) int { return cmp.Compare(podRank(&b), podRank(&a)) })
	return all
}

// roomyTerminal is how many rows, from which on pods are shown below the clusters too.
const roomyTerminal = 30

// groupRows is how many rows are kept for pods below outputs and clusters.
func (m *Model) groupRows() int {
	if m.state.Group == nil || m.rows < roomyTerminal {
		return 0
	}
	return 2 + min(len(m.podsShown()), 4)
}

// group shows the aggregators that share the queue, as many as there is room for.
func (m *Model) group(p *page) {
	all := m.podsShown()
	p.line(dim, "  %-28s %11s %9s %9s %10s %7s  %s", "POD", "CONNECTIONS", "IN/s", "OUT/s", "MEMORY", "HEARD", "STATE")
	for i := range all {
		if p.left == 1 && i < len(all)-1 {
			p.line(dim, "  and %s more: g", humanize.Count(len(all)-i, "pod"))
			return
		}
		o := &all[i]
		mark, heard := " ", seconds(max(0, m.o.Now().Sub(o.LastSeen).Seconds()))
		if o.Name == m.state.Group.Self {
			mark, heard = "*", "-"
		}
		p.line([]string{"", yellow, red}[podRank(o)], "%s %s %11d %9.0f %9.0f %10s %7s  %s", mark, column(o.Host, 28),
			o.Connections, o.ReceivedRate, o.DeliveredRate, humanize.Bytes(o.MemoryBytes), heard, podText(o))
	}
}
