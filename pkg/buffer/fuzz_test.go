package buffer

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
)

func fullHeader() header {
	return header{
		seq: 7, received: 1_800_000_000_000_000_000, salt: 99, codec: codecS2, raw: 1000, events: 6, cluster: "seoul", tag: "kube.a",
		outputs: []string{"es", "archive"},
		parts: []part{
			{flags: partKeyed | partNanos | partLast, key: [16]byte{1}, conn: 5, turn: 6, events: 2, total: 2},
			{flags: partKeyed, key: [16]byte{2}, conn: 5, turn: 6, first: 10, events: 1},
			{events: 3},
		},
	}
}

func TestChunkHeader(t *testing.T) {
	want := fullHeader()
	b := append(appendHeader([]byte("before"), &want), "payload"...)[len("before"):]
	sealChunk(b)
	if err := checkChunk(b); err != nil {
		t.Fatal(err)
	}
	got, err := decodeHeader(b, nil)
	if err != nil {
		t.Fatal(err)
	}
	got.parts[1].flags &^= partSame
	if string(b[got.payload:got.size]) != "payload" {
		t.Errorf("payload is %q", b[got.payload:])
	}
	want.payload, want.size = got.payload, len(b)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	for i := range b {
		for _, damaged := range [][]byte{b[:i], append(append(bytes.Clone(b[:i]), b[i]^0x10), b[i+1:]...)} {
			if err := checkChunk(damaged); err == nil {
				t.Errorf("damage at byte %d of %d is not seen", i, len(b))
			}
		}
	}
}

func FuzzChunkHeader(f *testing.F) {
	h := fullHeader()
	b := append(appendHeader(nil, &h), "payload"...)
	sealChunk(b)
	f.Add(b)
	f.Add(b[:50])
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := decodeHeader(b, nil)
		if err != nil {
			return
		}
		if len(h.parts) > len(b) || len(h.outputs) > len(b) {
			t.Fatalf("%d parts and %d outputs out of %d bytes", len(h.parts), len(h.outputs), len(b))
		}
		again := appendHeader(nil, &h)
		sealChunk(again)
		h2, err := decodeHeader(again, nil)
		if err != nil {
			t.Fatalf("%+v does not survive: %v", h, err)
		}
		h.size, h.payload, h2.size, h2.payload = 0, 0, 0, 0
		for _, parts := range [][]part{h.parts, h2.parts} {
			for i := range parts {
				parts[i].flags &^= partSame
			}
		}
		if !reflect.DeepEqual(h, h2) {
			t.Fatalf("got  %+v\nwant %+v", h2, h)
		}
	})
}

func FuzzIndex(f *testing.F) {
	b := newBuilder(7)
	h := fullHeader()
	b.add(&h, 4096)
	f.Add(b.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := decodeIndex(7, boltfile.WithSum(b))
		if err != nil {
			return
		}
		for _, e := range c.entries {
			if int(e.cluster) >= len(c.clusters) || int(e.set) >= len(c.sets) {
				t.Fatalf("%+v names nobody", e)
			}
		}
	})
}

// FuzzPages lets any bytes pass for a bbolt file: reading them ends, takes memory that follows their
// length, and hands out nothing from outside them.
func FuzzPages(f *testing.F) {
	w, err := createWriter(filepath.Join(f.TempDir(), "seg"), 1<<16, false)
	if err == nil {
		err = w.append([]item{{1, []byte("one")}, {2, bytes.Repeat([]byte("two"), 3000)}}, make([]uint32, 2))
	}
	if err == nil {
		err = w.seal([]byte("index"))
	}
	if err != nil {
		f.Fatal(err)
	}
	whole, err := os.ReadFile(w.file.Name())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:3*boltfile.PageSize])
	path := filepath.Join(f.TempDir(), "file")
	f.Fuzz(func(t *testing.T, b []byte) {
		readable(b)
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
				if e.Off < 0 || e.Off+int64(len(e.Value)) > int64(len(b)) || !bytes.Equal(e.Value, b[e.Off:e.Off+int64(len(e.Value))]) {
					t.Fatalf("the value at %d is not there", e.Off)
				}
				return nil
			}, func(error) {})
		}, func(error) {})
	})
}

func FuzzLetter(f *testing.F) {
	f.Add(encodeLetter(&Letter{Cluster: "c", Tag: "t", Detail: "d", Entry: []byte{1}}, 7))
	f.Fuzz(func(t *testing.T, b []byte) {
		if l, err := decodeLetter(letterKey(1), boltfile.WithSum(b, letterKey(1)...), true); err == nil && len(l.Entry) > len(b) {
			t.Fatal("entry is longer than the letter")
		}
	})
}

func TestCodecs(t *testing.T) {
	for _, name := range []string{"none", "s2", "zstd"} {
		p, err := newPacker(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, src := range []string{"", "x", string(entriesLike(100_000)), text(100_000, 1)} {
			packed, how := p.pack([]byte("before"), []byte(src))
			if string(packed[:6]) != "before" || len(packed) > len(src)+6 {
				t.Errorf("%s: %d bytes became %d", name, len(src), len(packed))
			}
			got, err := p.unpack(nil, packed[6:], how, len(src))
			if err != nil || string(got) != src {
				t.Errorf("%s: %d bytes don't come back: %v", name, len(src), err)
			}
			if _, err := p.unpack(nil, packed[6:], how, len(src)+1); err == nil {
				t.Errorf("%s: a wrong length is not seen", name)
			}
		}
		p.close()
	}
	if _, err := newPacker("lz4"); err == nil {
		t.Error("lz4 is taken")
	}
}
