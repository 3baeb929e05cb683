package client

import "time"

// Queue is what is pending: GET /queue, and the command queue.
type Queue struct {
	Time time.Time `json:"time"`
	// Events counts each once for every output that wants it.
	Events int64 `json:"events"`
	Chunks int64 `json:"chunks"`
	Bytes  int64 `json:"bytes"`
	// Full is why nothing can be stored.
	Full string `json:"full,omitempty"`
	// Outputs are ascending by name.
	Outputs []OutputQueue `json:"outputs"`
	// Oldest is the age of the oldest chunk; 0: there is none.
	Oldest float64 `json:"oldest_seconds"`
	// Pods is how many aggregators share the queue and run; 0: it is one server's alone.
	Pods int `json:"pods,omitempty"`
}

// OutputQueue is what is pending for one output.
type OutputQueue struct {
	Output string `json:"output"`
	// State is "offline" where no server runs.
	State    string         `json:"state"`
	Clusters []ClusterQueue `json:"clusters"`
	Pending
}

// ClusterQueue is what one cluster has of an OutputQueue.
type ClusterQueue struct {
	Cluster string `json:"cluster"`
	Pending
}

// Pending is what waits, and how fast that goes. Rates are events per second, the average of the last ten seconds; 0
// where no server runs.
type Pending struct {
	Events int64 `json:"events"`
	Chunks int64 `json:"chunks"`
	Bytes  int64 `json:"bytes"`
	// Oldest is the age of the oldest chunk; 0: there is none.
	Oldest    float64 `json:"oldest_seconds"`
	Delivered float64 `json:"delivered_per_second"`
	Queued    float64 `json:"queued_per_second"`
	// Settled is Delivered, and what rules dropped, and dead letters.
	Settled float64 `json:"settled_per_second"`
	// Done is in how many seconds nothing is pending if it goes on like this; nil: never, or that can't be told.
	Done *float64 `json:"done_in_seconds"`
}

// Add adds what another has, but for Done.
func (p *Pending) Add(o *Pending) {
	p.Events += o.Events
	p.Chunks += o.Chunks
	p.Bytes += o.Bytes
	p.Oldest = max(p.Oldest, o.Oldest)
	p.Delivered += o.Delivered
	p.Queued += o.Queued
	p.Settled += o.Settled
}

// Foresee fills in Done: what is pending goes at the rate by which more is settled than comes.
func (p *Pending) Foresee() {
	p.Done = nil
	left := 0.0
	switch gain := p.Settled - p.Queued; {
	case p.Events == 0:
	case gain > 0:
		left = float64(p.Events) / gain
	default:
		return
	}
	p.Done = &left
}

// Severity says how much something matters.
type Severity string

// The severities, the worst first.
const (
	// Critical: events can't come in, or can't get out.
	Critical Severity = "critical"
	// Warning: somebody should look; events flow.
	Warning Severity = "warning"
	OK      Severity = "ok"
)

// Verdict answers whether all is well: the command status, and a part of GET /status.
type Verdict struct {
	// Severity is the worst of Findings; OK without any.
	Severity Severity `json:"severity"`
	// Text is a sentence.
	Text string `json:"text"`
	// Findings are what it rests on, the worst first.
	Findings []Finding `json:"findings"`
}

// Finding is something that is not as it should be.
type Finding struct {
	Severity Severity `json:"severity"`
	// Subject is as in "output es" and "queue".
	Subject string `json:"subject"`
	// Row is where the page shows it: "output/es", "cluster/seoul", "queue".
	Row    string    `json:"row"`
	Text   string    `json:"text"`
	Since  time.Time `json:"since,omitzero"`
	Remedy string    `json:"remedy,omitempty"`
	// Whose are clusters whose events it concerns, those with the most first.
	Whose []string `json:"whose,omitempty"`
	// Waiting is how many events wait because of it.
	Waiting uint64 `json:"waiting_events,omitzero"`
	// Alert is the alert that goes by the same figures.
	Alert string `json:"alert,omitempty"`
	// Of the documentation, on what to do: docs/operations.md#aggregatordiskhangs.
	Chapter string `json:"chapter,omitempty"`
	// Meant says that somebody did it, who may well know of it: what broke stands before it.
	Meant bool `json:"-"`
}

// WaitingTarget is what the command output targets shows of a target that takes no events: see GET /status, where it
// has more.
type WaitingTarget struct {
	Target string    `json:"target"`
	Since  time.Time `json:"since"`
	Events uint64    `json:"events"`
	Status int       `json:"status"`
	Kind   string    `json:"kind"`
	Remedy string    `json:"remedy"`
}
