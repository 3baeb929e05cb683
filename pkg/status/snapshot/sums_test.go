package snapshot_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/status/snapshot"
)

// Counters by a label add up, and are an object in JSON also where there are none.
func TestCounts(t *testing.T) {
	for _, tc := range []struct {
		name string
		c    snapshot.Counts
		sum  uint64
		json string
	}{
		{"none", nil, 0, `{}`},
		{"empty", snapshot.Counts{}, 0, `{}`},
		{"a zero", snapshot.Counts{"a": 0}, 0, `{"a":0}`},
		{"several", snapshot.Counts{"b": 2, "a": 1, "": 4}, 7, `{"":4,"a":1,"b":2}`},
		{"the largest", snapshot.Counts{"a": 1<<64 - 1}, 1<<64 - 1, `{"a":18446744073709551615}`},
	} {
		text, err := json.Marshal(tc.c)
		if tc.c.Sum() != tc.sum || err != nil || string(text) != tc.json {
			t.Errorf("%s: %d %s (%v), want %d %s", tc.name, tc.c.Sum(), text, err, tc.sum, tc.json)
		}
	}
}

// An error lasts until something shows that it is past.
func TestLasts(t *testing.T) {
	for _, tc := range []struct {
		f    snapshot.Failure
		want bool
	}{
		{snapshot.Failure{}, false},
		{snapshot.Failure{Detail: "words", Time: at(1)}, false},
		{snapshot.Failure{Text: "x"}, true},
		{snapshot.Failure{Text: "x", Time: at(1)}, true},
		{snapshot.Failure{Text: "x", Time: at(1), Ended: at(2)}, false},
	} {
		if got := tc.f.Lasts(); got != tc.want {
			t.Errorf("%+v lasts: %v", tc.f, got)
		}
	}
}

// An output's events are those of its clusters, and those aside are those of its targets.
func TestSumsOfOutputs(t *testing.T) {
	for _, tc := range []struct {
		name                        string
		o                           snapshot.Output
		pending, delivered, waiting uint64
	}{
		{"nothing", snapshot.Output{}, 0, 0, 0},
		{
			"clusters", snapshot.Output{Clusters: []snapshot.OutputCluster{
				{Pending: 3, Delivered: 10, Dropped: snapshot.Counts{"x": 5}}, {Pending: 4}, {Delivered: 1},
			}}, 7, 11, 0,
		},
		{
			"targets, of which some are not listed",
			snapshot.Output{OutputWaiting: snapshot.OutputWaiting{
				WaitingTargets:     []snapshot.WaitingTarget{{Events: 5}, {Events: 1, Flowing: true}},
				WaitingTargetsMore: 9,
			}},
			0, 0, 6,
		},
	} {
		if p, d, w := tc.o.Pending(), tc.o.Delivered(), tc.o.Waiting(); p != tc.pending || d != tc.delivered ||
			w != tc.waiting {
			t.Errorf("%s: %d pending, %d delivered, %d aside", tc.name, p, d, w)
		}
	}
}

// Refused logins are those because of who somebody is; connections closed for other reasons are none.
func TestReasonsOfRefusedLogins(t *testing.T) {
	all := snapshot.Counts{}
	logins := []string{"shared_key", "user", "source", "certificate", "unknown_cluster", "tls", "login"}
	for _, reason := range logins {
		l := snapshot.Listener{Refused: snapshot.Counts{reason: 3, "idle": 100}}
		if n := l.LoginsRefused(); n != 3 {
			t.Errorf("%s: %d", reason, n)
		}
		all[reason] = 1
	}
	for _, other := range []string{"idle", "broken", "max_connections", "shutdown", ""} {
		all[other] = 50
	}
	if n := (&snapshot.Listener{Refused: all}).LoginsRefused(); n != uint64(len(logins)) {
		t.Errorf("of all reasons: %d", n)
	}
	if n := (&snapshot.Listener{}).LoginsRefused(); n != 0 {
		t.Errorf("of none: %d", n)
	}
}

// What moves between the figures of an account leaves its difference as it is, whatever the figures are.
func TestLedgerOfRandomFigures(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 4))
		n := func() uint64 { return uint64(r.IntN(1000)) }
		c := snapshot.Cluster{
			Name: "a", StoredEvents: n(), DuplicateEvents: n(), Dropped: snapshot.Counts{"x": n(), "y": n()},
			Dead: snapshot.Counts{"z": n()}, Unreported: n(),
		}
		c.ReceivedEvents = c.StoredEvents + c.DuplicateEvents + c.Dropped.Sum() + c.Dead.Sum() + c.Unreported
		o := snapshot.OutputCluster{
			Cluster: "a", Returned: n(), Adopted: n(), Recovered: n(), Delivered: n() + 3000, Pending: n(), Purged: n(),
			Dropped: snapshot.Counts{"x": n()}, Dead: snapshot.Counts{"y": n(), "z": n()}, Unreported: n(),
		}
		o.Queued = o.Delivered + o.Pending + o.Purged + o.Dropped.Sum() + o.Dead.Sum() + o.Unreported - o.Returned -
			o.Adopted - o.Recovered
		in, out := int64(r.IntN(5)-2), int64(r.IntN(5)-2)
		c.ReceivedEvents += uint64(in)
		o.Pending -= uint64(out)
		s := func() *snapshot.Snapshot {
			return &snapshot.Snapshot{
				Clusters: []snapshot.Cluster{c},
				Outputs:  []snapshot.Output{{Name: "o", Clusters: []snapshot.OutputCluster{o}}},
			}
		}
		first, second := s(), s()
		first.Derive(nil, nil)
		second.Derive(nil, first)
		for _, tc := range []struct {
			name string
			got  snapshot.Balance
			want snapshot.Balance
		}{
			{"ingest at first", first.Ledger.Ingest[0].Balance, snapshot.Balance{Difference: in}},
			{"ingest at rest", second.Ledger.Ingest[0].Balance, snapshot.Balance{in, new(in == 0)}},
			{"output at first", first.Ledger.Outputs[0].Balance, snapshot.Balance{Difference: out}},
			{"output at rest", second.Ledger.Outputs[0].Balance, snapshot.Balance{out, new(out == 0)}},
		} {
			if !reflect.DeepEqual(tc.got, tc.want) {
				t.Errorf("seed %d: %s: %+v, want %+v", seed, tc.name, tc.got, tc.want)
			}
		}
	}
}

// An account that was not there before is not judged yet, and one of a name that is another's neither.
func TestLedgerOfNewNames(t *testing.T) {
	take := func(cluster, output string) *snapshot.Snapshot {
		return &snapshot.Snapshot{
			Clusters: []snapshot.Cluster{{Name: cluster}},
			Outputs:  []snapshot.Output{{Name: output, Clusters: []snapshot.OutputCluster{{Cluster: cluster}}}},
		}
	}
	before := take("a", "o")
	before.Derive(nil, nil)
	for _, tc := range []struct {
		cluster, output string
		ingest, of      bool
	}{
		{"a", "o", true, true},
		{"a", "other", true, false},
		{"b", "o", false, false},
		{"o", "a", false, false},
		{"", "", false, false},
	} {
		now := take(tc.cluster, tc.output)
		now.Derive(nil, before)
		if got := now.Ledger.Ingest[0].Balanced; (got != nil) != tc.ingest {
			t.Errorf("cluster %q is judged: %v", tc.cluster, got)
		}
		if got := now.Ledger.Outputs[0].Balanced; (got != nil) != tc.of {
			t.Errorf("cluster %q of output %q is judged: %v", tc.cluster, tc.output, got)
		}
	}
	empty := &snapshot.Snapshot{}
	empty.Derive(nil, before)
	if text, err := json.Marshal(empty.Ledger); err != nil || string(text) != `{"ingest":[],"outputs":[]}` {
		t.Errorf("nothing is accounted as %s (%v)", text, err)
	}
}

// Rates of a cluster or an output that was not there before begin with 0, and no rate is below 0.
func TestRatesOfWhatComesAndFalls(t *testing.T) {
	take := func(second int64, name string, n uint64) *snapshot.Snapshot {
		return &snapshot.Snapshot{
			Taken: snapshot.Taken{At: at(second)},
			Clusters: []snapshot.Cluster{{
				Name: name, ReceivedEvents: n, ReceivedBytes: 10 * n,
			}},
			Outputs: []snapshot.Output{{Name: name, Clusters: []snapshot.OutputCluster{{
				Cluster: name, Queued: n, Returned: n, Delivered: n, Purged: 1000 * n, Dead: snapshot.Counts{"x": n},
			}}}},
		}
	}
	for _, tc := range []struct {
		name        string
		before, now *snapshot.Snapshot
		events      float64
	}{
		{"it goes on", take(0, "a", 100), take(5, "a", 150), 10},
		{"it is new", take(0, "b", 100), take(5, "a", 150), 30},
		{"it began anew", take(0, "a", 100), take(5, "a", 50), 0},
		{"it rests", take(0, "a", 100), take(5, "a", 100), 0},
	} {
		tc.now.Derive(tc.before, nil)
		c, o := tc.now.Clusters[0], tc.now.Outputs[0]
		part := o.Clusters[0]
		got := []float64{
			c.EventsPerSecond, c.BytesPerSecond / 10, o.EventsPerSecond, part.DeliveredPerSecond,
			part.QueuedPerSecond / 2, part.SettledPerSecond / 2,
		}
		for i, rate := range got {
			if rate != tc.events {
				t.Errorf("%s: rate %d of %v, want %v", tc.name, i, got, tc.events)
			}
		}
	}
}

// An error tells its age, which is never below 0; one without a time has none.
func TestAgesOfErrors(t *testing.T) {
	for _, tc := range []struct {
		name string
		when time.Time
		want float64
	}{
		{"no time", time.Time{}, 0},
		{"now", at(100), 0},
		{"a while ago", at(40), 60},
		{"the clock was set back", at(500), 0},
	} {
		f := snapshot.Failure{Text: "x", Time: tc.when}
		s := snapshot.Snapshot{
			Time: at(100), Config: snapshot.ConfigState{Failing: f},
			Listeners:    []snapshot.Listener{{LastError: f}},
			Certificates: []snapshot.Certificate{{Failing: f}}, Outputs: []snapshot.Output{{LastError: f}},
		}
		s.Derive(nil, nil)
		for i, got := range []float64{
			s.Config.Failing.Age, s.Listeners[0].LastError.Age, s.Certificates[0].Failing.Age,
			s.Outputs[0].LastError.Age,
		} {
			if got != tc.want {
				t.Errorf("%s: error %d is %v s old, want %v", tc.name, i, got, tc.want)
			}
		}
	}
}

// JSON shows no null where a list is meant, whatever is empty.
func TestEmptyListsInJSON(t *testing.T) {
	s := snapshot.Snapshot{
		Listeners: make([]snapshot.Listener, 1), Outputs: make([]snapshot.Output, 1), Group: &snapshot.Group{},
	}
	for _, pods := range []int{0, 1} {
		s.Group.Pods = make([]snapshot.Pod, pods)
		s.Derive(nil, nil)
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		for _, list := range []string{
			"warnings", "loops", "clusters", "by", "pods", "no_ack_peers", "agents", "refused_peers", "held_clusters",
			"targets", "waiting_targets", "notices", "hosts", "paces", "steps", "ingest",
		} {
			if strings.Contains(string(text), fmt.Sprintf("%q:null", list)) {
				t.Errorf("with %d pods %s is null", pods, list)
			}
		}
	}
}

// A queue of several is added up with the oldest of all, and named with its states in the outputs' order.
func TestPendingOfOddStates(t *testing.T) {
	q := (&snapshot.Snapshot{Time: at(5)}).Pending()
	if text, err := json.Marshal(q); err != nil ||
		!strings.Contains(string(text), `"outputs":[]`) || strings.Contains(string(text), "full") {
		t.Errorf("of nothing: %s (%v)", text, err)
	}
	s := snapshot.Snapshot{Outputs: []snapshot.Output{
		{Name: "b", State: snapshot.StateUnconfigured, Clusters: []snapshot.OutputCluster{{
			Cluster: "x", Pending: 1, PendingChunks: 1, PendingBytes: 9, OldestAge: 3600,
		}}},
		{Name: "a", State: snapshot.StatePaused, Clusters: []snapshot.OutputCluster{
			{Cluster: "x", Pending: 2, OldestAge: 7, QueuedPerSecond: 5}, {Cluster: "y", SettledPerSecond: 1},
		}},
	}}
	q = s.Pending()
	var got []string
	for _, o := range q.Outputs {
		got = append(got, fmt.Sprintf("%s %s %d %v %v", o.Output, o.State, o.Events, o.Oldest, o.Done == nil))
	}
	want := []string{"b unconfigured 1 3600 true", "a paused 2 7 true"}
	if !reflect.DeepEqual(got, want) || q.Events != 3 || q.Oldest != 3600 {
		t.Errorf("%q of %d events, the oldest %v; want %q", got, q.Events, q.Oldest, want)
	}
	if len(q.Outputs[1].Clusters) != 2 || *q.Outputs[1].Clusters[1].Done != 0 {
		t.Errorf("clusters: %+v", q.Outputs[1].Clusters)
	}
}
