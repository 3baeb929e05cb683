package pack

import (
	"time"
	"unsafe"

	"github.com/seed-afc6a195/aggregator/pkg/buffer/chunk"
	"github.com/seed-afc6a195/aggregator/pkg/resend"
)

const (
	// mergeBytes bounds a chunk merged of small messages.
	mergeBytes = 256 << 10
	// keepChunks is for how many chunks a builder keeps memory, and keepParts for how many parts of each.
	keepChunks = 2048
	keepParts  = 16
)

// Builder makes chunks of batches, for one transaction after the other, with Clear between. The fields up to Next must
// be set; Next counts up with each chunk, so that a number is given once, also where its chunk is not known to be on
// disk.
type Builder struct {
	Memory *Memory
	// Salt is that of package chunk.
	Salt uint64
	Now  time.Time
	// Next is the sequence number of the next chunk.
	Next uint64
	// Values are those of the chunks, one after the other.
	Values []byte

	// Chunks are in order of sequence.
	Chunks []Chunk
	// Whole are the messages whose last piece is in the transaction.
	Whole []resend.Piece
	// CommitSeqs is the number of each one's commit.
	CommitSeqs []uint64

	builders map[builderKey]*chunkBuilder
	// order is that of builders, so that it is the messages' order. Behind its end is memory of earlier transactions.
	order []*chunkBuilder
}

// Chunk is a chunk of the transaction that is being made.
type Chunk struct {
	chunk.Header
	// From and To are in Builder.Values.
	From, To int
	// Rest says that it is of a chunk settled in part.
	Rest bool
	// Moved says that it is of one that another output had.
	Moved bool
}

// builderKey says which messages share a chunk. The outputs are compared by address: they come from a
// table of the routes, and the same in another place only makes two chunks.
type builderKey struct {
	cluster, tag string
	source       string
	outputs      *string
	n            int
}

// chunkBuilder is a chunk that is being made of small pieces.
type chunkBuilder struct {
	key     builderKey
	outputs []string
	// raw is their entries: those of the first piece where they lie, or of several in memory of its own.
	raw    []byte
	own    bool
	events int
	parts  []chunk.Part
}

// Clear forgets all but the next number, and keeps memory for the next transaction: of Values at most so many bytes.
func (g *Builder) Clear(keep int) {
	for _, m := range g.order {
		parts := m.parts[:0]
		if cap(parts) > keepParts {
			parts = nil
		}
		*m = chunkBuilder{parts: parts}
	}
	clear(g.Chunks)
	clear(g.Whole)
	clear(g.builders)
	g.Chunks, g.Whole, g.CommitSeqs, g.order = g.Chunks[:0], g.Whole[:0], g.CommitSeqs[:0], g.order[:0]
	if g.Values = g.Values[:0]; cap(g.Values) > keep {
		g.Values = nil
	}
	if cap(g.Chunks) > keepChunks {
		g.Chunks, g.Whole, g.CommitSeqs, g.order, g.builders = nil, nil, nil, nil, nil
	}
}

// Add makes chunks of b, as much as Part said.
func (g *Builder) Add(b *Batch) {
	for m := b.at; m < len(b.msgs); m++ {
		msg, end := &b.msgs[m], b.piecesEnd(m)
		duplicate := b.Resends.Duplicate(m)
		if !duplicate {
			for p := max(msg.piece, b.atPiece); p < min(end, b.until); p++ {
				g.piece(b, msg, &b.pieces[p], p == end-1)
			}
		}
		if end > b.until {
			b.next = m
			return
		}
		if !duplicate && msg.Chunk != "" {
			g.Whole = append(g.Whole, resend.Piece{Batch: &b.Resends, Index: m})
			g.CommitSeqs = append(g.CommitSeqs, b.CommitSeq)
		}
	}
}

func (g *Builder) piece(b *Batch, m *message, p *piece, last bool) {
	pt := chunk.Part{First: p.first, Events: p.events}
	// Without an id of the agent's, the queue's own number makes the events' ids.
	if m.Chunk != "" {
		pt.Flags, pt.Key, pt.Conn, pt.CommitSeq, pt.Total = chunk.PartKeyed, m.key, b.Conn, b.CommitSeq, m.events
		if m.nanos {
			pt.Flags |= chunk.PartNanos
		}
		if last {
			pt.Flags |= chunk.PartLast
		}
		if b.Resends.Ahead() {
			pt.Flags |= chunk.PartAhead
		}
	}
	//nolint:gosec // an address to compare, not to follow
	key := builderKey{m.Cluster, m.Tag, m.Source, unsafe.SliceData(m.Outputs), len(m.Outputs)}
	open := g.builders[key]
	data := b.arena[p.off : p.off+p.n]
	if p.packed {
		if open != nil {
			// What came before stays before.
			g.flush(open)
		}
		parts := m.parts
		if parts == nil {
			parts = []chunk.Part{pt}
		}
		h := g.header(&key, m.Outputs, p.events, p.raw, parts)
		if m.kept != nil {
			h.Received, h.NewTag, h.Origin = m.kept.Received.UnixNano(), m.kept.NewTag, m.kept.Origin
		}
		h.Codec = p.codec
		rest := m.kept != nil && m.kept.Origin.Seq == 0
		g.chunk(Chunk{Header: h, Rest: rest, Moved: rest && m.kept.Moved}, data, true)
		return
	}
	if open != nil && len(open.raw)+len(data) > mergeBytes {
		g.flush(open)
		open = nil
	}
	if open == nil {
		if g.builders == nil {
			g.builders = map[builderKey]*chunkBuilder{}
		}
		open = g.open()
		open.key, open.outputs = key, m.Outputs
		g.builders[key] = open
	}
	switch {
	case len(open.raw) == 0:
		open.raw = data
	case !open.own:
		open.own = true
		open.raw = append(append(g.Memory.Entries.Get(), open.raw...), data...)
	default:
		open.raw = append(open.raw, data...)
	}
	open.events += p.events
	// Parts without an id have nothing of their own, so they are one.
	if n := len(open.parts); n > 0 && pt.Flags == 0 && open.parts[n-1].Flags == 0 {
		open.parts[n-1].Events += pt.Events
		return
	}
	if pt.Flags == 0 {
		pt.First = 0
	}
	open.parts = append(open.parts, pt)
}

// open returns an empty one, the last in order.
func (g *Builder) open() *chunkBuilder {
	n := len(g.order)
	if n < cap(g.order) {
		if g.order = g.order[:n+1]; g.order[n] != nil {
			return g.order[n]
		}
		g.order = g.order[:n]
	}
	m := new(chunkBuilder)
	g.order = append(g.order, m)
	return m
}

// Flush makes chunks of all that is left.
func (g *Builder) Flush() {
	for _, m := range g.order {
		if m.raw != nil {
			g.flush(m)
		}
	}
}

// flush makes a chunk of m.
func (g *Builder) flush(m *chunkBuilder) {
	delete(g.builders, m.key)
	g.chunk(Chunk{Header: g.header(&m.key, m.outputs, m.events, len(m.raw), m.parts)}, m.raw, false)
	if m.own {
		g.Memory.Entries.Put(m.raw)
	}
	m.raw = nil
}

// header returns that of the next chunk.
func (g *Builder) header(key *builderKey, outputs []string, events, raw int, parts []chunk.Part) chunk.Header {
	return chunk.Header{
		Received: g.Now.UnixNano(), Salt: g.Salt, Raw: raw, Events: events,
		Cluster: key.cluster, Tag: key.tag, Source: key.source, Outputs: outputs, Parts: parts,
	}
}

// chunk appends a chunk to the transaction. data is its entries, packed by its codec or else to be.
func (g *Builder) chunk(ch Chunk, data []byte, packed bool) {
	ch.From, ch.Seq = len(g.Values), g.Next
	g.Next++
	g.Values = chunk.AppendHeader(g.Values, &ch.Header)
	if packed {
		g.Values = append(g.Values, data...)
	} else {
		var how chunk.Codec
		g.Values, how = g.Memory.Packer.Pack(g.Values, data)
		g.Values[ch.From+9] = byte(how)
	}
	ch.To = len(g.Values)
	chunk.Seal(g.Values[ch.From:ch.To])
	g.Chunks = append(g.Chunks, ch)
}
