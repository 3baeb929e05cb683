package boltfiletest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
)

// Rot is one damage to a file.
type Rot struct {
	name string
	// From and to bound the bytes that it changes; From is -1 where nobody can tell it from a file that was always so.
	From, to int
	change   func(b []byte) []byte
}

// put is v in the place of what is at at.
func put(name string, at int, v []byte) Rot {
	return Rot{
		fmt.Sprintf("%s at %d", name, at), at, at + len(v), func(b []byte) []byte { copy(b[at:], v); return b },
	}
}

func u16(v uint16) []byte { return binary.LittleEndian.AppendUint16(nil, v) }
func u32(v uint32) []byte { return binary.LittleEndian.AppendUint32(nil, v) }
func u64(v uint64) []byte { return binary.LittleEndian.AppendUint64(nil, v) }

// rots yields damage to every region of a bbolt file: each page's head and elements, meta pages, the
// bytes of keys and values, the file's end. Beside flips, zeros and cuts there are pages that are whole
// but in the wrong place, pages that are their own ancestors, and counts as large as can be.
func rots(b []byte) iter.Seq[Rot] {
	return func(yield func(Rot) bool) {
		more := true
		emit := func(r Rot) { more = more && yield(r) }
		for at := 0; at < len(b) && more; at += boltfile.PageSize {
			rotPage(b, at, emit)
		}
		rotMeta(uint64(len(b)/boltfile.PageSize), emit)
	}
}

// rotPage makes the rots of the page at at.
func rotPage(b []byte, at int, emit func(Rot)) {
	flip := func(name string, at int, mask byte) Rot {
		return put(fmt.Sprintf("%s flipped by %02x", name, mask), at, []byte{b[at] ^ mask})
	}
	pageCount := uint64(len(b) / boltfile.PageSize)
	id := uint64(at / boltfile.PageSize)
	if id > 1 && binary.LittleEndian.Uint64(b[at:]) != id {
		// The inside of something large.
		for off := 0; off < boltfile.PageSize; off += 500 {
			emit(flip("inside", at+off, 1))
		}
		return
	}
	// The head and the first elements, or a meta page.
	for i := range boltfile.PageHead + 64 {
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
	// Elements of a leaf or a branch.
	for i := range min(3, int(binary.LittleEndian.Uint16(b[at+10:]))) {
		e := at + boltfile.PageHead + 16*i
		for _, v := range []uint32{0, 8, 0x7fffffff, 0xfffffff0, 0xffffffff} {
			emit(put(fmt.Sprint("position ", v), e, u32(v)))
			emit(put(fmt.Sprint("position ", v), e+4, u32(v)))
			emit(put(fmt.Sprint("length ", v), e+8, u32(v)))
			emit(put(fmt.Sprint("length ", v), e+12, u32(v)))
		}
		for _, child := range []uint64{
			0, 1, 2, 3, 4, 5, id, id - 1, id + 1, pageCount - 1, pageCount, 1 << 40, 1<<64 - 1,
		} {
			emit(put(fmt.Sprint("child ", child), e+8, u64(child)))
		}
	}
	// Another page in its place.
	for other := uint64(2); other < pageCount && id > 1; other += 1 + pageCount/9 {
		p := bytes.Clone(b[other*boltfile.PageSize : (other+1)*boltfile.PageSize])
		emit(put(fmt.Sprint("page ", other), at, bytes.Clone(p)))
		binary.LittleEndian.PutUint64(p, id)
		stale := put(fmt.Sprint("page, renumbered, ", other), at, p)
		// It is as if the file were an older one: nobody can tell.
		stale.From = -1
		emit(stale)
	}
	emit(Rot{fmt.Sprint("cut at ", at), at, len(b), func(b []byte) []byte { return b[:at] }})
	emit(Rot{fmt.Sprint("cut at ", at+100), at + 100, len(b), func(b []byte) []byte { return b[:at+100] }})
}

// rotMeta makes meta pages whose checksum is right and whose contents are wrong.
func rotMeta(pageCount uint64, emit func(Rot)) {
	for _, field := range []struct {
		name string
		at   int
	}{{"root", 16}, {"free list", 32}, {"pages", 40}} {
		for _, v := range []uint64{
			0, 1, 2, 3, 4, 5, 6, pageCount - 1, pageCount, pageCount + 1, 1 << 30, 1 << 52, 1<<64 - 1,
		} {
			emit(Rot{fmt.Sprint("meta with ", field.name, " ", v), -1, -1, func(b []byte) []byte {
				for page := range 2 {
					m := b[page*boltfile.PageSize+boltfile.PageHead:]
					copy(m[field.at:], u64(v))
					sum := fnv.New64a()
					// Never fails.
					_, _ = sum.Write(m[:56])
					copy(m[56:], u64(sum.Sum64()))
				}
				return b
			}})
		}
	}
}

// Hits reports whether the damage may touch the bytes from a on.
func (r Rot) Hits(a, n int) bool { return r.From < 0 || r.From < a+n && a < r.to }

// EachRot calls check with the file at path damaged in each way in turn: all of them with AGG_FAULTS=all,
// else every sixth, beginning anywhere.
func EachRot(t *testing.T, path string, check func(t *testing.T, r Rot)) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	n, step, at := 0, uint64(6), Seeds(t, 1)[0]
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

// Glob returns the files of dir whose names match pattern.
func Glob(t *testing.T, dir, pattern string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// Seeds returns n seeds, or the one that AGG_SEED repeats.
func Seeds(tb testing.TB, n int) (s []uint64) {
	tb.Helper()
	if env := os.Getenv("AGG_SEED"); env != "" {
		seed, err := strconv.ParseUint(env, 10, 64)
		if err != nil {
			tb.Fatal(err)
		}
		return []uint64{seed}
	}
	for range n {
		s = append(s, rand.Uint64())
	}
	return s
}

// MemoryDir returns a directory in memory, where there is one: it is written a thousand times.
func MemoryDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "aggregator-*")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}
