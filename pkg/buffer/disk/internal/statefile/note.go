package statefile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
	"github.com/seed-afc6a195/aggregator/internal/failpoint"
	"github.com/seed-afc6a195/aggregator/internal/format"
)

// Note is the file at Path which is there while dead letters are put into the queue: it holds the sequence number from
// which on chunks of such may follow, and its CRC-32C. Not safe for concurrent use.
type Note struct {
	Path string
	// Stays says that what is noted stays as it is until the next start.
	Stays bool

	// from is in the file, as far as it was read or written.
	from uint64
}

// Exists reports whether an earlier run was ended within a requeue.
func (n *Note) Exists() bool {
	_, err := os.Stat(n.Path)
	return err == nil
}

// Write writes down that chunks of dead letters may follow from the sequence number next on.
// What an earlier note says that must stay, the new one says too.
func (n *Note) Write(next uint64) error {
	if n.Stays {
		// Written again, as a failed sync may have left the earlier note in memory only.
		next = n.from
	}
	err := boltfile.WriteSynced(n.Path+".tmp", boltfile.WithSum(encodeNote(next)))
	failpoint.Pass("retry.note.written")
	if err == nil {
		err = os.Rename(n.Path+".tmp", n.Path)
	}
	failpoint.Pass("retry.note.renamed")
	if err == nil {
		err = boltfile.SyncDir(filepath.Dir(n.Path))
	}
	failpoint.Pass("retry.noted")
	if err != nil {
		return fmt.Errorf("note the retry of dead letters: %w", err)
	}
	n.from = next
	return nil
}

// Remove removes the note, if it need not stay.
func (n *Note) Remove() error {
	if n.Stays {
		return nil
	}
	if err := os.Remove(n.Path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("end the retry of dead letters: %w", err)
	}
	failpoint.Pass("retry.ended")
	return nil
}

// Read returns the sequence number of the note, and the first of all where it can't be read, or not by this program: to
// look through all chunks is always right. found: there is a note.
func (n *Note) Read() (from uint64, found bool) {
	b, err := os.ReadFile(n.Path)
	if err == nil {
		if b, err = boltfile.VerifySum(b); err == nil {
			from = decodeNote(b)
		}
	}
	n.from = from
	return from, !errors.Is(err, os.ErrNotExist)
}

// noteFormat is that of the note. Number 1 is a sequence number alone.
func noteFormat() format.Format {
	return format.Format{Name: "note of a requeue", Number: 2, Since: 1, Alone: 1}
}

func encodeNote(next uint64) []byte {
	return binary.LittleEndian.AppendUint64(noteFormat().Append(nil), next)
}

// decodeNote returns the sequence number of a note, and the first of all where it is of a format that the program may
// not read.
func decodeNote(b []byte) uint64 {
	if len(b) == 8 {
		return binary.LittleEndian.Uint64(b)
	}
	_, rest, err := noteFormat().Cut(b)
	if err != nil || len(rest) != 8 {
		return 0
	}
	return binary.LittleEndian.Uint64(rest)
}
