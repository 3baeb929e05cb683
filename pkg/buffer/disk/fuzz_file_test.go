package disk

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/boltfile/boltfiletest"

	"github.com/seed-afc6a195/aggregator/pkg/buffer/chunk"
	"github.com/seed-afc6a195/aggregator/pkg/resend"
)

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
	boltfiletest.Seed(f, filepath.Join(dir, stateFile))
	f.Fuzz(func(t *testing.T, b []byte) {
		boltfiletest.FixMeta(b)
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
	h, where := someHeader(), make([]uint32, 1)
	for range 3 {
		value := append(chunk.AppendHeader(nil, &h), bytes.Repeat([]byte("payload"), 50)...)
		chunk.Seal(value)
		if err := w.append([]item{{h.Seq, value}}, where); err != nil {
			f.Fatal(err)
		}
		h.Seq++
	}
	if err := w.close(); err != nil {
		f.Fatal(err)
	}
	boltfiletest.Seed(f, w.file.Name(), true)
	path := filepath.Join(f.TempDir(), "file")
	f.Fuzz(func(t *testing.T, b []byte, sums bool) {
		boltfiletest.FixMeta(b)
		for i := 0; sums; i++ { // whole chunks, so that what is in them is read
			n := bytes.Index(b[i:], []byte(chunk.Magic))
			if i += n; n < 0 {
				break
			}
			if size, _, err := chunk.Length(b[i:]); err == nil && size <= len(b)-i {
				chunk.Seal(b[i : i+size])
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
			if h, err := chunk.DecodeHeader(value, nil); err != nil || h.Seq != first+uint64(e.seq) || i > 0 && e.seq <= c.entries[i-1].seq {
				t.Fatalf("chunk %d is %+v, %v", first+uint64(e.seq), h, err)
			}
			there[first+uint64(e.seq)] = true
		}
		for i := range lost {
			if there[lost[i].Seq] {
				t.Fatalf("chunk %d is both there and lost", lost[i].Seq)
			}
		}
	})
}

// someHeader returns what a chunk of two messages says of itself.
func someHeader() chunk.Header {
	return chunk.Header{
		Seq: 7, Received: 1_800_000_000_000_000_000, Salt: 99, Codec: chunk.CodecS2, Size: 200, Raw: 1000, Events: 3, Cluster: "seoul", Tag: "kube.a",
		Outputs: []string{"es", "archive"},
		Parts: []chunk.Part{
			{Flags: chunk.PartKeyed | chunk.PartLast, Key: [16]byte{1}, Conn: 5, CommitSeq: 6, Events: 2, Total: 2},
			{Events: 1},
		},
	}
}
