package buffer

import (
	"time"

	"github.com/rs/zerolog"
)

// Options is what the queue needs beside its Config.
type Options struct {
	Log zerolog.Logger
	// Now is the clock; nil: time.Now.
	Now func() time.Time
	// OutputLimits, ClusterLimits and ClusterWhenFull: see Limits, which changes them later.
	OutputLimits, ClusterLimits map[string]int64
	ClusterWhenFull             map[string]string
	// Interrupted is asked before each segment that Open reads; its error ends Open. nil: it is not asked.
	Interrupted func() error

	// Lost says whether the acks of what the connection has committed last can't have reached its agent, where Settle
	// has not said so yet. It must not call the queue. nil: nothing is known before Settle.
	Lost func(conn uint64) bool

	// Fault, in tests, makes the named disk operation return an error, or wait. nil: none does.
	Fault func(op string) error
}
