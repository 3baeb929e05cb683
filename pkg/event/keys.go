package event

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/maphash"
	"math/bits"
)

// errSuspect says that two keys of a map have the same hash: they are probably equal.
var errSuspect = errors.New("keys that look equal")

// hashText returns a cheap hash of a key as rendered, less its quotes. Whoever makes keys that
// collide makes his events be rendered strictly, no more.
func hashText(text []byte) uint64 {
	const k = 0x9e3779b97f4a7c15
	n := len(text)
	h := uint64(n)
	for i := 0; i+8 <= n; i += 8 {
		h = bits.RotateLeft64((h^binary.LittleEndian.Uint64(text[i:]))*k, 29)
	}
	if n&7 != 0 {
		w, _ := tail(text)
		h = bits.RotateLeft64((h^w)*k, 29)
	}
	return h
}

// maskBit is one of 64 bits: hashes with different bits are different.
func maskBit(h uint64) uint64 { return 1 << (h & 63) }

func holds(hashes []uint64, h uint64) bool {
	for _, other := range hashes {
		if other == h {
			return true
		}
	}
	return false
}

// keySet finds which members of a map are followed by one with the same key. Maps within maps use
// it like a stack.
type keySet struct {
	seed maphash.Seed
	keys []mapKey
	// text has keys, rendered.
	text []byte
	// table is open addressing: 1 + index in keys, from the map's first on.
	table []uint32
}

type mapKey struct {
	// from and to are in text.
	from, to int
	dead     bool
}

// keepScratch is how many keys and, eightfold, bytes of text are kept from one event to the next.
const keepScratch = 1 << 16

// trim gives back what an unusual event made the set grow to.
func (s *keySet) trim() {
	s.keys, s.text, s.table = s.keys[:0], s.text[:0], s.table[:0]
	if cap(s.keys) > keepScratch {
		s.keys = nil
	}
	if cap(s.table) > 4*keepScratch {
		s.table = nil
	}
	if cap(s.text) > 8*keepScratch {
		s.text = nil
	}
}

// keyRoom is what a keySet has of one map: its keys from base on, and its table.
type keyRoom struct{ base, from, size int }

// room returns room for n keys behind those in use, with an empty table.
func (s *keySet) room(n int) keyRoom {
	if s.seed == (maphash.Seed{}) {
		s.seed = maphash.MakeSeed()
	}
	from, size := len(s.table), 1<<bits.Len(uint(2*n))
	for cap(s.table)-from < size {
		s.table = append(s.table[:cap(s.table)], 0)
	}
	s.table = s.table[:from+size]
	clear(s.table[from:])
	return keyRoom{len(s.keys), from, size}
}

// add enters the key whose text begins at from, and marks the one before it that is equal.
func (s *keySet) add(from, base int, table []uint32) {
	text := s.text[from:]
	s.keys = append(s.keys, mapKey{from: from, to: len(s.text)})
	for at := int(maphash.Bytes(s.seed, text)); ; at++ {
		slot := &table[at&(len(table)-1)]
		if *slot == 0 {
			*slot = uint32(len(s.keys) - base)
			return
		}
		other := &s.keys[base+int(*slot)-1]
		if bytes.Equal(s.text[other.from:other.to], text) {
			other.dead = true
			*slot = uint32(len(s.keys) - base)
			return
		}
	}
}

// membersStrict is members with unique keys whatever comes.
func (r *renderer) membersStrict(dst, b []byte, i, n, depth int) ([]byte, int, error) {
	base, text, table := len(r.keys), len(r.text), len(r.table)
	err := r.collect(b, i, n, depth, r.room(n))
	if err == nil {
		dst, i, err = r.write(dst, b, i, n, depth, base)
	}
	r.keys, r.text, r.table = r.keys[:base], r.text[:text], r.table[:table]
	return dst, i, err
}

// merge writes one object with the members of all maps; of equal keys the last stays.
func (r *renderer) merge(dst []byte, maps [][]byte) ([]byte, error) {
	base, text, table := len(r.keys), len(r.text), len(r.table)
	total := 0
	for _, m := range maps {
		_, n, _, err := head(m, 0)
		if err != nil {
			return dst, err
		}
		total += n
	}
	room := r.room(total)
	for _, m := range maps {
		_, n, i, _ := head(m, 0)
		if err := r.collect(m, i, n, 1, room); err != nil {
			return dst, err
		}
	}
	dst = append(dst, '{')
	at := base
	for _, m := range maps {
		_, n, i, _ := head(m, 0)
		var err error
		if dst, _, err = r.write(dst, m, i, n, 1, at); err != nil {
			return dst, err
		}
		at += n
	}
	r.keys, r.text, r.table = r.keys[:base], r.text[:text], r.table[:table]
	return closeObject(dst), nil
}

// collect enters the keys of the n members at b[i].
func (r *renderer) collect(b []byte, i, n, depth int, room keyRoom) (err error) {
	for range n {
		start := len(r.text)
		if r.text, i, err = r.key(r.text, b, i, depth); err != nil {
			return err
		}
		r.add(start, room.base, r.table[room.from:room.from+room.size])
		if i = ValueEnd(b, i); i < 0 {
			return ErrTruncated
		}
	}
	return nil
}

// write writes those of the n members at b[i] that collect left alive; the first has the number at.
func (r *renderer) write(dst, b []byte, i, n, depth, at int) ([]byte, int, error) {
	var err error
	for k := range n {
		start := len(dst)
		if dst, i, err = r.key(dst, b, i, depth); err != nil {
			return dst, 0, err
		}
		if r.keys[at+k].dead || depth == 1 && isAdded(r.added, dst[start:]) {
			dst = dst[:start]
			if i = ValueEnd(b, i); i < 0 {
				return dst, 0, ErrTruncated
			}
			continue
		}
		dst = append(dst, ':')
		if dst, i, err = r.value(dst, b, i, depth); err != nil {
			return dst, 0, err
		}
		dst = append(dst, ',')
	}
	return dst, i, nil
}
