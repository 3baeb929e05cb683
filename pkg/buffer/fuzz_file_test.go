package buffer

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
	"github.com/seed-afc6a195/aggregator/pkg/resend"
)

// readable makes the sums of b's meta pages right, so that what is behind them is read.
func readable(b []byte) {
	for page := range min(2, len(b)/boltfile.PageSize) {
		m := b[page*boltfile.PageSize+boltfile.PageHead:]
		sum := fnv.New64a()
		_, _ = sum.Write(m[:56]) // never fails
		binary.LittleEndian.PutUint64(m[56:], sum.Sum64())
	}
}

// seed adds the file at path whole, cut, and with a page of zeros, and with each the other arguments.
func seed(f *testing.F, path string, more ...any) {
	f.Helper()
	whole, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	whole = bytes.TrimRight(whole, "\x00") // bbolt makes files larger than they need to be
	whole = append(whole, make([]byte, -len(whole)&(boltfile.PageSize-1))...)
	for _, b := range [][]byte{whole, whole[:len(whole)/2], slices.Concat(whole[:2*boltfile.PageSize], make([]byte, boltfile.PageSize), whole[3*boltfile.PageSize:])} {
		f.Add(append([]any{b}, more...)...)
	}
}

// FuzzState lets any bytes pass for state.db, with this of chunk ids and that of what is finished: what is read of it
// is the same when it is written and read again.
func FuzzState(f *testing.F) {
	dir := f.TempDir()
	state := &snapshot{
		queue: [16]byte{1, 2}, next: 9, hasIDs: true, ids: []resend.Saved{{Key: resend.Key{Chunk: [16]byte{3}, Events: 4}, Until: time.Unix(5, 6)}},
		done: map[doneKey][]byte{{1, "es"}: {0xff, 1}, {1, "s3"}: nil, {8, ""}: {}},
	}
	db := stateDB{dir: dir}
	if err := errors.Join(db.renew(state), db.close()); err != nil {
		f.Fatal(err)
	}
	seed(f, filepath.Join(dir, stateFile))
	f.Fuzz(func(t *testing.T, b []byte) {
		readable(b)
		if err := os.WriteFile(filepath.Join(dir, stateFile), b, 0o600); err != nil {
			t.Fatal(err)
		}
		first, err := loadState(dir)
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
			return
		}
		first.hasIDs = true
		db := stateDB{dir: dir}
		if err := errors.Join(db.renew(first), db.close()); err != nil {
			t.Fatalf("%+v can't be written: %v", first, err)
		}
		again, err := loadState(dir)
		if err != nil {
			t.Fatalf("%+v can't be read: %v", first, err)
		}
		again.hasIDs = true
		for k, bits := range again.done {
			again.done[k] = append([]byte{}, bits...) // empty and nil are one on disk
		}
		for k, bits := range first.done {
			first.done[k] = append([]byte{}, bits...)
		}
		if !reflect.DeepEqual(again, first) {
			t.Fatalf("got  %+v\nwant %+v", again, first)
		}
	})
}

// FuzzIDs reads the chunk ids of state.db.
func FuzzIDs(f *testing.F) {
	f.Add(encodeIDs([]resend.Saved{{Key: resend.Key{Chunk: [16]byte{3}, Events: 4}, Until: time.Unix(5, 6)}, {Until: time.Unix(0, -1)}}))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, b []byte) {
		ids, err := decodeIDs(b)
		if err != nil {
			return
		}
		if len(ids) > len(b) {
			t.Fatalf("%d ids out of %d bytes", len(ids), len(b))
		}
		if again, err := decodeIDs(encodeIDs(ids)); err != nil || !reflect.DeepEqual(again, ids) {
			t.Fatalf("got  %+v, %v\nwant %+v", again, err, ids)
		}
	})
}

// FuzzSegment lets any bytes pass for a segment: whatever is salvaged of it lies in it, whole, once each and in order,
// and is not called lost as well.
func FuzzSegment(f *testing.F) {
	const first = 7
	w, err := createWriter(filepath.Join(f.TempDir(), "seg"), 1<<16, false)
	if err != nil {
		f.Fatal(err)
	}
	h, where := fullHeader(), make([]uint32, 1)
	for range 3 {
		chunk := append(appendHeader(nil, &h), bytes.Repeat([]byte("payload"), 50)...)
		sealChunk(chunk)
		if err := w.append([]item{{h.seq, chunk}}, where); err != nil {
			f.Fatal(err)
		}
		h.seq++
	}
	if err := w.close(); err != nil {
		f.Fatal(err)
	}
	seed(f, w.file.Name(), true)
	path := filepath.Join(f.TempDir(), "file")
	f.Fuzz(func(t *testing.T, b []byte, sums bool) {
		readable(b)
		for i := 0; sums; i++ { // whole chunks, so that what is in them is read
			n := bytes.Index(b[i:], []byte(chunkMagic))
			if i += n; n < 0 {
				break
			}
			if size, _, err := chunkLength(b[i:]); err == nil && size <= len(b)-i {
				sealChunk(b[i : i+size])
			}
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := readContents(path, first); err != nil {
			t.Fatal(err)
		}
		c, lost, err := salvage(path, first)
		if err != nil {
			t.Fatal(err)
		}
		file, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = file.Close() }()
		there := map[uint64]bool{}
		for i := range c.entries {
			e := &c.entries[i]
			value, err := readChunk(file, e, nil)
			if err != nil {
				t.Fatalf("chunk %d: %v", first+uint64(e.seq), err)
			}
			if h, err := decodeHeader(value, nil); err != nil || h.seq != first+uint64(e.seq) || i > 0 && e.seq <= c.entries[i-1].seq {
				t.Fatalf("chunk %d is %+v, %v", first+uint64(e.seq), h, err)
			}
			there[first+uint64(e.seq)] = true
		}
		for i := range lost {
			if there[lost[i].seq] {
				t.Fatalf("chunk %d is both there and lost", lost[i].seq)
			}
		}
	})
}

// FuzzDeadFile lets any bytes pass for a file of dead letters: the store opens, and what it hands out are letters, in
// order, as many as it says, which are still there after the next start.
func FuzzDeadFile(f *testing.F) {
	dir, ctx := f.TempDir(), f.Context()
	open := func(tb testing.TB) (*DeadLetters, []Letter) {
		tb.Helper()
		d, err := openDeadLetters(dir, DeadLettersConfig{MaxSize: 1 << 20}, zerolog.Nop(), newClock().now)
		if err != nil {
			tb.Fatal(err)
		}
		letters, err := d.List(ctx, Filter{}, 0, 1000)
		if err != nil {
			tb.Fatal(err)
		}
		return d, letters
	}
	d, _ := open(f)
	for range 3 {
		if err := d.Add(ctx, []Letter{{Output: "es", Cluster: "c", Reason: "rejected", Events: 1, Entry: bytes.Repeat([]byte{0xc0}, 500)}, {Output: "s3", Events: 2}}); err != nil {
			f.Fatal(err)
		}
	}
	path := d.files[0].path
	if err := d.Close(); err != nil {
		f.Fatal(err)
	}
	seed(f, path)
	f.Fuzz(func(t *testing.T, b []byte) {
		readable(b)
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
		if !slices.IsSortedFunc(letters, func(a, b Letter) int { return int(min(max(int64(a.ID-b.ID), -1), 1)) }) {
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
	whole := &deadFile{first: 3, last: 9, newest: time.Unix(1, 2), letters: 2, count: map[DeadKey]int64{{"es", "c", "r"}: 4, {}: -1}}
	f.Add(whole.encode()[:len(whole.encode())-4])
	f.Add([]byte{summaryVersion})
	f.Fuzz(func(t *testing.T, b []byte) {
		file := deadFile{count: map[DeadKey]int64{}}
		if err := file.decode(boltfile.WithSum(b)); err != nil {
			return
		}
		again := deadFile{count: map[DeadKey]int64{}}
		if err := again.decode(file.encode()); err != nil || !reflect.DeepEqual(again, file) {
			t.Fatalf("got  %+v, %v\nwant %+v", again, err, file)
		}
	})
}
