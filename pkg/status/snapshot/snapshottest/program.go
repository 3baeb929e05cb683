// Package snapshottest makes up snapshots: one that has a little of everything, and those of days as they come.
package snapshottest

import (
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/metric"
	"github.com/seed-afc6a195/aggregator/pkg/status/snapshot"
)

// latency is that of n requests which took seconds each.
func latency(seconds float64, n int) snapshot.Latency {
	var h metric.Histogram
	h.Observe(time.Duration(seconds*float64(time.Second)), n)
	return snapshot.Latency{Snapshot: h.Snapshot()}
}

// Program is one that received n events from seoul and delivered half of them.
func Program(started time.Time, n uint64) snapshot.Snapshot {
	s := snapshot.Snapshot{
		Version: "1.2.3", Commit: "abc", Hostname: "aggregator-0", Started: started,
		Config: snapshot.ConfigState{
			Routes: []snapshot.Route{
				{Name: "routes[0]", Match: []string{"kube.**"}}, {Name: "routes[1]", Match: []string{"**"}},
			},
			Source: "aggregator.yaml", Hash: "f00", LoadedAt: started, Warnings: []string{"outputs.es: nobody uses it"},
		},
		Probes: snapshot.Probes{Loops: []snapshot.Loop{
			{Name: "committer", Doing: "disk", What: "a commit to data", Seconds: 12},
			{Name: "cleaner", Doing: "resting"},
		}},
		Listeners: []snapshot.Listener{{
			Name: "public", Address: "0.0.0.0:24224", Connections: 3, ConnectionsTotal: 9, ProbesTotal: 4,
			Refused: snapshot.Counts{"idle": 1, "limit": 0}, Messages: snapshot.Counts{"forward": 2, "packed": 5},
			AcksTotal:  7,
			NoAckTotal: 4,
			NoAckPeers: []snapshot.NoAck{{Peer: "10.0.0.7", Cluster: "seoul", Messages: 4, LastSeen: started}},
			AckLatency: latency(0.004, 7),
			LastError:  snapshot.Failure{Text: "broken frame from 10.0.0.1", Time: started.Add(time.Second)},
		}},
		Clusters: []snapshot.Cluster{
			{
				Name: "seoul", ReceivedEvents: n, ReceivedBytes: 300 * n, Messages: n / 10, StoredEvents: n,
				Dropped: snapshot.Counts{"metrics": 0}, LastSeen: started,
			},
			{
				Name: "osaka", ReceivedEvents: 100, StoredEvents: 60, DuplicateEvents: 20,
				Dropped: snapshot.Counts{"metrics": 7, "traces": 3}, Dead: snapshot.Counts{"invalid_entry": 10},
			},
			{Name: "tokyo"},
		},
		Certificates: []snapshot.Certificate{
			{
				Owner: "listener public", CertFile: "tls.crt", DaysLeft: 30, LoadedAt: started, Reloads: 2,
				Failing: snapshot.Failure{Text: "half of a key", Time: started},
			},
		},
		Memory: snapshot.Memory{
			LimitBytes: 225 << 20, Source: "control group", NeedBytes: 240 << 20, GroupBytes: 250 << 20,
		},
		Queue: snapshot.Queue{
			Segments: 2, SetAsideSegments: 1, DamagedEvents: 15, DiskBytes: 1 << 20, MaxBytes: 1 << 30,
			FreeDiskBytes: 1 << 31, MinFreeDiskBytes: 1 << 29, Full: true, FullReason: "max_size",
			PendingChunks: 4, PendingEvents: 5, PendingBytes: 6, OldestAge: 7.5, AppendedChunks: 8, AppendedEvents: 9,
			AppendedBytes:   10,
			RecoveredEvents: 11, QueueCommits: snapshot.QueueCommits{
				Commits: 12, CommitLatency: latency(0.002, 12),
				CommitWait: latency(0.003, 12), CommitCauses: map[string]uint64{"limit": 12, "full": 0},
			},
			QueueMemory: snapshot.QueueMemory{MemoryBytes: 13, MemoryMaxBytes: 14, EvictedConnections: 15},
		},
		Outputs: []snapshot.Output{
			failingOutput(started, n),
			{
				Name: "archive", Type: "file", State: snapshot.StateIdle,
				OutputWorkers: snapshot.OutputWorkers{Workers: 1},
			},
		},
		DeadLetters: snapshot.DeadLetters{
			Count: 12, Events: 13, Bytes: 14, EvictedEvents: 15, RetriedEvents: 16, PurgedEvents: 17,
			By: []snapshot.DeadLetterCount{
				{Output: "es", Cluster: "seoul", Reason: "rejected", Events: 3},
				{Cluster: "seoul", Reason: "invalid_entry", Events: 10},
			},
		},
	}
	s.Group = groupOf(&s, started, n)
	return s
}

// failingOutput is an output with some of everything that an output may show.
func failingOutput(started time.Time, n uint64) snapshot.Output {
	return snapshot.Output{
		Name: "es", Type: "elasticsearch", State: snapshot.StateRetrying, Since: started.Add(time.Minute),
		OutputWorkers: snapshot.OutputWorkers{Workers: 2, Concurrency: 1, InFlight: 1},
		HeldClusters:  []string{"osaka"},
		Clusters: []snapshot.OutputCluster{
			{Cluster: "seoul", Queued: n, Delivered: n / 2, Pending: n - n/2},
			{
				Cluster: "osaka", Queued: 57, Returned: 3, Recovered: 6, Delivered: 50,
				Dropped: snapshot.Counts{"rejected": 0, "full": 1}, Dead: snapshot.Counts{"rejected": 2},
				Pending: 12,
			},
		},
		DeliveredBytes: 150 * n, Retries: snapshot.Counts{"throttled": 3}, Lag: 1.5,
		OutputRequests: snapshot.OutputRequests{
			Requests: 20, FailedRequests: 2,
			RequestLatency: latency(0.3, 20), DeliveryLatency: latency(2, 1500),
		},

		LastError: snapshot.Failure{
			Text: "429 \x1b[31mslow\u009b down", Time: started, Ended: started.Add(3 * time.Second),
		}, FailingSince: started.Add(time.Second), OutputTimes: snapshot.OutputTimes{
			LastSuccess:  started,
			BackoffUntil: started.Add(time.Minute),
		},
		Destination: snapshot.Destination{
			Server: "Elasticsearch 8.14.3", Notices: []string{"the template <logs> is someone else's"},
			RequestLimit: 1 << 20,
			Hosts: []snapshot.Host{
				{Address: "https://es-0:9200"},
				{Address: "https://es-1:9200", Down: true, Error: "connection refused"},
			},
			PossibleDuplicates: 5, FailureStore: 6, AlreadyThere: 9, AlreadyThereExample: &snapshot.Example{
				Cluster: "seoul", Detail: "[r-1]: version conflict",
			}, Redirected: 7, Truncated: 8,
			Paces: []snapshot.Pace{
				{Stream: "logs", BytesPerSecond: 1 << 20, RecordsPerSecond: 1000, Throttled: 9},
				{Stream: "new"},
			},
		},
		Steps: []snapshot.Step{
			{
				Route: "routes[0]", Filter: "nginx", Index: 1, Kind: "grep", In: 100, Out: 60, Dropped: 40,
				Errors: 2, Seconds: 0.25,
			},
		},
		OutputWaiting: snapshot.OutputWaiting{
			Targets: []snapshot.Target{{
				Target: "logs-a", Delivered: 40, Bytes: 4000, Refused: snapshot.Counts{"target": 7},
				Status: 403, Kind: "cluster_block_exception",
			}},
			WaitingTargets: []snapshot.WaitingTarget{{
				Target: "logs-a", Since: started, Events: 7, Bytes: 700, Oldest: 60, Status: 403,
				Kind: "cluster_block_exception", Remedy: "lift the block", Clusters: []string{"osaka"},
			}},
		},
	}
}
