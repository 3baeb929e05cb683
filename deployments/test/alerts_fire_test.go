package deployments

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/util/annotations"
)

// TestAlertsFire evaluates each alert after two hours of made-up series, a sample a minute, in Prometheus' notation:
// what should wake somebody does, and what should not does not. How long it must last (for) is left out.
func TestAlertsFire(t *testing.T) {
	const (
		here  = `job="aggregator-status",instance="a"`
		there = `job="aggregator-status",instance="b"`
	)
	cases := []struct{ alert, fires, silent string }{
		{
			"AggregatorDown",
			`up{` + here + `} 1x60 0x60` + "\n" + `aggregator_build_info{` + here + `} 1x60` + "\n" +
				`aggregator_build_info{` + there + `} 1x120`,
			`up{` + here + `} 1x120` + "\n" + `up{job="other",instance="a"} 0x120` + "\n" + `aggregator_build_info{` +
				here + `} 1x120`,
		},
		{
			"AggregatorDown", // the pod came back at another address and does not start
			`up{job="aggregator-status",pod="a-1",instance="d"} _x60 0x60` + "\n" +
				`aggregator_build_info{job="aggregator-status",pod="a-1",instance="c"} 1x60` + "\n" +
				`aggregator_build_info{` + here + `} 1x120`,
			`up{job="other",pod="a-1",instance="d"} 0x120` + "\n" +
				`aggregator_build_info{job="aggregator-status",pod="a-1",instance="c"} 1x120`,
		},
		{"AggregatorDown", `up{job="other",instance="a"} 1x120`, `aggregator_build_info{` + here + `} 1x120`},
		{"AggregatorNotReady", `aggregator_ready{` + here + `} 0x120`, `aggregator_ready{` + here + `} 1x120`},
		{
			"AggregatorOutputLag", `aggregator_output_lag_seconds{` + here + `,output="es"} 0+30x120`,
			`aggregator_output_lag_seconds{` + here + `,output="es"} 5x120`,
		},
		{
			"AggregatorOutputStopped",
			`aggregator_output_state{` + here + `,output="es",state="refused"} 1x120`,
			`aggregator_output_state{` + here + `,output="es",state="retrying"} 1x120` + "\n" +
				`aggregator_output_state{` + here + `,output="es",state="refused"} 0x120`,
		},
		{
			"AggregatorPodGone", `aggregator_group_pods{` + here + `,state="gone"} 1x120`,
			`aggregator_group_pods{` + here + `,state="gone"} 0x120`,
		},
		{
			"AggregatorQueueFilling",
			`aggregator_queue_disk_bytes{` + here + `} 80x120` + "\n" + `aggregator_queue_max_bytes{` + here +
				`} 100x120` + "\n" + `aggregator_queue_full{` + here + `} 0x120`,
			`aggregator_queue_disk_bytes{` + here + `} 60x120` + "\n" + `aggregator_queue_max_bytes{` + here +
				`} 100x120` + "\n" + `aggregator_queue_full{` + here + `} 0x120`,
		},
		{
			"AggregatorQueueFilling",
			`aggregator_queue_disk_bytes{` + here + `} 1x120` + "\n" + `aggregator_queue_max_bytes{` + here +
				`} 100x120` + "\n" + `aggregator_queue_full{` + here + `} 1x120`,
			`aggregator_queue_disk_bytes{` + here + `} 1x120` + "\n" + `aggregator_queue_max_bytes{` + here +
				`} 0x120` + "\n" + `aggregator_queue_full{` + here + `} 0x120`,
		},
		{
			"AggregatorDiskLow", `aggregator_queue_free_disk_bytes{` + here + `} 100e9-300e6x120`,
			`aggregator_queue_free_disk_bytes{` + here + `} 100e9-1e6x120`,
		},
		{
			"AggregatorDiskLow",
			`aggregator_queue_free_disk_bytes{` + here + `} 1e9x120` + "\n" + `aggregator_queue_min_free_disk_bytes{` +
				here + `} 1e9x120`, `aggregator_queue_free_disk_bytes{` + here + `} 1e9x120` + "\n" +
				`aggregator_queue_min_free_disk_bytes{` + here + `} 1e8x120`,
		},
		{
			"AggregatorDiskHangs", `aggregator_loop_disk_wait_seconds{` + here + `,loop="committer"} 0x118 20+30x1`,
			`aggregator_loop_disk_wait_seconds{` + here + `,loop="committer"} 5x120`,
		},
		{
			"AggregatorDeadLetters",
			`aggregator_output_dead_events_total{` + here +
				`,output="es",cluster="seoul",reason="rejected"} 0x115 1+1x5`,
			`aggregator_output_dead_events_total{` + here +
				`,output="es",cluster="seoul",reason="rejected"} 0+1x60 60x60`,
		},
		{
			"AggregatorDeadLetters",
			`aggregator_rejected_events_total{` + here + `,cluster="seoul",reason="tag_not_allowed"} 0+1x120`,
			`aggregator_rejected_events_total{` + here + `,cluster="seoul",reason="tag_not_allowed"} 7x120`,
		},
		{
			"AggregatorDeadLetters", // the first of an output, in one burst: its series begins with all of them
			`aggregator_output_dead_events_total{` + here +
				`,output="es",cluster="seoul",reason="rejected"} _x110 500x10`,
			`aggregator_output_dead_events_total{` + here +
				`,output="es",cluster="seoul",reason="rejected"} _x90 500x30`,
		},
		{
			"AggregatorDeadLetters",
			`aggregator_rejected_events_total{` + here + `,cluster="seoul",reason="unrouted"} _x118 1x2`,
			`aggregator_rejected_events_total{` + here + `,cluster="seoul",reason="unrouted"} 1x120`,
		},
		{
			"AggregatorDeadLettersEvicted", `aggregator_dead_letters_evicted_events_total{` + here + `} 0x100 5x20`,
			`aggregator_dead_letters_evicted_events_total{` + here + `} 5x120`,
		},
		{
			"AggregatorEventsDropped",
			`aggregator_output_dropped_events_total{` + here +
				`,output="es",cluster="seoul",reason="drop_oldest"} 0+1x120`,
			`aggregator_output_dropped_events_total{` + here + `,output="es",cluster="seoul",reason="filter"} 0+1x120`,
		},
		{
			"AggregatorEventsDropped",
			`aggregator_dropped_events_total{` + here + `,cluster="seoul",rule="unrouted"} 0+1x120`,
			`aggregator_dropped_events_total{` + here + `,cluster="seoul",rule="unrouted"} 0x120`,
		},
		{
			"AggregatorEventsDropped",
			`aggregator_dropped_events_total{` + here + `,cluster="seoul",rule="unrouted"} _x110 9x10`,
			`aggregator_dropped_events_total{` + here + `,cluster="seoul",rule="unrouted"} 9x120`,
		},
		{
			"AggregatorEventsDropped",
			`aggregator_output_dropped_events_total{` + here +
				`,output="es",cluster="seoul",reason="damaged"} _x110 9x10`,
			`aggregator_output_dropped_events_total{` + here +
				`,output="es",cluster="seoul",reason="filter"} _x110 9x10`,
		},
		{
			"AggregatorSetAside", `aggregator_dead_letters_damaged_files_total{` + here + `} 1x120`,
			`aggregator_dead_letters_damaged_files_total{` + here + `} 0x120`,
		},
		{
			"AggregatorSetAside", `aggregator_queue_damaged_segments_total{` + here + `} 1x120`,
			`aggregator_queue_damaged_segments_total{` + here + `} 0x120`,
		},
		{
			"AggregatorLedger",
			`aggregator_ledger_output_difference_events{` + here + `,output="es",cluster="seoul"} 3x120`,
			`aggregator_ledger_ingest_difference_events{` + here + `,cluster="seoul"} 0x120`,
		},
		{
			"AggregatorConfigRefused", `aggregator_config_failing{` + here + `} 1x120`,
			`aggregator_config_failing{` + here + `} 0x120`,
		},
		{
			"AggregatorCertificateExpiring",
			`aggregator_tls_certificate_remaining_seconds{` + here + `,owner="forward"} 86400-60x120`,
			`aggregator_tls_certificate_remaining_seconds{` + here + `,owner="forward"} 7776000-60x120` + "\n" +
				`aggregator_tls_certificate_remaining_seconds{` + here + `,owner="es"} 0x120`,
		},
		{
			"AggregatorCertificateExpiring", `aggregator_tls_failing{` + here + `,owner="forward"} 1x120`,
			`aggregator_tls_failing{` + here + `,owner="forward"} 0x120`,
		},
		{
			"AggregatorClusterSilent", // the last came after 50 minutes
			`aggregator_cluster_last_seen_timestamp_seconds{` + here + `,cluster="seoul"} 3000x120` + "\n" +
				`aggregator_cluster_last_seen_timestamp_seconds{` + there + `,cluster="seoul"} 2000x120`,
			`aggregator_cluster_last_seen_timestamp_seconds{` + here + `,cluster="seoul"} 3000x120` + "\n" +
				`aggregator_cluster_last_seen_timestamp_seconds{` + there + `,cluster="seoul"} 0+60x120`,
		},
		{
			"AggregatorClusterSilent", // restarted since; and gone from the configuration
			`aggregator_cluster_last_seen_timestamp_seconds{` + here + `,cluster="seoul"} 3000x60 0x60`,
			`aggregator_cluster_last_seen_timestamp_seconds{` + here + `,cluster="seoul"} 3000x60`,
		},
		{
			"AggregatorClusterSilent",
			`aggregator_cluster_last_seen_timestamp_seconds{` + here + `,cluster="seoul"} 3000x120`,
			`aggregator_cluster_last_seen_timestamp_seconds{` + here + `,cluster="new"} 0x120`,
		},
		{
			"AggregatorAuthFailures",
			`aggregator_listener_refused_total{` + here + `,listener="forward",reason="shared_key"} 0+60x120`,
			`aggregator_listener_refused_total{` + here + `,listener="forward",reason="lost"} 0+60x120` + "\n" +
				`aggregator_listener_refused_total{` + here + `,listener="forward",reason="shared_key"} 0+1x120`,
		},
		{
			"AggregatorTargetWaits", `aggregator_output_waiting_targets{` + here + `,output="es"} 2x120`,
			`aggregator_output_waiting_targets{` + here + `,output="es"} 0x120`,
		},
		{
			"AggregatorTooMuchWaits",
			`aggregator_output_dead_events_total{` + here +
				`,output="es",cluster="a",reason="target_waits"} 0x100 0+1x20`,
			`aggregator_output_dead_events_total{` + here + `,output="es",cluster="a",reason="rejected"} 0x100 5x20` +
				"\n" +
				`aggregator_output_dead_events_total{` + here + `,output="es",cluster="a",reason="target_waits"} 5x120`,
		},
		{
			"AggregatorThrottled",
			`aggregator_output_throttled_requests_total{` + here + `,output="lake",stream="s"} 0+120x120` + "\n" +
				`aggregator_output_lag_seconds{` + here + `,output="lake"} 400x120`,
			`aggregator_output_throttled_requests_total{` + here + `,output="lake",stream="s"} 0+120x120` + "\n" +
				`aggregator_output_lag_seconds{` + here + `,output="lake"} 2x120`,
		},
		{
			"AggregatorRedirected", `aggregator_output_redirected_events_total{` + here + `,output="es"} 0x100 7x20`,
			`aggregator_output_redirected_events_total{` + here + `,output="es"} 7x120`,
		},
		{
			"AggregatorNoAcks",
			`aggregator_listener_messages_without_ack_total{` + here + `,listener="forward"} 0+6x120`,
			`aggregator_listener_messages_without_ack_total{` + here + `,listener="forward"} 0+6x60 360x60`,
		},
	}
	untested := map[string]string{}
	for _, a := range alerts(t) {
		untested[a.Alert] = a.Expr
	}
	exprs := make(map[string]string, len(untested))
	for name, expr := range untested {
		exprs[name] = expr
	}
	for _, tc := range cases {
		t.Run(tc.alert, func(t *testing.T) {
			if n := evaluate(t, exprs[tc.alert], tc.fires); n == 0 {
				t.Errorf("it is silent on\n%s", tc.fires)
			}
			if n := evaluate(t, exprs[tc.alert], tc.silent); n != 0 {
				t.Errorf("it fires on\n%s", tc.silent)
			}
		})
		delete(untested, tc.alert)
	}
	for name := range untested {
		t.Errorf("nobody tries %s", name)
	}
}

// evaluate returns how many alerts an expression makes of series two hours after their first sample.
func evaluate(t *testing.T, expr, series string) int {
	t.Helper()
	var all seriesSet
	for line := range strings.Lines(series) {
		name, values, err := parser.NewParser(parser.Options{}).ParseSeriesDesc(strings.TrimSpace(line))
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		var samples []chunks.Sample
		for i, v := range values {
			if !v.Omitted {
				samples = append(samples, sample{
					at: int64(i) * time.Minute.Milliseconds(), value: v.Value, histogram: v.Histogram,
				})
			}
		}
		all.series = append(all.series, storage.NewListSeries(name, samples))
	}
	data := &storage.MockQueryable{
		MockQuerier: &storage.MockQuerier{
			SelectMockFunction: func(_ bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
				found := &seriesSet{}
				for _, s := range all.series {
					matches := true
					for _, m := range matchers {
						matches = matches && m.Matches(s.Labels().Get(m.Name))
					}
					if matches {
						found.series = append(found.series, s)
					}
				}
				return found
			},
		},
	}
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 1e6, Timeout: time.Minute, LookbackDelta: 5 * time.Minute})
	defer engine.Close()
	query, err := engine.NewInstantQuery(t.Context(), data, nil, expr, time.Unix(2*3600, 0))
	if err != nil {
		t.Fatal(err)
	}
	defer query.Close()
	result := query.Exec(t.Context())
	vector, err := result.Vector()
	if err != nil {
		t.Fatalf("%s: %v", expr, err)
	}
	return len(vector)
}

// seriesSet implements storage.SeriesSet for series that are there.
type seriesSet struct {
	series []storage.Series
	next   int
}

func (s *seriesSet) Next() bool                        { s.next++; return s.next <= len(s.series) }
func (s *seriesSet) At() storage.Series                { return s.series[s.next-1] }
func (s *seriesSet) Err() error                        { return nil }
func (s *seriesSet) Warnings() annotations.Annotations { return nil }

// sample implements chunks.Sample for a number, or a native histogram; at is in milliseconds.
type sample struct {
	at        int64
	value     float64
	histogram *histogram.FloatHistogram // nil: it is a number
}

func (s sample) T() int64                      { return s.at }
func (s sample) ST() int64                     { return 0 }
func (s sample) F() float64                    { return s.value }
func (s sample) H() *histogram.Histogram       { return nil }
func (s sample) FH() *histogram.FloatHistogram { return s.histogram }
func (s sample) Copy() chunks.Sample           { return s }

func (s sample) Type() chunkenc.ValueType {
	if s.histogram != nil {
		return chunkenc.ValFloatHistogram
	}
	return chunkenc.ValFloat
}
