package snapshot

import "time"

// Destination is what the kind of an output has to tell besides what all outputs have; zero where it
// does not apply.
type Destination struct {
	// Server is the product and its version, once known.
	Server string `json:"server"`
	// Notices is what the operator should know although events flow.
	Notices []string `json:"notices"`
	// Hosts are given where there can be several.
	Hosts []Host `json:"hosts"`
	// RequestLimit is that of a request, learned from refusals; 0: none refused.
	RequestLimit int64 `json:"request_limit_bytes"`
	// Events sent again that the destination may have stored before.
	PossibleDuplicates uint64 `json:"possible_duplicates"`
	// Events at their first attempt that the destination said it has already.
	AlreadyThere uint64 `json:"already_there"`
	// AlreadyThereExample is one of these. It is shown only to who shows the token or a password.
	AlreadyThereExample *Example `json:"already_there_example,omitempty"`
	// FailureStore counts events that Elasticsearch took into its failure store.
	FailureStore uint64 `json:"failure_store"`
	// Redirected counts events for names beyond the limit, sent to the one for others.
	Redirected uint64 `json:"redirected"`
	// Truncated counts events shortened to what the destination takes.
	Truncated uint64 `json:"truncated"`
	// Paces are ascending by stream.
	Paces []Pace `json:"paces"`
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
	// Down: it rests, after Error.
	Down bool `json:"down"`
	// Error is why; "" where it is not down.
	Error string `json:"error,omitempty"`
	// Since is since when; zero where it is not down.
	Since time.Time `json:"since,omitzero"`
}

// Pace is how fast events are sent to one stream of a destination. Rates of 0: no limit.
type Pace struct {
	Stream            string  `json:"stream"`
	BytesPerSecond    float64 `json:"bytes_per_second"`
	RecordsPerSecond  float64 `json:"records_per_second"`
	RequestsPerSecond float64 `json:"requests_per_second"`
	// Throttled counts requests, or parts of them, that the destination has throttled.
	Throttled uint64 `json:"throttled"`
}
