package boltfile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// LockFile is the name of the file that the owner of a directory has locked.
	LockFile = "lock"
	// lockWait is how long to wait for a predecessor that is about to end.
	lockWait = time.Second
)

// ErrLocked is returned for a directory that another process has locked.
var ErrLocked = errors.New("is locked")

// Lock takes the directory for this process. The lock is on a file of its own, never replaced
// nor set aside, and goes with the process however it ends; the file's text names the holder, which
// is returned with errLocked.
func Lock(dir string) (f *os.File, holder string, err error) {
	path := filepath.Join(dir, LockFile)
	f, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, "", fmt.Errorf("lock directory: %w", err)
	}
	for waited := time.Duration(0); ; waited += lockWait / 10 {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			break
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			// It is not locked.
			_ = f.Close()
			return nil, "", fmt.Errorf("lock directory with %s: %w", path, err)
		}
		if waited >= lockWait {
			// Only for the message.
			holder, _ := io.ReadAll(io.LimitReader(f, 32))
			// It is not locked.
			_ = f.Close()
			return nil, strings.TrimSpace(string(holder)), fmt.Errorf("directory %s %w", dir, ErrLocked)
		}
		time.Sleep(lockWait / 10)
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	if err != nil && !errors.Is(err, unix.ENOSPC) {
		// A full disk must not keep the queue from starting.
		_ = f.Close()
		return nil, "", fmt.Errorf("write %s: %w", path, err)
	}
	return f, "", nil
}
