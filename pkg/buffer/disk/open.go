package disk

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/chunk"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/adoption"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/directory"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/limits"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/pack"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/recovery"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/requeue"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/segment"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/statefile"
	deaddisk "github.com/seed-afc6a195/aggregator/pkg/deadletter/disk"
	"github.com/seed-afc6a195/aggregator/pkg/resend"
)

// Open opens or makes the queue in cfg.Path. Whatever it finds there, it starts, unless another
// process uses the directory, another version of the program wrote it, or it can't be written to.
func Open(cfg buffer.Config, o buffer.Options) (_ *Queue, err error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Queue{
		cfg: cfg, opts: o, log: o.Log, now: o.Now, dir: cfg.Path,
		memory: pack.Memory{
			Arenas: chunk.Pool{Keep: pack.KeepArena}, Values: chunk.Pool{Keep: pack.KeepArena},
			Entries: chunk.Pool{Keep: 4 * pack.KeepArena},
		},
		names:        names{numbers: map[string]uint32{}, setOf: map[string]uint32{}, sources: map[string]*source{}},
		segmentTable: segmentTable{keep: keep{requeued: math.MaxUint64, adopted: math.MaxUint64}},
		resends:      resend.NewWindow(cfg.DedupeWindow, o.Now),
		stats:        statistics{duplicates: map[string]buffer.Duplicates{}},
	}
	var random [16]byte
	// Never fails.
	_, _ = rand.Read(random[:])
	s.limitsOf = cfg.Limits(o.OutputLimits, o.ClusterLimits, o.ClusterWhenFull)
	s.connEpoch, s.salt = binary.LittleEndian.Uint64(random[:]), binary.LittleEndian.Uint64(random[8:])
	if s.memory.Packer, err = chunk.NewPacker(cfg.Compression); err != nil {
		return nil, err
	}
	if s.place, err = directory.Take(s.dir); err != nil {
		s.memory.Packer.Close()
		return nil, err
	}
	defer func() {
		if err != nil {
			s.memory.Packer.Close()
			// Nothing was written through it.
			_ = s.place.Close()
		}
	}()
	if err := statefile.RefuseUnknown(s.dir); err != nil {
		return nil, err
	}
	left := &recovery.Reader{Dir: s.dir, Sync: cfg.Sync, Log: s.log, Failing: s.failing}
	if err := left.Journal(); err != nil {
		return nil, err
	}
	if s.dead, err = deaddisk.Open(filepath.Join(s.dir, "dead"), cfg.DeadLetters, s.log, s.now); err != nil {
		return nil, directory.Advise(err)
	}
	s.clean, s.commit = newCleaner(s), newCommitter(s)
	s.requeue = requeue.New(s.dir, requeuing{s}, s.log)
	if s.requeue.Pending() {
		s.keep.requeued = 0
	}
	if s.adopter, err = adoption.Open(s.dir, adopting{s}, s.log); err != nil {
		return nil, errors.Join(err, s.dead.Close())
	}
	if s.adopter.Pending() {
		s.keep.adopted = 0
	}
	if err := s.recover(left); err != nil {
		return nil, errors.Join(directory.Advise(err), s.clean.state.Close(), s.dead.Close())
	}
	s.requeue.Settle(s.dead)
	s.keepSegments(&s.keep.requeued, math.MaxUint64)
	s.adopter.Recover()
	if s.pending > 0 && !s.requeue.Stays() {
		s.dead.Recall()
	}
	s.commit.builder.Next = s.next
	if s.commit.Limits, err = s.newLimits(); err != nil {
		return nil, errors.Join(err, s.clean.state.Close(), s.dead.Close())
	}
	go s.clean.run()
	go s.commit.run()
	return s, nil
}

// newLimits returns the limits in force, of what the queue holds.
func (s *Queue) newLimits() (*limits.Limits, error) {
	return limits.New(limits.Queue{Dir: s.dir, Now: s.now, Gone: s.place.Gone, Used: func() (bytes, chunks int64) {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.disk, s.pending
	}}, s.disk, s.limitsOf)
}

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
	err := s.clean.close()
	s.mu.Lock()
	for _, seg := range s.segs {
		seg.unload(s)
	}
	s.mu.Unlock()
	s.memory.Packer.Close()
	return errors.Join(err, s.dead.Close(), s.place.Close())
}

// SetLimits replaces all limits, for what waits already too. The maps are kept.
func (s *Queue) SetLimits(to buffer.Limits) {
	s.dead.SetLimits(to.DeadLetters)
	c := s.commit
	// A group is chosen by the old limits or the new.
	c.mu.Lock()
	s.mu.Lock()
	s.limitsOf = to
	for _, src := range s.sources {
		src.quota.Limit = to.Outputs[src.name]
	}
	for _, t := range s.clusters {
		t.quota.Limit = to.Clusters[t.name]
	}
	s.mu.Unlock()
	c.Limits.Set(to)
	c.mu.Unlock()
	c.kick()
}

// recover takes over what the directory holds: what waits, and for whom.
func (s *Queue) recover(r *recovery.Reader) error {
	s.commit.journal.holds.Store(s.cfg.Sync || r.Holds())
	state, err := r.State()
	if err != nil {
		return err
	}
	s.queueID, s.next = state.Queue, max(1, state.Next)
	firsts, err := r.Segments()
	if err != nil {
		return err
	}
	tails := resend.Tails{}
	for _, first := range firsts {
		if s.opts.Interrupted != nil {
			if err := s.opts.Interrupted(); err != nil {
				return fmt.Errorf("interrupted while reading what waits in %s: %w", s.dir, err)
			}
		}
		found, err := r.Segment(first)
		if err != nil {
			return err
		}
		s.recoverSegment(found, first, state, tails)
	}
	s.commit.journal.Generation, s.commit.journal.blocked = r.SettleJournal()
	s.stats.setAside, s.stats.lostEvents = r.SetAside, r.LostEvents
	s.settleReplaced(state.Next - min(state.Next, reserve))
	s.began = s.next
	s.resends.Restore(append(state.IDs, tails.Unconfirmed(s.cfg.DedupeWindow)...))
	if s.pending > 0 {
		s.log.Info().Int("segments", len(s.segs)).Int64("chunks", s.pending).Msg("found chunks that wait for outputs")
	}
	// It has logged what went wrong, and tries again.
	_ = s.clean.save(false)
	return nil
}

// recoverSegment counts what waits in the segment, and notes how each connection ends in it.
func (s *Queue) recoverSegment(
	found *recovery.Segment, first uint64, state *statefile.Snapshot, tails resend.Tails,
) {
	seg := newSegment(found.Path, first)
	seg.sealed, seg.broken, seg.unread = true, found.Broken, found.Unread
	s.segs = append(s.segs, seg)
	for k, bits := range state.Done {
		if k.Segment == first {
			seg.done[s.source(k.Output)] = bits
		}
	}
	if seg.broken {
		s.next = max(s.next, first+1<<32)
		return
	}
	tails.Join(found.Tails)
	s.remapIn(found.Contents)
	s.track(seg, found.Entries, false)
	if len(found.Fresh) > 0 {
		s.stick(seg, found.Contents, found.Fresh)
	}
	s.next = max(s.next, seg.end())
	seg.disk = found.Disk
	s.disk += seg.disk
}

// stick has a segment keep in memory what the journal holds of it, as its file can't be written.
func (s *Queue) stick(seg *segmentState, c *segment.Contents, fresh map[uint32][]byte) {
	// Where there is none, all of the segment is in the journal; else whoever reads from it will tell.
	f, _ := os.Open(seg.path)
	s.mu.Lock()
	defer s.mu.Unlock()
	seg.sealed, seg.fresh, seg.oldest = false, fresh, c.Oldest
	s.install(seg, c.Entries, f)
	s.commit.journal.stuck = seg
}

// Owns reports whether a file of this name in a directory shows that a queue was opened there.
func Owns(name string) bool { return recovery.Owns(name) }
