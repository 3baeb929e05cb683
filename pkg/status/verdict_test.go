package status

import (
	"strings"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/status/client"
)

func TestVerdict(t *testing.T) {
	since := time.Unix(1_800_000_000, 0)
	waits := []OutputCluster{{Cluster: "a", Pending: 5}, {Cluster: "b", Pending: 2}}
	failure := Failure{Text: "connection refused", Time: since}
	letters := []DeadLetterCount{{Output: "es", Reason: "rejected", Events: 7}, {Reason: "unrouted", Events: 2}}
	for _, tc := range []struct {
		name string
		s    Snapshot
		want []string // "severity subject: a part of the text", the worst first
	}{
		{"well", Snapshot{Outputs: []Output{{Name: "es", State: StateRunning, Lag: 3, Clusters: waits}, {Name: "f", State: StateIdle}}}, nil},
		{"refused and paused", Snapshot{Outputs: []Output{
			{Name: "p", State: StatePaused, Clusters: waits}, {Name: "es", State: StateRefused, Clusters: waits, LastError: failure, FailingSince: since},
		}}, []string{"critical output es: refuses its login or privileges; 7 events wait: connection refused", "warning output p: it is paused; 7 events wait"}},
		{"retrying", Snapshot{Outputs: []Output{{Name: "es", State: StateRetrying, Lag: 61, Clusters: waits, LastError: failure}}}, []string{"critical output es: the oldest for 1m1s: connection refused"}},
		{"lagging", Snapshot{Outputs: []Output{{Name: "es", State: StateRunning, Lag: 3600}}}, []string{"warning output es: it lags"}},
		{"left over", Snapshot{Outputs: []Output{{Name: "old", State: StateUnconfigured, Clusters: waits}}}, []string{"warning output old: not configured any more, and 7 events wait"}},
		{"full", Snapshot{NotReady: []string{"nothing can be stored: full"}, Queue: Queue{Full: true, FullReason: "16 GiB are used", DiskBytes: 9, MaxBytes: 9}}, []string{"critical queue: 16 GiB are used"}},
		{"nearly full", Snapshot{Queue: Queue{DiskBytes: 85, MaxBytes: 100}}, []string{"warning queue: 85 % of buffer.max_size"}},
		{"unhealthy and not ready", Snapshot{Unhealthy: []string{"a loop stands still"}, NotReady: []string{"starting or stopping"}}, []string{"critical server: a loop stands still", "critical server: starting or stopping"}},
		{"stale", Snapshot{Stale: 61}, []string{"critical server: what is shown here is 1m1s old"}},
		{"a cluster at its limit", Snapshot{Clusters: []Cluster{{Name: "a", Waiting: "max_queue_size"}, {Name: "b"}}}, []string{"warning cluster a: max_queue_size"}},
		{"certificates", Snapshot{Certificates: []Certificate{
			{Owner: "listener x", CertFile: "x.pem", DaysLeft: 3},
			{Owner: "status", CertFile: "y.pem", DaysLeft: -1},
			{Owner: "output z", CAFile: "ca.pem"},
			{Owner: "listener w", CertFile: "w.pem", DaysLeft: 80, Failing: Failure{Text: "half of a key"}},
		}}, []string{"critical status: y.pem has expired", "warning listener x: x.pem expires in 3.0 days", "warning listener w: half of a key"}},
		{"settings that need a restart", Snapshot{Config: ConfigState{Restart: []string{"buffer", "status"}}}, []string{"warning configuration: of buffer, status is not in force"}},
		{
			"no acks",
			Snapshot{Time: since, Listeners: []Listener{{Name: "l", NoAckPeers: []NoAck{{Peer: "10.0.0.7", Cluster: "a", LastSeen: since}}}}},
			[]string{"warning listener l: 10.0.0.7 of a last"},
		},
		{"no acks, long ago", Snapshot{Time: since, Listeners: []Listener{{Name: "l", NoAckPeers: []NoAck{{LastSeen: since.Add(-time.Hour)}}}}}, nil},
		{"stalled", Snapshot{Outputs: []Output{{Name: "f", State: StateStalled, Lag: 61, Clusters: waits, LastError: failure}}}, []string{"critical output f: its disk does not answer; 7 events wait"}},
		{
			"dead letters",
			Snapshot{Time: since, DeadLetters: DeadLetters{Events: 9, Newest: since.Add(-59 * time.Minute), By: letters}},
			[]string{"warning dead letters: 9 events were refused for good and are kept: rejected by output es (7), and others"},
		},
		{
			"dead letters, of the reception",
			Snapshot{Time: since, DeadLetters: DeadLetters{Events: 2, Newest: since, By: letters[1:]}},
			[]string{"warning dead letters: 2 events were refused for good and are kept: unrouted"},
		},
		{"dead letters of yesterday", Snapshot{Time: since, DeadLetters: DeadLetters{Events: 9, Newest: since.Add(-time.Hour), By: letters}}, nil},
		{"configuration", Snapshot{Config: ConfigState{Failing: Failure{Text: "line 3", Time: since}}}, []string{"warning configuration: line 3"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			v := tc.s.judge()
			if len(v.Findings) != len(tc.want) {
				t.Fatalf("found %+v", v.Findings)
			}
			for i, want := range tc.want {
				f := v.Findings[i]
				head, text, _ := strings.Cut(want, ": ")
				if string(f.Severity)+" "+f.Subject != head || !strings.Contains(f.Text, text) || f.Remedy == "" && f.Subject != "server" {
					t.Errorf("finding %d is %+v, want %s", i, f, want)
				}
			}
			switch {
			case len(tc.want) == 0 && (v.Severity != client.OK || !strings.HasPrefix(v.Text, "All is well")):
				t.Errorf("all is well, but: %+v", v)
			case len(tc.want) > 0 && (v.Severity != v.Findings[0].Severity || !strings.HasPrefix(v.Text, v.Findings[0].Subject+": ") || strings.Contains(v.Text, " more.") != (len(tc.want) > 1)):
				t.Errorf("the sentence is %+v", v)
			}
		})
	}
}

// TestPendingOf adds up what waits and foresees when it is gone: a backlog that grows never is.
func TestPendingOf(t *testing.T) {
	s := Snapshot{Queue: Queue{FullReason: "full"}, Outputs: []Output{
		{Name: "es", State: StateRunning, Clusters: []OutputCluster{
			{Cluster: "a", Pending: 100, PendingChunks: 2, PendingBytes: 50, OldestAge: 9, DeliveredPerSecond: 30, QueuedPerSecond: 10},
			{Cluster: "b", Pending: 60, PendingChunks: 1, PendingBytes: 7, OldestAge: 3, DeliveredPerSecond: 10, QueuedPerSecond: 20},
			{Cluster: "c"},
		}},
		{Name: "f", State: StateIdle},
	}}
	q := s.pendingOf()
	if q.Events != 160 || q.Chunks != 3 || q.Bytes != 57 || q.Oldest != 9 || q.Full != "full" || len(q.Outputs) != 2 || q.Outputs[1].State != "idle" {
		t.Errorf("%+v", q)
	}
	es := q.Outputs[0]
	for i, want := range []float64{5, -1, 0} {
		switch done := es.Clusters[i].Done; {
		case want < 0 && done != nil, want >= 0 && (done == nil || *done != want):
			t.Errorf("cluster %d is done in %v, want %v", i, done, want)
		}
	}
	if es.Done == nil || *es.Done != 16 || es.Events != 160 || es.Delivered != 40 || es.Queued != 30 {
		t.Errorf("all clusters: %+v", es.Pending)
	}
}
