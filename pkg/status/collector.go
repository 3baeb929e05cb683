package status

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/seed-afc6a195/aggregator/pkg/metric"
)

// family is one metric: how its values are read from a Snapshot. Exactly one of counter, gauge and
// histogram is set; each calls add once per set of label values, which are in the order of labels.
type family struct {
	name, help string
	labels     []string
	counter    func(s *Snapshot, add func(value uint64, labels ...string))
	gauge      func(s *Snapshot, add func(value float64, labels ...string))
	histogram  func(s *Snapshot, add func(value metric.Snapshot, labels ...string))
}

func (f *family) kind() string {
	switch {
	case f.counter != nil:
		return "counter"
	case f.gauge != nil:
		return "gauge"
	default:
		return "histogram"
	}
}

// collector gives Prometheus one Snapshot a scrape.
type collector struct {
	snapshot func() Snapshot
	families []family
	descs    []*prometheus.Desc // of families
}

func newCollectors(snapshot func() Snapshot) []prometheus.Collector {
	c := &collector{snapshot: snapshot, families: families()}
	for _, f := range c.families {
		c.descs = append(c.descs, prometheus.NewDesc(f.name, f.help, f.labels, nil))
	}
	return []prometheus.Collector{c, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})}
}

func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		out <- d
	}
}

func (c *collector) Collect(out chan<- prometheus.Metric) {
	s := c.snapshot()
	for i := range c.families {
		f, desc := &c.families[i], c.descs[i]
		switch {
		case f.counter != nil:
			f.counter(&s, func(v uint64, labels ...string) {
				out <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(v), valid(labels)...)
			})
		case f.gauge != nil:
			f.gauge(&s, func(v float64, labels ...string) {
				out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, v, valid(labels)...)
			})
		default:
			f.histogram(&s, func(v metric.Snapshot, labels ...string) {
				out <- prometheus.MustNewConstHistogram(desc, v.Count, v.Sum, v.Buckets, valid(labels)...)
			})
		}
	}
}

// valid makes labels UTF-8, without which Prometheus refuses them.
func valid(labels []string) []string {
	for i, l := range labels {
		labels[i] = strings.ToValidUTF8(l, "\uFFFD")
	}
	return labels
}
