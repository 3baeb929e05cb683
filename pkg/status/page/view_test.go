package page

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/status/snapshot"
	"github.com/seed-afc6a195/aggregator/pkg/status/snapshot/snapshottest"
	judge "github.com/seed-afc6a195/aggregator/pkg/status/verdict"
)

// day returns what a day is at after so many seconds, as the endpoint has it.
func day(at func(began, now time.Time) snapshot.Snapshot, seconds int) *snapshot.Snapshot {
	began := time.Unix(1_800_000_000, 0)
	take := func(seconds int) *snapshot.Snapshot {
		s := at(began, began.Add(time.Duration(seconds)*time.Second))
		s.At = began.Add(time.Duration(seconds) * time.Second)
		s.Time = s.At.UTC()
		return &s
	}
	before, s := take(seconds-10), take(seconds)
	s.Derive(before, before)
	judge.Fill(s)
	return s
}

func written(t *testing.T, s *snapshot.Snapshot, words bool) string {
	t.Helper()
	text, err := json.Marshal(viewOf(s, words))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestWords holds that a destination's own words are for those only who may see them.
func TestWords(t *testing.T) {
	s := day(snapshottest.Bad, 60)
	const words = "unable to authenticate user"
	if strings.Contains(written(t, s, false), words) {
		t.Error("somebody sees a destination's words")
	}
	if !strings.Contains(written(t, s, true), words) {
		t.Error("who may see a destination's words does not")
	}
}

// TestGroup shows the pods that run and those that are missed, and of others than this one who connects to them.
func TestGroup(t *testing.T) {
	if g := viewOf(day(snapshottest.Normal, 60), true).Group; g != nil {
		t.Errorf("a program that shares nothing shows a group: %+v", g)
	}
	g := viewOf(day(snapshottest.Shared, 1000), false).Group
	if len(g.Pods) != 5 || g.Earlier != 1 {
		t.Fatalf("%d pods are shown, and %d ended earlier", len(g.Pods), g.Earlier)
	}
	self, waits, gone, odd := g.Pods["1"], g.Pods["3"], g.Pods["4"], g.Pods["6"]
	if !self.Self || self.State != snapshot.PodReady || self.In == 0 || self.Out == 0 || self.Memory == 0 {
		t.Errorf("this one: %+v", self)
	}
	if waits.Self || waits.State != snapshot.PodNotReady || !strings.Contains(waits.Why, "no NATS server") {
		t.Errorf("one that is not ready: %+v", waits)
	}
	if gone.State != snapshot.PodGone || gone.Conns != 0 || gone.Seen == 0 {
		t.Errorf("one that is gone: %+v", gone)
	}
	if len(odd.Away) != 1 || odd.Away[0].Reason != "shared_key" || len(odd.NoAcks) != 1 || odd.Version != "v1.5.0" {
		t.Errorf("one with strange agents: %+v", odd)
	}
}

// TestViewIsBounded has texts of a megabyte, and more of everything than a page shows.
func TestViewIsBounded(t *testing.T) {
	s := day(snapshottest.Hostile, 60)
	for range 5000 {
		s.Outputs = append(s.Outputs, snapshot.Output{
			Name: strings.Repeat("o", len(s.Outputs)%300), LastError: s.Outputs[0].LastError,
		})
		s.Listeners[0].Agents = append(s.Listeners[0].Agents, s.Listeners[0].Agents[0])
		s.Listeners[0].RefusedPeers = append(s.Listeners[0].RefusedPeers, s.Listeners[0].RefusedPeers[0])
		s.Group.Pods = append(s.Group.Pods, s.Group.Pods[0])
		s.Group.Pods[len(s.Group.Pods)-1].Name = strings.Repeat("p", len(s.Group.Pods)%3000)
		s.Outputs[0].Hosts = append(s.Outputs[0].Hosts, snapshot.Host{Address: "x", Error: "y"})
		s.Outputs[0].WaitingTargets = append(s.Outputs[0].WaitingTargets, snapshot.WaitingTarget{
			Target: strings.Repeat("t", len(s.Outputs)%300),
		})
		s.DeadLetters.By = append(s.DeadLetters.By, snapshot.DeadLetterCount{
			Output: "o", Reason: strings.Repeat("r", len(s.DeadLetters.By)%300),
		})
	}
	if n := len(written(t, s, true)); n > 5<<20 {
		t.Errorf("the view has %d bytes", n)
	}
	v := viewOf(s, true)
	if o := v.Outputs["archive"]; len(o.Error.Text) > maxText+10 || len(o.Targets) > maxTargets ||
		o.More != 5000-maxTargets {
		t.Errorf("an error has %d bytes, %d targets are named and %d are not", len(o.Error.Text), len(o.Targets),
			o.More)
	}
	if len(v.Letters.Causes) > maxCauses || len(v.Listeners["public"].Away) > maxPeople {
		t.Errorf("%d causes, %d hosts turned away", len(v.Letters.Causes), len(v.Listeners["public"].Away))
	}
}

// TestLittleChanges holds that what changes in two seconds with twenty clusters and ten outputs is little, so that a
// page is told of it in time.
func TestLittleChanges(t *testing.T) {
	total := 0
	var was any
	const ticks = 30
	for i := range ticks {
		then, err := tree(viewOf(day(snapshottest.Large, 600+2*i), false))
		if err != nil {
			t.Fatal(err)
		}
		if was != nil {
			patch, _ := diff(was, then)
			text, err := message("patch", patch)
			if err != nil {
				t.Fatal(err)
			}
			total += len(text)
		}
		was = then
	}
	if perSecond := total / (2 * (ticks - 1)); perSecond > 4<<10 {
		t.Errorf("%d bytes a second", perSecond)
	}
}

func TestRounding(t *testing.T) {
	for f, want := range map[float64]float64{
		0: 0, 1234: 1230, 0.012345: 0.0123, 99.96: 100, -1234: -1230, math.Inf(1): 0, 5e-324: 0, 1e20: 1e20,
	} {
		if got := read(f); got != want {
			t.Errorf("%v is read as %v, want %v", f, got, want)
		}
	}
	if got := read(math.NaN()); got != 0 {
		t.Errorf("no number is read as %v", got)
	}
}

func TestAgentsOfClusters(t *testing.T) {
	v := viewOf(day(snapshottest.Bad, 60), false)
	dev := v.Clusters["seoul-dev"]
	if dev.Agents != 3 || len(dev.NoAcks) != 1 || dev.NoAcks[0].Peer == "" || dev.NoAcks[0].Hostname != "node-1" {
		t.Errorf("%d agents, without acks %+v", dev.Agents, dev.NoAcks)
	}
	if away := v.Listeners["public"].Away; len(away) != 1 || away[0].Reason != "shared_key" ||
		away[0].Hostname != "old-node-3" {
		t.Errorf("turned away: %+v", away)
	}
}

// TestRoutes holds that the page knows the routes by their names, with what they match.
func TestRoutes(t *testing.T) {
	v := viewOf(day(snapshottest.Bad, 60), false)
	if got := v.Config.Routes; len(got) != 2 || got["routes[0]"] != "kube.**" {
		t.Errorf("the page knows %v", got)
	}
}
