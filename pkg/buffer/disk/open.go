package disk

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/chunk"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/limits"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/pack"
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
		cfg: cfg, opts: o, log: o.Log, now: o.Now, directory: directory{dir: cfg.Path},
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
	if err := boltfile.MakeDir(s.dir); err != nil {
		s.memory.Packer.Close()
		return nil, advise(fmt.Errorf("make queue directory: %w", err))
	}
	if s.lock, err = takeDir(s.dir); err != nil {
		s.memory.Packer.Close()
		return nil, advise(err)
	}
	defer func() {
		if err != nil {
			s.memory.Packer.Close()
			// Nothing was written through it.
			_ = s.lock.Close()
		}
	}()
	if err := statefile.RefuseUnknown(s.dir); err != nil {
		return nil, err
	}
	left, err := readLeftover(s.dir)
	if err != nil {
		return nil, err
	}
	if s.dead, err = deaddisk.Open(filepath.Join(s.dir, "dead"), cfg.DeadLetters, s.log, s.now); err != nil {
		return nil, advise(err)
	}
	s.clean, s.commit = newCleaner(s), newCommitter(s)
	s.requeue = newRequeuer(s)
	if s.requeue.note.Exists() {
		s.keep.requeued = 0
	}
	if s.adopter, err = newAdopter(s); err != nil {
		return nil, errors.Join(err, s.dead.Close())
	}
	if s.adopter.pending() {
		s.keep.adopted = 0
	}
	if err := s.recover(left); err != nil {
		return nil, errors.Join(advise(err), s.clean.state.Close(), s.dead.Close())
	}
	s.requeue.settle(s.dead)
	s.keepSegments(&s.keep.requeued, math.MaxUint64)
	s.adopter.recover()
	if s.pending > 0 && !s.requeue.note.Stays {
		s.dead.Recall()
	}
	s.commit.builder.Next = s.next
	if s.commit.limits, err = s.newLimits(); err != nil {
		return nil, errors.Join(err, s.clean.state.Close(), s.dead.Close())
	}
	go s.clean.run()
	go s.commit.run()
	return s, nil
}

// newLimits returns the limits in force, of what the queue holds.
func (s *Queue) newLimits() (*limits.Limits, error) {
	return limits.New(limits.Queue{Dir: s.dir, Now: s.now, Gone: s.goneErr, Used: func() (bytes, chunks int64) {
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
	return errors.Join(err, s.dead.Close(), s.lock.Close())
}

// advise adds to an error with the queue's directory what to do about it.
func advise(err error) error {
	var hint string
	switch {
	case errors.Is(err, syscall.EROFS):
		hint = "mount its file system for writing"
	case errors.Is(err, fs.ErrPermission):
		hint = fmt.Sprintf("let user %d, which this runs as, write there", os.Getuid())
	case errors.Is(err, syscall.ENOTDIR):
		hint = "a file is in the way: move it"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		hint = "free space or inodes there"
	default:
		return err
	}
	return fmt.Errorf("%w: %s, or set another buffer.path", err, hint)
}

// takeDir locks the directory for this process.
func takeDir(dir string) (*os.File, error) {
	f, holder, err := boltfile.Lock(dir)
	if errors.Is(err, boltfile.ErrLocked) {
		return nil, fmt.Errorf("queue directory %s %w by process %s: stop that one, or set another buffer.path", dir,
			buffer.ErrInUse, holder)
	}
	return f, err
}

// SetLimits replaces all limits, for what waits already too. The maps are kept.
func (s *Queue) SetLimits(to buffer.Limits) {
	s.dead.SetLimits(to.DeadLetters)
	c := s.commit
	c.mu.Lock() // so that a group is chosen by the old limits or the new
	s.mu.Lock()
	s.limitsOf = to
	for _, src := range s.sources {
		src.quota.limit = to.Outputs[src.name]
	}
	for _, t := range s.clusters {
		t.quota.limit = to.Clusters[t.name]
	}
	s.mu.Unlock()
	c.limits.Set(to)
	c.mu.Unlock()
	c.kick()
}
