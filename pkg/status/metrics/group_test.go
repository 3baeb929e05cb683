package metrics

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/seed-afc6a195/aggregator/pkg/status/snapshot"
	"github.com/seed-afc6a195/aggregator/pkg/status/snapshot/snapshottest"
)

// group is a snapshot of a program that shares its queue with the pods.
func group(now time.Time, pods ...snapshot.Pod) snapshot.Snapshot {
	return snapshot.Snapshot{Time: now, Group: &snapshot.Group{Pods: pods}}
}

// Whoever is asked tells of all pods that run, and how many there are in each state.
func TestPods(t *testing.T) {
	now := time.Unix(100_000, 0)
	pod := func(host string, state snapshot.PodState, started, seen int64) snapshot.Pod {
		return snapshot.Pod{
			Name: host + string(state), Host: host, State: state, Started: time.Unix(started, 0),
			LastSeen: time.Unix(seen, 500e6), ReceivedEvents: 7, DeliveredEvents: 21,
		}
	}
	ready, notReady, gone := snapshot.PodReady, snapshot.PodNotReady, snapshot.PodGone
	for _, tc := range []struct {
		name string
		s    snapshot.Snapshot
		want []string
		none []string
	}{
		{
			"no group",
			snapshot.Snapshot{Time: now},
			nil,
			[]string{"aggregator_group_pods", "aggregator_pod_received_events_total"},
		},
		{
			"all states", group(now, pod("a", ready, 1, 99_999), pod("b", notReady, 1, 99_990),
				pod("c", gone, 1, 99_900), pod("d", snapshot.PodEnded, 1, 99_990)),
			[]string{
				`aggregator_group_pods{state="gone"} 1`, `aggregator_group_pods{state="not_ready"} 1`,
				`aggregator_group_pods{state="ready"} 1`, `aggregator_pod_received_events_total{pod="a"} 7`,
				`aggregator_pod_delivered_events_total{pod="b"} 21`,
				`aggregator_pod_last_seen_timestamp_seconds{pod="b"} 99990.5`,
			},
			[]string{`pod="c"`, `pod="d"`},
		},
		{
			"missed for long", group(now, pod("a", ready, 1, 99_999), pod("c", gone, 1, 50_000)),
			[]string{`aggregator_group_pods{state="gone"} 0`},
			nil,
		},
		{
			"replaced on its host", group(now, pod("a", gone, 1, 99_990), pod("a", ready, 99_995, 99_999)),
			[]string{`aggregator_group_pods{state="gone"} 0`, `aggregator_pod_received_events_total{pod="a"} 7`},
			nil,
		},
		{
			"a program that was killed a moment ago, and the one in its place",
			group(now, pod("a", ready, 1, 99_995), pod("a", notReady, 99_998, 99_999)),
			[]string{
				`aggregator_group_pods{state="not_ready"} 1`, `aggregator_group_pods{state="ready"} 1`,
				`aggregator_pod_last_seen_timestamp_seconds{pod="a"} 99999.5`,
			},
			nil,
		},
	} {
		w := httptest.NewRecorder()
		promhttp.HandlerFor(ownMetrics(tc.s), promhttp.HandlerOpts{}).
			ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", http.NoBody))
		text := w.Body.String()
		if w.Code != http.StatusOK {
			t.Errorf("%s: %d %.300s", tc.name, w.Code, text)
		}
		for _, line := range tc.want {
			if !strings.Contains(text, line) {
				t.Errorf("%s: %s is missing", tc.name, line)
			}
		}
		for _, part := range tc.none {
			if strings.Contains(text, part) {
				t.Errorf("%s: %s is there", tc.name, part)
			}
		}
	}
}

// What is counted is this program's own, so that a sum over all pods is right; what waits is the group's.
func TestOwnFigures(t *testing.T) {
	s := snapshottest.Program(time.Unix(1_000_000_000, 0), 3000)
	own := s.Clusters[0]
	own.ReceivedEvents = 11
	s.Group.Own = snapshot.Figures{
		Clusters: []snapshot.Cluster{own},
		Outputs: []snapshot.Output{{Name: "es", Clusters: []snapshot.OutputCluster{
			{Cluster: "seoul", Delivered: 5, Pending: 1500},
		}}},
	}
	r := ownMetrics(s)
	for name, want := range map[string]float64{
		"aggregator_received_events_total": 11, "aggregator_output_delivered_events_total": 5,
		"aggregator_output_pending_events": 1500, "aggregator_queue_pending_events": 5,
	} {
		families, err := r.Gather()
		if err != nil {
			t.Fatal(err)
		}
		sum, there := 0.0, false
		for _, f := range families {
			if f.GetName() != name {
				continue
			}
			for _, m := range f.GetMetric() {
				sum, there = sum+m.GetCounter().GetValue()+m.GetGauge().GetValue(), true
			}
		}
		if !there || sum != want {
			t.Errorf("%s is %v, want %v", name, sum, want)
		}
	}
}
