package snapshot_test

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/status/snapshot"
)

// TestPending adds up what waits and foresees when it is gone: a backlog that grows never is.
func TestPending(t *testing.T) {
	s := snapshot.Snapshot{Queue: snapshot.Queue{FullReason: "full"}, Outputs: []snapshot.Output{
		{Name: "es", State: snapshot.StateRunning, Clusters: []snapshot.OutputCluster{
			{
				Cluster: "a", Pending: 100, PendingChunks: 2, PendingBytes: 50, OldestAge: 9, DeliveredPerSecond: 30,
				QueuedPerSecond: 10, SettledPerSecond: 30,
			},
			{
				Cluster: "b", Pending: 60, PendingChunks: 1, PendingBytes: 7, OldestAge: 3, DeliveredPerSecond: 10,
				QueuedPerSecond: 20, SettledPerSecond: 10,
			},
			{Cluster: "c"},
		}},
		{Name: "f", State: snapshot.StateIdle},
	}}
	q := s.Pending()
	if q.Events != 160 || q.Chunks != 3 || q.Bytes != 57 || q.Oldest != 9 || q.Full != "full" || len(q.Outputs) != 2 ||
		q.Outputs[1].State != "idle" {
		t.Errorf("%+v", q)
	}
	if q.Pods != 0 {
		t.Errorf("%d pods share a queue that is its own", q.Pods)
	}
	s.Group = &snapshot.Group{Pods: []snapshot.Pod{
		{State: snapshot.PodReady},
		{State: snapshot.PodNotReady},
		{State: snapshot.PodGone},
		{State: snapshot.PodEnded},
	}}
	if n := s.Pending().Pods; n != 2 {
		t.Errorf("%d pods share the queue", n)
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
