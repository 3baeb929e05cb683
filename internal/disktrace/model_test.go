package disktrace

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// world is a directory of files as a process sees it, and what strace says of the process.
type world struct {
	*rand.Rand
	files map[string]*[]byte
	// fds are files by descriptor, and where each is read and written on.
	fds   map[int]*[]byte
	at    map[int]int
	next  int
	lines []string
}

func (w *world) say(format string, args ...any) {
	w.lines = append(w.lines, fmt.Sprintf("1 "+format, args...))
}

// letters are written: another one each time.
func (w *world) letters(n int) string { return strings.Repeat(string(rune('a'+w.IntN(26))), n) }

func (w *world) name() string { return string(rune('p' + w.IntN(4))) }

// fd returns an open descriptor; 0: there is none.
func (w *world) fd() int {
	all := slices.Sorted(maps.Keys(w.fds))
	if len(all) == 0 {
		return 0
	}
	return all[w.IntN(len(all))]
}

// act has the process do something.
func (w *world) act() {
	switch w.IntN(9) {
	case 0, 1:
		w.open()
	case 2, 3, 4:
		w.write()
	case 5:
		if fd := w.fd(); fd > 0 {
			size := w.IntN(3000)
			w.say("ftruncate(%d, %d) = 0", fd, size)
			data := w.fds[fd]
			for len(*data) < size {
				*data = append(*data, 0)
			}
			*data = (*data)[:size]
		}
	case 6:
		if from, to := w.name(), w.name(); w.files[from] != nil && from != to {
			w.say(`renameat(AT_FDCWD, "/q/%s", AT_FDCWD, "/q/%s") = 0`, from, to)
			w.files[to] = w.files[from]
			delete(w.files, from)
		}
	case 7:
		if name := w.name(); w.files[name] != nil {
			w.say(`unlinkat(AT_FDCWD, "/q/%s", 0) = 0`, name)
			delete(w.files, name)
		}
	case 8:
		if fd := w.fd(); fd > 0 {
			w.say("close(%d) = 0", fd)
			delete(w.fds, fd)
		}
	}
}

func (w *world) open() {
	name := w.name()
	w.next++
	fd, flags := w.next, "O_RDWR|O_CREAT"
	if w.IntN(5) == 0 {
		flags += "|O_TRUNC"
	}
	w.say(`openat(AT_FDCWD, "/q/%s", %s, 0600) = %d`, name, flags, fd)
	if w.files[name] == nil {
		w.files[name] = new([]byte)
	} else if strings.HasSuffix(flags, "O_TRUNC") {
		*w.files[name] = nil
	}
	w.fds[fd], w.at[fd] = w.files[name], 0
}

func (w *world) write() {
	fd := w.fd()
	if fd == 0 {
		return
	}
	text := w.letters(1 + w.IntN(1500))
	done := 1 + w.IntN(len(text))
	if w.IntN(3) > 0 {
		done = len(text)
	}
	off := w.at[fd]
	if w.IntN(2) == 0 {
		off = w.IntN(2000)
		w.say(`pwrite64(%d, "%s", %d, %d) = %d`, fd, text, len(text), off, done)
	} else {
		w.say(`write(%d, "%s", %d) = %d`, fd, text, len(text), done)
		w.at[fd] += done
	}
	data := w.fds[fd]
	for len(*data) < off+done {
		*data = append(*data, 0)
	}
	copy((*data)[off:], text[:done])
}

// seen is the directory as the process sees it.
func (w *world) seen() *State {
	s := &State{Dir: map[string]*State{}}
	for name, data := range w.files {
		s.Dir[name] = &State{Data: *data}
	}
	return s
}

// Where only the process ends, all that it did is there, whatever it did; where all was synced a power cut takes
// nothing, and where nothing was it may leave the disk as it was before.
func TestModel(t *testing.T) {
	for i := range uint64(400) {
		w := &world{
			Rand: rand.New(
				rand.NewPCG(23, i),
			), files: map[string]*[]byte{}, fds: map[int]*[]byte{}, at: map[int]int{}, next: 2,
		}
		start := dir("p", "old", "z", "never touched")
		for name, s := range start.Dir {
			data := slices.Clone(s.Data)
			w.files[name] = &data
		}
		w.open()
		for range w.IntN(30) {
			w.act()
		}
		kept := w.seen()
		d := NewDisk(trace(t, start, slices.Clone(w.lines)...))
		for d.Step() != nil {
		}
		if diff := d.Kept().Diff(kept); diff != "" {
			t.Fatalf("campaign %d: with all of it kept%s\n%s", i, diff, strings.Join(w.lines, "\n"))
		}
		if diff := d.Lost().Diff(dir("p", "old", "z", "never touched")); diff != "" {
			t.Fatalf("campaign %d: with all of it lost%s", i, diff)
		}
		// Every byte of what a cut leaves is one that was written there, or that was there before.
		for seed := range uint64(10) {
			got := d.Random(rand.New(rand.NewPCG(i, seed)))
			if z := got.Dir["z"]; z == nil || string(z.Data) != "never touched" {
				t.Fatalf("campaign %d: what nobody touched is %+v", i, z)
			}
			for name, s := range got.Dir {
				if strings.Trim(string(s.Data), "abcdefghijklmnopqrstuvwxyz \x00") != "" {
					t.Fatalf("campaign %d: %s has what nobody wrote: %q", i, name, s.Data)
				}
			}
		}
		w.sync()
		if diff := w.certain(t).Diff(kept); diff != "" {
			t.Fatalf("campaign %d: with all of it synced%s\n%s", i, diff, strings.Join(w.lines, "\n"))
		}
	}
}

// sync makes everything certain: each file that has a name, and the names.
func (w *world) sync() {
	for _, name := range slices.Sorted(maps.Keys(w.files)) {
		w.next++
		w.say(`openat(AT_FDCWD, "/q/%s", O_RDWR) = %d`, name, w.next)
		w.say("fsync(%d) = 0", w.next)
	}
	w.next++
	w.say(`openat(AT_FDCWD, "/q", O_RDONLY) = %d`, w.next)
	w.say("fsync(%d) = 0", w.next)
}

// certain is what is on the disk for certain after all that the process did.
func (w *world) certain(t *testing.T) *State {
	t.Helper()
	d := NewDisk(trace(t, dir("p", "old", "z", "never touched"), slices.Clone(w.lines)...))
	for d.Step() != nil {
	}
	return d.Lost()
}

// A sync that failed makes nothing certain, and what it should have made certain is doubted for ever: a disk that lies
// may keep anything else.
func TestDeceived(t *testing.T) {
	for _, tc := range []struct {
		name     string
		trace    []string
		deceived *State
	}{
		{"no sync", []string{create, write}, dir("a", "abc")},
		{"a good one", []string{create, write, sync}, dir("a", "abc")},
		{"one that failed", []string{create, write, `1 fdatasync(3) = -1 EIO (Input/output error)`}, dir("a", "")},
		{
			"one of the names that failed",
			[]string{
				create, write, sync, openDir, `1 fsync(4) = -1 EIO (Input/output error)`,
			},
			dir(),
		},
		{
			"what came after it",
			[]string{
				create, openDir, syncTop, write, `1 fdatasync(3) = -1 EIO (Input/output error)`,
				`1 pwrite64(3, "xyz", 3, 3) = 3`,
			},
			dir("a", "\x00\x00\x00xyz"),
		},
		{
			"written again",
			[]string{
				create, openDir, syncTop, write, `1 fdatasync(3) = -1 EIO (Input/output error)`, write, sync,
			},
			dir("a", "abc"),
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := NewDisk(trace(t, dir(), slices.Clone(tc.trace)...))
			for d.Step() != nil {
			}
			if diff := d.Deceived().Diff(tc.deceived); diff != "" {
				t.Errorf("%s: %+v", diff, d.Deceived().Dir)
			}
		})
	}
}
