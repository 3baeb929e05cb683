package segment

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
	"github.com/seed-afc6a195/aggregator/internal/boltfile/boltfiletest"
	"github.com/seed-afc6a195/aggregator/internal/format"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/chunk"
	"github.com/seed-afc6a195/aggregator/pkg/resend"
)

// valueOf returns a chunk with that number, of a cluster's, with a payload of n bytes.
func valueOf(seq uint64, cluster string, n int) []byte {
	h := someHeader()
	h.Seq, h.Cluster, h.Salt = seq, cluster, 99
	b := append(chunk.AppendHeader(nil, &h), bytes.Repeat([]byte{byte(seq)}, n)...)
	chunk.Seal(b)
	return b
}

// written makes a segment that begins with 100, of a commit for each group of numbers, and returns what is read of it.
func written(t *testing.T, path string, groups ...[]uint64) *Contents {
	t.Helper()
	w, err := Create(path, 1<<16, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, seqs := range groups {
		var items []Item
		for _, seq := range seqs {
			items = append(items, Item{seq, valueOf(seq, "seoul", 2000)})
		}
		if err := w.Append(items, make([]uint32, len(items))); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	c, damage, err := Read(path, 100)
	if err != nil || damage != nil {
		t.Fatal(damage, err)
	}
	return c
}

func works(string) error { return nil }

func seqsOf(c *Contents) (seqs []uint64) {
	for i := range c.Entries {
		seqs = append(seqs, c.First+uint64(c.Entries[i].Seq))
	}
	return seqs
}

// A segment that is written anew has the chunks that are kept, whole and under their numbers, and is sealed.
func TestReplace(t *testing.T) {
	groups := [][]uint64{{100}, {101, 102}, {105}, {110, 111, 112}}
	for _, tc := range []struct {
		name string
		keep func(*Entry) bool
		want []uint64
	}{
		{"all", All, []uint64{100, 101, 102, 105, 110, 111, 112}},
		{"some", func(e *Entry) bool { return e.Seq%2 == 0 }, []uint64{100, 102, 110, 112}},
		{"the last", func(e *Entry) bool { return e.Seq == 12 }, []uint64{112}},
		{"none", func(*Entry) bool { return false }, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := filepath.Join(boltfiletest.MemoryDir(t), Name(100))
			before := written(t, path, groups...)
			// What an earlier attempt has left is no reason to fail.
			if err := os.WriteFile(path+".tmp", []byte("begun"), 0o600); err != nil {
				t.Fatal(err)
			}
			src, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = src.Close() }()
			c, f, size, err := Replace(path, before, ReadFrom(src, nil), tc.keep, works)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = f.Close() }()
			if !slices.Equal(seqsOf(c), tc.want) || !c.Sealed || size != boltfile.AllocatedBy(f) {
				t.Errorf("chunks %d, sealed %v, %d bytes of disk; want %d", seqsOf(c), c.Sealed, size, tc.want)
			}
			for i := range c.Entries {
				value, err := ReadChunk(f, &c.Entries[i], nil)
				seq := c.First + uint64(c.Entries[i].Seq)
				if want := valueOf(seq, "seoul", 2000); err != nil || !bytes.Equal(value[:len(want)], want) {
					t.Errorf("chunk %d: %d bytes, %v", seq, len(value), err)
				}
			}
			again, damage, err := Read(path, 100)
			if err != nil || damage != nil || !slices.Equal(again.Entries, c.Entries) || !again.Sealed {
				t.Errorf("read again: %+v, %v, %v", again, damage, err)
			}
			if !reflect.DeepEqual(again.Tails, before.Tails) {
				t.Errorf("ends of connections %v, want %v", again.Tails, before.Tails)
			}
			if _, err := os.Stat(path + ".tmp"); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("left: %v", err)
			}
		})
	}
}

// After a failure the file is the old one, and what was begun is gone.
func TestReplaceFailure(t *testing.T) {
	broken := errors.New("disk is broken")
	for _, tc := range []struct {
		name    string
		read    error
		failing error
	}{{"a chunk can't be read", broken, nil}, {"it can't be renamed", nil, broken}} {
		path := filepath.Join(boltfiletest.MemoryDir(t), Name(100))
		before := written(t, path, []uint64{100, 101})
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		read := func(e *Entry) ([]byte, error) { return valueOf(100+uint64(e.Seq), "seoul", 2000), tc.read }
		asked := ""
		_, f, _, err := Replace(path, before, read, All, func(op string) error { asked = op; return tc.failing })
		if !errors.Is(err, broken) || f != nil || (asked == "replace") != (tc.read == nil) {
			t.Errorf("%s: %v, asked for %q", tc.name, err, asked)
		}
		if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, whole) {
			t.Errorf("%s: the file has changed: %v", tc.name, err)
		}
		if _, err := os.Stat(path + ".tmp"); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: left: %v", tc.name, err)
		}
	}
}

// Chunks that are in no file yet are written beside those that are.
func TestReplaceFresh(t *testing.T) {
	path := filepath.Join(boltfiletest.MemoryDir(t), Name(100))
	c := &Contents{First: 100, Tails: resend.Tails{}}
	headers, fresh := make([]chunk.Header, 2), map[uint32][]byte{}
	for i := range headers {
		value := valueOf(103+uint64(i), "busan", 3000)
		h, err := chunk.DecodeHeader(value, nil)
		if err != nil {
			t.Fatal(err)
		}
		headers[i], fresh[uint32(3+i)] = h, value
	}
	if added := c.Join(headers); !slices.Equal(added, []uint64{103, 104}) {
		t.Errorf("added %d", added)
	}
	c, f, _, err := Replace(path, c, ReadFrom(nil, fresh), All, works)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	again, damage, err := Read(path, 100)
	if err != nil || damage != nil || !slices.Equal(again.Entries, c.Entries) || again.Clusters[0] != "busan" {
		t.Errorf("read again: %+v, %v, %v; want %+v", again, damage, err, c)
	}
}

// What is joined: chunks that the segment lacks and that can be in it, in order, under its numbers of names.
func TestJoin(t *testing.T) {
	header := func(seq uint64, cluster string) chunk.Header {
		h := someHeader()
		h.Seq, h.Cluster = seq, cluster
		return h
	}
	path := filepath.Join(boltfiletest.MemoryDir(t), Name(100))
	c := written(t, path, []uint64{100, 104})
	c.Sealed = true
	if added := c.Join(nil); added != nil || !c.Sealed {
		t.Errorf("nothing is joined: %d, sealed %v", added, c.Sealed)
	}
	added := c.Join([]chunk.Header{
		header(99, "a"), header(100, "a"), header(102, "busan"), header(104, "a"), header(106, "seoul"),
		header(100+1<<31, "jeju"), header(101+1<<31, "a"), header(math.MaxUint64, "a"),
	})
	if !slices.Equal(added, []uint64{102, 106, 100 + 1<<31}) || c.Sealed {
		t.Errorf("added %d, sealed %v", added, c.Sealed)
	}
	if got := seqsOf(c); !slices.Equal(got, []uint64{100, 102, 104, 106, 100 + 1<<31}) {
		t.Errorf("chunks %d", got)
	}
	var clusters []string
	for i := range c.Entries {
		clusters = append(clusters, c.Clusters[c.Entries[i].Cluster])
	}
	if got := strings.Join(clusters, " "); got != "seoul busan seoul seoul jeju" || len(c.Sets) != 1 {
		t.Errorf("of clusters %s, %d sets of outputs", got, len(c.Sets))
	}
	if c.Entries[1].Off != 0 || c.Entries[0].Off == 0 {
		t.Errorf("places %d and %d", c.Entries[0].Off, c.Entries[1].Off)
	}
}

// A segment has its name once it is whole, and takes no other's.
func TestCreateNamed(t *testing.T) {
	dir := boltfiletest.MemoryDir(t)
	path := filepath.Join(dir, Name(7))
	w, f, err := CreateNamed(path, 1<<16, true)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	where := make([]uint32, 1)
	value := valueOf(7, "seoul", 5000)
	if err := errors.Join(w.Append([]Item{{7, value}}, where), w.Close()); err != nil {
		t.Fatal(err)
	}
	got, err := ReadChunk(f, &Entry{Off: where[0], Size: uint32(len(value))}, nil)
	if err != nil || !bytes.Equal(got, value) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if files := boltfiletest.Glob(t, dir, "*"); !slices.Equal(files, []string{path}) {
		t.Errorf("files %q", files)
	}
	_, _, err = CreateNamed(filepath.Join(dir, "missing", Name(8)), 1<<16, true)
	if !errors.Is(err, os.ErrNotExist) || !strings.HasPrefix(err.Error(), "create segment "+dir) {
		t.Errorf("no directory: %v", err)
	}
}

// A writer whose file somebody has removed says so before anything is lost.
func TestRemovedFile(t *testing.T) {
	path := filepath.Join(boltfiletest.MemoryDir(t), Name(100))
	w, err := Create(path, 1<<16, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	err = w.Append([]Item{{100, valueOf(100, "a", 10)}}, make([]uint32, 1))
	if err == nil || err.Error() != "somebody removed the file" {
		t.Errorf("append: %v", err)
	}
	if err := w.Seal(nil); err == nil || !strings.Contains(err.Error(), "somebody removed the file") {
		t.Errorf("seal: %v", err)
	}
	other, err := Create(path, 1<<16, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Create(path, 1<<16, false); !errors.Is(err, os.ErrExist) {
		t.Errorf("one that is there: %v", err)
	}
	if err := other.Close(); err != nil {
		t.Error(err)
	}
}

// A number is given once: a second commit that begins with it is refused, and the first stays as it is.
func TestAppendTwice(t *testing.T) {
	path := filepath.Join(boltfiletest.MemoryDir(t), Name(100))
	w, err := Create(path, 1<<16, false)
	if err != nil {
		t.Fatal(err)
	}
	where, again := make([]uint32, 1), make([]uint32, 1)
	if err := w.Append([]Item{{105, valueOf(105, "a", 10)}}, where); err != nil {
		t.Fatal(err)
	}
	if err := w.Append([]Item{{105, valueOf(105, "b", 10)}}, again); err == nil || again[0] != 0 {
		t.Errorf("chunk 105 twice: at %d, %v", again[0], err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	c, damage, err := Read(path, 100)
	if err != nil || damage != nil || !slices.Equal(seqsOf(c), []uint64{105}) || c.Clusters[0] != "a" {
		t.Errorf("read: %+v, %v, %v", c, damage, err)
	}
}

// A chunk that can't be read says where, and whether it is damaged.
func TestReadChunk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	value := valueOf(7, "a", 100)
	rotten := bytes.Clone(value)
	rotten[len(rotten)-1] ^= 1
	later := bytes.Clone(value)
	later[8], later[10] = 200, 200
	chunk.Seal(later)
	if err := os.WriteFile(path, slices.Concat(value, rotten, later), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	n := uint32(len(value))
	for _, tc := range []struct {
		name      string
		off, size uint32
		is        error
		text      string
	}{
		{"whole", 0, n, nil, ""},
		{"rotten", n, n, boltfile.ErrDamaged, "chunk's checksum is "},
		{"of a later program", 2 * n, n, format.ErrUnknown, "chunk of format 200"},
		{"one byte further", 1, n, boltfile.ErrDamaged, "without its magic number"},
		{"too long", 0, n + 1, boltfile.ErrDamaged, "says it has"},
		{"past the end", 2*n + 1, n, boltfile.ErrDamaged, "file is cut"},
		{"of no size", 0, 0, boltfile.ErrDamaged, "without its magic number"},
	} {
		for _, buf := range [][]byte{nil, make([]byte, 1000)} {
			got, err := ReadChunk(f, &Entry{Off: tc.off, Size: tc.size}, buf)
			if !errors.Is(err, tc.is) || len(got) != int(tc.size) {
				t.Errorf("%s: %d bytes, %v", tc.name, len(got), err)
			}
			if err != nil && (!strings.Contains(err.Error(), tc.text) || !strings.Contains(err.Error(), path+" at ")) {
				t.Errorf("%s: %v, want %q", tc.name, err, tc.text)
			}
		}
	}
}
