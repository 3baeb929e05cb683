package directory

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
	"github.com/seed-afc6a195/aggregator/pkg/buffer"
)

func take(t *testing.T, path string) *Directory {
	t.Helper()
	d, err := Take(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

// The directory is made with what is above it, names its holder, and can be taken again once it is let go.
func TestTake(t *testing.T) {
	path := filepath.Join(t.TempDir(), "var", "lib", "queue")
	d := take(t, path)
	holder, err := os.ReadFile(filepath.Join(path, boltfile.LockFile))
	if err != nil || string(holder) != strconv.Itoa(os.Getpid())+"\n" {
		t.Errorf("the holder is %q, %v", holder, err)
	}
	if err := errors.Join(d.Check(), d.Gone()); err != nil {
		t.Errorf("just taken: %v", err)
	}
	synctest.Test(t, func(t *testing.T) {
		_, err := Take(path)
		want := fmt.Sprintf("queue directory %s is in use by process %d: stop that one, or set another buffer.path",
			path, os.Getpid())
		if !errors.Is(err, buffer.ErrInUse) || err.Error() != want {
			t.Errorf("taken twice: %v, want %s", err, want)
		}
	})
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	take(t, path)
}

// What is in the way is told, with what to do about it.
func TestTakeRefused(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	locked := filepath.Join(dir, "locked")
	if err := os.MkdirAll(filepath.Join(locked, boltfile.LockFile), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ name, path, want string }{
		{
			"a file in its place", file,
			"make queue directory: mkdir " + file +
				": not a directory: a file is in the way: move it, or set another buffer.path",
		},
		{
			"a file above it", filepath.Join(file, "queue"),
			"make queue directory: mkdir " + filepath.Join(file, "queue") +
				": not a directory: a file is in the way: move it, or set another buffer.path",
		},
		{
			"a directory in the lock's place", locked,
			"lock directory: open " + filepath.Join(locked, boltfile.LockFile) + ": is a directory",
		},
	} {
		if _, err := Take(tc.path); err == nil || err.Error() != tc.want {
			t.Errorf("%s: %v\nwant %s", tc.name, err, tc.want)
		}
	}
}

func TestAdvise(t *testing.T) {
	rights := fmt.Sprintf(": let user %d, which this runs as, write there, or set another buffer.path", os.Getuid())
	for _, tc := range []struct {
		err  error
		want string // behind the error
	}{
		{syscall.EROFS, ": mount its file system for writing, or set another buffer.path"},
		{fs.ErrPermission, rights},
		{syscall.EACCES, rights},
		{syscall.EPERM, rights},
		{syscall.ENOTDIR, ": a file is in the way: move it, or set another buffer.path"},
		{syscall.ENOSPC, ": free space or inodes there, or set another buffer.path"},
		{syscall.EDQUOT, ": free space or inodes there, or set another buffer.path"},
		{syscall.EIO, ""},
		{errors.New("something else"), ""},
	} {
		whole := fmt.Errorf("open queue: %w", &fs.PathError{Op: "open", Path: "/q", Err: tc.err})
		got := Advise(whole)
		if !errors.Is(got, tc.err) || got.Error() != whole.Error()+tc.want {
			t.Errorf("%v: %q, want it with %q", tc.err, got, tc.want)
		}
	}
}

// What becomes of a directory's path while the queue is open, and whether that is noticed.
func TestCheck(t *testing.T) {
	for _, tc := range []struct {
		name    string
		happens func(path string) error
		gone    bool
	}{
		{"nothing", func(string) error { return nil }, false},
		{"the lock is written to", func(path string) error {
			return os.WriteFile(filepath.Join(path, boltfile.LockFile), []byte("1\n"), 0o600)
		}, false},
		{"the lock is removed", func(path string) error {
			return os.Remove(filepath.Join(path, boltfile.LockFile))
		}, true},
		{"the lock is another one", func(path string) error {
			lock := filepath.Join(path, boltfile.LockFile)
			return errors.Join(os.Rename(lock, lock+".old"), os.WriteFile(lock, nil, 0o600))
		}, true},
		{"it is moved", func(path string) error { return os.Rename(path, path+".old") }, true},
		{"it is moved, and its path leads there", func(path string) error {
			return errors.Join(os.Rename(path, path+".old"), os.Symlink(path+".old", path))
		}, false},
		{"another one is in its place", func(path string) error {
			return errors.Join(os.Rename(path, path+".old"), os.Mkdir(path, 0o700))
		}, true},
		{"another queue is in its place", func(path string) error {
			return errors.Join(os.Rename(path, path+".old"), os.Mkdir(path, 0o700),
				os.WriteFile(filepath.Join(path, boltfile.LockFile), nil, 0o600))
		}, true},
		{"it cannot be looked at", func(path string) error {
			return errors.Join(os.Rename(path, path+".old"), os.WriteFile(path, nil, 0o600))
		}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "queue")
			d := take(t, path)
			if err := tc.happens(path); err != nil {
				t.Fatal(err)
			}
			if err := d.Gone(); err != nil {
				t.Errorf("nobody has looked, and %v", err)
			}
			err := d.Check()
			if (err != nil) != tc.gone {
				t.Fatalf("noticed: %v", err)
			}
			if got := d.Gone(); !errors.Is(got, err) {
				t.Errorf("gone: %v, want %v", got, err)
			}
			if err == nil {
				return
			}
			for _, part := range []string{path + " is not the directory any more", "removed lock", "put it back"} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%v does not say %q", err, part)
				}
			}
			if again := d.Check(); again != nil {
				t.Errorf("told twice: %v", again)
			}
			if d.Gone() == nil {
				t.Error("it is forgotten")
			}
		})
	}
}

// A directory that was closed says nothing of its path.
func TestCheckClosed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "queue")
	d := take(t, path)
	if err := errors.Join(d.Close(), os.RemoveAll(path)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(d.Check(), d.Gone()); err != nil {
		t.Errorf("closed: %v", err)
	}
}
