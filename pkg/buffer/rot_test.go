package buffer

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
	"github.com/seed-afc6a195/aggregator/pkg/resend"
)

// rot is one damage to a file.
type rot struct {
	name     string
	from, to int // bytes that it changes; from -1: what can't be told from a file that was always so
	change   func(b []byte) []byte
}

// rots yields damage to every region of a bbolt file: each page's head and elements, meta pages, the
// bytes of keys and values, the file's end. Beside flips, zeros and cuts there are pages that are whole
// but in the wrong place, pages that are their own ancestors, and counts as large as can be.
func rots(b []byte) iter.Seq[rot] {
	put := func(name string, at int, v []byte) rot {
		return rot{fmt.Sprintf("%s at %d", name, at), at, at + len(v), func(b []byte) []byte { copy(b[at:], v); return b }}
	}
	flip := func(name string, at int, mask byte) rot {
		return put(fmt.Sprintf("%s flipped by %02x", name, mask), at, []byte{b[at] ^ mask})
	}
	u16 := func(v uint16) []byte { return binary.LittleEndian.AppendUint16(nil, v) }
	u32 := func(v uint32) []byte { return binary.LittleEndian.AppendUint32(nil, v) }
	u64 := func(v uint64) []byte { return binary.LittleEndian.AppendUint64(nil, v) }
	pageCount := uint64(len(b) / boltfile.PageSize)
	return func(yield func(rot) bool) {
		more := true
		emit := func(r rot) { more = more && yield(r) }
		for at := 0; at < len(b) && more; at += boltfile.PageSize {
			id := uint64(at / boltfile.PageSize)
			if id > 1 && binary.LittleEndian.Uint64(b[at:]) != id {
				for off := 0; off < boltfile.PageSize; off += 500 { // the inside of something large
					emit(flip("inside", at+off, 1))
				}
				continue
			}
			for i := range boltfile.PageHead + 64 { // the head and the first elements, or a meta page
				emit(flip("head", at+i, 1<<(i%8)))
			}
			for off := boltfile.PageHead + 64; off < boltfile.PageSize; off += 311 {
				emit(flip("page", at+off, 0x10))
			}
			emit(put("zeros", at, make([]byte, boltfile.PageSize)))
			emit(put("half zeros", at+boltfile.PageSize/2, make([]byte, boltfile.PageSize/2)))
			emit(put("ones", at, bytes.Repeat([]byte{0xff}, boltfile.PageSize)))
			for _, count := range []uint16{0, 1, 2, 0x7fff, 0xffff} {
				emit(put(fmt.Sprint("count ", count), at+10, u16(count)))
			}
			for _, overflow := range []uint32{1, 7, 0x7fffffff, 0xffffffff} {
				emit(put(fmt.Sprint("overflow ", overflow), at+12, u32(overflow)))
			}
			for _, flags := range []uint16{0, boltfile.BranchFlag, boltfile.LeafFlag, 4, 0x10, 3} {
				emit(put(fmt.Sprint("kind ", flags), at+8, u16(flags)))
			}
			for i := range min(3, int(binary.LittleEndian.Uint16(b[at+10:]))) { // elements of a leaf or a branch
				e := at + boltfile.PageHead + 16*i
				for _, v := range []uint32{0, 8, 0x7fffffff, 0xfffffff0, 0xffffffff} {
					emit(put(fmt.Sprint("position ", v), e, u32(v)))
					emit(put(fmt.Sprint("position ", v), e+4, u32(v)))
					emit(put(fmt.Sprint("length ", v), e+8, u32(v)))
					emit(put(fmt.Sprint("length ", v), e+12, u32(v)))
				}
				for _, child := range []uint64{0, 1, 2, 3, 4, 5, id, id - 1, id + 1, pageCount - 1, pageCount, 1 << 40, 1<<64 - 1} {
					emit(put(fmt.Sprint("child ", child), e+8, u64(child)))
				}
			}
			for other := uint64(2); other < pageCount && id > 1; other += 1 + pageCount/9 { // another page in its place
				p := bytes.Clone(b[other*boltfile.PageSize : (other+1)*boltfile.PageSize])
				emit(put(fmt.Sprint("page ", other), at, bytes.Clone(p)))
				binary.LittleEndian.PutUint64(p, id)
				stale := put(fmt.Sprint("page, renumbered, ", other), at, p)
				stale.from = -1 // as if the file were an older one: nobody can tell
				emit(stale)
			}
			emit(rot{fmt.Sprint("cut at ", at), at, len(b), func(b []byte) []byte { return b[:at] }})
			emit(rot{fmt.Sprint("cut at ", at+100), at + 100, len(b), func(b []byte) []byte { return b[:at+100] }})
		}
		// A meta page whose checksum is right and whose contents are wrong.
		for _, field := range []struct {
			name string
			at   int
		}{{"root", 16}, {"free list", 32}, {"pages", 40}} {
			for _, v := range []uint64{0, 1, 2, 3, 4, 5, 6, pageCount - 1, pageCount, pageCount + 1, 1 << 30, 1 << 52, 1<<64 - 1} {
				emit(rot{fmt.Sprint("meta with ", field.name, " ", v), -1, -1, func(b []byte) []byte {
					for page := range 2 {
						m := b[page*boltfile.PageSize+boltfile.PageHead:]
						copy(m[field.at:], u64(v))
						sum := fnv.New64a()
						_, _ = sum.Write(m[:56]) // never fails
						copy(m[56:], u64(sum.Sum64()))
					}
					return b
				}})
			}
		}
	}
}

// hits says whether the damage may touch the bytes from a on.
func (r rot) hits(a, n int) bool { return r.from < 0 || r.from < a+n && a < r.to }

// rotten calls check with the file at path damaged in each way in turn: all of them with AGG_FAULTS=all,
// else every sixth, beginning anywhere.
func rotten(t *testing.T, path string, check func(t *testing.T, r rot)) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	n, step, at := 0, uint64(6), seeds(t, 1)[0]
	if os.Getenv("AGG_FAULTS") == "all" {
		step = 1
	}
	t.Logf("AGG_SEED=%d", at)
	for r := range rots(b) {
		if at++; at%step != 0 {
			continue
		}
		if err := os.WriteFile(path, r.change(bytes.Clone(b)), 0o600); err != nil {
			t.Fatal(err)
		}
		n++
		check(t, r)
		if t.Failed() {
			t.Fatalf("damage: %s", r.name)
		}
	}
	t.Logf("%d kinds of damage", n)
}

// Whatever rots in a segment, sealed or not, each chunk that is not touched is found, and none is made up.
func TestRottenSegment(t *testing.T) {
	for _, sealed := range []bool{true, false} {
		t.Run(fmt.Sprintf("sealed %t", sealed), func(t *testing.T) {
			dir := memoryDir(t)
			cfg := testConfig(dir)
			cfg.Compression = "none"
			s := mustOpen(t, cfg, Options{fail: func(op string) error {
				if op == "seal" && !sealed {
					return errFault
				}
				return nil
			}})
			want := map[uint64]string{}
			for i, n := range []int{10, 300, 5000, 20_000, 100, 30, 200, 9000} {
				put(t, s, message1{text: text(n, uint64(i)), conn: uint64(i), chunk: strconv.Itoa(i), cluster: fmt.Sprint("c", i%2)})
				want[uint64(i+1)] = text(n, uint64(i))
			}
			mustClose(t, s)
			path := segmentFiles(t, dir)[0]
			c, hurt, err := readContents(path, 1)
			if err != nil || hurt != nil || len(c.entries) != len(want) {
				t.Fatal(c, hurt, err)
			}
			places := slices.Clone(c.entries)
			rotten(t, path, func(t *testing.T, r rot) {
				t.Helper()
				c, _, err := readContents(path, 1)
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
				for i := range c.entries {
					e := &c.entries[i]
					value, err := readChunk(f, e, nil)
					if err != nil {
						continue // whoever is handed it sets it aside
					}
					h, err := decodeHeader(value, nil)
					if err != nil || string(value[h.payload:h.size]) != want[h.seq] || h.seq != c.first+uint64(e.seq) {
						t.Errorf("chunk %d is made up: %v", h.seq, err)
					}
					got[h.seq] = true
				}
				for i := range places {
					if p := &places[i]; !got[1+uint64(p.seq)] && !r.hits(int(p.off), int(p.size)) {
						t.Errorf("chunk %d is not touched, and missing", 1+p.seq)
					}
				}
			})
		})
	}
}

// Whatever rots in state.db, it is read as it was or not at all: nothing counts as finished that is not.
func TestRottenState(t *testing.T) {
	dir := memoryDir(t)
	db := stateDB{dir: dir, sync: true}
	all := &snapshot{queue: [16]byte{1, 2}, next: 77, done: map[doneKey][]byte{}, hasIDs: true}
	for i := range 30 {
		all.done[doneKey{uint64(1 + 100*i), "archive"}] = bytes.Repeat([]byte{byte(i)}, 10*i)
		all.done[doneKey{uint64(1 + 100*i), "es"}] = bytes.Repeat([]byte{byte(i + 1)}, 20*i)
		all.ids = append(all.ids, resend.Saved{Key: resend.Key{Chunk: [16]byte{byte(i)}, Events: i}, Until: newClock().now()})
	}
	if err := db.renew(all); err != nil {
		t.Fatal(err)
	}
	if err := db.save(&snapshot{queue: all.queue, next: 78, done: map[doneKey][]byte{{1, "es"}: nil}}); err != nil {
		t.Fatal(err)
	}
	if err := db.close(); err != nil {
		t.Fatal(err)
	}
	want, err := loadState(dir)
	if err != nil || len(want.done) != 59 || want.next != 78 {
		t.Fatal(want, err)
	}
	rotten(t, filepath.Join(dir, stateFile), func(t *testing.T, r rot) {
		t.Helper()
		got, err := loadState(dir)
		if err != nil {
			return
		}
		for k, bits := range got.done {
			if !bytes.Equal(bits, want.done[k]) && !bytes.Equal(bits, all.done[k]) {
				t.Errorf("finished of %v is %x, not %x", k, bits, want.done[k])
			}
		}
		if got.queue != want.queue || got.next != want.next && got.next != all.next {
			t.Errorf("queue %x, next %d", got.queue, got.next)
		}
	})
}

// Whatever rots in a file of dead letters, each letter that is not touched is listed, and none is made
// up. What is lost is named, set aside and counted.
func TestRottenDeadLetters(t *testing.T) {
	dir := memoryDir(t)
	d := openDeadForTest(t, dir, DeadLettersConfig{MaxSize: 64 << 20}, newClock())
	want := map[uint64][]byte{}
	for i := range 60 {
		l := letter1(byte(i % 100))
		l.Cluster = fmt.Sprint("c", i%3)
		l.Entry = append(l.Entry, text(1+i*i*3, uint64(i))...)
		if err := d.Add(t.Context(), []Letter{l}); err != nil {
			t.Fatal(err)
		}
	}
	letters, err := d.List(t.Context(), Filter{}, 0, 1000)
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
	rotten(t, path, func(t *testing.T, r rot) {
		t.Helper()
		var log bytes.Buffer
		d, err := openDeadLetters(dir, DeadLettersConfig{MaxSize: 64 << 20}, zerolog.New(&log), newClock().now)
		if err != nil {
			t.Errorf("open: %v", err)
			return
		}
		letters, err := d.List(context.Background(), Filter{}, 0, 1000)
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
			if !got[n] && !slices.ContainsFunc(ps, func(p place) bool { return r.hits(p.off, p.size) }) {
				t.Errorf("letter %d is not touched, and missing", n)
			}
		}
		st := d.Stats()
		corrupt := glob(t, dir, "*.corrupt*")
		if len(got) < len(want) && r.from >= 0 && (st.SetAside == 0 || len(corrupt) == 0 || !strings.Contains(log.String(), "damaged")) {
			t.Errorf("%d letters are lost in silence: %+v, %v, log %s", len(want)-len(got), st, corrupt, log.String())
		}
		if int(st.Letters) != len(got) {
			t.Errorf("%d letters are counted, %d are there", st.Letters, len(got))
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		for _, name := range glob(t, dir, "*") {
			if name != path {
				if err := os.Remove(name); err != nil {
					t.Error(err)
				}
			}
		}
	})
}

func glob(t *testing.T, dir, pattern string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		t.Fatal(err)
	}
	return names
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
		{"state.db becomes garbage", stateFile, garbage},
		{"state.db leads to itself", stateFile, func(b []byte) []byte {
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
			s := mustOpen(t, cfg, Options{Now: clock.now})
			for i := range 3 {
				put(t, s, message1{text: text(30_000, uint64(i))})
				bury(t, s, letter1(byte(i)))
			}
			saved(t, s)
			for _, name := range glob(t, cfg.Path, tc.file) {
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
				_ = s.dead.Add(t.Context(), []Letter{letter1(byte(10 + i))}) // the same
				clock.move(pollFull)
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
			if letters, err := s.dead.List(t.Context(), Filter{}, 0, 100); err != nil || len(letters) < 2 {
				t.Errorf("%d letters: %v", len(letters), err)
			}
			if _, err := s.Retry(t.Context(), Filter{}, home, nothing); err != nil {
				t.Error(err)
			}
			_ = s.keep.save(false) // tells of the damage, and makes state.db anew with the next
			saved(t, s)
			drain(t, s, "o")
			mustClose(t, s)
			s = mustOpen(t, cfg, Options{Now: clock.now})
			put(t, s, message1{text: "in the end"})
			if got := drain(t, s, "o"); len(got) == 0 || got[len(got)-1] != "in the end" {
				t.Errorf("after the next start %.20q", got)
			}
		})
	}
}
