package file

import (
	"flag"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain fails where a test leaves a goroutine behind. Temporary files are kept in memory where that is possible: the
// tests sync thousands of times. Benchmarks measure the disk.
func TestMain(m *testing.M) {
	flag.Parse()
	info, err := os.Stat("/dev/shm")
	if err == nil && info.IsDir() && flag.Lookup("test.bench").Value.String() == "" {
		if err := os.Setenv("TMPDIR", "/dev/shm"); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}
