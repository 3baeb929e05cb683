package metrics

import (
	"github.com/seed-afc6a195/aggregator/pkg/status/snapshot"
)

// oldFamilies returns what has another name now, under the old one and with the old type, so that alerts and dashboards
// go on for a release.
func oldFamilies() []family {
	gauge := func(old, name string, value func(s *snapshot.Snapshot) float64) family {
		return whole(old, oldName(name), value)
	}
	events := func(old, name string, value func(s *snapshot.Snapshot) uint64) family {
		return total(old, oldName(name), value)
	}
	outputs := func(s *snapshot.Snapshot) []snapshot.Output { return s.Outputs }
	clusters := func(s *snapshot.Snapshot) []snapshot.Cluster { return s.Clusters }
	all := []family{
		eachGauge("aggregator_cluster_slowed_seconds", oldName("aggregator_cluster_rate_limited_seconds_total"),
			"cluster", clusters, func(c *snapshot.Cluster) (string, float64) { return c.Name, c.Slowed }),
		gauge("aggregator_queue_set_aside_segments", "aggregator_queue_damaged_segments_total", func(
			s *snapshot.Snapshot,
		) float64 {
			return float64(s.Queue.SetAsideSegments)
		}),
		gauge("aggregator_dead_letters_stored", "aggregator_dead_letters_stored_letters", func(
			s *snapshot.Snapshot,
		) float64 {
			return float64(s.DeadLetters.Count)
		}),
		gauge("aggregator_dead_letters_set_aside_files", "aggregator_dead_letters_damaged_files_total", func(
			s *snapshot.Snapshot,
		) float64 {
			return float64(s.DeadLetters.SetAsideFiles)
		}),
		events("aggregator_dead_letters_retried_total", "aggregator_dead_letters_retried_events_total", func(
			s *snapshot.Snapshot,
		) uint64 {
			return s.DeadLetters.RetriedEvents
		}),
		events("aggregator_dead_letters_purged_total", "aggregator_dead_letters_purged_events_total", func(
			s *snapshot.Snapshot,
		) uint64 {
			return s.DeadLetters.PurgedEvents
		}),
		eachCounter("aggregator_output_possible_duplicates_total",
			oldName("aggregator_output_possible_duplicate_events_total"), "output", outputs,
			func(o *snapshot.Output) (string, uint64) { return o.Name, o.PossibleDuplicates }),
	}
	for _, renamed := range []struct{ old, name string }{
		{"aggregator_output_throttled_total", "aggregator_output_throttled_requests_total"},
		{"aggregator_filter_step_errors_total", "aggregator_filter_step_failed_events_total"},
		{"aggregator_filter_step_seconds", "aggregator_filter_step_spent_seconds_total"},
	} {
		for _, part := range [][]family{destinationFamilies(), stepFamilies()} {
			for _, f := range part {
				if f.name != renamed.name {
					continue
				}
				if f.seconds != nil {
					f.gauge, f.seconds = f.seconds, nil
				}
				f.name, f.help = renamed.old, oldName(renamed.name)
				all = append(all, f)
			}
		}
	}
	return all
}

func oldName(name string) string { return "The old name of " + name + ", for one release more." }
