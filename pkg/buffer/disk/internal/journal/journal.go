// Package journal is one file of small commits that are not in their segment yet. It knows chunks, and nothing of who
// wants them.
//
// The file has its full size, of zeros, from the start: an append changes neither its length nor where it lies on the
// disk, so that one write and one fdatasync make it durable. Two pages begin it, then come records:
//
//	page 0, 1   a beginning each, of which the newer one counts:
//	            magic (8 bytes), number of the format, that of the oldest program that may read it, 6 bytes of zeros,
//	            generation (8), salt of the chunks (8), sequence number of the first chunk (8),
//	            length of the file (8),
//	            CRC-32C of all that (4)
//	records     each from the start of a page on:
//	            magic (8), CRC-32C of everything from here to the end (4), length of the chunks (4), generation (8),
//	            number in the generation, from 0 (8), first sequence number of the chunks' segment (8), what the
//	            beginning says of salt and first chunk (8 + 8), the chunks one after the other: see package chunk
//
// All numbers are little-endian. A record is written when the one before it is on the disk, so one that is not whole is
// damaged where another of its generation follows, and else it is the last, which nobody may have been told of. No
// record shares a page with another: a write that is cut spoils only its own. A generation ends when a new beginning
// is on the disk, and only then are its records written over.
package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
	"github.com/seed-afc6a195/aggregator/internal/failpoint"
	"github.com/seed-afc6a195/aggregator/internal/format"
)

// Name is the file's, in the queue's directory.
const Name = "journal"

const (
	pageSize = 4096
	// begins is where records begin.
	begins     = 2 * pageSize
	beginMagic = "\xa9Aggjnl\x01"
	beginSize  = 52
	magic      = "\xa9Aggrec\x01"
	headSize   = 56
)

// fileFormat is the file's.
func fileFormat() format.Format { return format.Format{Name: "journal", Number: 1, Since: 1} }

// Overhead is what a record may take beside its chunks.
const Overhead = headSize + pageSize - 1

// Journal is the file, open for writing. Not safe for concurrent use.
type Journal struct {
	f    *os.File
	path string
	size int64
	buf  []byte

	generation  uint64
	salt, first uint64
	// number is that of the next record.
	number uint64
	// off is where it goes.
	off int64
}

// Open opens the journal at path to be written, or makes one of about size bytes where there is none of that size. What
// the file holds must be somewhere else by now. The generation is that of what Read has found; 0: it is not known, and
// a new file takes the place of what is there, or else that would count instead of what is written now. Begin must come
// next.
func Open(path string, size int64, generation uint64) (*Journal, error) {
	size = max(size, begins+pageSize) / pageSize * pageSize
	var f *os.File
	err := os.ErrNotExist
	if generation > 0 {
		f, err = os.OpenFile(path, os.O_RDWR, 0)
	}
	if err == nil {
		if st, serr := f.Stat(); serr != nil || st.Size() != size || boltfile.Allocated(st) < size {
			// Nothing was written through it.
			_ = f.Close()
			err = os.ErrNotExist
		}
	}
	if errors.Is(err, os.ErrNotExist) {
		f, err = create(path, size)
	}
	if err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	forgetCached(f)
	return &Journal{f: f, path: path, size: size, generation: generation}, nil
}

// create makes the file, whose name is durable when it returns.
func create(path string, size int64) (*os.File, error) {
	tmp := path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	zeros := make([]byte, min(size, 1<<20))
	for off := int64(0); off < size && err == nil; off += int64(len(zeros)) {
		_, err = f.WriteAt(zeros[:min(size-off, int64(len(zeros)))], off)
	}
	if err == nil {
		err = f.Sync()
	}
	failpoint.Pass("journal.zeroed")
	if err == nil {
		err = os.Rename(tmp, path)
	}
	failpoint.Pass("journal.named")
	if err == nil {
		err = boltfile.SyncDir(filepath.Dir(path))
	}
	if err != nil {
		// What is wrong with the disk has been said.
		_ = os.Remove(tmp)
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Begin forgets all that was appended, and has the chunks of the next records begin with that sequence number. It is on
// disk when it returns. After an error the journal must not be used any more.
func (j *Journal) Begin(salt, first uint64) error {
	j.generation++
	j.salt, j.first, j.number, j.off = salt, first, 0, begins
	b := fileFormat().Append([]byte(beginMagic))
	b = append(b, make([]byte, 16-len(b))...)
	for _, n := range [...]uint64{j.generation, salt, first, uint64(j.size)} {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	b = binary.LittleEndian.AppendUint32(b, boltfile.Checksum(b))
	_, err := j.f.WriteAt(b, int64(j.generation%2)*pageSize)
	failpoint.Pass("journal.begin.written")
	if err == nil {
		err = syncData(j.f)
	}
	failpoint.Pass("journal.begun")
	if err != nil {
		return fmt.Errorf("begin journal %s anew: %w", j.path, err)
	}
	return nil
}

// Fits reports whether a record with n bytes of chunks has room.
func (j *Journal) Fits(n int) bool { return j.off+headSize+int64(n) <= j.size }

// Append adds a record with chunks of the segment that begins with that sequence number, for which there must be room.
// They are on disk when it returns. After an error the journal must not be used any more: what is on the disk of the
// record is not known.
func (j *Journal) Append(segment uint64, chunks []byte) error {
	if err := j.linked(); err != nil {
		return fmt.Errorf("write journal %s: %w", j.path, err)
	}
	b := append(j.buf[:0], magic...)
	b = append(b, 0, 0, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(chunks)))
	for _, n := range [...]uint64{j.generation, j.number, segment, j.salt, j.first} {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	b = append(b, chunks...)
	binary.LittleEndian.PutUint32(b[len(magic):], boltfile.Checksum(b[len(magic)+4:]))
	j.buf = b
	_, err := j.f.WriteAt(b, j.off)
	failpoint.Pass("journal.record.written")
	if err == nil {
		err = syncData(j.f)
	}
	failpoint.Pass("journal.record.synced")
	if err != nil {
		return fmt.Errorf("write journal %s: %w", j.path, err)
	}
	j.number++
	j.off += padded(int64(len(b)))
	return nil
}

// linked returns an error where the file is in no directory any more: what is written to it is gone with the process.
func (j *Journal) linked() error {
	st, err := j.f.Stat()
	if err != nil {
		return err
	}
	if sys, ok := st.Sys().(*syscall.Stat_t); ok && sys.Nlink == 0 {
		return errors.New("somebody removed the file")
	}
	return nil
}

// padded returns n rounded up to whole pages.
func padded(n int64) int64 { return (n + pageSize - 1) / pageSize * pageSize }

// Generation returns the number that Open needs to go on with the file after Close.
func (j *Journal) Generation() uint64 { return j.generation }

// Close closes the file. What it holds stays.
func (j *Journal) Close() error { return j.f.Close() }

// Remove removes the file at path, durably, so that nothing of it is found again.
func Remove(path string) error {
	err := os.Remove(path)
	failpoint.Pass("journal.removed")
	if err == nil {
		err = boltfile.SyncDir(filepath.Dir(path))
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove journal: %w", err)
	}
	return nil
}
