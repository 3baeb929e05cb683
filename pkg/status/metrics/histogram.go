package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	model "github.com/prometheus/client_model/go"

	"github.com/seed-afc6a195/aggregator/pkg/metric"
)

// bothHistograms is a histogram in both forms: Prometheus takes the native one where it asks for protobuf, and anybody
// else the buckets.
type bothHistograms struct {
	// It is the native one.
	prometheus.Metric

	classic prometheus.Metric
	// began says that it is known when it began.
	began bool
}

// Write implements prometheus.Metric.
func (b bothHistograms) Write(out *model.Metric) error {
	var classic model.Metric
	if err := b.classic.Write(&classic); err != nil {
		return err
	}
	if err := b.Metric.Write(out); err != nil {
		return err
	}
	if !b.began {
		out.GetHistogram().CreatedTimestamp = nil
	}
	h, c := out.GetHistogram(), classic.GetHistogram()
	// The native buckets must add up to the count, so it is theirs, of which the others can't have more.
	h.Bucket = c.GetBucket()
	for _, bucket := range h.GetBucket() {
		n := min(bucket.GetCumulativeCount(), h.GetSampleCount())
		bucket.CumulativeCount = &n
	}
	return nil
}

// histogram returns a histogram that began at created; zero: nobody knows.
func histogram(desc *prometheus.Desc, created time.Time, v metric.Snapshot, labels []string) prometheus.Metric {
	labels = valid(labels)
	native, err := prometheus.NewConstNativeHistogram(desc, v.Native.Count, v.Sum, v.Native.Keys, nil, v.Native.Zero,
		metric.Schema, metric.ZeroThreshold, created, labels...)
	if err != nil {
		return prometheus.NewInvalidMetric(desc, err)
	}
	classic, err := prometheus.NewConstHistogram(desc, v.Count, v.Sum, v.Buckets, labels...)
	if err != nil {
		return prometheus.NewInvalidMetric(desc, err)
	}
	return bothHistograms{native, classic, !created.IsZero()}
}
