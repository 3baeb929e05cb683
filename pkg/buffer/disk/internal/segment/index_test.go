package segment

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
)

// Entries take their names along from a store's numbers to a segment's and back.
func TestNumbersOfNames(t *testing.T) {
	clusters := []string{"unused", "b", "a"}
	sets := [][]string{{"x"}, {"unused"}, {"x", "y"}}
	entries := []Entry{
		{Seq: 0, Cluster: 2, Set: 0}, {Seq: 1, Cluster: 1, Set: 2}, {Seq: 4, Cluster: 2, Set: 2},
	}
	before := slices.Clone(entries)
	c := &Contents{First: 7}
	c.AddNamed(entries, func(n uint32) string { return clusters[n] }, func(n uint32) []string { return sets[n] })
	want := Contents{
		First: 7, Clusters: []string{"a", "b"}, Sets: [][]string{{"x"}, {"x", "y"}},
		Entries: []Entry{{Seq: 0, Cluster: 0, Set: 0}, {Seq: 1, Cluster: 1, Set: 1}, {Seq: 4, Cluster: 0, Set: 1}},
	}
	if !reflect.DeepEqual(*c, want) {
		t.Errorf("named: %+v, want %+v", *c, want)
	}
	if !slices.Equal(entries, before) {
		t.Errorf("the store's entries have changed: %+v", entries)
	}
	c.Renumber(
		func(name string) uint32 { return uint32(slices.Index(clusters, name)) },
		func(outputs []string) uint32 {
			return uint32(slices.IndexFunc(sets, func(s []string) bool { return slices.Equal(s, outputs) }))
		},
	)
	if !slices.Equal(c.Entries, before) {
		t.Errorf("and back: %+v, want %+v", c.Entries, before)
	}
}

// Bits that nobody has set are clear, also past the end, and stay as they are when more have room.
func TestBits(t *testing.T) {
	b := Bits(nil).Grown(9)
	if len(b) != 2 || len(b.Grown(16)) != 2 || len(b.Grown(17)) != 3 {
		t.Errorf("%d bytes for 9 bits", len(b))
	}
	b.Set(0)
	b.Set(8)
	b = b.Grown(20)
	b.Set(19)
	b.Clear(0)
	var set []uint32
	for i := range uint32(64) {
		if b.Has(i) {
			set = append(set, i)
		}
	}
	if !slices.Equal(set, []uint32{8, 19}) {
		t.Errorf("bits %v are set", set)
	}
}

func TestFind(t *testing.T) {
	entries := []Entry{{Seq: 0}, {Seq: 2}, {Seq: 3}}
	for seq, want := range map[uint64]int{100: 0, 102: 1, 103: 2, 101: -1, 99: -1, 104: -1} {
		i, found := Find(entries, 100, seq)
		if found != (want >= 0) || found && i != want {
			t.Errorf("%d: %d, %v", seq, i, found)
		}
	}
}

// A file is open for as long as somebody holds it, and no longer than until it is closed.
func TestHandle(t *testing.T) {
	isOpen := func(h *Handle) bool {
		_, err := h.File.Stat()
		return err == nil
	}
	open := func() *Handle {
		f, err := os.Create(filepath.Join(t.TempDir(), "file"))
		if err != nil {
			t.Fatal(err)
		}
		return NewHandle(f)
	}
	h := open()
	h.Hold()
	h.Release()
	if !isOpen(h) {
		t.Error("it was closed by who read it")
	}
	h.Hold()
	h.Hold()
	h.Close()
	h.Release()
	if !isOpen(h) {
		t.Error("it was closed while somebody read it")
	}
	h.Release()
	if isOpen(h) {
		t.Error("nobody reads it, and it is open")
	}
	h = open()
	if h.Close(); isOpen(h) {
		t.Error("nobody has read it, and it is open")
	}
}
