package idlememory

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// releaseFilePages gives up the pages of the program's own file, most of which only the start or a burst had use for:
// those that are needed again come back from the page cache. They are a third of what an idle program has resident.
func releaseFilePages() error { return adviseFilePages(unix.MADV_DONTNEED) }

// adviseFilePages tells the kernel what to do with the parts of the program's file in memory that can't have been
// written to.
func adviseFilePages(advice uintptr) error {
	path, err := os.Executable()
	if err != nil {
		return err
	}
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return err
	}
	// Only read from.
	defer func() { _ = maps.Close() }()
	lines := bufio.NewScanner(maps)
	for lines.Scan() {
		if !strings.HasSuffix(lines.Text(), " "+path) {
			continue
		}
		var from, to uintptr
		var rights string
		if _, err := fmt.Sscanf(lines.Text(), "%x-%x %s", &from, &to, &rights); err != nil {
			return fmt.Errorf("%s: %w", lines.Text(), err)
		}
		if rights != "r-xp" && rights != "r--p" {
			continue
		}
		if _, _, errno := unix.Syscall(unix.SYS_MADVISE, from, to-from, advice); errno != 0 {
			return fmt.Errorf("madvise: %w", errno)
		}
	}
	return lines.Err()
}
