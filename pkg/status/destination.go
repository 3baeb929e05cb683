package status

import "time"

// Destination is what the kind of an output has to tell besides what all outputs have; zero where it
// does not apply.
type Destination struct {
	Server             string   `json:"server"`              // product and version, once known
	Notices            []string `json:"notices"`             // what the operator should know although events flow
	Hosts              []Host   `json:"hosts"`               // where there can be several
	RequestLimit       int64    `json:"request_limit_bytes"` // of a request, learned from refusals; 0: none refused
	PossibleDuplicates uint64   `json:"possible_duplicates"` // events sent again that the destination may have stored before
	AlreadyThere       uint64   `json:"already_there"`       // events at their first attempt that the destination said it has already
	// AlreadyThereExample is one of these. It is shown only to who shows the token or a password.
	AlreadyThereExample *Example `json:"already_there_example,omitempty"`
	FailureStore        uint64   `json:"failure_store"` // events that Elasticsearch took into its failure store
	Redirected          uint64   `json:"redirected"`    // events for names beyond the limit, sent to the one for others
	Truncated           uint64   `json:"truncated"`     // events shortened to what the destination takes
	Paces               []Pace   `json:"paces"`         // ascending by stream
}

// Example is an event that something happened to, with the destination's words.
type Example struct {
	Time    time.Time `json:"time"`
	Cluster string    `json:"cluster"`
	Tag     string    `json:"tag"`
	Target  string    `json:"target"`
	Detail  string    `json:"detail"`
}

// Host is one of several servers of a destination.
type Host struct {
	Address string `json:"address"`
	Down    bool   `json:"down"`            // it rests, after Error
	Error   string `json:"error,omitempty"` // why; "" where it is not down
}

// Pace is how fast events are sent to one stream of a destination. Rates of 0: no limit.
type Pace struct {
	Stream            string  `json:"stream"`
	BytesPerSecond    float64 `json:"bytes_per_second"`
	RecordsPerSecond  float64 `json:"records_per_second"`
	RequestsPerSecond float64 `json:"requests_per_second"`
	Throttled         uint64  `json:"throttled"` // requests, or parts of them, that the destination has throttled
}

const (
	maxStreams   = 200     // of an output, with metrics of their own
	otherStreams = "other" // the name of all the others together
)

// bounded returns the paces of d, those above maxStreams added up.
func (d *Destination) bounded() []Pace {
	if len(d.Paces) <= maxStreams {
		return d.Paces
	}
	all := append([]Pace(nil), d.Paces[:maxStreams]...)
	other := Pace{Stream: otherStreams}
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
	list := func(s *Snapshot) []Output { return s.Outputs }
	counter := func(name, help string, value func(d *Destination) uint64) family {
		return eachCounter(name, help, label, list, func(o *Output) (string, uint64) { return o.Name, value(&o.Destination) })
	}
	eachPace := func(s *Snapshot, each func(output string, p *Pace)) {
		for i := range s.Outputs {
			paces := s.Outputs[i].bounded()
			for j := range paces {
				each(s.Outputs[i].Name, &paces[j])
			}
		}
	}
	pace := func(name, help string, value func(p *Pace) float64) family {
		return family{name: name, help: help, labels: []string{label, "stream"}, gauge: func(s *Snapshot, add func(float64, ...string)) {
			eachPace(s, func(output string, p *Pace) { add(value(p), output, p.Stream) })
		}}
	}
	return []family{
		counter("aggregator_output_possible_duplicate_events_total", "Events sent again that the destination may have stored before.", func(d *Destination) uint64 { return d.PossibleDuplicates }),
		counter("aggregator_output_already_there_events_total", "Events that the destination said it has already at their first attempt: perhaps others with the same id.", func(d *Destination) uint64 { return d.AlreadyThere }),
		counter("aggregator_output_failure_store_events_total", "Events that Elasticsearch took into its failure store.", func(d *Destination) uint64 { return d.FailureStore }),
		counter("aggregator_output_redirected_events_total", "Events for names beyond the limit, sent to the one for others.", func(d *Destination) uint64 { return d.Redirected }),
		counter("aggregator_output_truncated_events_total", "Events shortened to what the destination takes.", func(d *Destination) uint64 { return d.Truncated }),
		eachGauge("aggregator_output_request_limit_bytes", "Bytes that a request may hold, learned from refusals, 0 for none refused.", label, list, func(o *Output) (string, float64) { return o.Name, float64(o.RequestLimit) }),
		{name: "aggregator_output_host_up", help: "0 while the host rests after a failure.", labels: []string{label, "host"}, gauge: func(s *Snapshot, add func(float64, ...string)) {
			for _, o := range s.Outputs {
				for _, h := range o.Hosts {
					add(flag(!h.Down), o.Name, h.Address)
				}
			}
		}},
		pace("aggregator_output_pace_bytes_per_second", "Bytes per second that are sent to the stream at most, 0 for no limit.", func(p *Pace) float64 { return p.BytesPerSecond }),
		pace("aggregator_output_pace_records_per_second", "Records per second that are sent to the stream at most, 0 for no limit.", func(p *Pace) float64 { return p.RecordsPerSecond }),
		pace("aggregator_output_pace_requests_per_second", "Requests per second that are sent to the stream at most, 0 for no limit.", func(p *Pace) float64 { return p.RequestsPerSecond }),
		{name: "aggregator_output_throttled_requests_total", help: "Requests, or parts of them, that the destination has throttled. Streams beyond the first 200 are one, other.", labels: []string{label, "stream"}, counter: func(s *Snapshot, add func(uint64, ...string)) {
			eachPace(s, func(output string, p *Pace) { add(p.Throttled, output, p.Stream) })
		}},
	}
}
