package metrics

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	model "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/encoding/protodelim"

	"github.com/seed-afc6a195/aggregator/pkg/status/snapshot/snapshottest"
)

// TestNativeHistograms scrapes as Prometheus does that takes native histograms: they come as such, with the buckets of
// the others beside them, and each adds up.
func TestNativeHistograms(t *testing.T) {
	for name, began := range map[string]time.Time{"began": time.Unix(1_000_000_000, 0), "nobody knows": {}} {
		t.Run(name, func(t *testing.T) {
			s := snapshottest.Program(began, 3000)
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", http.NoBody)
			r.Header.Set("Accept", "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;"+
				"encoding=delimited;q=0.7,text/plain;version=0.0.4;q=0.3")
			w := httptest.NewRecorder()
			promhttp.HandlerFor(ownMetrics(s), promhttp.HandlerOpts{}).ServeHTTP(w, r)
			if kind := w.Header().Get("Content-Type"); !strings.HasPrefix(kind, "application/vnd.google.protobuf") {
				t.Fatalf("scraped as %s", kind)
			}
			found := map[string]bool{}
			for in := bufio.NewReader(w.Body); ; {
				var family model.MetricFamily
				if err := protodelim.UnmarshalFrom(in, &family); errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					t.Fatal(err)
				}
				for _, m := range family.GetMetric() {
					if h := m.GetHistogram(); h != nil {
						found[family.GetName()] = found[family.GetName()] || h.GetSampleCount() > 0
						checkHistogram(t, family.GetName(), h)
						if knows := h.GetCreatedTimestamp() != nil; knows == began.IsZero() {
							t.Errorf("%s began at %v", family.GetName(), h.GetCreatedTimestamp())
						}
					}
				}
			}
			for _, name := range []string{
				"aggregator_listener_ack_latency_seconds", "aggregator_output_delivery_latency_seconds",
				"aggregator_output_request_latency_seconds", "aggregator_queue_commit_latency_seconds",
			} {
				if !found[name] {
					t.Errorf("%s has no observations", name)
				}
			}
		})
	}
}

// checkHistogram holds that h is a native histogram whose buckets add up, and that the others don't have more.
func checkHistogram(t *testing.T, name string, h *model.Histogram) {
	t.Helper()
	if h.Schema == nil || h.GetZeroThreshold() == 0 || len(h.GetBucket()) == 0 && h.GetSampleCount() > 0 {
		t.Errorf("%s is not in both forms: %v", name, h)
	}
	sum, at := int64(h.GetZeroCount()), int64(0)
	for _, delta := range h.GetPositiveDelta() {
		at += delta
		sum += at
	}
	if uint64(sum) != h.GetSampleCount() {
		t.Errorf("%s: the native buckets have %d, the histogram %d", name, sum, h.GetSampleCount())
	}
	for _, b := range h.GetBucket() {
		if b.GetCumulativeCount() > h.GetSampleCount() {
			t.Errorf("%s: a bucket has %d of %d", name, b.GetCumulativeCount(), h.GetSampleCount())
		}
	}
}
