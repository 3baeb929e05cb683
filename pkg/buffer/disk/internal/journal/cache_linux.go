package journal

import (
	"os"

	"golang.org/x/sys/unix"
)

// forgetCached has the kernel forget what it has in memory of f, which is on disk. What was written or read in one go
// may be in memory as one piece, all of which then counts as changed, and is written, for each small record in it.
func forgetCached(f *os.File) {
	// Only saves work.
	_ = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
}
