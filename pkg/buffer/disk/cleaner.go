package disk

import (
	"errors"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
	"github.com/seed-afc6a195/aggregator/internal/failpoint"
	"github.com/seed-afc6a195/aggregator/internal/heartbeat"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/complaint"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/limits"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/segment"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/statefile"
)

const (
	// saveEvery is how often, at most, what outputs have finished is saved: what a crash repeats.
	saveEvery = 200 * time.Millisecond
	// tidyEvery is how often segments are looked through for compaction, and sync: false synced.
	tidyEvery = time.Second
	// reserve is by how many sequence numbers state.db is ahead, so that none is used twice even if
	// segments were removed and state.db could not be written.
	reserve = 1 << 20
)

// cleaner saves what outputs have finished, removes segments that nobody wants and makes small those
// of which little is wanted. One goroutine.
//
// The order: first the finished bits are saved, then the file goes, and its bits with a later save.
// A crash between finds a segment of which all is finished, or bits without a segment.
type cleaner struct {
	s *Queue
	// mu has one save made at a time.
	mu    sync.Mutex
	state statefile.DB
	wake  chan struct{}
	stop  chan struct{}
	ended chan struct{}
	complaint.Complaint

	beat heartbeat.Loop
}

func newCleaner(s *Queue) *cleaner {
	return &cleaner{
		s: s, state: statefile.DB{Dir: s.dir, Sync: s.cfg.Sync},
		wake: make(chan struct{}, 1), stop: make(chan struct{}), ended: make(chan struct{}),
	}
}

// kick says that there is something to save. It is safe with any lock held.
func (k *cleaner) kick() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

func (k *cleaner) run() {
	defer close(k.ended)
	tidy := time.NewTimer(tidyEvery)
	defer tidy.Stop()
	for {
		select {
		case <-k.stop:
			return
		case <-tidy.C:
			k.beat.Disk("the cleaning of " + k.s.dir)
			k.s.tidy()
			k.s.dead.Tidy()
			if err := k.s.place.Check(); err != nil {
				k.s.log.Error().Err(err).Msg("nothing is stored and acknowledged any more")
			}
			k.s.commit.Limits.Refresh()
			k.beat.Rest()
			tidy.Reset(tidyEvery)
			continue
		case <-k.wake:
		}
		k.beat.Disk("the saving of what outputs have finished, to " + k.s.dir + ",")
		// It has logged what went wrong, and tries again.
		_ = k.save(false)
		k.beat.Rest()
		rest := time.NewTimer(saveEvery)
		select {
		case <-k.stop:
			rest.Stop()
			return
		case <-rest.C:
		}
	}
}

// close saves everything for the last time.
func (k *cleaner) close() error {
	close(k.stop)
	<-k.ended
	return errors.Join(k.save(true), k.state.Close())
}

// save writes state.db and removes the segments that nobody wants. last: no more follow.
func (k *cleaner) save(last bool) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.s
	whole := !k.state.IsOpen()
	changes := &statefile.Snapshot{Queue: s.queueID, Done: map[statefile.Key][]byte{}}
	s.mu.Lock()
	changes.Next = s.next + reserve
	changes.Journaled = s.commit.journal.holds.Load()
	var unwanted []*segmentState
	// The committer lets go of one that could not be written.
	let := false
	live := map[uint64]bool{}
	type saved struct {
		seg *segmentState
		src *source
	}
	var clean []saved
	for _, seg := range s.segs {
		if seg.sealed && !seg.broken && !seg.unread && len(seg.sum) == 0 && seg.end() <= s.keep.from() {
			unwanted = append(unwanted, seg)
		} else {
			live[seg.first] = true
			let = let || seg.fresh != nil && seg.w == nil && len(seg.sum) == 0
		}
		for src, bits := range seg.done {
			if whole || seg.dirty[src] {
				changes.Done[statefile.Key{Segment: seg.first, Output: src.name}] = slices.Clone(bits)
				clean = append(clean, saved{seg, src})
			}
		}
		clear(seg.dirty)
	}
	forget := s.forget
	s.forget = nil
	s.mu.Unlock()
	if let {
		k.s.commit.kick()
	}
	if !whole {
		for _, key := range forget {
			changes.Done[key] = nil
		}
	}
	if len(unwanted) > 0 || last || whole {
		changes.IDs, changes.HasIDs = s.resends.Unconfirmed(func(
			segment uint64,
		) bool {
			return live[segment] && !last
		}), true
	}
	failpoint.Pass("state.save.before")
	err := s.failing("save")
	switch {
	case err != nil:
	case whole:
		err = k.state.Renew(changes)
	default:
		err = k.state.Save(changes)
	}
	if err != nil {
		k.Failed(s.log, err, "can't save what outputs have finished: a crash now would repeat deliveries")
		s.mu.Lock()
		for _, c := range clean {
			c.seg.dirty[c.src] = true
		}
		s.forget = append(s.forget, forget...)
		s.mu.Unlock()
		time.AfterFunc(limits.PollFull, k.kick)
	} else {
		k.Recovered(s.log, "what outputs have finished is saved again")
		s.commit.journal.marked.Store(changes.Journaled)
	}
	failpoint.Pass("state.saved")
	// Even after an error the files go: on a full disk that is what makes room.
	s.remove(unwanted)
	return err
}

// remove removes the segments' files. Nothing of them is counted any more, but for what is handed out.
func (s *Queue) remove(unwanted []*segmentState) {
	if len(unwanted) == 0 {
		return
	}
	for _, seg := range unwanted {
		free := s.exclusively(seg)
		s.mu.Lock()
		again := seg.gone
		s.mu.Unlock()
		if again {
			free()
			continue
		}
		if err := os.Remove(seg.path); err != nil && !errors.Is(err, os.ErrNotExist) {
			s.log.Error().Err(err).Str("segment", seg.path).
				Msg("can't remove a segment that nobody wants: it is removed at the next start")
		}
		failpoint.Pass("segment.removed")
		s.mu.Lock()
		seg.gone = true
		seg.unload(s)
		for cluster, n := range seg.liveBytes {
			s.addLive(seg, cluster, -n)
		}
		s.disk -= seg.disk
		for src := range seg.done {
			s.forget = append(s.forget, statefile.Key{Segment: seg.first, Output: src.name})
		}
		s.segs = slices.DeleteFunc(s.segs, func(o *segmentState) bool { return o == seg })
		s.mu.Unlock()
		free()
	}
	if err := boltfile.SyncDir(s.dir); err != nil {
		s.log.Warn().Err(err).Msg("removed segments may come back after a power loss")
	}
	failpoint.Pass("segments.removed")
	s.commit.kick()
}

// tidy syncs the current segment where commits don't, and compacts.
func (s *Queue) tidy() {
	if !s.cfg.Sync {
		s.mu.Lock()
		var h *segment.Handle
		if n := len(s.segs); n > 0 && s.segs[n-1].w != nil {
			h = s.segs[n-1].file
			h.Hold()
		}
		s.mu.Unlock()
		if h != nil {
			if err := h.File.Sync(); err != nil {
				s.log.Error().Err(err).Msg("can't sync the current segment: a power loss may take what it holds")
			}
			s.mu.Lock()
			h.Release()
			s.mu.Unlock()
		}
	}
	s.mu.Lock()
	var sparse *segmentState
	for _, seg := range s.segs {
		if seg.sparse(s.now()) {
			sparse = seg
			break
		}
	}
	s.mu.Unlock()
	if sparse != nil {
		if err := s.compact(sparse); err != nil {
			s.log.Error().Err(err).Str("segment", sparse.path).Msg("can't make a segment smaller")
		}
	}
}

const (
	// compactBelow is the share of a segment's bytes below which the wanted ones are copied.
	compactBelow = 0.1
	// compactAfter is how long nothing of the segment may have been finished: outputs that move
	// leave every segment soon, and copying for them would be in vain.
	compactAfter = 30 * time.Second
	// compactSize is the least size of a file that is worth it.
	compactSize = 1 << 20
)

func (seg *segmentState) sparse(now time.Time) bool {
	if !seg.sealed || seg.broken || seg.unread || len(seg.sum) == 0 || seg.disk < compactSize ||
		now.Sub(seg.touched) < compactAfter {
		return false
	}
	// That is the most: a chunk that two outputs want counts twice.
	var wanted int64
	for _, t := range seg.sum {
		wanted += t.Bytes
	}
	return float64(wanted) < compactBelow*float64(seg.disk)
}

// compact replaces the segment's file by one with the wanted chunks alone, under the same name and
// numbers: one slow output then doesn't hold the disk of what the others have finished. A crash
// leaves the old file or the new one, and a .tmp that the next start removes.
func (s *Queue) compact(seg *segmentState) error {
	defer s.exclusively(seg)()
	c, damage, err := segment.Read(seg.path, seg.first)
	if err == nil && damage != nil {
		// Whoever reads it next will tell.
		err = damage.Cause
	}
	var src *os.File
	if err == nil {
		src, err = os.Open(seg.path)
	}
	if err == nil {
		// Only read from.
		defer func() { _ = src.Close() }()
		var disk int64
		if disk, err = s.swap(seg, c, segment.ReadFrom(src, nil)); err == nil {
			s.log.Info().Str("segment", seg.path).Int64("after", disk).
				Msg("made a segment smaller of which little is wanted")
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	// It is not tried again at once, even after an error.
	seg.touched = s.now()
	if seg.gone {
		return nil
	}
	return err
}

// swap is compact with what the file holds. It returns what the new one takes of the disk.
func (s *Queue) swap(seg *segmentState, c *segment.Contents, read segment.Reader) (int64, error) {
	s.mu.Lock()
	wanted := map[uint32]bool{}
	for i := range c.Entries {
		e := &c.Entries[i]
		for _, name := range c.Sets[e.Set] {
			if !seg.done[s.sources[name]].Has(e.Seq) {
				wanted[e.Seq] = true
			}
		}
	}
	s.mu.Unlock()
	out, f, disk, err := segment.Replace(seg.path, c, read, func(e *segment.Entry) bool { return wanted[e.Seq] },
		s.failing)
	if err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remapIn(out)
	seg.unload(s)
	s.install(seg, out.Entries, f)
	s.disk += disk - seg.disk
	seg.disk = disk
	return disk, nil
}
