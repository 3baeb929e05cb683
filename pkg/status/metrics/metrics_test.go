package metrics

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/seed-afc6a195/aggregator/pkg/status/snapshot"
	"github.com/seed-afc6a195/aggregator/pkg/status/snapshot/snapshottest"
)

// golden compares got with a file; with UPDATE_GOLDEN=1 it writes the file.
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

// A registry with the program's own metrics.
func ownMetrics(s snapshot.Snapshot) *prometheus.Registry {
	s.Derive(nil, nil)
	r := prometheus.NewRegistry()
	r.MustRegister(Collectors(func() snapshot.Snapshot { return s })[0])
	return r
}

func TestMetrics(t *testing.T) {
	s := snapshottest.Program(time.Unix(1_000_000_000, 0), 3000)
	s.Ready, s.Healthy = true, true
	r := ownMetrics(s)
	problems, err := testutil.GatherAndLint(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	w := httptest.NewRecorder()
	promhttp.HandlerFor(r, promhttp.HandlerOpts{}).
		ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", http.NoBody))
	golden(t, filepath.Join("testdata", "metrics.txt"), w.Body.Bytes())
}

// No name stands for two families once OpenMetrics has taken _total off.
func TestNamesDoNotClash(t *testing.T) {
	seen := map[string]string{}
	for _, f := range families() {
		base := strings.TrimSuffix(f.name, "_total")
		if other, clash := seen[base]; clash {
			t.Errorf("%s and %s are one name in OpenMetrics", f.name, other)
		}
		seen[base] = f.name
		if counter := f.kind() == "counter"; counter != strings.HasSuffix(f.name, "_total") {
			t.Errorf("%s is a %s", f.name, f.kind())
		}
	}
}

// Every metric is in docs/metrics.md and the other way round. UPDATE_GOLDEN=1 writes the table.
func TestMetricsAreDocumented(t *testing.T) {
	const path, begin, end = "../../../docs/metrics.md", "<!-- begin table -->\n", "<!-- end table -->\n"
	gathered, err := ownMetrics(snapshottest.Program(time.Unix(0, 0), 10)).Gather()
	if err != nil {
		t.Fatal(err)
	}
	exported := map[string]bool{}
	for _, f := range gathered {
		exported[f.GetName()] = true
	}
	var table strings.Builder
	table.WriteString("| metric | type | labels | meaning |\n|---|---|---|---|\n")
	for _, f := range families() {
		if !exported[f.name] {
			t.Errorf("%s has no value in the test's snapshot", f.name)
		}
		delete(exported, f.name)
		fmt.Fprintf(&table, "| `%s` | %s | %s | %s |\n", f.name, f.kind(), strings.Join(f.labels, ", "), f.help)
	}
	for name := range exported {
		t.Errorf("%s is exported and in no table", name)
	}
	doc, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, found := strings.Cut(string(doc), begin)
	_, tail, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("%s has no %q and %q", path, begin, end)
	}
	golden(t, path, []byte(head+begin+table.String()+end+tail))
}

// Every output has every state, and every label value of the snapshot is there although it is 0.
func TestZerosArePresent(t *testing.T) {
	r := ownMetrics(snapshottest.Program(time.Unix(0, 0), 0))
	for name, want := range map[string]int{
		"aggregator_output_state":                    16,
		"aggregator_listener_refused_total":          2,
		"aggregator_received_events_total":           3,
		"aggregator_dropped_events_total":            3,
		"aggregator_output_delivered_events_total":   2,
		"aggregator_output_request_latency_seconds":  2,
		"aggregator_ledger_output_difference_events": 2,
	} {
		if n, err := testutil.GatherAndCount(r, name); err != nil || n != want {
			t.Errorf("%s has %d values, want %d (%v)", name, n, want, err)
		}
	}
}

// Streams can be as many as tags: those past the limit share one label, and nothing is left out.
func TestStreamsAreBounded(t *testing.T) {
	var d snapshot.Destination
	for i := range maxStreams + 50 {
		d.Paces = append(d.Paces, snapshot.Pace{
			Stream: fmt.Sprintf("s%03d", i), BytesPerSecond: 2, RecordsPerSecond: 3, RequestsPerSecond: 4, Throttled: 5,
		})
	}
	got := bounded(&d)
	want := snapshot.Pace{
		Stream: otherStreams, BytesPerSecond: 100, RecordsPerSecond: 150, RequestsPerSecond: 200, Throttled: 250,
	}
	if len(got) != maxStreams+1 || got[maxStreams] != want || len(d.Paces) != maxStreams+50 {
		t.Errorf("%d streams, the last is %+v", len(got), got[len(got)-1])
	}
	r := ownMetrics(snapshot.Snapshot{Outputs: []snapshot.Output{{Name: "es", Destination: d}}})
	if n, err := testutil.GatherAndCount(r, "aggregator_output_throttled_total"); err != nil || n != maxStreams+1 {
		t.Errorf("%d streams have a metric: %v", n, err)
	}
}

func TestLabelsThatAreNoUTF8(t *testing.T) {
	if _, err := ownMetrics(snapshot.Snapshot{Clusters: []snapshot.Cluster{{Name: "a\xff"}}}).Gather(); err != nil {
		t.Error(err)
	}
}
