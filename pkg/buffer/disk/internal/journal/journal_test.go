package journal

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
	"github.com/seed-afc6a195/aggregator/internal/boltfile/boltfiletest"
	"github.com/seed-afc6a195/aggregator/internal/format"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/chunk"
)

const (
	testSalt = 0x5a17
	testSize = 64 << 10
)

// part is a piece of a message of the connection with that number.
func part(conn uint64, first, events int, last bool) chunk.Part {
	p := chunk.Part{
		Flags: chunk.PartKeyed, Key: [16]byte{byte(conn)}, Conn: conn, CommitSeq: 1, First: first, Events: events,
	}
	if last {
		p.Flags |= chunk.PartLast
		p.Total = first + events
	}
	return p
}

// whole is a message that is in a chunk as a whole.
func whole(conn uint64) chunk.Part { return part(conn, 0, 1, true) }

// value returns a chunk of so many bytes of entries.
func value(seq uint64, n int, parts ...chunk.Part) []byte {
	h := chunk.Header{Seq: seq, Salt: testSalt, Raw: n, Cluster: "c", Tag: "t", Outputs: []string{"o"}, Parts: parts}
	for i := range parts {
		h.Events += parts[i].Events
	}
	b := append(chunk.AppendHeader(nil, &h), strings.Repeat(string(rune('a'+seq%26)), n)...)
	chunk.Seal(b)
	return b
}

func mustOpen(tb testing.TB, path string, size int64, generation uint64) *Journal {
	tb.Helper()
	j, err := Open(path, size, generation)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = j.Close() }) // where a test has not
	return j
}

func mustBegin(tb testing.TB, j *Journal, first uint64) {
	tb.Helper()
	if err := j.Begin(testSalt, first); err != nil {
		tb.Fatal(err)
	}
}

func mustAppend(tb testing.TB, j *Journal, segment uint64, values ...[]byte) {
	tb.Helper()
	if err := j.Append(segment, bytes.Join(values, nil)); err != nil {
		tb.Fatal(err)
	}
}

// seqs returns what c holds, by sequence number.
func seqs(c *Contents) (all []uint64) {
	for i := range c.Chunks {
		all = append(all, c.Chunks[i].Seq)
	}
	return all
}

func mustRead(tb testing.TB, path string) *Contents {
	tb.Helper()
	c, err := Read(path)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// What was appended since the journal began last is found, over the lives of processes too.
func TestJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), Name)
	if _, err := Read(path); !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	j := mustOpen(t, path, testSize, 0)
	if c := mustRead(t, path); len(c.Chunks) > 0 || c.Damage != nil || c.Torn || c.Generation != 0 {
		t.Errorf("a new journal is %+v", c)
	}
	mustBegin(t, j, 7)
	mustAppend(t, j, 3, value(7, 300, whole(1)), value(8, 5000, whole(2)))
	mustAppend(t, j, 3, value(9, 10))
	check := func(generation uint64, want ...uint64) {
		t.Helper()
		c := mustRead(t, path)
		if got := seqs(c); !slices.Equal(got, want) || c.Damage != nil || c.Torn || len(want) > 0 && c.Segment != 3 ||
			c.Generation != generation {
			t.Errorf("got %v of %+v, want %v", got, c, want)
		}
		for i := range c.Chunks {
			if err := chunk.Verify(c.Chunks[i].Value); err != nil {
				t.Error(err)
			}
		}
	}
	check(1, 7, 8, 9)
	mustBegin(t, j, 10)
	check(2)
	mustAppend(t, j, 3, value(10, 10))
	check(2, 10)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j = mustOpen(t, path, testSize, 2)
	check(2, 10)
	mustBegin(t, j, 11)
	check(3)
	st, err := os.Stat(path)
	if err != nil || st.Size() != testSize || boltfile.Allocated(st) < testSize {
		t.Errorf("the file has %d bytes, of which %d are there: %v", st.Size(), boltfile.Allocated(st), err)
	}
	for j.Fits(5000) {
		mustAppend(t, j, 3, value(11, 4900))
	}
	if st, err = os.Stat(path); err != nil || st.Size() != testSize {
		t.Errorf("when it is full the file has %d bytes: %v", st.Size(), err)
	}
	if err := Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := j.Append(3, nil); err == nil || !strings.Contains(err.Error(), "somebody removed the file") {
		t.Errorf("append to a removed file: %v", err)
	}
	if err := Remove(path); err != nil {
		t.Errorf("remove again: %v", err)
	}
}

// A file of another size, or one with holes, is made anew.
func TestAnotherSize(t *testing.T) {
	path := filepath.Join(t.TempDir(), Name)
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, before := range []int64{0, testSize / 2, testSize} {
		if err := os.Truncate(path, before); err != nil {
			t.Fatal(err)
		}
		j := mustOpen(t, path, testSize, 0)
		if st, err := j.f.Stat(); err != nil || st.Size() != testSize || boltfile.Allocated(st) < testSize {
			t.Errorf("after %d bytes it has %d, of which %d are there: %v", before, st.Size(), boltfile.Allocated(st),
				err)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// What counts is what was written last, also where the file before could not be removed, and nobody knows what it held.
func TestUnknownGeneration(t *testing.T) {
	path := filepath.Join(t.TempDir(), Name)
	before := mustOpen(t, path, testSize, 0)
	for range 5 {
		mustBegin(t, before, 1)
		mustAppend(t, before, 1, value(1, 10))
	}
	j := mustOpen(t, path, testSize, 0)
	mustBegin(t, j, 2)
	mustAppend(t, j, 1, value(2, 10))
	if got := seqs(mustRead(t, path)); !slices.Equal(got, []uint64{2}) {
		t.Errorf("chunks %v count", got)
	}
}

// A power cut takes any part of what was not synced: the last record, or the beginning that was being written.
func TestTorn(t *testing.T) {
	const page = boltfile.PageSize
	for _, tc := range []struct {
		name   string
		last   [][]byte // chunks of the last record
		change func(b []byte)
		want   []uint64
		torn   bool
	}{
		{"nothing", nil, func([]byte) {}, []uint64{1, 2}, false},
		{
			"all of the last",
			[][]byte{value(3, 9000, whole(3))},
			func(b []byte) { clear(b[4*page:]) },
			[]uint64{1, 2},
			false,
		},
		{
			"its first page",
			[][]byte{value(3, 9000, whole(3))},
			func(b []byte) { clear(b[4*page : 5*page]) },
			[]uint64{1, 2},
			false,
		},
		{
			"its second page",
			[][]byte{value(3, 9000, whole(3))},
			func(b []byte) { clear(b[5*page : 6*page]) },
			[]uint64{1, 2},
			true,
		},
		{
			"a page of several chunks",
			[][]byte{value(3, 5000, whole(3)), value(4, 5000, whole(4)), value(5, 9000)},
			func(b []byte) { clear(b[6*page : 7*page]) },
			[]uint64{1, 2, 3},
			true,
		},
		{
			"the first of several chunks",
			[][]byte{value(3, 5000, whole(3)), value(4, 5000, whole(4)), value(5, 9000)},
			func(b []byte) { clear(b[4*page : 5*page]) },
			[]uint64{1, 2, 4, 5},
			true,
		},
		{
			"half of a message",
			[][]byte{value(3, 5000, whole(3), part(4, 0, 2, false)), value(4, 5000, part(4, 2, 2, true))},
			func(b []byte) { clear(b[6*page : 7*page]) },
			[]uint64{1, 2},
			true,
		},
		{
			"the other half of it",
			[][]byte{value(3, 5000, part(4, 0, 2, false)), value(4, 5000, part(4, 2, 2, true)), value(5, 1, whole(5))},
			func(b []byte) { clear(b[5*page : 5*page+1]); b[4*page+100]++ },
			[]uint64{1, 2, 5},
			true,
		},
		{
			"what hangs together",
			[][]byte{
				value(3, 5000, part(3, 0, 1, false)), value(4, 5000, part(3, 1, 1, true), part(4, 0, 1, false)),
				value(5, 5000, part(4, 1, 1, true)),
			},
			func(b []byte) { b[4*page+100]++ },
			[]uint64{1, 2},
			true,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), Name)
			j := mustOpen(t, path, testSize, 0)
			mustBegin(t, j, 1)
			mustAppend(t, j, 1, value(1, 300, part(1, 0, 1, false)))
			mustAppend(t, j, 1, value(2, 300, part(1, 1, 1, true)))
			if tc.last != nil {
				mustAppend(t, j, 1, tc.last...)
			}
			boltfiletest.Change(t, path, func(b []byte) []byte { tc.change(b); return b })
			c := mustRead(t, path)
			if got := seqs(c); !slices.Equal(got, tc.want) || c.Damage != nil || c.Torn != tc.torn || c.Segment != 1 {
				t.Errorf("got %v, want %v: %+v", got, tc.want, c)
			}
		})
	}
}

// A beginning that is being written while the power fails leaves the one before, and all that belongs to it.
func TestTornBeginning(t *testing.T) {
	path := filepath.Join(t.TempDir(), Name)
	j := mustOpen(t, path, testSize, 0)
	mustBegin(t, j, 1)
	mustBegin(t, j, 1)
	mustAppend(t, j, 1, value(1, 300))
	mustBegin(t, j, 2)
	boltfiletest.Change(t, path, func(b []byte) []byte { b[3%2*pageSize+20]++; return b })
	if c := mustRead(t, path); !slices.Equal(seqs(c), []uint64{1}) || c.Damage != nil || c.Torn {
		t.Errorf("got %v: %+v", seqs(c), c)
	}
}

// Whatever rots, every chunk that is not touched is found where it may have been acknowledged, and none is made up. It
// is told, unless it looks as a power cut leaves it.
func TestRot(t *testing.T) {
	path := filepath.Join(boltfiletest.MemoryDir(t), Name)
	j := mustOpen(t, path, testSize/2, 0)
	mustBegin(t, j, 100)
	for i := range uint64(5) {
		mustAppend(t, j, 90, value(100+i, 200))
	}
	mustBegin(t, j, 200)
	mustAppend(t, j, 190, value(200, 300, whole(1)), value(201, 5000, whole(2)))
	mustAppend(t, j, 190, value(202, 300, whole(3)))
	mustAppend(t, j, 190, value(203, 300, whole(4)), value(204, 300, whole(5)))
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := mustRead(t, path)
	if len(want.Chunks) != 5 {
		t.Fatalf("%+v", want)
	}
	places := map[uint64]int{}
	for i := range want.Chunks {
		places[want.Chunks[i].Seq] = bytes.Index(b, want.Chunks[i].Value)
	}
	boltfiletest.EachRot(t, path, func(t *testing.T, r boltfiletest.Rot) {
		t.Helper()
		c, err := Read(path)
		if err != nil {
			if !errors.Is(err, format.ErrUnknown) {
				t.Errorf("can't be read: %v", err)
			}
			return
		}
		got := seqs(c)
		for i := range c.Chunks {
			if !bytes.Equal(c.Chunks[i].Value, b[places[c.Chunks[i].Seq]:][:c.Chunks[i].Size]) {
				t.Errorf("chunk %d is made up", c.Chunks[i].Seq)
			}
		}
		for seq, at := range places {
			if !slices.Contains(got, seq) && !r.Hits(at, len(want.Chunks[seq-200].Value)) {
				t.Errorf("chunk %d is not touched, and missing of %v: %v, torn %t", seq, got, c.Damage, c.Torn)
			}
			if !slices.Contains(got, seq) && c.Damage == nil && (seq < 203 || !c.Torn) {
				t.Errorf("chunk %d is missing, and nothing is said of damage", seq)
			}
		}
	})
}

// Bytes that an agent sent to look like a chunk are none.
func TestMadeUp(t *testing.T) {
	path := filepath.Join(t.TempDir(), Name)
	j := mustOpen(t, path, testSize, 0)
	if err := j.Begin(testSalt+1, 1); err != nil { // which nobody knows
		t.Fatal(err)
	}
	mustAppend(t, j, 1, value(5, 300, whole(1)))
	boltfiletest.Change(t, path, func(b []byte) []byte { b[begins]++; return b })
	if c := mustRead(t, path); len(c.Chunks) > 0 {
		t.Errorf("chunks %v were made up", seqs(c))
	}
}

// FuzzRead lets any bytes pass for a journal: reading it ends, and what it hands out are whole chunks, in order.
func FuzzRead(f *testing.F) {
	path := filepath.Join(f.TempDir(), Name)
	j := mustOpen(f, path, 6*pageSize, 0)
	mustBegin(f, j, 1)
	mustAppend(f, j, 1, value(1, 300, whole(1)), value(2, 10))
	mustAppend(f, j, 1, value(3, 300, whole(1)))
	b, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	b[begins]++
	f.Add(b)
	f.Add(b[:begins+100])
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := parse(b)
		if err != nil {
			if !errors.Is(err, format.ErrUnknown) {
				t.Fatal(err)
			}
			return
		}
		last := uint64(0)
		for i := range c.Chunks {
			ch := &c.Chunks[i]
			if err := chunk.Verify(ch.Value); err != nil {
				t.Fatal(err)
			}
			if i > 0 && ch.Seq <= last {
				t.Fatal(fmt.Errorf("chunk %d behind %d", ch.Seq, last))
			}
			last = ch.Seq
		}
	})
}
