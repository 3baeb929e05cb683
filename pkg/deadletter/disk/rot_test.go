package disk

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
	"github.com/seed-afc6a195/aggregator/internal/boltfile/boltfiletest"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
)

// Whatever rots in a file of dead letters, each letter that is not touched is listed, and none is made
// up. What is lost is named, set aside and counted.
func TestRottenDeadLetters(t *testing.T) {
	dir := boltfiletest.MemoryDir(t)
	d := openDeadForTest(t, dir, deadletter.Config{MaxSize: 64 << 20}, newFakeClock())
	want := map[uint64][]byte{}
	for i := range 60 {
		l := letterOf(byte(i % 100))
		l.Cluster = fmt.Sprint("c", i%3)
		l.Entry = append(l.Entry, noise(1+i*i*3, byte(i))...)
		if err := d.Add(t.Context(), []deadletter.Letter{l}); err != nil {
			t.Fatal(err)
		}
	}
	letters, err := d.List(t.Context(), deadletter.Filter{}, 0, 1000)
	if err != nil || len(letters) != 60 {
		t.Fatal(len(letters), err)
	}
	for i := range letters {
		want[letters[i].ID] = letters[i].Entry
	}
	path := d.files[0].path
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	p, err := boltfile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	b, err := p.Bucket(lettersBucket)
	if err != nil {
		t.Fatal(err)
	}
	type place struct{ off, size int }
	places := map[uint64][]place{} // of key and value, and of the element that leads to it
	if err := b.Each(func(e boltfile.Element) error {
		n := binary.BigEndian.Uint64(e.Key)
		places[n] = append(places[n], place{int(e.Off) - 8, len(e.Value) + 8})
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(whole); at += 16 { // every element that leads to a letter may be the damaged one
		from := at + int(binary.LittleEndian.Uint32(whole[at+4:]))
		for n, ps := range places {
			if binary.LittleEndian.Uint32(whole[at+8:]) == 8 && from == ps[0].off {
				places[n] = append(places[n], place{at, 16})
			}
		}
	}
	boltfiletest.EachRot(t, path, func(t *testing.T, r boltfiletest.Rot) {
		t.Helper()
		var log bytes.Buffer
		d, err := Open(dir, deadletter.Config{MaxSize: 64 << 20}, zerolog.New(&log), newFakeClock().now)
		if err != nil {
			t.Errorf("open: %v", err)
			return
		}
		letters, err := d.List(context.Background(), deadletter.Filter{}, 0, 1000)
		if err != nil {
			t.Errorf("list: %v", err)
		}
		got := map[uint64]bool{}
		for i := range letters {
			l := &letters[i]
			if !bytes.Equal(l.Entry, want[l.ID]) {
				t.Errorf("letter %d is made up", l.ID)
			}
			got[l.ID] = true
		}
		for n, ps := range places {
			if !got[n] && !slices.ContainsFunc(ps, func(p place) bool { return r.Hits(p.off, p.size) }) {
				t.Errorf("letter %d is not touched, and missing", n)
			}
		}
		st := d.Stats()
		corrupt := boltfiletest.Glob(t, dir, "*.corrupt*")
		if len(got) < len(want) && r.From >= 0 &&
			(st.SetAside == 0 || len(corrupt) == 0 || !strings.Contains(log.String(), "damaged")) {
			t.Errorf("%d letters are lost in silence: %+v, %v, log %s", len(want)-len(got), st, corrupt, log.String())
		}
		if int(st.Letters) != len(got) {
			t.Errorf("%d letters are counted, %d are there", st.Letters, len(got))
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		for _, name := range boltfiletest.Glob(t, dir, "*") {
			if name != path {
				if err := os.Remove(name); err != nil {
					t.Error(err)
				}
			}
		}
	})
}
