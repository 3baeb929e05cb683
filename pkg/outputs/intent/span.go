package intent

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// Key tells a chunk of the queue from all others, also from those of another queue, and is the same after a restart.
type Key [16]byte

// Keys is the keys of the chunks of a Send.
type Keys map[*event.Chunk]Key

// Of returns the key of c.
func (k Keys) Of(c *event.Chunk) Key {
	key, ok := k[c]
	if ok {
		return key
	}
	b := make([]byte, 0, 256)
	for _, s := range [...]string{c.Cluster, c.Tag} {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	b = binary.BigEndian.AppendUint64(b, c.Seq)
	b = binary.BigEndian.AppendUint64(b, uint64(c.Received.UnixNano()))
	for i := range c.Parts {
		p := &c.Parts[i]
		b = append(b, p.Key[:]...)
		b = binary.AppendUvarint(b, uint64(p.First))
		b = binary.AppendUvarint(b, uint64(p.Events))
	}
	sum := sha256.Sum256(b)
	copy(key[:], sum[:])
	k[c] = key
	return key
}

// Span is events of one chunk, by their positions: ascending runs.
type Span struct {
	Chunk Key
	Runs  []Run
}

// Run is numbers that follow each other.
type Run struct {
	First, Count uint32
	// before counts numbers in the runs before it.
	before uint32
}

// end returns the number behind the last one of runs.
func end(runs []Run) uint32 {
	if len(runs) == 0 {
		return 0
	}
	r := runs[len(runs)-1]
	return r.First + r.Count
}

// AddRun adds count numbers from first on, which is not before the end of runs.
func AddRun(runs []Run, first, count uint32) []Run {
	if n := len(runs); n > 0 {
		last := &runs[n-1]
		if end(runs) == first {
			last.Count += count
			return runs
		}
		return append(runs, Run{first, count, last.before + last.Count})
	}
	return append(runs, Run{First: first, Count: count})
}

// Find reports whether runs hold n, and how many numbers below n they hold.
func Find(runs []Run, n int) (below int, found bool) {
	i, exact := slices.BinarySearchFunc(runs, n, func(r Run, n int) int { return cmp.Compare(int(r.First), n) })
	if exact {
		return int(runs[i].before), true
	}
	if i == 0 {
		return 0, false
	}
	r := runs[i-1]
	within := min(n-int(r.First), int(r.Count))
	return int(r.before) + within, within < int(r.Count)
}

// Count returns how many numbers runs hold.
func Count(runs []Run) int {
	if len(runs) == 0 {
		return 0
	}
	r := runs[len(runs)-1]
	return int(r.before + r.Count)
}

// Events returns how many events spans hold.
func Events(spans []Span) (n int) {
	for i := range spans {
		n += Count(spans[i].Runs)
	}
	return n
}

// Builder makes spans of events.
type Builder struct {
	Spans []Span
	last  *event.Chunk
}

// Reset empties b, whose memory is used again.
func (b *Builder) Reset() { b.Spans, b.last = b.Spans[:0], nil }

// Add adds ev behind the events before it. keys is used for all chunks.
func (b *Builder) Add(ev *event.Event, keys Keys) {
	if n := len(b.Spans); ev.Chunk != b.last || ev.Pos < int(end(b.Spans[n-1].Runs)) {
		b.last = ev.Chunk
		if n < cap(b.Spans) {
			b.Spans = b.Spans[:n+1]
			b.Spans[n] = Span{keys.Of(b.last), b.Spans[n].Runs[:0]}
		} else {
			b.Spans = append(b.Spans, Span{Chunk: keys.Of(b.last)})
		}
	}
	s := &b.Spans[len(b.Spans)-1]
	s.Runs = AddRun(s.Runs, uint32(ev.Pos), 1)
}

// AppendSpans appends the chunks and, for each, its runs.
func AppendSpans(b []byte, spans []Span) []byte {
	b = binary.AppendUvarint(b, uint64(len(spans)))
	for i := range spans {
		b = append(b, spans[i].Chunk[:]...)
		b = AppendRuns(b, spans[i].Runs)
	}
	return b
}

// AppendRuns appends runs as gaps and counts.
func AppendRuns(b []byte, runs []Run) []byte {
	b = binary.AppendUvarint(b, uint64(len(runs)))
	end := uint32(0)
	for _, r := range runs {
		b = binary.AppendUvarint(b, uint64(r.First-end))
		b = binary.AppendUvarint(b, uint64(r.Count))
		end = r.First + r.Count
	}
	return b
}

// AppendText appends text with its length.
func AppendText(b []byte, text string) []byte {
	b = binary.AppendUvarint(b, uint64(len(text)))
	return append(b, text...)
}

// Reader reads what the Append functions made, until something is missing or makes no sense: then all it returns is
// zero. Memory follows the length of what it reads, whatever that claims.
type Reader struct {
	b   []byte
	bad bool
}

// NewReader returns a Reader of b.
func NewReader(b []byte) *Reader { return &Reader{b: b} }

// Done reports whether all was read, and made sense.
func (r *Reader) Done() bool { return !r.bad && len(r.b) == 0 }

// Number reads a varint, which fits into 48 bits.
func (r *Reader) Number() uint64 {
	n, size := binary.Uvarint(r.b)
	if size <= 0 || n >= 1<<48 {
		r.fail()
		return 0
	}
	r.b = r.b[size:]
	return n
}

func (r *Reader) fail() { r.b, r.bad = nil, true }

func (r *Reader) bytes(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.fail()
		return nil
	}
	got := r.b[:n]
	r.b = r.b[n:]
	return got
}

// Text reads what AppendText made.
func (r *Reader) Text() string { return string(r.bytes(r.Number())) }

// Runs reads what AppendRuns made.
func (r *Reader) Runs() (runs []Run) {
	end := uint64(0)
	for range r.Number() {
		first := end + r.Number()
		count := r.Number()
		if end = first + count; end > 1<<31 || count == 0 {
			r.fail()
		}
		if r.bad {
			return nil
		}
		runs = AddRun(runs, uint32(first), uint32(count))
	}
	return runs
}

// Spans reads what AppendSpans made.
func (r *Reader) Spans() (spans []Span) {
	for range r.Number() {
		var s Span
		copy(s.Chunk[:], r.bytes(uint64(len(s.Chunk))))
		s.Runs = r.Runs()
		if r.bad {
			return nil
		}
		spans = append(spans, s)
	}
	return spans
}
