package disk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
	"github.com/seed-afc6a195/aggregator/internal/failpoint"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/segment"
	"github.com/seed-afc6a195/aggregator/pkg/resend"
)

// segmentFor returns the segment to write n bytes to, which begin with chunk seq: a new one where
// there is none or the last is full.
func (c *committer) segmentFor(seq uint64, n int) (*segmentState, error) {
	s := c.s
	size := c.Limits.SegmentSize()
	if seg := c.current; seg != nil {
		if seg.bytes+int64(n) <= size {
			return seg, nil
		}
		c.seal()
	}
	if err := s.failing("create"); err != nil {
		return nil, err
	}
	seg := newSegment(filepath.Join(s.dir, segment.Name(seq)), seq)
	seg.tails = resend.Tails{}
	w, f, err := segment.CreateNamed(seg.path, size+int64(n), s.cfg.Sync)
	if err != nil {
		return nil, fmt.Errorf("create segment: %w", err)
	}
	seg.w = w
	s.mu.Lock()
	s.segs = append(s.segs, seg)
	s.install(seg, nil, f)
	s.mu.Unlock()
	c.current = seg
	failpoint.Pass("segment.installed")
	return seg, nil
}

// seal hands the current segment, if there is one, to the sealer, so that commits go on in the next one while its index
// is written. At most one is being sealed: with a disk that hangs, commits wait here for the one before.
func (c *committer) seal() {
	seg := c.current
	if seg == nil {
		return
	}
	if _, err := c.settleFresh(seg, nil); err != nil {
		err = errors.Join(fmt.Errorf("write segment %s: %w", seg.path, err), c.abandon(seg))
		c.journal.Stays(err)
		return
	}
	c.current = nil
	c.awaitSealed()
	done := make(chan struct{})
	c.sealing = done
	go func() {
		defer close(done)
		c.sealBeat.Disk("the end of a segment in " + c.s.dir)
		defer c.sealBeat.Rest()
		c.s.sealSegment(seg)
		c.closed(seg)
		failpoint.Pass("segment.sealed")
	}()
}

// awaitSealed waits until no segment is being sealed.
func (c *committer) awaitSealed() {
	if c.sealing != nil {
		<-c.sealing
		c.sealing = nil
	}
}

// sealSegment writes the segment's index. If that can't be done, the next start will look through it.
func (s *Queue) sealSegment(seg *segmentState) {
	s.mu.Lock()
	index := s.remapOut(seg)
	s.mu.Unlock()
	failpoint.Pass("segment.seal.before")
	err := s.failing("seal")
	if err != nil {
		err = errors.Join(err, seg.w.Close())
	} else {
		err = seg.w.Seal(index.Encode())
	}
	if err != nil {
		s.log.Warn().Err(err).Str("segment", seg.path).
			Msg("can't write a segment's index: the next start will look through all of it")
	}
}

// abandon ends the current segment after an error: what reached the disk is not known, so nothing
// more is written to it. What was stored in it before is still read from it, and what is in the journal from memory.
func (c *committer) abandon(seg *segmentState) error {
	c.current = nil
	err := seg.w.Close()
	if len(seg.fresh) == 0 {
		c.closed(seg)
		return err
	}
	c.journal.stuck, c.journal.settle = seg, time.Time{}
	c.s.mu.Lock()
	seg.w = nil
	c.s.mu.Unlock()
	return err
}

// closed notes that nothing more is written to the segment.
func (c *committer) closed(seg *segmentState) {
	s := c.s
	st, err := os.Stat(seg.path)
	s.mu.Lock()
	defer s.mu.Unlock()
	seg.w, seg.tails, seg.sealed = nil, nil, true
	if err == nil {
		s.disk += boltfile.Allocated(st) - seg.disk
		seg.disk = boltfile.Allocated(st)
	}
	s.clean.kick()
	// It can be dropped now, if that is what a batch waits for.
	c.kick()
}

// giveBack returns what ends the current segment when there is no room, so that its disk comes back as soon as it is
// read; nil where there is none.
func (c *committer) giveBack() func() bool {
	if c.current == nil {
		return nil
	}
	return func() bool { c.seal(); return true }
}
