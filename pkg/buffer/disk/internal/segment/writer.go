// Package segment is one file of chunks: how it is written, indexed, read and salvaged. It knows chunks and bbolt, and
// nothing of who wants them.
package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"syscall"
	"time"
	"unsafe"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
	"github.com/seed-afc6a195/aggregator/internal/failpoint"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/chunk"
)

// A segment is one bbolt file. Every commit makes a bucket in it, named by the commit's first
// sequence number, that holds the commit's chunks by sequence number; both are 8 bytes, big-endian.
// The bucket's own sequence is the number of its chunks. When the segment is sealed, the bucket
// "index" gets all that is to be known of the chunks without reading them.
//
// Why a bucket for each commit: in a single one, bbolt would write the last leaf anew with each
// commit, and a leaf has at least two chunks. With 25 KiB chunks that is 5.2 bytes written for each
// byte stored at one chunk a commit and 2.2 at four; with a bucket each, 1.6 and 1.15.
//
// As no page of such a bucket is ever written again, a chunk stays where it is in the file. The
// queue remembers the place and reads it with one pread instead of through bbolt's map: the map is
// advised for random access, which makes cold reads slow; pages of it count as the process's
// memory; and a bad sector in it is a signal instead of an error. bbolt decides what is stored.
const inlineMax = boltfile.PageSize / 4

// IndexName is the key of a sealed segment's index.
const IndexName = "index"

// Item is a chunk to be stored.
type Item struct {
	Seq uint64
	// Value is that of package chunk.
	Value []byte
}

// Writer is the bbolt file of a segment that is being written.
type Writer struct {
	db *bbolt.DB
	// File is bbolt's own.
	File *os.File
	// resident counts bytes written since the map's pages were let go.
	resident int
}

// residentMax is how many bytes of bbolt's map may become resident before they are let go. bbolt looks at what it has
// just written, and the kernel then maps the pages around: without this, a segment ends up in memory whole.
const residentMax = 4 << 20

// Create makes the file of a segment of about size bytes. With sync, a commit is on disk when it returns.
func Create(path string, size int64, sync bool) (*Writer, error) {
	w := &Writer{}
	err := boltfile.RecoverPanics(func() (err error) {
		w.db, err = bbolt.Open(path, 0o600, &bbolt.Options{
			Timeout: time.Second, NoSync: !sync, NoFreelistSync: true, FreelistType: bbolt.FreelistMapType,
			InitialMmapSize: int(size), PageSize: boltfile.PageSize, NoStatistics: true,
			OpenFile: func(name string, flag int, mode os.FileMode) (*os.File, error) {
				f, err := os.OpenFile(name, flag|os.O_EXCL, mode)
				failpoint.Pass("segment.opened")
				w.File = f
				return f, err
			},
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("create segment %s: %w", path, err)
	}
	return w, nil
}

// Append stores the items with one commit and sets where[i] to the place of items[i] in the file.
// After an error the writer must be closed: what a failed fdatasync left on the disk is unknown.
func (w *Writer) Append(items []Item, where []uint32) error {
	total := 0
	for i := range items {
		total += len(items[i].Value)
	}
	if total <= inlineMax {
		// Bbolt would keep it within its parent's page and move it about.
		last := &items[len(items)-1].Value
		*last = append(*last, make([]byte, inlineMax+1-total)...)
	}
	return boltfile.RecoverPanics(func() error {
		var name [8]byte
		binary.BigEndian.PutUint64(name[:], items[0].Seq)
		if err := w.verifyTail(name[:]); err != nil {
			return err
		}
		err := w.db.Update(func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucket(name[:])
			if err != nil {
				return err
			}
			b.FillPercent = 1
			keys := make([]byte, 8*len(items))
			for i := range items {
				k := keys[8*i : 8*i+8 : 8*i+8]
				binary.BigEndian.PutUint64(k, items[i].Seq)
				if err := b.Put(k, items[i].Value); err != nil {
					return err
				}
			}
			failpoint.Pass("segment.commit.filled")
			return b.SetSequence(uint64(len(items)))
		})
		if err != nil {
			return err
		}
		w.resident += total
		return w.db.View(func(tx *bbolt.Tx) error {
			c, i, from := tx.Bucket(name[:]).Cursor(), 0, w.db.Info().Data
			for k, v := c.First(); k != nil; k, v = c.Next() {
				off := offsetIn(from, v)
				if w.resident > residentMax {
					w.resident = 0
					defer dropMapped(v, off)
				}
				if i >= len(items) || binary.BigEndian.Uint64(k) != items[i].Seq || off > math.MaxUint32 {
					return fmt.Errorf("segment holds chunk %x at %d: %w", k, off, boltfile.ErrDamaged)
				}
				where[i] = uint32(off)
				i++
			}
			return nil
		})
	})
}

// verifyTail returns nil where bbolt can add a bucket of that name, which is behind all others, and the file
// is still in its directory: what is written to a removed one is gone with the process.
func (w *Writer) verifyTail(name []byte) error {
	st, err := w.File.Stat()
	if err != nil {
		return err
	}
	if sys, ok := st.Sys().(*syscall.Stat_t); ok && sys.Nlink == 0 {
		return errors.New("somebody removed the file")
	}
	p, err := boltfile.Read(w.File)
	if err != nil {
		return err
	}
	return p.Top().VerifyRightmost(name)
}

// offsetIn returns where v, a value in bbolt's map of the file, which begins at from, lies in the file.
func offsetIn(from uintptr, v []byte) uint64 {
	at := uintptr(unsafe.Pointer(unsafe.SliceData(v))) //nolint:gosec // an address to subtract from, not to follow
	return uint64(at - from)
}

// dropMapped frees the memory of bbolt's map up to v, which lies at off in it. The pages are the file's: they come back
// when they are looked at.
func dropMapped(v []byte, off uint64) {
	start := (*byte)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(v)), -int(off))) //nolint:gosec // the map's first byte
	pages := unsafe.Slice(start, off&^(boltfile.PageSize-1))                     //nolint:gosec // as much of the map
	// Only saves memory.
	_ = unix.Madvise(pages, unix.MADV_DONTNEED)
}

// Seal stores the index and closes the file. The file is closed after an error, too.
func (w *Writer) Seal(index []byte) error {
	err := boltfile.RecoverPanics(func() error {
		if err := w.verifyTail([]byte(IndexName)); err != nil {
			return err
		}
		return w.db.Update(func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucket([]byte(IndexName))
			if err != nil {
				return err
			}
			return b.Put([]byte(IndexName), index)
		})
	})
	if err == nil && w.db.NoSync {
		err = w.db.Sync()
	}
	failpoint.Pass("segment.seal.indexed")
	return errors.Join(err, w.Close())
}

// Close ends the writing without an index.
func (w *Writer) Close() error { return boltfile.RecoverPanics(w.db.Close) }

// ReadChunk reads the chunk that e names from f into buf and checks it.
func ReadChunk(f *os.File, e *Entry, buf []byte) ([]byte, error) {
	if cap(buf) < int(e.Size) {
		buf = make([]byte, e.Size)
	}
	buf = buf[:e.Size]
	if _, err := f.ReadAt(buf, int64(e.Off)); err != nil {
		if errors.Is(err, io.EOF) {
			err = fmt.Errorf("file is cut: %w", boltfile.ErrDamaged)
		}
		return buf, fmt.Errorf("read chunk in %s at %d: %w", f.Name(), e.Off, err)
	}
	if err := chunk.Verify(buf); err != nil {
		return buf, fmt.Errorf("read chunk in %s at %d: %w", f.Name(), e.Off, err)
	}
	return buf, nil
}
