// Package snapshot holds the state of the whole program at one moment, from which /status, /metrics, the verdict and
// the page are made, and what is reckoned from two of them.
package snapshot

import (
	"encoding/json"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/metric"
	"github.com/seed-afc6a195/aggregator/pkg/status/client"
)

// Snapshot is the state of the whole program at one moment: /status shows it as it is, /metrics and
// the page are made from it. Names in it are those of the configuration, never what a client sent.
// Counters count since the start and never fall; a name that exists is in it from the start, with
// zeros. The program fills it but for the fields marked "derived", which the Server sets.
type Snapshot struct {
	Version  string    `json:"version"`
	Commit   string    `json:"commit"`
	Hostname string    `json:"hostname"`
	Started  time.Time `json:"started"`
	// Time is derived: when the snapshot was taken.
	Time time.Time `json:"time"`
	// Uptime is derived.
	Uptime float64 `json:"uptime_seconds"`
	Probes

	// DeliveredWithin is the longest that an event waited for an output in the last seconds, in seconds. Derived.
	DeliveredWithin float64 `json:"delivered_within_seconds"`

	Memory       Memory        `json:"memory"`
	Config       ConfigState   `json:"config"`
	Listeners    []Listener    `json:"listeners"`
	Clusters     []Cluster     `json:"clusters"`
	Queue        Queue         `json:"queue"`
	Outputs      []Output      `json:"outputs"`
	Certificates []Certificate `json:"certificates"`
	DeadLetters  DeadLetters   `json:"dead_letters"`
	// Ledger is derived.
	Ledger Ledger `json:"ledger"`
	// Verdict is derived: see package verdict.
	Verdict client.Verdict `json:"verdict"`
	// Group may be nil: the queue is this program's alone.
	Group *Group `json:"group,omitempty"`
	Taken
}

// Loop is what one of the program's loops is at.
type Loop struct {
	Name string `json:"name"`
	// Doing is "resting" (it waits for work), "turning" (it works) or "disk" (it waits for a disk).
	Doing string `json:"doing"`
	// What is in a sentence: "a commit to /var/lib/aggregator".
	What string `json:"disk_call,omitzero"`
	// Seconds is for how long.
	Seconds float64 `json:"seconds"`
}

// Counts are counters by a label: a reason, a mode, a rule.
type Counts map[string]uint64

// Sum returns all of them together.
func (c Counts) Sum() (sum uint64) {
	for _, n := range c {
		sum += n
	}
	return sum
}

// MarshalJSON gives an object also where there are none.
func (c Counts) MarshalJSON() ([]byte, error) {
	if c == nil {
		return []byte("{}"), nil
	}
	return json.Marshal(map[string]uint64(c))
}

// Latency is a histogram that JSON shows as its count, median and 99th percentile.
type Latency struct{ metric.Snapshot }

// MarshalJSON gives the figures in seconds.
func (l Latency) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Count uint64  `json:"count"`
		Sum   float64 `json:"sum_seconds"`
		P50   float64 `json:"p50_seconds"`
		P99   float64 `json:"p99_seconds"`
	}{l.Count, l.Sum, l.Quantile(0.5), l.Quantile(0.99)})
}

// Failure is the last error of something; the zero value says that there was none.
type Failure struct {
	Text string `json:"text"`
	// Text with a destination's own words: only for who shows the token or a password.
	Detail string    `json:"detail,omitempty"`
	Time   time.Time `json:"time,omitzero"`
	// Age is derived.
	Age float64 `json:"age_seconds"`
	// Ended is since when it is past; zero: nothing shows that it is.
	Ended time.Time `json:"ended,omitzero"`
}

// Lasts reports whether there is an error that is not past.
func (f Failure) Lasts() bool { return f.Text != "" && f.Ended.IsZero() }

// ConfigState is the configuration in force.
type ConfigState struct {
	// Source is a file's name, or that these are the defaults.
	Source   string    `json:"source"`
	Hash     string    `json:"hash"`
	LoadedAt time.Time `json:"loaded_at,omitzero"`
	Warnings []string  `json:"warnings"`
	// Reloads counts those that put a new one in force.
	Reloads uint64 `json:"reloads"`
	// Failing is why the newest file was refused; zero: it is in force.
	Failing Failure `json:"failing,omitzero"`
	// Restart are settings that the file has changed but that stay as they were.
	Restart []string `json:"needs_restart"`
	Routes  []Route  `json:"routes,omitempty"`
}

// Route is a route of the configuration in force.
type Route struct {
	// Name is as in routes[0].
	Name    string   `json:"name"`
	Match   []string `json:"match"`
	Outputs []string `json:"outputs"`
}

// Memory is what the program may use.
type Memory struct {
	// LimitBytes counts those that the runtime keeps to, as far as it can.
	LimitBytes int64 `json:"limit_bytes"`
	// Source is where the limit comes from: GOMEMLIMIT, control group or configuration.
	Source string `json:"source"`
	// NeedBytes is what the configuration has use for at full load.
	NeedBytes int64 `json:"need_bytes"`
	// What the control group allows, with all that the kernel counts; 0: no limit.
	GroupBytes int64 `json:"group_bytes"`
	// UsedBytes is that of LimitBytes, what the runtime holds now.
	UsedBytes int64 `json:"used_bytes"`
}

// Listener is one listener of the Forward protocol.
type Listener struct {
	Name    string `json:"name"`
	Address string `json:"address"`
	// Connections is open now.
	Connections      int    `json:"connections"`
	ConnectionsTotal uint64 `json:"connections_total"`
	// TLSTotal is that of these, with a finished TLS handshake.
	TLSTotal uint64 `json:"tls_total"`
	// ProxiedTotal is that of these, whose source a PROXY header told.
	ProxiedTotal uint64 `json:"proxied_total"`
	// ProbesTotal counts connections that closed without a byte.
	ProbesTotal uint64 `json:"probes_total"`
	// Refused are connections by the reason that they were closed for.
	Refused Counts `json:"refused"`
	// Messages is by mode.
	Messages  Counts `json:"messages"`
	AcksTotal uint64 `json:"acks_total"`
	// NoAckTotal is that of Messages, that want no ack: a connection that breaks loses them.
	NoAckTotal uint64 `json:"no_ack_total"`
	// NoAckPeers are who sends such, the last first.
	NoAckPeers []NoAck `json:"no_ack_peers"`
	// AckLatency is from a message's last byte to its ack.
	AckLatency Latency `json:"ack_latency"`
	LastError  Failure `json:"last_error,omitzero"`
	// Agents are those of which the listener knows most recently, the last seen first, a bounded number.
	Agents []Agent `json:"agents"`
	// RefusedPeers are whom it has turned away most recently, the last first, a bounded number.
	RefusedPeers []RefusedPeer `json:"refused_peers"`
	// LoginsRefusedLately is how many logins it has refused in the last ten minutes. Derived.
	LoginsRefusedLately uint64 `json:"logins_refused_lately"`
}

// LoginsRefused returns how many connections were closed because of who somebody is, or is not.
func (l *Listener) LoginsRefused() (n uint64) {
	for _, reason := range []string{"shared_key", "user", "source", "certificate", "unknown_cluster", "tls", "login"} {
		n += l.Refused[reason]
	}
	return n
}

// Agent is one sender: what comes from one host under one name for one cluster.
type Agent struct {
	// Peer is its address; "": a Unix socket's.
	Peer string `json:"peer"`
	// Hostname is one that it claims; "": it claims none.
	Hostname string `json:"hostname"`
	Cluster  string `json:"cluster"`
	// Connections is how many are open.
	Connections int `json:"connections"`
	// Messages are those that were stored.
	Messages uint64 `json:"messages"`
	// NoAck is that of Messages, that wanted no ack.
	NoAck uint64 `json:"no_ack"`
	// AsksAcks: its last messages wanted acks.
	AsksAcks bool      `json:"asks_acks"`
	LastSeen time.Time `json:"last_seen,omitzero"`
}

// RefusedPeer is a host that connections were closed of, for one reason.
type RefusedPeer struct {
	// Peer is its address; "": a Unix socket's.
	Peer string `json:"peer"`
	// Hostname is one that it claimed; "": it came to none.
	Hostname string `json:"hostname"`
	Reason   string `json:"reason"`
	// Text is that of the last.
	Text     string    `json:"text"`
	Times    uint64    `json:"times"`
	LastSeen time.Time `json:"last_seen"`
}

// NoAck is a host whose agent asks for no acks.
type NoAck struct {
	// Peer is its address; "": a Unix socket's.
	Peer     string    `json:"peer"`
	Cluster  string    `json:"cluster"`
	Messages uint64    `json:"messages"`
	LastSeen time.Time `json:"last_seen"`
}

// Cluster is what came in from one cluster. ReceivedEvents is StoredEvents and DuplicateEvents and
// all of Dropped, Dead and Unreported together; all are counted when the message is committed.
type Cluster struct {
	Name           string `json:"name"`
	ReceivedEvents uint64 `json:"received_events"`
	// ReceivedBytes is that of msgpack entries, decompressed.
	ReceivedBytes uint64 `json:"received_bytes"`
	Messages      uint64 `json:"messages"`
	// StoredEvents is for at least one output.
	StoredEvents    uint64 `json:"stored_events"`
	DuplicateEvents uint64 `json:"duplicate_events"`
	// Dropped counts events by rule.
	Dropped Counts `json:"dropped"`
	// Dead counts events kept as dead letters on arrival, by reason.
	Dead Counts `json:"dead"`
	// Unreported events were received by pods of a group that were killed before they told what became of them.
	Unreported uint64 `json:"unreported_events"`
	// Connections is how many are open.
	Connections int `json:"connections"`
	// RefusedConnections are those beyond max_connections.
	RefusedConnections uint64 `json:"refused_connections"`
	// QueueBytes is on disk, that an output still wants.
	QueueBytes int64 `json:"queue_bytes"`
	// QueueMaxBytes is max_queue_size; 0: it has none of its own.
	QueueMaxBytes int64 `json:"queue_max_bytes"`
	// Waiting is why its messages wait to be stored.
	Waiting string `json:"waiting,omitempty"`
	// That its connections waited for rate_limit, all together.
	Slowed   float64   `json:"slowed_seconds"`
	LastSeen time.Time `json:"last_seen,omitzero"`
	// EventsPerSecond is derived: received, of the last seconds.
	EventsPerSecond float64 `json:"events_per_second"`
	// BytesPerSecond is derived.
	BytesPerSecond float64 `json:"bytes_per_second"`
	ClusterLimits
	// DroppedLately is derived: events dropped on arrival in the last 15 minutes.
	DroppedLately uint64 `json:"dropped_lately"`
}

// ClusterLimits are what a cluster's agents may do; 0 is no limit.
type ClusterLimits struct {
	MaxConnections int `json:"max_connections"`
	// RateLimit is in bytes a second.
	RateLimit int64 `json:"rate_limit_bytes"`
}

// Certificate is what a listener or an output shows to others, or trusts them by.
type Certificate struct {
	// Owner is as in "listener public" and "output up".
	Owner    string    `json:"owner"`
	CertFile string    `json:"cert_file,omitempty"`
	CAFile   string    `json:"ca_file,omitempty"`
	Subject  string    `json:"subject,omitempty"`
	Names    []string  `json:"names,omitempty"`
	NotAfter time.Time `json:"not_after,omitzero"`
	// DaysLeft is below 0: expired; 0 where there is only ca_file.
	DaysLeft float64   `json:"days_left"`
	LoadedAt time.Time `json:"loaded_at"`
	Reloads  uint64    `json:"reloads"`
	// Failing is why the files as they are now are not in force.
	Failing Failure `json:"failing,omitzero"`
}

// Queue is the store of what was acknowledged and is not delivered yet.
type Queue struct {
	Segments int `json:"segments"`
	// SetAsideSegments are damaged files that were kept under another name.
	SetAsideSegments int   `json:"set_aside_segments"`
	DiskBytes        int64 `json:"disk_bytes"`
	MaxBytes         int64 `json:"max_bytes"`
	FreeDiskBytes    int64 `json:"free_disk_bytes"`
	// MinFreeDiskBytes is the least: with less free, the disk counts as full.
	MinFreeDiskBytes int64 `json:"min_free_disk_bytes"`
	// DamagedEvents were lost in damaged chunks, as far as known, since the start.
	DamagedEvents uint64 `json:"damaged_events"`
	Full          bool   `json:"full"`
	FullReason    string `json:"full_reason,omitempty"`
	PendingChunks int    `json:"pending_chunks"`
	PendingEvents int64  `json:"pending_events"`
	PendingBytes  int64  `json:"pending_bytes"`
	// OldestAge is that of the oldest chunk that waits, 0: none.
	OldestAge      float64 `json:"oldest_age_seconds"`
	AppendedChunks uint64  `json:"appended_chunks"`
	AppendedEvents uint64  `json:"appended_events"`
	AppendedBytes  uint64  `json:"appended_bytes"`
	// RecoveredEvents were found waiting at the start.
	RecoveredEvents uint64 `json:"recovered_events"`
	QueueCommits
	QueueMemory
	QueueOutlook
}

// State is what an output is doing.
type State string

// The states of an output.
const (
	StateRunning State = "running"
	// StateIdle: nothing waits for it.
	StateIdle     State = "idle"
	StateRetrying State = "retrying"
	StatePaused   State = "paused"
	// StateRefused is that of an output whose login or privileges the destination refuses: it tries on, slowly.
	StateRefused State = "refused"
	// StateUnconfigured is that of an output that is not configured, and that something waits for.
	StateUnconfigured State = "unconfigured"
	// StateStalled is that of an output whose disk does not answer.
	StateStalled State = "stalled"
	// StateRemoved is that of an output that is not configured any more, and that nothing waits for.
	StateRemoved State = "removed"
)

// DeadLetters are the events that will not be delivered.
type DeadLetters struct {
	Count  int   `json:"count"`
	Events int64 `json:"events"`
	// Newest is when the last of them was refused.
	Newest time.Time `json:"newest,omitzero"`
	// Bytes is on disk.
	Bytes int64 `json:"bytes"`
	// EvictedEvents were pushed out by max_size or max_age, since the start.
	EvictedEvents uint64 `json:"evicted_events"`
	// RetriedEvents were put back into the queue, since the start.
	RetriedEvents uint64 `json:"retried_events"`
	// PurgedEvents were deleted by somebody, since the start.
	PurgedEvents uint64 `json:"purged_events"`
	// DamagedEvents were lost in damaged files, as far as known, since the start.
	DamagedEvents uint64 `json:"damaged_events"`
	// Damaged files that were kept under another name, since the start.
	SetAsideFiles int               `json:"set_aside_files"`
	By            []DeadLetterCount `json:"by"`
	// EvictedLately is derived: of EvictedEvents, those of the last hour.
	EvictedLately uint64 `json:"evicted_lately"`
}

// DeadLetterCount is how many events are kept as dead letters for one reason.
type DeadLetterCount struct {
	// Output may be "": refused before any output.
	Output  string `json:"output"`
	Cluster string `json:"cluster"`
	Reason  string `json:"reason"`
	Events  int64  `json:"events"`
}

// Probes are what /readyz and /healthz answer, and what the loops are at that they go by.
type Probes struct {
	// Ready is derived.
	Ready bool `json:"ready"`
	// NotReady is derived: why.
	NotReady []string `json:"not_ready"`
	// Healthy is derived.
	Healthy bool `json:"healthy"`
	// Unhealthy is derived: why.
	Unhealthy []string `json:"unhealthy"`
	Loops     []Loop   `json:"loops"`
}

// Taken is when a snapshot was taken, for what is reckoned from it. All is derived.
type Taken struct {
	// Stale is how old everything but the probes' answers is, in seconds: more than 0 while taking a snapshot hangs.
	// Derived.
	Stale float64 `json:"stale_seconds"`

	// At is Time with the monotonic clock, so that rates don't care when the other is set. Derived.
	At time.Time `json:"-"`
}

// QueueCommits are the group commits of a queue.
type QueueCommits struct {
	Commits       uint64  `json:"commits"`
	CommitLatency Latency `json:"commit_latency"`
	// CommitWait is for more batches to come.
	CommitWait Latency `json:"commit_wait"`
	// CommitCauses counts commits by why they waited no longer.
	CommitCauses map[string]uint64 `json:"commit_causes,omitempty"`
}

// QueueMemory is the memory between sockets and queue.
type QueueMemory struct {
	// MemoryBytes is between socket and queue.
	MemoryBytes    int64 `json:"memory_bytes"`
	MemoryMaxBytes int64 `json:"memory_max_bytes"`
	// EvictedConnections were closed, since the start, to give the memory that they held to others.
	EvictedConnections uint64 `json:"evicted_connections"`
}

// QueueOutlook is what two snapshots say of a queue. All is derived.
type QueueOutlook struct {
	// CommitAge is how long ago the last commit was, in seconds; 0: there was none. Derived.
	CommitAge float64 `json:"commit_age_seconds"`
	// FullIn is in how many seconds the queue is full if it goes on growing like this; nil: it does not grow. Derived.
	FullIn *float64 `json:"full_in_seconds"`
}
