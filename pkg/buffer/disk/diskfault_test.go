package disk

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/boltfile/boltfiletest"
	"github.com/seed-afc6a195/aggregator/internal/disktrace"
)

// TestFailingCalls lets the disk fail under a process that uses a queue, at each of its calls in turn
// until a run has fewer: nothing that was acknowledged is lost, even where a failed sync means that
// what was written before it is gone, whatever later syncs say. AGG_FAULTS=all tries every call, else
// the first ones and then fewer and fewer, but more of them with AGG_FAULTS=more.
func TestFailingCalls(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ call, fault string }{
		{"fdatasync", "EIO"},
		{"fsync", "EIO"},
		{"pwrite64", "ENOSPC"},
		{"pwrite64", "EIO"},
		{"pwrite64", "EDQUOT"},
		{"ftruncate", "ENOSPC"},
		{"renameat", "EIO"},
		{"unlinkat", "EIO"},
		{"linkat", "ENOSPC"},
		{"openat", "EMFILE"},
	} {
		t.Run(tc.call+" "+tc.fault, func(t *testing.T) {
			t.Parallel()
			hit := 0
			for n := 1; ; n++ {
				injected := failingCall(t, fmt.Sprintf("inject=%s:error=%s:when=%d", tc.call, tc.fault, n))
				if injected == 0 {
					break
				}
				hit += injected
				switch os.Getenv("AGG_FAULTS") {
				case "all":
				case "more":
					n += n / 2
				default:
					n += n
				}
			}
			t.Logf("%d calls failed", hit)
		})
		if tc.call == "openat" {
			continue // the process would not come to begin
		}
		t.Run(tc.call+" "+tc.fault+" for good", func(t *testing.T) {
			t.Parallel()
			for _, n := range []int{2, 7} {
				failingCall(t, fmt.Sprintf("inject=%s:error=%s:when=%d+", tc.call, tc.fault, n))
			}
		})
	}
}

// A process that puts dead letters back into the queue goes on after each of its syncs in turn has failed, and starts
// again without a reboot: what it finds then may be in memory only, and after a power cut no letter is there besides
// its event.
func TestFailingSyncsOfRequeue(t *testing.T) {
	t.Parallel()
	for _, what := range []string{"some", "all"} { // letters of a file, which is replaced or goes
		n := 8 // those before are of the start and of the letters' file: TestFailingCalls has them fail
		for failingCall(t, fmt.Sprintf("inject=fsync:error=EIO:when=%d", n), "-E", lifeRequeue+"="+what) > 0 {
			n++
		}
		if n < 13 && !t.Failed() {
			t.Errorf("%s: only %d calls", what, n-1)
		}
	}
}

// failingCall runs a process with the fault and more arguments of strace, and returns how many calls failed.
func failingCall(t *testing.T, fault string, args ...string) int {
	t.Helper()
	seed := boltfiletest.Seeds(t, 1)[0]
	run := newLifeRun(t, seed, 0, true, &disktrace.State{Dir: map[string]*disktrace.State{}}, nil,
		append(args, "-e", fault)...)
	if run == nil {
		return 0
	}
	check := func(what string, state *disktrace.State, marks []mark) {
		if err := checkState(t, state, marks); err != nil {
			t.Errorf("%s: %s: %v\nagain: %s", fault, what, err, run.keep(t))
		}
	}
	r := rand.New(rand.NewPCG(seed, 0))
	disk := disktrace.NewDisk(run.trace)
	cut := r.IntN(len(run.trace.Ops) + 1)
	for i := 0; ; i++ {
		if i == cut {
			check(fmt.Sprint("cut at ", i), disk.Random(r), run.marksBefore(i))
		}
		if disk.Step() == nil {
			break
		}
	}
	all := run.marksBefore(len(run.trace.Ops))
	check("end", run.end, all)
	check("end, without what was in doubt", disk.Lost(), all)
	check("end, without what failed syncs should have kept", disk.Deceived(), all)
	check("end, with some of it", disk.Random(r), all)
	return run.trace.Injected
}
