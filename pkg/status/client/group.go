package client

import "time"

// Group is what commands show of the aggregators that share a queue: a part of GET /status, which has more.
type Group struct {
	// Self is the name of the one that tells this.
	Self string `json:"self"`
	Pods []Pod  `json:"pods"`
}

// Pod is an aggregator of a group, in one of its lives.
type Pod struct {
	// Name is one that no other has or had.
	Name    string `json:"name"`
	Host    string `json:"host"`
	Version string `json:"version"`
	// State is "ready", "not_ready", "ended" or "gone".
	State    string    `json:"state"`
	NotReady []string  `json:"not_ready"`
	LastSeen time.Time `json:"last_seen"`

	Connections      int     `json:"connections"`
	ReceivedRate     float64 `json:"received_per_second"`
	DeliveredRate    float64 `json:"delivered_per_second"`
	MemoryBytes      float64 `json:"memory_bytes"`
	MemoryLimitBytes float64 `json:"memory_limit_bytes"`
}
