// Package directory is the queue's directory: made, taken for one process, and looked after.
package directory

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
	"github.com/seed-afc6a195/aggregator/pkg/buffer"
)

// Directory is one that this process has taken. Its methods may be called from several goroutines, but for Close.
type Directory struct {
	path string
	lock *os.File
	gone atomic.Pointer[error]
}

// Take makes the directory at path where there is none, and takes it for this process. The error is
// buffer.ErrInUse where another one has it, and says what to do.
func Take(path string) (*Directory, error) {
	if err := boltfile.MakeDir(path); err != nil {
		return nil, Advise(fmt.Errorf("make queue directory: %w", err))
	}
	lock, holder, err := boltfile.Lock(path)
	if errors.Is(err, boltfile.ErrLocked) {
		return nil, fmt.Errorf("queue directory %s %w by process %s: stop that one, or set another buffer.path", path,
			buffer.ErrInUse, holder)
	}
	if err != nil {
		return nil, Advise(err)
	}
	return &Directory{path: path, lock: lock}, nil
}

// Close lets others take the directory.
func (d *Directory) Close() error { return d.lock.Close() }

// Gone returns why the directory is not the one any more that was taken, as far as Check has noticed; nil: it is.
func (d *Directory) Gone() error {
	if gone := d.gone.Load(); gone != nil {
		return *gone
	}
	return nil
}

// Check notices that the directory's path leads somewhere else by now: what is stored from then on would be in two
// places, of which the next start finds one. It returns an error the first time that it does.
func (d *Directory) Check() error {
	if d.gone.Load() != nil {
		return nil
	}
	path := filepath.Join(d.path, boltfile.LockFile)
	there, err := os.Stat(path)
	held, herr := d.lock.Stat()
	if herr != nil || err == nil && os.SameFile(there, held) || err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil //nolint:nilerr // that it cannot be looked at says nothing
	}
	err = fmt.Errorf("%s is not the directory any more that the queue was opened in, or somebody removed %s: it was "+
		"replaced, moved or unmounted; "+
		"put it back where it was, and start again", d.path, boltfile.LockFile)
	d.gone.Store(&err)
	return err
}

// Advise adds to an error with the queue's directory what to do about it.
func Advise(err error) error {
	var hint string
	switch {
	case errors.Is(err, syscall.EROFS):
		hint = "mount its file system for writing"
	case errors.Is(err, fs.ErrPermission):
		hint = fmt.Sprintf("let user %d, which this runs as, write there", os.Getuid())
	case errors.Is(err, syscall.ENOTDIR):
		hint = "a file is in the way: move it"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		hint = "free space or inodes there"
	default:
		return err
	}
	return fmt.Errorf("%w: %s, or set another buffer.path", err, hint)
}
