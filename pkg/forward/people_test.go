package forward

import (
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/forward/internal/refusal"
)

func TestAgents(t *testing.T) {
	var p people
	began := time.Unix(1_800_000_000, 0)
	host := netip.MustParseAddr("10.0.0.7")
	first := p.agent(host, "node-1", "seoul", began)
	first.open(1)
	first.count(3, 0, began.Add(time.Second))
	if again := p.agent(host, "node-1", "seoul", began); again != first {
		t.Error("a second connection of an agent is another agent")
	}
	for name, other := range map[string]*Agent{
		"another name":    p.agent(host, "node-2", "seoul", began),
		"another cluster": p.agent(host, "node-1", "tokyo", began),
		"a Unix socket":   p.agent(netip.Addr{}, "", "seoul", began),
	} {
		if other == first {
			t.Errorf("%s is the same agent", name)
		}
	}
	first.count(2, 1, began.Add(2*time.Second))
	agents, _ := p.list()
	if got := agents[0]; len(agents) != 4 || got.Messages != 5 || got.NoAck != 1 || got.AsksAcks || got.Open != 1 ||
		got.LastSeen != began.Add(2*time.Second) {
		t.Errorf("%d agents, the last seen is %+v", len(agents), got)
	}
	first.count(1, 0, began.Add(3*time.Second))
	if agents, _ = p.list(); !agents[0].AsksAcks {
		t.Error("an agent that asks for acks again is still said to ask for none")
	}
}

// TestAgentsAreBounded has more agents than are remembered: those that left longest ago make room, those that are there
// never.
func TestAgentsAreBounded(t *testing.T) {
	var p people
	began := time.Unix(1_800_000_000, 0)
	agent := func(i int) *Agent {
		return p.agent(netip.MustParseAddr("10.0.0.7"), strconv.Itoa(i), "seoul",
			began.Add(time.Duration(i)*time.Second))
	}
	for i := range maxAgents {
		agent(i).open(1)
	}
	none := agent(maxAgents)
	none.open(1)
	none.count(1, 1, began)
	if none != nil || len(p.agents) != maxAgents {
		t.Errorf("%d agents are remembered while all are there", len(p.agents))
	}
	agent(7).open(-1)
	agent(3).open(-1)
	agent(maxAgents).open(1)
	if _, there := p.agents[agentKey{netip.MustParseAddr("10.0.0.7"), "3", "seoul"}]; there ||
		len(p.agents) != maxAgents {
		t.Errorf("of %d agents that left longest ago is still remembered: %v", len(p.agents), there)
	}
}

func TestRefusedPeers(t *testing.T) {
	var p people
	began := time.Unix(1_800_000_000, 0)
	for i := range maxRefusedPeers + 50 {
		p.refuse(RefusedPeer{
			Hostname: strconv.Itoa(i), Reason: refusal.Login, Text: strings.Repeat("x", i) +
				strings.Repeat("é", maxRefusedText), LastSeen: began.Add(time.Duration(i) * time.Second),
		})
	}
	p.refuse(RefusedPeer{Hostname: "100", Reason: refusal.Login, Text: "again", LastSeen: began.Add(time.Hour)})
	_, refused := p.list()
	if got := refused[0]; len(refused) != maxRefusedPeers || got.Hostname != "100" || got.Times != 2 ||
		got.Text != "again" {
		t.Errorf("%d are remembered, the last is %+v", len(refused), got)
	}
	for _, r := range refused {
		if len(r.Text) > maxRefusedText || strings.Contains(r.Text, "\uFFFD") {
			t.Errorf("%d bytes of why are kept: %.20q", len(r.Text), r.Text)
		}
	}
	if oldest := refused[len(refused)-1]; oldest.Hostname != "50" {
		t.Errorf("the oldest that is remembered is %s", oldest.Hostname)
	}
}
