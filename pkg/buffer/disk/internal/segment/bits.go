package segment

import (
	"cmp"
	"slices"
)

// Bits has a bit for each sequence number of a segment, less the segment's first. Bits past its end are zero.
type Bits []byte

// Has reports whether bit i is set.
func (b Bits) Has(i uint32) bool { return int(i/8) < len(b) && b[i/8]&(1<<(i%8)) != 0 }

// Set sets bit i, for which there must be room.
func (b Bits) Set(i uint32) { b[i/8] |= 1 << (i % 8) }

// Clear clears bit i, for which there must be room.
func (b Bits) Clear(i uint32) { b[i/8] &^= 1 << (i % 8) }

// Grown returns b with room for n bits at least.
func (b Bits) Grown(n uint32) Bits {
	if need := int(n+7) / 8; len(b) < need {
		return append(b, make(Bits, need-len(b))...)
	}
	return b
}

// Find returns the index of the chunk's entry among those of the segment whose first sequence number is first, which
// are ascending.
func Find(entries []Entry, first, seq uint64) (int, bool) {
	return slices.BinarySearchFunc(entries, seq, func(e Entry, seq uint64) int {
		return cmp.Compare(first+uint64(e.Seq), seq)
	})
}
