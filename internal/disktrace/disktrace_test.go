package disktrace

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// hex returns s as strace -xx shows it.
func hex(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		fmt.Fprintf(&b, `\x%02x`, c)
	}
	return `"` + b.String() + `"`
}

// trace makes lines of strace's: between quotes stands what it shows in hexadecimal.
func trace(t *testing.T, start *State, lines ...string) *Trace {
	t.Helper()
	for i, line := range lines {
		parts := strings.Split(line, `"`)
		for j := 1; j < len(parts); j += 2 {
			parts[j] = hex(parts[j])
		}
		lines[i] = strings.Join(parts, "")
	}
	tr, err := Parse(strings.NewReader(strings.Join(lines, "\n")+"\n"), "/q", start)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func dir(pairs ...string) *State {
	s := &State{Dir: map[string]*State{}}
	for i := 0; i < len(pairs); i += 2 {
		s.Dir[pairs[i]] = &State{Data: []byte(pairs[i+1])}
	}
	return s
}

const (
	create  = `1 openat(AT_FDCWD, "/q/a", O_RDWR|O_CREAT|O_CLOEXEC, 0600) = 3`
	write   = `1 pwrite64(3, "abc", 3, 0) = 3`
	sync    = `1 fdatasync(3)                        = 0`
	openDir = `1 openat(AT_FDCWD, "/q", O_RDONLY|O_CLOEXEC) = 4`
	syncTop = `1 fsync(4) = 0`
)

// What is lost for certain, and kept for certain, after all of a trace.
func TestDisk(t *testing.T) {
	for _, tc := range []struct {
		name       string
		start      *State
		trace      []string
		lost, kept *State
	}{
		{"nothing synced", dir(), []string{create, write}, dir(), dir("a", "abc")},
		{"its name is not synced", dir(), []string{create, write, sync}, dir(), dir("a", "abc")},
		{"its bytes are not synced", dir(), []string{create, write, openDir, syncTop}, dir("a", ""), dir("a", "abc")},
		{"all synced", dir(), []string{create, write, sync, openDir, syncTop}, dir("a", "abc"), dir("a", "abc")},
		{"outside", dir(), []string{`1 openat(AT_FDCWD, "/elsewhere", O_RDWR|O_CREAT, 0600) = 3`, write}, dir(), dir()},
		{
			"overwritten", dir("a", "12345"), []string{create, write}, dir("a", "12345"), dir("a", "abc45"),
		},
		{
			"cut and extended", dir("a", "12345"),
			[]string{create, `1 ftruncate(3, 2) = 0`, `1 ftruncate(3, 4) = 0`, sync},
			dir("a", "12\x00\x00"), dir("a", "12\x00\x00"),
		},
		{
			"emptied when opened", dir("a", "12345"),
			[]string{
				`1 openat(AT_FDCWD, "/q/a", O_WRONLY|O_CREAT|O_TRUNC, 0600) = 3`, `1 write(3, "x", 1) = 1`,
				`1 write(3, "y", 1) = 1`,
			},
			dir("a", "12345"), dir("a", "xy"),
		},
		{
			"appended", dir("a", "12"), []string{
				`1 openat(AT_FDCWD, "/q/a", O_WRONLY|O_APPEND) = 3`, `1 write(3, "x", 1) = 1`,
			}, dir("a", "12"), dir("a", "12x"),
		},
		{
			"renamed", dir("a", "new", "b", "old"),
			[]string{`1 renameat(AT_FDCWD, "/q/a", AT_FDCWD, "/q/b") = 0`},
			dir("a", "new", "b", "old"), dir("b", "new"),
		},
		{"removed", dir("a", "1"), []string{`1 unlinkat(AT_FDCWD, "/q/a", 0) = 0`}, dir("a", "1"), dir()},
		{
			"linked", dir("a", "1"),
			[]string{`1 linkat(AT_FDCWD, "/q/a", AT_FDCWD, "/q/b", 0) = 0`, openDir, syncTop},
			dir("a", "1", "b", "1"), dir("a", "1", "b", "1"),
		},
		{
			"a call that failed", dir("a", "1"), []string{
				`1 unlinkat(AT_FDCWD, "/q/a", 0) = -1 EIO (Input/output error) (INJECTED)`,
			}, dir("a", "1"), dir("a", "1"),
		},
		{
			"a write that was not whole", dir(),
			[]string{create, `1 pwrite64(3, "abc", 3, 0) = 2`, sync, openDir, syncTop},
			dir("a", "ab"), dir("a", "ab"),
		},
		{
			"a sync that failed, and then works", dir("a", ""),
			[]string{
				create, write, `1 fdatasync(3) = -1 EIO (Input/output error) (INJECTED)`,
				`1 pwrite64(3, "d", 1, 3) = 1`, sync,
			},
			dir("a", "\x00\x00\x00d"), dir("a", "abcd"),
		},
		{
			"written again after a sync that failed", dir("a", ""),
			[]string{create, write, `1 fdatasync(3) = -1 EIO (Input/output error)`, write, sync},
			dir("a", "abc"), dir("a", "abc"),
		},
		{
			"a write that began before a sync and ended after it", dir("a", ""),
			[]string{
				create, `1 fdatasync(3 <unfinished ...>`, `2 pwrite64(3, "abc", 3, 0 <unfinished ...>`,
				`1 <... fdatasync resumed>) = 0`, `2 <... pwrite64 resumed>) = 3`,
			},
			dir("a", ""), dir("a", "abc"),
		},
		{
			"a descriptor used again", dir("a", "", "b", ""), []string{
				create, `1 close(3) = 0`, `1 openat(AT_FDCWD, "/q/b", O_RDWR) = 3`, write, sync,
			}, dir("a", "", "b", "abc"), dir("a", "", "b", "abc"),
		},
		{
			"a directory", dir(),
			[]string{`1 mkdirat(AT_FDCWD, "/q/d", 0750) = 0`, `1 openat(AT_FDCWD, "/q/d/a", O_RDWR|O_CREAT, 0600) = 3`},
			dir(), &State{Dir: map[string]*State{"d": dir("a", "")}},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := NewDisk(trace(t, tc.start, tc.trace...))
			for d.Step() != nil {
			}
			if diff := d.Lost().Diff(tc.lost); diff != "" {
				t.Errorf("all lost: %s", diff)
			}
			if diff := d.Kept().Diff(tc.kept); diff != "" {
				t.Errorf("all kept: %s", diff)
			}
			for i := range uint64(50) { // between these two lies all that can be
				if got := d.Random(rand.New(rand.NewPCG(i, 0))); tc.lost.Diff(tc.kept) == "" &&
					got.Diff(tc.kept) != "" {
					t.Errorf("nothing is uncertain, and yet %s", got.Diff(tc.kept))
				}
			}
		})
	}
}

// Of a write, sectors are kept and lost one by one, in any order.
func TestTornWrite(t *testing.T) {
	d := NewDisk(
		trace(t, dir("a", strings.Repeat("-", 2048)), create,
			`1 pwrite64(3, "`+strings.Repeat("x", 2048)+`", 2048, 0) = 2048`),
	)
	for d.Step() != nil {
	}
	seen := map[string]bool{}
	for i := range uint64(400) {
		var sectors strings.Builder
		for data := d.Random(rand.New(rand.NewPCG(i, 1))).Dir["a"].Data; len(data) > 0; data = data[sector:] {
			if s := string(data[:sector]); s != strings.Repeat("x", sector) && s != strings.Repeat("-", sector) {
				t.Fatalf("a sector is torn: %q", s)
			}
			sectors.WriteByte(data[0])
		}
		seen[sectors.String()] = true
	}
	for _, want := range []string{"----", "xxxx", "x---", "---x", "x-x-", "-xx-"} {
		if !seen[want] {
			t.Errorf("%s was never tried", want)
		}
	}
}

func TestMarks(t *testing.T) {
	tr := trace(t, dir(), create, write, `1 write(1, "acked", 5) = 5`, sync)
	if got := tr.Ops[2]; got.Kind != Mark || string(got.Data) != "acked" {
		t.Errorf("%+v", got)
	}
}

func TestParseFailures(t *testing.T) {
	for _, tc := range []struct{ name, line string }{
		{"no call", "1 something\n"},
		{"no result", "1 close(3)\n"},
		{"the end of nothing", "1 <... close resumed>) = 0\n"},
		{"a string that is cut", `1 write(1, "\x61"..., 5) = 5` + "\n"},
		{"no hexadecimal", `1 write(1, "abcd", 4) = 4` + "\n"},
		{"more written than shown", `1 write(1, "\x61", 5) = 5` + "\n"},
		{"fewer arguments than it has", "1 openat(3) = 4\n"},
		{"a write of nothing", "1 write(1) = 0\n"},
		{"a write without a place", `1 pwrite64(3, "\x61", 1) = 1` + "\n"},
		{"the new name of nothing", `1 rename(` + hex("/q/x") + `, ` + hex("/q/y") + `) = 0` + "\n"},
		{"a name that goes elsewhere", `1 rename(` + hex("/q/a") + `, ` + hex("/elsewhere") + `) = 0` + "\n"},
		{"one name of two", `1 link(` + hex("/q/a") + `) = 0` + "\n"},
		{"no name at all", "1 unlink(3) = 0\n"},
		{"a file that nobody made", `1 openat(AT_FDCWD, ` + hex("/q/x") + `, O_RDONLY) = 3` + "\n"},
	} {
		if _, err := Parse(strings.NewReader(tc.line), "/q", dir("a", "1")); err == nil ||
			!strings.HasPrefix(err.Error(), "line 1 of the trace: ") {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}

// What is not below the root, or happens to a descriptor that is not, changes nothing; a line that is cut at the end of
// the trace has not happened.
func TestParse_Elsewhere(t *testing.T) {
	for name, lines := range map[string][]string{
		"another directory": {`1 openat(AT_FDCWD, "/queue/a", O_RDWR|O_CREAT, 0600) = 3`, write, sync},
		"a name elsewhere":  {`1 unlink("/tmp/a") = 0`, `1 mkdir("/tmp/d", 0700) = 0`},
		"within a file":     {`1 openat(AT_FDCWD, "/q/a/b", O_RDWR|O_CREAT, 0600) = 3`, write},
		"no descriptor":     {`1 ftruncate(9, 0) = 0`, `1 fsync(9) = 0`, `1 close(9) = 0`, `1 write(2, "x", 1) = 1`},
		"what failed":       {`1 openat(AT_FDCWD, "/q/b", O_RDWR|O_CREAT, 0600) = -1 ENOSPC (No space)`, write},
		"a thread's end":    {`1 +++ exited with 0 +++`, `2 --- SIGTERM {} ---`, `3 ???( <unfinished ...>`},
		"not known how":     {`1 openat(AT_FDCWD, "/q/b", O_RDWR|O_CREAT, 0600) = ?`},
	} {
		tr := trace(t, dir("a", "1"), lines...)
		for _, op := range tr.Ops {
			if op.Kind != None {
				t.Errorf("%s: %+v", name, op)
			}
		}
	}
	const cut = `1 unlink("\x2f\x71\x2f\x61") = 0`
	if tr, err := Parse(strings.NewReader(cut), "/q", dir("a", "1")); err != nil || len(tr.Ops) != 0 {
		t.Errorf("%v, %v", tr, err)
	}
	if args := Args("/log"); args[len(args)-1][:6] != "trace=" || !slices.Contains(args, "/log") {
		t.Errorf("strace is called with %v", args)
	}
}

func TestStateOnDisk(t *testing.T) {
	want := &State{Dir: map[string]*State{
		"empty": {Data: nil}, "holes": {Data: []byte(strings.Repeat("\x00", 3*page) + "x")}, "d": dir("a", "b"),
	}}
	at := filepath.Join(t.TempDir(), "s")
	if err := want.Write(at); err != nil {
		t.Fatal(err)
	}
	got, err := Read(at)
	if err != nil {
		t.Fatal(err)
	}
	if d := got.Diff(want); d != "" {
		t.Error(d)
	}
	for _, other := range []*State{
		dir("a", "1"), {Data: []byte("x")}, {Dir: map[string]*State{"empty": {}, "holes": {}, "d": dir("a", "b")}},
	} {
		if got.Diff(other) == "" || other.Diff(got) == "" {
			t.Errorf("no difference to %v", other)
		}
	}
}
