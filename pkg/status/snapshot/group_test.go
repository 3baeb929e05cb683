package snapshot_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/status/snapshot"
	"github.com/seed-afc6a195/aggregator/pkg/status/snapshot/snapshottest"
)

// at returns a moment so many seconds after the beginning.
func at(seconds int64) time.Time { return time.Unix(1_000_000+seconds, 0) }

// Missed is who has fallen silent lately and has nobody in its place on the host.
func TestMissing(t *testing.T) {
	gone, ready, ended := snapshot.PodGone, snapshot.PodReady, snapshot.PodEnded
	pod := func(name, host string, state snapshot.PodState, started, seen int64) snapshot.Pod {
		return snapshot.Pod{Name: name, Host: host, State: state, Started: at(started), LastSeen: at(seen)}
	}
	for _, tc := range []struct {
		name string
		pods []snapshot.Pod
		want []string
	}{
		{"nobody", nil, nil},
		{"all are well", []snapshot.Pod{pod("1", "a", ready, 0, 1000), pod("2", "b", ready, 0, 1000)}, nil},
		{"one is gone", []snapshot.Pod{pod("1", "a", ready, 0, 1000), pod("2", "b", gone, 0, 990)}, []string{"2"}},
		{"one has ended in good order", []snapshot.Pod{pod("2", "b", ended, 0, 990)}, nil},
		{"just within the time", []snapshot.Pod{pod("2", "b", gone, 0, 101)}, []string{"2"}},
		{"long ago", []snapshot.Pod{pod("2", "b", gone, 0, 100)}, nil},
		{"another is in its place", []snapshot.Pod{pod("2", "b", gone, 0, 990), pod("3", "b", ready, 995, 1000)}, nil},
		{
			"that one is gone too",
			[]snapshot.Pod{pod("2", "b", gone, 0, 990), pod("3", "b", gone, 995, 998)},
			[]string{"3"},
		},
		{
			"an earlier one on its host",
			[]snapshot.Pod{pod("2", "b", ready, 0, 1000), pod("3", "b", gone, 500, 990)},
			[]string{"3"},
		},
	} {
		var got []string
		for _, p := range (&snapshot.Group{Pods: tc.pods}).Missing(at(1000)) {
			got = append(got, p.Name)
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

// Rates of pods are between two snapshots, by their names: a program that is started again is another pod.
func TestRatesOfPods(t *testing.T) {
	take := func(seconds int64, pods ...snapshot.Pod) *snapshot.Snapshot {
		return &snapshot.Snapshot{Taken: snapshot.Taken{At: at(seconds)}, Group: &snapshot.Group{Pods: pods}}
	}
	before := take(0, snapshot.Pod{Name: "1", ReceivedEvents: 100, DeliveredEvents: 50},
		snapshot.Pod{Name: "2", ReceivedEvents: 1000, DeliveredEvents: 900})
	now := take(10, snapshot.Pod{Name: "3", ReceivedEvents: 70, DeliveredEvents: 70},
		snapshot.Pod{Name: "2", ReceivedEvents: 900, DeliveredEvents: 950},
		snapshot.Pod{Name: "1", ReceivedEvents: 600, DeliveredEvents: 50})
	now.Derive(before, nil)
	for i, want := range [][2]float64{{0, 0}, {0, 5}, {50, 0}} {
		p := &now.Group.Pods[i]
		if got := [2]float64{p.ReceivedRate, p.DeliveredRate}; got != want {
			t.Errorf("pod %s: %v, want %v", p.Name, got, want)
		}
	}
	alone := &snapshot.Snapshot{Taken: snapshot.Taken{At: at(10)}}
	alone.Derive(before, nil)
	first := take(10, snapshot.Pod{Name: "1", ReceivedEvents: 5})
	first.Derive(&snapshot.Snapshot{Taken: snapshot.Taken{At: at(0)}}, nil)
	if first.Group.Pods[0].ReceivedRate != 0 {
		t.Errorf("a group that was joined since: %v", first.Group.Pods[0].ReceivedRate)
	}
}

// While a pod's last figures are not known, the ledger says nothing, however long they rest.
func TestLedgerOfGroup(t *testing.T) {
	take := func(closing bool, before *snapshot.Snapshot) *snapshot.Snapshot {
		s := &snapshot.Snapshot{
			Group:    &snapshot.Group{Closing: closing},
			Clusters: []snapshot.Cluster{{Name: "a", ReceivedEvents: 10, StoredEvents: 7, Unreported: 3}},
			Outputs: []snapshot.Output{{Name: "o", Clusters: []snapshot.OutputCluster{
				{Cluster: "a", Queued: 7, Recovered: 2, Delivered: 4, Unreported: 5},
			}}},
		}
		s.Derive(nil, before)
		return s
	}
	for _, tc := range []struct {
		was, is, known bool
	}{{true, true, false}, {false, true, false}, {true, false, true}, {false, false, true}} {
		s := take(tc.is, take(tc.was, nil))
		in, out := s.Ledger.Ingest[0], s.Ledger.Outputs[0]
		if in.Difference != 0 || out.Difference != 0 {
			t.Errorf("what was entered does not count: %+v, %+v", in, out)
		}
		if (in.Balanced != nil) != tc.known || (out.Balanced != nil) != tc.known {
			t.Errorf("closing %v, then %v: %+v, %+v", tc.was, tc.is, in, out)
		}
	}
}

// What JSON shows has lists and objects where there are none, and no nulls but where nothing is known.
func TestNoNulls(t *testing.T) {
	s := snapshottest.Program(at(0), 0)
	s.Listeners = append(s.Listeners, snapshot.Listener{Name: "empty"})
	s.Outputs = append(s.Outputs, snapshot.Output{Name: "empty"})
	s.Clusters = append(s.Clusters, snapshot.Cluster{Name: "empty"})
	s.Group.Pods = append(s.Group.Pods, snapshot.Pod{Name: "empty"})
	s.Config.Restart, s.Config.Routes = []string{}, nil
	s.NotReady, s.Unhealthy = []string{}, []string{}
	s.Derive(nil, nil)
	s.Verdict.Findings = nil
	text, err := json.Marshal(&s)
	if err != nil {
		t.Fatal(err)
	}
	var all any
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	// Nobody can know these right after the start.
	unknown := map[string]bool{
		"balanced": true, "done_in_seconds": true, "full_in_seconds": true, "findings": true, "clusters": true,
	}
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for key, value := range v {
				if value == nil && !unknown[key] {
					t.Errorf("%s.%s is null", path, key)
				}
				walk(path+"."+key, value)
			}
		case []any:
			for _, value := range v {
				walk(path+"[]", value)
			}
		}
	}
	walk("", all)
	if strings.Contains(string(text), `"Own"`) {
		t.Error("what metrics are made of is shown")
	}
}

// Counts and latencies are shown as people and programs read them.
func TestShownAs(t *testing.T) {
	for name, tc := range map[string]struct {
		v    any
		want string
	}{
		"no counts":     {snapshot.Counts(nil), `{}`},
		"counts":        {snapshot.Counts{"b": 2, "a": 1}, `{"a":1,"b":2}`},
		"no latency":    {snapshot.Latency{}, `{"count":0,"sum_seconds":0,"p50_seconds":0,"p99_seconds":0}`},
		"no failure":    {snapshot.Failure{}, `{"text":"","age_seconds":0}`},
		"a failure":     {snapshot.Failure{Text: "x", Age: 1.5, Ended: at(0).UTC()}, `"ended":"1970-01-12T13:46:40Z"`},
		"no last event": {snapshot.Cluster{Name: "a"}, `"name":"a"`},
	} {
		text, err := json.Marshal(tc.v)
		if err != nil || !strings.Contains(string(text), tc.want) {
			t.Errorf("%s: %s, want %s: %v", name, text, tc.want, err)
		}
	}
	if n := (snapshot.Counts{"a": 1, "b": 2}).Sum(); n != 3 {
		t.Errorf("together %d", n)
	}
	for _, tc := range []struct {
		f    snapshot.Failure
		want bool
	}{
		{snapshot.Failure{}, false},
		{snapshot.Failure{Text: "x"}, true},
		{snapshot.Failure{Text: "x", Ended: at(0)}, false},
	} {
		if tc.f.Lasts() != tc.want {
			t.Errorf("%+v lasts: %v", tc.f, !tc.want)
		}
	}
}

// Logins that are refused are those closed because of who somebody is, and no others.
func TestLoginsRefused(t *testing.T) {
	l := snapshot.Listener{Refused: snapshot.Counts{
		"shared_key": 1, "user": 2, "source": 4, "certificate": 8, "unknown_cluster": 16, "tls": 32, "login": 64,
		"idle": 1000, "limit": 1000, "too_large": 1000,
	}}
	if n := l.LoginsRefused(); n != 127 {
		t.Errorf("%d", n)
	}
	if n := (&snapshot.Listener{}).LoginsRefused(); n != 0 {
		t.Errorf("of none: %d", n)
	}
}

// Errors grow old, and those of the future, by another clock, are new.
func TestAges(t *testing.T) {
	s := &snapshot.Snapshot{
		Time:         at(100),
		Config:       snapshot.ConfigState{Failing: snapshot.Failure{Text: "x", Time: at(40)}},
		Listeners:    []snapshot.Listener{{LastError: snapshot.Failure{Text: "x", Time: at(90)}}},
		Outputs:      []snapshot.Output{{LastError: snapshot.Failure{Text: "x", Time: at(500)}}},
		Certificates: []snapshot.Certificate{{Failing: snapshot.Failure{}}},
	}
	s.Derive(nil, nil)
	got := []float64{
		s.Config.Failing.Age, s.Listeners[0].LastError.Age, s.Outputs[0].LastError.Age, s.Certificates[0].Failing.Age,
	}
	if !slices.Equal(got, []float64{60, 10, 0, 0}) {
		t.Errorf("%v", got)
	}
}
