package status

import "github.com/seed-afc6a195/aggregator/pkg/status/snapshot"

// These are package snapshot's, under the names by which the program fills them.
//
//nolint:revive // each would say the same
type (
	Snapshot        = snapshot.Snapshot
	Loop            = snapshot.Loop
	Counts          = snapshot.Counts
	Latency         = snapshot.Latency
	Failure         = snapshot.Failure
	ConfigState     = snapshot.ConfigState
	Route           = snapshot.Route
	Memory          = snapshot.Memory
	Listener        = snapshot.Listener
	Agent           = snapshot.Agent
	RefusedPeer     = snapshot.RefusedPeer
	NoAck           = snapshot.NoAck
	Cluster         = snapshot.Cluster
	Certificate     = snapshot.Certificate
	Queue           = snapshot.Queue
	State           = snapshot.State
	Output          = snapshot.Output
	OutputCluster   = snapshot.OutputCluster
	Target          = snapshot.Target
	WaitingTarget   = snapshot.WaitingTarget
	Step            = snapshot.Step
	Destination     = snapshot.Destination
	Example         = snapshot.Example
	Host            = snapshot.Host
	Pace            = snapshot.Pace
	DeadLetters     = snapshot.DeadLetters
	DeadLetterCount = snapshot.DeadLetterCount
	Ledger          = snapshot.Ledger
	Balance         = snapshot.Balance
	IngestAccount   = snapshot.IngestAccount
	IngestFigures   = snapshot.IngestFigures
	OutputAccount   = snapshot.OutputAccount
	OutputFigures   = snapshot.OutputFigures
	Taken           = snapshot.Taken
	QueueCommits    = snapshot.QueueCommits
	OutputWorkers   = snapshot.OutputWorkers
	OutputRequests  = snapshot.OutputRequests
	OutputTimes     = snapshot.OutputTimes
	Group           = snapshot.Group
	Pod             = snapshot.Pod
	Figures         = snapshot.Figures
)

// The states of an output.
const (
	StateRunning      = snapshot.StateRunning
	StateIdle         = snapshot.StateIdle
	StateRetrying     = snapshot.StateRetrying
	StatePaused       = snapshot.StatePaused
	StateRefused      = snapshot.StateRefused
	StateUnconfigured = snapshot.StateUnconfigured
	StateStalled      = snapshot.StateStalled
	StateRemoved      = snapshot.StateRemoved
)
