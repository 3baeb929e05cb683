package verdict

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/status/snapshot"
)

// noon is when the snapshots of these tests were taken.
func noon() time.Time { return time.Unix(1_800_000_000, 0).UTC() }

// said is what a case expects of all findings, in order: head, text and remedy of each.
type said struct{ head, text, remedy string }

// findings returns what is found in s, which is taken at noon where it has no time.
func findings(s *snapshot.Snapshot) (all []said) {
	if s.Time.IsZero() {
		s.Time = noon()
	}
	for _, f := range Of(s).Findings {
		all = append(all, said{string(f.Severity) + " " + f.Alert + " " + f.Row, f.Text, f.Remedy})
	}
	return all
}

// same holds that got is want, and tells the first that is not.
func same(t *testing.T, name string, got, want []said) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d findings, want %d: %q", name, len(got), len(want), got)
		return
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%s: finding %d is\n%q, want\n%q", name, i, got[i], want[i])
		}
	}
}

// What keeps an output from delivering is told whole: what, how much waits, of whom, the next try, and what to do.
func TestWordsOfOutputsThatStandStill(t *testing.T) {
	waits := []snapshot.OutputCluster{{Cluster: "osaka", Pending: 2}, {Cluster: "seoul", Pending: 12_398}}
	failure := snapshot.Failure{Text: "401 from it", Time: noon().Add(-time.Minute)}
	soon := snapshot.OutputTimes{BackoffUntil: noon().Add(90 * time.Second)}
	past := snapshot.OutputTimes{BackoffUntil: noon()}
	for _, tc := range []struct {
		name string
		o    snapshot.Output
		want said
	}{
		{
			"refused, with a try to come",
			snapshot.Output{
				Type: "s3", State: snapshot.StateRefused, Clusters: waits, LastError: failure, OutputTimes: soon,
			},
			said{
				"critical AggregatorOutputStopped output/o",
				"S3 refuses its login or privileges; 12,400 events wait (of seoul and osaka), next try in 90 s: 401 " +
					"from it",
				"set its credentials or privileges right, there or in the configuration; events are kept",
			},
		},
		{
			"refused, with nothing that waits, and the try is due",
			snapshot.Output{Type: "kinesis", State: snapshot.StateRefused, LastError: failure, OutputTimes: past},
			said{
				"critical AggregatorOutputStopped output/o",
				"Kinesis refuses its login or privileges; 0 events wait: 401 from it",
				"set its credentials or privileges right, there or in the configuration; events are kept",
			},
		},
		{
			"retrying, as it throttles",
			snapshot.Output{
				Type: "cloudwatch_logs", State: snapshot.StateRetrying, Clusters: waits[:1], Lag: 7200,
				LastError:   failure,
				OutputTimes: snapshot.OutputTimes{FailingReason: "throttled"},
			},
			said{
				"critical AggregatorOutputLag output/o",
				"throttled by CloudWatch Logs, so that nothing gets through; 2 events wait, the oldest for 2 h (of " +
					"osaka): " +
					"401 from it",
				"raise its quota or send it less; events are kept and sent again",
			},
		},
		{
			"retrying, as it can't be reached",
			snapshot.Output{
				State: snapshot.StateRetrying, LastError: failure,
				OutputTimes: snapshot.OutputTimes{FailingReason: "network"},
			},
			said{
				"critical AggregatorOutputLag output/o",
				"nothing gets through; 0 events wait: 401 from it",
				"see whether it runs and can be reached from here: name, port, firewall, proxy; events are kept and " +
					"sent " +
					"again",
			},
		},
		{
			"stalled",
			snapshot.Output{State: snapshot.StateStalled, Clusters: waits[:1], LastError: failure},
			said{
				"critical AggregatorDiskHangs output/o",
				"its disk does not answer; 2 events wait (of osaka): 401 from it",
				"look at the disk and its node: dmesg, the storage class's events",
			},
		},
		{
			"paused, and nothing waits",
			snapshot.Output{State: snapshot.StatePaused},
			said{
				"warning AggregatorOutputStopped output/o", "it is paused; 0 events wait",
				"resume it: aggregator output resume o",
			},
		},
		{
			"paused, and one waits",
			snapshot.Output{
				State: snapshot.StatePaused, Clusters: []snapshot.OutputCluster{{Cluster: "a", Pending: 1}},
			},
			said{
				"critical AggregatorOutputStopped output/o", "it is paused; 1 event waits (of a)",
				"resume it: aggregator output resume o",
			},
		},
		{
			"not configured any more",
			snapshot.Output{State: snapshot.StateUnconfigured, Clusters: waits, Lag: 90_000},
			said{
				"critical AggregatorOutputStopped output/o",
				"it is not configured any more; 12,400 events wait, the oldest for 25 h (of seoul and osaka)",
				"configure it again, or forget them: aggregator output purge o",
			},
		},
	} {
		tc.o.Name = "o"
		same(t, tc.name, findings(&snapshot.Snapshot{Outputs: []snapshot.Output{tc.o}}), []said{tc.want})
	}
}

// A lag is told from a bound on, which is lower where the destination throttles; up to it nobody has to hear of it.
func TestLagsAreToldFromABoundOn(t *testing.T) {
	const lag, throttled = "AggregatorOutputLag", "AggregatorThrottled"
	for _, tc := range []struct {
		name      string
		lag       float64
		throttled uint64
		want      string
	}{
		{"none", 0, 0, ""},
		{"at the bound", 600, 0, ""},
		{"over the bound", 600.1, 0, lag},
		{"throttled, at its bound", 300, 1, ""},
		{"throttled, over its bound", 300.1, 1, throttled},
		{"throttled, over both", 601, 1, throttled},
		{"over the bound of throttling only", 301, 0, ""},
	} {
		s := snapshot.Snapshot{Outputs: []snapshot.Output{{
			Name: "o", State: snapshot.StateRunning, Lag: tc.lag,
			OutputLately: snapshot.OutputLately{ThrottledLately: tc.throttled},
		}}}
		var alerts []string
		for _, f := range Of(&s).Findings {
			alerts = append(alerts, f.Alert)
		}
		if got := strings.Join(alerts, " "); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

// What slows an output, and whether it catches up, stand in the finding of a lag.
func TestWordsOfLags(t *testing.T) {
	falls := []snapshot.OutputCluster{{Cluster: "a", Pending: 3, QueuedPerSecond: 9, SettledPerSecond: 8}}
	keeps := []snapshot.OutputCluster{{Cluster: "a", Pending: 3, QueuedPerSecond: 8, SettledPerSecond: 8}}
	lately := snapshot.OutputLately{ThrottledLately: 4}
	const quota = "raise its quota or send it less; nothing is lost meanwhile"
	for _, tc := range []struct {
		name string
		o    snapshot.Output
		want said
	}{
		{
			"it falls behind",
			snapshot.Output{Lag: 3600, Clusters: falls},
			said{
				"warning AggregatorOutputLag output/o",
				"it lags, falling behind; 3 events wait, the oldest for 60 min (of a)",
				"see whether the destination is slow; more workers, or a larger batch, may help",
			},
		},
		{
			"it neither falls behind nor catches up",
			snapshot.Output{Lag: 3600, Clusters: keeps},
			said{
				"warning AggregatorOutputLag output/o", "it lags; 3 events wait, the oldest for 60 min (of a)",
				"see whether the destination is slow; more workers, or a larger batch, may help",
			},
		},
		{
			"throttled, and it catches up",
			snapshot.Output{
				Lag: 400, Clusters: keeps, OutputLately: lately,
				OutputOutlook: snapshot.OutputOutlook{DoneIn: new(30.0)},
				OutputWorkers: snapshot.OutputWorkers{Workers: 8, Concurrency: 1},
			},
			said{
				"warning AggregatorThrottled output/o",
				"the destination throttles it, 1 of 8 workers, catching up in about 30 s; 3 events wait, the oldest " +
					"for " +
					"7 min (of a)", quota,
			},
		},
		{
			"throttled, with paces of which some were throttled",
			snapshot.Output{
				Type: "firehose", Lag: 400, Clusters: falls, OutputLately: lately,
				Destination: snapshot.Destination{Paces: []snapshot.Pace{
					{Stream: "a", RecordsPerSecond: 1000, Throttled: 1},
					{Stream: "b", RecordsPerSecond: 500},
					{Stream: "c", RecordsPerSecond: 234, Throttled: 9},
				}},
			},
			said{
				"warning AggregatorThrottled output/o",
				"Firehose throttles it, at most 1,234 records/s, falling behind; 3 events wait, the oldest for 7 min " +
					"(of a)",
				quota,
			},
		},
	} {
		tc.o.Name, tc.o.State = "o", snapshot.StateRunning
		same(t, tc.name, findings(&snapshot.Snapshot{Outputs: []snapshot.Output{tc.o}}), []said{tc.want})
	}
}

// Where several things are wrong with an output that delivers, each is told, in a fixed order.
func TestWordsBesidesAnOutputsState(t *testing.T) {
	s := snapshot.Snapshot{Outputs: []snapshot.Output{{
		Name: "es", State: snapshot.StateRunning, Lag: 500, HeldClusters: []string{"a", "b", "c", "d", "e"},
		LastError: snapshot.Failure{Text: "413 of a"},
		OutputWaiting: snapshot.OutputWaiting{WaitingTargetsMore: 4, WaitingTargets: []snapshot.WaitingTarget{
			{Target: "logs-a", Events: 40, Status: 403, Kind: "index_closed_exception", Remedy: "open it"},
			{Target: "logs-b", Events: 2, Full: true},
			{Target: "logs-c", Events: 1, Full: true},
		}},
		OutputLately: snapshot.OutputLately{DroppedLately: 1, RedirectedLately: 2_500_000},
		Destination: snapshot.Destination{Hosts: []snapshot.Host{
			{Address: "https://es-1", Down: true, Error: "EOF"},
			{Address: "https://es-2"},
			{Address: "https://es-3", Down: true, Error: "refused"},
		}},
	}}}
	down := "see why that server does not answer; the others take its share"
	same(t, "all at once", findings(&s), []said{
		{
			"critical AggregatorTooMuchWaits output/es",
			"so much waits aside for logs-b that new events of it become dead letters: it is refused",
			"set the target right, or move or purge what waits, or raise buffer.waiting.max_size",
		},
		{
			"warning AggregatorTargetWaits output/es",
			"43 events wait aside for logs-a and 6 more: 403 index_closed_exception; all others are delivered",
			"open it",
		},
		{
			"warning  output/es",
			"the events of a, b, c and 2 others wait until what was refused of them is taken: 413 of a",
			"see the last error; what was refused is tried again",
		},
		{"warning  output/es", "its server https://es-1 is down: EOF", down},
		{"warning  output/es", "its server https://es-3 is down: refused", down},
		{
			"warning AggregatorEventsDropped output/es",
			"1 event dropped in 15 minutes, as a rule of the configuration says",
			"if that is not meant, set on_reject, when_full or max_age to what keeps",
		},
		{
			"warning AggregatorRedirected output/es",
			"2.5 million events went to the index or stream for others in an hour",
			"see its notices: a placeholder has too many values",
		},
	})
}

// Those of a cluster that are held are told only where nothing else explains it.
func TestHeldClustersAreToldWhereNothingElseExplainsThem(t *testing.T) {
	for _, tc := range []struct {
		name      string
		state     snapshot.State
		lag       float64
		throttled uint64
		want      int
	}{
		{"delivering", snapshot.StateRunning, 301, 0, 1},
		{"idle", snapshot.StateIdle, 301, 0, 1},
		{"not for long", snapshot.StateRunning, 300, 0, 0},
		{"throttled, which is told", snapshot.StateRunning, 301, 1, 0},
		{"a state that is told", snapshot.StateRetrying, 301, 0, 0},
	} {
		s := snapshot.Snapshot{Outputs: []snapshot.Output{{
			Name: "o", State: tc.state, Lag: tc.lag, HeldClusters: []string{"held"},
			OutputLately: snapshot.OutputLately{ThrottledLately: tc.throttled},
		}}}
		n := 0
		for _, f := range Of(&s).Findings {
			if slices.Contains(f.Whose, "held") {
				n++
			}
		}
		if n != tc.want {
			t.Errorf("%s: told %d times, want %d", tc.name, n, tc.want)
		}
	}
}
