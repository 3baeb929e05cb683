package snapshot

import "time"

// Output is one destination.
type Output struct {
	Name  string `json:"name"`
	Type  string `json:"type"`
	State State  `json:"state"`
	// Since is when it was made: at the start, or by the last reload that changed it.
	Since time.Time `json:"since,omitzero"`
	OutputWorkers
	// That wait until what the destination refused of them is taken.
	HeldClusters []string        `json:"held_clusters"`
	Clusters     []OutputCluster `json:"clusters"`
	// DeliveredBytes is that of msgpack.
	DeliveredBytes uint64 `json:"delivered_bytes"`
	// Retries counts events to be sent again, by reason.
	Retries Counts `json:"retries"`
	// Lag is the age of the oldest chunk that is not delivered; 0: there is none.
	Lag float64 `json:"lag_seconds"`
	OutputRequests
	LastError Failure `json:"last_error,omitzero"`
	// FailingSince is since when nothing gets through: retrying, refused, paused.
	FailingSince time.Time `json:"failing_since,omitzero"`
	OutputTimes
	// EventsPerSecond is derived: delivered, of the last seconds.
	EventsPerSecond float64 `json:"events_per_second"`
	// Steps are those of filters, in order.
	Steps []Step `json:"steps"`
	OutputOutlook
	OutputWaiting
	OutputLately
	Destination
}

// Target is a place of a destination, and what became of the events for it since the start; each is counted when it is
// sent, so these figures run ahead of those of OutputCluster.
type Target struct {
	Target    string `json:"target"`
	Delivered uint64 `json:"delivered"`
	// Bytes is that of msgpack.
	Bytes uint64 `json:"delivered_bytes"`
	// Refused counts events, each time, by reason.
	Refused Counts `json:"refused"`
	// Status is the last refusal's.
	Status      int       `json:"status,omitzero"`
	Kind        string    `json:"kind,omitempty"`
	LastError   time.Time `json:"last_error,omitzero"`
	LastSuccess time.Time `json:"last_success,omitzero"`
}

// WaitingTarget is a place of a destination (an index, a stream, a group) that takes no events for now, so that those
// that go there wait aside while the others are delivered. What it holds is fit for everybody's eyes.
type WaitingTarget struct {
	Target string `json:"target"`
	// Since is when it was refused first.
	Since  time.Time `json:"since"`
	Events uint64    `json:"events"`
	// Bytes is on disk.
	Bytes int64 `json:"bytes"`
	// Oldest is that of its oldest chunk.
	Oldest float64 `json:"oldest_age_seconds"`
	// Status is the destination's last answer.
	Status int `json:"status,omitzero"`
	// Kind is the answer's type: index_closed_exception.
	Kind    string    `json:"kind"`
	NextTry time.Time `json:"next_try,omitzero"`
	// Remedy is what to do, in a sentence's part.
	Remedy string `json:"remedy"`
	// Full: so much waits that its new events become dead letters. Flowing: it takes events again, and what waited is
	// sent.
	Full    bool `json:"full"`
	Flowing bool `json:"flowing"`
	// Clusters are whose events wait, ascending.
	Clusters []string `json:"clusters"`
}

// OutputCluster counts the events of one cluster for one output. Queued, Returned, Adopted and Recovered together are
// all the others together.
type OutputCluster struct {
	Cluster string `json:"cluster"`
	// Queued is since the start.
	Queued uint64 `json:"queued"`
	// Returned were dead letters, and put back into the queue, since the start.
	Returned uint64 `json:"returned"`
	// Adopted were handed over by another aggregator, since the start.
	Adopted uint64 `json:"adopted"`
	// Recovered were found waiting at the start.
	Recovered uint64 `json:"recovered"`
	Delivered uint64 `json:"delivered"`
	// Dropped is by reason.
	Dropped Counts `json:"dropped"`
	// Purged were deleted by somebody while they waited.
	Purged uint64 `json:"purged"`
	// Dead is kept as dead letters, by reason.
	Dead Counts `json:"dead"`
	// Pending are waiting or in flight.
	Pending uint64 `json:"pending"`
	// Unreported events were settled by pods of a group that were killed before they told how.
	Unreported uint64 `json:"unreported"`

	PendingChunks int64 `json:"pending_chunks"`
	// PendingBytes is on disk.
	PendingBytes int64 `json:"pending_bytes"`
	// OldestAge is that of the oldest chunk that waits; 0: none.
	OldestAge float64 `json:"oldest_age_seconds"`
	// DeliveredPerSecond is derived: of the last seconds.
	DeliveredPerSecond float64 `json:"delivered_per_second"`
	// QueuedPerSecond is derived.
	QueuedPerSecond float64 `json:"queued_per_second"`
	// SettledPerSecond is derived: delivered, dropped or dead.
	SettledPerSecond float64 `json:"settled_per_second"`
}

// OutputWorkers is what sends to an output.
type OutputWorkers struct {
	Workers int `json:"workers"`
	// Of the workers, how many may send now: fewer after the destination has throttled.
	Concurrency int `json:"concurrency"`
	// InFlight counts requests under way.
	InFlight int `json:"in_flight"`
	// OldestRequest is how long the first of these has been, 0: there are none.
	OldestRequest float64 `json:"oldest_request_seconds"`
}

// OutputRequests are those of an output that have ended.
type OutputRequests struct {
	// Requests counts those that ended, well or not.
	Requests       uint64  `json:"requests"`
	FailedRequests uint64  `json:"failed_requests"`
	RequestLatency Latency `json:"request_latency"`
	// DeliveryLatency is the time of events from when they were stored to when the destination had them.
	DeliveryLatency Latency `json:"delivery_latency"`
}

// OutputTimes is when something got through last, why nothing does, and when the next try is.
type OutputTimes struct {
	LastSuccess time.Time `json:"last_success,omitzero"`
	// FailingReason is throttled, network, server, auth…; "": something gets through.
	FailingReason string    `json:"failing_reason,omitempty"`
	BackoffUntil  time.Time `json:"backoff_until,omitzero"`
}

// OutputOutlook is what an output is doing in words, and how long it will be busy. All is derived.
type OutputOutlook struct {
	// StateText is derived: State in words, with what explains it.
	StateText string `json:"state_text"`
	// DoneIn is in how many seconds nothing is pending if it goes on like this; nil: never, or that can't be told.
	// Derived.
	DoneIn *float64 `json:"done_in_seconds"`
}

// OutputWaiting is what waits aside until its targets take it.
type OutputWaiting struct {
	// Targets are where events went, with what became of them there: those with the most events first, at most about
	// 200 by name, and the others together at the end, without a name.
	Targets []Target `json:"targets"`
	// WaitingTargets are the targets whose events wait aside, those with the most events first, a bounded number.
	WaitingTargets []WaitingTarget `json:"waiting_targets"`
	// WaitingTargetsMore is how many more there are.
	WaitingTargetsMore int `json:"waiting_targets_more"`
}

// OutputLately is what happened to an output of late. All is derived.
type OutputLately struct {
	// What happened lately, derived: events dropped but by filters in the last 15 minutes, what the destination
	// throttled in these (requests, or events), and events redirected in the last hour.
	DroppedLately    uint64 `json:"dropped_lately"`
	ThrottledLately  uint64 `json:"throttled_lately"`
	RedirectedLately uint64 `json:"redirected_lately"`
}
