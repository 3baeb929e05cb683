package metrics

import (
	"slices"

	"github.com/seed-afc6a195/aggregator/pkg/status/snapshot"
)

const labelOutput = "output"

func everyOutput(s *snapshot.Snapshot) []snapshot.Output { return s.Outputs }

// perCluster calls each for what every output has of each cluster.
func perCluster(s *snapshot.Snapshot, each func(output string, c *snapshot.OutputCluster)) {
	for _, o := range s.Outputs {
		for i := range o.Clusters {
			each(o.Name, &o.Clusters[i])
		}
	}
}

// clusterCounter counts something of each output and cluster.
func clusterCounter(name, help string, value func(*snapshot.OutputCluster) uint64) family {
	return family{
		name: name, help: help, labels: []string{labelOutput, "cluster"},
		counter: func(s *snapshot.Snapshot, add func(uint64, ...string)) {
			perCluster(s, func(output string, c *snapshot.OutputCluster) { add(value(c), output, c.Cluster) })
		},
	}
}

// clusterCounts counts something of each output and cluster by reason.
func clusterCounts(name, help string, value func(*snapshot.OutputCluster) snapshot.Counts) family {
	return family{
		name: name, help: help, labels: []string{labelOutput, "cluster", "reason"},
		counter: func(s *snapshot.Snapshot, add func(uint64, ...string)) {
			perCluster(s, func(output string, c *snapshot.OutputCluster) {
				for reason, n := range value(c) {
					add(n, output, c.Cluster, reason)
				}
			})
		},
	}
}

// clusterGauge is how much of something each output has of each cluster.
func clusterGauge(name, help string, value func(*snapshot.OutputCluster) uint64) family {
	return family{
		name: name, help: help, labels: []string{labelOutput, "cluster"},
		gauge: func(s *snapshot.Snapshot, add func(float64, ...string)) {
			perCluster(s, func(output string, c *snapshot.OutputCluster) {
				add(float64(value(c)), output, c.Cluster)
			})
		},
	}
}

func outputFamilies() []family {
	return slices.Concat(outputStates(), outputEvents(), outputRequests(), deadLetters())
}

// outputStates are what outputs are at.
func outputStates() []family {
	return []family{
		{
			name: "aggregator_output_state", help: "1 for the state that the output is in, 0 for the others.",
			labels: []string{labelOutput, "state"}, gauge: func(s *snapshot.Snapshot, add func(float64, ...string)) {
				for _, o := range s.Outputs {
					for _, state := range []snapshot.State{
						snapshot.StateRunning, snapshot.StateIdle, snapshot.StateRetrying, snapshot.StatePaused,
						snapshot.StateRefused, snapshot.StateUnconfigured, snapshot.StateRemoved, snapshot.StateStalled,
					} {
						add(flag(o.State == state), o.Name, string(state))
					}
				}
			},
		},
		eachGauge("aggregator_output_workers", "Requests that may be in flight.", labelOutput, everyOutput,
			func(o *snapshot.Output) (string, float64) { return o.Name, float64(o.Workers) }),
		eachGauge("aggregator_output_concurrency",
			"Of the workers, how many may send now: fewer after the destination has throttled.", labelOutput,
			everyOutput,
			func(o *snapshot.Output) (string, float64) { return o.Name, float64(o.Concurrency) }),
		eachGauge("aggregator_output_held_clusters",
			"Clusters that wait until what the destination refused of them is taken.", labelOutput, everyOutput,
			func(o *snapshot.Output) (string, float64) { return o.Name, float64(len(o.HeldClusters)) }),
		eachGauge(
			"aggregator_output_waiting_targets",
			"Targets, such as indices or streams, that take no events and that some wait aside for.",
			labelOutput, everyOutput, func(o *snapshot.Output) (string, float64) {
				return o.Name, float64(len(o.WaitingTargets) + o.WaitingTargetsMore)
			},
		),
		{
			name:   "aggregator_output_waiting_events",
			help:   "Events that wait aside for a target that takes none, of the targets with the most.",
			labels: []string{labelOutput, "target"}, gauge: func(s *snapshot.Snapshot, add func(float64, ...string)) {
				for _, o := range s.Outputs {
					for i := range o.WaitingTargets {
						add(float64(o.WaitingTargets[i].Events), o.Name, o.WaitingTargets[i].Target)
					}
				}
			},
		},
		eachGauge("aggregator_output_in_flight_requests", "Requests in flight.", labelOutput, everyOutput,
			func(o *snapshot.Output) (string, float64) { return o.Name, float64(o.InFlight) }),
		eachGauge("aggregator_output_oldest_request_seconds",
			"How long the request has been under way that began first, 0 for none.", labelOutput, everyOutput,
			func(o *snapshot.Output) (string, float64) { return o.Name, o.OldestRequest }),
	}
}

// outputEvents are what became of events, and what is to come.
func outputEvents() []family {
	return []family{
		clusterCounter("aggregator_output_queued_events_total", "Events queued for the output.",
			func(c *snapshot.OutputCluster) uint64 { return c.Queued }),
		clusterCounter("aggregator_output_returned_events_total",
			"Events of dead letters put back into the queue for the output.",
			func(c *snapshot.OutputCluster) uint64 { return c.Returned }),
		clusterCounter("aggregator_output_adopted_events_total", "Events that another aggregator has handed over.",
			func(c *snapshot.OutputCluster) uint64 { return c.Adopted }),
		clusterGauge("aggregator_output_recovered_events", "Events found waiting for the output at the start.",
			func(c *snapshot.OutputCluster) uint64 { return c.Recovered }),
		clusterCounter("aggregator_output_delivered_events_total", "Events that the destination has.",
			func(c *snapshot.OutputCluster) uint64 { return c.Delivered }),
		clusterCounts("aggregator_output_dropped_events_total", "Events dropped as the configuration says, by reason.",
			func(c *snapshot.OutputCluster) snapshot.Counts { return c.Dropped }),
		clusterCounter("aggregator_output_purged_events_total",
			"Events that waited for the output and that somebody purged.",
			func(c *snapshot.OutputCluster) uint64 { return c.Purged }),
		clusterCounts("aggregator_output_dead_events_total", "Events kept as dead letters, by reason.",
			func(c *snapshot.OutputCluster) snapshot.Counts { return c.Dead }),
		clusterGauge("aggregator_output_pending_events", "Events waiting or in flight.",
			func(c *snapshot.OutputCluster) uint64 { return c.Pending }),
	}
}

// outputRequests are what outputs sent, and how that went.
func outputRequests() []family {
	return []family{
		eachCounter("aggregator_output_delivered_bytes_total", "Bytes of the delivered events as msgpack.", labelOutput,
			everyOutput,
			func(o *snapshot.Output) (string, uint64) { return o.Name, o.DeliveredBytes }),
		eachCounts("aggregator_output_retried_events_total", "Events to be sent again, by reason.", labelOutput,
			"reason",
			everyOutput, func(o *snapshot.Output) (string, snapshot.Counts) { return o.Name, o.Retries }),
		eachGauge("aggregator_output_lag_seconds", "Age of the oldest chunk that is not delivered, 0 for none.",
			labelOutput,
			everyOutput, func(o *snapshot.Output) (string, float64) { return o.Name, o.Lag }),
		eachCounter("aggregator_output_requests_total", "Requests that ended, well or not.", labelOutput, everyOutput,
			func(o *snapshot.Output) (string, uint64) { return o.Name, o.Requests }),
		eachCounter("aggregator_output_failed_requests_total", "Requests that did not deliver all of their events.",
			labelOutput, everyOutput, func(o *snapshot.Output) (string, uint64) { return o.Name, o.FailedRequests }),
		eachLatency("aggregator_output_request_latency_seconds", "Time of a request.", labelOutput, everyOutput,
			func(o *snapshot.Output) (string, snapshot.Latency) { return o.Name, o.RequestLatency }),
		eachLatency("aggregator_output_delivery_latency_seconds",
			"Time from when an event was stored, and its ack could be sent, to when the destination had it.",
			labelOutput, everyOutput,
			func(o *snapshot.Output) (string, snapshot.Latency) { return o.Name, o.DeliveryLatency }),
		eachGauge("aggregator_output_last_success_timestamp_seconds",
			"When the destination last took something, 0 for never.", labelOutput, everyOutput,
			func(o *snapshot.Output) (string, float64) { return o.Name, unix(o.LastSuccess) }),
		eachGauge("aggregator_output_last_error_timestamp_seconds", "When the last error occurred, 0 for never.",
			labelOutput,
			everyOutput, func(o *snapshot.Output) (string, float64) { return o.Name, unix(o.LastError.Time) }),
	}
}

// deadLetters are those that are kept, and what became of others.
func deadLetters() []family {
	return []family{
		whole("aggregator_dead_letters_stored_letters", "Dead letters kept; each has one event or several.",
			func(s *snapshot.Snapshot) float64 { return float64(s.DeadLetters.Count) }),
		whole("aggregator_dead_letters_stored_events", "Events in the dead letters kept.",
			func(s *snapshot.Snapshot) float64 { return float64(s.DeadLetters.Events) }),
		whole("aggregator_dead_letters_stored_bytes", "Bytes that dead letters take on disk.",
			func(s *snapshot.Snapshot) float64 { return float64(s.DeadLetters.Bytes) }),
		total("aggregator_dead_letters_evicted_events_total", "Events in dead letters deleted by max_size or max_age.",
			func(s *snapshot.Snapshot) uint64 { return s.DeadLetters.EvictedEvents }),
		total("aggregator_dead_letters_retried_events_total", "Events in dead letters put back into the queue.",
			func(s *snapshot.Snapshot) uint64 { return s.DeadLetters.RetriedEvents }),
		total("aggregator_dead_letters_purged_events_total", "Events in dead letters that somebody deleted.",
			func(s *snapshot.Snapshot) uint64 { return s.DeadLetters.PurgedEvents }),
		total("aggregator_dead_letters_damaged_events_total",
			"Events lost in damaged files of dead letters, as far as known.",
			func(s *snapshot.Snapshot) uint64 { return s.DeadLetters.DamagedEvents }),
		total("aggregator_dead_letters_damaged_files_total", "Damaged files of dead letters that were set aside.",
			func(s *snapshot.Snapshot) uint64 { return uint64(s.DeadLetters.SetAsideFiles) }),
		{
			name:   "aggregator_dead_letters_events",
			help:   "Events in the dead letters kept, by output (empty: refused before any), cluster and reason.",
			labels: []string{labelOutput, "cluster", "reason"},
			gauge: func(s *snapshot.Snapshot, add func(float64, ...string)) {
				for _, d := range s.DeadLetters.By {
					add(float64(d.Events), d.Output, d.Cluster, d.Reason)
				}
			},
		},
	}
}

// settled returns the accounts of a ledger; of a group of which a pod's last doings are not known yet, none.
func settled[T any](s *snapshot.Snapshot, accounts []T) []T {
	if s.Group != nil && s.Group.Closing {
		return nil
	}
	return accounts
}

func ledgerFamilies() []family {
	return []family{
		{
			name: "aggregator_ledger_ingest_difference_events",
			help: "Received events that no counter accounts for: 0 when they rest.", labels: []string{"cluster"},
			gauge: func(s *snapshot.Snapshot, add func(float64, ...string)) {
				for _, a := range settled(s, s.Ledger.Ingest) {
					add(float64(a.Difference), a.Cluster)
				}
			},
		},
		{
			name:   "aggregator_ledger_output_difference_events",
			help:   "Events queued for the output that no counter accounts for: 0 when they rest.",
			labels: []string{"output", "cluster"}, gauge: func(s *snapshot.Snapshot, add func(float64, ...string)) {
				for _, a := range settled(s, s.Ledger.Outputs) {
					add(float64(a.Difference), a.Output, a.Cluster)
				}
			},
		},
	}
}
