package disk

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
	"github.com/seed-afc6a195/aggregator/internal/failpoint"
	"github.com/seed-afc6a195/aggregator/internal/format"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/segment"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/statefile"
	"github.com/seed-afc6a195/aggregator/pkg/resend"
)

// recover reads the directory: what waits, and for whom. Whatever is damaged is set aside.
func (s *Queue) recover(left *leftover) error {
	s.commit.journal.holds.Store(s.cfg.Sync || left.waits || len(left.Chunks) > 0)
	names, err := os.ReadDir(s.dir)
	if err != nil {
		return fmt.Errorf("read queue directory: %w", err)
	}
	state, err := s.recoverState()
	if err != nil {
		return err
	}
	s.queueID, s.next = state.Queue, max(1, state.Next)
	tails := resend.Tails{}
	for _, first := range s.recoverNames(names, left) {
		if s.opts.Interrupted != nil {
			if err := s.opts.Interrupted(); err != nil {
				return fmt.Errorf("interrupted while reading what waits in %s: %w", s.dir, err)
			}
		}
		if err := s.recoverSegment(first, state, left, tails); err != nil {
			return err
		}
	}
	s.settleLeftover(left)
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

// recoverNames returns the first sequence numbers of the segments among the directory's files, ascending, with that of
// the journal. What an interrupted rewrite has left is removed.
func (s *Queue) recoverNames(names []os.DirEntry, left *leftover) (firsts []uint64) {
	if len(left.Chunks) > 0 {
		firsts = append(firsts, left.Segment)
	}
	for _, n := range names {
		if strings.HasSuffix(n.Name(), ".tmp") {
			if err := os.Remove(filepath.Join(s.dir, n.Name())); err != nil {
				s.log.Warn().Err(err).Msg("can't remove what an interrupted rewrite left")
			}
			continue
		}
		if first, ok := segment.First(n.Name()); ok {
			firsts = append(firsts, first)
		}
	}
	slices.Sort(firsts)
	return slices.Compact(firsts)
}

// recoverState reads state.db, or starts a new one.
func (s *Queue) recoverState() (*statefile.Snapshot, error) {
	state, err := statefile.Load(s.dir)
	switch {
	case err == nil:
		return state, nil
	case errors.Is(err, format.ErrUnknown):
		return nil, err
	case errors.Is(err, os.ErrPermission):
		// Whole, perhaps: whoever changed its rights can change them back.
		return nil, fmt.Errorf("read what outputs have finished: %w", err)
	case !errors.Is(err, os.ErrNotExist):
		name, aerr := boltfile.Quarantine(filepath.Join(s.dir, statefile.Name))
		s.stats.setAside++
		s.log.Error().Err(err).Str("file", name).AnErr("set_aside", aerr).
			Msg("state.db is damaged: starting without it, so all that is in the segments is delivered again")
	}
	state = &statefile.Snapshot{}
	// Never fails.
	_, _ = rand.Read(state.Queue[:])
	return state, nil
}

// recoverSegment counts what waits in the segment, with what the journal holds of it, and notes how each connection ends
// in it.
func (s *Queue) recoverSegment(first uint64, state *statefile.Snapshot, left *leftover, tails resend.Tails) error {
	path := filepath.Join(s.dir, segment.Name(first))
	seg := newSegment(path, first)
	seg.sealed = true
	s.segs = append(s.segs, seg)
	for k, bits := range state.Done {
		if k.Segment == first {
			seg.done[s.source(k.Output)] = bits
		}
	}
	journaled := left.Segment == first && len(left.Chunks) > 0
	c, damage, err := segment.Read(path, first)
	if errors.Is(err, format.ErrUnknown) {
		return err
	}
	if journaled && errors.Is(err, os.ErrNotExist) {
		c, err = &segment.Contents{First: first, Tails: resend.Tails{}}, nil
	}
	if err != nil {
		seg.broken = true
		left.waits = left.waits || journaled
		s.stats.setAside++
		s.next = max(s.next, first+1<<32)
		s.log.Error().Err(err).Str("segment", path).Msg("can't read a segment: what it holds waits for the next start")
		return nil
	}
	if damage != nil {
		s.stats.setAside++
		s.stats.lostEvents += damage.LostEvents()
		if c = s.rescue(path, c, damage); !errors.Is(damage.Cause, boltfile.ErrDamaged) {
			seg.unread = true
		}
	}
	var fresh map[uint32][]byte
	settled := c.Sealed
	if journaled {
		fresh = left.replay(c)
	}
	switch {
	case len(fresh) == 0 && (settled || !s.cfg.Sync || len(c.Entries) == 0):
	case damage == nil || settled:
		c, fresh = s.settleOnDisk(path, c, left, fresh)
	default:
		// It stays as it was found.
		c.Tails = nil
	}
	tails.Join(c.Tails)
	s.remapIn(c)
	s.track(seg, c.Entries, false)
	if len(fresh) > 0 {
		s.stick(seg, c, fresh)
	}
	s.next = max(s.next, seg.end())
	if st, err := os.Stat(path); err == nil {
		seg.disk = boltfile.Allocated(st)
		s.disk += seg.disk
	}
	return nil
}

// settleOnDisk writes a segment anew that was being written when the process before ended: its last commit's sync may
// have failed, and then what is read of it may be in memory alone, which no later sync says. An agent that sends such a
// chunk again must not be told that it is stored. The same goes for the fresh chunks, which are of the journal. Where
// the segment can't be written, on a full disk perhaps, it stays as it is, and what agents send again of it is stored
// again. It returns what is in the file then, and what is not.
func (s *Queue) settleOnDisk(
	path string, c *segment.Contents, left *leftover, fresh map[uint32][]byte,
) (*segment.Contents, map[uint32][]byte) {
	src, err := os.Open(path)
	if err == nil || len(fresh) == len(c.Entries) {
		// Only read from.
		defer func() { _ = src.Close() }()
		var out *segment.Contents
		var f *os.File
		if out, f, _, err = s.replace(path, c, reader(src, fresh), func(*segment.Entry) bool { return true }); err == nil {
			// Only read from.
			_ = f.Close()
			return out, nil
		}
	}
	s.log.Warn().Err(err).Str("segment", path).
		Msg("can't write anew the segment that was being written last: what agents send again of it is stored again")
	// Its new name may have come before the error.
	if again, damage, err := segment.Read(path, c.First); err == nil && damage == nil {
		c = again
		if len(fresh) > 0 {
			fresh = left.replay(c)
			// Its new name may not be durable.
			left.waits = left.waits || len(fresh) == 0
		}
	}
	c.Tails = nil
	return c, fresh
}

// rescue sets a damaged segment aside and puts one with its whole chunks in its place. Where that
// fails, on a full disk perhaps, the damaged file stays and is read as far as it can be.
func (s *Queue) rescue(path string, c *segment.Contents, damage *segment.Damage) *segment.Contents {
	log := s.log.Error().Str("segment", path).Fields(damage.Fields())
	if !errors.Is(damage.Cause, boltfile.ErrDamaged) {
		log.Msg(
			"segment can't be read in full: the chunks that can be read are handed out, the file stays for " +
				"the next start",
		)
		return c
	}
	src, err := os.Open(path)
	if err == nil {
		// Only read from.
		defer func() { _ = src.Close() }()
		var name string
		if name, err = boltfile.Quarantine(path); err == nil {
			failpoint.Pass("segment.set-aside")
			log.Str("set_aside", name)
			var out *segment.Contents
			var f *os.File
			if out, f, _, err = s.replace(path, c, reader(src, nil), func(*segment.Entry) bool { return true }); err == nil {
				// Only read from.
				_ = f.Close()
				log.Msg("segment is damaged: set aside, the chunks that can be read are kept")
				return out
			}
			boltfile.Unquarantine(name, path)
		}
	}
	log.AnErr("replace", err).Msg("segment is damaged: read where it is, as far as it can be")
	return c
}
