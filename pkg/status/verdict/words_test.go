package verdict

import (
	"math"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/status/snapshot"
)

// TestWell has what is said while nothing is wrong.
func TestWell(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	for name, tc := range map[string]struct {
		s    snapshot.Snapshot
		want string
	}{
		"events flow": {
			snapshot.Snapshot{
				Time: now, DeliveredWithin: 1.2,
				Clusters: []snapshot.Cluster{{EventsPerSecond: 12_000}, {EventsPerSecond: 400}, {LastSeen: now}},
			},
			"All is well: 12,400 events/s from 2 clusters, delivered within 1.2 s.",
		},
		"nothing yet": {snapshot.Snapshot{Time: now}, "All is well: nothing was sent here yet, 0 events wait."},
		"nothing now": {
			snapshot.Snapshot{
				Time: now, Clusters: []snapshot.Cluster{{LastSeen: now.Add(-3 * time.Minute)}},
				Queue: snapshot.Queue{PendingEvents: 1},
			}, "All is well: nothing is sent here now, the last event came 3 min ago, 1 event waits.",
		},
		"older letters": {
			snapshot.Snapshot{Time: now, DeadLetters: snapshot.DeadLetters{Events: 9}},
			"All is well: nothing was sent here yet, 0 events wait. Older dead letters: 9 events.",
		},
	} {
		if got := Of(&tc.s).Text; got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}

func TestStateText(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	waits := []snapshot.OutputCluster{{Cluster: "a", Pending: 12_400, QueuedPerSecond: 10}}
	for want, o := range map[string]snapshot.Output{
		"throttled by Elasticsearch, 3 of 8 workers, 41 s behind, catching up in about 2 min": {
			Type: "elasticsearch", State: snapshot.StateRunning, OutputWorkers: snapshot.OutputWorkers{
				Workers: 8, Concurrency: 3,
			}, OutputLately: snapshot.OutputLately{ThrottledLately: 1},
			Lag: 41, OutputOutlook: snapshot.OutputOutlook{DoneIn: new(120.0)},
		},
		"throttled by OpenSearch, 1 of 2 workers": {
			Type: "elasticsearch", State: snapshot.StateRunning, OutputWorkers: snapshot.OutputWorkers{
				Workers: 2, Concurrency: 1,
			}, OutputLately: snapshot.OutputLately{ThrottledLately: 1},
			Destination: snapshot.Destination{Server: "OpenSearch 2.19"},
		},
		"throttled by Firehose, at most 3.1 records/s, 61 s behind, falling behind": {
			Type: "firehose", State: snapshot.StateRunning, Lag: 61, Clusters: waits,
			OutputWorkers: snapshot.OutputWorkers{Workers: 8, Concurrency: 8},
			OutputLately:  snapshot.OutputLately{ThrottledLately: 1}, Destination: snapshot.Destination{
				Paces: []snapshot.Pace{{RecordsPerSecond: 3.1, Throttled: 1}},
			},
		},
		"delivering": {
			State: snapshot.StateRunning, OutputWorkers: snapshot.OutputWorkers{Workers: 2, Concurrency: 2}, Lag: 1,
			Clusters: waits,
		},
		"delivering, 61 s behind, falling behind": {State: snapshot.StateRunning, Lag: 61, Clusters: waits},
		"nothing waits": {State: snapshot.StateIdle},
		"nothing gets through for 12 min, next try in 20 s": {
			State: snapshot.StateRetrying, FailingSince: now.Add(-12 * time.Minute),
			OutputTimes: snapshot.OutputTimes{BackoffUntil: now.Add(20 * time.Second)},
		},
		"throttled by Firehose, so that nothing gets through for 12 min": {
			Type: "firehose", State: snapshot.StateRetrying, FailingSince: now.Add(-12 * time.Minute),
			OutputTimes: snapshot.OutputTimes{FailingReason: "throttled"},
		},
		"login or privileges refused for 3 h": {
			State: snapshot.StateRefused, FailingSince: now.Add(-3 * time.Hour),
			OutputTimes: snapshot.OutputTimes{BackoffUntil: now.Add(-time.Second)},
		},
		"paused by somebody for 3 h, 12,400 events wait": {
			State: snapshot.StatePaused, Clusters: waits, FailingSince: now.Add(-3 * time.Hour),
		},
		"not configured any more, 12,400 events wait":  {State: snapshot.StateUnconfigured, Clusters: waits},
		"not configured any more, nothing waits":       {State: snapshot.StateRemoved},
		"its disk does not answer, 12,400 events wait": {State: snapshot.StateStalled, Clusters: waits},
		"delivering, 1,000 wait aside for 3 targets": {
			State: snapshot.StateRunning, OutputWaiting: snapshot.OutputWaiting{
				WaitingTargetsMore: 1, WaitingTargets: []snapshot.WaitingTarget{{Events: 900}, {Events: 100}},
			},
		},
	} {
		if got := StateText(&o, now); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// An output that keeps up delivers, also in the moments in which nothing waits.
func TestKeepingUp(t *testing.T) {
	o := snapshot.Output{State: snapshot.StateIdle, EventsPerSecond: 200}
	if got := StateText(&o, time.Now()); got != "delivering" {
		t.Errorf("it delivers 200 events/s: %q", got)
	}
}

// What has gone on since a moment says so; that of which only the last time is known does not.
func TestSince(t *testing.T) {
	began, now := time.Unix(1000, 0), time.Unix(2000, 0)
	v := Of(&snapshot.Snapshot{
		Time: now,
		Outputs: []snapshot.Output{
			{Name: "p", State: snapshot.StatePaused, FailingSince: began},
			{Name: "es", State: snapshot.StateRunning, Destination: snapshot.Destination{Hosts: []snapshot.Host{
				{Address: "a", Down: true, Since: began}, {Address: "b"},
			}}},
		},
		Listeners:   []snapshot.Listener{{Name: "in", NoAckPeers: []snapshot.NoAck{{Cluster: "seoul", LastSeen: now}}}},
		DeadLetters: snapshot.DeadLetters{Events: 1, Newest: now},
	})
	since := map[string]int64{"output p": 1000, "output es": 1000}
	for _, f := range v.Findings {
		if want, known := since[f.Subject]; known != !f.Since.IsZero() || known && f.Since.Unix() != want {
			t.Errorf("%s: %s: since %v", f.Subject, f.Text, f.Since)
		}
	}
	if len(v.Findings) != 4 {
		t.Errorf("found %+v", v.Findings)
	}
}

func TestWords(t *testing.T) {
	for _, tc := range []struct{ got, want string }{
		{Span(0), "0 ms"},
		{Span(0.0412), "41 ms"},
		{Span(1.23), "1.2 s"},
		{Span(3), "3 s"},
		{Span(41.4), "41 s"},
		{Span(600), "10 min"},
		{Span(9000), "2.5 h"},
		{Span(86400 * 9), "9 d"},
		{Span(-1), "0 ms"},
		{Number(7), "7"},
		{Number(999), "999"},
		{Number(12_400), "12,400"},
		{Number(999_999), "999,999"},
		{Number(1_240_000), "1.24 million"},
		{Number(7_000_000_000), "7 billion"},
		{Number(uint64(math.MaxUint64)), "18446744 trillion"},
		{Number(-1), "0"},
		{Rate(0), "0"},
		{Rate(0.42), "0.4"},
		{Rate(12_399.6), "12,400"},
		{Size(0), "0 B"},
		{Size(999), "999 B"},
		{Size(1010), "0.986 KiB"},
		{Size(1 << 20), "1 MiB"},
		{Size(1_500_000_000), "1.4 GiB"},
		{Size(math.MaxInt64), "8 EiB"},
		{some([]string{"a"}), "a"},
		{some([]string{"a", "b", "c", "d"}), "a, b, c and d"},
		{some([]string{"a", "b", "c", "d", "e"}), "a, b, c and 2 others"},
		{some(nil), ""},
		{counted(1, "event"), "1 event"},
		{wait(1), "1 event waits"},
	} {
		if tc.got != tc.want {
			t.Errorf("%q, want %q", tc.got, tc.want)
		}
	}
}
