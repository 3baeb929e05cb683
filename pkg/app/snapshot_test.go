package app

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/heartbeat"
	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
	"github.com/seed-afc6a195/aggregator/pkg/delivery"
	"github.com/seed-afc6a195/aggregator/pkg/delivery/stats"
	"github.com/seed-afc6a195/aggregator/pkg/forward"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/status"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// TestQueueState sums up what waits, and says what the queue holds and why it takes no more.
func TestQueueState(t *testing.T) {
	one := buffer.Wait{
		Output: "es", Cluster: "a", Oldest: noon.Add(-time.Minute),
		Pending:  buffer.Count{Chunks: 1, Events: 2, Bytes: 3},
		Appended: buffer.Count{Chunks: 4, Events: 5, Bytes: 6}, Found: buffer.Count{Events: 7},
	}
	two := one
	two.Cluster, two.Oldest = "b", noon.Add(-time.Hour)
	got := queueState(buffer.Stats{
		Bytes: 10, MaxBytes: 20, Full: "max_size", LostEvents: 30, Commits: 40, Waits: []buffer.Wait{one, two},
		Disk: &buffer.DiskStats{Segments: 50, SetAside: 60, Free: 70, MinFree: 80},
	}, noon)
	if got.DiskBytes != 10 || got.MaxBytes != 20 || !got.Full || got.FullReason != "max_size" ||
		got.DamagedEvents != 30 || got.Commits != 40 {
		t.Errorf("%+v", got)
	}
	if got.Segments != 50 || got.SetAsideSegments != 60 || got.FreeDiskBytes != 70 || got.MinFreeDiskBytes != 80 {
		t.Errorf("the disk: %+v", got)
	}
	if got.PendingChunks != 2 || got.PendingEvents != 4 || got.PendingBytes != 6 || got.AppendedChunks != 8 ||
		got.AppendedEvents != 10 ||
		got.AppendedBytes != 12 || got.RecoveredEvents != 14 || got.OldestAge != 3600 {
		t.Errorf("in sum: %+v", got)
	}
	if empty := queueState(buffer.Stats{}, noon); empty.Full || empty.OldestAge != 0 || empty.Segments != 0 {
		t.Errorf("an empty queue of another engine: %+v", empty)
	}
}

// TestListenerState has who is there, who was turned away and who wants no acks, with addresses as texts.
func TestListenerState(t *testing.T) {
	host := netip.MustParseAddr("192.0.2.1")
	seen := noon.In(time.FixedZone("KST", 9*3600))
	got := listenerState(forward.Stats{
		Name: "public", Address: "127.0.0.1:24224", Open: 1, Connections: 2, TLS: 3, Proxied: 4, Probes: 5, Acks: 6,
		NoAck:   7,
		Refused: map[string]uint64{"lost": 8}, Messages: map[string]uint64{"packed": 9}, LastError: "broken",
		LastErrorAt: noon, LastErrorOver: noon.Add(1),
		Agents: []forward.Agent{
			{
				Host: host, Hostname: "node", Cluster: "a", Open: 1, Messages: 2, NoAck: 3, AsksAcks: true,
				LastSeen: seen,
			},
		},
		RefusedPeers: []forward.RefusedPeer{
			{Hostname: "stranger", Reason: "login", Text: "no key", Times: 4, LastSeen: seen},
		},
		NoAckPeers: []forward.NoAckPeer{{Host: host, Cluster: "a", Messages: 5, LastSeen: seen}},
	})
	want := status.Listener{
		Name: "public", Address: "127.0.0.1:24224", Connections: 1, ConnectionsTotal: 2, TLSTotal: 3, ProxiedTotal: 4,
		ProbesTotal: 5, AcksTotal: 6,
		NoAckTotal: 7, Refused: status.Counts{"lost": 8}, Messages: status.Counts{"packed": 9},
		LastError: status.Failure{Text: "broken", Time: noon, Ended: noon.Add(1)},
		Agents: []status.Agent{
			{
				Peer: "192.0.2.1", Hostname: "node", Cluster: "a", Connections: 1, Messages: 2, NoAck: 3,
				AsksAcks: true, LastSeen: noon,
			},
		},
		RefusedPeers: []status.RefusedPeer{
			{Hostname: "stranger", Reason: "login", Text: "no key", Times: 4, LastSeen: noon},
		},
		NoAckPeers: []status.NoAck{{Peer: "192.0.2.1", Cluster: "a", Messages: 5, LastSeen: noon}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v, want\n%+v", got, want)
	}
}

// TestOutputState says in a word what an output is doing.
func TestOutputState(t *testing.T) {
	for _, tc := range []struct {
		name    string
		st      stats.Stats
		pending uint64
		want    status.State
	}{
		{"nothing waits", stats.Stats{}, 0, status.StateIdle},
		{"something waits", stats.Stats{}, 1, status.StateRunning},
		{
			"it fails",
			stats.Stats{Health: stats.Health{Failing: string(outputs.ReasonNetwork)}},
			1,
			status.StateRetrying,
		},
		{
			"its login is refused",
			stats.Stats{Health: stats.Health{Failing: string(outputs.ReasonAuth)}},
			1,
			status.StateRefused,
		},
		{
			"it is paused, whatever else",
			stats.Stats{PausedSince: noon, Health: stats.Health{Failing: string(outputs.ReasonAuth)}},
			0,
			status.StatePaused,
		},
	} {
		s := &status.Output{Clusters: []status.OutputCluster{{Pending: tc.pending}}}
		if got := outputState(s, tc.st); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
}

// TestOutputClusters joins what waits with what was done, and adds up.
func TestOutputClusters(t *testing.T) {
	waits := []buffer.Wait{
		{
			Cluster: "b", Oldest: noon.Add(-time.Minute), Appended: buffer.Count{Events: 10},
			Returned: buffer.Count{Events: 3}, Found: buffer.Count{Events: 2},
			Pending: buffer.Count{Chunks: 1, Events: 4, Bytes: 5}, Purged: buffer.Count{Events: 1},
			Dropped: buffer.Count{Events: 2}, Lost: buffer.Count{Events: 1},
		},
	}
	done := []stats.Cluster{
		{Cluster: "a", Delivered: 9, Dropped: map[string]uint64{"filter": 1}},
		{Cluster: "b", Delivered: 3, Dead: map[string]uint64{"rejected": 1}},
	}
	all, lag := outputClusters(waits, done, noon)
	if lag != 60 || len(all) != 2 || all[0].Cluster != "a" || all[1].Cluster != "b" {
		t.Fatalf("lag %v: %+v", lag, all)
	}
	if a := all[0]; a.Delivered != 9 || a.Dropped["filter"] != 1 || a.Pending != 0 || a.OldestAge != 0 {
		t.Errorf("%+v", a)
	}
	b := all[1]
	if b.Queued != 7 || b.Returned != 3 || b.Recovered != 2 || b.Pending != 4 || b.PendingChunks != 1 ||
		b.PendingBytes != 5 || b.Purged != 1 ||
		b.Dropped["drop_oldest"] != 2 || b.Dropped[delivery.ReasonDamaged] != 1 || b.Dead["rejected"] != 1 {
		t.Errorf("%+v", b)
	}
	if b.Queued+b.Returned+b.Recovered != b.Delivered+b.Dropped.Sum()+b.Purged+b.Dead.Sum()+b.Pending {
		t.Errorf("it does not add up: %+v", b)
	}
}

// TestDestination hands on what a destination reports, without its own words where anybody reads.
func TestDestination(t *testing.T) {
	got := destination(outputs.Report{
		Server: "Elasticsearch 9", RequestLimit: 1, PossibleDuplicates: 2, FailureStore: 3, AlreadyThere: 4,
		Redirected: 5, Truncated: 6,
		AlreadyThereExample: &outputs.Example{Cluster: "a", Detail: "seen"}, Notices: []string{"a notice"},
		Hosts: []outputs.Host{{Address: "https://es-0:9200", Down: true, Error: "connection refused"}},
		Paces: []outputs.Pace{{Stream: "logs", Throttled: 7}},
	})
	if got.Server != "Elasticsearch 9" || got.RequestLimit != 1 || got.PossibleDuplicates != 2 ||
		got.FailureStore != 3 || got.AlreadyThere != 4 ||
		got.Redirected != 5 || got.Truncated != 6 || got.AlreadyThereExample == nil ||
		got.AlreadyThereExample.Detail != "seen" ||
		len(got.Notices) != 1 || len(got.Hosts) != 1 || !got.Hosts[0].Down || len(got.Paces) != 1 ||
		got.Paces[0].Throttled != 7 {
		t.Errorf("%+v", got)
	}
	if empty := destination(outputs.Report{}); empty.AlreadyThereExample != nil || empty.Hosts != nil {
		t.Errorf("of one that reports nothing: %+v", empty)
	}
}

// TestDeadLetterCounts has each reason, sorted.
func TestDeadLetterCounts(t *testing.T) {
	got := deadLetters(deadletter.Stats{
		Letters: 1, Bytes: 2, Evicted: 3, Retried: 4, Purged: 5, Lost: 6, SetAside: 7, Newest: noon,
		Events: map[deadletter.Key]int64{
			{Output: "es", Cluster: "b", Reason: "rejected"}: 10, {Output: "es", Cluster: "a", Reason: "too_large"}: 20,
			{Cluster: "a", Reason: "unrouted"}: 30,
		},
	})
	if got.Count != 1 || got.Events != 60 || got.Bytes != 2 || got.EvictedEvents != 3 || got.RetriedEvents != 4 ||
		got.PurgedEvents != 5 ||
		got.DamagedEvents != 6 || got.SetAsideFiles != 7 || !got.Newest.Equal(noon) {
		t.Errorf("%+v", got)
	}
	want := []status.DeadLetterCount{
		{Output: "", Cluster: "a", Reason: "unrouted", Events: 30}, {
			Output: "es", Cluster: "a", Reason: "too_large", Events: 20,
		}, {Output: "es", Cluster: "b", Reason: "rejected", Events: 10},
	}
	if len(got.By) != len(want) {
		t.Fatalf("%+v", got.By)
	}
	for i := range want {
		if b := got.By[i]; b.Output != want[i].Output || b.Cluster != want[i].Cluster || b.Reason != want[i].Reason ||
			b.Events != want[i].Events {
			t.Errorf("%d: %+v, want %+v", i, b, want[i])
		}
	}
}

// TestLoopStates says what each loop is at, and for how long; a write to a disk that is under way is a loop of its own.
func TestLoopStates(t *testing.T) {
	write := writeBeat("archive", "/data", stats.Stats{Oldest: noon.Add(-12 * time.Second)})
	got := loopStates([]heartbeat.Beat{{Loop: "committer"}, write, writeBeat("idle", "/data", stats.Stats{})}, noon)
	if len(got) != 3 || got[0].Name != "committer" || got[0].Doing != "resting" || got[0].Seconds != 0 {
		t.Fatalf("%+v", got)
	}
	if w := got[1]; w.Name != "output archive: write" || w.Doing != "disk" || w.Seconds != 12 ||
		!strings.Contains(w.What, "output archive to /data") {
		t.Errorf("%+v", w)
	}
	if got[2].Doing != "resting" {
		t.Errorf("%+v", got[2])
	}
}
