package buffer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// allocated returns the bytes of disk that a file takes, which may be fewer than its length.
func allocated(st os.FileInfo) int64 {
	if sys, ok := st.Sys().(*syscall.Stat_t); ok {
		return sys.Blocks * 512
	}
	return st.Size()
}

// freeDisk returns how many bytes of the disk that holds dir are free and how many it has.
func freeDisk(dir string) (free, total int64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, 0, fmt.Errorf("ask for the free space of %s: %w", dir, err)
	}
	unit := int64(st.Bsize) //nolint:unconvert // its type differs between systems
	return int64(st.Bavail) * unit, int64(st.Blocks) * unit, nil
}

// makeDir makes dir, and what is missing above it, so that its name survives a power loss. Where that
// can't be said of a new directory, it goes again: a later sync might not say the truth.
func makeDir(dir string) error {
	parent := filepath.Dir(filepath.Clean(dir))
	err := os.Mkdir(dir, 0o750)
	if errors.Is(err, fs.ErrNotExist) && parent != dir {
		if err := makeDir(parent); err != nil {
			return err
		}
		err = os.Mkdir(dir, 0o750)
	}
	made := err == nil
	if st, serr := os.Stat(dir); !made && serr == nil && !st.IsDir() {
		return &fs.PathError{Op: "mkdir", Path: dir, Err: syscall.ENOTDIR}
	} else if !made && serr != nil {
		return err
	}
	if err = syncDir(parent); err != nil && made {
		err = errors.Join(err, os.Remove(dir))
	}
	return err
}

// advise adds to an error with the queue's directory what to do about it.
func advise(err error) error {
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

// syncDir makes the names in dir survive a power loss.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	err = f.Sync()
	_ = f.Close() // only read from
	if err != nil {
		return fmt.Errorf("sync directory %s: %w", dir, err)
	}
	return nil
}
