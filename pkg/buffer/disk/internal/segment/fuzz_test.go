package segment

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
	"github.com/seed-afc6a195/aggregator/internal/boltfile/boltfiletest"
	"github.com/seed-afc6a195/aggregator/internal/format"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/chunk"
)

func FuzzIndex(f *testing.F) {
	b := newBuilder(7)
	h := someHeader()
	b.add(&h, 4096)
	f.Add(b.Encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := decodeIndex(7, boltfile.WithSum(b))
		if err != nil {
			return
		}
		for _, e := range c.Entries {
			if int(e.Cluster) >= len(c.Clusters) || int(e.Set) >= len(c.Sets) {
				t.Fatalf("%+v names nobody", e)
			}
		}
	})
}

// FuzzPages lets any bytes pass for a bbolt file: reading them ends, takes memory that follows their
// length, and hands out nothing from outside them.
func FuzzPages(f *testing.F) {
	w, err := Create(filepath.Join(f.TempDir(), "seg"), 1<<16, false)
	if err == nil {
		err = w.Append([]Item{{1, []byte("one")}, {2, bytes.Repeat([]byte("two"), 3000)}}, make([]uint32, 2))
	}
	if err == nil {
		err = w.Seal([]byte("index"))
	}
	if err != nil {
		f.Fatal(err)
	}
	whole, err := os.ReadFile(w.File.Name())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:3*boltfile.PageSize])
	path := filepath.Join(f.TempDir(), "file")
	f.Fuzz(func(t *testing.T, b []byte) {
		boltfiletest.FixMeta(b)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		p, err := boltfile.Open(path)
		if err != nil {
			return
		}
		defer p.Close()
		n := 0
		_ = p.Top().EachWhole(func(e boltfile.Element) error { // what is damaged is passed over
			inner, _ := p.Tree(e)
			if inner == nil {
				return nil
			}
			return inner.EachWhole(func(e boltfile.Element) error {
				if n++; n > len(b) {
					t.Fatal("there is no end")
				}
				if e.Off < 0 || e.Off+int64(len(e.Value)) > int64(len(b)) ||
					!bytes.Equal(e.Value, b[e.Off:e.Off+int64(len(e.Value))]) {
					t.Fatalf("the value at %d is not there", e.Off)
				}
				return nil
			}, func(error) {})
		}, func(error) {})
	})
}

// FuzzSegment lets any bytes pass for a segment: whatever is salvaged of it lies in it, whole, once each and in order,
// and is not called lost as well.
func FuzzSegment(f *testing.F) {
	const first = 7
	w, err := Create(filepath.Join(f.TempDir(), "seg"), 1<<16, false)
	if err != nil {
		f.Fatal(err)
	}
	h, where := someHeader(), make([]uint32, 1)
	for range 3 {
		value := append(chunk.AppendHeader(nil, &h), bytes.Repeat([]byte("payload"), 50)...)
		chunk.Seal(value)
		if err := w.Append([]Item{{h.Seq, value}}, where); err != nil {
			f.Fatal(err)
		}
		h.Seq++
	}
	if err := w.Close(); err != nil {
		f.Fatal(err)
	}
	boltfiletest.Seed(f, w.File.Name(), true)
	unknown, err := os.ReadFile(w.File.Name())
	if err != nil {
		f.Fatal(err)
	}
	unknown[bytes.Index(unknown, []byte(chunk.Magic))+8] = 0 // the number of its format
	f.Add(unknown, true)
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
		if _, _, err := Read(path, first); err != nil && !errors.Is(err, format.ErrUnknown) {
			t.Fatal(err)
		}
		c, lost, err := salvage(path, first)
		if errors.Is(err, format.ErrUnknown) && holdsUnknown(b) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		file, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = file.Close() }()
		there := map[uint64]bool{}
		for i := range c.Entries {
			e := &c.Entries[i]
			value, err := ReadChunk(file, e, nil)
			if err != nil {
				t.Fatalf("chunk %d: %v", first+uint64(e.Seq), err)
			}
			if h, err := chunk.DecodeHeader(value, nil); err != nil || h.Seq != first+uint64(e.Seq) ||
				i > 0 && e.Seq <= c.Entries[i-1].Seq {
				t.Fatalf("chunk %d is %+v, %v", first+uint64(e.Seq), h, err)
			}
			there[first+uint64(e.Seq)] = true
		}
		for i := range lost {
			if there[lost[i].Seq] {
				t.Fatalf("chunk %d is both there and lost", lost[i].Seq)
			}
		}
	})
}

// holdsUnknown tells whether something in b begins like a chunk of a format that the program may not read.
func holdsUnknown(b []byte) bool {
	for i := bytes.Index(b, []byte(chunk.Magic)); i >= 0; i = bytes.Index(b, []byte(chunk.Magic)) {
		if b = b[i:]; len(b) >= chunk.FixedSize && chunk.Format().Check(int(b[8]), int(b[10])) != nil {
			return true
		}
		b = b[1:]
	}
	return false
}

// someHeader returns what a chunk of two messages says of itself.
func someHeader() chunk.Header {
	return chunk.Header{
		Seq: 7, Received: 1_800_000_000_000_000_000, Salt: 99, Codec: chunk.CodecS2, Size: 200, Raw: 1000, Events: 3,
		Cluster: "seoul", Tag: "kube.a",
		Outputs: []string{"es", "archive"},
		Parts: []chunk.Part{
			{Flags: chunk.PartKeyed | chunk.PartLast, Key: [16]byte{1}, Conn: 5, CommitSeq: 6, Events: 2, Total: 2},
			{Events: 1},
		},
	}
}
