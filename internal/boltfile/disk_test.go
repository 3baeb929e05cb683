package boltfile_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
)

func put(tb testing.TB, path, content string) string {
	tb.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

// A directory is made with all above it, and one that is there is as good.
func TestMakeDir(t *testing.T) {
	top := t.TempDir()
	file := put(t, filepath.Join(top, "file"), "")
	if err := os.Symlink(top, filepath.Join(top, "link")); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, dir string
		want      error
	}{
		{"new", "a", nil},
		{"there already", "a", nil},
		{"with what is above it", "b/c/d", nil},
		{"with a slash behind it", "e/", nil},
		{"through a link", "link/f", nil},
		{"a link", "link", nil},
		{"a file", "file", syscall.ENOTDIR},
		{"in a file", "file/g", syscall.ENOTDIR},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := top + "/" + tc.dir
			err := boltfile.MakeDir(dir)
			if !errors.Is(err, tc.want) {
				t.Fatalf("%v, want %v", err, tc.want)
			}
			if st, serr := os.Stat(dir); tc.want == nil && (serr != nil || !st.IsDir()) {
				t.Errorf("no directory: %v", serr)
			}
		})
	}
	if err := boltfile.SyncDir(filepath.Join(top, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a directory that is not there is synced: %v", err)
	}
	if st, err := os.Stat(file); err != nil || st.IsDir() {
		t.Errorf("the file: %v", err)
	}
}

// A file is what was written last, however long the one before was.
func TestWriteSynced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	for _, content := range []string{"long content", "short", ""} {
		if err := boltfile.WriteSynced(path, []byte(content)); err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(path); string(b) != content || err != nil {
			t.Errorf("%q, %v, want %q", b, err, content)
		}
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", st.Mode(), err)
	}
	if err := boltfile.WriteSynced(t.TempDir(), nil); err == nil {
		t.Error("a directory was written")
	}
}

// A file with a hole takes less of the disk than it is long.
func TestAllocated(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(10 << 20); err != nil {
		t.Fatal(err)
	}
	hole := boltfile.AllocatedBy(f)
	if _, err := f.WriteAt(bytes.Repeat([]byte{1}, 1<<20), 5<<20); err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	if filled := boltfile.AllocatedBy(f); hole > 64<<10 || filled < 1<<20 || filled > 2<<20 {
		t.Errorf("%d bytes, and then %d", hole, filled)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if n := boltfile.AllocatedBy(f); n != 0 {
		t.Errorf("a file that is closed has %d", n)
	}
}

func TestFreeDisk(t *testing.T) {
	free, total, err := boltfile.FreeDisk(t.TempDir())
	if err != nil || free < 0 || total <= 0 || free > total {
		t.Errorf("%d of %d, %v", free, total, err)
	}
	if _, _, err = boltfile.FreeDisk("/no/such/directory"); !errors.Is(err, os.ErrNotExist) ||
		!strings.Contains(err.Error(), "/no/such/directory") {
		t.Errorf("a directory that is not there: %v", err)
	}
}

// A directory has one owner at a time, whom the others are told; what the lock's file held before does not matter.
func TestLock(t *testing.T) {
	dir := t.TempDir()
	path := put(t, filepath.Join(dir, boltfile.LockFile), "4711 is a long number of a process of before")
	f, holder, err := boltfile.Lock(dir)
	if err != nil || holder != "" {
		t.Fatal(holder, err)
	}
	own := strconv.Itoa(os.Getpid())
	if b, err := os.ReadFile(path); string(b) != own+"\n" || err != nil {
		t.Errorf("the file says %q, %v", b, err)
	}
	if second, holder, err := boltfile.Lock(dir); second != nil || holder != own || !errors.Is(
		err, boltfile.ErrLocked,
	) ||
		!strings.Contains(err.Error(), dir) {
		t.Errorf("%v, %q, %v", second, holder, err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if f, _, err = boltfile.Lock(dir); err != nil {
		t.Errorf("it is free again: %v", err)
	} else if err := f.Close(); err != nil {
		t.Error(err)
	}
	if _, _, err := boltfile.Lock(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a directory that is not there: %v", err)
	}
}

// What is damaged gets a name of its own each time, and loses it again where it was whole after all.
func TestQuarantine(t *testing.T) {
	dir := t.TempDir()
	path := put(t, filepath.Join(dir, "seg.db"), "first")
	for _, want := range []string{".corrupt", ".corrupt.1", ".corrupt.2"} {
		name, err := boltfile.Quarantine(path)
		if err != nil || name != path+want {
			t.Fatalf("%s, %v, want %s", name, err, want)
		}
	}
	boltfile.Unquarantine(path+".corrupt.1", path)
	if _, err := os.Stat(path + ".corrupt.1"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the name is still there: %v", err)
	}
	// Another file is in its place.
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	put(t, path, "second")
	boltfile.Unquarantine(path+".corrupt", path)
	if b, err := os.ReadFile(path + ".corrupt"); string(b) != "first" || err != nil {
		t.Errorf("what was set aside is %q, %v", b, err)
	}
	if name, err := boltfile.Quarantine(path); err != nil || name != path+".corrupt.1" {
		t.Errorf("%s, %v", name, err)
	}
	if _, err := boltfile.Quarantine(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}

// What can't be read becomes zeros, as long as anything can.
func TestReadAround(t *testing.T) {
	const page = boltfile.PageSize
	content := strings.Repeat("x", 2*page)
	f, err := os.Open(put(t, filepath.Join(t.TempDir(), "f"), content))
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name   string
		off, n int
		want   string
		fails  bool
	}{
		{"all", 0, 2 * page, content, false},
		{"in the middle", 100, page, content[:page], false},
		{"nothing", 5 * page, 0, "", false},
		{"half beyond the end", page, 2 * page, content[:page] + strings.Repeat("\x00", page), false},
		{"all beyond the end", 3 * page, page, "", true},
	} {
		b := make([]byte, tc.n)
		if err := boltfile.ReadAround(
			f, b, int64(tc.off),
		); (err != nil) != tc.fails || !tc.fails && string(b) != tc.want {
			t.Errorf("%s: %v, %.10q", tc.name, err, b)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := boltfile.ReadAround(f, make([]byte, 10), 0); err == nil {
		t.Error("a file that is closed was read")
	}
}

// A panic, and a fault in a map of a file that was cut, are errors; errors stay what they are.
func TestRecoverPanics(t *testing.T) {
	own := errors.New("own")
	if err := boltfile.RecoverPanics(
		func() error { return own },
	); !errors.Is(err, own) || errors.Is(err, boltfile.ErrDamaged) {
		t.Errorf("an error: %v", err)
	}
	if err := boltfile.RecoverPanics(func() error { return nil }); err != nil {
		t.Errorf("none: %v", err)
	}
	if err := boltfile.RecoverPanics(
		func() error { panic("page 7 already freed") },
	); !errors.Is(err, boltfile.ErrDamaged) ||
		!strings.Contains(err.Error(), "page 7") {
		t.Errorf("a panic: %v", err)
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(boltfile.PageSize); err != nil {
		t.Fatal(err)
	}
	m, err := unix.Mmap(int(f.Fd()), 0, boltfile.PageSize, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Truncate(0), f.Close()); err != nil {
		t.Fatal(err)
	}
	sum := byte(0)
	if err := boltfile.RecoverPanics(func() error { sum += m[0]; return nil }); !errors.Is(err, boltfile.ErrDamaged) {
		t.Errorf("a fault: %v, %d", err, sum)
	}
	if err := unix.Munmap(m); err != nil {
		t.Error(err)
	}
}
