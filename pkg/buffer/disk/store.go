package disk

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/chunk"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
	deaddisk "github.com/seed-afc6a195/aggregator/pkg/deadletter/disk"
	"github.com/seed-afc6a195/aggregator/pkg/resend"
)

// Queue is a Queue in segments of bbolt. See docs for how a directory looks; in short:
//
//	lock       held while a process uses the directory
//	state.db   what outputs have finished: see state.go
//	seg-*.db   chunks, named by their first sequence number: see segment.go
//	dead/      dead letters: see deadletter.go
//	*.corrupt  what was found damaged, as it was found; never read again
type Queue struct {
	cfg  buffer.Config
	opts buffer.Options
	log  zerolog.Logger
	now  func() time.Time
	directory
	identity
	memory
	resends *resend.Window
	dead    *deaddisk.Store
	requeue *requeuer
	commit  *committer
	keep    *keeper

	mu      sync.Mutex // guards what follows; no disk is touched under it: see the package's documentation
	pending int64      // chunks, each counted for every output that wants it
	closed  bool
	names
	segmentTable
	counts counts
}

// directory is the queue's directory.
type directory struct {
	dir  string
	lock *os.File
	gone atomic.Pointer[error] // why the directory is not this queue's any more; nil: it is
}

// identity is what tells this queue, and this run of it, from others.
type identity struct {
	queueID   [16]byte // of this directory, for event ids
	connEpoch uint64   // makes connections' numbers unique over restarts
	salt      uint64   // see package chunk
}

// memory is what is used again.
type memory struct {
	packer  *chunk.Packer
	arenas  chunk.Pool // of batches
	values  chunk.Pool // chunks as on disk
	entries chunk.Pool // chunks' entries
}

// names are the clusters and outputs that the queue has seen, which never leave.
type names struct {
	limitsOf buffer.Limits // in force
	clusters []*tenant     // by number
	numbers  map[string]uint32
	sets     []*outputSet // by number
	setOf    map[string]uint32
	sources  map[string]*source
}

// segmentTable is the queue's files.
type segmentTable struct {
	segs     []*segmentState // ascending
	next     uint64          // sequence number; only the committer changes it
	began    uint64          // what next was at the start: chunks before it are of earlier runs
	clock    uint64          // ascends with each use of a segment
	loadedN  int             // entries of indexes in memory
	disk     int64           // bytes that segments take
	keepFrom uint64          // segments with chunks from here on stay though nobody wants them: see keepSegments
	forget   []doneKey       // of segments that are gone
}

// outputSet is who wants a chunk.
type outputSet struct {
	names   []string
	sources []*source
}

func (o *outputSet) has(src *source) bool { return slices.Contains(o.sources, src) }

// Open opens or makes the queue in cfg.Path. Whatever it finds there, it starts, unless another
// process uses the directory, another version of the program wrote it, or it can't be written to.
func Open(cfg buffer.Config, o buffer.Options) (_ *Queue, err error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Queue{
		cfg: cfg, opts: o, log: o.Log, now: o.Now, directory: directory{dir: cfg.Path},
		memory:       memory{arenas: chunk.Pool{Keep: keepArena}, values: chunk.Pool{Keep: keepArena}, entries: chunk.Pool{Keep: 4 * keepArena}},
		names:        names{numbers: map[string]uint32{}, setOf: map[string]uint32{}, sources: map[string]*source{}},
		segmentTable: segmentTable{keepFrom: math.MaxUint64},
		resends:      resend.NewWindow(cfg.DedupeWindow, o.Now), counts: counts{duplicates: map[string]buffer.Duplicates{}},
	}
	var random [16]byte
	_, _ = rand.Read(random[:]) // never fails
	s.limitsOf = cfg.Limits(o.OutputLimits, o.ClusterLimits, o.ClusterWhenFull)
	s.connEpoch, s.salt = binary.LittleEndian.Uint64(random[:]), binary.LittleEndian.Uint64(random[8:])
	if s.packer, err = chunk.NewPacker(cfg.Compression); err != nil {
		return nil, err
	}
	if err := boltfile.MakeDir(s.dir); err != nil {
		s.packer.Close()
		return nil, advise(fmt.Errorf("make queue directory: %w", err))
	}
	if s.lock, err = takeDir(s.dir); err != nil {
		s.packer.Close()
		return nil, advise(err)
	}
	defer func() {
		if err != nil {
			s.packer.Close()
			_ = s.lock.Close() // nothing was written through it
		}
	}()
	if err := refuseUnknown(s.dir); err != nil {
		return nil, err
	}
	if s.dead, err = deaddisk.Open(filepath.Join(s.dir, "dead"), cfg.DeadLetters, s.log, s.now); err != nil {
		return nil, advise(err)
	}
	s.keep, s.commit = newKeeper(s), newCommitter(s)
	s.requeue = newRequeuer(s)
	if s.requeue.noted() {
		s.keepFrom = 0
	}
	if err := s.recover(); err != nil {
		return nil, errors.Join(advise(err), s.keep.state.close(), s.dead.Close())
	}
	s.requeue.settle(s.dead)
	s.keepSegments(math.MaxUint64)
	if s.pending > 0 && !s.requeue.sticky {
		s.dead.Recall()
	}
	s.commit.next = s.next
	if s.commit.limits, err = newLimits(s); err != nil {
		return nil, errors.Join(err, s.keep.state.close(), s.dead.Close())
	}
	go s.keep.run()
	go s.commit.run()
	return s, nil
}

// DeadLetters returns the store of dead letters, which closes with s.
func (s *Queue) DeadLetters() deadletter.Store { return s.dead }

// ID returns the number of the queue's directory, which names events that came without a chunk id.
func (s *Queue) ID() [16]byte { return s.queueID }

// Capabilities implements buffer.Queue.
func (s *Queue) Capabilities() buffer.Capabilities {
	return buffer.Capabilities{Durable: true, ReturnsInOrder: true}
}

// MaxChunk implements buffer.Queue.
func (s *Queue) MaxChunk() int { return maxChunk }

// Settle implements Queue.
func (s *Queue) Settle(conn uint64, commits int, received bool) {
	s.resends.Settle(s.connEpoch+conn, commits, received)
}

// Gone implements Queue.
func (s *Queue) Gone(conn uint64) { s.resends.Gone(s.connEpoch + conn) }

// Close implements Queue. Chunks still handed out are handed out again after the next Open.
func (s *Queue) Close() error {
	s.mu.Lock()
	again := s.closed
	s.closed = true
	for _, src := range s.sources {
		if src.wake != nil {
			close(src.wake)
			src.wake = nil
		}
	}
	s.mu.Unlock()
	if again {
		return nil
	}
	s.commit.close()
	err := s.keep.close()
	s.mu.Lock()
	for _, seg := range s.segs {
		seg.unload(s)
	}
	s.mu.Unlock()
	s.packer.Close()
	return errors.Join(err, s.dead.Close(), s.lock.Close())
}

// Purge forgets all that waits for the output, such as one that left the configuration, and returns
// how much that was. What is handed out at the moment is left to its holder.
func (s *Queue) Purge(output string) (gone buffer.Count) {
	s.mu.Lock()
	defer s.mu.Unlock()
	src := s.sources[output]
	if src == nil {
		return gone
	}
	var purged tally
	for _, seg := range s.segs {
		bits := seg.bits(src)
		for i := range seg.n {
			bits.set(i)
		}
		for l := range seg.sum {
			if l.src == src {
				purged.plus(s.uncount(l, seg, &l.purged))
			}
		}
		for _, l := range src.lanes {
			for seq, o := range l.flying {
				if o.seg == seg {
					bits.clear(uint32(seq - seg.first))
				}
			}
		}
		s.recount(seg)
	}
	s.keep.kick()
	s.commit.kick()
	return purged.count()
}

// uncount takes what waits for l in the segment out of all sums, but for what is handed out, and adds it to fate. It returns
// what that was. s.mu is held.
func (s *Queue) uncount(l *lane, seg *segmentState, fate *tally) tally {
	t, left := seg.sum[l].tally, tally{}
	for _, o := range l.flying {
		if o.seg == seg {
			left.add(o.events, o.size)
			t.sub(o.events, o.size)
		}
	}
	if left.chunks == 0 {
		delete(seg.sum, l)
	} else {
		seg.sum[l].tally = left
	}
	l.back = slices.DeleteFunc(l.back, func(b *lease) bool { return b.seg == seg })
	l.pending.minus(t)
	l.src.pending.minus(t)
	fate.plus(t)
	s.pending -= t.chunks
	return t
}

// segmentName returns the file name of the segment that begins with seq.
const (
	segmentPrefix = "seg-"
	segmentDigits = 16
)

func segmentName(seq uint64) string {
	return fmt.Sprintf("%s%0*x.db", segmentPrefix, segmentDigits, seq)
}

// segmentSeq is the reverse of segmentName.
func segmentSeq(name string) (uint64, bool) {
	hex, prefix := strings.CutPrefix(name, segmentPrefix)
	hex, suffix := strings.CutSuffix(hex, ".db")
	if !prefix || !suffix || len(hex) != 16 {
		return 0, false
	}
	seq, err := strconv.ParseUint(hex, 16, 64)
	return seq, err == nil
}

var _ buffer.Queue = (*Queue)(nil)
