package snapshottest

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/status/snapshot"
)

// Day is a made-up state of the program that goes on: At returns what it is at now, when it began at began. What the
// endpoint derives is left to it.
type Day struct {
	Name string
	At   func(began, now time.Time) snapshot.Snapshot
}

// Days are those that the page is looked at on.
func Days() []Day {
	return []Day{
		{"normal", Normal},
		{"bad", Bad},
		{"full", Full},
		{"large", Large},
		{"hostile", Hostile},
		{"shared", Shared},
		{"new", func(began, _ time.Time) snapshot.Snapshot {
			return snapshot.Snapshot{
				Version: "v1.4.0", Commit: "0f1e2d3c", Hostname: "aggregator-0", Started: began,
				Clusters: []snapshot.Cluster{{Name: "default"}},
				Outputs: []snapshot.Output{
					{
						Name: "archive", Type: "file", State: snapshot.StateIdle,
						OutputWorkers: snapshot.OutputWorkers{Workers: 1, Concurrency: 1},
					},
				},
			}
		}},
	}
}

// grown is what a counter is at after so many seconds, of about rate a second, more and less by turns.
func grown(rate, seconds, phase float64) uint64 {
	const period = 240
	wave := rate * 0.35 * period / (2 * math.Pi)
	return uint64(max(0, rate*seconds+wave*(math.Cos(phase)-math.Cos(phase+2*math.Pi*seconds/period))))
}

// flow is how much one cluster sends, in events a second.
type flow struct {
	cluster string
	rate    float64
}

// since returns the seconds from began to now.
func since(began, now time.Time) float64 { return now.Sub(began).Seconds() }

// base is a program in order: flows to outputs, of which those without name in behind deliver at once.
func base(began, now time.Time, flows []flow, outputs []snapshot.Output) snapshot.Snapshot {
	t := since(began, now)
	s := snapshot.Snapshot{
		Version: "v1.4.0", Commit: "0f1e2d3c", Hostname: "aggregator-0", Started: began,
		Config: snapshot.ConfigState{
			Routes: []snapshot.Route{
				{Name: "routes[0]", Match: []string{"kube.**"}}, {Name: "routes[1]", Match: []string{"**"}},
			},
			Source: "/etc/aggregator/config/aggregator.yaml", Hash: "5b0c2a9f", LoadedAt: began,
		},
		Memory: snapshot.Memory{
			LimitBytes: 461 << 20, NeedBytes: 330 << 20, GroupBytes: 512 << 20, Source: "control group",
			UsedBytes: 96<<20 + int64(8e6*math.Sin(t/40)),
		},
		Queue: snapshot.Queue{
			Segments: 3, MaxBytes: 16 << 30, FreeDiskBytes: 41 << 30, MinFreeDiskBytes: 1 << 30,
			DiskBytes:    140<<20 + int64(3e7*math.Sin(t/60)),
			QueueCommits: snapshot.QueueCommits{Commits: uint64(20 * t), CommitLatency: latency(0.004, 100)},
			QueueMemory:  snapshot.QueueMemory{MemoryBytes: 5 << 20, MemoryMaxBytes: 128 << 20},
		},
		Listeners: []snapshot.Listener{{
			Name: "public", Address: "0.0.0.0:24224", AckLatency: latency(0.006, 1000),
			Refused: snapshot.Counts{"shared_key": 3},
			RefusedPeers: []snapshot.RefusedPeer{
				{
					Peer: "10.61.0.9", Hostname: "old-node-3", Reason: "shared_key",
					Text: `its shared key fits no cluster (it says it is "old-node-3")`, Times: 3,
					LastSeen: began.Add(-20 * time.Minute),
				},
			},
		}},
		Certificates: []snapshot.Certificate{
			{
				Owner: "listener public", CertFile: "/etc/aggregator/tls/tls.crt", Names: []string{"logs.example.net"},
				NotAfter: now.Add(61 * 24 * time.Hour), DaysLeft: 61, LoadedAt: began,
			},
		},
	}
	for i, f := range flows {
		n := grown(f.rate, t, float64(i))
		s.Clusters = append(s.Clusters, snapshot.Cluster{
			Name: f.cluster, ReceivedEvents: n, ReceivedBytes: 310 * n, Messages: n / 40, StoredEvents: n,
			Connections: 3 + i%5, QueueBytes: int64(f.rate * 9000), LastSeen: now.Add(-400 * time.Millisecond),
		})
		s.Listeners[0].Connections += 3 + i%5
		for a := range min(3, 1+i) {
			s.Listeners[0].Agents = append(s.Listeners[0].Agents, snapshot.Agent{
				Peer: fmt.Sprintf("10.%d.0.%d", 20+i, 7+a), Hostname: fmt.Sprintf("node-%d", a+1), Cluster: f.cluster,
				Connections: 1, Messages: n / 120, AsksAcks: true, LastSeen: now,
			})
		}
	}
	for i := range outputs {
		o := &outputs[i]
		o.Since, o.RequestLatency, o.Requests, o.LastSuccess = began, latency(0.08, 500), uint64(12*t), now
		if o.Workers == 0 {
			o.Workers, o.Concurrency, o.InFlight = 4, 4, 2
		}
		if o.Lag == 0 && o.State == snapshot.StateRunning {
			o.Lag = 0.7 + 0.4*math.Sin(t/13+float64(i))
		}
	}
	s.Outputs = outputs
	return s
}

// serve has an output deliver what the flows send but for what waits, which grows by what is not delivered.
func serve(o *snapshot.Output, t float64, flows []flow, share, waiting float64) {
	for i, f := range flows {
		queued := grown(f.rate, t, float64(i))
		pending := uint64(f.rate * (o.Lag + 0.5))
		delivered := uint64(float64(queued) * share)
		if waiting > 0 {
			pending = uint64(f.rate*waiting) + queued - delivered
		}
		o.Clusters = append(o.Clusters, snapshot.OutputCluster{
			Cluster: f.cluster, Queued: queued, Recovered: pending + delivered - min(queued, pending+delivered),
			Delivered: delivered, Pending: pending, PendingChunks: int64(pending/500) + 1,
			PendingBytes: int64(pending) * 62, OldestAge: o.Lag,
		})
	}
}

func fewFlows() []flow {
	return []flow{{"seoul-prod", 7200}, {"tokyo-prod", 3900}, {"frankfurt-prod", 1150}, {"seoul-dev", 150}}
}

// Normal is a day on which all is well.
func Normal(began, now time.Time) snapshot.Snapshot {
	flows, t := fewFlows(), since(began, now)
	s := base(began, now, flows, []snapshot.Output{
		{
			Name: "es", Type: "elasticsearch", State: snapshot.StateRunning,
			Destination: snapshot.Destination{
				Server: "Elasticsearch 9.2.1",
				Hosts:  []snapshot.Host{{Address: "https://es-0:9200"}, {Address: "https://es-1:9200"}},
			},
			LastError: snapshot.Failure{
				Text: "429 es_rejected_execution_exception", Time: now.Add(-50 * time.Minute),
				Ended: now.Add(-49 * time.Minute),
			},
		},
		{Name: "firehose", Type: "firehose", State: snapshot.StateRunning},
		{Name: "cloudwatch", Type: "cloudwatch_logs", State: snapshot.StateRunning},
		{Name: "archive", Type: "file", State: snapshot.StateRunning},
	})
	for i := range s.Outputs {
		serve(&s.Outputs[i], t, flows, 1, 0)
	}
	s.Clusters[0].MaxConnections, s.Clusters[1].RateLimit, s.Clusters[0].QueueMaxBytes = 200, 50<<20, 4<<30
	return sum(s)
}

// sum fills in the queue's figures.
func sum(s snapshot.Snapshot) snapshot.Snapshot {
	for i := range s.Outputs {
		o := &s.Outputs[i]
		s.Queue.PendingEvents += int64(o.Pending())
		s.Queue.OldestAge = max(s.Queue.OldestAge, o.Lag)
		for j := range o.Clusters {
			s.Queue.PendingChunks += int(o.Clusters[j].PendingChunks)
			s.Queue.PendingBytes += o.Clusters[j].PendingBytes
		}
	}
	return s
}

// Bad is a day with Elasticsearch refusing the login, Firehose throttling, CloudWatch paused, a server down and a
// configuration that was refused.
func Bad(began, now time.Time) snapshot.Snapshot {
	flows, t := fewFlows(), since(began, now)
	s := base(began, now, flows, troubledOutputs(began, now))
	shares, waiting := []float64{1, 0, 0, 0.8, 1}, []float64{0, 3120, 1440, 300, 0}
	for i := range s.Outputs {
		serve(&s.Outputs[i], t, flows, shares[i], waiting[i])
	}
	s.Config.Failing = snapshot.Failure{
		Text: "/etc/aggregator/config/aggregator.yaml:41:5: outputs.es.bach: unknown key, did you mean " +
			"batch?\n/etc/aggregator/config/aggregator.yaml:57:14: routes[2].outputs: no output is named " +
			"\"firehos\", did you mean firehose?", Time: now.Add(-11 * time.Minute),
	}
	s.Queue.DiskBytes = 7<<30 + int64(2.1e6*t)
	for i := range s.Clusters {
		s.Clusters[i].QueueBytes = int64(flows[i].rate * 550_000)
	}
	s.DeadLetters = snapshot.DeadLetters{
		Count: 612, Events: 612, Bytes: 2 << 20, Newest: now.Add(-3 * time.Minute), By: []snapshot.DeadLetterCount{
			{Output: "upstream", Cluster: "seoul-prod", Reason: "rejected", Events: 401}, {
				Output: "upstream", Cluster: "tokyo-prod", Reason: "rejected", Events: 180,
			}, {Cluster: "seoul-dev", Reason: "tag_not_allowed", Events: 31},
		},
	}
	l := &s.Listeners[0]
	l.NoAckPeers = []snapshot.NoAck{{Peer: "10.23.0.7", Cluster: "seoul-dev", Messages: 1200, LastSeen: now}}
	for i := range l.Agents {
		if l.Agents[i].Cluster == "seoul-dev" && l.Agents[i].Hostname == "node-1" {
			l.Agents[i].AsksAcks, l.Agents[i].NoAck = false, 1200
		}
	}
	return sum(s)
}

// troubledOutputs are outputs of which some are paused, refused, slow or hold events back.
func troubledOutputs(began, now time.Time) []snapshot.Output {
	t, failing := since(began, now), began.Add(-24*time.Minute)
	return []snapshot.Output{
		{Name: "archive", Type: "file", State: snapshot.StateRunning},
		{
			Name: "cloudwatch", Type: "cloudwatch_logs", State: snapshot.StatePaused, Lag: 3120 + t,
			OutputWorkers: snapshot.OutputWorkers{Workers: 2, Concurrency: 2},
		},
		{
			Name: "es", Type: "elasticsearch", State: snapshot.StateRefused, FailingSince: failing, Lag: 1440 + t,
			OutputWorkers: snapshot.OutputWorkers{Workers: 8, Concurrency: 1},
			OutputTimes:   snapshot.OutputTimes{BackoffUntil: now.Add(23 * time.Second)},
			LastError: snapshot.Failure{
				Text:   "401 security_exception at https://es-0:9200: set its username and password, or api_key",
				Detail: "401 security_exception: unable to authenticate user [fluent] for REST request [/_bulk]",
				Time:   now.Add(-7 * time.Second),
			},
			Destination: snapshot.Destination{Server: "Elasticsearch 9.2.1"},
		},
		{
			Name: "firehose", Type: "firehose", State: snapshot.StateRunning, Lag: 345 + 20*math.Sin(t/30),
			OutputWorkers: snapshot.OutputWorkers{Workers: 8, Concurrency: 3},
			Retries:       snapshot.Counts{"throttled": uint64(40 * t)},
			LastError: snapshot.Failure{
				Text: "ServiceUnavailableException: 212 of 500 records of logs-seoul-prod",
				Time: now.Add(-2 * time.Second),
			},
			Destination: snapshot.Destination{
				Paces: []snapshot.Pace{
					{
						Stream: "logs-seoul-prod", BytesPerSecond: 4 << 20, RecordsPerSecond: 2400,
						Throttled: uint64(3 * t),
					}, {Stream: "logs-tokyo-prod", Throttled: 4},
				},
			},
		},
		{
			Name: "upstream", Type: "forward", State: snapshot.StateRunning,
			Destination: snapshot.Destination{
				Hosts: []snapshot.Host{
					{Address: "10.9.0.4:24224"},
					{Address: "10.9.0.5:24224", Down: true, Error: "connect: connection refused"},
				},
			},
			OutputWaiting: snapshot.OutputWaiting{
				WaitingTargets: []snapshot.WaitingTarget{
					{
						Target: "logs-frankfurt-prod-2026.11", Since: failing, Events: 48_210, Bytes: 3 << 20,
						Oldest: 1400 + t, Status: 403, Kind: "index_closed_exception",
						NextTry: now.Add(40 * time.Second), Remedy: "open the index, or have events go to another",
						Clusters: []string{"frankfurt-prod"},
					},
				},
			},
		},
	}
}

// Full is a day on which the queue is full, because Elasticsearch does not answer.
func Full(began, now time.Time) snapshot.Snapshot {
	flows, t := fewFlows(), since(began, now)
	s := base(began, now, flows, []snapshot.Output{
		{Name: "archive", Type: "file", State: snapshot.StateIdle},
		{
			Name: "es", Type: "elasticsearch", State: snapshot.StateRetrying, FailingSince: began.Add(-5 * time.Hour),
			Lag: 18000 + t, OutputWorkers: snapshot.OutputWorkers{Workers: 8, Concurrency: 1},
			OutputTimes: snapshot.OutputTimes{BackoffUntil: now.Add(51 * time.Second)},
			LastError: snapshot.Failure{
				Text: "dial tcp 10.4.0.12:9200: connect: no route to host", Time: now.Add(-9 * time.Second),
			},
		},
	})
	serve(&s.Outputs[1], 0, flows, 0, 18000)
	s.Queue.DiskBytes, s.Queue.Full, s.Queue.FullReason = 16<<30, true, "buffer.max_size, 16 GiB, is used up"
	s.Ready, s.NotReady = false, []string{"nothing can be stored: the queue is full"}
	for i := range s.Clusters {
		s.Clusters[i].QueueBytes = int64(flows[i].rate * 1.3e6)
		s.Clusters[i].ReceivedEvents, s.Clusters[i].Waiting = 5_000_000, "the queue is full"
	}
	return sum(s)
}

// Large has twenty clusters and ten outputs, two of them in trouble.
func Large(began, now time.Time) snapshot.Snapshot {
	t := since(began, now)
	var flows []flow
	for i := range 20 {
		flows = append(flows, flow{
			fmt.Sprintf("%s-%s", []string{"seoul", "tokyo", "frankfurt", "virginia", "oregon"}[i%5],
				[]string{"prod", "stage", "dev", "batch"}[i/5]), 4000 / float64(i+1),
		})
	}
	types := []string{
		"elasticsearch", "firehose", "cloudwatch_logs", "s3", "kinesis", "forward", "file", "elasticsearch", "firehose",
		"s3",
	}
	var outputs []snapshot.Output
	for i, kind := range types {
		outputs = append(outputs, snapshot.Output{
			Name: fmt.Sprintf("%s-%d", strings.TrimSuffix(kind, "_logs"), i+1), Type: kind,
			State: snapshot.StateRunning,
		})
	}
	outputs[4].State, outputs[4].FailingSince, outputs[4].Lag = snapshot.StateRetrying, began.Add(-9*time.Minute), 540+t
	outputs[4].BackoffUntil, outputs[4].LastError = now.Add(30*time.Second),
		snapshot.Failure{Text: "ProvisionedThroughputExceededException", Time: now.Add(-3 * time.Second)}
	outputs[7].Lag, outputs[7].Workers, outputs[7].Concurrency, outputs[7].Retries = 700+10*math.Sin(t/20), 8, 2,
		snapshot.Counts{"throttled": uint64(9 * t)}
	s := base(began, now, flows, outputs)
	for i := range s.Outputs {
		share, waiting := 1.0, 0.0
		switch i {
		case 4:
			share, waiting = 0, 540
		case 7:
			share, waiting = 0.9, 650
		default:
		}
		serve(&s.Outputs[i], t, flows, share, waiting)
	}
	return sum(s)
}

// hostileText is what a stranger would have shown: markup, control characters, marks that turn text around, and far too
// much.
func hostileText(n int) string {
	return "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</" +
		"script>\x1b[2J\x00\u202Eevil\u2066\u200F${alert(1)}'\"><svg onload=alert(1)> " +
		strings.Repeat("A\u0301<b>", n)
}

// Hostile is a bad day on which every text that others choose is chosen to do harm.
func Hostile(began, now time.Time) snapshot.Snapshot {
	s := Bad(began, now)
	long, short := hostileText(200_000), hostileText(3)
	s.Hostname = short
	for i := range s.Outputs {
		o := &s.Outputs[i]
		o.LastError = snapshot.Failure{Text: long, Detail: long, Time: now}
		o.Server, o.Notices = short, []string{long}
		for j := range o.Hosts {
			o.Hosts[j].Address, o.Hosts[j].Error, o.Hosts[j].Down = short, long, true
		}
		for j := range o.WaitingTargets {
			o.WaitingTargets[j].Target, o.WaitingTargets[j].Kind = short, short
		}
		for j := range o.Paces {
			o.Paces[j].Stream = strconv.Itoa(j) + short
		}
		o.HeldClusters = []string{short}
	}
	s.Outputs[1].Name, s.Clusters[1].Name = "out"+short, "cluster"+short
	for i := range s.Listeners[0].Agents {
		a := &s.Listeners[0].Agents[i]
		a.Hostname, a.AsksAcks = short, false
	}
	s.Listeners[0].RefusedPeers[0].Hostname, s.Listeners[0].RefusedPeers[0].Text = short, long
	s.Listeners[0].LastError = snapshot.Failure{Text: long, Time: now}
	s.Config.Failing.Text, s.Config.Warnings = long, []string{short}
	s.Certificates[0].Names, s.Certificates[0].Failing = []string{short}, snapshot.Failure{Text: long, Time: now}
	s.DeadLetters.By[0].Reason, s.DeadLetters.By[0].Cluster = short, short
	s.Group = podsOf(&s, began, now, 3)
	for i := range s.Group.Pods {
		p := &s.Group.Pods[i]
		p.Host, p.Version, p.State, p.NotReady = short, short, snapshot.PodNotReady, []string{long}
		p.RefusedPeers = []snapshot.RefusedPeer{{
			Peer: short, Hostname: short, Reason: short, Text: long, LastSeen: now,
		}}
		p.NoAckPeers = []snapshot.NoAck{{Peer: short, Cluster: short, LastSeen: now}}
	}
	return s
}
