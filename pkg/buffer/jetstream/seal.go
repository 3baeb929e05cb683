package jetstream

import (
	"strconv"

	"github.com/seed-afc6a195/aggregator/pkg/buffer/chunk"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/sealing"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// maxPiece is how many bytes of entries go into one message of the stream.
func (q *Queue) maxPiece() int { return sealing.MaxPiece(int(q.nc().MaxPayload())) }

// seal returns a chunk as it is stored. packed: entries are compressed as h says.
func (q *Queue) seal(h *chunk.Header, entries []byte, packed bool) []byte {
	h.Seq = q.numbers.Add(1)
	return sealing.Seal(q.packer, h, entries, packed)
}

// freshKey returns what the ids of a part's events are made of, and of no others.
func (q *Queue) freshKey() [16]byte { return event.PartKeyOfSeq(q.process, q.numbers.Add(1), 0) }

// freshID returns an id that nothing else has.
func (q *Queue) freshID() string { return q.name + "." + strconv.FormatUint(q.numbers.Add(1), 36) }
