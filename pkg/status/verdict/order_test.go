package verdict

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/status/client"
	"github.com/seed-afc6a195/aggregator/pkg/status/snapshot"
)

// What is worst comes first: critical before warning, what broke before what was meant, more that waits before less,
// and else as things are shown.
func TestOrderOfFindings(t *testing.T) {
	waits := func(n uint64) []snapshot.OutputCluster { return []snapshot.OutputCluster{{Cluster: "a", Pending: n}} }
	s := snapshot.Snapshot{
		Time: noon(),
		Outputs: []snapshot.Output{
			{Name: "idle-pause", State: snapshot.StatePaused},
			{Name: "pause", State: snapshot.StatePaused, Clusters: waits(1000)},
			{Name: "old", State: snapshot.StateUnconfigured, Clusters: waits(5000)},
			{Name: "few", State: snapshot.StateRefused, Clusters: waits(1)},
			{Name: "many", State: snapshot.StateRetrying, Clusters: waits(900)},
			{Name: "slow", State: snapshot.StateRunning, Lag: 1000, Clusters: waits(99_999)},
		},
		Clusters: []snapshot.Cluster{{Name: "lost", LastSeen: noon().Add(-time.Hour)}},
		Probes:   snapshot.Probes{Unhealthy: []string{"a loop stands still"}},
	}
	want := []string{
		"output many", "output few", "server", "output old", "output pause", "output slow", "cluster lost",
		"output idle-pause",
	}
	v := Of(&s)
	var got []string
	for _, f := range v.Findings {
		got = append(got, f.Subject)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if v.Severity != client.Critical || !strings.HasPrefix(v.Text, "output many: nothing gets through; ") ||
		!strings.HasSuffix(v.Text, ". And 7 more.") {
		t.Errorf("the sentence is %s %q", v.Severity, v.Text)
	}
}

// However much is wrong, the order is kept, nothing is left out, and looking twice finds the same and changes nothing.
func TestFindingsOfAnyState(t *testing.T) {
	states := []snapshot.State{
		snapshot.StateRunning, snapshot.StateIdle, snapshot.StateRetrying, snapshot.StatePaused, snapshot.StateRefused,
		snapshot.StateUnconfigured, snapshot.StateStalled, snapshot.StateRemoved, "unheard of", "",
	}
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 1))
		s := snapshot.Snapshot{Time: noon()}
		for i := range r.IntN(12) {
			s.Outputs = append(s.Outputs, snapshot.Output{
				Name: fmt.Sprint("o", i), State: states[r.IntN(len(states))], Lag: float64(r.IntN(1000)),
				Clusters: []snapshot.OutputCluster{{Cluster: "a", Pending: uint64(r.IntN(3))}},
				OutputLately: snapshot.OutputLately{
					ThrottledLately: uint64(r.IntN(2)),
					DroppedLately:   uint64(r.IntN(2)),
				},
			})
		}
		for i := range r.IntN(5) {
			s.Clusters = append(s.Clusters, snapshot.Cluster{
				Name: fmt.Sprint("c", i), LastSeen: noon().Add(-time.Duration(r.IntN(3600)) * time.Second),
			})
		}
		before := fmt.Sprintf("%+v", s)
		v := Of(&s)
		if again := Of(&s); fmt.Sprintf("%+v", again) != fmt.Sprintf("%+v", v) || fmt.Sprintf("%+v", s) != before {
			t.Fatalf("seed %d: a second look finds something else, or the first changed something", seed)
		}
		if (len(v.Findings) == 0) != (v.Severity == client.OK) || v.Text == "" {
			t.Errorf("seed %d: %s %q with %d findings", seed, v.Severity, v.Text, len(v.Findings))
		}
		for i := range v.Findings {
			f := &v.Findings[i]
			if f.Text == "" || f.Subject == "" || f.Row == "" || f.Remedy == "" ||
				(f.Alert == "") != (f.Chapter == "") {
				t.Errorf("seed %d: %+v lacks something", seed, f)
			}
			if i == 0 {
				continue
			}
			if was := &v.Findings[i-1]; rank(was.Severity) > rank(f.Severity) ||
				was.Severity == f.Severity && (meant(was) > meant(f) || meant(was) == meant(f) &&
					was.Waiting < f.Waiting) {
				t.Errorf("seed %d: %+v stands before %+v", seed, was, f)
			}
		}
	}
}

// A finding names those with the most first, and no more than twenty.
func TestWhoseEventsWait(t *testing.T) {
	var of []snapshot.OutputCluster
	var fill []snapshot.Cluster
	for i := range maxWhose + 10 {
		name := fmt.Sprintf("c%02d", i)
		of = append(of, snapshot.OutputCluster{Cluster: name, Pending: uint64(i)})
		fill = append(fill, snapshot.Cluster{Name: name, QueueBytes: int64(i)})
	}
	s := snapshot.Snapshot{
		Time: noon(), Clusters: fill, Queue: snapshot.Queue{Full: true, PendingEvents: 435},
		Outputs: []snapshot.Output{{Name: "o", State: snapshot.StatePaused, Clusters: of}},
	}
	for _, f := range Of(&s).Findings {
		if len(f.Whose) != maxWhose || f.Whose[0] != "c29" || f.Whose[19] != "c10" || f.Waiting != 435 {
			t.Errorf("%s: %d of %q", f.Subject, f.Waiting, f.Whose)
		}
	}
	few := snapshot.Output{Clusters: []snapshot.OutputCluster{
		{Cluster: "b", Pending: 1}, {Cluster: "none"}, {Cluster: "a", Pending: 1},
	}}
	if got := whose(&few); !slices.Equal(got, []string{"b", "a"}) {
		t.Errorf("of those with equally many: %q", got)
	}
	if few.Clusters[1].Cluster != "none" {
		t.Error("the snapshot's own list was changed")
	}
}

// An output's kind is named as people know it, and as what answers says it is.
func TestProducts(t *testing.T) {
	for _, tc := range []struct{ kind, server, want string }{
		{"elasticsearch", "", "Elasticsearch"},
		{"elasticsearch", "Elasticsearch 9.2.1", "Elasticsearch"},
		{"elasticsearch", "OpenSearch 3.0.0 (Amazon)", "OpenSearch"},
		{"elasticsearch", "OpenSearch", "OpenSearch"},
		{"firehose", "x", "Firehose"},
		{"kinesis", "", "Kinesis"},
		{"cloudwatch_logs", "", "CloudWatch Logs"},
		{"s3", "MinIO 1", "S3"},
		{"file", "", "the destination"},
		{"", "", "the destination"},
	} {
		o := snapshot.Output{Type: tc.kind, Destination: snapshot.Destination{Server: tc.server}}
		if got := product(&o); got != tc.want {
			t.Errorf("%s %q: %q, want %q", tc.kind, tc.server, got, tc.want)
		}
	}
}

// The words for figures change their unit where people do.
func TestWordsAtTheirEdges(t *testing.T) {
	for _, tc := range []struct{ got, want string }{
		{Span(0.0994), "99 ms"},
		{Span(0.0995), "0.1 s"},
		{Span(9.94), "9.9 s"},
		{Span(9.95), "10 s"},
		{Span(119.4), "119 s"},
		{Span(119.5), "2 min"},
		{Span(119.4 * 60), "119 min"},
		{Span(119.5 * 60), "2 h"},
		{Span(47.9 * 3600), "47.9 h"},
		{Span(48 * 3600), "2 d"},
		{Number(1000), "1,000"},
		{Number(1_000_000), "1 million"},
		{Number(999_400_000), "999 million"},
		{Number(999_500_000), "1 billion"},
		{Number(999_999_999), "1 billion"},
		{Number(1_000_000_000), "1 billion"},
		{Number(int64(999_499_999_999)), "999 billion"},
		{Number(int64(999_500_000_000)), "1 trillion"},
		{Number(int64(1_000_000_000_000)), "1 trillion"},
		{Number(int64(-1 << 63)), "0"},
		{Rate(0.04), "0"},
		{Rate(9.4), "9.4"},
		{Rate(9.5), "10"},
		{Rate(-3), "0"},
		{Size(1023), "0.999 KiB"},
		{Size(-5), "-5 B"},
		{Size(999 << 10), "999 KiB"},
		{counted(0, "event"), "0 events"},
		{counted(uint64(2000), "file"), "2,000 files"},
		{wait(0), "0 events wait"},
		{wait(2_000_000), "2 million events wait"},
		{some([]string{"a", "b"}), "a and b"},
		{some([]string{"a", "b", "c", "d", "e", "f"}), "a, b, c and 3 others"},
		{ago(noon(), noon().Add(-time.Hour)), "0 ms"},
	} {
		if tc.got != tc.want {
			t.Errorf("%q, want %q", tc.got, tc.want)
		}
	}
}
