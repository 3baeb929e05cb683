package disk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
	"github.com/seed-afc6a195/aggregator/internal/failpoint"
	"github.com/seed-afc6a195/aggregator/internal/format"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/chunk"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/journal"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/segment"
)

// leftover is what a start finds in the journal. Its chunks go to the segment that they belong to.
type leftover struct {
	journal.Contents
	unread error // why it can't be read; nil: it was
	// waits is that it has to stay for the next start.
	waits bool
}

// readLeftover reads the journal, and changes nothing. An error is that the program may not read it.
func readLeftover(dir string) (*leftover, error) {
	c, err := journal.Read(filepath.Join(dir, journal.Name))
	switch {
	case err == nil:
		return &leftover{Contents: *c}, nil
	case errors.Is(err, format.ErrUnknown):
		return nil, err
	case errors.Is(err, os.ErrNotExist):
		return &leftover{}, nil
	}
	return &leftover{unread: err, waits: true}, nil
}

// complain tells of what is wrong with the journal.
func (s *Queue) complain(left *leftover) {
	path := s.journalPath()
	switch {
	case left.unread != nil:
		s.stats.setAside++
		s.log.Error().Err(left.unread).Str("journal", path).
			Msg("can't read the journal: what it holds waits for the next start")
	case left.Damage != nil:
		lost := segment.NewDamage(left.Damage, left.Lost)
		name, err := boltfile.Quarantine(path)
		failpoint.Pass("journal.set-aside")
		s.stats.setAside++
		s.stats.lostEvents += lost.LostEvents()
		s.log.Error().Str("journal", path).Str("set_aside", name).AnErr("not_set_aside", err).Fields(lost.Fields()).
			Int("chunks", len(left.Chunks)).Msg("journal is damaged: the chunks that can be read are kept")
	case left.Torn:
		s.log.Warn().Str("journal", path).Msg("the journal ends within a commit, as after a power cut: nobody was told " +
			"that it is stored, so agents send again what is not whole")
	}
}

// replay adds what the journal holds of the segment to c, and returns those chunks by their sequence numbers less the
// segment's first. What is lost of the journal and in c is not lost.
func (left *leftover) replay(c *segment.Contents) map[uint32][]byte {
	headers, values := make([]chunk.Header, len(left.Chunks)), map[uint64][]byte{}
	for i := range left.Chunks {
		headers[i] = left.Chunks[i].Header
		values[headers[i].Seq] = left.Chunks[i].Value
	}
	fresh := map[uint32][]byte{}
	for _, seq := range c.Join(headers) {
		fresh[uint32(seq-c.First)] = values[seq]
	}
	left.Lost = slices.DeleteFunc(left.Lost, func(h chunk.Header) bool {
		return slices.ContainsFunc(c.Entries, func(e segment.Entry) bool { return c.First+uint64(e.Seq) == h.Seq })
	})
	return fresh
}

// settleLeftover ends the replay: nothing is in the journal any more that is not in a segment, or it stays.
func (s *Queue) settleLeftover(left *leftover) {
	s.complain(left)
	j := &s.commit.journal
	j.blocked = left.waits
	j.generation = left.Generation
	if len(left.Chunks) == 0 && left.Damage == nil && !left.Torn || j.blocked || j.stuck != nil {
		return
	}
	j.generation = 0
	if err := journal.Remove(s.journalPath()); err != nil {
		s.log.Warn().Err(err).Msg("can't remove the journal: what it holds may be delivered again after the next start")
	}
	failpoint.Pass("journal.replayed")
}

// stick has a segment keep in memory what the journal holds of it, as its file can't be written.
func (s *Queue) stick(seg *segmentState, c *segment.Contents, fresh map[uint32][]byte) {
	f, err := os.Open(seg.path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		s.log.Error().Err(fmt.Errorf("open segment: %w", err)).Msg("can't read a segment that the journal belongs to")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	seg.sealed, seg.fresh, seg.oldest = false, fresh, c.Oldest
	s.install(seg, c.Entries, f)
	s.commit.journal.stuck = seg
}
