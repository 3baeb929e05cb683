package metrics

import (
	"strconv"

	"github.com/seed-afc6a195/aggregator/pkg/status/snapshot"
)

func stepFamilies() []family {
	labels := []string{"output", "route", "filter", "step", "kind"}
	each := func(s *snapshot.Snapshot, one func(st *snapshot.Step, labels ...string)) {
		for i := range s.Outputs {
			o := &s.Outputs[i]
			for j := range o.Steps {
				st := &o.Steps[j]
				one(st, o.Name, st.Route, st.Filter, strconv.Itoa(st.Index), st.Kind)
			}
		}
	}
	counter := func(name, help string, value func(st *snapshot.Step) uint64) family {
		return family{
			name: name, help: help, labels: labels, counter: func(s *snapshot.Snapshot, add func(uint64, ...string)) {
				each(s, func(st *snapshot.Step, labels ...string) { add(value(st), labels...) })
			},
		}
	}
	return anew(
		func(labels []string) string { return labels[0] },
		counter("aggregator_filter_step_in_events_total", "Events given to the step.", func(
			st *snapshot.Step,
		) uint64 {
			return st.In
		}),
		counter("aggregator_filter_step_out_events_total", "Events that went on from the step.", func(
			st *snapshot.Step,
		) uint64 {
			return st.Out
		}),
		counter("aggregator_filter_step_dropped_events_total", "Events that the step dropped or made dead letters.",
			func(st *snapshot.Step) uint64 { return st.Dropped }),
		counter("aggregator_filter_step_failed_events_total",
			"Events that the step or its condition failed on; they went on as they were.",
			func(st *snapshot.Step) uint64 { return st.Errors }),
		family{
			name: "aggregator_filter_step_spent_seconds_total",
			help: "Time spent in the step, reckoned from one event in 64.", labels: labels,
			seconds: func(s *snapshot.Snapshot, add func(float64, ...string)) {
				each(s, func(st *snapshot.Step, labels ...string) { add(st.Seconds, labels...) })
			},
		},
	)
}
