package pack

import (
	"cmp"
	"strings"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/chunk"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// What was stored before: it is read, and put into batches again.

// requeueChunk is how many bytes of dead letters' entries become a chunk, about.
const requeueChunk = 256 << 10

// Decode makes c of a chunk as it is on disk, in the queue of that number. Its entries are of the memory's, the
// caller's to give back to m.Entries.
func (m *Memory) Decode(value []byte, queue [16]byte, c *event.Chunk) error {
	// Most have no more: these take no memory.
	var few [2]chunk.Part
	head, err := chunk.DecodeForOutput(value, few[:0])
	if err != nil {
		return err
	}
	entries, err := m.Packer.Unpack(m.Entries.Get(), value[head.Payload:head.Size], head.Codec, head.Raw)
	*c = event.Chunk{Entries: entries}
	if err != nil {
		return err
	}
	*c = event.Chunk{
		Seq: head.Seq, Cluster: head.Cluster, Tag: head.Tag, Source: head.Source, Received: time.Unix(0, head.Received),
		Events: head.Events, Entries: entries, Parts: make([]event.Part, len(head.Parts)),
		Returned: len(head.Parts) > 0 && head.Parts[0].Flags&chunk.PartUnrouted != 0,
		Filtered: len(head.Parts) > 0 && head.Parts[0].Flags&chunk.PartFiltered != 0, NewTag: head.NewTag,
	}
	for i := range head.Parts {
		p := &head.Parts[i]
		key := p.Key
		if p.Flags&(chunk.PartKeyed|chunk.PartNanos) != chunk.PartKeyed|chunk.PartNanos {
			key = event.PartKeyOfSeq(queue, head.Seq, i)
		}
		c.Parts[i] = event.Part{Key: key, Chunk: p.Chunk, First: p.First, Events: p.Events, Joined: p.Joined}
		if p.Flags&chunk.PartKeyed != 0 && p.Chunk == [16]byte{} {
			c.Parts[i].Chunk = p.Key
		}
	}
	return nil
}

// AddItems adds the items as chunks of their own, those that go the same way together.
func (b *Batch) AddItems(items []buffer.RequeueItem) {
	type open struct {
		message buffer.Message
		entries []byte
		parts   []chunk.Part
	}
	byWay := map[string]*open{}
	var all []*open
	for i := range items {
		item := &items[i]
		flags := byte(chunk.PartKeyed | chunk.PartNanos | chunk.PartRequeued)
		if !item.Routed {
			flags |= chunk.PartUnrouted
		}
		way := strings.Join(append([]string{item.Tag, string(flags)}, item.Outputs...), "\x00")
		c := byWay[way]
		if c == nil || len(c.entries)+len(item.Entries) > requeueChunk {
			c = &open{message: item.Message}
			byWay[way] = c
			all = append(all, c)
		}
		c.entries = append(c.entries, item.Entries...)
		c.parts = append(c.parts, chunk.Part{
			Flags: flags, Key: item.Part.Key, Conn: item.ID, First: item.Part.First, Events: item.Part.Events,
		})
	}
	for _, c := range all {
		b.AddStored(c.message, c.entries, c.parts)
	}
}

// AddHanded adds a chunk that the queue of that number hands over, for the sources of these names.
func (b *Batch) AddHanded(from [16]byte, h *buffer.Handed, sources []string) {
	flags := byte(chunk.PartKeyed | chunk.PartNanos)
	if h.Returned {
		flags |= chunk.PartUnrouted
	}
	if h.Filtered {
		flags |= chunk.PartFiltered
	}
	m := buffer.Message{Cluster: h.Cluster, Tag: h.Tag, Source: h.Source, Outputs: sources}
	kept := Kept{Received: h.Received, NewTag: h.NewTag, Origin: chunk.Origin{Queue: from, Seq: h.Seq}}
	b.AddKept(m, h.Entries, chunk.Kept(h.Parts, flags), kept)
}

// AddRest adds what is left of c, of the named output, for the source of the name to. Where the filters have changed
// it, its parts name the chunk's number.
func (b *Batch) AddRest(c *event.Chunk, r *buffer.Rest, output, to string) {
	flags := byte(chunk.PartKeyed | chunk.PartNanos)
	if c.Returned {
		flags |= chunk.PartUnrouted
	}
	if r.Filtered {
		flags |= chunk.PartFiltered
	}
	parts := chunk.Kept(r.Parts, flags)
	for j := range parts {
		if r.Filtered {
			parts[j].Conn = c.Seq
		}
	}
	m := buffer.Message{Cluster: c.Cluster, Tag: c.Tag, Source: c.Source, Outputs: []string{to}}
	moved := cmp.Or(r.Output, output) != output
	b.AddKept(m, r.Entries, parts, Kept{Received: c.Received, NewTag: r.NewTag, Moved: moved})
}
