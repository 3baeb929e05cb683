package disk

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
	"github.com/seed-afc6a195/aggregator/internal/boltfile/boltfiletest"
	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/chunk"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/limits"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/segment"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/statefile"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
)

// Whatever rots in a segment, sealed or not, each chunk that is not touched is found, and none is made up.
func TestRottenSegment(t *testing.T) {
	for _, sealed := range []bool{true, false} {
		t.Run(fmt.Sprintf("sealed %t", sealed), func(t *testing.T) {
			dir := boltfiletest.MemoryDir(t)
			cfg := testConfig(dir)
			cfg.Compression = "none"
			s := mustOpen(t, cfg, buffer.Options{Fault: func(op string) error {
				if op == "seal" && !sealed {
					return errFault
				}
				return nil
			}})
			want := map[uint64]string{}
			for i, n := range []int{10, 300, 5000, 20_000, 100, 30, 200, 9000} {
				put(t, s, message1{
					text: text(n, uint64(i)), conn: uint64(i), chunk: strconv.Itoa(i), cluster: fmt.Sprint("c", i%2),
				})
				want[uint64(i+1)] = text(n, uint64(i))
			}
			mustClose(t, s)
			path := segmentFiles(t, dir)[0]
			c, hurt, err := segment.Read(path, 1)
			if err != nil || hurt != nil || len(c.Entries) != len(want) {
				t.Fatal(c, hurt, err)
			}
			places := slices.Clone(c.Entries)
			boltfiletest.EachRot(t, path, func(t *testing.T, r boltfiletest.Rot) {
				t.Helper()
				c, _, err := segment.Read(path, 1)
				if err != nil {
					t.Errorf("can't be read: %v", err)
					return
				}
				f, err := os.Open(path)
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				got := map[uint64]bool{}
				for i := range c.Entries {
					e := &c.Entries[i]
					value, err := segment.ReadChunk(f, e, nil)
					if err != nil {
						continue // whoever is handed it sets it aside
					}
					h, err := chunk.DecodeHeader(value, nil)
					if err != nil || string(value[h.Payload:h.Size]) != want[h.Seq] || h.Seq != c.First+uint64(e.Seq) {
						t.Errorf("chunk %d is made up: %v", h.Seq, err)
					}
					got[h.Seq] = true
				}
				for i := range places {
					if p := &places[i]; !got[1+uint64(p.Seq)] && !r.Hits(int(p.Off), int(p.Size)) {
						t.Errorf("chunk %d is not touched, and missing", 1+p.Seq)
					}
				}
			})
		})
	}
}

// Files rot under a running process: it goes on, hands out what is whole and takes what comes.
func TestRotWhileRunning(t *testing.T) {
	garbage := func(b []byte) []byte { return []byte(text(len(b), 1)) }
	for _, tc := range []struct {
		name   string
		file   string
		change func([]byte) []byte
	}{
		{"the segment that is written becomes garbage", "seg-*", garbage},
		{"the segment that is written becomes zeros", "seg-*", func(b []byte) []byte { return make([]byte, len(b)) }},
		{"its pages lead to themselves", "seg-*", func(b []byte) []byte {
			for id := uint64(2); id < uint64(len(b)/boltfile.PageSize); id++ {
				p := b[id*boltfile.PageSize:]
				clear(p[:boltfile.PageSize])
				binary.LittleEndian.PutUint64(p, id)
				p[8], p[10] = boltfile.BranchFlag, 1
				binary.LittleEndian.PutUint32(p[boltfile.PageHead:], 16)
				binary.LittleEndian.PutUint64(p[boltfile.PageHead+8:], id)
			}
			return b
		}},
		{"state.db becomes garbage", statefile.Name, garbage},
		{"state.db leads to itself", statefile.Name, func(b []byte) []byte {
			for id := uint64(2); id < uint64(len(b)/boltfile.PageSize); id++ {
				p := b[id*boltfile.PageSize:]
				p[8] = boltfile.BranchFlag
				for i := range int(p[10]) {
					binary.LittleEndian.PutUint64(p[boltfile.PageHead+16*i+8:], id)
				}
			}
			return b
		}},
		{"the file of dead letters becomes garbage", "dead/dead-*", garbage},
		{"all files become garbage", "*", garbage},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := testConfig(t.TempDir())
			cfg.WhenFull = "reject"
			clock := newClock()
			s := mustOpen(t, cfg, buffer.Options{Now: clock.now})
			for i := range 3 {
				put(t, s, message1{text: text(30_000, uint64(i))})
				bury(t, s, letter1(byte(i)))
			}
			saved(t, s)
			for _, name := range boltfiletest.Glob(t, cfg.Path, tc.file) {
				if st, err := os.Stat(name); err != nil || st.IsDir() {
					continue
				}
				b, err := os.ReadFile(name)
				if err != nil {
					t.Fatal(err)
				}
				f, err := os.OpenFile(name, os.O_WRONLY, 0)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := f.WriteAt(tc.change(bytes.Clone(b)), 0); err != nil { // in place, as rot is
					t.Fatal(err)
				}
				f.Close()
			}
			acked := 0
			for i := range 3 { // the first may fail, and is sent again
				if (message1{text: fmt.Sprint("after ", i)}).begin(s).Commit(t.Context()) == nil {
					acked++
				}
				_ = s.dead.Add(t.Context(), []deadletter.Letter{letter1(byte(10 + i))}) // the same
				clock.move(limits.PollFull)
			}
			if acked < 2 {
				t.Errorf("%d of 3 were stored", acked)
			}
			got := drain(t, s, "o")
			if n := len(got); n < acked || got[n-1] != "after 2" {
				t.Errorf("%d chunks came, the last %.20q", n, got)
			}
			for _, text1 := range got[:len(got)-acked] {
				if !slices.Contains([]string{text(30_000, 0), text(30_000, 1), text(30_000, 2)}, text1) {
					t.Errorf("a chunk was made up: %.20q", text1)
				}
			}
			if letters, err := s.dead.List(t.Context(), deadletter.Filter{}, 0, 100); err != nil || len(letters) < 2 {
				t.Errorf("%d letters: %v", len(letters), err)
			}
			if _, err := buffer.Requeue(t.Context(), s, s.dead, deadletter.Filter{}, home, nothing); err != nil {
				t.Error(err)
			}
			_ = s.clean.save(false) // tells of the damage, and makes state.db anew with the next
			saved(t, s)
			drain(t, s, "o")
			mustClose(t, s)
			s = mustOpen(t, cfg, buffer.Options{Now: clock.now})
			put(t, s, message1{text: "in the end"})
			if got := drain(t, s, "o"); len(got) == 0 || got[len(got)-1] != "in the end" {
				t.Errorf("after the next start %.20q", got)
			}
		})
	}
}
