// Package recovery reads the files of a queue's directory at its start, and ends what the life before has left half
// done. It knows the files, and nothing of who wants what is in them.
package recovery

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
	"github.com/seed-afc6a195/aggregator/internal/failpoint"
	"github.com/seed-afc6a195/aggregator/internal/format"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/segment"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/statefile"
	"github.com/seed-afc6a195/aggregator/pkg/resend"
)

// Reader reads a directory: Journal comes first, then State, Segments, Segment for each of these, and SettleJournal.
// What is damaged is set aside and told. Not safe for concurrent use.
type Reader struct {
	Dir string
	// Sync says that commits are on disk when they return.
	Sync bool
	Log  zerolog.Logger
	// Failing is that of segment.Replace.
	Failing func(op string) error

	// What was found so far:
	SetAside   int
	LostEvents int64

	left leftover
}

// Segment is what is found of one.
type Segment struct {
	// Contents is nil where it is Broken.
	*segment.Contents
	Path string
	// Broken says that its index can't be read: what it holds waits for the next start.
	Broken bool
	// Unread says that the disk refused to read some of it: its file stays for the next start.
	Unread bool
	// Disk is what the file takes.
	Disk int64
	// Fresh is its chunks that the journal holds, by sequence number less the segment's first, and that could not be
	// put into its file.
	Fresh map[uint32][]byte
}

// State reads state.db, or starts a new one.
func (r *Reader) State() (*statefile.Snapshot, error) {
	state, err := statefile.Load(r.Dir)
	switch {
	case err == nil:
		return state, nil
	case errors.Is(err, format.ErrUnknown):
		return nil, err
	case errors.Is(err, os.ErrPermission):
		// Whole, perhaps: whoever changed its rights can change them back.
		return nil, fmt.Errorf("read what outputs have finished: %w", err)
	case !errors.Is(err, os.ErrNotExist):
		name, aerr := boltfile.Quarantine(filepath.Join(r.Dir, statefile.Name))
		r.SetAside++
		r.Log.Error().Err(err).Str("file", name).AnErr("set_aside", aerr).
			Msg("state.db is damaged: starting without it, so all that is in the segments is delivered again")
	}
	state = &statefile.Snapshot{}
	// Never fails.
	_, _ = rand.Read(state.Queue[:])
	return state, nil
}

// Segments returns the first sequence numbers of the segments among the directory's files, ascending, with that of
// the journal. What an interrupted rewrite has left is removed.
func (r *Reader) Segments() (firsts []uint64, err error) {
	names, err := os.ReadDir(r.Dir)
	if err != nil {
		return nil, fmt.Errorf("read queue directory: %w", err)
	}
	if len(r.left.Chunks) > 0 {
		firsts = append(firsts, r.left.Segment)
	}
	for _, n := range names {
		if strings.HasSuffix(n.Name(), ".tmp") {
			if err := os.Remove(filepath.Join(r.Dir, n.Name())); err != nil {
				r.Log.Warn().Err(err).Msg("can't remove what an interrupted rewrite left")
			}
			continue
		}
		if first, ok := segment.First(n.Name()); ok {
			firsts = append(firsts, first)
		}
	}
	slices.Sort(firsts)
	return slices.Compact(firsts), nil
}

// Segment reads the segment that begins with that number, with what the journal holds of it. An error is that the
// program may not read it.
func (r *Reader) Segment(first uint64) (*Segment, error) {
	out := &Segment{Path: filepath.Join(r.Dir, segment.Name(first))}
	journaled := r.left.Segment == first && len(r.left.Chunks) > 0
	c, damage, err := segment.Read(out.Path, first)
	if errors.Is(err, format.ErrUnknown) {
		return nil, err
	}
	if journaled && errors.Is(err, os.ErrNotExist) {
		c, err = &segment.Contents{First: first, Tails: resend.Tails{}}, nil
	}
	if err != nil {
		out.Broken = true
		r.left.waits = r.left.waits || journaled
		r.SetAside++
		r.Log.Error().Err(err).Str("segment", out.Path).
			Msg("can't read a segment: what it holds waits for the next start")
		return out, nil
	}
	if damage != nil {
		r.SetAside++
		r.LostEvents += damage.LostEvents()
		if c = r.rescue(out.Path, c, damage); !errors.Is(damage.Cause, boltfile.ErrDamaged) {
			out.Unread = true
		}
	}
	settled := c.Sealed
	if journaled {
		out.Fresh = r.left.replay(c)
	}
	switch {
	case len(out.Fresh) == 0 && (settled || !r.Sync || len(c.Entries) == 0):
	case damage == nil || settled:
		c, out.Fresh = r.settleOnDisk(out.Path, c, out.Fresh)
	default:
		// It stays as it was found.
		c.Tails = nil
	}
	out.Contents = c
	r.left.sticks = r.left.sticks || len(out.Fresh) > 0
	if st, err := os.Stat(out.Path); err == nil {
		out.Disk = boltfile.Allocated(st)
	}
	return out, nil
}

// settleOnDisk writes a segment anew that was being written when the process before ended: its last commit's sync may
// have failed, and then what is read of it may be in memory alone, which no later sync says. An agent that sends such a
// chunk again must not be told that it is stored. The same goes for the fresh chunks, which are of the journal. Where
// the segment can't be written, on a full disk perhaps, it stays as it is, and what agents send again of it is stored
// again. It returns what is in the file then, and what is not.
func (r *Reader) settleOnDisk(
	path string, c *segment.Contents, fresh map[uint32][]byte,
) (*segment.Contents, map[uint32][]byte) {
	src, err := os.Open(path)
	if err == nil || len(fresh) == len(c.Entries) {
		// Only read from.
		defer func() { _ = src.Close() }()
		var out *segment.Contents
		var f *os.File
		if out, f, _, err = segment.Replace(path, c, segment.ReadFrom(src, fresh), segment.All, r.Failing); err == nil {
			// Only read from.
			_ = f.Close()
			return out, nil
		}
	}
	r.Log.Warn().Err(err).Str("segment", path).
		Msg("can't write anew the segment that was being written last: what agents send again of it is stored again")
	// Its new name may have come before the error.
	if again, damage, err := segment.Read(path, c.First); err == nil && damage == nil {
		c = again
		if len(fresh) > 0 {
			fresh = r.left.replay(c)
			// Its new name may not be durable.
			r.left.waits = r.left.waits || len(fresh) == 0
		}
	}
	c.Tails = nil
	return c, fresh
}

// rescue sets a damaged segment aside and puts one with its whole chunks in its place. Where that
// fails, on a full disk perhaps, the damaged file stays and is read as far as it can be.
func (r *Reader) rescue(path string, c *segment.Contents, damage *segment.Damage) *segment.Contents {
	log := r.Log.Error().Str("segment", path).Fields(damage.Fields())
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
			if out, f, _, err = segment.Replace(
				path, c, segment.ReadFrom(src, nil), segment.All, r.Failing,
			); err == nil {
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

// Owns reports whether a file of this name in a directory shows that a queue was opened there.
func Owns(name string) bool {
	return name == boltfile.LockFile || strings.HasPrefix(name, statefile.Name) ||
		strings.HasPrefix(name, segment.Prefix)
}
