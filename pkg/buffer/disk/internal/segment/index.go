package segment

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/chunk"
)

// Entry is what is known of a chunk without reading it. It has no pointers: there are many.
type Entry struct {
	Seq      uint32 // less the segment's first
	Off      uint32 // in the file
	Size     uint32 // on disk
	Raw      uint32 // bytes of its entries
	Events   uint32
	Cluster  uint32 // numbers of the names that contents or the store holds
	Set      uint32
	Received int64 // nanoseconds since 1970
}

// Contents is all that a segment holds, apart from the entries themselves.
type Contents struct {
	First       uint64
	Clusters    []string
	Sets        [][]string // of outputs
	Entries     []Entry    // ascending by seq
	LastCommits map[uint64]*LastCommit
}

// MaxAhead bounds how many messages of a connection's turns before the last are unconfirmed after a restart.
const MaxAhead = 256

// LastCommit is what a connection committed last in a segment: after a restart these messages are
// unconfirmed, and where its client sent ahead of its acks, those before them.
type LastCommit struct {
	CommitSeq uint64
	Pipelined bool // so are those of the segments before; known while the segment is not sealed
	Received  int64
	IDs       []chunk.ID
}

// AddCommit notes that the connection stored a whole message in the turn, ahead of the acks of the turn before or not.
func AddCommit(turns map[uint64]*LastCommit, conn, number uint64, ahead bool, received int64, id chunk.ID) {
	t := turns[conn]
	if t == nil {
		t = &LastCommit{Pipelined: ahead}
		turns[conn] = t
	}
	switch {
	case number < t.CommitSeq:
		return
	case number > t.CommitSeq:
		keep := 0
		if ahead {
			keep = min(len(t.IDs), MaxAhead)
		} else {
			t.Pipelined = false
		}
		t.CommitSeq, t.IDs = number, slices.Delete(t.IDs, 0, len(t.IDs)-keep)
	}
	t.Received = received
	t.IDs = append(t.IDs, id)
}

// builder makes contents of chunks' headers.
type builder struct {
	Contents
	clusterNumber map[string]uint32
	setNumber     map[string]uint32
}

func newBuilder(first uint64) *builder {
	return &builder{
		Contents:      Contents{First: first, LastCommits: map[uint64]*LastCommit{}},
		clusterNumber: map[string]uint32{}, setNumber: map[string]uint32{},
	}
}

func (b *builder) add(h *chunk.Header, off uint32) {
	b.Entries = append(b.Entries, Entry{
		Seq: uint32(h.Seq - b.First), Off: off, Size: uint32(h.Size), Raw: uint32(h.Raw), Events: uint32(h.Events),
		Cluster: b.cluster(h.Cluster), Set: b.set(h.Outputs), Received: h.Received,
	})
	for i := range h.Parts {
		if p := &h.Parts[i]; p.Flags&chunk.PartLast != 0 {
			AddCommit(b.LastCommits, p.Conn, p.CommitSeq, p.Flags&chunk.PartAhead != 0, h.Received, chunk.ID{Key: p.Key, Events: p.Total})
		}
	}
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

func SetKey(outputs []string) string { return strings.Join(outputs, "\x00") }

const indexVersion = 1

// Encode returns c as the index of a sealed segment.
func (c *Contents) Encode() []byte {
	b := []byte{indexVersion}
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
	b = binary.AppendUvarint(b, uint64(len(c.LastCommits)))
	for conn, t := range c.LastCommits {
		b = binary.LittleEndian.AppendUint64(b, conn)
		b = binary.AppendUvarint(b, t.CommitSeq)
		b = binary.LittleEndian.AppendUint64(b, uint64(t.Received))
		b = binary.AppendUvarint(b, uint64(len(t.IDs)))
		for _, id := range t.IDs {
			b = append(b, id.Key[:]...)
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
	d := boltfile.Decoder{B: b[:len(b)-4]}
	if v := d.Byte(); v != indexVersion {
		return nil, fmt.Errorf("segment's index has version %d, this program knows %d: %w", v, indexVersion, boltfile.ErrDamaged)
	}
	c := &Contents{First: first, LastCommits: map[uint64]*LastCommit{}}
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
		t := &LastCommit{CommitSeq: d.Uvarint(), Received: int64(d.Uint64())}
		for j := d.Count(17); j > 0 && !d.Bad; j-- {
			var id chunk.ID
			copy(id.Key[:], d.Bytes(len(id.Key)))
			id.Events = d.Int()
			t.IDs = append(t.IDs, id)
		}
		c.LastCommits[conn] = t
	}
	if d.Bad || len(d.B) > 0 {
		return nil, fmt.Errorf("segment's index makes no sense: %w", boltfile.ErrDamaged)
	}
	return c, nil
}
