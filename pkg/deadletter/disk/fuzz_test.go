package disk

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/boltfile/boltfiletest"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"

	"github.com/rs/zerolog"
	"github.com/seed-afc6a195/aggregator/internal/boltfile"
)

func FuzzLetter(f *testing.F) {
	f.Add(encodeLetter(&deadletter.Letter{Cluster: "c", Tag: "t", Detail: "d", Entry: []byte{1}}, 7))
	f.Fuzz(func(t *testing.T, b []byte) {
		if l, err := decodeLetter(letterKey(1), boltfile.WithSum(b, letterKey(1)...), true); err == nil &&
			len(l.Entry) > len(b) {
			t.Fatal("entry is longer than the letter")
		}
	})
}

// FuzzDeadFile lets any bytes pass for a file of dead letters: the store opens, and what it hands out are letters, in
// order, as many as it says, which are still there after the next start.
func FuzzDeadFile(f *testing.F) {
	dir, ctx := f.TempDir(), f.Context()
	open := func(tb testing.TB) (*Store, []deadletter.Letter) {
		tb.Helper()
		d, err := Open(dir, deadletter.Config{MaxSize: 1 << 20}, zerolog.Nop(), newFakeClock().now)
		if err != nil {
			tb.Fatal(err)
		}
		letters, err := d.List(ctx, deadletter.Filter{}, 0, 1000)
		if err != nil {
			tb.Fatal(err)
		}
		return d, letters
	}
	d, _ := open(f)
	for range 3 {
		if err := d.Add(ctx, []deadletter.Letter{
			{Output: "es", Cluster: "c", Reason: "rejected", Events: 1, Entry: bytes.Repeat([]byte{0xc0}, 500)},
			{Output: "s3", Events: 2},
		}); err != nil {
			f.Fatal(err)
		}
	}
	path := d.files[0].path
	if err := d.Close(); err != nil {
		f.Fatal(err)
	}
	boltfiletest.Seed(f, path)
	f.Fuzz(func(t *testing.T, b []byte) {
		boltfiletest.FixMeta(b)
		names, err := os.ReadDir(dir)
		for _, n := range names {
			err = errors.Join(err, os.Remove(filepath.Join(dir, n.Name())))
		}
		if err = errors.Join(err, os.WriteFile(path, b, 0o600)); err != nil {
			t.Fatal(err)
		}
		d, letters := open(t)
		if n := d.Stats().Letters; n != int64(len(letters)) {
			t.Errorf("%d letters, it says %d", len(letters), n)
		}
		if !slices.IsSortedFunc(letters, func(
			a, b deadletter.Letter,
		) int {
			return int(min(max(int64(a.ID-b.ID), -1), 1))
		}) {
			t.Errorf("in the order of %v", numbers(letters))
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		d, again := open(t)
		if !slices.Equal(numbers(again), numbers(letters)) {
			t.Errorf("%v are %v after the next start", numbers(letters), numbers(again))
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
}

// FuzzDeadSummary reads what stands beside the letters about them.
func FuzzDeadSummary(f *testing.F) {
	whole := &file{
		first: 3, last: 9, newest: time.Unix(1, 2), letters: 2,
		count: map[deadletter.Key]int64{{Output: "es", Cluster: "c", Reason: "r"}: 4, {}: -1},
	}
	f.Add(whole.encode()[:len(whole.encode())-4])
	f.Add([]byte{byte(summaryFormat().Number)})
	f.Fuzz(func(t *testing.T, b []byte) {
		read := file{count: map[deadletter.Key]int64{}}
		if err := read.decode(boltfile.WithSum(b)); err != nil {
			return
		}
		again := file{count: map[deadletter.Key]int64{}}
		if err := again.decode(read.encode()); err != nil || !reflect.DeepEqual(again, read) {
			t.Fatalf("got  %+v, %v\nwant %+v", again, err, read)
		}
	})
}
