package recovery

import (
	"errors"
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
	// unread is why it can't be read; nil: it was.
	unread error
	// waits is that it has to stay for the next start.
	waits bool
	// sticks says that what it holds could not be put into its segment.
	sticks bool
}

// Holds reports whether the journal may hold something that is in no segment.
func (r *Reader) Holds() bool { return r.left.waits || len(r.left.Chunks) > 0 }

// Journal reads the journal, and changes nothing. An error is that the program may not read it.
func (r *Reader) Journal() error {
	c, err := journal.Read(filepath.Join(r.Dir, journal.Name))
	switch {
	case err == nil:
		r.left.Contents = *c
	case errors.Is(err, format.ErrUnknown):
		return err
	case !errors.Is(err, os.ErrNotExist):
		r.left.unread, r.left.waits = err, true
	}
	return nil
}

// complain tells of what is wrong with the journal.
func (r *Reader) complain() {
	left, path := &r.left, filepath.Join(r.Dir, journal.Name)
	switch {
	case left.unread != nil:
		r.SetAside++
		r.Log.Error().Err(left.unread).Str("journal", path).
			Msg("can't read the journal: what it holds waits for the next start")
	case left.Damage != nil:
		lost := segment.NewDamage(left.Damage, left.Lost)
		name, err := boltfile.Quarantine(path)
		failpoint.Pass("journal.set-aside")
		r.SetAside++
		r.LostEvents += lost.LostEvents()
		r.Log.Error().Str("journal", path).Str("set_aside", name).AnErr("not_set_aside", err).Fields(lost.Fields()).
			Int("chunks", len(left.Chunks)).Msg("journal is damaged: the chunks that can be read are kept")
	case left.Torn:
		r.Log.Warn().Str("journal", path).
			Msg("the journal ends within a commit, as after a power cut: nobody was told " +
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

// SettleJournal ends the replay: nothing is in the journal any more that is not in a segment, or it stays. It returns
// the generation for journal.Open, and whether the journal must not be used before the next start.
func (r *Reader) SettleJournal() (generation uint64, waits bool) {
	left := &r.left
	r.complain()
	if len(left.Chunks) == 0 && left.Damage == nil && !left.Torn || left.waits || left.sticks {
		return left.Generation, left.waits
	}
	if err := journal.Remove(filepath.Join(r.Dir, journal.Name)); err != nil {
		r.Log.Warn().Err(err).Msg("can't remove the journal: what it holds may be delivered again after the next start")
	}
	failpoint.Pass("journal.replayed")
	return 0, false
}
