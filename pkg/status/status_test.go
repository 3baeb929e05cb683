package status

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/metric"
)

// golden compares got with a file of testdata; with UPDATE_GOLDEN=1 it writes the file.
func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (UPDATE_GOLDEN=1 writes it); got:\n%s", path, got)
	}
}

func latency(seconds float64, n int) Latency {
	var h metric.Histogram
	h.Observe(time.Duration(seconds*float64(time.Second)), n)
	return Latency{h.Snapshot()}
}

// fixture is a program that received n events from seoul and delivered half of them.
func fixture(started time.Time, n uint64) Snapshot {
	return Snapshot{
		Version: "1.2.3", Commit: "abc", Hostname: "aggregator-0", Started: started,
		Config: ConfigState{Source: "aggregator.yaml", Hash: "f00", LoadedAt: started, Warnings: []string{"outputs.es: nobody uses it"}},
		Loops:  []Loop{{Name: "committer", Doing: "disk", What: "a commit to data", Seconds: 12}, {Name: "cleaner", Doing: "resting"}},
		Listeners: []Listener{{
			Name: "public", Address: "0.0.0.0:24224", Connections: 3, ConnectionsTotal: 9, ProbesTotal: 4,
			Refused: Counts{"idle": 1, "limit": 0}, Messages: Counts{"forward": 2, "packed": 5}, AcksTotal: 7,
			NoAckTotal: 4, NoAckPeers: []NoAck{{Peer: "10.0.0.7", Cluster: "seoul", Messages: 4, LastSeen: started}},
			AckLatency: latency(0.004, 7), LastError: Failure{Text: "broken frame from 10.0.0.1", Time: started.Add(time.Second)},
		}},
		Clusters: []Cluster{
			{Name: "seoul", ReceivedEvents: n, ReceivedBytes: 300 * n, Messages: n / 10, StoredEvents: n, Dropped: Counts{"metrics": 0}, LastSeen: started},
			{Name: "osaka", ReceivedEvents: 100, StoredEvents: 60, DuplicateEvents: 20, Dropped: Counts{"metrics": 7, "traces": 3}, Dead: Counts{"invalid_entry": 10}},
			{Name: "tokyo"},
		},
		Certificates: []Certificate{
			{Owner: "listener public", CertFile: "tls.crt", DaysLeft: 30, LoadedAt: started, Reloads: 2, Failing: Failure{Text: "half of a key", Time: started}},
		},
		Memory: Memory{LimitBytes: 225 << 20, Source: "control group", NeedBytes: 240 << 20, GroupBytes: 250 << 20},
		Queue: Queue{
			Segments: 2, SetAsideSegments: 1, DamagedEvents: 15, DiskBytes: 1 << 20, MaxBytes: 1 << 30, FreeDiskBytes: 1 << 31, MinFreeDiskBytes: 1 << 29, Full: true, FullReason: "max_size",
			PendingChunks: 4, PendingEvents: 5, PendingBytes: 6, OldestAge: 7.5, AppendedChunks: 8, AppendedEvents: 9, AppendedBytes: 10,
			RecoveredEvents: 11, Commits: 12, CommitLatency: latency(0.002, 12), CommitWait: latency(0.003, 12), CommitCauses: map[string]uint64{"limit": 12, "full": 0}, MemoryBytes: 13, MemoryMaxBytes: 14, EvictedConnections: 15,
		},
		Outputs: []Output{
			{
				Name: "es", Type: "elasticsearch", State: StateRetrying, Since: started.Add(time.Minute), Workers: 2, Concurrency: 1, InFlight: 1, HeldClusters: []string{"osaka"},
				Clusters: []OutputCluster{
					{Cluster: "seoul", Queued: n, Delivered: n / 2, Pending: n - n/2},
					{Cluster: "osaka", Queued: 57, Returned: 3, Recovered: 6, Delivered: 50, Dropped: Counts{"rejected": 0, "full": 1}, Dead: Counts{"rejected": 2}, Pending: 12},
				},
				DeliveredBytes: 150 * n, Retries: Counts{"throttled": 3}, Lag: 1.5, Requests: 20, FailedRequests: 2, RequestLatency: latency(0.3, 20),
				LastError: Failure{Text: "429 \x1b[31mslow\u009b down", Time: started, Ended: started.Add(3 * time.Second)}, FailingSince: started.Add(time.Second), LastSuccess: started, BackoffUntil: started.Add(time.Minute),
				Destination: Destination{
					Server: "Elasticsearch 8.14.3", Notices: []string{"the template <logs> is someone else's"}, RequestLimit: 1 << 20,
					Hosts:              []Host{{Address: "https://es-0:9200"}, {Address: "https://es-1:9200", Down: true, Error: "connection refused"}},
					PossibleDuplicates: 5, FailureStore: 6, AlreadyThere: 9, AlreadyThereExample: &Example{Cluster: "seoul", Detail: "[r-1]: version conflict"}, Redirected: 7, Truncated: 8,
					Paces: []Pace{{Stream: "logs", BytesPerSecond: 1 << 20, RecordsPerSecond: 1000, Throttled: 9}, {Stream: "new"}},
				},
				Steps: []Step{{Route: "routes[0]", Filter: "nginx", Index: 1, Kind: "grep", In: 100, Out: 60, Dropped: 40, Errors: 2, Seconds: 0.25}},
			},
			{Name: "archive", Type: "file", State: StateIdle, Workers: 1},
		},
		DeadLetters: DeadLetters{Count: 12, Events: 13, Bytes: 14, EvictedEvents: 15, RetriedEvents: 16, PurgedEvents: 17, By: []DeadLetterCount{{"es", "seoul", "rejected", 3}, {"", "seoul", "invalid_entry", 10}}},
	}
}

func testServer(snapshot func() Snapshot) *Server {
	ok := func() error { return nil }
	return New(Options{Snapshot: snapshot, Ready: ok, Healthy: ok, Log: zerolog.Nop()})
}

func get(s *Server, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.http.Handler.ServeHTTP(w, httptest.NewRequestWithContext(context.Background(), http.MethodGet, path, http.NoBody))
	return w
}

// seoul receives 100 events a second, the others rest: their accounts are settled, its is not.
func TestStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		started := time.Now().UTC()
		s := testServer(func() Snapshot { return fixture(started, uint64(time.Since(started).Seconds()*100)) })
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go s.sample(ctx)
		time.Sleep(60*time.Second + 500*time.Millisecond)
		w := get(s, "/status")
		if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/json" || !json.Valid(w.Body.Bytes()) {
			t.Errorf("%d %s", w.Code, w.Header())
		}
		golden(t, filepath.Join("testdata", "status.json"), w.Body.Bytes())
		if n := len(s.samples.kept); n != sampleCount {
			t.Errorf("%d samples are kept, want %d", n, sampleCount)
		}
	})
}

// Right after the start there is nothing to compare with, and an empty program has no nulls.
func TestStatusOfNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		golden(t, filepath.Join("testdata", "empty.json"), get(testServer(func() Snapshot {
			return Snapshot{Started: time.Now().UTC(), Outputs: []Output{{Name: "archive"}}}
		}), "/status").Body.Bytes())
	})
}

func TestLedger(t *testing.T) {
	yes, no := new(true), new(false)
	resting := Snapshot{
		Clusters: []Cluster{{Name: "a", ReceivedEvents: 10, StoredEvents: 5, DuplicateEvents: 2, Dropped: Counts{"x": 1}, Dead: Counts{"y": 1, "z": 1}}},
		Outputs:  []Output{{Name: "o", Clusters: []OutputCluster{{Cluster: "a", Queued: 5, Recovered: 5, Delivered: 4, Dropped: Counts{"x": 3}, Dead: Counts{"y": 2}, Pending: 1}}}},
	}
	for _, tc := range []struct {
		name           string
		change         func(s *Snapshot)
		ingest, output Balance
	}{
		{"balanced", func(*Snapshot) {}, Balance{0, yes}, Balance{0, yes}},
		{"lost", func(s *Snapshot) { s.Clusters[0].StoredEvents--; s.Outputs[0].Clusters[0].Delivered-- }, Balance{1, no}, Balance{1, no}},
		{"doubled", func(s *Snapshot) { s.Clusters[0].Dead["y"]++; s.Outputs[0].Clusters[0].Pending += 2 }, Balance{-1, no}, Balance{-2, no}},
	} {
		s := func() *Snapshot {
			s := resting
			s.Clusters = []Cluster{resting.Clusters[0]}
			s.Clusters[0].Dead = Counts{"y": 1, "z": 1}
			s.Outputs = []Output{{Name: "o", Clusters: []OutputCluster{resting.Outputs[0].Clusters[0]}}}
			tc.change(&s)
			return &s
		}
		check := func(step string, s *Snapshot, ingest, output Balance) {
			if got := s.Ledger.Ingest[0].Balance; !reflect.DeepEqual(got, ingest) {
				t.Errorf("%s, %s: ingest %+v, want %+v", tc.name, step, got, ingest)
			}
			if got := s.Ledger.Outputs[0].Balance; !reflect.DeepEqual(got, output) {
				t.Errorf("%s, %s: output %+v, want %+v", tc.name, step, got, output)
			}
		}
		first, second, moved := s(), s(), s()
		first.settle(nil)
		check("first", first, Balance{tc.ingest.Difference, nil}, Balance{tc.output.Difference, nil})
		second.settle(first)
		check("at rest", second, tc.ingest, tc.output)
		moved.Clusters[0].ReceivedEvents += 7
		moved.Outputs[0].Clusters[0].Queued += 7
		moved.settle(second)
		check("moving", moved, Balance{tc.ingest.Difference + 7, nil}, Balance{tc.output.Difference + 7, nil})
	}
}

func TestRates(t *testing.T) {
	at := time.Unix(1000, 0)
	before := fixture(at, 1000)
	before.at = at
	now := fixture(at, 3000)
	now.at = at.Add(4 * time.Second)
	now.rates(&before)
	if c := now.Clusters[0]; c.EventsPerSecond != 500 || c.BytesPerSecond != 150_000 {
		t.Errorf("cluster: %v events/s, %v bytes/s", c.EventsPerSecond, c.BytesPerSecond)
	}
	if o := now.Outputs[0]; o.EventsPerSecond != 250 {
		t.Errorf("output: %v events/s", o.EventsPerSecond)
	}
	back := fixture(at, 0) // a counter that fell is none that was negative
	back.at = at.Add(4 * time.Second)
	back.rates(&before)
	if r := back.Clusters[0].EventsPerSecond; r != 0 {
		t.Errorf("%v events/s after a counter fell", r)
	}
}

func TestSamples(t *testing.T) {
	var x samples
	at := time.Unix(0, 0)
	if oldest, second := x.before(at); oldest != nil || second != nil {
		t.Error("there is a sample before the first")
	}
	for i := range 30 {
		x.keep(&Snapshot{at: at.Add(time.Duration(i) * time.Second)})
	}
	now := at.Add(29*time.Second + 100*time.Millisecond)
	oldest, second := x.before(now)
	if got := now.Sub(oldest.at); got != 10*time.Second+100*time.Millisecond {
		t.Errorf("the oldest sample is %v old", got)
	}
	if got := now.Sub(second.at); got != time.Second+100*time.Millisecond {
		t.Errorf("the second sample is %v old", got)
	}
}

// Rates come from the time that has passed, whatever the clock was set to meanwhile.
func TestRatesWhenTheClockIsSet(t *testing.T) {
	for name, jump := range map[string]time.Duration{
		"not at all": 0, "a year back": -8760 * time.Hour, "an hour back": -time.Hour, "an hour ahead": time.Hour, "a year ahead": 8760 * time.Hour,
		"to 1970": -time.Duration(time.Now().UnixNano()), "to 2106": time.Until(time.Unix(1<<32, 0)),
	} {
		at := time.Now()
		before, now := fixture(at, 100), fixture(at, 600)
		before.at, before.Time = at, at
		now.at, now.Time = at.Add(2*time.Second), at.Add(jump).Add(2*time.Second)
		now.rates(&before)
		if r := now.Clusters[0].EventsPerSecond; r != 250 {
			t.Errorf("the clock was set %s: %v events/s", name, r)
		}
	}
}

func TestProbes(t *testing.T) {
	for _, tc := range []struct {
		err  error
		code int
		body string
	}{
		{nil, http.StatusOK, "ok\n"},
		{errors.Join(errors.New("queue is full"), errors.New("listener \"a\" is closed")), http.StatusServiceUnavailable, "queue is full\nlistener \"a\" is closed\n"},
		{errors.New("bad\x1b[2Jname\u009b\xff\r\n\nlast"), http.StatusServiceUnavailable, "bad\\u001b[2Jname\\u009b\\ufffd\nlast\n"},
		{errors.New(""), http.StatusServiceUnavailable, "unknown\n"},
	} {
		s := New(Options{
			Snapshot: func() Snapshot { return Snapshot{} },
			Ready:    func() error { return tc.err }, Healthy: func() error { return tc.err },
		})
		for _, path := range []string{"/healthz", "/readyz"} {
			if w := get(s, path); w.Code != tc.code || w.Body.String() != tc.body {
				t.Errorf("%s with %v: %d %q, want %d %q", path, tc.err, w.Code, w.Body, tc.code, tc.body)
			}
		}
		var got struct {
			Ready, Healthy bool
			NotReady       []string `json:"not_ready"`
		}
		if err := json.Unmarshal(get(s, "/status").Body.Bytes(), &got); err != nil || got.Ready != (tc.err == nil) || got.Healthy != (tc.err == nil) || (len(got.NotReady) == 0) != (tc.err == nil) {
			t.Errorf("/status with %v: %+v (%v)", tc.err, got, err)
		}
	}
}

func BenchmarkStatus(b *testing.B) {
	s := testServer(func() Snapshot { return fixture(time.Unix(0, 0), 1000) })
	for _, path := range []string{"/status", "/metrics"} {
		b.Run(path[1:], func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if w := get(s, path); w.Code != http.StatusOK {
					b.Fatal(w.Code)
				}
			}
		})
	}
}

// TestPage shows what people look for, and nothing that a name could smuggle in.
func TestPage(t *testing.T) {
	s := New(Options{Snapshot: func() Snapshot {
		f := fixture(time.Now(), 10)
		f.Clusters[0].Name = "<script>"
		f.Config.Failing = Failure{Text: "line 3: no such key"}
		f.Outputs[1].State = StateRefused
		f.Outputs[1].BackoffUntil = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
		return f
	}, Ready: func() error { return nil }, Healthy: func() error { return nil }})
	w := httptest.NewRecorder()
	s.http.Handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody))
	page := w.Body.String()
	for _, want := range []string{
		"aggregator-0", "&lt;script&gt;", "30.0", "half of a key", "line 3: no such key", "osaka", "public",
		"1 of 1, 2 workers", "Elasticsearch 8.14.3", "the template &lt;logs&gt;", "es-1:9200 is down: connection refused", "taken: osaka.",
		"logs: 1024 KiB/s, 1000 records/s, throttled 9 times", "new: no limit", `class="bad">refused, waiting until 2026-01-02 03:04:05`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is not on the page:\n%s", want, page)
		}
	}
	if strings.Contains(page, "<script") {
		t.Error("a name came through as HTML")
	}
}
