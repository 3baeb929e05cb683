package journal

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
	"github.com/seed-afc6a195/aggregator/internal/format"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/chunk"
)

// Contents is what a journal holds of its last generation.
type Contents struct {
	Generation uint64
	// Segment is the first sequence number of the segment that the chunks belong to, where there are any.
	Segment uint64
	// Chunks are ascending by sequence number.
	Chunks []Chunk
	// Damage is what was found wrong that no cut of the power explains; nil: nothing.
	Damage error
	// Lost is what chunks that damage has taken say of themselves, which may be wrong too.
	Lost []chunk.Header
	// Torn tells of a last record that is not whole, as a cut of the power leaves it, or damage. Of its chunks those
	// are there that are whole, and their messages.
	Torn bool
}

// Chunk is one that was appended.
type Chunk struct {
	chunk.Header
	Value []byte
}

// record is one that is whole.
type record struct {
	// off and end are in the file; end is that of its last page.
	off, end                    int64
	generation, number, segment uint64
	salt, first                 uint64
	chunks                      []byte
}

// Read reads the journal at path. os.ErrNotExist: there is none; format.ErrUnknown: the program may not read it. What
// the disk refuses to read counts as zeros, and as damage.
func Read(path string) (*Contents, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	// Only read from.
	defer func() { _ = f.Close() }()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if st.Size() > 1<<30 {
		return nil, fmt.Errorf("read journal %s: it has %d bytes, which none has: %w", path, st.Size(),
			boltfile.ErrDamaged)
	}
	b := make([]byte, st.Size())
	_, rerr := f.ReadAt(b, 0)
	if errors.Is(rerr, io.EOF) {
		rerr = nil
	}
	if rerr != nil {
		if err := boltfile.ReadAround(f, b, 0); err != nil {
			return nil, fmt.Errorf("read journal: %w", err)
		}
	}
	c, err := parse(b)
	if err != nil {
		return nil, fmt.Errorf("read journal %s: %w", path, err)
	}
	if rerr != nil {
		c.Damage = errors.Join(rerr, c.Damage)
	}
	return c, nil
}

// beginning is what the newest beginning says.
type beginning struct{ generation, salt, first, size uint64 }

// readBeginning returns the newest beginning; the zero value where there is none. good is how many there are.
func readBeginning(b []byte) (newest beginning, good int, err error) {
	for at := 0; at+pageSize <= len(b) && at < begins; at += pageSize {
		p := b[at : at+beginSize]
		if string(p[:len(beginMagic)]) != beginMagic ||
			boltfile.Checksum(p[:beginSize-4]) != binary.LittleEndian.Uint32(p[beginSize-4:]) {
			continue
		}
		good++
		var n [4]uint64
		for i := range n {
			n[i] = binary.LittleEndian.Uint64(p[16+8*i:])
		}
		if n[0] <= newest.generation {
			continue
		}
		if _, _, err := fileFormat().Cut(p[len(beginMagic):]); err != nil {
			return newest, good, err
		}
		newest = beginning{n[0], n[1], n[2], n[3]}
	}
	return newest, good, nil
}

// readRecord returns the whole record that begins at off.
func readRecord(b []byte, off int64) (r record, whole bool) {
	p := b[off:]
	if len(p) < headSize || string(p[:len(magic)]) != magic {
		return r, false
	}
	sum, n := binary.LittleEndian.Uint32(p[8:]), int64(binary.LittleEndian.Uint32(p[12:]))
	if n > int64(len(p)-headSize) || boltfile.Checksum(p[12:headSize+n]) != sum {
		return r, false
	}
	r = record{off: off, end: min(off+padded(headSize+n), int64(len(b))), chunks: p[headSize : headSize+n : headSize+n]}
	for i, v := range [...]*uint64{&r.generation, &r.number, &r.segment, &r.salt, &r.first} {
		*v = binary.LittleEndian.Uint64(p[16+8*i:])
	}
	return r, true
}

// parse returns what the file with those bytes holds.
func parse(b []byte) (*Contents, error) {
	begin, good, err := readBeginning(b)
	if err != nil {
		return nil, err
	}
	var all []record
	for off := int64(begins); off < int64(len(b)); {
		r, whole := readRecord(b, off)
		if !whole {
			off += pageSize
			continue
		}
		all = append(all, r)
		off = r.end
	}
	c := &Contents{Generation: begin.generation}
	// A generation has no records before its beginning is on the disk.
	for _, r := range all {
		if r.generation > begin.generation {
			begin = beginning{r.generation, r.salt, r.first, begin.size}
			c.Damage = fmt.Errorf("the beginning of generation %d is gone: %w", r.generation, boltfile.ErrDamaged)
		}
	}
	switch {
	case c.Damage != nil:
	case len(b) <= begins, begin.size > uint64(len(b)):
		c.Damage = fmt.Errorf("it is cut at %d bytes: %w", len(b), boltfile.ErrDamaged)
	case good == 0 && len(bytes.Trim(b, "\x00")) > 0:
		c.Damage = fmt.Errorf("it has no beginning: %w", boltfile.ErrDamaged)
	}
	c.Generation = max(c.Generation, begin.generation)
	all = slices.DeleteFunc(all, func(r record) bool { return r.generation != begin.generation })
	if begin.generation == 0 {
		return c, nil
	}
	s := &search{b: b, begin: begin, c: c}
	at, next := int64(begins), uint64(0)
	for i := range all {
		r := &all[i]
		if r.off != at || r.number != next {
			c.Damage = errors.Join(c.Damage, fmt.Errorf("record %d at %d is not as it was written: %w", next, at,
				boltfile.ErrDamaged))
			whole, lost := s.chunks(at, r.off)
			c.Chunks, c.Lost = append(c.Chunks, whole...), append(c.Lost, lost...)
		}
		c.Segment = r.segment
		s.record(r)
		at, next = r.end, r.number+1
	}
	s.tail(at)
	slices.SortStableFunc(c.Chunks, func(a, b Chunk) int { return cmp.Compare(a.Seq, b.Seq) })
	c.Chunks = slices.CompactFunc(c.Chunks, func(a, b Chunk) bool { return a.Seq == b.Seq })
	if len(all) == 0 && len(c.Chunks) > 0 {
		if seq := c.Chunks[0].Seq; c.Segment == 0 || c.Segment > seq || seq-c.Segment > 1<<31 {
			// The only record that tells is not whole.
			c.Segment = seq
		}
	}
	return c, s.unknown
}

// search looks for chunks in a journal.
type search struct {
	b     []byte
	begin beginning
	c     *Contents
	// unknown is a chunk is of a format that the program may not read.
	unknown error
}

// record adds the chunks of a whole record.
func (s *search) record(r *record) {
	for rest := r.chunks; len(rest) > 0; {
		size, _, err := chunk.Length(rest)
		if err == nil && size > len(rest) {
			err = fmt.Errorf("chunk of %d bytes where %d are left: %w", size, len(rest), boltfile.ErrDamaged)
		}
		if err == nil {
			err = chunk.Verify(rest[:size])
		}
		var h chunk.Header
		if err == nil {
			h, err = chunk.DecodeHeader(rest[:size], nil)
		}
		if errors.Is(err, format.ErrUnknown) {
			s.unknown = err
			return
		}
		if err != nil {
			s.c.Damage = errors.Join(s.c.Damage, fmt.Errorf("record %d: %w", r.number, err))
			return
		}
		s.c.Chunks = append(s.c.Chunks, Chunk{Header: h, Value: rest[:size:size]})
		rest = rest[size:]
	}
}

// tail adds what is behind the last whole record.
func (s *search) tail(at int64) {
	whole, lost := s.chunks(at, int64(len(s.b)))
	head := int64(len(s.b))-at >= headSize && string(s.b[at:at+int64(len(magic))]) == magic &&
		binary.LittleEndian.Uint64(s.b[at+16:]) == s.begin.generation
	s.c.Torn = head || len(whole)+len(lost) > 0
	if head && s.c.Segment == 0 {
		s.c.Segment = binary.LittleEndian.Uint64(s.b[at+32:])
	}
	s.c.Chunks = append(s.c.Chunks, wholeMessages(whole)...)
}

// chunks looks through the bytes from one place to another for chunks of the generation: those that are whole, and the
// headers of those that are not.
func (s *search) chunks(from, to int64) (whole []Chunk, lost []chunk.Header) {
	b := s.b[min(from, int64(len(s.b))):to]
	// What an agent sent may look like beginnings, each of all that follows.
	work := 64 * len(b)
	for work > 0 {
		i := bytes.Index(b, []byte(chunk.Magic))
		if i < 0 {
			break
		}
		v := b[i:]
		b = b[i+1:]
		if len(v) < chunk.FixedSize || chunk.Salt(v) != s.begin.salt ||
			binary.LittleEndian.Uint64(v[24:]) < s.begin.first {
			continue
		}
		size, _, err := chunk.Length(v)
		if err == nil && size <= len(v) {
			work -= size
			err = chunk.Verify(v[:size])
		} else if err == nil {
			err = boltfile.ErrDamaged
		}
		if errors.Is(err, format.ErrUnknown) {
			s.unknown = err
			return whole, lost
		}
		h, herr := chunk.DecodeHeader(v[:min(size, len(v))], nil)
		switch {
		case herr != nil:
		case err != nil:
			lost = append(lost, h)
		default:
			whole = append(whole, Chunk{Header: h, Value: v[:size:size]})
			b = v[size:]
		}
	}
	return whole, lost
}

// wholeMessages returns those chunks of a record that is not whole which hold messages in whole alone. Nobody was told
// that the others are stored, unless the disk has lost something since; sent again, they would be there twice in part.
func wholeMessages(chunks []Chunk) []Chunk {
	type id struct {
		key          [16]byte
		conn, commit uint64
	}
	for {
		type extent struct {
			// next is the position behind the events so far.
			next      int
			last, bad bool
		}
		messages := map[id]*extent{}
		each := func(c *Chunk, f func(p *chunk.Part, m *extent)) {
			for i := range c.Parts {
				p := &c.Parts[i]
				if p.Flags&chunk.PartKeyed == 0 || p.Flags&(chunk.PartRequeued|chunk.PartFiltered) != 0 ||
					c.Origin.Seq != 0 {
					continue
				}
				k := id{p.Key, p.Conn, p.CommitSeq}
				if messages[k] == nil {
					messages[k] = &extent{}
				}
				f(p, messages[k])
			}
		}
		for i := range chunks {
			each(&chunks[i], func(p *chunk.Part, m *extent) {
				m.bad = m.bad || p.First != m.next
				m.next, m.last = p.First+p.Events, p.Flags&chunk.PartLast != 0
			})
		}
		kept := slices.DeleteFunc(slices.Clone(chunks), func(c Chunk) bool {
			cut := false
			each(&c, func(_ *chunk.Part, m *extent) { cut = cut || m.bad || !m.last })
			return cut
		})
		if len(kept) == len(chunks) {
			return kept
		}
		chunks = kept
	}
}
