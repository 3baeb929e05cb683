// Package metrics makes Prometheus' metrics of snapshots.
package metrics

import (
	"regexp"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/seed-afc6a195/aggregator/pkg/metric"
	"github.com/seed-afc6a195/aggregator/pkg/status/snapshot"
)

// family is one metric: how its values are read from a Snapshot. Exactly one of counter, seconds, gauge and
// histogram is set; each calls add once per set of label values, which are in the order of labels.
type family struct {
	name, help string
	labels     []string
	// When a counter began; nil: when the program started.
	began   func(s *snapshot.Snapshot, labels []string) time.Time
	counter func(s *snapshot.Snapshot, add func(value uint64, labels ...string))
	// seconds is a counter of time.
	seconds   func(s *snapshot.Snapshot, add func(value float64, labels ...string))
	gauge     func(s *snapshot.Snapshot, add func(value float64, labels ...string))
	histogram func(s *snapshot.Snapshot, add func(value metric.Snapshot, labels ...string))
}

func (f *family) kind() string {
	switch {
	case f.counter != nil, f.seconds != nil:
		return "counter"
	case f.gauge != nil:
		return "gauge"
	default:
		return "histogram"
	}
}

// collector gives Prometheus one Snapshot a scrape.
type collector struct {
	take     func() snapshot.Snapshot
	families []family
	// descs are those of families.
	descs []*prometheus.Desc
}

// Collectors returns what gives a registry the metrics of the snapshots that take takes, one a scrape, and those of the
// Go runtime and the process.
func Collectors(take func() snapshot.Snapshot) []prometheus.Collector {
	c := &collector{take: take, families: families()}
	for _, f := range c.families {
		c.descs = append(c.descs, prometheus.NewDesc(f.name, f.help, f.labels, nil))
	}
	return []prometheus.Collector{
		c, goCollector{newGoCollector()}, collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	}
}

// goCollector leaves out a counter that OpenMetrics can't tell from a gauge of nearly the same name: the parsers that
// go by the standard refuse both. newGoCollector has the same figure under another name.
type goCollector struct{ prometheus.Collector }

func newGoCollector() prometheus.Collector {
	return collectors.NewGoCollector(collectors.WithGoCollectorRuntimeMetrics(collectors.GoRuntimeMetricsRule{
		// That is go_gc_heap_allocs_bytes_total.
		Matcher: regexp.MustCompile("^/gc/heap/allocs:bytes$"),
	}))
}

func clashes(d *prometheus.Desc) bool {
	return strings.Contains(d.String(), `"go_memstats_alloc_bytes_total"`)
}

// Describe implements prometheus.Collector.
func (g goCollector) Describe(out chan<- *prometheus.Desc) {
	all := make(chan *prometheus.Desc)
	go func() {
		defer close(all)
		g.Collector.Describe(all)
	}()
	for d := range all {
		if !clashes(d) {
			out <- d
		}
	}
}

// Collect implements prometheus.Collector.
func (g goCollector) Collect(out chan<- prometheus.Metric) {
	all := make(chan prometheus.Metric)
	go func() {
		defer close(all)
		g.Collector.Collect(all)
	}()
	for m := range all {
		if !clashes(m.Desc()) {
			out <- m
		}
	}
}

func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		out <- d
	}
}

func (c *collector) Collect(out chan<- prometheus.Metric) {
	s := c.take()
	if g := s.Group; g != nil {
		// Who scrapes all pods adds them up.
		s.Clusters, s.Outputs = g.Own.Clusters, g.Own.Outputs
	}
	for i := range c.families {
		f, desc := &c.families[i], c.descs[i]
		count := func(v float64, labels ...string) {
			created := s.Started
			if f.began != nil {
				created = f.began(&s, labels)
			}
			out <- counter(desc, created, v, labels)
		}
		switch {
		case f.counter != nil:
			f.counter(&s, func(v uint64, labels ...string) { count(float64(v), labels...) })
		case f.seconds != nil:
			f.seconds(&s, count)
		case f.gauge != nil:
			f.gauge(&s, func(v float64, labels ...string) {
				out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, v, valid(labels)...)
			})
		default:
			f.histogram(&s, func(v metric.Snapshot, labels ...string) {
				out <- histogram(desc, s.Started, v, labels)
			})
		}
	}
}

// counter returns a counter that began at created; zero: nobody knows.
func counter(desc *prometheus.Desc, created time.Time, v float64, labels []string) prometheus.Metric {
	if created.IsZero() {
		return prometheus.MustNewConstMetric(desc, prometheus.CounterValue, v, valid(labels)...)
	}
	m, err := prometheus.NewConstMetricWithCreatedTimestamp(desc, prometheus.CounterValue, v, created, valid(labels)...)
	if err != nil {
		return prometheus.NewInvalidMetric(desc, err)
	}
	return m
}

// valid makes labels UTF-8, without which Prometheus refuses them.
func valid(labels []string) []string {
	for i, l := range labels {
		labels[i] = strings.ToValidUTF8(l, "\uFFFD")
	}
	return labels
}
