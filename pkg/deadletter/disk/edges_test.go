package disk

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.etcd.io/bbolt"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
	"github.com/seed-afc6a195/aggregator/internal/boltfile/boltfiletest"
	"github.com/seed-afc6a195/aggregator/internal/format"
	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
)

// writeFile puts a file of dead letters there whose buckets have these values.
func writeFile(t *testing.T, path string, letters map[string]string, summary []byte) {
	t.Helper()
	db, err := openDead(path)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucket([]byte(lettersBucket))
		for key, value := range letters {
			err = errors.Join(err, b.Put([]byte(key), []byte(value)))
		}
		s, serr := tx.CreateBucket([]byte(summaryBucket))
		return errors.Join(err, serr, s.Put([]byte(summaryBucket), summary))
	})
	if err = errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

// What a newer program has written is neither touched nor taken for damage.
func TestOpenRefusesNewerFiles(t *testing.T) {
	dir := boltfiletest.MemoryDir(t)
	path := filepath.Join(dir, "dead-0000000000000001.db")
	writeFile(t, path, nil, boltfile.WithSum([]byte{9, 9}))
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(dir, deadletter.Config{}, zerolog.Nop(), newFakeClock().now)
	want := "read dead letters in " + path + ": summary of dead letters of format 9, which programs of format 9 and " +
		"later read"
	if !errors.Is(err, format.ErrUnknown) || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
	after, err := os.ReadFile(path)
	if err != nil || !slices.Equal(before, after) {
		t.Errorf("the file has changed: %v", err)
	}
	if names := boltfiletest.Glob(t, dir, "*"); len(names) != 1 {
		t.Errorf("left: %v", names)
	}
}

// A letter of a newer program among others is told, and its file stays as it is.
func TestNewerLetter(t *testing.T) {
	dir := boltfiletest.MemoryDir(t)
	path := filepath.Join(dir, "dead-0000000000000001.db")
	key := string(letterKey(1))
	f := &file{first: 1, last: 1, letters: 1, count: map[deadletter.Key]int64{{}: 1}}
	newer := "\x09\x09" + salted + at0 + rest
	writeFile(t, path, map[string]string{key: newer + sum(key, newer)}, f.encode())
	d := openDeadForTest(t, dir, deadletter.Config{}, newFakeClock())
	_, err := d.List(t.Context(), deadletter.Filter{}, 0, 10)
	if !errors.Is(err, format.ErrUnknown) || !strings.HasPrefix(err.Error(), "list dead letters in "+path) {
		t.Errorf("%v", err)
	}
	if n, err := d.Delete(t.Context(), 1); n != 0 || !errors.Is(err, format.ErrUnknown) {
		t.Errorf("deleted %d: %v", n, err)
	}
	if st := d.Stats(); st.SetAside != 0 || st.Letters != 1 {
		t.Errorf("%+v", st)
	}
}

// Of a directory, the store takes what is its own, removes what an interrupted rewrite left, and leaves the rest alone.
func TestOpenDirectory(t *testing.T) {
	dir := filepath.Join(boltfiletest.MemoryDir(t), "made", "by it")
	d := openDeadForTest(t, dir, deadletter.Config{}, newFakeClock())
	mustAdd(t, d, letterOf(1))
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	empty := &file{first: 1, last: 1, newest: time.Unix(0, 0), count: map[deadletter.Key]int64{}}
	writeFile(t, filepath.Join(dir, "dead-0000000000000001.db"), nil, empty.encode())
	for _, name := range []string{"dead-0000000000000001.db.tmp", "dead-x.db.corrupt", "notes.txt", "README"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d = openDeadForTest(t, dir, deadletter.Config{}, newFakeClock())
	var got []string
	for _, name := range boltfiletest.Glob(t, dir, "*") {
		if name != d.files[0].path {
			got = append(got, filepath.Base(name))
		}
	}
	if want := []string{"README", "dead-x.db.corrupt", "notes.txt"}; !slices.Equal(got, want) {
		t.Errorf("left are %v, want %v", got, want)
	}
	if st := d.Stats(); st.Letters != 1 || st.SetAside != 0 {
		t.Errorf("%+v", st)
	}
	if _, err := Open(filepath.Join(dir, "README"), deadletter.Config{}, zerolog.Nop(), time.Now); err == nil ||
		!strings.HasPrefix(err.Error(), "make directory of dead letters: ") {
		t.Errorf("a file in place of the directory: %v", err)
	}
}

// After Close each call says so, and nothing that is there is lost.
func TestClosed(t *testing.T) {
	dir, clock, ctx := boltfiletest.MemoryDir(t), newFakeClock(), context.Background()
	d := openDeadForTest(t, dir, deadletter.Config{}, clock)
	mustAdd(t, d, letterOf(1))
	id := d.lastID()
	for range 2 {
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
	_, _, pageErr := d.Page(ctx, deadletter.Filter{}, deadletter.Page{Limit: 1})
	_, getErr := d.Get(ctx, id)
	_, countErr := d.Count(ctx, deadletter.Filter{})
	_, deleteErr := d.Delete(ctx, id)
	_, purgeErr := d.Purge(ctx, deadletter.Filter{}, func(deadletter.Count) {})
	_, requeueErr := d.Requeue(ctx, []uint64{id}, func() error { return nil })
	for name, err := range map[string]error{
		"add": d.Add(ctx, []deadletter.Letter{letterOf(2)}), "page": pageErr, "get": getErr, "count": countErr,
		"delete": deleteErr, "purge": purgeErr, "requeue": requeueErr,
	} {
		if !errors.Is(err, deadletter.ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := d.Add(ctx, nil); err != nil {
		t.Errorf("no letters: %v", err)
	}
	// What is too old goes with the next start.
	clock.move(time.Hour)
	d.SetLimits(deadletter.Config{MaxAge: time.Minute})
	if st := d.Stats(); st.Letters != 1 || st.Evicted != 0 {
		t.Errorf("%+v", st)
	}
	if names := boltfiletest.Glob(t, dir, "*.db"); len(names) != 1 {
		t.Errorf("files: %v", names)
	}
}

// Numbers follow the clock in microseconds, times that are given stay, and what the caller gave is not changed.
func TestAddSets(t *testing.T) {
	clock := newFakeClock()
	d := openDeadForTest(t, boltfiletest.MemoryDir(t), deadletter.Config{}, clock)
	early := clock.now().Add(-time.Hour)
	given := []deadletter.Letter{letterOf(1), letterOf(2), letterOf(3)}
	given[0].ID, given[1].Time = 77, early
	before := slices.Clone(given)
	mustAdd(t, d, given...)
	if !reflect.DeepEqual(given, before) {
		t.Errorf("what was given is %+v now", given)
	}
	clock.move(time.Millisecond)
	mustAdd(t, d, letterOf(4))
	all, err := d.List(t.Context(), deadletter.Filter{}, 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	first := uint64(1_800_000_000_000_000)
	if got, want := numbers(all), []uint64{first, first + 1, first + 2, first + 1000}; !slices.Equal(got, want) {
		t.Errorf("numbers %v, want %v", got, want)
	}
	now := time.Unix(1_800_000_000, 0)
	for i, want := range []time.Time{now, early, now, clock.now()} {
		if !all[i].Time.Equal(want) {
			t.Errorf("letter %d was refused at %v, want %v", i, all[i].Time, want)
		}
	}
	if st := d.Stats(); !st.Oldest.Equal(now) || !st.Newest.Equal(clock.now()) {
		t.Errorf("from %v to %v", st.Oldest, st.Newest)
	}
	name := filepath.Base(d.files[0].path)
	if want := "dead-0006651728988000.db"; name != want {
		t.Errorf("the file is %s, want %s", name, want)
	}
}

// What a snapshot is changed in stays out of the store, and the next one.
func TestStatsAreACopy(t *testing.T) {
	d := openDeadForTest(t, boltfiletest.MemoryDir(t), deadletter.Config{}, newFakeClock())
	mustAdd(t, d, letterOf(1))
	st := d.Stats()
	want := d.Stats()
	clear(st.Events)
	if got := d.Stats(); !reflect.DeepEqual(got, want) || len(got.Events) != 1 {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestGetUnknown(t *testing.T) {
	d := openDeadForTest(t, boltfiletest.MemoryDir(t), deadletter.Config{}, newFakeClock())
	for range 2 {
		for _, id := range []uint64{0, 1, d.lastID() + 1, ^uint64(0)} {
			if _, err := d.Get(t.Context(), id); !errors.Is(err, deadletter.ErrNotFound) {
				t.Errorf("number %d: %v", id, err)
			}
		}
		mustAdd(t, d, letterOf(1))
	}
	if l, err := d.Get(t.Context(), d.lastID()); err != nil || l.ID != d.lastID() {
		t.Errorf("%+v: %v", l, err)
	}
}

// A caller that has gone is not worked for, and nothing is deleted for it.
func TestCancelled(t *testing.T) {
	d := openDeadForTest(t, boltfiletest.MemoryDir(t), deadletter.Config{}, newFakeClock())
	mustAdd(t, d, letterOf(1), letterOf(2))
	id := d.lastID()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, pageErr := d.Page(ctx, deadletter.Filter{}, deadletter.Page{Limit: 1})
	_, countErr := d.Count(ctx, deadletter.Filter{})
	_, deleteErr := d.Delete(ctx, id)
	_, purgeErr := d.Purge(ctx, deadletter.Filter{IDs: []uint64{id}}, func(deadletter.Count) {
		t.Error("something was purged")
	})
	for name, err := range map[string]error{
		"page": pageErr, "count": countErr, "delete": deleteErr, "purge": purgeErr,
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if st := d.Stats(); st.Letters != 2 {
		t.Errorf("%+v", st)
	}
	// What is in the queue again must not stay a letter.
	if n, err := d.Requeue(ctx, []uint64{id}, func() error { return nil }); err != nil || n.Letters != 1 {
		t.Errorf("requeued %+v: %v", n, err)
	}
}

// A smaller limit counts at once, and a larger one does too.
func TestSetLimits(t *testing.T) {
	clock := newFakeClock()
	d := openDeadForTest(t, boltfiletest.MemoryDir(t), deadletter.Config{MaxSize: 4 << 20}, clock)
	for n := range byte(12) {
		l := letterOf(n)
		l.Entry = []byte(noise(120<<10, n))
		mustAdd(t, d, l)
		clock.move(time.Minute)
	}
	if st := d.Stats(); st.Letters != 12 || st.Evicted != 0 {
		t.Fatalf("%+v", st)
	}
	d.SetLimits(deadletter.Config{MaxSize: 1 << 20})
	st := d.Stats()
	if st.Bytes > 1<<20 || st.Letters == 0 || st.Letters+st.Evicted != 12 {
		t.Errorf("in 1 MiB: %+v", st)
	}
	last, err := d.List(t.Context(), deadletter.Filter{}, d.lastID()-1, 1)
	if err != nil || len(last) != 1 || last[0].EventID != letterOf(11).EventID {
		t.Errorf("the newest is not there: %d, %v", len(last), err)
	}
	d.SetLimits(deadletter.Config{MaxAge: time.Hour})
	if got := d.Stats(); got.Letters != st.Letters {
		t.Errorf("without a limit of bytes: %+v", got)
	}
	clock.move(time.Hour + time.Second)
	d.SetLimits(deadletter.Config{})
	if got := d.Stats(); got.Letters != st.Letters {
		t.Errorf("without a limit: %+v", got)
	}
	d.SetLimits(deadletter.Config{MaxAge: time.Hour})
	if got := d.Stats(); got.Letters != 0 || got.Evicted != 12 || got.Bytes != 0 {
		t.Errorf("too old: %+v", got)
	}
}

// Files are an eighth of the limit, so that an eviction takes little, but neither tiny nor huge.
func TestFileSize(t *testing.T) {
	for size, want := range map[int64]int64{
		0: 16 << 20, 1: 256 << 10, 1 << 20: 256 << 10, 2 << 20: 256 << 10, 4 << 20: 512 << 10, 128 << 20: 16 << 20,
		1 << 40: 16 << 20,
	} {
		d := &Store{}
		d.bound(deadletter.Config{MaxSize: setting.Size(size)})
		if d.fileSize != want {
			t.Errorf("of %d bytes a file has %d, want %d", size, d.fileSize, want)
		}
	}
}
