package verdict

import (
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/status/snapshot"
)

// What is wrong with the program, its queue, those who send, and its files is told with what to do.
func TestWordsOfTheProgram(t *testing.T) {
	ago := func(d time.Duration) time.Time { return noon().Add(-d) }
	for _, tc := range []struct {
		name string
		s    snapshot.Snapshot
		want []said
	}{
		{
			"a disk call without words, of a group whose queue is away",
			snapshot.Snapshot{
				Group: &snapshot.Group{}, Queue: snapshot.Queue{PendingEvents: -3},
				Probes: snapshot.Probes{
					Loops: []snapshot.Loop{
						{Name: "commits", Doing: "disk", Seconds: 31},
						{Name: "short", Doing: "disk", Seconds: 30},
						{Name: "busy", Doing: "turning", Seconds: 3000},
					},
					NotReady: []string{"nothing can be stored: no quorum"},
				},
			},
			[]said{
				{
					"critical AggregatorDiskHangs server", "a disk call of commits has been under way for 31 s",
					"look at the disk: it does not answer",
				},
				{
					"critical AggregatorNotReady queue", "nothing is stored, and agents wait: no quorum",
					"see its NATS servers: aggregator check --connect, nats server report jetstream",
				},
			},
		},
		{
			"the same without a group",
			snapshot.Snapshot{Probes: snapshot.Probes{NotReady: []string{"nothing can be stored: no quorum"}}},
			[]said{{
				"critical AggregatorNotReady server", "not ready, so agents wait: nothing can be stored: no quorum",
				"wait where it starts or stops; else see the log",
			}},
		},
		{
			"less than half a second old",
			snapshot.Snapshot{Taken: snapshot.Taken{Stale: 0.4}},
			nil,
		},
		{
			"unhealthy, and stale",
			snapshot.Snapshot{
				Taken:  snapshot.Taken{Stale: 3725},
				Probes: snapshot.Probes{Unhealthy: []string{"x", "y"}},
			},
			[]said{
				{"critical  server", "x", "restart it, and look at the disk and the log"},
				{"critical  server", "y", "restart it, and look at the disk and the log"},
				{
					"critical AggregatorDiskHangs server", "it can't tell its state: what is shown here is 1h2m5s old",
					"look at the disk: it does not answer",
				},
			},
		},
		{
			"the queue is full, and its disk is low",
			snapshot.Snapshot{Queue: snapshot.Queue{
				Full: true, FullReason: "the disk", MinFreeDiskBytes: 1 << 30, FreeDiskBytes: 1<<31 - 1,
			}},
			[]said{
				{
					"critical AggregatorQueueFilling queue", "nothing is stored, and agents wait: the disk",
					"see which output does not deliver; raise buffer.max_size, or free the disk",
				},
				{
					"critical AggregatorDiskLow queue",
					"2 GiB of its disk are free, and with less than 1 GiB nothing is stored",
					"grow the volume, or delete what else is on it",
				},
			},
		},
		{
			"files set aside, of the queue and of the dead letters",
			snapshot.Snapshot{
				Queue:       snapshot.Queue{SetAsideSegments: 2, DamagedEvents: 1000},
				DeadLetters: snapshot.DeadLetters{SetAsideFiles: 1, DamagedEvents: 234},
			},
			[]said{{
				"critical AggregatorSetAside queue",
				"3 damaged files of the queue or the dead letters set aside; at least 1,234 events could not be read",
				"look at the disk: dmesg; the files are kept as *.corrupt",
			}},
		},
		{
			"a cluster that waits, is silent and was dropped of",
			snapshot.Snapshot{Clusters: []snapshot.Cluster{{
				Name: "a", Waiting: "max_queue_size", LastSeen: ago(31 * time.Minute), DroppedLately: 2,
			}}},
			[]said{
				{
					"warning AggregatorQueueFilling cluster/a", "its messages wait: max_queue_size",
					"raise the limit that it names, or see why its output does not deliver",
				},
				{
					"warning AggregatorClusterSilent cluster/a", "it has sent nothing for 31 min",
					"see whether its agents run, reach this address and are let in; take it out of the configuration " +
						"if it " +
						"is gone",
				},
				{
					"warning AggregatorEventsDropped cluster/a",
					"2 events dropped on arrival in 15 minutes, as a rule of the configuration says",
					"if that is not meant, set unrouted or when_full to what keeps",
				},
			},
		},
		{
			"agents on a socket, who ask for no acks and can't log in",
			snapshot.Snapshot{Listeners: []snapshot.Listener{{
				Name: "l", LoginsRefusedLately: 2000,
				RefusedPeers: []snapshot.RefusedPeer{{Reason: "user"}, {Peer: "x"}},
				NoAckPeers: []snapshot.NoAck{
					{Cluster: "a", LastSeen: ago(9 * time.Minute)},
					{Peer: "y", Cluster: "b"},
				},
			}}},
			[]said{
				{
					"warning AggregatorNoAcks listener/l",
					"agents ask for no acks, so that what their connections lose is lost: one on a socket of a last",
					"have them ask for acks, fluentd by require_ack_response true, Fluent Bit by " +
						"Require_ack_response On",
				},
				{
					"warning AggregatorAuthFailures listener/l",
					"2,000 logins refused in 10 minutes, the last of a socket: user",
					"see who is turned away and why: an old key or certificate, or somebody who tries",
				},
			},
		},
		{
			"logins of whom nothing is known",
			snapshot.Snapshot{Listeners: []snapshot.Listener{{Name: "l", LoginsRefusedLately: 61}}},
			[]said{{
				"warning AggregatorAuthFailures listener/l", "61 logins refused in 10 minutes",
				"see who is turned away and why: an old key or certificate, or somebody who tries",
			}},
		},
		{
			"what a restart is for, and a file that is refused",
			snapshot.Snapshot{Config: snapshot.ConfigState{
				Restart: []string{"listeners", "buffer.path"}, Failing: snapshot.Failure{Text: "line 3: unknown"},
			}},
			[]said{
				{
					"warning AggregatorConfigRefused configuration",
					"the newest is refused, the one before stays in force: line 3: unknown",
					"correct the file: aggregator check names every mistake",
				},
				{
					"warning  configuration",
					"what has changed of listeners, buffer.path is not in force before a restart",
					"restart it",
				},
			},
		},
	} {
		same(t, tc.name, findings(&tc.s), tc.want)
	}
}

// Each bound is told on its far side only.
func TestBoundsOfWhatIsTold(t *testing.T) {
	queue := func(q snapshot.Queue) snapshot.Snapshot { return snapshot.Snapshot{Queue: q} }
	seen := func(ago time.Duration) snapshot.Snapshot {
		return snapshot.Snapshot{Clusters: []snapshot.Cluster{{Name: "a", LastSeen: noon().Add(-ago)}}}
	}
	acks := func(ago time.Duration) snapshot.Snapshot {
		return snapshot.Snapshot{Listeners: []snapshot.Listener{{
			NoAckPeers: []snapshot.NoAck{{Peer: "p", LastSeen: noon().Add(-ago)}},
		}}}
	}
	letters := func(ago time.Duration) snapshot.Snapshot {
		return snapshot.Snapshot{DeadLetters: snapshot.DeadLetters{Events: 1, Newest: noon().Add(-ago)}}
	}
	certificate := func(file string, days float64) snapshot.Snapshot {
		return snapshot.Snapshot{Certificates: []snapshot.Certificate{{Owner: "o", CertFile: file, DaysLeft: days}}}
	}
	for _, tc := range []struct {
		name string
		s    snapshot.Snapshot
		want int
	}{
		{"a queue used up to 70 %", queue(snapshot.Queue{DiskBytes: 70, MaxBytes: 100}), 0},
		{"a queue used a bit more", queue(snapshot.Queue{DiskBytes: 71, MaxBytes: 100}), 1},
		{"a queue without a limit", queue(snapshot.Queue{DiskBytes: 71}), 0},
		{"twice as much free as has to be", queue(snapshot.Queue{FreeDiskBytes: 20, MinFreeDiskBytes: 10}), 0},
		{"not quite twice as much", queue(snapshot.Queue{FreeDiskBytes: 19, MinFreeDiskBytes: 10}), 1},
		{"nothing has to be free", queue(snapshot.Queue{FreeDiskBytes: 0}), 0},
		{"half an hour without events", seen(30 * time.Minute), 0},
		{"a second more", seen(30*time.Minute + time.Second), 1},
		{"a cluster that comes from the future", seen(-time.Hour), 0},
		{"no ack was asked for ten minutes ago", acks(10 * time.Minute), 0},
		{"nor a second before", acks(10*time.Minute - time.Second), 1},
		{"a dead letter of an hour ago", letters(time.Hour), 0},
		{"a dead letter of less", letters(time.Hour - time.Second), 1},
		{"a certificate with 14 days left", certificate("a.pem", 14), 0},
		{"a certificate with less", certificate("a.pem", 13.99), 1},
		{"a certificate in its last moment", certificate("a.pem", 0), 1},
		{"what has no certificate", certificate("", -1), 0},
		{"sixty logins", snapshot.Snapshot{Listeners: []snapshot.Listener{{LoginsRefusedLately: 60}}}, 0},
	} {
		if got := findings(&tc.s); len(got) != tc.want {
			t.Errorf("%s: found %q, want %d", tc.name, got, tc.want)
		}
	}
}

// Dead letters say what most of them are for.
func TestWordsOfDeadLetters(t *testing.T) {
	count := func(output, reason string, events int64) snapshot.DeadLetterCount {
		return snapshot.DeadLetterCount{Output: output, Reason: reason, Events: events}
	}
	for _, tc := range []struct {
		name string
		by   []snapshot.DeadLetterCount
		want string
	}{
		{"nothing is known", nil, "see the list"},
		{"of one output", []snapshot.DeadLetterCount{count("es", "rejected", 9)}, "rejected by output es"},
		{"before any output", []snapshot.DeadLetterCount{count("", "tag_not_allowed", 9)}, "tag_not_allowed"},
		{
			"of several",
			[]snapshot.DeadLetterCount{count("es", "max_age", 2), count("s3", "rejected", 1500)},
			"rejected by output s3 (1,500), and others",
		},
		{
			"the first of equal ones",
			[]snapshot.DeadLetterCount{count("", "unrouted", 5), count("s3", "rejected", 5)},
			"unrouted (5), and others",
		},
	} {
		s := snapshot.Snapshot{DeadLetters: snapshot.DeadLetters{Events: 1500, Newest: noon(), By: tc.by}}
		same(t, tc.name, findings(&s), []said{{
			"warning AggregatorDeadLetters dead-letters",
			"1,500 events refused for good and kept, the last 0 ms ago: " + tc.want,
			"aggregator dead list says why; once that is put right, aggregator dead retry",
		}})
	}
}

// A certificate that could not be read again is told, whatever is left of the one in force.
func TestWordsOfCertificates(t *testing.T) {
	for _, tc := range []struct {
		name string
		c    snapshot.Certificate
		want said
	}{
		{
			"refused files before an end",
			snapshot.Certificate{CertFile: "c.pem", DaysLeft: -1, Failing: snapshot.Failure{Text: "no key"}},
			said{
				"warning AggregatorCertificateExpiring certificate/output es",
				"its certificate's files are refused, those before stay in force: no key", "put valid files there",
			},
		},
		{
			"a file of authorities alone that is refused",
			snapshot.Certificate{CAFile: "ca.pem", Failing: snapshot.Failure{Text: "empty"}},
			said{
				"warning AggregatorCertificateExpiring certificate/output es",
				"its certificate's files are refused, those before stay in force: empty", "put valid files there",
			},
		},
		{
			"it has expired",
			snapshot.Certificate{CertFile: "c.pem", CAFile: "ca.pem", DaysLeft: -0.01},
			said{
				"critical AggregatorCertificateExpiring certificate/output es", "the certificate c.pem has expired",
				"renew it",
			},
		},
		{
			"it expires",
			snapshot.Certificate{CertFile: "c.pem", DaysLeft: 1.26},
			said{
				"warning AggregatorCertificateExpiring certificate/output es",
				"the certificate c.pem expires in 1.3 days",
				"renew it",
			},
		},
	} {
		tc.c.Owner = "output es"
		same(t, tc.name, findings(&snapshot.Snapshot{Certificates: []snapshot.Certificate{tc.c}}), []said{tc.want})
	}
}
