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

	// Fault, in tests, makes the named disk operation return an error, or wait. nil: none does.
	Fault func(op string) error
}
