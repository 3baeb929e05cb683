package group

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/status/snapshot"
)

// world is a group whose pods share one queue, with a clock that is set by hand.
type world struct {
	t       *testing.T
	now     time.Time
	pods    []*member
	pending uint64
	audit   buffer.Audit
}

// member is a pod of a world: what it has done, and what it has told of that.
type member struct {
	name, host          string
	started, seen       time.Time
	alive               bool
	received, delivered uint64
	shared              []byte
	// notReady is why agents are not sent to it.
	notReady []string
	books    *Books
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return &world{t: t, now: time.Unix(1_000_000, 0), audit: buffer.Audit{Agrees: true}}
}

func (w *world) start(name, host string) *member {
	m := &member{name: name, host: host, started: w.now, seen: w.now, alive: true}
	m.books = &Books{Now: func() time.Time { return w.now }}
	w.pods = append(w.pods, m)
	w.share(m, false)
	return m
}

// own is a pod's snapshot of itself.
func (w *world) own(m *member) snapshot.Snapshot {
	return snapshot.Snapshot{
		Version:   "1.0.0",
		Listeners: []snapshot.Listener{{Connections: 3}},
		Clusters: []snapshot.Cluster{{
			Name: "red", ReceivedEvents: m.received, StoredEvents: m.received, Connections: 3, LastSeen: m.seen,
		}},
		Outputs: []snapshot.Output{{Name: "es", State: snapshot.StateRunning, Clusters: []snapshot.OutputCluster{{
			Cluster: "red", Queued: m.received, Delivered: m.delivered, Pending: w.pending,
		}}}},
	}
}

func (w *world) share(m *member, final bool) {
	s := w.own(m)
	st := Of(&s, nil, nil)
	st.Final = final
	m.shared, m.seen = st.Marshal(), w.now
}

func (w *world) peers() (all []buffer.Peer) {
	for _, m := range w.pods {
		all = append(all, buffer.Peer{
			Name: m.name, Host: m.host, Started: m.started, Seen: m.seen, Alive: m.alive, State: m.shared,
		})
	}
	return all
}

// look is what m shows of the group, with its ledger as it would be after a second of rest.
func (w *world) look(m *member) *snapshot.Snapshot {
	take := func(before *snapshot.Snapshot) *snapshot.Snapshot {
		s := w.own(m)
		m.books.Merge(&s, m.name, m.notReady, w.peers(), w.audit)
		s.Derive(nil, before)
		return &s
	}
	return take(take(nil))
}

// rest has time pass in which nothing happens but that those who live are heard of.
func (w *world) rest(d time.Duration) {
	for end := w.now.Add(d); w.now.Before(end); {
		w.now = w.now.Add(time.Second)
		for _, m := range w.pods {
			if m.alive {
				m.seen = w.now
				w.look(m)
			}
		}
	}
}

// receive has m store n events.
func (w *world) receive(m *member, n uint64) { m.received += n; w.pending += n }

// deliver has m deliver n events.
func (w *world) deliver(m *member, n uint64) { m.delivered += n; w.pending -= n }

// balanced holds what m says of the output's account.
func (w *world) balanced(m *member, want string, figures snapshot.OutputFigures) {
	w.t.Helper()
	a := w.look(m).Ledger.Outputs[0]
	got := "not known yet"
	if a.Balanced != nil {
		got = map[bool]string{true: "balanced", false: "not balanced"}[*a.Balanced]
	}
	if got != want || !reflect.DeepEqual(a.OutputFigures, figures) {
		w.t.Errorf("%s says %s, %+v; want %s, %+v", m.name, got, a.OutputFigures, want, figures)
	}
}

func TestGroup(t *testing.T) {
	w := newWorld(t)
	a, b := w.start("1", "pod-a"), w.start("2", "pod-b")
	w.receive(a, 100)
	w.receive(b, 50)
	w.deliver(b, 120)
	w.share(a, false)
	w.share(b, false)
	w.balanced(a, "not known yet", snapshot.OutputFigures{Queued: 150, Delivered: 120, Pending: 30})
	w.rest(6 * time.Second)
	for _, m := range w.pods {
		w.balanced(m, "balanced", snapshot.OutputFigures{Queued: 150, Delivered: 120, Pending: 30})
	}
	s := w.look(a)
	if c := s.Clusters[0]; c.ReceivedEvents != 150 || c.Connections != 6 || !*s.Ledger.Ingest[0].Balanced {
		t.Errorf("the cluster: %+v, %+v", c, s.Ledger.Ingest[0])
	}
	if own := s.Group.Own; own.Clusters[0].ReceivedEvents != 100 || own.Outputs[0].Clusters[0].Delivered != 0 {
		t.Errorf("its own figures: %+v", own)
	}
	pods := s.Group.Pods
	if len(pods) != 2 || pods[1].Host != "pod-b" || pods[1].State != snapshot.PodReady ||
		pods[1].ReceivedEvents != 50 || pods[1].DeliveredEvents != 120 || pods[1].Connections != 3 {
		t.Errorf("the pods: %+v", pods)
	}
	if s.Group.Self != "1" || s.Group.Closing {
		t.Errorf("the group: %+v", s.Group)
	}
}

// TestEndedInGoodOrder has the figures of a pod stay after its end.
func TestEndedInGoodOrder(t *testing.T) {
	w := newWorld(t)
	a, b := w.start("1", "pod-a"), w.start("2", "pod-b")
	w.rest(6 * time.Second)
	w.receive(b, 50)
	w.deliver(b, 20)
	w.share(b, true)
	b.alive = false
	w.deliver(a, 30)
	w.share(a, false)
	w.balanced(a, "balanced", snapshot.OutputFigures{Queued: 50, Delivered: 50})
	s := w.look(a)
	if p := s.Group.Pods[1]; p.State != snapshot.PodEnded || p.Connections != 0 {
		t.Errorf("it has ended: %+v", p)
	}
	if c := s.Clusters[0]; c.Connections != 3 {
		t.Errorf("%d connections", c.Connections)
	}
}

// TestKilled closes the account of a pod that was killed before it told what it had done last.
func TestKilled(t *testing.T) {
	for name, tc := range map[string]struct {
		last func(w *world, b *member)
		want snapshot.OutputFigures
	}{
		"stored": {
			func(w *world, b *member) { w.receive(b, 7) },
			snapshot.OutputFigures{Queued: 100, Recovered: 7, Pending: 107},
		},
		"delivered": {
			func(w *world, b *member) { w.deliver(b, 7) },
			snapshot.OutputFigures{Queued: 100, Unreported: 7, Pending: 93},
		},
		"nothing": {func(*world, *member) {}, snapshot.OutputFigures{Queued: 100, Pending: 100}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			a, b := w.start("1", "pod-a"), w.start("2", "pod-b")
			w.receive(a, 100)
			w.share(a, false)
			w.rest(6 * time.Second)
			tc.last(w, b)
			// Nobody hears of it any more.
			seen := b.seen
			w.now = w.now.Add(6 * time.Second)
			a.seen, b.seen = w.now, seen
			if s := w.look(a); !s.Group.Closing || s.Ledger.Outputs[0].Balanced != nil {
				t.Errorf("while a pod is silent: %+v", s.Ledger.Outputs[0])
			}
			b.alive = false
			// The queue's servers have something else than was told, and are believed a little later.
			w.audit.Agrees = false
			w.rest(6 * time.Second)
			if s := w.look(a); !s.Group.Closing {
				t.Errorf("while the servers do not agree: %+v", s.Group)
			}
			w.audit = buffer.Audit{Agrees: true, Corrections: 1}
			w.rest(time.Second)
			w.balanced(a, "balanced", tc.want)
			if s := w.look(a); s.Group.Pods[1].State != snapshot.PodGone || s.Group.Replaced(1) {
				t.Errorf("the pod: %+v", s.Group.Pods[1])
			}
			// What is missing later is a mistake.
			w.pending -= 3
			w.audit.Corrections++
			w.rest(6 * time.Second)
			tc.want.Pending -= 3
			w.balanced(a, "not balanced", tc.want)
			// One that starts now begins with what it finds.
			c := w.start("3", "pod-b")
			w.rest(6 * time.Second)
			if got := w.look(c).Ledger.Outputs[0]; got.Balanced == nil || !*got.Balanced {
				t.Errorf("a pod that starts later: %+v", got)
			}
			if s := w.look(a); !s.Group.Replaced(1) {
				t.Errorf("the pod is there again: %+v", s.Group.Pods)
			}
		})
	}
}

// TestFrozen has a pod that counted as killed come back, and tell the rest.
func TestFrozen(t *testing.T) {
	w := newWorld(t)
	a, b := w.start("1", "pod-a"), w.start("2", "pod-b")
	w.receive(a, 100)
	w.share(a, false)
	w.rest(6 * time.Second)
	w.deliver(b, 7)
	b.alive = false
	w.rest(6 * time.Second)
	w.balanced(a, "balanced", snapshot.OutputFigures{Queued: 100, Unreported: 7, Pending: 93})
	b.alive = true
	w.deliver(b, 3)
	w.share(b, false)
	w.rest(6 * time.Second)
	w.balanced(a, "balanced", snapshot.OutputFigures{Queued: 100, Delivered: 10, Pending: 90})
}

// TestDeliveredAgain closes the account after the queue was away: what was delivered then is delivered again.
func TestDeliveredAgain(t *testing.T) {
	w := newWorld(t)
	a, b := w.start("1", "pod-a"), w.start("2", "pod-b")
	w.receive(a, 100)
	w.rest(6 * time.Second)
	s := w.own(b)
	away := Of(&s, []string{"nothing can be stored: no server answers"}, nil)
	b.shared = away.Marshal()
	if s := w.look(a); !s.Group.Closing || s.Group.Pods[1].State != snapshot.PodNotReady {
		t.Errorf("while a pod is not ready: %+v", s.Group)
	}
	w.deliver(a, 100)
	b.delivered += 30
	w.share(b, false)
	w.rest(6 * time.Second)
	w.balanced(a, "balanced", snapshot.OutputFigures{Queued: 100, Recovered: 30, Delivered: 130})
	// And where no pod has noticed that they were: they say that something was handed out that counted as finished.
	b.delivered += 5
	w.share(b, false)
	w.rest(6 * time.Second)
	w.balanced(a, "not balanced", snapshot.OutputFigures{Queued: 100, Recovered: 30, Delivered: 135})
	w.audit.Corrections++
	w.rest(6 * time.Second)
	w.balanced(a, "balanced", snapshot.OutputFigures{Queued: 100, Recovered: 35, Delivered: 135})
}

// TestServersBack has one pod die while the queue's servers are away, and another one tell only after they are back
// what it did before: all figures have rested for long then, and the account is not closed yet.
func TestServersBack(t *testing.T) {
	w := newWorld(t)
	a, b, c := w.start("1", "pod-a"), w.start("2", "pod-b"), w.start("3", "pod-c")
	w.receive(a, 100)
	w.share(a, false)
	w.rest(6 * time.Second)
	w.deliver(b, 7)
	w.deliver(c, 5)
	b.alive, c.alive = false, false
	a.notReady = []string{"nothing can be stored: no server answers"}
	w.rest(20 * time.Second)
	a.notReady = nil
	w.rest(time.Second)
	if s := w.look(a); !s.Group.Closing {
		t.Errorf("as soon as the servers are back: %+v", s.Ledger.Outputs[0])
	}
	c.alive = true
	w.share(c, false)
	w.rest(6 * time.Second)
	w.balanced(a, "balanced", snapshot.OutputFigures{Queued: 100, Delivered: 5, Unreported: 7, Pending: 88})
}

// TestForgotten has a pod's figures go when it is not remembered any more, and with them no balance.
func TestForgotten(t *testing.T) {
	w := newWorld(t)
	a, b := w.start("1", "pod-a"), w.start("2", "pod-b")
	w.receive(b, 50)
	w.deliver(a, 50)
	w.share(a, false)
	w.share(b, true)
	b.alive = false
	w.rest(6 * time.Second)
	w.balanced(a, "balanced", snapshot.OutputFigures{Queued: 50, Delivered: 50})
	w.pods = w.pods[:1]
	w.rest(6 * time.Second)
	w.balanced(a, "balanced", snapshot.OutputFigures{Delivered: 50, Recovered: 50})
}

// TestTrouble shows what keeps another pod from delivering, unless this one knows worse.
func TestTrouble(t *testing.T) {
	since := time.Unix(5, 0).UTC()
	for _, tc := range []struct {
		here, there, want snapshot.State
		text              string
	}{
		{snapshot.StateRunning, snapshot.StateRefused, snapshot.StateRefused, "on pod-b: 401"},
		{snapshot.StateRetrying, snapshot.StateRefused, snapshot.StateRefused, "on pod-b: 401"},
		{snapshot.StateRefused, snapshot.StateRetrying, snapshot.StateRefused, "here"},
		{snapshot.StatePaused, snapshot.StateRetrying, snapshot.StatePaused, "here"},
		{snapshot.StateRunning, snapshot.StateIdle, snapshot.StateRunning, "here"},
	} {
		w := newWorld(t)
		a, b := w.start("1", "pod-a"), w.start("2", "pod-b")
		there := w.own(b)
		there.Outputs[0].State, there.Outputs[0].FailingSince = tc.there, since
		there.Outputs[0].LastError = snapshot.Failure{Text: "401", Detail: "secret words"}
		st := Of(&there, nil, nil)
		b.shared = st.Marshal()
		s := w.own(a)
		s.Outputs[0].State, s.Outputs[0].LastError.Text = tc.here, "here"
		a.books.Merge(&s, a.name, []string{"starting"}, w.peers(), w.audit)
		if o := s.Outputs[0]; o.State != tc.want || o.LastError.Text != tc.text || o.LastError.Detail != "" {
			t.Errorf("%s here and %s there: %s, %q", tc.here, tc.there, o.State, o.LastError.Text)
		}
		if p := s.Group.Pods[0]; p.State != snapshot.PodNotReady || !slices.Equal(p.NotReady, []string{"starting"}) {
			t.Errorf("this pod: %+v", p)
		}
	}
}

// TestPeople tells the others who connects, bounded, and nobody of who has ended.
func TestPeople(t *testing.T) {
	w := newWorld(t)
	a, b := w.start("1", "pod-a"), w.start("2", "pod-b")
	there := w.own(b)
	there.Memory = snapshot.Memory{UsedBytes: 99 << 20, LimitBytes: 225 << 20}
	l := &there.Listeners[0]
	l.Refused = snapshot.Counts{"shared_key": 5, "tls": 2, "idle": 100}
	for i := range 50 {
		at := w.now.Add(time.Duration(i) * time.Second)
		l.Agents = append(l.Agents, snapshot.Agent{Peer: "10.0.0.1", Cluster: "red"})
		l.RefusedPeers = append(l.RefusedPeers, snapshot.RefusedPeer{
			Peer: "10.0.0.9", Text: strings.Repeat("x", 5000), Hostname: strings.Repeat("y", 5000), LastSeen: at,
		})
		l.NoAckPeers = append(l.NoAckPeers, snapshot.NoAck{Peer: "10.0.0.8", LastSeen: at})
	}
	tell := func(final bool) snapshot.Pod {
		st := Of(&there, nil, nil)
		st.Final = final
		b.shared = st.Marshal()
		return w.look(a).Group.Pods[1]
	}
	p := tell(false)
	last := w.now.Add(49 * time.Second)
	if p.Agents != 50 || p.LoginsRefused != 7 || p.MemoryBytes != 96<<20 || p.MemoryLimitBytes != 225<<20 ||
		len(p.RefusedPeers) != maxPeople || !p.RefusedPeers[0].LastSeen.Equal(last) ||
		len(p.RefusedPeers[0].Text) > maxWords+5 || len(p.RefusedPeers[0].Hostname) > maxWords+5 ||
		len(p.NoAckPeers) != maxPeople || !p.NoAckPeers[0].LastSeen.Equal(last) {
		t.Errorf("%+v", p)
	}
	if len(b.shared) > 16<<10 {
		t.Errorf("%d bytes are shared", len(b.shared))
	}
	if l.RefusedPeers[0].LastSeen.Equal(last) || len(l.RefusedPeers[0].Text) != 5000 {
		t.Error("its own list is another one now")
	}
	if p := tell(true); p.Agents != 0 || p.MemoryBytes != 0 || len(p.NoAckPeers) != 0 || p.LoginsRefused != 7 {
		t.Errorf("after its end: %+v", p)
	}
}

// TestControls takes the newest that a pod that lives has been told.
func TestControls(t *testing.T) {
	at := time.Unix(100, 0).UTC()
	state := func(paused bool, at time.Time) []byte {
		st := State{Controls: map[string]Control{"es": {paused, at}}}
		return st.Marshal()
	}
	peers := []buffer.Peer{
		{Name: "1", Alive: true, State: state(true, at)},
		{Name: "2", Alive: true, State: state(false, at.Add(time.Second))},
		{Name: "3", State: state(true, at.Add(time.Minute))},
		{Name: "4", Alive: true, State: []byte("{")},
	}
	if got := Controls(peers); len(got) != 1 || got["es"].Paused || !got["es"].At.Equal(at.Add(time.Second)) {
		t.Errorf("got %v", got)
	}
}

// FuzzState reads what others say, whatever it is.
func FuzzState(f *testing.F) {
	f.Add([]byte(`{"v":"1","c":[{"Name":"red","Events":3,"Dropped":{"x":1}}],"d":[{"Output":"es","Cluster":"red"}]}`))
	f.Add([]byte(`{"c":[{"Name":""},{"Name":""}],"d":[{},{}],"t":[{"Output":"es","State":"refused"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		w := newWorld(t)
		a, b := w.start("1", "pod-a"), w.start("2", "pod-b")
		b.shared = text
		s := w.look(a)
		if len(s.Group.Pods) != 2 || !slices.IsSortedFunc(s.Clusters, func(x, y snapshot.Cluster) int {
			return map[bool]int{true: -1, false: 1}[x.Name < y.Name]
		}) {
			t.Errorf("%+v, %+v", s.Group.Pods, s.Clusters)
		}
	})
}
