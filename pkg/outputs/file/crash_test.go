package file

import (
	"errors"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

// errKilled is what the program's end is in a test: a panic, after which nothing of it runs.
var errKilled = errors.New("killed")

// machine is a disk whose calls fail, and during one of which the program may end.
type machine struct {
	*rand.Rand
	kill   int // the call that is the last one; 0: none
	calls  int
	faults bool // calls fail now and then
}

func (m *machine) install(o *Output) {
	o.files.open = func(path string) (handle, error) {
		h, err := openAppend(path)
		return &machineFile{h.(*os.File), m}, err
	}
	o.files.move = func(from, to string) error {
		return m.call(func() error { return os.Rename(from, to) })
	}
}

// call ends the program before or after do, or has do fail.
func (m *machine) call(do func() error) error {
	m.calls++
	last := m.calls == m.kill
	if last && m.IntN(2) == 0 {
		panic(errKilled)
	}
	if m.faults && m.IntN(12) == 0 {
		return syscall.EIO
	}
	err := do()
	if last {
		panic(errKilled)
	}
	return err
}

type machineFile struct {
	*os.File
	disk *machine
}

func (f *machineFile) Write(p []byte) (n int, err error) {
	m := f.disk
	err = m.call(func() error {
		if m.calls == m.kill {
			p = p[:m.IntN(len(p)+1)]
		}
		n, err = f.File.Write(p)
		return err
	})
	if err != nil && n == 0 {
		n, _ = f.File.Write(p[:m.IntN(len(p)+1)])
	}
	return n, err
}

func (f *machineFile) Sync() error { return f.disk.call(f.File.Sync) }

func (f *machineFile) Truncate(size int64) error {
	return f.disk.call(func() error { return f.File.Truncate(size) })
}

// queue is events on their way to files, over several lives of the program.
type queue struct {
	*rand.Rand
	events []event.Event
	broken []bool // can't be rendered
	done   []bool // by what Send returned
	saved  []bool // of done, what a new life knows
}

// newQueue returns events of several chunks in turns. alike: all of a tag have the same line.
func newQueue(rnd *rand.Rand, alike bool) *queue {
	q := &queue{Rand: rnd}
	var chunks [][]event.Event
	n, pad := 0, []int{5, 5, 4000}[rnd.IntN(3)] // many lines in a write, or many writes
	for seq := range uint64(12) {
		size := 1 + rnd.IntN(60)
		events := outputtest.Batch(outputtest.Chunk(seq, "a", []string{"t", "t", "u"}[seq%3], size, n, pad)).Events
		chunks = append(chunks, events)
		if n += size; alike {
			for i := range events {
				events[i].Record, events[i].Time = chunks[0][0].Record, chunks[0][0].Time
			}
		}
	}
	for len(chunks) > 0 {
		i := rnd.IntN(min(3, len(chunks)))
		k := 1 + rnd.IntN(len(chunks[i]))
		q.events = append(q.events, chunks[i][:k]...)
		if chunks[i] = chunks[i][k:]; len(chunks[i]) == 0 {
			chunks = slices.Delete(chunks, i, i+1)
		}
	}
	q.broken = make([]bool, len(q.events))
	for i := range q.events {
		if rnd.IntN(15) == 0 {
			q.broken[i] = true
			q.events[i].Record = outputtest.Broken(nil).Record
		}
	}
	q.done, q.saved = make([]bool, len(q.events)), make([]bool, len(q.events))
	return q
}

// live has o deliver what is not saved, in at most so many batches. It returns true when the program was not killed.
func (q *queue) live(t *testing.T, o *Output, batches int) (survived bool) {
	t.Helper()
	defer func() {
		if r := recover(); r != nil && r != any(errKilled) {
			panic(r)
		}
	}()
	copy(q.done, q.saved)
	var waiting []int
	for i, saved := range q.saved {
		if !saved {
			waiting = append(waiting, i)
		}
	}
	most := 1 + q.IntN(300)
	for ; batches > 0 && len(waiting) > 0; batches-- {
		part := waiting[:min(1+q.IntN(most), len(waiting))]
		waiting = waiting[len(part):]
		b := &outputs.Batch{}
		for _, i := range part {
			b.Events = append(b.Events, q.events[i])
		}
		var se *outputs.SendError
		if err := o.Send(t.Context(), b); err != nil && !errors.As(err, &se) {
			t.Fatalf("%T: %v", err, err)
		}
		again := map[int]bool{}
		if se != nil {
			for _, f := range se.Failed {
				again[f.Index] = !f.Reason.Final()
				if f.Reason.Final() != q.broken[part[f.Index]] && f.Reason.Final() {
					t.Errorf("event %d was refused: %s", part[f.Index], f.Detail)
				}
			}
			if len(se.Failed) == 0 {
				t.Fatalf("everything failed: %v", se)
			}
		}
		var back []int
		for at, i := range part {
			if again[at] {
				back = append(back, i)
			} else {
				q.done[i] = true
			}
		}
		if q.IntN(2) == 0 {
			waiting = append(back, waiting...)
		} else { // others go first
			waiting = append(waiting, back...)
		}
		if q.IntN(3) == 0 {
			copy(q.saved, q.done)
		}
	}
	return true
}

// countLines counts the lines of all files below dir, by the n of their events.
func countLines(t *testing.T, dir string) map[int]int {
	t.Helper()
	lines := map[int]int{}
	for _, name := range tree(t, dir) {
		for _, n := range read(t, filepath.Join(dir, name)) {
			lines[n]++
		}
	}
	return lines
}

// want counts the events that have a line, by their n.
func (q *queue) want() map[int]int {
	lines := map[int]int{}
	for i := range q.events {
		if !q.broken[i] {
			lines[outputtest.Number(&q.events[i])]++
		}
	}
	return lines
}

// crashes is how many campaigns of crashes there are: AGG_CRASHES, or a few.
func crashes() uint64 {
	n, err := strconv.ParseUint(os.Getenv("AGG_CRASHES"), 10, 64)
	if err != nil {
		return 12
	}
	return n
}

// The program is killed in the middle of its calls, over and over, and has events handed out again in batches that are
// cut differently: every event is in the files once, also where calls fail and files are finished in between.
func TestCrash(t *testing.T) {
	for _, compression := range []string{compressionNone, compressionGzip, compressionZstd} {
		t.Run(compression, func(t *testing.T) {
			for seed := range crashes() {
				dir, c := t.TempDir(), newClock()
				rnd := rand.New(rand.NewPCG(seed, 7))
				cfg := Config{Path: filepath.Join(dir, "out", "{tag}.ndjson"), Compression: compression}
				switch seed % 3 {
				case 1:
					cfg.Rotate.MaxSize = 3000
				case 2:
					cfg.Rotate.MaxAge = time.Minute
				}
				q := newQueue(rnd, seed%2 == 1)
				m := &machine{Rand: rnd}
				for range 2 + rnd.IntN(6) {
					m.calls, m.kill, m.faults = 0, 1+rnd.IntN(12), rnd.IntN(2) == 0
					o := openWith(t, cfg, c, filepath.Join(dir, "file.log"))
					m.install(o)
					if q.live(t, o, 1+rnd.IntN(12)) && rnd.IntN(4) == 0 {
						copy(q.saved, q.done) // a stop in good order
					}
					if err := o.Close(); err != nil {
						t.Fatal(err)
					}
					c.now = c.now.Add(time.Duration(rnd.IntN(70)) * time.Second)
				}
				m.kill, m.faults = 0, false
				o := openWith(t, cfg, c, filepath.Join(dir, "file.log"))
				m.install(o)
				q.live(t, o, 1<<20)
				if got, want := countLines(t, filepath.Join(dir, "out")), q.want(); !maps.Equal(got, want) {
					t.Fatalf("seed %d: lines by number %v, want %v", seed, got, want)
				}
				if n := o.Report().PossibleDuplicates; n != 0 {
					t.Errorf("seed %d: %d events may be there twice, it says", seed, n)
				}
				if err := o.Close(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}
