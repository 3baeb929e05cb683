package disk

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
	"github.com/seed-afc6a195/aggregator/internal/format"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/chunk"
	"github.com/seed-afc6a195/aggregator/pkg/resend"
)

// entry is what is known of a chunk without reading it. It has no pointers: there are many.
type entry struct {
	seq      uint32 // less the segment's first
	off      uint32 // in the file
	size     uint32 // on disk
	raw      uint32 // bytes of its entries
	events   uint32
	cluster  uint32 // numbers of the names that contents or the store holds
	set      uint32
	received int64 // nanoseconds since 1970
}

// contents is all that a segment holds, apart from the entries themselves.
type contents struct {
	first    uint64
	clusters []string
	sets     [][]string // of outputs
	entries  []entry    // ascending by seq
	tails    resend.Tails
}

// builder makes contents of chunks' headers.
type builder struct {
	contents
	clusterNumber map[string]uint32
	setNumber     map[string]uint32
}

func newBuilder(first uint64) *builder {
	return &builder{
		contents:      contents{first: first, tails: resend.Tails{}},
		clusterNumber: map[string]uint32{}, setNumber: map[string]uint32{},
	}
}

func (b *builder) add(h *chunk.Header, off uint32) {
	b.entries = append(b.entries, entry{
		seq: uint32(h.Seq - b.first), off: off, size: uint32(h.Size), raw: uint32(h.Raw), events: uint32(h.Events),
		cluster: b.cluster(h.Cluster), set: b.set(h.Outputs), received: h.Received,
	})
	for i := range h.Parts {
		if p := &h.Parts[i]; p.Flags&chunk.PartLast != 0 {
			b.tails.Add(p.Conn, p.CommitSeq, p.Flags&chunk.PartAhead != 0, h.Received, resend.Key{Chunk: p.Key, Events: p.Total})
		}
	}
}

func (b *builder) cluster(name string) uint32 {
	n, ok := b.clusterNumber[name]
	if !ok {
		n = uint32(len(b.clusters))
		b.clusters, b.clusterNumber[name] = append(b.clusters, name), n
	}
	return n
}

func (b *builder) set(outputs []string) uint32 {
	k := setKey(outputs)
	n, ok := b.setNumber[k]
	if !ok {
		n = uint32(len(b.sets))
		b.sets, b.setNumber[k] = append(b.sets, slices.Clone(outputs)), n
	}
	return n
}

func setKey(outputs []string) string { return strings.Join(outputs, "\x00") }

// indexFormat is that of a sealed segment's index. Number 1 was written without the oldest program's number. An index
// whose chunks an older program must not overlook makes its number the oldest.
func indexFormat() format.Format {
	return format.Format{Name: "index of a segment", Number: 2, Since: 1}
}

// encode returns c as the index of a sealed segment.
func (c *contents) encode() []byte {
	number := byte(indexFormat().Number)
	b := []byte{number, number}
	b = boltfile.AppendStrings(b, c.clusters)
	b = binary.AppendUvarint(b, uint64(len(c.sets)))
	for _, set := range c.sets {
		b = boltfile.AppendStrings(b, set)
	}
	b = binary.AppendUvarint(b, uint64(len(c.entries)))
	var seq uint32
	var received int64
	for i := range c.entries {
		e := &c.entries[i]
		b = binary.AppendUvarint(b, uint64(e.seq-seq))
		for _, n := range [...]uint32{e.off, e.size, e.raw, e.events, e.cluster, e.set} {
			b = binary.AppendUvarint(b, uint64(n))
		}
		b = binary.AppendVarint(b, e.received-received)
		seq, received = e.seq, e.received
	}
	b = binary.AppendUvarint(b, uint64(len(c.tails)))
	for conn, t := range c.tails {
		b = binary.LittleEndian.AppendUint64(b, conn)
		b = binary.AppendUvarint(b, t.Commit)
		b = binary.LittleEndian.AppendUint64(b, uint64(t.Stored))
		b = binary.AppendUvarint(b, uint64(len(t.Keys)))
		for _, id := range t.Keys {
			b = append(b, id.Chunk[:]...)
			b = binary.AppendUvarint(b, uint64(id.Events))
		}
	}
	return binary.LittleEndian.AppendUint32(b, boltfile.Checksum(b))
}

// readFormat reads the numbers that something begins with: the format's, and the oldest program's, which number 1 has not.
func readFormat(d *boltfile.Decoder, f format.Format) error {
	number, oldest := int(d.Byte()), 0
	if number > 1 {
		oldest = int(d.Byte())
	}
	return f.Check(number, oldest)
}

// decodeIndex is the reverse of encode.
func decodeIndex(first uint64, b []byte) (*contents, error) {
	if len(b) < 5 || boltfile.Checksum(b[:len(b)-4]) != binary.LittleEndian.Uint32(b[len(b)-4:]) {
		return nil, fmt.Errorf("segment's index has a wrong checksum: %w", boltfile.ErrDamaged)
	}
	d := boltfile.Decoder{B: b[:len(b)-4]}
	if err := readFormat(&d, indexFormat()); err != nil {
		return nil, err
	}
	c := &contents{first: first, tails: resend.Tails{}}
	c.clusters = d.Strings()
	for i := d.Count(1); i > 0; i-- {
		c.sets = append(c.sets, d.Strings())
	}
	n := d.Count(8)
	c.entries = make([]entry, 0, n)
	var seq uint32
	var received int64
	for ; n > 0 && !d.Bad; n-- {
		var e entry
		seq += uint32(d.Int())
		e.seq = seq
		for _, p := range [...]*uint32{&e.off, &e.size, &e.raw, &e.events, &e.cluster, &e.set} {
			*p = uint32(d.Int())
		}
		received += d.Varint()
		e.received = received
		if int(e.cluster) >= len(c.clusters) || int(e.set) >= len(c.sets) {
			d.Bad = true
		}
		c.entries = append(c.entries, e)
	}
	for i := d.Count(18); i > 0 && !d.Bad; i-- {
		conn := d.Uint64()
		t := &resend.Tail{Commit: d.Uvarint(), Stored: int64(d.Uint64())}
		for j := d.Count(17); j > 0 && !d.Bad; j-- {
			var id resend.Key
			copy(id.Chunk[:], d.Bytes(len(id.Chunk)))
			id.Events = d.Int()
			t.Keys = append(t.Keys, id)
		}
		c.tails[conn] = t
	}
	if d.Bad || len(d.B) > 0 {
		return nil, fmt.Errorf("segment's index makes no sense: %w", boltfile.ErrDamaged)
	}
	return c, nil
}
