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
		queueFamilies(), betweenFamilies(), outputFamilies(), destinationFamilies(), stepFamilies(), ledgerFamilies(),
		groupFamilies(), oldFamilies(),
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
		whole("aggregator_start_timestamp_seconds", "When the program started.",
			func(s *snapshot.Snapshot) float64 { return unix(s.Started) }),
		whole("aggregator_ready", "1 while agents may send here, as /readyz says.",
			func(s *snapshot.Snapshot) float64 { return flag(s.Ready) }),
		whole("aggregator_healthy", "0 when only a restart helps, as /healthz says.",
			func(s *snapshot.Snapshot) float64 { return flag(s.Healthy) }),
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
		whole("aggregator_config_loaded_timestamp_seconds", "When the configuration in force was loaded.",
			func(s *snapshot.Snapshot) float64 { return unix(s.Config.LoadedAt) }),
		whole("aggregator_config_failing",
			"1 while the newest configuration file is refused and the old one stays in force.",
			func(s *snapshot.Snapshot) float64 { return flag(s.Config.Failing.Text != "") }),
		whole("aggregator_config_warnings", "Warnings on the configuration in force.",
			func(s *snapshot.Snapshot) float64 { return float64(len(s.Config.Warnings)) }),
	}
}

func memoryFamilies() []family {
	return []family{
		whole("aggregator_memory_limit_bytes", "What the runtime keeps its memory to, as far as it can.",
			func(s *snapshot.Snapshot) float64 { return float64(s.Memory.LimitBytes) }),
		whole("aggregator_memory_need_bytes", "What the configuration has use for at full load.",
			func(s *snapshot.Snapshot) float64 { return float64(s.Memory.NeedBytes) }),
		whole("aggregator_memory_group_bytes", "What the control group allows the process, 0 for no limit.",
			func(s *snapshot.Snapshot) float64 { return float64(s.Memory.GroupBytes) }),
	}
}

func listenerFamilies() []family {
	const label = "listener"
	list := func(s *snapshot.Snapshot) []snapshot.Listener { return s.Listeners }
	return []family{
		eachGauge("aggregator_listener_open_connections", "Connections that are open.", label, list,
			func(l *snapshot.Listener) (string, float64) { return l.Name, float64(l.Connections) }),
		eachCounter("aggregator_listener_connections_total", "Connections accepted.", label, list,
			func(l *snapshot.Listener) (string, uint64) { return l.Name, l.ConnectionsTotal }),
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
		eachCounter("aggregator_received_messages_total", "Messages received and committed.", label, list,
			func(c *snapshot.Cluster) (string, uint64) { return c.Name, c.Messages }),
		eachCounter("aggregator_stored_events_total", "Events stored for at least one output.", label, list,
			func(c *snapshot.Cluster) (string, uint64) { return c.Name, c.StoredEvents }),
		eachCounter("aggregator_duplicate_events_total", "Events of resent chunks, acked again and not stored again.",
			label, list, func(c *snapshot.Cluster) (string, uint64) { return c.Name, c.DuplicateEvents }),
		eachCounts("aggregator_dropped_events_total", "Events dropped on arrival, by rule.", label, "rule", list,
			func(c *snapshot.Cluster) (string, snapshot.Counts) { return c.Name, c.Dropped }),
		eachCounts("aggregator_rejected_events_total", "Events kept as dead letters on arrival, by reason.", label,
			"reason", list, func(c *snapshot.Cluster) (string, snapshot.Counts) { return c.Name, c.Dead }),
		eachGauge("aggregator_cluster_open_connections", "Connections that are open.", label, list,
			func(c *snapshot.Cluster) (string, float64) { return c.Name, float64(c.Connections) }),
		eachCounter("aggregator_cluster_refused_connections_total", "Connections beyond max_connections.", label, list,
			func(c *snapshot.Cluster) (string, uint64) { return c.Name, c.RefusedConnections }),
		eachGauge("aggregator_cluster_queue_bytes", "Bytes on disk that an output still wants.", label, list,
			func(c *snapshot.Cluster) (string, float64) { return c.Name, float64(c.QueueBytes) }),
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
		eachGauge("aggregator_tls_loaded_timestamp_seconds", "When the files in force were loaded.", label, list,
			func(c *snapshot.Certificate) (string, float64) { return c.Owner, unix(c.LoadedAt) }),
		eachCounter("aggregator_tls_reloads_total", "How often changed files came into force.", label, list,
			func(c *snapshot.Certificate) (string, uint64) { return c.Owner, c.Reloads }),
		eachGauge("aggregator_tls_failing",
			"1 while the files as they are now are refused and the old ones stay in force.", label, list,
			func(c *snapshot.Certificate) (string, float64) { return c.Owner, flag(c.Failing.Text != "") }),
	)
}

func queueFamilies() []family {
	return []family{
		whole("aggregator_queue_segments", "Segment files.",
			func(s *snapshot.Snapshot) float64 { return float64(s.Queue.Segments) }),
		total("aggregator_queue_damaged_segments_total",
			"Damaged segment files, chunks and states that were set aside.",
			func(s *snapshot.Snapshot) uint64 { return uint64(s.Queue.SetAsideSegments) }),
		whole("aggregator_queue_disk_bytes", "Bytes that the queue takes on disk.",
			func(s *snapshot.Snapshot) float64 { return float64(s.Queue.DiskBytes) }),
		whole("aggregator_queue_max_bytes", "Bytes that the queue may take on disk.",
			func(s *snapshot.Snapshot) float64 { return float64(s.Queue.MaxBytes) }),
		whole("aggregator_queue_free_disk_bytes", "Bytes free on the queue's disk.",
			func(s *snapshot.Snapshot) float64 { return float64(s.Queue.FreeDiskBytes) }),
		whole("aggregator_queue_min_free_disk_bytes", "With fewer bytes free the disk counts as full.",
			func(s *snapshot.Snapshot) float64 { return float64(s.Queue.MinFreeDiskBytes) }),
		total("aggregator_queue_damaged_events_total", "Events lost in damaged chunks, as far as known.",
			func(s *snapshot.Snapshot) uint64 { return s.Queue.DamagedEvents }),
		whole("aggregator_queue_full", "1 while nothing can be stored and so nothing is acked.",
			func(s *snapshot.Snapshot) float64 { return flag(s.Queue.Full) }),
		whole("aggregator_queue_pending_chunks", "Chunks that an output still wants.",
			func(s *snapshot.Snapshot) float64 { return float64(s.Queue.PendingChunks) }),
		whole("aggregator_queue_pending_events", "Events that an output still wants.",
			func(s *snapshot.Snapshot) float64 { return float64(s.Queue.PendingEvents) }),
		whole("aggregator_queue_pending_bytes", "Bytes of the chunks that an output still wants.",
			func(s *snapshot.Snapshot) float64 { return float64(s.Queue.PendingBytes) }),
		whole("aggregator_queue_oldest_age_seconds", "Age of the oldest chunk that an output still wants, 0 for none.",
			func(s *snapshot.Snapshot) float64 { return s.Queue.OldestAge }),
		total("aggregator_queue_appended_chunks_total", "Chunks stored.",
			func(s *snapshot.Snapshot) uint64 { return s.Queue.AppendedChunks }),
		total("aggregator_queue_appended_events_total", "Events stored.",
			func(s *snapshot.Snapshot) uint64 { return s.Queue.AppendedEvents }),
		total("aggregator_queue_appended_bytes_total", "Bytes of the stored chunks.",
			func(s *snapshot.Snapshot) uint64 { return s.Queue.AppendedBytes }),
		whole("aggregator_queue_recovered_events", "Events found waiting at the start.",
			func(s *snapshot.Snapshot) float64 { return float64(s.Queue.RecoveredEvents) }),
		total("aggregator_queue_commits_total", "Commits, each synced to disk once for all that it holds.",
			func(s *snapshot.Snapshot) uint64 { return s.Queue.Commits }),
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
	}
}

// betweenFamilies are what lies between sockets and queue.
func betweenFamilies() []family {
	return []family{
		whole("aggregator_memory_used_bytes", "Memory held between socket and queue.",
			func(s *snapshot.Snapshot) float64 { return float64(s.Queue.MemoryBytes) }),
		total("aggregator_evicted_connections_total", "Connections closed to give the memory that they held to others.",
			func(s *snapshot.Snapshot) uint64 { return s.Queue.EvictedConnections }),
		whole("aggregator_memory_max_bytes", "Memory that may be held between socket and queue.",
			func(s *snapshot.Snapshot) float64 { return float64(s.Queue.MemoryMaxBytes) }),
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
