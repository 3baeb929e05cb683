package page

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/seed-afc6a195/aggregator/pkg/status/client"
	"github.com/seed-afc6a195/aggregator/pkg/status/snapshot"
)

// many returns n of something, each made of its number.
func many[T any](n int, one func(i int) T) []T {
	out := make([]T, 0, n)
	for i := range n {
		out = append(out, one(i))
	}
	return out
}

// Of each list the page shows so many, and no more: what is at the bound is shown whole.
func TestBoundsOfLists(t *testing.T) {
	label := func(i int) string { return fmt.Sprintf("n%05d", i) }
	words := func(n int) []string { return many(n, label) }
	of := func(o snapshot.Output) *output { return outputOf(&o, false) }
	whole := func(s snapshot.Snapshot) *view { return viewOf(&s, false) }
	for _, tc := range []struct {
		name  string
		bound int
		shown func(n int) int
	}{
		{"warnings", maxPeople, func(n int) int {
			return len(whole(snapshot.Snapshot{Config: snapshot.ConfigState{Warnings: words(n)}}).Config.Warnings)
		}},
		{"settings that need a restart", maxPeople, func(n int) int {
			return len(whole(snapshot.Snapshot{Config: snapshot.ConfigState{Restart: words(n)}}).Config.Restart)
		}},
		{"routes", maxRows, func(n int) int {
			routes := many(n, func(i int) snapshot.Route { return snapshot.Route{Name: label(i)} })
			return len(whole(snapshot.Snapshot{Config: snapshot.ConfigState{Routes: routes}}).Config.Routes)
		}},
		{"outputs", maxRows, func(n int) int {
			return len(whole(snapshot.Snapshot{Outputs: many(n, func(i int) snapshot.Output {
				return snapshot.Output{Name: label(i)}
			})}).Outputs)
		}},
		{"clusters", maxRows, func(n int) int {
			return len(whole(snapshot.Snapshot{Clusters: many(n, func(i int) snapshot.Cluster {
				return snapshot.Cluster{Name: label(i)}
			})}).Clusters)
		}},
		{"certificates", maxRows, func(n int) int {
			return len(whole(snapshot.Snapshot{Certificates: many(n, func(i int) snapshot.Certificate {
				return snapshot.Certificate{Owner: label(i)}
			})}).Certs)
		}},
		{"findings", maxFindings, func(n int) int {
			findings := many(n, func(i int) client.Finding { return client.Finding{Text: label(i)} })
			return len(whole(snapshot.Snapshot{Verdict: client.Verdict{Findings: findings}}).Verdict.Findings)
		}},
		{"notices", maxPeople, func(n int) int {
			return len(of(snapshot.Output{Destination: snapshot.Destination{Notices: words(n)}}).Notices)
		}},
		{"clusters that are held", maxPeople, func(n int) int {
			return len(of(snapshot.Output{HeldClusters: words(n)}).Held)
		}},
		{"clusters of an output", maxRows, func(n int) int {
			return len(of(snapshot.Output{Clusters: many(n, func(i int) snapshot.OutputCluster {
				return snapshot.OutputCluster{Cluster: label(i), Pending: 1}
			})}).Clusters)
		}},
		{"targets", maxTargets, func(n int) int {
			targets := many(n, func(i int) snapshot.WaitingTarget { return snapshot.WaitingTarget{Target: label(i)} })
			return len(of(snapshot.Output{OutputWaiting: snapshot.OutputWaiting{WaitingTargets: targets}}).Targets)
		}},
		{"clusters of a target", maxPeople, func(n int) int {
			targets := []snapshot.WaitingTarget{{Target: "t", Clusters: words(n)}}
			o := of(snapshot.Output{OutputWaiting: snapshot.OutputWaiting{WaitingTargets: targets}})
			return len(o.Targets["t"].Clusters)
		}},
		{"paces", maxPaces, func(n int) int {
			paces := many(n, func(i int) snapshot.Pace { return snapshot.Pace{Stream: label(i)} })
			return len(of(snapshot.Output{Destination: snapshot.Destination{Paces: paces}}).Paces)
		}},
		{"causes of dead letters", maxCauses, func(n int) int {
			return len(lettersOf(&snapshot.DeadLetters{By: many(n, func(i int) snapshot.DeadLetterCount {
				return snapshot.DeadLetterCount{Output: "es", Reason: label(i), Events: 1}
			})}).Causes)
		}},
		{"pods", maxPods, func(n int) int {
			return len(whole(snapshot.Snapshot{Group: &snapshot.Group{Pods: many(n, func(i int) snapshot.Pod {
				return snapshot.Pod{Name: label(i), Host: label(i), State: snapshot.PodReady}
			})}}).Group.Pods)
		}},
		{"hosts turned away", maxPeople, func(n int) int {
			v := whole(snapshot.Snapshot{Listeners: []snapshot.Listener{{
				Name: "l", RefusedPeers: make([]snapshot.RefusedPeer, n),
			}}})
			return len(v.Listeners["l"].Away)
		}},
		{"agents that ask for no acks", maxPeople, func(n int) int {
			return len(whole(snapshot.Snapshot{
				Clusters: []snapshot.Cluster{{Name: "a"}},
				Listeners: []snapshot.Listener{{Agents: many(n,
					func(int) snapshot.Agent { return snapshot.Agent{Cluster: "a"} })}},
			}).Clusters["a"].NoAcks)
		}},
	} {
		for n, want := range map[int]int{
			0: 0, 1: 1, tc.bound - 1: tc.bound - 1, tc.bound: tc.bound, tc.bound + 1: tc.bound, 3 * tc.bound: tc.bound,
		} {
			if got := tc.shown(n); got != want {
				t.Errorf("%s: of %d there are %d on the page, want %d", tc.name, n, got, want)
			}
		}
	}
}

// What is left out is counted where the page says so, and nowhere twice.
func TestWhatIsLeftOutIsCounted(t *testing.T) {
	pods := many(maxPods+7, func(i int) snapshot.Pod {
		return snapshot.Pod{Name: strconv.Itoa(i), Host: strconv.Itoa(i), State: snapshot.PodReady}
	})
	for i := range 3 {
		pods = append(pods, snapshot.Pod{Name: fmt.Sprint("e", i), Host: "x", State: snapshot.PodEnded})
	}
	if g := groupOf(&snapshot.Snapshot{Group: &snapshot.Group{Pods: pods}}); g.More != 7 || g.Earlier != 3 {
		t.Errorf("%d pods more, and %d earlier", g.More, g.Earlier)
	}
	o := outputOf(&snapshot.Output{OutputWaiting: snapshot.OutputWaiting{
		WaitingTargetsMore: 5, WaitingTargets: many(maxTargets+2, func(i int) snapshot.WaitingTarget {
			return snapshot.WaitingTarget{Target: strconv.Itoa(i), Events: 1}
		}),
	}}, false)
	if o.More != 7 {
		t.Errorf("%d targets more", o.More)
	}
	// Dead letters for a cause that is not shown are in the sum all the same; those for one that is, are added to it.
	by := many(maxCauses+1, func(i int) snapshot.DeadLetterCount {
		return snapshot.DeadLetterCount{Reason: strconv.Itoa(i), Cluster: "a", Events: 1}
	})
	by = append(by, snapshot.DeadLetterCount{Reason: "0", Cluster: "b", Events: 41})
	d := lettersOf(&snapshot.DeadLetters{Events: 242, By: by})
	if first := d.Causes[" 0"]; d.Events != 242 || first.Events != 42 || first.Clusters["b"] != 41 {
		t.Errorf("%d events, of the first cause %+v", d.Events, first)
	}
	if _, shown := d.Causes[fmt.Sprint(" ", maxCauses)]; shown {
		t.Error("a cause beyond the bound is shown")
	}
}

// Long texts are cut between two characters and marked, and what fits is left alone.
func TestLongTexts(t *testing.T) {
	for _, tc := range []struct {
		name  string
		limit int
		shown func(text string) string
	}{
		{
			"a hostname", maxName,
			func(text string) string { return viewOf(&snapshot.Snapshot{Hostname: text}, false).Host },
		},
		{"a source", maxText, func(text string) string {
			return viewOf(&snapshot.Snapshot{Config: snapshot.ConfigState{Source: text}}, false).Config.Source
		}},
		{"an error", maxText, func(text string) string { return failureOf(snapshot.Failure{Text: text}, false).Text }},
		{"a destination's words", maxText, func(text string) string {
			return failureOf(snapshot.Failure{Text: "x", Detail: text}, true).Text
		}},
		{"why the queue is full", maxText, func(text string) string {
			return queueOf(&snapshot.Queue{FullReason: text}).Full
		}},
		{"why a cluster waits", maxText, func(text string) string {
			return clusterOf(&snapshot.Cluster{Waiting: text}).Waiting
		}},
		{"a product", maxName, func(text string) string {
			return outputOf(&snapshot.Output{Destination: snapshot.Destination{Server: text}}, false).Server
		}},
		{"the verdict", maxText, func(text string) string {
			return verdictOf(&snapshot.Snapshot{Verdict: client.Verdict{Text: text}}).Text
		}},
		{"a remedy", maxText, func(text string) string {
			findings := []client.Finding{{Remedy: text}}
			return verdictOf(&snapshot.Snapshot{Verdict: client.Verdict{Findings: findings}}).Findings["0"].Remedy
		}},
		{"what a route matches", maxName, func(text string) string {
			routes := []snapshot.Route{{Name: "r", Match: []string{text}}}
			return viewOf(&snapshot.Snapshot{Config: snapshot.ConfigState{Routes: routes}}, false).Config.Routes["r"]
		}},
		{"why a pod is not ready", maxWhy, func(text string) string {
			pods := []snapshot.Pod{{Name: "p", State: snapshot.PodNotReady, NotReady: []string{text}}}
			return groupOf(&snapshot.Snapshot{Group: &snapshot.Group{Pods: pods}}).Pods["p"].Why
		}},
	} {
		fits := strings.Repeat("é", tc.limit/2)
		if got := tc.shown(fits); got != fits {
			t.Errorf("%s of %d bytes is cut to %d", tc.name, len(fits), len(got))
		}
		long := "x" + strings.Repeat("é", tc.limit)
		got := tc.shown(long)
		body, marked := strings.CutSuffix(got, "…")
		if !marked || len(body) > tc.limit || len(body) < tc.limit-1 || !utf8.ValidString(got) ||
			!strings.HasPrefix(long, body) {
			t.Errorf("%s of %d bytes is shown with %d, marked: %v", tc.name, len(long), len(body), marked)
		}
	}
}

// Of others than itself a pod shows whom it turned away and who asks for no acks, five of each; of itself its
// listeners and clusters do.
func TestPeopleOfPods(t *testing.T) {
	people := snapshot.PodPeople{
		Agents: 9, LoginsRefusedLately: 77,
		RefusedPeers: many(maxOfPod+3, func(i int) snapshot.RefusedPeer {
			return snapshot.RefusedPeer{
				Peer: fmt.Sprint("10.0.0.", i), Reason: "user", Times: uint64(i),
				LastSeen: moment(1),
			}
		}),
		NoAckPeers: many(maxOfPod+3, func(i int) snapshot.NoAck {
			return snapshot.NoAck{Peer: fmt.Sprint("10.0.1.", i), Cluster: "a", LastSeen: moment(17)}
		}),
	}
	s := &snapshot.Snapshot{Time: moment(100), Group: &snapshot.Group{Self: "me", Pods: []snapshot.Pod{
		{Name: "me", Host: "h1", State: snapshot.PodReady, LastSeen: moment(99), PodPeople: people},
		{
			Name: "other", Host: "h2", State: snapshot.PodReady, LastSeen: moment(99), PodPeople: people,
			ReceivedRate: 1234, DeliveredRate: 0.0456,
		},
		{Name: "lost", Host: "h3", State: snapshot.PodGone, LastSeen: moment(13)},
		{Name: "old", Host: "h4", State: snapshot.PodGone, LastSeen: moment(100).Add(-time.Hour)},
	}}}
	g := groupOf(s)
	if me := g.Pods["me"]; !me.Self || me.Away != nil || me.NoAcks != nil || me.Refused != 77 || me.Agents != 9 {
		t.Errorf("itself: %+v", me)
	}
	other := g.Pods["other"]
	if other.Self || len(other.Away) != maxOfPod || len(other.NoAcks) != maxOfPod || other.In != 1200 ||
		other.Out != 0.046 {
		t.Errorf("another: %+v", other)
	}
	if a := other.Away[4]; a.Peer != "10.0.0.4" || a.Times != 4 || a.Seen != moment(1).UnixMilli() {
		t.Errorf("turned away: %+v", a)
	}
	if n := other.NoAcks[0]; n.Seen != 1_000_010_000 || n.Cluster != "a" {
		t.Errorf("without acks: %+v", n)
	}
	// Since when a pod is silent is told to the millisecond; of one that runs it would change all the time.
	if lost := g.Pods["lost"]; lost.Seen != moment(13).UnixMilli() || other.Seen != 1_000_090_000 {
		t.Errorf("seen: %d and %d", lost.Seen, other.Seen)
	}
	if g.Pods["old"] != nil || g.Earlier != 1 {
		t.Errorf("one missed for long: %+v, %d earlier", g.Pods["old"], g.Earlier)
	}
}
