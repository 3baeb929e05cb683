package forward

import (
	"context"
	"errors"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/forward/internal/refusal"
	"github.com/seed-afc6a195/aggregator/pkg/ingest"
)

const (
	// ownBuffer is what a connection has of its own, in bytes: an idle one takes nothing from the Budget. With TLS it
	// is less, as there is a whole record before it.
	ownBuffer    = 4 << 10
	ownBufferTLS = 1 << 10
	// keepBuffer is the largest buffer that a busy connection keeps between two messages, in bytes.
	keepBuffer = 1 << 20
)

// receiveBuffer holds what came over one connection and is not taken yet. It begins as a few bytes of the connection's
// own and grows, with memory of the Budget, as bytes come: never by what they claim to become.
type receiveBuffer struct {
	mem *ingest.Reservation
	own []byte
	// buf is own, or from the Budget.
	buf []byte
	// buf[r:w] came and is not taken yet.
	r, w int
}

// newReceiveBuffer returns an empty buffer with size bytes of its own.
func newReceiveBuffer(mem *ingest.Reservation, size int) receiveBuffer {
	own := make([]byte, size)
	return receiveBuffer{mem: mem, own: own, buf: own}
}

// bytes returns what came and is not taken yet. It is valid until the next call of a method that may move it.
func (b *receiveBuffer) bytes() []byte { return b.buf[b.r:b.w] }

// size returns the length of bytes.
func (b *receiveBuffer) size() int { return b.w - b.r }

// take takes the first n bytes.
func (b *receiveBuffer) take(n int) { b.r += n }

// free returns where the next bytes go. It is not empty after prepare.
func (b *receiveBuffer) free() []byte { return b.buf[b.w:] }

// filled notes that n bytes have come to where free says.
func (b *receiveBuffer) filled(n int) { b.w += n }

// borrows reports whether b holds memory of the Budget.
func (b *receiveBuffer) borrows() bool { return len(b.buf) > len(b.own) }

// holds returns how many bytes of the Budget that is.
func (b *receiveBuffer) holds() int64 {
	if !b.borrows() {
		return 0
	}
	return int64(len(b.buf))
}

// prepare makes room behind what came. It waits for memory, and fails as Reservation.Buffer does.
func (b *receiveBuffer) prepare(ctx context.Context) error {
	size, factor := b.size(), 2
	if len(b.buf) < keepBuffer/4 {
		factor = 4
	}
	switch {
	case b.w < len(b.buf) && size > 0:
		return nil
	case size == 0 && (b.w < len(b.buf) || len(b.buf) >= keepBuffer/4):
		b.r, b.w = 0, 0
		return nil
	case size > 0 && size <= len(b.buf)/2:
		copy(b.buf, b.bytes())
		b.r, b.w = 0, size
		return nil
	}
	return b.resize(ctx, factor*len(b.buf))
}

// resize moves what came into a buffer of size bytes.
func (b *receiveBuffer) resize(ctx context.Context, size int) error {
	old, buf := b.buf, b.own
	if size > len(b.own) {
		var err error
		if buf, err = takeBuffer(ctx, b.mem, ingest.ToReceive, size); err != nil {
			return err
		}
		// It could not be read while it waited.
		b.mem.Progressed(time.Now())
	}
	n := copy(buf, b.bytes())
	b.buf, b.r, b.w = buf, 0, n
	b.giveBack(old)
	return nil
}

func (b *receiveBuffer) giveBack(buf []byte) {
	if len(buf) > len(b.own) {
		b.mem.Free(buf)
	}
}

// trim gives back a buffer that is larger than what is in it deserves: after a large message, or where others wait.
func (b *receiveBuffer) trim(ctx context.Context) error {
	size := b.size()
	switch {
	case !b.borrows() || size > len(b.buf)/8:
		return nil
	case size <= len(b.own)/2 && (len(b.buf) > keepBuffer || b.mem.Tight()):
		return b.resize(ctx, len(b.own))
	case len(b.buf) > keepBuffer:
		return b.resize(ctx, 2*size)
	}
	return nil
}

// shrink gives back what is not needed while nothing is read. What came stays.
func (b *receiveBuffer) shrink(ctx context.Context) error {
	switch size := b.size(); {
	case size == 0:
		b.reset()
	case size <= len(b.own)/2 && b.borrows():
		return b.resize(ctx, len(b.own))
	}
	return nil
}

// reset gives everything back, what came too.
func (b *receiveBuffer) reset() {
	b.giveBack(b.buf)
	b.buf, b.r, b.w = b.own, 0, 0
}

// takeBuffer returns a buffer of the Budget, of at least size bytes, waiting for room. Its errors are refusals, or the
// context's.
func takeBuffer(ctx context.Context, mem *ingest.Reservation, p ingest.Purpose, size int) ([]byte, error) {
	buf, err := mem.Buffer(ctx, p, size)
	return buf, memoryError(err)
}

func memoryError(err error) error {
	if errors.Is(err, ingest.ErrOverBudget) || errors.Is(err, ingest.ErrEvicted) {
		return &refusal.Error{Reason: refusal.Memory, Err: err}
	}
	return err
}
