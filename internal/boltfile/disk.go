package boltfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// Allocated returns the bytes of disk that a file takes, which may be fewer than its length.
func Allocated(st os.FileInfo) int64 {
	if sys, ok := st.Sys().(*syscall.Stat_t); ok {
		return sys.Blocks * 512
	}
	return st.Size()
}

// FreeDisk returns how many bytes of the disk that holds dir are free and how many it has.
func FreeDisk(dir string) (free, total int64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, 0, fmt.Errorf("ask for the free space of %s: %w", dir, err)
	}
	unit := int64(st.Bsize) //nolint:unconvert // its type differs between systems
	return int64(st.Bavail) * unit, int64(st.Blocks) * unit, nil
}

// MakeDir makes dir, and what is missing above it, so that its name survives a power loss. Where that
// can't be said of a new directory, it goes again: a later sync might not say the truth.
func MakeDir(dir string) error {
	parent := filepath.Dir(filepath.Clean(dir))
	err := os.Mkdir(dir, 0o750)
	if errors.Is(err, fs.ErrNotExist) && parent != dir {
		if err := MakeDir(parent); err != nil {
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
	if err = SyncDir(parent); err != nil && made {
		err = errors.Join(err, os.Remove(dir))
	}
	return err
}

// SyncDir makes the names in dir survive a power loss.
func SyncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	err = f.Sync()
	// Only read from.
	_ = f.Close()
	if err != nil {
		return fmt.Errorf("sync directory %s: %w", dir, err)
	}
	return nil
}

// AllocatedBy returns the bytes of disk that f takes.
func AllocatedBy(f *os.File) int64 {
	st, err := f.Stat()
	if err != nil {
		return 0
	}
	return Allocated(st)
}

// WriteSynced writes a file that is on disk when it returns; the entry in its directory is not synced.
func WriteSynced(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Sync(), f.Close())
}
