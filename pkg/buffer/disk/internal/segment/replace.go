package segment

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
	"github.com/seed-afc6a195/aggregator/internal/failpoint"
)

// Reader returns the chunk of an entry, which is not changed.
type Reader func(e *Entry) ([]byte, error)

// ReadFrom returns how the chunks of a segment in the file f are read. The fresh ones, by sequence number less the
// segment's first, are not in it: f may be nil where all are.
func ReadFrom(f *os.File, fresh map[uint32][]byte) Reader {
	return func(e *Entry) ([]byte, error) {
		if value := fresh[e.Seq]; value != nil {
			return value, nil
		}
		return ReadChunk(f, e, nil)
	}
}

// All is the keep of Replace that keeps all.
func All(*Entry) bool { return true }

// Replace rewrites the file at path with those chunks of c, which read reads, that keep asks for. It returns the new
// contents, the new file opened for reading, and what it takes of the disk. The error that failing returns is that of
// the disk, for tests. After an error the file at path is the old one or the new one.
func Replace(
	path string, c *Contents, read Reader, keep func(*Entry) bool, failing func(op string) error,
) (*Contents, *os.File, int64, error) {
	tmp := path + ".tmp"
	out, err := Rewrite(tmp, c, read, keep)
	failpoint.Pass("segment.rewritten")
	if err == nil {
		err = failing("replace")
	}
	if err == nil {
		err = os.Rename(tmp, path)
	}
	failpoint.Pass("segment.replaced")
	if err == nil {
		err = boltfile.SyncDir(filepath.Dir(path))
	}
	if err != nil {
		// The error has been told.
		_ = os.Remove(tmp)
		return nil, nil, 0, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, 0, err
	}
	return out, f, boltfile.AllocatedBy(f), nil
}

// CreateNamed makes the file of a segment of about size bytes under its name in dir, which is durable when it returns,
// to be written, and opens it for reading. A segment that was only begun never has its name: it would pass for a
// damaged one.
func CreateNamed(path string, size int64, sync bool) (w *Writer, f *os.File, err error) {
	tmp := path + ".tmp"
	if w, err = Create(tmp, size, sync); err != nil {
		// what is left of it is empty.
		_ = os.Remove(tmp)
		return nil, nil, err
	}
	failpoint.Pass("segment.made")
	err = os.Rename(tmp, path)
	failpoint.Pass("segment.created")
	if err == nil {
		f, err = os.Open(path)
	}
	if err == nil {
		if err = boltfile.SyncDir(filepath.Dir(path)); err != nil {
			// Nothing was read.
			_ = f.Close()
		}
	}
	if err != nil {
		err = errors.Join(err, w.Close())
		// It is empty.
		_ = os.Remove(tmp)
		// Likewise.
		_ = os.Remove(path)
		return nil, nil, err
	}
	return w, f, nil
}
