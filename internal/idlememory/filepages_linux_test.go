package idlememory

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// TestReleaseFilePages holds that not all of the program's file is resident any more, and that the program goes on.
func TestReleaseFilePages(t *testing.T) {
	resident := func() (kilobytes int) {
		t.Helper()
		text, err := os.ReadFile("/proc/self/status")
		if err != nil {
			t.Fatal(err)
		}
		_, text, _ = bytes.Cut(text, []byte("RssFile:"))
		if _, err := fmt.Sscan(string(text), &kilobytes); err != nil {
			t.Fatal(err)
		}
		return kilobytes
	}
	if err := adviseFilePages(unix.MADV_POPULATE_READ); errors.Is(err, unix.EINVAL) {
		t.Skip("the kernel is older than 5.14")
	} else if err != nil {
		t.Fatal(err)
	}
	before := resident()
	if err := releaseFilePages(); err != nil {
		t.Fatal(err)
	}
	if after := resident(); after >= before {
		t.Errorf("%d KiB of files are resident, %d before", after, before)
	}
}
