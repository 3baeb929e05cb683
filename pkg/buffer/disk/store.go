package disk

import (
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/internal/failpoint"
	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/adoption"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/directory"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/pack"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/requeue"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/statefile"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
	deaddisk "github.com/seed-afc6a195/aggregator/pkg/deadletter/disk"
	"github.com/seed-afc6a195/aggregator/pkg/resend"
)

// Queue is a Queue in segments of bbolt. See docs for how a directory looks; in short:
//
//	lock       held while a process uses the directory
//	state.db   what outputs have finished: see package statefile
//	seg-*.db   chunks, named by their first sequence number: see package segment
//	dead/      dead letters: see package deadletter/disk
//	*.corrupt  what was found damaged, as it was found; never read again
type Queue struct {
	cfg  buffer.Config
	opts buffer.Options
	log  zerolog.Logger
	now  func() time.Time
	dir  string
	// place is the one at dir.
	place *directory.Directory
	identity
	memory  pack.Memory
	resends *resend.Window
	dead    *deaddisk.Store
	requeue *requeue.Requeuer
	adopter *adoption.Adopter
	commit  *committer
	clean   *cleaner

	// mu guards what follows. No disk is touched under it: see the package's documentation.
	mu sync.Mutex
	// pending counts chunks, each counted for every output that wants it.
	pending int64
	closed  bool
	names
	segmentTable
	stats statistics
}

// identity is what tells this queue, and this run of it, from others.
type identity struct {
	// queueID is that of this directory, for event ids.
	queueID [16]byte
	// connEpoch makes connections' numbers unique over restarts.
	connEpoch uint64
	// salt is that of package chunk.
	salt uint64
}

// names are the clusters and outputs that the queue has seen, which never leave.
type names struct {
	// limitsOf returns the limits in force.
	limitsOf buffer.Limits
	// clusters are by number.
	clusters []*tenant
	numbers  map[string]uint32
	// sets are by number.
	sets    []*outputSet
	setOf   map[string]uint32
	sources map[string]*source
}

// segmentTable is the queue's files.
type segmentTable struct {
	// segs are ascending.
	segs []*segmentState
	// next is a sequence number, which only the committer changes.
	next uint64
	// began is what next was at the start: chunks before it are of earlier runs.
	began uint64
	// clock ascends with each use of a segment.
	clock uint64
	// loadedN counts entries of indexes in memory.
	loadedN int
	// disk counts bytes that segments take.
	disk int64
	keep keep
	// forget is that of segments that are gone.
	forget []statefile.Key
}

// keep is from which sequence numbers on segments stay though nobody wants what they hold, as a start after a crash has
// to find it there: for requeued letters, and for chunks that were adopted.
type keep struct{ requeued, adopted uint64 }

func (k *keep) from() uint64 { return min(k.requeued, k.adopted) }

// outputSet is who wants a chunk.
type outputSet struct {
	names   []string
	sources []*source
}

func (o *outputSet) has(src *source) bool { return slices.Contains(o.sources, src) }

// DeadLetters returns the store of dead letters, which closes with s.
func (s *Queue) DeadLetters() deadletter.Store { return s.dead }

// ID returns the number of the queue's directory, which names events that came without a chunk id.
func (s *Queue) ID() [16]byte { return s.queueID }

// Capabilities implements buffer.Queue.
func (s *Queue) Capabilities() buffer.Capabilities {
	return buffer.Capabilities{Durable: true, ReturnsInOrder: true}
}

// Settle implements Queue.
func (s *Queue) Settle(conn uint64, commits int, received bool) {
	s.resends.Settle(s.connEpoch+conn, commits, received)
}

// Gone implements Queue.
func (s *Queue) Gone(conn uint64) { s.resends.Gone(s.connEpoch + conn) }

var _ buffer.Queue = (*Queue)(nil)

// failing returns the error that a test wants of the disk operation: of this package by Options, of the program by a
// fail point of that name.
func (s *Queue) failing(op string) error {
	if s.opts.Fault == nil {
		return failpoint.Error(op)
	}
	return s.opts.Fault(op)
}
