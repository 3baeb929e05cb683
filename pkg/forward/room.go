package forward

import (
	"context"
	"crypto/tls"
	"errors"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/ingest"
)

// What a connection holds of the Budget: its buffer once it is larger than its own, the scratch of Messages, and the
// batch.

// acquire charges n bytes for a complete message, waiting for room.
func (c *conn) acquire(ctx context.Context, n int64) error {
	return memoryError(c.mem.Acquire(ctx, ingest.ToStore, n))
}

// buffer returns a buffer of the Budget, of at least size bytes.
func (c *conn) buffer(ctx context.Context, p ingest.Purpose, size int) ([]byte, error) {
	buf, err := c.mem.Buffer(ctx, p, size)
	return buf, memoryError(err)
}

func memoryError(err error) error {
	if errors.Is(err, ingest.ErrOverBudget) || errors.Is(err, ingest.ErrEvicted) {
		return &refusal{reason: reasonMemory, err: err}
	}
	return err
}

// fit makes room behind what came: a buffer grows with the bytes in it, never by what they claim.
func (c *conn) fit(ctx context.Context) error {
	size, factor := c.w-c.r, 2
	if len(c.buf) < keepBuffer/4 {
		factor = 4
	}
	switch {
	case c.w < len(c.buf) && size > 0:
		return nil
	case size == 0 && (c.w < len(c.buf) || len(c.buf) >= keepBuffer/4):
		c.r, c.w = 0, 0
		return nil
	case size > 0 && size <= len(c.buf)/2:
		copy(c.buf, c.buf[c.r:c.w])
		c.r, c.w = 0, size
		return nil
	}
	return c.resize(ctx, factor*len(c.buf))
}

// resize moves what came into a buffer of size bytes.
func (c *conn) resize(ctx context.Context, size int) error {
	old, buf := c.buf, c.own
	if size > len(c.own) {
		var err error
		if buf, err = c.buffer(ctx, ingest.ToReceive, size); err != nil {
			return err
		}
		c.mem.Progressed(time.Now()) // it could not be read while it waited
	}
	c.w = copy(buf, old[c.r:c.w])
	c.buf, c.r = buf, 0
	c.freeBuffer(old)
	return nil
}

func (c *conn) freeBuffer(buf []byte) {
	if len(buf) > len(c.own) {
		c.mem.Free(buf)
	}
}

// tidy gives back a buffer that is larger than what is in it deserves: after a large message, or where others wait.
func (c *conn) tidy(ctx context.Context) error {
	if len(c.scratch) > keepBuffer {
		c.mem.Free(c.scratch)
		c.scratch = nil
	}
	size := c.w - c.r
	switch {
	case len(c.buf) == len(c.own) || size > len(c.buf)/8:
		return nil
	case size <= len(c.own)/2 && (len(c.buf) > keepBuffer || c.mem.Tight()):
		return c.resize(ctx, len(c.own))
	case len(c.buf) > keepBuffer:
		return c.resize(ctx, 2*size)
	}
	return nil
}

// shrink gives back what is not needed while the connection does nothing.
func (c *conn) shrink(ctx context.Context) error {
	size := c.w - c.r
	if size == 0 {
		c.rest()
		return nil
	}
	c.restBatch()
	if size <= len(c.own)/2 && len(c.buf) > len(c.own) {
		return c.resize(ctx, len(c.own))
	}
	return nil
}

// rest gives everything back, for the time until the next message.
func (c *conn) rest() {
	c.freeBuffer(c.buf)
	c.buf, c.r, c.w = c.own, 0, 0
	c.restBatch()
	if t, ok := c.net.(*tls.Conn); ok {
		slimTLS(t)
	}
}

func (c *conn) restBatch() {
	c.mem.Free(c.scratch)
	c.scratch, c.gathered = nil, nil
	if c.batch != nil {
		c.batch.Reset()
		c.batch = nil
	}
	c.mem.Release(c.held)
	c.held = 0
}

// needScratch makes room for size bytes behind what is gathered.
func (c *conn) needScratch(ctx context.Context, size int) error {
	if len(c.gathered)+size <= len(c.scratch) {
		return nil
	}
	// Only an event larger than the scratch comes here with one, and then nothing is gathered.
	c.mem.Free(c.scratch)
	c.scratch = nil
	buf, err := c.buffer(ctx, ingest.ToStore, max(size, scratchSize))
	c.scratch = buf
	return err
}

// makeRoom finds room for n bytes more in the batch, before they are given to it.
func (c *conn) makeRoom(ctx context.Context, n int) error {
	want := int64(c.batch.Size()+n) - c.held
	if want <= 0 {
		return nil
	}
	if err := c.acquire(ctx, want); err != nil {
		return err
	}
	c.held += want
	return nil
}

// settleRoom charges what the batch has really come to hold.
func (c *conn) settleRoom() {
	switch over := c.held - int64(c.batch.Size()); {
	case over < 0:
		c.mem.Overdraw(-over)
		c.held -= over
	case over > pieceSize:
		c.mem.Release(over)
		c.held -= over
	}
}
