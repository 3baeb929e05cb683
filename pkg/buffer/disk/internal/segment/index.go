package segment

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
	"github.com/seed-afc6a195/aggregator/internal/format"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/chunk"
	"github.com/seed-afc6a195/aggregator/pkg/resend"
)

// Entry is what is known of a chunk without reading it. It has no pointers: there are many.
type Entry struct {
	// Seq is less the segment's first.
	Seq uint32
	// Off is in the file.
	Off uint32
	// Size is on disk.
	Size uint32
	// Raw counts bytes of its entries.
	Raw    uint32
	Events uint32
	// Cluster and Set are numbers of names that contents or the store holds.
	Cluster uint32
	Set     uint32
	// Received is in nanoseconds since 1970.
	Received int64
}

// Contents is all that a segment holds, apart from the entries themselves.
type Contents struct {
	First    uint64
	Clusters []string
	// Sets are those of outputs.
	Sets [][]string
	// Entries are ascending by seq.
	Entries []Entry
	Tails   resend.Tails
	// Sealed says that it was read from its index: all of its commits had ended well.
	Sealed bool
	// Oldest is the number of the oldest program that may read all of it: see package chunk.
	Oldest int
}

// builder makes contents of chunks' headers.
type builder struct {
	Contents
	clusterNumber map[string]uint32
	setNumber     map[string]uint32
}

func newBuilder(first uint64) *builder {
	return &builder{
		Contents:      Contents{First: first, Tails: resend.Tails{}},
		clusterNumber: map[string]uint32{}, setNumber: map[string]uint32{},
	}
}

func (b *builder) add(h *chunk.Header, off uint32) {
	b.Oldest = max(b.Oldest, h.Oldest())
	b.Entries = append(b.Entries, Entry{
		Seq: uint32(h.Seq - b.First), Off: off, Size: uint32(h.Size), Raw: uint32(h.Raw), Events: uint32(h.Events),
		Cluster: b.cluster(h.Cluster), Set: b.set(h.Outputs), Received: h.Received,
	})
	for i := range h.Parts {
		if p := &h.Parts[i]; p.Flags&chunk.PartLast != 0 {
			b.Tails.Add(p.Conn, p.CommitSeq, p.Flags&chunk.PartAhead != 0, h.Received, resend.Key{
				Chunk: p.Key, Events: p.Total,
			})
		}
	}
}

// Join adds those chunks, ascending by sequence number, that c lacks, and returns their numbers. Their places in the
// file are the caller's to set.
func (c *Contents) Join(chunks []chunk.Header) (added []uint64) {
	b := newBuilder(c.First)
	b.Contents = *c
	if b.Tails == nil {
		b.Tails = resend.Tails{}
	}
	for i, name := range c.Clusters {
		b.clusterNumber[name] = uint32(i)
	}
	for i, names := range c.Sets {
		b.setNumber[SetKey(names)] = uint32(i)
	}
	have := map[uint32]bool{}
	for i := range c.Entries {
		have[c.Entries[i].Seq] = true
	}
	for i := range chunks {
		h := &chunks[i]
		if h.Seq < c.First || h.Seq-c.First > 1<<31 || have[uint32(h.Seq-c.First)] {
			continue
		}
		b.add(h, 0)
		added = append(added, h.Seq)
	}
	*c = b.Contents
	if len(added) > 0 {
		c.Sealed = false
		slices.SortFunc(c.Entries, func(a, b Entry) int { return cmp.Compare(a.Seq, b.Seq) })
	}
	return added
}

func (b *builder) cluster(name string) uint32 {
	n, ok := b.clusterNumber[name]
	if !ok {
		n = uint32(len(b.Clusters))
		b.Clusters, b.clusterNumber[name] = append(b.Clusters, name), n
	}
	return n
}

func (b *builder) set(outputs []string) uint32 {
	k := SetKey(outputs)
	n, ok := b.setNumber[k]
	if !ok {
		n = uint32(len(b.Sets))
		b.Sets, b.setNumber[k] = append(b.Sets, slices.Clone(outputs)), n
	}
	return n
}

// Renumber changes the numbers of names in c's entries from c's own to those that cluster and set return for them.
func (c *Contents) Renumber(cluster func(name string) uint32, set func(outputs []string) uint32) {
	clusters, sets := make([]uint32, len(c.Clusters)), make([]uint32, len(c.Sets))
	for i, name := range c.Clusters {
		clusters[i] = cluster(name)
	}
	for i, names := range c.Sets {
		sets[i] = set(names)
	}
	for i := range c.Entries {
		e := &c.Entries[i]
		e.Cluster, e.Set = clusters[e.Cluster], sets[e.Set]
	}
}

// AddNamed adds copies of entries to c, which has none, with numbers of its own for the names that cluster and set
// return for theirs: only those that the entries have.
func (c *Contents) AddNamed(entries []Entry, cluster func(n uint32) string, set func(n uint32) []string) {
	c.Entries = slices.Clone(entries)
	clusters, sets := map[uint32]uint32{}, map[uint32]uint32{}
	for i := range c.Entries {
		e := &c.Entries[i]
		n, ok := clusters[e.Cluster]
		if !ok {
			n = uint32(len(c.Clusters))
			c.Clusters, clusters[e.Cluster] = append(c.Clusters, cluster(e.Cluster)), n
		}
		m, ok := sets[e.Set]
		if !ok {
			m = uint32(len(c.Sets))
			c.Sets, sets[e.Set] = append(c.Sets, set(e.Set)), m
		}
		e.Cluster, e.Set = n, m
	}
}

// SetKey returns what tells sets of outputs apart, as a key of maps.
func SetKey(outputs []string) string { return strings.Join(outputs, "\x00") }

// indexFormat is that of a sealed segment's index. Since number 3 there are indexes that an older program may not read,
// as it would find out with each of their chunks.
func indexFormat() format.Format {
	return format.Format{Name: "index of a segment", Number: 3, Since: 1, Alone: 1}
}

// oldestIndex is the number of the oldest program that may read an index whose chunks it may read.
const oldestIndex = 2

// Encode returns c as the index of a sealed segment.
func (c *Contents) Encode() []byte {
	b := indexFormat().AppendOldest(nil, max(oldestIndex, c.Oldest))
	b = boltfile.AppendStrings(b, c.Clusters)
	b = binary.AppendUvarint(b, uint64(len(c.Sets)))
	for _, set := range c.Sets {
		b = boltfile.AppendStrings(b, set)
	}
	b = binary.AppendUvarint(b, uint64(len(c.Entries)))
	var seq uint32
	var received int64
	for i := range c.Entries {
		e := &c.Entries[i]
		b = binary.AppendUvarint(b, uint64(e.Seq-seq))
		for _, n := range [...]uint32{e.Off, e.Size, e.Raw, e.Events, e.Cluster, e.Set} {
			b = binary.AppendUvarint(b, uint64(n))
		}
		b = binary.AppendVarint(b, e.Received-received)
		seq, received = e.Seq, e.Received
	}
	b = binary.AppendUvarint(b, uint64(len(c.Tails)))
	for conn, t := range c.Tails {
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

// decodeIndex is the reverse of encode.
func decodeIndex(first uint64, b []byte) (*Contents, error) {
	if len(b) < 5 || boltfile.Checksum(b[:len(b)-4]) != binary.LittleEndian.Uint32(b[len(b)-4:]) {
		return nil, fmt.Errorf("segment's index has a wrong checksum: %w", boltfile.ErrDamaged)
	}
	number, rest, err := indexFormat().Cut(b[:len(b)-4])
	if err != nil {
		return nil, err
	}
	d := boltfile.Decoder{B: rest}
	c := &Contents{First: first, Tails: resend.Tails{}}
	if number > oldestIndex {
		c.Oldest = int(b[1])
	}
	c.Clusters = d.Strings()
	for i := d.Count(1); i > 0; i-- {
		c.Sets = append(c.Sets, d.Strings())
	}
	n := d.Count(8)
	c.Entries = make([]Entry, 0, n)
	var seq uint32
	var received int64
	for ; n > 0 && !d.Bad; n-- {
		var e Entry
		seq += uint32(d.Int())
		e.Seq = seq
		for _, p := range [...]*uint32{&e.Off, &e.Size, &e.Raw, &e.Events, &e.Cluster, &e.Set} {
			*p = uint32(d.Int())
		}
		received += d.Varint()
		e.Received = received
		if int(e.Cluster) >= len(c.Clusters) || int(e.Set) >= len(c.Sets) {
			d.Bad = true
		}
		c.Entries = append(c.Entries, e)
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
		c.Tails[conn] = t
	}
	if d.Bad || len(d.B) > 0 {
		return nil, fmt.Errorf("segment's index makes no sense: %w", boltfile.ErrDamaged)
	}
	return c, nil
}
