package page

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/status/client"
	"github.com/seed-afc6a195/aggregator/pkg/status/snapshot"
)

func moment(seconds int64) time.Time { return time.Unix(1_000_000+seconds, 123e6).UTC() }

// Each part of a state is on the page, and what is not known is not: neither zero times nor empty errors.
func TestViewOfOutput(t *testing.T) {
	done := 90.4
	full := snapshot.Output{
		Name: "es", Type: "elasticsearch", State: snapshot.StateRetrying,
		OutputOutlook: snapshot.OutputOutlook{StateText: "nothing gets through", DoneIn: &done},
		OutputWorkers: snapshot.OutputWorkers{Workers: 8, Concurrency: 3},
		OutputTimes:   snapshot.OutputTimes{BackoffUntil: moment(30)},
		Lag:           1234.5, EventsPerSecond: 1234.5, HeldClusters: []string{"osaka"},
		LastError: snapshot.Failure{
			Text: "429", Detail: "429 from 10.0.0.1: [secret]", Time: moment(1), Ended: moment(2),
		},
		OutputLately: snapshot.OutputLately{DroppedLately: 4},
		Steps:        []snapshot.Step{{Kind: "grep"}},
		Clusters: []snapshot.OutputCluster{
			{
				Cluster: "seoul", Pending: 123_456, PendingBytes: 5_555_555, DeliveredPerSecond: 77.7, OldestAge: 9.6,
				Dead: snapshot.Counts{"rejected": 3},
			},
			{Cluster: "rests", Dead: snapshot.Counts{"max_age": 2}},
		},
		Destination: snapshot.Destination{
			Server: "Elasticsearch 9.2.1", Notices: []string{"the template is someone else's"},
			Hosts: []snapshot.Host{{Address: "es-0"}, {Address: "es-1", Down: true, Error: "refused"}},
			Paces: []snapshot.Pace{{Stream: "logs", BytesPerSecond: 1_234_567, RecordsPerSecond: 999.9, Throttled: 7}},
		},
		OutputWaiting: snapshot.OutputWaiting{WaitingTargetsMore: 2, WaitingTargets: []snapshot.WaitingTarget{{
			Target: "logs-a", Since: moment(3), Events: 48_219, Bytes: 9, Status: 403, Kind: "index_closed_exception",
			NextTry: moment(60), Remedy: "open it", Clusters: []string{"osaka"},
		}}},
	}
	want := &output{
		Type: "elasticsearch", State: snapshot.StateRetrying, Text: "nothing gets through", Done: new(90.4),
		amounts: amounts{Rate: 1230, Pending: 123_000, Bytes: 5_560_000, Lag: 1230},
		Next:    moment(30).UnixMilli(), Server: "Elasticsearch 9.2.1", Workers: "3 of 8",
		Error:   &failure{Text: "429", At: moment(1).UnixMilli(), Ended: moment(2).UnixMilli()},
		Notices: []string{"the template is someone else's"}, Held: []string{"osaka"},
		Clusters: map[string]*share{"seoul": {Pending: 120_000, Rate: 78, Age: 10}},
		Targets: map[string]*target{"logs-a": {
			Since: moment(3).UnixMilli(), Events: 48_200, Bytes: 9, Why: "403 index_closed_exception",
			Next: moment(60).UnixMilli(), Remedy: "open it", Clusters: []string{"osaka"},
		}},
		More: 2, Hosts: map[string]string{"es-0": "", "es-1": "refused"},
		Paces: map[string]*pace{"logs": {Bytes: 1_230_000, Records: 1000, Throttled: 7}},
		Dead:  5, Dropped: 4, Filters: true,
	}
	if got := outputOf(&full, false); !reflect.DeepEqual(got, want) {
		t.Errorf("shown %s\nwant  %s", asJSON(t, got), asJSON(t, want))
	}
	if got := outputOf(&full, true).Error.Text; got != "429 from 10.0.0.1: [secret]" {
		t.Errorf("who may see a destination's words sees %q", got)
	}
	text := asJSON(t, outputOf(&snapshot.Output{Name: "new", Type: "file", State: snapshot.StateIdle}, true))
	for _, key := range []string{"error", "next", "done", "targets", "server", "clusters", "dead", "filters"} {
		if strings.Contains(text, `"`+key+`"`) {
			t.Errorf("a new output shows %s: %s", key, text)
		}
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestViewOfQueueAndClusters(t *testing.T) {
	got := queueOf(&snapshot.Queue{
		PendingEvents: 12_345, PendingChunks: 77, DiskBytes: 99_999, MaxBytes: 1 << 30, FreeDiskBytes: 123_456_789,
		MinFreeDiskBytes: 1 << 29, Full: true, FullReason: "buffer.max_size is used up", OldestAge: 61.27,
		SetAsideSegments: 2, QueueMemory: snapshot.QueueMemory{MemoryBytes: 5_555, MemoryMaxBytes: 9_999},
	})
	want := queue{
		Events: 12_300, Chunks: 77, Disk: 99_999, Max: 1 << 30, Free: 123_000_000, MinFree: 1 << 29,
		Full: "buffer.max_size is used up", Oldest: 61.3, Damaged: 2, Memory: 5560, MemoryMax: 9_999,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the queue: %+v, want %+v", got, want)
	}
	c := clusterOf(&snapshot.Cluster{
		Name: "seoul", EventsPerSecond: 1234, BytesPerSecond: 5678, Connections: 7,
		ClusterLimits: snapshot.ClusterLimits{MaxConnections: 200, RateLimit: 50 << 20},
		QueueBytes:    1_234_567, QueueMaxBytes: 4 << 30, Waiting: "its limit", LastSeen: moment(17),
		Dead: snapshot.Counts{"tag_not_allowed": 3}, DroppedLately: 9, DuplicateEvents: 1234,
	})
	wantCluster := &cluster{
		Rate: 1230, Bytes: 5680, Conns: 7, MaxConns: 200, Limit: 50 << 20, Queue: 1_230_000, QueueMax: 4 << 30,
		Waiting: "its limit", Seen: moment(17).UnixMilli() / 10_000 * 10_000, Dead: 3, Dropped: 9, Repeated: 1230,
	}
	if !reflect.DeepEqual(c, wantCluster) {
		t.Errorf("the cluster: %+v, want %+v", c, wantCluster)
	}
}

// Dead letters are by output and reason, with how many of them are whose.
func TestViewOfLetters(t *testing.T) {
	got := lettersOf(&snapshot.DeadLetters{
		Count: 6, Events: 615, Bytes: 7, Newest: moment(4), EvictedLately: 8, By: []snapshot.DeadLetterCount{
			{Output: "es", Cluster: "seoul", Reason: "rejected", Events: 401},
			{Output: "es", Cluster: "tokyo", Reason: "rejected", Events: 180},
			{Output: "es", Cluster: "seoul", Reason: "max_age", Events: 3},
			{Cluster: "seoul", Reason: "tag_not_allowed", Events: 31},
		},
	})
	want := letters{
		Events: 615, Letters: 6, Bytes: 7, Newest: moment(4).UnixMilli(), Evicted: 8, Causes: map[string]cause{
			"es rejected": {
				Output: "es", Reason: "rejected", Events: 581, Clusters: map[string]int64{"seoul": 401, "tokyo": 180},
			},
			"es max_age":       {Output: "es", Reason: "max_age", Events: 3, Clusters: map[string]int64{"seoul": 3}},
			" tag_not_allowed": {Reason: "tag_not_allowed", Events: 31, Clusters: map[string]int64{"seoul": 31}},
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// Agents are counted by cluster; those without acks are named, in an order that does not change all the time.
func TestViewOfListener(t *testing.T) {
	v := &view{Clusters: map[string]*cluster{"a": {}, "b": {}}, Listeners: map[string]*listener{}}
	v.listener(&snapshot.Listener{
		Name: "public", Address: "0.0.0.0:24224", Connections: 5, Refused: snapshot.Counts{"idle": 2, "user": 3},
		LastError: snapshot.Failure{Text: "broken frame", Time: moment(1)},
		Agents: []snapshot.Agent{
			{Peer: "10.0.0.9", Hostname: "z", Cluster: "a", LastSeen: moment(9)},
			{Peer: "10.0.0.1", Hostname: "y", Cluster: "a", AsksAcks: true},
			{Peer: "10.0.0.2", Hostname: "x", Cluster: "a", LastSeen: moment(11)},
			{Peer: "10.0.0.2", Hostname: "w", Cluster: "a", LastSeen: moment(12)},
			{Peer: "10.0.0.3", Cluster: "gone"},
			{Peer: "10.0.0.4", Cluster: "b", AsksAcks: true},
		},
		RefusedPeers: []snapshot.RefusedPeer{
			{Peer: "10.0.0.5", Hostname: "old", Reason: "user", Text: "no such user", Times: 3, LastSeen: moment(5)},
		},
	})
	if a, b := v.Clusters["a"], v.Clusters["b"]; a.Agents != 4 || b.Agents != 1 || len(b.NoAcks) != 0 {
		t.Errorf("agents: %+v, %+v", a, b)
	}
	var names []string
	for _, a := range v.Clusters["a"].NoAcks {
		names = append(names, a.Peer+" "+a.Hostname)
	}
	if want := []string{"10.0.0.2 w", "10.0.0.2 x", "10.0.0.9 z"}; !reflect.DeepEqual(names, want) {
		t.Errorf("without acks: %q, want %q", names, want)
	}
	l := v.Listeners["public"]
	if l.Conns != 5 || l.Refused != 5 || l.Error.Text != "broken frame" || len(l.Away) != 1 ||
		l.Away[0].Text != "no such user" || l.Away[0].Times != 3 {
		t.Errorf("the listener: %+v", l)
	}
}

// The verdict is shown with the worst first; what is too much is counted.
func TestViewOfVerdict(t *testing.T) {
	s := &snapshot.Snapshot{Verdict: client.Verdict{Severity: client.Critical, Text: "output es: refused"}}
	for i := range maxFindings + 7 {
		s.Verdict.Findings = append(s.Verdict.Findings, client.Finding{
			Severity: client.Warning, Subject: strings.Repeat("s", i*10), Since: moment(int64(i)), Text: "x",
		})
	}
	v := verdictOf(s)
	if len(v.Findings) != maxFindings || v.More != 7 || v.Severity != client.Critical {
		t.Errorf("%d findings, and %d more", len(v.Findings), v.More)
	}
	if first := v.Findings["0"]; !first.Since.Equal(moment(0).Truncate(time.Second)) {
		t.Errorf("since %v", first.Since)
	}
	if last := v.Findings["99"]; len(last.Subject) > maxName+len("…") {
		t.Errorf("a name of %d bytes", len(last.Subject))
	}
}

// What JSON can't say does not stop the page: a figure that is no number is none.
func TestFiguresThatAreNone(t *testing.T) {
	for _, f := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), 1e300, -5} {
		s := &snapshot.Snapshot{Outputs: []snapshot.Output{{Name: "es", EventsPerSecond: f, Lag: f}}}
		if _, err := json.Marshal(viewOf(s, true)); err != nil {
			t.Errorf("%v: %v", f, err)
		}
	}
}
