package jetstream

import (
	"encoding/binary"
	"strconv"

	"github.com/seed-afc6a195/aggregator/pkg/buffer/chunk"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/sealing"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// maxPiece is how many bytes of entries go into one message of the stream.
func (q *Queue) maxPiece() int { return sealing.MaxPiece(q.maxPayload()) }

// maxPayload is how many bytes a message of the stream may have; 0: nobody has said.
func (q *Queue) maxPayload() int { return int(q.nc().MaxPayload()) }

// seal returns a chunk as it is stored.
func (q *Queue) seal(h *chunk.Header, entries []byte) []byte {
	return q.appendSealed(nil, h, entries, false)
}

// appendSealed appends a chunk to b as it is stored. packed: entries are compressed as h says.
func (q *Queue) appendSealed(b []byte, h *chunk.Header, entries []byte, packed bool) []byte {
	h.Seq, h.Salt = q.numbers.Add(1), q.salt()
	return sealing.Append(b, q.collected.Packer, h, entries, packed)
}

// salt returns what marks the chunks that this process has made.
func (q *Queue) salt() uint64 { return binary.BigEndian.Uint64(q.process[:]) }

// freshKey returns what the ids of a part's events are made of, and of no others.
func (q *Queue) freshKey() [16]byte { return event.PartKeyOfSeq(q.process, q.numbers.Add(1), 0) }

// freshID returns an id that nothing else has.
func (q *Queue) freshID() string { return q.name + "." + strconv.FormatUint(q.numbers.Add(1), 36) }
