package metrics

import (
	"strings"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/metric"
	"github.com/seed-afc6a195/aggregator/pkg/status/snapshot"
)

// families returns every metric of the program but those of the Go runtime and the process.
// docs/metrics.md is written from it.
func families() []family {
	var all []family
	for _, part := range [][]family{
		processFamilies(), memoryFamilies(), listenerFamilies(), clusterFamilies(), certificateFamilies(),
		queueFamilies(), outputFamilies(), destinationFamilies(), stepFamilies(), ledgerFamilies(), oldFamilies(),
	} {
		all = append(all, part...)
	}
	return all
}

// anew returns families whose counters begin anew when a reload makes an output anew. name returns that output's name
// from the labels.
func anew(name func(labels []string) string, families ...family) []family {
	for i := range families {
		families[i].began = func(s *snapshot.Snapshot, labels []string) time.Time {
			for o := range s.Outputs {
				if s.Outputs[o].Name == name(labels) && !s.Outputs[o].Since.IsZero() {
					return s.Outputs[o].Since
				}
			}
			return s.Started
		}
	}
	return families
}

// These make a family of a part of the Snapshot.

func whole(name, help string, value func(s *snapshot.Snapshot) float64) family {
	return family{
		name: name, help: help, gauge: func(s *snapshot.Snapshot, add func(float64, ...string)) { add(value(s)) },
	}
}

func total(name, help string, value func(s *snapshot.Snapshot) uint64) family {
	return family{
		name: name, help: help, counter: func(s *snapshot.Snapshot, add func(uint64, ...string)) { add(value(s)) },
	}
}

func eachCounter[T any](
	name, help, label string, list func(*snapshot.Snapshot) []T, one func(*T) (string, uint64),
) family {
	return family{
		name: name, help: help, labels: []string{label},
		counter: func(s *snapshot.Snapshot, add func(uint64, ...string)) {
			for _, item := range list(s) {
				who, value := one(&item)
				add(value, who)
			}
		},
	}
}

func eachGauge[T any](
	name, help, label string, list func(*snapshot.Snapshot) []T, one func(*T) (string, float64),
) family {
	return family{
		name: name, help: help, labels: []string{label},
		gauge: func(s *snapshot.Snapshot, add func(float64, ...string)) {
			for _, item := range list(s) {
				who, value := one(&item)
				add(value, who)
			}
		},
	}
}

func eachLatency[T any](
	name, help, label string, list func(*snapshot.Snapshot) []T, one func(*T) (string, snapshot.Latency),
) family {
	return family{
		name: name, help: help, labels: []string{label},
		histogram: func(s *snapshot.Snapshot, add func(metric.Snapshot, ...string)) {
			for _, item := range list(s) {
				who, value := one(&item)
				add(value.Snapshot, who)
			}
		},
	}
}

func eachSeconds[T any](
	name, help, label string, list func(*snapshot.Snapshot) []T, one func(*T) (string, float64),
) family {
	return family{
		name: name, help: help, labels: []string{label}, seconds: eachGauge(name, help, label, list, one).gauge,
	}
}

func eachCounts[T any](
	name, help, label, by string, list func(*snapshot.Snapshot) []T, one func(*T) (string, snapshot.Counts),
) family {
	return family{
		name: name, help: help, labels: []string{label, by},
		counter: func(s *snapshot.Snapshot, add func(uint64, ...string)) {
			for _, item := range list(s) {
				who, counts := one(&item)
				for what, n := range counts {
					add(n, who, what)
				}
			}
		},
	}
}

func flag(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// unix returns seconds since 1970, 0 for no time.
func unix(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

func processFamilies() []family {
	return []family{
		{
			name: "aggregator_build_info", help: "1; the labels say what was built.",
			labels: []string{"version", "commit"}, gauge: func(s *snapshot.Snapshot, add func(float64, ...string)) {
				add(1, s.Version, s.Commit)
			},
		},
		whole("aggregator_start_timestamp_seconds", "When the program started.", func(
			s *snapshot.Snapshot,
		) float64 {
			return unix(s.Started)
		}),
		whole("aggregator_ready", "1 while agents may send here, as /readyz says.", func(
			s *snapshot.Snapshot,
		) float64 {
			return flag(s.Ready)
		}),
		whole("aggregator_healthy", "0 when only a restart helps, as /healthz says.", func(
			s *snapshot.Snapshot,
		) float64 {
			return flag(s.Healthy)
		}),
		whole("aggregator_status_stale_seconds",
			"How old all figures but the probes' answers are: more than 0 while something hangs that they are "+
				"taken from.", func(s *snapshot.Snapshot) float64 { return s.Stale }),
		eachGauge("aggregator_loop_disk_wait_seconds",
			"How long the loop's call to a disk has been under way, 0 for none.", "loop",
			func(s *snapshot.Snapshot) []snapshot.Loop { return s.Loops }, func(l *snapshot.Loop) (string, float64) {
				if l.Doing != "disk" {
					return l.Name, 0
				}
				return l.Name, l.Seconds
			}),
		whole("aggregator_config_loaded_timestamp_seconds", "When the configuration in force was loaded.", func(
			s *snapshot.Snapshot,
		) float64 {
			return unix(s.Config.LoadedAt)
		}),
		whole("aggregator_config_failing",
			"1 while the newest configuration file is refused and the old one stays in force.",
			func(s *snapshot.Snapshot) float64 { return flag(s.Config.Failing.Text != "") }),
		whole("aggregator_config_warnings", "Warnings on the configuration in force.", func(
			s *snapshot.Snapshot,
		) float64 {
			return float64(len(s.Config.Warnings))
		}),
	}
}

func memoryFamilies() []family {
	return []family{
		whole("aggregator_memory_limit_bytes", "What the runtime keeps its memory to, as far as it can.", func(
			s *snapshot.Snapshot,
		) float64 {
			return float64(s.Memory.LimitBytes)
		}),
		whole("aggregator_memory_need_bytes", "What the configuration has use for at full load.", func(
			s *snapshot.Snapshot,
		) float64 {
			return float64(s.Memory.NeedBytes)
		}),
		whole("aggregator_memory_group_bytes", "What the control group allows the process, 0 for no limit.", func(
			s *snapshot.Snapshot,
		) float64 {
			return float64(s.Memory.GroupBytes)
		}),
	}
}

func listenerFamilies() []family {
	const label = "listener"
	list := func(s *snapshot.Snapshot) []snapshot.Listener { return s.Listeners }
	return []family{
		eachGauge("aggregator_listener_open_connections", "Connections that are open.", label, list, func(
			l *snapshot.Listener,
		) (string, float64) {
			return l.Name, float64(l.Connections)
		}),
		eachCounter("aggregator_listener_connections_total", "Connections accepted.", label, list, func(
			l *snapshot.Listener,
		) (string, uint64) {
			return l.Name, l.ConnectionsTotal
		}),
		eachCounter("aggregator_listener_tls_connections_total", "Connections with a finished TLS handshake.", label,
			list, func(l *snapshot.Listener) (string, uint64) { return l.Name, l.TLSTotal }),
		eachCounter("aggregator_listener_proxied_connections_total", "Connections whose source a PROXY header told.",
			label, list, func(l *snapshot.Listener) (string, uint64) { return l.Name, l.ProxiedTotal }),
		eachCounter("aggregator_listener_probes_total",
			"Connections closed by the client without a byte, as load balancers do.", label, list,
			func(l *snapshot.Listener) (string, uint64) { return l.Name, l.ProbesTotal }),
		eachCounts("aggregator_listener_refused_total", "Connections closed by the server, by reason.", label, "reason",
			list, func(l *snapshot.Listener) (string, snapshot.Counts) { return l.Name, l.Refused }),
		eachCounts("aggregator_listener_messages_total", "Messages received, by the protocol's mode.", label, "mode",
			list, func(l *snapshot.Listener) (string, snapshot.Counts) { return l.Name, l.Messages }),
		eachCounter("aggregator_listener_acks_total", "Acks written, each after its chunk was on disk.", label, list,
			func(l *snapshot.Listener) (string, uint64) { return l.Name, l.AcksTotal }),
		eachCounter("aggregator_listener_messages_without_ack_total",
			"Messages stored that wanted no ack: what their connection loses is lost. /status says whose.", label, list,
			func(l *snapshot.Listener) (string, uint64) { return l.Name, l.NoAckTotal }),
		eachLatency("aggregator_listener_ack_latency_seconds", "Time from a message's last byte to its ack.", label,
			list, func(l *snapshot.Listener) (string, snapshot.Latency) { return l.Name, l.AckLatency }),
		eachGauge("aggregator_listener_last_error_timestamp_seconds", "When the last error occurred, 0 for never.",
			label, list, func(l *snapshot.Listener) (string, float64) { return l.Name, unix(l.LastError.Time) }),
	}
}

func clusterFamilies() []family {
	const label = "cluster"
	list := func(s *snapshot.Snapshot) []snapshot.Cluster { return s.Clusters }
	return []family{
		eachCounter("aggregator_received_events_total",
			"Events received and committed: stored, duplicate, dropped and rejected ones together.", label, list,
			func(c *snapshot.Cluster) (string, uint64) { return c.Name, c.ReceivedEvents }),
		eachCounter("aggregator_received_bytes_total", "Bytes of the received events as msgpack, decompressed.", label,
			list, func(c *snapshot.Cluster) (string, uint64) { return c.Name, c.ReceivedBytes }),
		eachCounter("aggregator_received_messages_total", "Messages received and committed.", label, list, func(
			c *snapshot.Cluster,
		) (string, uint64) {
			return c.Name, c.Messages
		}),
		eachCounter("aggregator_stored_events_total", "Events stored for at least one output.", label, list, func(
			c *snapshot.Cluster,
		) (string, uint64) {
			return c.Name, c.StoredEvents
		}),
		eachCounter("aggregator_duplicate_events_total", "Events of resent chunks, acked again and not stored again.",
			label, list, func(c *snapshot.Cluster) (string, uint64) { return c.Name, c.DuplicateEvents }),
		eachCounts("aggregator_dropped_events_total", "Events dropped on arrival, by rule.", label, "rule", list, func(
			c *snapshot.Cluster,
		) (string, snapshot.Counts) {
			return c.Name, c.Dropped
		}),
		eachCounts("aggregator_rejected_events_total", "Events kept as dead letters on arrival, by reason.", label,
			"reason", list, func(c *snapshot.Cluster) (string, snapshot.Counts) { return c.Name, c.Dead }),
		eachGauge("aggregator_cluster_open_connections", "Connections that are open.", label, list, func(
			c *snapshot.Cluster,
		) (string, float64) {
			return c.Name, float64(c.Connections)
		}),
		eachCounter("aggregator_cluster_refused_connections_total", "Connections beyond max_connections.", label, list,
			func(c *snapshot.Cluster) (string, uint64) { return c.Name, c.RefusedConnections }),
		eachGauge("aggregator_cluster_queue_bytes", "Bytes on disk that an output still wants.", label, list, func(
			c *snapshot.Cluster,
		) (string, float64) {
			return c.Name, float64(c.QueueBytes)
		}),
		eachGauge("aggregator_cluster_waiting",
			"1 while the cluster's messages wait to be stored, because it is at its max_queue_size or the "+
				"queue is full.", label, list,
			func(c *snapshot.Cluster) (string, float64) { return c.Name, flag(c.Waiting != "") }),
		eachSeconds("aggregator_cluster_rate_limited_seconds_total",
			"What the cluster's connections have waited for rate_limit, all together.", label, list,
			func(c *snapshot.Cluster) (string, float64) { return c.Name, c.Slowed }),
		eachGauge("aggregator_cluster_last_seen_timestamp_seconds",
			"When the cluster last sent something, 0 for never.", label, list,
			func(c *snapshot.Cluster) (string, float64) { return c.Name, unix(c.LastSeen) }),
	}
}

func certificateFamilies() []family {
	const label = "owner"
	list := func(s *snapshot.Snapshot) []snapshot.Certificate { return s.Certificates }
	return anew(
		func(labels []string) string { return strings.TrimPrefix(labels[0], "output ") },
		eachGauge("aggregator_tls_certificate_remaining_seconds",
			"Time until the certificate expires; below 0 once it has, 0 where there is only a CA file.", label, list,
			func(c *snapshot.Certificate) (string, float64) { return c.Owner, c.DaysLeft * 24 * 3600 }),
		eachGauge("aggregator_tls_loaded_timestamp_seconds", "When the files in force were loaded.", label, list, func(
			c *snapshot.Certificate,
		) (string, float64) {
			return c.Owner, unix(c.LoadedAt)
		}),
		eachCounter("aggregator_tls_reloads_total", "How often changed files came into force.", label, list, func(
			c *snapshot.Certificate,
		) (string, uint64) {
			return c.Owner, c.Reloads
		}),
		eachGauge("aggregator_tls_failing",
			"1 while the files as they are now are refused and the old ones stay in force.", label, list,
			func(c *snapshot.Certificate) (string, float64) { return c.Owner, flag(c.Failing.Text != "") }),
	)
}

func queueFamilies() []family {
	return []family{
		whole("aggregator_queue_segments", "Segment files.", func(
			s *snapshot.Snapshot,
		) float64 {
			return float64(s.Queue.Segments)
		}),
		total("aggregator_queue_damaged_segments_total",
			"Damaged segment files, chunks and states that were set aside.",
			func(s *snapshot.Snapshot) uint64 { return uint64(s.Queue.SetAsideSegments) }),
		whole("aggregator_queue_disk_bytes", "Bytes that the queue takes on disk.", func(
			s *snapshot.Snapshot,
		) float64 {
			return float64(s.Queue.DiskBytes)
		}),
		whole("aggregator_queue_max_bytes", "Bytes that the queue may take on disk.", func(
			s *snapshot.Snapshot,
		) float64 {
			return float64(s.Queue.MaxBytes)
		}),
		whole("aggregator_queue_free_disk_bytes", "Bytes free on the queue's disk.", func(
			s *snapshot.Snapshot,
		) float64 {
			return float64(s.Queue.FreeDiskBytes)
		}),
		whole("aggregator_queue_min_free_disk_bytes", "With fewer bytes free the disk counts as full.", func(
			s *snapshot.Snapshot,
		) float64 {
			return float64(s.Queue.MinFreeDiskBytes)
		}),
		total("aggregator_queue_damaged_events_total", "Events lost in damaged chunks, as far as known.", func(
			s *snapshot.Snapshot,
		) uint64 {
			return s.Queue.DamagedEvents
		}),
		whole("aggregator_queue_full", "1 while nothing can be stored and so nothing is acked.", func(
			s *snapshot.Snapshot,
		) float64 {
			return flag(s.Queue.Full)
		}),
		whole("aggregator_queue_pending_chunks", "Chunks that an output still wants.", func(
			s *snapshot.Snapshot,
		) float64 {
			return float64(s.Queue.PendingChunks)
		}),
		whole("aggregator_queue_pending_events", "Events that an output still wants.", func(
			s *snapshot.Snapshot,
		) float64 {
			return float64(s.Queue.PendingEvents)
		}),
		whole("aggregator_queue_pending_bytes", "Bytes of the chunks that an output still wants.", func(
			s *snapshot.Snapshot,
		) float64 {
			return float64(s.Queue.PendingBytes)
		}),
		whole("aggregator_queue_oldest_age_seconds", "Age of the oldest chunk that an output still wants, 0 for none.",
			func(s *snapshot.Snapshot) float64 { return s.Queue.OldestAge }),
		total("aggregator_queue_appended_chunks_total", "Chunks stored.", func(
			s *snapshot.Snapshot,
		) uint64 {
			return s.Queue.AppendedChunks
		}),
		total("aggregator_queue_appended_events_total", "Events stored.", func(
			s *snapshot.Snapshot,
		) uint64 {
			return s.Queue.AppendedEvents
		}),
		total("aggregator_queue_appended_bytes_total", "Bytes of the stored chunks.", func(
			s *snapshot.Snapshot,
		) uint64 {
			return s.Queue.AppendedBytes
		}),
		whole("aggregator_queue_recovered_events", "Events found waiting at the start.", func(
			s *snapshot.Snapshot,
		) float64 {
			return float64(s.Queue.RecoveredEvents)
		}),
		total("aggregator_queue_commits_total", "Commits, each synced to disk once for all that it holds.", func(
			s *snapshot.Snapshot,
		) uint64 {
			return s.Queue.Commits
		}),
		{
			name: "aggregator_queue_commit_latency_seconds", help: "Time of a commit with its sync.",
			histogram: func(s *snapshot.Snapshot, add func(metric.Snapshot, ...string)) {
				add(s.Queue.CommitLatency.Snapshot)
			},
		},
		{
			name: "aggregator_queue_commit_wait_seconds", help: "Time that a commit waited for more to store with it.",
			histogram: func(s *snapshot.Snapshot, add func(metric.Snapshot, ...string)) {
				add(s.Queue.CommitWait.Snapshot)
			},
		},
		commitCauses(),
		whole("aggregator_memory_used_bytes", "Memory held between socket and queue.", func(
			s *snapshot.Snapshot,
		) float64 {
			return float64(s.Queue.MemoryBytes)
		}),
		total("aggregator_evicted_connections_total", "Connections closed to give the memory that they held to others.",
			func(s *snapshot.Snapshot) uint64 { return s.Queue.EvictedConnections }),
		whole("aggregator_memory_max_bytes", "Memory that may be held between socket and queue.", func(
			s *snapshot.Snapshot,
		) float64 {
			return float64(s.Queue.MemoryMaxBytes)
		}),
	}
}

// commitCauses returns the family that counts commits by why they waited no longer.
func commitCauses() family {
	const help = "Commits by why they waited no longer for more to store with them: idle and share (commits are a " +
		"small share " +
		"of the time), complete (nobody else was about to come), full (its bytes are enough), limit (longer would " +
		"hold up acks), closing."
	return family{
		name: "aggregator_queue_commits_by_cause_total", help: help, labels: []string{"cause"},
		counter: func(s *snapshot.Snapshot, add func(uint64, ...string)) {
			for cause, n := range s.Queue.CommitCauses {
				add(n, cause)
			}
		},
	}
}

func outputFamilies() []family {
	const label = "output"
	list := func(s *snapshot.Snapshot) []snapshot.Output { return s.Outputs }
	perCluster := func(s *snapshot.Snapshot, each func(output string, c *snapshot.OutputCluster)) {
		for _, o := range s.Outputs {
			for i := range o.Clusters {
				each(o.Name, &o.Clusters[i])
			}
		}
	}
	counter := func(name, help string, value func(*snapshot.OutputCluster) uint64) family {
		return family{
			name: name, help: help, labels: []string{label, "cluster"},
			counter: func(s *snapshot.Snapshot, add func(uint64, ...string)) {
				perCluster(s, func(output string, c *snapshot.OutputCluster) { add(value(c), output, c.Cluster) })
			},
		}
	}
	counts := func(name, help string, value func(*snapshot.OutputCluster) snapshot.Counts) family {
		return family{
			name: name, help: help, labels: []string{label, "cluster", "reason"},
			counter: func(s *snapshot.Snapshot, add func(uint64, ...string)) {
				perCluster(s, func(output string, c *snapshot.OutputCluster) {
					for reason, n := range value(c) {
						add(n, output, c.Cluster, reason)
					}
				})
			},
		}
	}
	gauge := func(name, help string, value func(*snapshot.OutputCluster) uint64) family {
		return family{
			name: name, help: help, labels: []string{label, "cluster"},
			gauge: func(s *snapshot.Snapshot, add func(float64, ...string)) {
				perCluster(s, func(
					output string, c *snapshot.OutputCluster,
				) {
					add(float64(value(c)), output, c.Cluster)
				})
			},
		}
	}
	return []family{
		{
			name: "aggregator_output_state", help: "1 for the state that the output is in, 0 for the others.",
			labels: []string{label, "state"}, gauge: func(s *snapshot.Snapshot, add func(float64, ...string)) {
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
		eachGauge("aggregator_output_workers", "Requests that may be in flight.", label, list, func(
			o *snapshot.Output,
		) (string, float64) {
			return o.Name, float64(o.Workers)
		}),
		eachGauge("aggregator_output_concurrency",
			"Of the workers, how many may send now: fewer after the destination has throttled.", label, list,
			func(o *snapshot.Output) (string, float64) { return o.Name, float64(o.Concurrency) }),
		eachGauge("aggregator_output_held_clusters",
			"Clusters that wait until what the destination refused of them is taken.", label, list,
			func(o *snapshot.Output) (string, float64) { return o.Name, float64(len(o.HeldClusters)) }),
		eachGauge(
			"aggregator_output_waiting_targets",
			"Targets, such as indices or streams, that take no events and that some wait aside for.",
			label, list, func(o *snapshot.Output) (string, float64) {
				return o.Name, float64(len(o.WaitingTargets) + o.WaitingTargetsMore)
			},
		),
		{
			name:   "aggregator_output_waiting_events",
			help:   "Events that wait aside for a target that takes none, of the targets with the most.",
			labels: []string{label, "target"}, gauge: func(s *snapshot.Snapshot, add func(float64, ...string)) {
				for _, o := range s.Outputs {
					for i := range o.WaitingTargets {
						add(float64(o.WaitingTargets[i].Events), o.Name, o.WaitingTargets[i].Target)
					}
				}
			},
		},
		eachGauge("aggregator_output_in_flight_requests", "Requests in flight.", label, list, func(
			o *snapshot.Output,
		) (string, float64) {
			return o.Name, float64(o.InFlight)
		}),
		eachGauge("aggregator_output_oldest_request_seconds",
			"How long the request has been under way that began first, 0 for none.", label, list,
			func(o *snapshot.Output) (string, float64) { return o.Name, o.OldestRequest }),
		counter("aggregator_output_queued_events_total", "Events queued for the output.", func(
			c *snapshot.OutputCluster,
		) uint64 {
			return c.Queued
		}),
		counter("aggregator_output_returned_events_total",
			"Events of dead letters put back into the queue for the output.",
			func(c *snapshot.OutputCluster) uint64 { return c.Returned }),
		counter("aggregator_output_adopted_events_total", "Events that another aggregator has handed over.", func(
			c *snapshot.OutputCluster,
		) uint64 {
			return c.Adopted
		}),
		gauge("aggregator_output_recovered_events", "Events found waiting for the output at the start.", func(
			c *snapshot.OutputCluster,
		) uint64 {
			return c.Recovered
		}),
		counter("aggregator_output_delivered_events_total", "Events that the destination has.", func(
			c *snapshot.OutputCluster,
		) uint64 {
			return c.Delivered
		}),
		counts("aggregator_output_dropped_events_total", "Events dropped as the configuration says, by reason.", func(
			c *snapshot.OutputCluster,
		) snapshot.Counts {
			return c.Dropped
		}),
		counter("aggregator_output_purged_events_total", "Events that waited for the output and that somebody purged.",
			func(c *snapshot.OutputCluster) uint64 { return c.Purged }),
		counts("aggregator_output_dead_events_total", "Events kept as dead letters, by reason.", func(
			c *snapshot.OutputCluster,
		) snapshot.Counts {
			return c.Dead
		}),
		gauge("aggregator_output_pending_events", "Events waiting or in flight.", func(
			c *snapshot.OutputCluster,
		) uint64 {
			return c.Pending
		}),
		eachCounter("aggregator_output_delivered_bytes_total", "Bytes of the delivered events as msgpack.", label, list,
			func(o *snapshot.Output) (string, uint64) { return o.Name, o.DeliveredBytes }),
		eachCounts("aggregator_output_retried_events_total", "Events to be sent again, by reason.", label, "reason",
			list, func(o *snapshot.Output) (string, snapshot.Counts) { return o.Name, o.Retries }),
		eachGauge("aggregator_output_lag_seconds", "Age of the oldest chunk that is not delivered, 0 for none.", label,
			list, func(o *snapshot.Output) (string, float64) { return o.Name, o.Lag }),
		eachCounter("aggregator_output_requests_total", "Requests that ended, well or not.", label, list, func(
			o *snapshot.Output,
		) (string, uint64) {
			return o.Name, o.Requests
		}),
		eachCounter("aggregator_output_failed_requests_total", "Requests that did not deliver all of their events.",
			label, list, func(o *snapshot.Output) (string, uint64) { return o.Name, o.FailedRequests }),
		eachLatency("aggregator_output_request_latency_seconds", "Time of a request.", label, list, func(
			o *snapshot.Output,
		) (string, snapshot.Latency) {
			return o.Name, o.RequestLatency
		}),
		eachGauge("aggregator_output_last_success_timestamp_seconds",
			"When the destination last took something, 0 for never.", label, list,
			func(o *snapshot.Output) (string, float64) { return o.Name, unix(o.LastSuccess) }),
		eachGauge("aggregator_output_last_error_timestamp_seconds", "When the last error occurred, 0 for never.", label,
			list, func(o *snapshot.Output) (string, float64) { return o.Name, unix(o.LastError.Time) }),
		whole("aggregator_dead_letters_stored_letters", "Dead letters kept; each has one event or several.", func(
			s *snapshot.Snapshot,
		) float64 {
			return float64(s.DeadLetters.Count)
		}),
		whole("aggregator_dead_letters_stored_events", "Events in the dead letters kept.", func(
			s *snapshot.Snapshot,
		) float64 {
			return float64(s.DeadLetters.Events)
		}),
		whole("aggregator_dead_letters_stored_bytes", "Bytes that dead letters take on disk.", func(
			s *snapshot.Snapshot,
		) float64 {
			return float64(s.DeadLetters.Bytes)
		}),
		total("aggregator_dead_letters_evicted_events_total", "Events in dead letters deleted by max_size or max_age.",
			func(s *snapshot.Snapshot) uint64 { return s.DeadLetters.EvictedEvents }),
		total("aggregator_dead_letters_retried_events_total", "Events in dead letters put back into the queue.", func(
			s *snapshot.Snapshot,
		) uint64 {
			return s.DeadLetters.RetriedEvents
		}),
		total("aggregator_dead_letters_purged_events_total", "Events in dead letters that somebody deleted.", func(
			s *snapshot.Snapshot,
		) uint64 {
			return s.DeadLetters.PurgedEvents
		}),
		total("aggregator_dead_letters_damaged_events_total",
			"Events lost in damaged files of dead letters, as far as known.",
			func(s *snapshot.Snapshot) uint64 { return s.DeadLetters.DamagedEvents }),
		total("aggregator_dead_letters_damaged_files_total", "Damaged files of dead letters that were set aside.", func(
			s *snapshot.Snapshot,
		) uint64 {
			return uint64(s.DeadLetters.SetAsideFiles)
		}),
		{
			name:   "aggregator_dead_letters_events",
			help:   "Events in the dead letters kept, by output (empty: refused before any), cluster and reason.",
			labels: []string{label, "cluster", "reason"},
			gauge: func(s *snapshot.Snapshot, add func(float64, ...string)) {
				for _, d := range s.DeadLetters.By {
					add(float64(d.Events), d.Output, d.Cluster, d.Reason)
				}
			},
		},
	}
}

func ledgerFamilies() []family {
	return []family{
		{
			name: "aggregator_ledger_ingest_difference_events",
			help: "Received events that no counter accounts for: 0 when they rest.", labels: []string{"cluster"},
			gauge: func(s *snapshot.Snapshot, add func(float64, ...string)) {
				for _, a := range s.Ledger.Ingest {
					add(float64(a.Difference), a.Cluster)
				}
			},
		},
		{
			name:   "aggregator_ledger_output_difference_events",
			help:   "Events queued for the output that no counter accounts for: 0 when they rest.",
			labels: []string{"output", "cluster"}, gauge: func(s *snapshot.Snapshot, add func(float64, ...string)) {
				for _, a := range s.Ledger.Outputs {
					add(float64(a.Difference), a.Output, a.Cluster)
				}
			},
		},
	}
}
