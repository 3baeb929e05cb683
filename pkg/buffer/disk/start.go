package disk

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
	"github.com/seed-afc6a195/aggregator/internal/failpoint"
	"github.com/seed-afc6a195/aggregator/internal/format"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/segment"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/statefile"
	"github.com/seed-afc6a195/aggregator/pkg/resend"
)

// recover reads the directory: what waits, and for whom. Whatever is damaged is set aside.
func (s *Queue) recover() error {
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
	// Sorted by name, so by first sequence number.
	for _, n := range names {
		if s.opts.Interrupted != nil {
			if err := s.opts.Interrupted(); err != nil {
				return fmt.Errorf("interrupted while reading what waits in %s: %w", s.dir, err)
			}
		}
		path := filepath.Join(s.dir, n.Name())
		if strings.HasSuffix(n.Name(), ".tmp") {
			if err := os.Remove(path); err != nil {
				s.log.Warn().Err(err).Msg("can't remove what an interrupted rewrite left")
			}
			continue
		}
		if first, ok := segment.First(n.Name()); ok {
			if err := s.recoverSegment(path, first, state, tails); err != nil {
				return err
			}
		}
	}
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

// recoverSegment counts what waits in the segment at path, and notes how each connection ends in it.
func (s *Queue) recoverSegment(path string, first uint64, state *statefile.Snapshot, tails resend.Tails) error {
	seg := newSegment(path, first)
	seg.sealed = true
	s.segs = append(s.segs, seg)
	for k, bits := range state.Done {
		if k.Segment == first {
			seg.done[s.source(k.Output)] = bits
		}
	}
	c, damage, err := segment.Read(path, first)
	if errors.Is(err, format.ErrUnknown) {
		return err
	}
	if err != nil {
		seg.broken = true
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
	switch {
	case c.Sealed || !s.cfg.Sync || len(c.Entries) == 0:
	case damage == nil:
		c = s.settleOnDisk(path, first, c)
	default:
		// It stays as it was found.
		c.Tails = nil
	}
	tails.Join(c.Tails)
	s.remapIn(c)
	s.track(seg, c.Entries, false)
	s.next = max(s.next, seg.end())
	if st, err := os.Stat(path); err == nil {
		seg.disk = boltfile.Allocated(st)
		s.disk += seg.disk
	}
	return nil
}

// settleOnDisk writes a segment anew that was being written when the process before ended: its last commit's sync may
// have failed, and then what is read of it may be in memory alone, which no later sync says. An agent that sends such a
// chunk again must not be told that it is stored. Where the segment can't be written, on a full disk perhaps, it stays
// as it is, and what agents send again of it is stored again.
func (s *Queue) settleOnDisk(path string, first uint64, c *segment.Contents) *segment.Contents {
	src, err := os.Open(path)
	if err == nil {
		// Only read from.
		defer func() { _ = src.Close() }()
		var out *segment.Contents
		var f *os.File
		if out, f, _, err = s.replace(path, src, c, func(*segment.Entry) bool { return true }); err == nil {
			// Only read from.
			_ = f.Close()
			return out
		}
	}
	s.log.Warn().Err(err).Str("segment", path).
		Msg("can't write anew the segment that was being written last: what agents send again of it is stored again")
	// Its new name may have come before the error.
	if again, damage, err := segment.Read(path, first); err == nil && damage == nil {
		c = again
	}
	c.Tails = nil
	return c
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
			if out, f, _, err = s.replace(path, src, c, func(*segment.Entry) bool { return true }); err == nil {
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
