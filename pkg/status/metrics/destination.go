package metrics

import (
	"github.com/seed-afc6a195/aggregator/pkg/status/snapshot"
)

const (
	// maxStreams is that of an output, with metrics of their own.
	maxStreams = 200
	// otherStreams is the name of all the others together.
	otherStreams = "other"
)

// bounded returns the paces of d, those above maxStreams added up.
func bounded(d *snapshot.Destination) []snapshot.Pace {
	if len(d.Paces) <= maxStreams {
		return d.Paces
	}
	all := append([]snapshot.Pace(nil), d.Paces[:maxStreams]...)
	other := snapshot.Pace{Stream: otherStreams}
	for i := range d.Paces[maxStreams:] {
		p := &d.Paces[maxStreams+i]
		other.BytesPerSecond += p.BytesPerSecond
		other.RecordsPerSecond += p.RecordsPerSecond
		other.RequestsPerSecond += p.RequestsPerSecond
		other.Throttled += p.Throttled
	}
	return append(all, other)
}

func destinationFamilies() []family {
	const label = "output"
	list := func(s *snapshot.Snapshot) []snapshot.Output { return s.Outputs }
	counter := func(name, help string, value func(d *snapshot.Destination) uint64) family {
		return eachCounter(name, help, label, list, func(
			o *snapshot.Output,
		) (string, uint64) {
			return o.Name, value(&o.Destination)
		})
	}
	eachPace := func(s *snapshot.Snapshot, each func(output string, p *snapshot.Pace)) {
		for i := range s.Outputs {
			paces := bounded(&s.Outputs[i].Destination)
			for j := range paces {
				each(s.Outputs[i].Name, &paces[j])
			}
		}
	}
	pace := func(name, help string, value func(p *snapshot.Pace) float64) family {
		return family{
			name: name, help: help, labels: []string{label, "stream"},
			gauge: func(s *snapshot.Snapshot, add func(float64, ...string)) {
				eachPace(s, func(output string, p *snapshot.Pace) { add(value(p), output, p.Stream) })
			},
		}
	}
	return []family{
		counter("aggregator_output_possible_duplicate_events_total",
			"Events sent again that the destination may have stored before.",
			func(d *snapshot.Destination) uint64 { return d.PossibleDuplicates }),
		counter("aggregator_output_already_there_events_total",
			"Events that the destination said it has already at their first attempt: perhaps others with the same id.",
			func(d *snapshot.Destination) uint64 { return d.AlreadyThere }),
		counter("aggregator_output_failure_store_events_total",
			"Events that Elasticsearch took into its failure store.",
			func(d *snapshot.Destination) uint64 { return d.FailureStore }),
		counter("aggregator_output_redirected_events_total",
			"Events for names beyond the limit, sent to the one for others.",
			func(d *snapshot.Destination) uint64 { return d.Redirected }),
		counter("aggregator_output_truncated_events_total", "Events shortened to what the destination takes.", func(
			d *snapshot.Destination,
		) uint64 {
			return d.Truncated
		}),
		eachGauge("aggregator_output_request_limit_bytes",
			"Bytes that a request may hold, learned from refusals, 0 for none refused.", label, list,
			func(o *snapshot.Output) (string, float64) { return o.Name, float64(o.RequestLimit) }),
		{
			name: "aggregator_output_host_up", help: "0 while the host rests after a failure.",
			labels: []string{label, "host"}, gauge: func(s *snapshot.Snapshot, add func(float64, ...string)) {
				for _, o := range s.Outputs {
					for _, h := range o.Hosts {
						add(flag(!h.Down), o.Name, h.Address)
					}
				}
			},
		},
		pace("aggregator_output_pace_bytes_per_second",
			"Bytes per second that are sent to the stream at most, 0 for no limit.",
			func(p *snapshot.Pace) float64 { return p.BytesPerSecond }),
		pace("aggregator_output_pace_records_per_second",
			"Records per second that are sent to the stream at most, 0 for no limit.",
			func(p *snapshot.Pace) float64 { return p.RecordsPerSecond }),
		pace("aggregator_output_pace_requests_per_second",
			"Requests per second that are sent to the stream at most, 0 for no limit.",
			func(p *snapshot.Pace) float64 { return p.RequestsPerSecond }),
		{
			name: "aggregator_output_throttled_requests_total",
			help: "Requests, or parts of them, that the destination has throttled. Streams beyond the first 200 are " +
				"one, other.", labels: []string{label, "stream"},
			counter: func(s *snapshot.Snapshot, add func(uint64, ...string)) {
				eachPace(s, func(output string, p *snapshot.Pace) { add(p.Throttled, output, p.Stream) })
			},
		},
	}
}
