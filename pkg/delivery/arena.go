package delivery

import "slices"

const (
	blockSize = 256 << 10
	ownBlock  = blockSize / 8 // larger pieces have memory of their own, which is not kept
)

// arena is memory for many pieces that are given back together.
type arena struct {
	blocks [][]byte
	at     int // the block that is being filled
}

// copy returns a copy of b.
func (a *arena) copy(b []byte) []byte {
	if len(b) > ownBlock {
		return slices.Clone(b)
	}
	if a.at < len(a.blocks) && len(a.blocks[a.at])+len(b) > blockSize {
		a.at++
	}
	if a.at == len(a.blocks) {
		a.blocks = append(a.blocks, make([]byte, 0, blockSize))
	}
	from := len(a.blocks[a.at])
	block := append(a.blocks[a.at], b...)
	a.blocks[a.at] = block
	return block[from:len(block):len(block)]
}

// reset gives all copies back.
func (a *arena) reset() {
	for i := range a.blocks {
		a.blocks[i] = a.blocks[i][:0]
	}
	a.at = 0
}
