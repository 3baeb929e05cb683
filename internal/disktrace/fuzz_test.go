package disktrace

import (
	"strings"
	"testing"
)

// FuzzParse reads any trace: what can't be read is an error with its line, and of what can be, the disk after all of it
// is between all that may be lost and all that may be kept.
func FuzzParse(f *testing.F) {
	for _, lines := range [][]string{
		{create, write, sync, openDir, syncTop},
		{
			create, `1 fdatasync(3 <unfinished ...>`, `2 pwrite64(3, "abc", 3, 0 <unfinished ...>`,
			`1 <... fdatasync resumed>) = 0`,
		},
		{`1 renameat(AT_FDCWD, "/q/b", AT_FDCWD, "/q/c") = 0`, `1 ftruncate(3, 2) = 0`, `1 unlink("/q/d") = 0`},
		{
			`1 mkdirat(AT_FDCWD, "/q/e", 0750) = 0`, `1 rmdir("/q/e") = 0`,
			`1 linkat(AT_FDCWD, "/q/b", AT_FDCWD, "/q/f", 0) = 0`, `1 openat(AT_FDCWD, "/q/b/x", O_CREAT, 0600) = 5`,
		},
		{
			`1 write(3) = 0`, `1 close() = 0`, `1 openat(3) = 4`, `1 ftruncate(3) = 0`, `1 pwrite64(3, "x", 1) = 1`,
			"1 +++ exited with 0 +++",
		},
		{`1 write(1, "acked", 5) = 5`, `1 openat(AT_FDCWD, "/q", O_RDONLY) = 1`, `1 write(1, "x", 1) = -1 EIO`},
	} {
		for i, line := range lines {
			parts := strings.Split(line, `"`)
			for j := 1; j < len(parts); j += 2 {
				parts[j] = hex(parts[j])
			}
			lines[i] = strings.Join(parts, "")
			f.Add(lines[i] + "\n")
		}
		f.Add(strings.Join(lines, "\n") + "\n")
	}
	f.Fuzz(func(t *testing.T, log string) {
		tr, err := Parse(strings.NewReader(log), "/q", dir("b", "old", "d", "x"))
		if err != nil {
			if !strings.HasPrefix(err.Error(), "line ") {
				t.Errorf("where? %v", err)
			}
			return
		}
		// What a trace extends a file to is not made here.
		for _, op := range tr.Ops {
			if op.Size > 1<<20 || op.Off > 1<<20 {
				return
			}
		}
		d := NewDisk(tr)
		for d.Step() != nil {
		}
		if d.Lost() == nil || d.Kept() == nil {
			t.Error("no state")
		}
	})
}
