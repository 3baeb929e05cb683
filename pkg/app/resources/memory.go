// Package resources is what the program may take of its machine: memory, and open files.
package resources

import (
	"fmt"
	"math"
	"os"
	"runtime/debug"
	"runtime/metrics"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/internal/cgroup"
	"github.com/seed-afc6a195/aggregator/pkg/config"
	"github.com/seed-afc6a195/aggregator/pkg/status"
)

// groupShare is the part of a control group's memory that the runtime may have. The rest is for what it does not count:
// the kernel's socket buffers and page cache, and the pages of the program itself.
const groupShare = 0.9

const (
	// ingestMemory is what may lie between sockets and queue, in bytes, unless a listener's max_message_size needs
	// more.
	ingestMemory = 64 << 20
	// SpareMemory is what is left between sockets and queue for the others when one cluster has all that it may have.
	SpareMemory = 16 << 20
	// baseMemory is what the program needs besides, in bytes, on top of what its outputs hold.
	baseMemory = 16 << 20
)

// Where a limit of memory comes from.
const (
	fromEnvironment   = "GOMEMLIMIT"
	fromGroup         = "control group"
	fromConfiguration = "configuration"
)

// collectAt is by how much the heap grows from one collection to the next, in percent of what is in use. Go's own 100
// costs a fleet 20 MiB more, and 2 % less processor time.
const collectAt = 75

// LimitMemory has the Go runtime stay within what a program with this configuration has use for, and within what the
// control group lets it have, unless GOMEMLIMIT says what to do. Garbage is collected as often as pays, unless GOGC
// says how often.
func LimitMemory(cfg *config.Config, log zerolog.Logger) status.Memory {
	group, err := cgroup.Memory(os.DirFS("/"))
	if err != nil {
		log.Warn().Err(err).Msg("going on as if no control group limited the memory: GOMEMLIMIT says otherwise")
	}
	// The runtime has read both.
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(collectAt)
	}
	inForce := debug.SetMemoryLimit(-1)
	m := planMemory(MemoryNeed(cfg), group, os.Getenv("GOMEMLIMIT") != "", inForce)
	if m.Source != fromEnvironment {
		debug.SetMemoryLimit(m.LimitBytes)
	}
	if m.LimitBytes < m.NeedBytes {
		log.Warn().Str("limit", mebibytes(m.LimitBytes)).Str("source", m.Source).Str("needed", mebibytes(m.NeedBytes)).
			Msg(
				"at full load this configuration can need more memory than there is: raise the limit, or lower the " +
					"listeners' max_message_size or the outputs' workers and batch.max_bytes",
			)
	}
	return m
}

// planMemory decides on the limit. group is cgroup.Unlimited where there is none; fixed says that the environment has
// set inForce.
func planMemory(need, group int64, fixed bool, inForce int64) status.Memory {
	m := status.Memory{NeedBytes: need, LimitBytes: need, Source: fromConfiguration}
	share := int64(math.MaxInt64)
	if group != cgroup.Unlimited {
		m.GroupBytes, share = group, int64(groupShare*float64(group))
	}
	switch {
	case fixed:
		m.LimitBytes, m.Source = inForce, fromEnvironment
	case share < need:
		m.LimitBytes, m.Source = share, fromGroup
	}
	return m
}

// IngestBudget returns how many bytes of one cluster may lie between sockets and queue. A message needs up to twice its
// size there: the buffer that it came in and what is made of it for the queue.
func IngestBudget(cfg *config.Config) int64 {
	budget := int64(ingestMemory)
	for _, l := range cfg.Listeners {
		for budget < 2*int64(l.MaxMessageSize) {
			budget *= 2
		}
	}
	return budget
}

// MemoryNeed returns the bytes that a program with this configuration has use for. Its heap may well grow to that
// between two collections, but with so much in use it should rather collect more often.
func MemoryNeed(cfg *config.Config) int64 {
	need := IngestBudget(cfg) + SpareMemory + baseMemory
	for _, out := range cfg.Outputs {
		common := out.Settings.Settings()
		// Batches, and what each worker makes of one.
		need += int64(2*common.Workers+1) * int64(common.Batch.MaxBytes)
	}
	return need
}

// UsedMemory returns the bytes that the runtime holds of the system, which its limit is about.
func UsedMemory() int64 {
	samples := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(samples)
	total, released := samples[0].Value, samples[1].Value
	if total.Kind() != metrics.KindUint64 || released.Kind() != metrics.KindUint64 {
		return 0
	}
	return int64(total.Uint64() - released.Uint64())
}

func mebibytes(n int64) string { return fmt.Sprintf("%.0f MiB", float64(n)/(1<<20)) }
