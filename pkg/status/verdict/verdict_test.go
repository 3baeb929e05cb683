package verdict

import (
	"os"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/seed-afc6a195/aggregator/pkg/status/client"
	"github.com/seed-afc6a195/aggregator/pkg/status/snapshot"
)

// alerts returns the severity of each alert that is deployed.
func alerts(t *testing.T) map[string]client.Severity {
	t.Helper()
	text, err := os.ReadFile("../../../deployments/helm/aggregator/files/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Rules []struct {
				Alert  string
				Labels struct{ Severity client.Severity }
			}
		}
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	all := map[string]client.Severity{}
	for _, group := range file.Groups {
		for _, rule := range group.Rules {
			all[rule.Alert] = rule.Labels.Severity
		}
	}
	return all
}

// agree holds that what is found names an alert that there is, that the page is not milder than it, that there is a
// chapter on what to do, and that no alert but that of a server which does not answer is without its finding.
func agree(t *testing.T, findings []client.Finding) {
	t.Helper()
	chapters, err := os.ReadFile("../../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	all, found := alerts(t), map[string]bool{"AggregatorDown": true}
	for i := range findings {
		f := &findings[i]
		if f.Row == "" {
			t.Errorf("%q says not where it is shown", f.Text)
		}
		if f.Alert == "" {
			continue
		}
		severity, known := all[f.Alert]
		if !known {
			t.Errorf("there is no alert %s", f.Alert)
		}
		if !found[f.Alert] && !strings.Contains(string(chapters), "\n### "+f.Alert+"\n") {
			t.Errorf("%s has no chapter", f.Alert)
		}
		idle := f.Alert == alertStopped && f.Waiting == 0 // the alert can't know that nothing waits
		if rank(f.Severity) > rank(severity) && !idle {
			t.Errorf("%q is %s, and the alert %s %s", f.Text, f.Severity, f.Alert, severity)
		}
		found[f.Alert] = true
	}
	for alert := range all {
		if !found[alert] {
			t.Errorf("%s is about nothing that is found", alert)
		}
	}
}

func TestVerdict(t *testing.T) {
	var all []client.Finding
	since := time.Unix(1_800_000_000, 0)
	waits := []snapshot.OutputCluster{{Cluster: "a", Pending: 5}, {Cluster: "b", Pending: 2}}
	failure := snapshot.Failure{Text: "connection refused", Time: since}
	letters := []snapshot.DeadLetterCount{
		{Output: "es", Reason: "rejected", Events: 7}, {Reason: "unrouted", Events: 2},
	}
	for _, tc := range []struct {
		name string
		s    snapshot.Snapshot
		want []string // "severity subject: a part of the text", the worst first
	}{
		{
			"well",
			snapshot.Snapshot{
				Outputs: []snapshot.Output{
					{Name: "es", State: snapshot.StateRunning, Lag: 3, Clusters: waits},
					{Name: "f", State: snapshot.StateIdle},
				},
			},
			nil,
		},
		{
			"refused and paused",
			snapshot.Snapshot{Outputs: []snapshot.Output{
				{Name: "p", State: snapshot.StatePaused, Clusters: waits, FailingSince: since},
				{Name: "es", State: snapshot.StateRefused, Clusters: waits, LastError: failure, FailingSince: since},
			}},
			[]string{
				"critical output es: refuses its login or privileges; 7 events wait (of a and b): connection refused",
				"critical output p: it is paused; 7 events wait",
			},
		},
		{
			"retrying",
			snapshot.Snapshot{
				Outputs: []snapshot.Output{
					{Name: "es", State: snapshot.StateRetrying, Lag: 61, Clusters: waits, LastError: failure},
				},
			},
			[]string{"critical output es: the oldest for 61 s (of a and b): connection refused"},
		},
		{
			"lagging", snapshot.Snapshot{
				Outputs: []snapshot.Output{{Name: "es", State: snapshot.StateRunning, Lag: 3600}},
			}, []string{"warning output es: it lags"},
		},
		{
			"left over", snapshot.Snapshot{
				Outputs: []snapshot.Output{{Name: "old", State: snapshot.StateUnconfigured, Clusters: waits}},
			}, []string{"critical output old: not configured any more; 7 events wait"},
		},
		{
			"full",
			snapshot.Snapshot{
				Probes: snapshot.Probes{NotReady: []string{"nothing can be stored: full"}},
				Queue:  snapshot.Queue{Full: true, FullReason: "16 GiB are used", DiskBytes: 9, MaxBytes: 9},
			},
			[]string{"critical queue: 16 GiB are used"},
		},
		{
			"queue away",
			snapshot.Snapshot{
				Group: &snapshot.Group{}, Probes: snapshot.Probes{NotReady: []string{
					"nothing can be stored: no server answers", "starting or stopping",
				}}, Queue: snapshot.Queue{PendingEvents: 5},
			},
			[]string{
				"critical queue: nothing is stored, and agents wait: no server answers",
				"critical server: starting or stopping",
			},
		},
		{
			"pods",
			snapshot.Snapshot{Time: time.Unix(1000, 0), Group: &snapshot.Group{Self: "1", Pods: []snapshot.Pod{
				{Name: "1", Host: "a", State: snapshot.PodNotReady, NotReady: []string{"said elsewhere"}},
				{Name: "2", Host: "b", State: snapshot.PodGone, LastSeen: time.Unix(960, 0)},
				{Name: "3", Host: "c", State: snapshot.PodGone, LastSeen: time.Unix(50, 0)},
				{Name: "4", Host: "d", State: snapshot.PodGone, LastSeen: time.Unix(990, 0), Started: time.Unix(1, 0)},
				{Name: "5", Host: "d", State: snapshot.PodReady, Started: time.Unix(995, 0)},
				{Name: "6", Host: "e", State: snapshot.PodEnded, LastSeen: time.Unix(990, 0)},
				{Name: "7", Host: "f", State: snapshot.PodNotReady, NotReady: []string{"draining", "full"}},
			}}},
			[]string{
				"critical pod f: not ready, so agents are not to be sent there: draining; full",
				"warning pod b: nothing was heard of it for 40 s",
			},
		},
		{
			"who connects to other pods",
			snapshot.Snapshot{Time: time.Unix(1000, 0), Group: &snapshot.Group{Self: "1", Pods: []snapshot.Pod{
				{
					Name: "1", Host: "a", State: snapshot.PodReady,
					PodPeople: snapshot.PodPeople{LoginsRefusedLately: 500},
				},
				{Name: "2", Host: "b", State: snapshot.PodReady, PodPeople: snapshot.PodPeople{
					LoginsRefusedLately: 61, RefusedPeers: []snapshot.RefusedPeer{{Peer: "10.0.0.9", Reason: "user"}},
					NoAckPeers: []snapshot.NoAck{{Peer: "10.0.0.8", Cluster: "seoul", LastSeen: time.Unix(999, 0)}},
				}},
				{Name: "3", Host: "c", State: snapshot.PodReady, PodPeople: snapshot.PodPeople{
					LoginsRefusedLately: 60,
					NoAckPeers: []snapshot.NoAck{{
						Peer: "10.0.0.8", Cluster: "seoul", LastSeen: time.Unix(100, 0),
					}},
				}},
			}}},
			[]string{
				"warning pod b: agents ask for no acks, so that what their connections lose is lost: 10.0.0.8 of seoul",
				"warning pod b: 61 logins refused in 10 minutes, the last of 10.0.0.9: user",
			},
		},
		{
			"nearly full, of a group",
			snapshot.Snapshot{Group: &snapshot.Group{}, Queue: snapshot.Queue{DiskBytes: 85, MaxBytes: 100}},
			[]string{"warning queue: 85 % of buffer.jetstream.max_size"},
		},
		{
			"nearly full",
			snapshot.Snapshot{Queue: snapshot.Queue{DiskBytes: 85, MaxBytes: 100}},
			[]string{"warning queue: 85 % of buffer.max_size"},
		},
		{
			"unhealthy and not ready", snapshot.Snapshot{
				Probes: snapshot.Probes{
					Unhealthy: []string{"a loop stands still"}, NotReady: []string{"starting or stopping"},
				},
			}, []string{"critical server: a loop stands still", "critical server: starting or stopping"},
		},
		{
			"stale",
			snapshot.Snapshot{Taken: snapshot.Taken{Stale: 61}},
			[]string{"critical server: what is shown here is 1m1s old"},
		},
		{
			"a cluster at its limit", snapshot.Snapshot{
				Clusters: []snapshot.Cluster{{Name: "a", Waiting: "max_queue_size"}, {Name: "b"}},
			}, []string{"warning cluster a: max_queue_size"},
		},
		{
			"certificates",
			snapshot.Snapshot{Certificates: []snapshot.Certificate{
				{Owner: "listener x", CertFile: "x.pem", DaysLeft: 3},
				{Owner: "status", CertFile: "y.pem", DaysLeft: -1},
				{Owner: "output z", CAFile: "ca.pem"},
				{
					Owner: "listener w", CertFile: "w.pem", DaysLeft: 80,
					Failing: snapshot.Failure{Text: "half of a key"},
				},
			}},
			[]string{
				"critical status: y.pem has expired", "warning listener x: x.pem expires in 3.0 days",
				"warning listener w: half of a key",
			},
		},
		{
			"settings that need a restart", snapshot.Snapshot{
				Config: snapshot.ConfigState{Restart: []string{"buffer", "status"}},
			}, []string{"warning configuration: of buffer, status is not in force"},
		},
		{
			"no acks",
			snapshot.Snapshot{
				Time: since, Listeners: []snapshot.Listener{
					{Name: "l", NoAckPeers: []snapshot.NoAck{{Peer: "10.0.0.7", Cluster: "a", LastSeen: since}}},
				},
			},
			[]string{"warning listener l: 10.0.0.7 of a last"},
		},
		{
			"no acks, long ago",
			snapshot.Snapshot{
				Time: since, Listeners: []snapshot.Listener{
					{Name: "l", NoAckPeers: []snapshot.NoAck{{LastSeen: since.Add(-time.Hour)}}},
				},
			},
			nil,
		},
		{
			"stalled",
			snapshot.Snapshot{
				Outputs: []snapshot.Output{
					{Name: "f", State: snapshot.StateStalled, Lag: 61, Clusters: waits, LastError: failure},
				},
			},
			[]string{"critical output f: its disk does not answer; 7 events wait"},
		},
		{
			"dead letters",
			snapshot.Snapshot{
				Time:        since,
				DeadLetters: snapshot.DeadLetters{Events: 9, Newest: since.Add(-59 * time.Minute), By: letters},
			},
			[]string{
				"warning dead letters: 9 events refused for good and kept, the last 59 min ago: rejected by output " +
					"es (7), and others",
			},
		},
		{
			"dead letters, of the reception",
			snapshot.Snapshot{
				Time: since, DeadLetters: snapshot.DeadLetters{Events: 2, Newest: since, By: letters[1:]},
			},
			[]string{"warning dead letters: 2 events refused for good and kept, the last 0 ms ago: unrouted"},
		},
		{
			"dead letters of yesterday", snapshot.Snapshot{
				Time: since, DeadLetters: snapshot.DeadLetters{Events: 9, Newest: since.Add(-time.Hour), By: letters},
			}, nil,
		},
		{
			"paused, and nothing waits", snapshot.Snapshot{
				Outputs: []snapshot.Output{{Name: "p", State: snapshot.StatePaused}},
			}, []string{"warning output p: it is paused; 0 events wait"},
		},
		{"paused is not worse than what broke", snapshot.Snapshot{Outputs: []snapshot.Output{
			{Name: "p", State: snapshot.StatePaused, Clusters: []snapshot.OutputCluster{{Cluster: "a", Pending: 1000}}},
			{Name: "es", State: snapshot.StateRefused, Clusters: waits, FailingSince: since},
		}}, []string{"critical output es: 7 events", "critical output p: 1,000 events"}},
		{"throttled", snapshot.Snapshot{Outputs: []snapshot.Output{{
			Name: "fh", Type: "firehose", State: snapshot.StateRunning, Lag: 400, OutputLately: snapshot.OutputLately{
				ThrottledLately: 9,
			}, OutputWorkers: snapshot.OutputWorkers{Workers: 8, Concurrency: 3},
			Clusters: waits, OutputOutlook: snapshot.OutputOutlook{DoneIn: new(120.0)},
		}}}, []string{
			"warning output fh: Firehose throttles it, 3 of 8 workers, catching up in about 2 min; 7 events wait",
		}},
		{"throttled, all workers wait", snapshot.Snapshot{Outputs: []snapshot.Output{{
			Name: "fh", Type: "firehose", State: snapshot.StateRunning, Lag: 400, HeldClusters: []string{"a"},
			OutputLately: snapshot.OutputLately{ThrottledLately: 9}, Clusters: waits,
			OutputWorkers: snapshot.OutputWorkers{Workers: 8, Concurrency: 8}, Destination: snapshot.Destination{
				Paces: []snapshot.Pace{{Stream: "a", RecordsPerSecond: 58, Throttled: 3}, {Stream: "b"}},
			},
		}}}, []string{"warning output fh: Firehose throttles it, at most 58 records/s; 7 events wait"}},
		{
			"a target waits",
			snapshot.Snapshot{
				Outputs: []snapshot.Output{
					{
						Name: "es", State: snapshot.StateRunning,
						OutputWaiting: snapshot.OutputWaiting{
							WaitingTargetsMore: 2, WaitingTargets: []snapshot.WaitingTarget{
								{
									Target: "logs-a", Since: since, Events: 40, Status: 403,
									Kind:     "index_closed_exception",
									Clusters: []string{"a"},
								},
							},
						},
					},
				},
			},
			[]string{
				"warning output es: 40 events wait aside for logs-a and 2 more: 403 index_closed_exception; all others",
			},
		},
		{
			"a target waits, and nothing gets through", snapshot.Snapshot{Outputs: []snapshot.Output{{
				Name: "es", State: snapshot.StateRefused, OutputWaiting: snapshot.OutputWaiting{
					WaitingTargets: []snapshot.WaitingTarget{{Target: "logs-a", Events: 2}},
				},
			}}}, []string{
				"critical output es: refuses its login",
				"warning output es: 2 events wait aside for logs-a: it is refused$",
			},
		},
		{
			"too much waits for a target",
			snapshot.Snapshot{Outputs: []snapshot.Output{{
				Name: "es", State: snapshot.StateRunning,
				OutputWaiting: snapshot.OutputWaiting{
					WaitingTargets: []snapshot.WaitingTarget{{Target: "logs-a", Events: 40, Status: 403, Full: true}},
				},
			}}},
			[]string{
				"critical output es: so much waits aside for logs-a that new events of it become dead letters: 403",
				"warning output es: 40 events wait aside for logs-a: 403 it is refused",
			},
		},
		{
			"a host is down", snapshot.Snapshot{
				Outputs: []snapshot.Output{{Name: "es", State: snapshot.StateRunning, Destination: snapshot.Destination{
					Hosts: []snapshot.Host{
						{Address: "https://es-1:9200", Down: true, Error: "connection refused"},
						{Address: "https://es-2:9200"},
					},
				}}},
			}, []string{"warning output es: its server https://es-1:9200 is down: connection refused"},
		},
		{
			"all hosts are down",
			snapshot.Snapshot{Outputs: []snapshot.Output{{
				Name: "es", State: snapshot.StateRetrying, LastError: failure,
				Destination: snapshot.Destination{Hosts: []snapshot.Host{{Address: "https://es-1:9200", Down: true}}},
			}}},
			[]string{"critical output es: nothing gets through"},
		},
		{
			"held",
			snapshot.Snapshot{
				Outputs: []snapshot.Output{
					{
						Name: "es", State: snapshot.StateRunning, Lag: 400, HeldClusters: []string{"a"},
						LastError: failure,
					},
				},
			},
			[]string{"warning output es: the events of a wait"},
		},
		{
			"dropped",
			snapshot.Snapshot{
				Outputs:  []snapshot.Output{{Name: "es", OutputLately: snapshot.OutputLately{DroppedLately: 3}}},
				Clusters: []snapshot.Cluster{{Name: "a", DroppedLately: 1}},
			},
			[]string{"warning output es: 3 events dropped", "warning cluster a: 1 event dropped"},
		},
		{
			"redirected",
			snapshot.Snapshot{
				Outputs: []snapshot.Output{{Name: "es", OutputLately: snapshot.OutputLately{RedirectedLately: 3}}},
			},
			[]string{"warning output es: 3 events went to the index"},
		},
		{
			"silent", snapshot.Snapshot{
				Time: since, Clusters: []snapshot.Cluster{{Name: "a", LastSeen: since.Add(-time.Hour)}, {Name: "new"}},
			}, []string{"warning cluster a: sent nothing for 60 min"},
		},
		{
			"logins",
			snapshot.Snapshot{
				Listeners: []snapshot.Listener{
					{
						Name: "l", LoginsRefusedLately: 61,
						RefusedPeers: []snapshot.RefusedPeer{{Peer: "10.0.0.7", Reason: "shared_key"}},
					},
				},
			},
			[]string{"warning listener l: 61 logins refused in 10 minutes, the last of 10.0.0.7: shared_key"},
		},
		{
			"letters deleted",
			snapshot.Snapshot{DeadLetters: snapshot.DeadLetters{EvictedLately: 5}},
			[]string{"critical dead letters: 5 events in them deleted"},
		},
		{
			"set aside",
			snapshot.Snapshot{Queue: snapshot.Queue{SetAsideSegments: 1, DamagedEvents: 15}},
			[]string{"critical queue: 1 damaged file of the queue or the dead letters set aside; at least 15 events"},
		},
		{
			"disk low",
			snapshot.Snapshot{Queue: snapshot.Queue{FreeDiskBytes: 15 << 30, MinFreeDiskBytes: 10 << 30}},
			[]string{"critical queue: 15 GiB of its disk are free"},
		},
		{
			"disk hangs",
			snapshot.Snapshot{
				Probes: snapshot.Probes{Loops: []snapshot.Loop{
					{Doing: "disk", What: "a commit to data", Seconds: 45}, {Doing: "disk", Seconds: 3},
				}},
			},
			[]string{"critical server: a commit to data has been under way for 45 s"},
		},
		{
			"full soon",
			snapshot.Snapshot{
				Queue: snapshot.Queue{
					DiskBytes: 85, MaxBytes: 100, QueueOutlook: snapshot.QueueOutlook{FullIn: new(7200.0)},
				},
			},
			[]string{"warning queue: the rest in about 2 h"},
		},
		{
			"the ledger",
			snapshot.Snapshot{
				Ledger: snapshot.Ledger{
					Ingest: []snapshot.IngestAccount{
						{Cluster: "a", Balance: snapshot.Balance{Difference: 3, Balanced: new(false)}},
						{Cluster: "b", Balance: snapshot.Balance{Difference: 3}},
					}, Outputs: []snapshot.OutputAccount{
						{Output: "o", Cluster: "a", Balance: snapshot.Balance{Difference: -1, Balanced: new(false)}},
					},
				},
			},
			[]string{"critical ledger: 3 events of cluster a", "critical ledger: -1 events of cluster a for output o"},
		},
		{
			"configuration", snapshot.Snapshot{
				Config: snapshot.ConfigState{Failing: snapshot.Failure{Text: "line 3", Time: since}},
			}, []string{"warning configuration: line 3"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			v := Of(&tc.s)
			all = append(all, v.Findings...)
			if len(v.Findings) != len(tc.want) {
				t.Fatalf("found %+v", v.Findings)
			}
			for i, want := range tc.want {
				f := v.Findings[i]
				head, text, _ := strings.Cut(want, ": ")
				if string(f.Severity)+" "+f.Subject != head || !strings.Contains(f.Text+"$", text) ||
					f.Remedy == "" && f.Subject != "server" {
					t.Errorf("finding %d is %+v, want %s", i, f, want)
				}
			}
			switch {
			case len(tc.want) == 0 && (v.Severity != client.OK || !strings.HasPrefix(v.Text, "All is well")):
				t.Errorf("all is well, but: %+v", v)
			case len(tc.want) > 0 &&
				(v.Severity != v.Findings[0].Severity || !strings.HasPrefix(v.Text, v.Findings[0].Subject+": ") ||
					strings.Contains(v.Text, " more.") != (len(tc.want) > 1)):
				t.Errorf("the sentence is %+v", v)
			}
		})
	}
	agree(t, all)
}
