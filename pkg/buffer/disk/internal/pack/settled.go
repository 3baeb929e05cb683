package pack

import (
	"slices"

	"github.com/seed-afc6a195/aggregator/pkg/buffer/chunk"
)

// Settled gathers what a start has to know of chunks that nobody wants any more and that are not kept: which messages,
// of which connection's which commit, were in them. The zero value is of none.
type Settled struct {
	// Seq is that of the last.
	Seq    uint64
	header chunk.Header
	// parts is memory for those of the chunk that is added.
	parts []chunk.Part
}

// Add adds a chunk, as it is on disk, that comes right behind those before; false: it has to be kept.
func (s *Settled) Add(value []byte) bool {
	h, err := chunk.DecodeParts(value, s.parts)
	s.parts = h.Parts
	if err != nil || h.Origin.Seq != 0 {
		return false
	}
	for i := range h.Parts {
		// What became of others is found out with their chunks.
		if h.Parts[i].Flags&(chunk.PartRequeued|chunk.PartFiltered|chunk.PartUnrouted) != 0 {
			return false
		}
	}
	s.Seq = h.Seq
	s.header.Salt, s.header.Received = h.Salt, h.Received
	for i := range h.Parts {
		if h.Parts[i].Flags&chunk.PartLast != 0 {
			s.header.Parts = append(s.header.Parts, h.Parts[i])
		}
	}
	return true
}

// Chunk returns a chunk without entries, for no output, that has the messages which a start has to know; nil: there are
// none.
func (s *Settled) Chunk() []byte {
	type last struct {
		commit uint64
		ahead  bool
	}
	// Who has waited for its acks has those of its commits before.
	lasts := map[uint64]last{}
	var parts []chunk.Part
	for _, p := range slices.Backward(s.header.Parts) {
		if l, seen := lasts[p.Conn]; seen && p.CommitSeq != l.commit && !l.ahead {
			continue
		}
		lasts[p.Conn] = last{p.CommitSeq, p.Flags&chunk.PartAhead != 0}
		parts = append(parts, p)
	}
	if len(parts) == 0 {
		return nil
	}
	slices.Reverse(parts)
	h := s.header
	h.Seq, h.Parts, h.Events = s.Seq, parts, 0
	for i := range parts {
		h.Events += parts[i].Events
	}
	value := chunk.AppendHeader(nil, &h)
	chunk.Seal(value)
	return value
}
