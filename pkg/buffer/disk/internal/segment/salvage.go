package segment

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"slices"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
	"github.com/seed-afc6a195/aggregator/internal/failpoint"
	"github.com/seed-afc6a195/aggregator/internal/format"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/chunk"
)

// Damage tells what was found in a damaged segment.
type Damage struct {
	Cause  error
	chunks int
	bytes  int64
	// lost is what damaged chunks say of themselves, which may be wrong too.
	lost []chunk.Header
}

// NewDamage returns that of something else than a segment's file.
func NewDamage(cause error, lost []chunk.Header) *Damage { return &Damage{Cause: cause, lost: lost} }

// Fields returns what was found, and what is lost, for the log.
func (h *Damage) Fields() map[string]any {
	f := map[string]any{"error": h.Cause.Error(), "chunks": h.chunks, "bytes": h.bytes}
	var lost []string
	for i := range h.lost[:min(len(h.lost), 10)] {
		l := &h.lost[i]
		lost = append(lost, fmt.Sprintf("chunk %d: %d events of cluster %q, tag %q", l.Seq, l.Events, l.Cluster, l.Tag))
	}
	if more := len(h.lost) - len(lost); more > 0 {
		lost = append(lost, fmt.Sprintf("%d chunks more", more))
	}
	if len(lost) > 0 {
		f["lost"] = lost
	}
	return f
}

// LostEvents returns how many events the lost chunks say they had.
func (h *Damage) LostEvents() (n int64) {
	for i := range h.lost {
		n += int64(h.lost[i].Events)
	}
	return n
}

// Read returns what the closed segment at path holds: from its index where it was sealed,
// by walking its buckets where it was not. If either fails the file is scanned for whole chunks,
// and Damage tells of it. An error means that the file can't be read at all, or may not: format.ErrUnknown.
func Read(path string, first uint64) (*Contents, *Damage, error) {
	c, err := ReadIndex(path, first)
	if err == nil || errors.Is(err, format.ErrUnknown) {
		return c, nil, err
	}
	c, lost, serr := salvage(path, first)
	if serr != nil {
		return nil, nil, errors.Join(err, serr)
	}
	s := &Damage{Cause: err, chunks: len(c.Entries), lost: lost}
	for i := range c.Entries {
		s.bytes += int64(c.Entries[i].Size)
	}
	return c, s, nil
}

// ReadIndex reads the segment by its pages.
func ReadIndex(path string, first uint64) (c *Contents, err error) {
	p, err := boltfile.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read segment: %w", err)
	}
	defer p.Close()
	index, err := p.Bucket(IndexName)
	switch {
	case err != nil:
	case index == nil:
		c, err = readChunks(p, first)
	default:
		var e boltfile.Element
		if e, _, err = index.Find(IndexName); err == nil {
			if c, err = decodeIndex(first, e.Value); err == nil {
				c.Sealed = true
			}
		}
	}
	if err != nil {
		return nil, fmt.Errorf("read segment %s: %w", path, err)
	}
	return c, nil
}

// readChunks reads a segment that was not sealed: the process ended while it was written. Every checksum
// is verified, and what each commit wrote about itself, so that no chunk is missed in silence.
func readChunks(p *boltfile.File, first uint64) (*Contents, error) {
	b := newBuilder(first)
	var parts []chunk.Part
	next, commits := uint64(0), uint64(0)
	err := p.Top().Each(func(commit boltfile.Element) error {
		commits++
		group, err := p.Tree(commit)
		if err != nil || len(commit.Key) != 8 {
			return errors.Join(err, fmt.Errorf("unknown bucket %q: %w", commit.Key, boltfile.ErrDamaged))
		}
		n := uint64(0)
		err = group.Each(func(e boltfile.Element) error {
			size, _, err := chunk.Length(e.Value)
			if err == nil && size > len(e.Value) {
				err = fmt.Errorf("chunk of %d bytes in a value of %d: %w", size, len(e.Value), boltfile.ErrDamaged)
			}
			if err == nil {
				err = chunk.Verify(e.Value[:size])
			}
			if err != nil {
				return err
			}
			h, err := chunk.DecodeHeader(e.Value, parts)
			if err != nil {
				return err
			}
			if len(e.Key) != 8 || binary.BigEndian.Uint64(e.Key) != h.Seq || h.Seq < next || h.Seq-first > 1<<31 ||
				e.Off > math.MaxUint32 {
				return fmt.Errorf("chunk %d under key %x: %w", h.Seq, e.Key, boltfile.ErrDamaged)
			}
			parts, next = h.Parts, h.Seq+1
			b.add(&h, uint32(e.Off))
			n++
			return nil
		})
		if err == nil && n != group.Sequence {
			err = fmt.Errorf("commit %x has %d of %d chunks: %w", commit.Key, n, group.Sequence, boltfile.ErrDamaged)
		}
		return err
	})
	if err == nil && commits != p.TxID-1 {
		err = fmt.Errorf("%d of %d commits are there: %w", commits, p.TxID-1, boltfile.ErrDamaged)
	}
	return &b.Contents, err
}

// salvage scans the file for whole chunks, whatever bbolt makes of it. Of what it finds it keeps
// the chunks with the salt that most bytes have: the segment's own. Others are bytes that an agent
// sent to look like a chunk, of whatever format, laid bare because the chunk around them is broken.
func salvage(path string, first uint64) (*Contents, []chunk.Header, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("salvage: %w", err)
	}
	// Only read from.
	defer func() { _ = f.Close() }()
	type find struct {
		off  int64
		size int
	}
	finds, weight, damaged := map[uint64][]find{}, map[uint64]int{}, map[uint64]chunk.Header{}
	unknown := map[uint64]error{}
	err = scan(f, func(off int64, value []byte, err error) {
		h, herr := chunk.DecodeHeader(value, nil)
		switch {
		case errors.Is(err, format.ErrUnknown):
			salt := chunk.Salt(value)
			unknown[salt] = err
			weight[salt] += len(value)
		case herr != nil || h.Seq < first || h.Seq-first > 1<<31:
		case err != nil:
			damaged[h.Seq] = h
		default:
			finds[h.Salt] = append(finds[h.Salt], find{off, h.Size})
			weight[h.Salt] += h.Size
		}
	})
	if err != nil {
		return nil, nil, fmt.Errorf("salvage %s: %w", path, err)
	}
	var salt uint64
	for s, n := range weight {
		if n > weight[salt] {
			salt = s
		}
	}
	if err := unknown[salt]; err != nil {
		return nil, nil, fmt.Errorf("salvage: %w", err)
	}
	// Seconds in the same place of the tree were written by a commit that failed: the first counts.
	bySeq := map[uint64]chunk.Header{}
	where := map[uint64]int64{}
	var buf []byte
	for _, p := range finds[salt] {
		if buf, err = ReadChunk(f, &Entry{Off: uint32(p.off), Size: uint32(p.size)}, buf); err != nil {
			return nil, nil, fmt.Errorf("salvage: %w", err)
		}
		h, err := chunk.DecodeHeader(buf, nil)
		if err != nil {
			return nil, nil, fmt.Errorf("salvage: %w", err)
		}
		if _, ok := bySeq[h.Seq]; !ok {
			bySeq[h.Seq], where[h.Seq] = h, p.off
		}
	}
	b := newBuilder(first)
	for _, seq := range slices.Sorted(maps.Keys(bySeq)) {
		h := bySeq[seq]
		b.add(&h, uint32(where[seq]))
	}
	var lost []chunk.Header
	for _, seq := range slices.Sorted(maps.Keys(damaged)) {
		if _, ok := bySeq[seq]; !ok && (damaged[seq].Salt == salt || len(finds) == 0) {
			lost = append(lost, damaged[seq])
		}
	}
	return &b.Contents, lost, nil
}

// scan calls found for every chunk in f, in order of place, and for what begins like one with what is wrong with it:
// that it is not whole, or of an unknown format. value is reused afterwards. What the disk refuses to read counts as
// zeros.
func scan(f *os.File, found func(off int64, value []byte, err error)) error {
	st, err := f.Stat()
	if err != nil {
		return err
	}
	const window = 1 << 20
	// What an agent sent may look like beginnings, each of all that follows.
	work := 256 * max(st.Size(), window)
	buf := make([]byte, window)
	var value []byte
	for at := int64(0); ; {
		n, err := f.ReadAt(buf, at)
		end := errors.Is(err, io.EOF)
		if err != nil && !end {
			n = int(min(window, st.Size()-at))
			if err := boltfile.ReadAround(f, buf[:n], at); err != nil {
				return err
			}
		}
		b := buf[:n]
		// A beginning may lie across two windows.
		next := at + int64(n) - (chunk.FixedSize - 1)
		for {
			i := bytes.Index(b, []byte(chunk.Magic))
			if i < 0 || len(b)-i < chunk.FixedSize {
				break
			}
			off := at + int64(n-len(b)+i)
			b = b[i+1:]
			size, _, lerr := chunk.Length(buf[off-at : off-at+chunk.FixedSize])
			if lerr != nil || off+int64(size) > st.Size() || off > math.MaxUint32 || work < 0 {
				continue
			}
			work -= int64(size)
			value, err = ReadChunk(f, &Entry{Off: uint32(off), Size: uint32(size)}, value)
			found(off, value, err)
			if err != nil && !errors.Is(err, format.ErrUnknown) {
				continue
			}
			if skip := off + int64(size); skip < at+int64(n) {
				b = buf[skip-at : n]
			} else {
				next = skip
				break
			}
		}
		if end && next <= at+int64(n) {
			return nil
		}
		at = next
	}
}

// Rewrite copies those chunks of c, which read reads, that keep asks for into a new sealed segment
// at path, under the same numbers, and returns its contents. It is on disk, but not its name.
func Rewrite(path string, c *Contents, read Reader, keep func(*Entry) bool) (*Contents, error) {
	// It may be there of an earlier attempt.
	_ = os.Remove(path)
	var size int64
	for i := range c.Entries {
		size += int64(c.Entries[i].Size)
	}
	w, err := Create(path, size+size/4, true)
	if err != nil {
		return nil, err
	}
	out := &Contents{First: c.First, Clusters: c.Clusters, Sets: c.Sets, Tails: c.Tails, Sealed: true, Oldest: c.Oldest}
	const group = 4 << 20
	var items []Item
	var bytes int
	flush := func() error {
		if len(items) == 0 {
			return nil
		}
		where := make([]uint32, len(items))
		if err := w.Append(items, where); err != nil {
			return err
		}
		added := out.Entries[len(out.Entries)-len(items):]
		for i := range added {
			added[i].Off = where[i]
		}
		items, bytes = items[:0], 0
		return nil
	}
	for i := range c.Entries {
		e := &c.Entries[i]
		if !keep(e) {
			continue
		}
		value, err := read(e)
		if err != nil {
			return nil, errors.Join(err, w.Close())
		}
		items = append(items, Item{c.First + uint64(e.Seq), value})
		out.Entries = append(out.Entries, *e)
		if bytes += len(value); bytes >= group {
			if err := flush(); err != nil {
				return nil, errors.Join(fmt.Errorf("write segment %s: %w", path, err), w.Close())
			}
		}
	}
	if err := flush(); err != nil {
		return nil, errors.Join(fmt.Errorf("write segment %s: %w", path, err), w.Close())
	}
	failpoint.Pass("segment.rewrite.filled")
	if err := w.Seal(out.Encode()); err != nil {
		return nil, fmt.Errorf("seal segment %s: %w", path, err)
	}
	return out, nil
}

// QuarantineChunk copies a damaged chunk, as it is, to a file of its own and returns its name.
func QuarantineChunk(path string, seq uint64, e *Entry, f *os.File) (string, error) {
	b := make([]byte, e.Size)
	n, err := f.ReadAt(b, int64(e.Off))
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("set aside chunk %d: %w", seq, err)
	}
	name := fmt.Sprintf("%s-%d.corrupt", path, seq)
	if err := os.WriteFile(name, b[:n], 0o600); err != nil {
		return "", fmt.Errorf("set aside chunk %d: %w", seq, err)
	}
	return name, nil
}
