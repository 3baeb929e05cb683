package disk

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/internal/boltfile/boltfiletest"
	"github.com/seed-afc6a195/aggregator/internal/disktrace"
	"github.com/seed-afc6a195/aggregator/pkg/buffer"
)

// TestPowerCut lets a process use a queue, follows its writes and syncs, and cuts the power at every
// sync, every ack and between: whatever the disk has kept then, the queue opens, has all that was
// acknowledged and nothing else. A second process starts from what the first one's cut has left.
//
// AGG_POWERCUTS is how many states are tried, AGG_SEED repeats a run's choices. What the processes do
// differs from run to run, so a failure keeps the trace; AGG_POWERCUT_KEPT=DIR takes it up again.
func TestPowerCut(t *testing.T) {
	if os.Getenv(lifeDir) != "" {
		liveOnce()
	}
	states := 200
	if n, err := strconv.Atoi(os.Getenv("AGG_POWERCUTS")); err == nil {
		states = n
	}
	if dir := os.Getenv(keptDir); dir != "" {
		takeUp(t, dir).cuts(t, states/2)
		return
	}
	seed := boltfiletest.Seeds(t, 1)[0]
	t.Logf("AGG_SEED=%d", seed)
	start, ledger := &disktrace.State{Dir: map[string]*disktrace.State{}}, []mark(nil)
	must := []string{
		"make queue", "make lock", "replace journal", "replace state.db", "replace seg", "remove seg", "replace dead",
		"remove dead",
		"replace retry", "remove retry",
	}
	for round := range 2 {
		run := newLifeRun(t, seed, round, true, start, ledger)
		if run == nil {
			return
		}
		run.everything(t, must)
		must = must[3:] // they are there, or may be
		start, ledger = run.cuts(t, states/2)
	}
}

// Without sync a power cut takes what was acknowledged: were nothing found missing, TestPowerCut
// would find nothing either.
func TestPowerCutWithoutSync(t *testing.T) {
	run := newLifeRun(t, boltfiletest.Seeds(t, 1)[0], 0, false, &disktrace.State{Dir: map[string]*disktrace.State{}},
		nil)
	if run == nil {
		return
	}
	disk := disktrace.NewDisk(run.trace)
	lost := 0
	for i, op := 0, disk.Step(); op != nil; i, op = i+1, disk.Step() {
		if i%20 == 0 && checkState(t, disk.Lost(), run.marksBefore(i+1)) != nil {
			lost++
		}
	}
	if lost == 0 {
		t.Error("nothing acknowledged was missing, whenever the power was cut")
	}
}

// lifeRun is what a process did.
type lifeRun struct {
	root   string           // the directory that it worked in
	start  *disktrace.State // what it found there
	end    *disktrace.State // what it left
	before []mark           // of the runs before, up to where the power was cut
	log    string           // of strace
	seed   uint64
	trace  *disktrace.Trace
	kept   sync.Once
}

const keptDir = "AGG_POWERCUT_KEPT"

// newLifeRun runs a process that finds the directory as start, under strace with more arguments. It
// returns nil where that can't be done.
func newLifeRun(
	t *testing.T, seed uint64, round int, sync bool, start *disktrace.State, before []mark, args ...string,
) *lifeRun {
	t.Helper()
	strace, err := exec.LookPath("strace")
	if err == nil {
		err = exec.Command(strace, "-qq", "-o", os.DevNull, "-e", "trace=none", "true").Run()
	}
	if err != nil {
		need(t, fmt.Sprintf("strace and the right to trace: %v", err))
		return nil
	}
	dir := t.TempDir()
	run := &lifeRun{
		root: filepath.Join(dir, "data"), log: filepath.Join(dir, "trace"), start: start, before: before, seed: seed,
	}
	if err := start.Write(run.root); err != nil {
		t.Fatal(err)
	}
	command := append(disktrace.Args(run.log), args...)
	cmd := exec.Command(strace, append(command, os.Args[0], "-test.run=^TestPowerCut$")...)
	cmd.Env = append(os.Environ(), lifeDir+"="+filepath.Join(run.root, "queue"),
		fmt.Sprint(lifeRound, "=", round), fmt.Sprint(lifeSeed, "=", seed), fmt.Sprint(lifeSync, "=", sync))
	var out bytes.Buffer
	cmd.Stderr = &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("the traced process: %v\n%s", err, out.String())
	}
	if out.Len() > 0 && len(args) == 0 && round == 0 {
		t.Errorf("the traced process complains:\n%s", out.String())
	}
	run.parse(t)
	if run.end, err = disktrace.Read(run.root); err != nil {
		t.Fatal(err)
	}
	return run
}

func (run *lifeRun) parse(t *testing.T) {
	t.Helper()
	f, err := os.Open(run.log)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if run.trace, err = disktrace.Parse(f, run.root, run.start); err != nil {
		t.Fatal(err)
	}
}

// need skips the test, or fails it where E2E=required, because something is missing.
func need(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("E2E") == "required" {
		t.Fatal("needs " + what)
	}
	t.Skip("needs " + what)
}

// everything fails where the trace doesn't explain the files that the process left, or where the
// process did not do all that a queue does to files.
func (run *lifeRun) everything(t *testing.T, must []string) {
	t.Helper()
	disk := disktrace.NewDisk(run.trace)
	did := map[string]bool{}
	for op := disk.Step(); op != nil; op = disk.Step() {
		if op.Kind != disktrace.Link {
			continue
		}
		last := op.Links[len(op.Links)-1]
		what := "make"
		if last.Node < 0 {
			what = "remove"
		} else if len(op.Links) == 2 {
			what = "replace"
		}
		name, _, _ := strings.Cut(last.Name, "-")
		if ext := filepath.Ext(last.Name); ext == ".tmp" || ext == ".corrupt" {
			name += ext
		}
		did[what+" "+name] = true
	}
	if d := disk.Kept().Diff(run.end); d != "" {
		t.Errorf("the trace does not explain %s", d)
	}
	for _, what := range must {
		if !did[what] {
			t.Errorf("the process did not %s; it did %v", what, did)
		}
	}
}

// marksBefore returns what was said before operation n.
func (run *lifeRun) marksBefore(n int) []mark {
	marks := slices.Clone(run.before)
	for i := range run.trace.Ops[:n] {
		if op := &run.trace.Ops[i]; op.Kind == disktrace.Mark {
			var m mark
			if json.Unmarshal(op.Data, &m) == nil { // else it is not the test's
				marks = append(marks, m)
			}
		}
	}
	return marks
}

// cuts tries about n states and returns one of them, with what was said before.
func (run *lifeRun) cuts(t *testing.T, n int) (*disktrace.State, []mark) {
	t.Helper()
	type job struct {
		name  string
		state *disktrace.State
		marks []mark
	}
	jobs := make(chan job)
	var workers sync.WaitGroup
	for range 2 {
		workers.Go(func() {
			for j := range jobs {
				t.Run(j.name, func(t *testing.T) {
					if err := checkState(t, j.state, j.marks); err != nil {
						t.Errorf("%v\nagain: %s", err, run.keep(t))
					}
				})
			}
		})
	}
	r := rand.New(rand.NewPCG(run.seed, uint64(len(run.before))))
	ops := run.trace.Ops
	interesting := func(i int) bool { // the moments before a sync, after an ack, and before a name changes
		return i < len(ops) && (ops[i].Kind == disktrace.Sync || ops[i].Kind == disktrace.Link) ||
			i > 0 && ops[i-1].Kind == disktrace.Mark
	}
	moments := 0
	for i := range ops {
		if interesting(i) {
			moments++
		}
	}
	share := float64(n) / float64(moments*5/4)
	disk := disktrace.NewDisk(run.trace)
	last := job{state: disk.Kept()}
	for i := 0; ; i++ {
		likely := share
		if !interesting(i) {
			likely = share / 4
		}
		for ; r.Float64() < likely; likely-- {
			j := job{marks: run.marksBefore(i)}
			switch r.IntN(8) {
			case 0:
				j.name, j.state = fmt.Sprintf("%d lost", i), disk.Lost()
			case 1:
				j.name, j.state = fmt.Sprintf("%d kept", i), disk.Kept()
			default:
				seed := r.Uint64()
				j.name, j.state = fmt.Sprintf("%d %x", i, seed), disk.Random(rand.New(rand.NewPCG(seed, 0)))
			}
			jobs <- j
			if i < len(ops)*3/4 {
				last = j // the next process starts from a cut in the midst of things
			}
		}
		if disk.Step() == nil {
			break
		}
	}
	close(jobs)
	workers.Wait()
	return last.state, last.marks
}

// keptRun is a run that failed.
type keptRun struct {
	Root   string // that the process knew
	Seed   uint64
	Before []mark
}

// keep puts the run where it stays and returns how to take it up again.
func (run *lifeRun) keep(t *testing.T) string {
	t.Helper()
	run.kept.Do(func() {
		dir, err := os.MkdirTemp("", "powercut-")
		if err != nil {
			t.Fatal(err)
		}
		about, err := json.Marshal(keptRun{run.root, run.seed, run.before})
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, "run.json"), about, 0o600)
		}
		if err = errors.Join(
			err, run.start.Write(filepath.Join(dir, "start")), os.Rename(run.log, filepath.Join(dir, "trace")),
		); err != nil {
			t.Fatal(err)
		}
		run.log = filepath.Join(dir, "trace")
	})
	return fmt.Sprintf("AGG_SEED=%d %s=%s", run.seed, keptDir, filepath.Dir(run.log))
}

// takeUp returns a run that was kept.
func takeUp(t *testing.T, dir string) *lifeRun {
	t.Helper()
	var about keptRun
	b, err := os.ReadFile(filepath.Join(dir, "run.json"))
	if err == nil {
		err = json.Unmarshal(b, &about)
	}
	if err != nil {
		t.Fatal(err)
	}
	run := &lifeRun{root: about.Root, log: filepath.Join(dir, "trace"), seed: about.Seed, before: about.Before}
	if run.start, err = disktrace.Read(filepath.Join(dir, "start")); err != nil {
		t.Fatal(err)
	}
	run.kept.Do(func() {}) // it is
	run.parse(t)
	return run
}

// checkState opens a queue on what the disk has kept and says what is wrong with it.
func checkState(t *testing.T, state *disktrace.State, marks []mark) (err error) {
	t.Helper()
	dir := filepath.Join(boltfiletest.MemoryDir(t), "data")
	if err := state.Write(dir); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	defer func() {
		if err != nil {
			err = fmt.Errorf("%w\nlog:\n%s", err, log.String())
		}
	}()
	cfg := lifeConfig(filepath.Join(dir, "queue"))
	cfg.WhenFull = "block"
	l := ledgerOf(marks)
	for _, again := range []bool{false, true} {
		s, err := Open(cfg, buffer.Options{Log: zerolog.New(&log)})
		if err != nil {
			return fmt.Errorf("open: %w", err)
		}
		t.Cleanup(func() { _ = s.Close() }) // where a check ends before
		if !again {
			err = l.resend(s)
		}
		if err == nil {
			err = l.check(s)
		}
		if cerr := s.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			return fmt.Errorf("opened again: %t: %w", again, err)
		}
		l.settle()
	}
	return nil
}
