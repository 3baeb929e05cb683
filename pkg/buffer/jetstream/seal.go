package jetstream

import (
	"encoding/binary"
	"slices"
	"strconv"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/chunk"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/account"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/ledger"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/publish"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/sealing"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/subject"
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

// sealed is chunks on their way to the stream.
type sealed struct {
	messages []*publish.Message
	of       []origin // of each
	need     account.Need
	// reserved says that there is room reserved for need.
	reserved bool
	// memory is that of the messages, where it is used again.
	memory []byte
	part   [1]chunk.Part
}

// keepSealed is of how many messages memory is used again.
const keepSealed = 16

// newSealed returns an empty one, to be recycled.
func (q *Queue) newSealed() *sealed {
	s, ok := q.sealed.Get().(*sealed)
	if !ok {
		s = &sealed{}
	}
	s.memory = q.collected.Arenas.Get()
	return s
}

// recycle takes back what newSealed returned. Nobody reads its messages any more.
func (q *Queue) recycle(s *sealed) {
	if s.reserved {
		q.mu.Lock()
		q.unreserve(s)
		q.mu.Unlock()
	}
	q.collected.Arenas.Put(s.memory)
	if len(s.messages) > keepSealed {
		return
	}
	for i, m := range s.messages {
		*m, s.of[i] = publish.Message{}, origin{}
	}
	clear(s.need)
	s.messages, s.of, s.need, s.memory = s.messages[:0], s.of[:0], s.need[:0], nil
	q.sealed.Put(s)
}

// message returns an empty message, the last of s.
func (s *sealed) message() *publish.Message {
	n := len(s.messages)
	if s.messages = slices.Grow(s.messages, 1)[:n+1]; s.messages[n] == nil {
		s.messages[n] = &publish.Message{}
	}
	return s.messages[n]
}

// origin is what a sealed chunk is made of.
type origin struct {
	place   subject.Place
	message int // in the batch
	count   buffer.Count
	counted ledger.Kind // of Appended, or Appended
}

// add adds a sealed chunk for each output.
func (s *sealed) add(stream string, outputs []string, data []byte, id string, o origin) {
	for _, output := range outputs {
		o.place = subject.Place{Output: output, Cluster: o.place.Cluster}
		s.addFor(stream, data, id, o)
	}
}

// addFor adds a sealed chunk for one place.
func (s *sealed) addFor(stream string, data []byte, id string, o origin) {
	m := s.message()
	m.Subject, m.Data = subject.Of(stream, o.place), data
	m.ID = id + "@" + m.Subject
	s.of = append(s.of, o)
	s.need.Add(o.place, int64(len(data)))
}
