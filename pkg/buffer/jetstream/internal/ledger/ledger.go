// Package ledger is what processes have counted of a queue that they share, and how that is added up and sent.
package ledger

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/subject"
)

// Kind is what is counted: see buffer.Wait. The numbers are sent.
type Kind int

// What is counted.
const (
	Appended Kind = iota
	Returned      // of Appended
	Rest          // of Appended
	Adopted       // of Appended
	Done
	Moved // of Done
	Dropped
	Purged
	Lost
	Found // that nobody had counted
	Given
	Kinds
)

// Sign is what one more of a kind does to what is pending.
func (k Kind) Sign() int64 {
	switch k {
	case Appended, Found:
		return 1
	case Done, Dropped, Purged, Lost, Given:
		return -1
	case Returned, Rest, Adopted, Moved, Kinds:
	}
	return 0
}

// Counts is what was counted of a place.
type Counts [Kinds]buffer.Count

// Pending returns what is not finished. Of one process it may be negative: it has finished what another one has stored.
func (c *Counts) Pending() (n buffer.Count) {
	for k := range c {
		n = Plus(n, c[k], Kind(k).Sign())
	}
	return n
}

// Plus returns a and sign times b.
func Plus(a, b buffer.Count, sign int64) buffer.Count {
	return buffer.Count{
		Chunks: a.Chunks + sign*b.Chunks, Events: a.Events + sign*b.Events, Bytes: a.Bytes + sign*b.Bytes,
	}
}

// Table is counts by place. The zero value is empty, but can't be added to.
type Table map[subject.Place]*Counts

// At returns the counts of the place, which are there then.
func (t Table) At(p subject.Place) *Counts {
	c := t[p]
	if c == nil {
		c = &Counts{}
		t[p] = c
	}
	return c
}

// Add adds sign times o.
func (t Table) Add(o Table, sign int64) {
	for p, from := range o {
		to := t.At(p)
		for k := range to {
			to[k] = Plus(to[k], from[k], sign)
		}
	}
}

// Clone returns a copy.
func (t Table) Clone() Table {
	c := make(Table, len(t))
	for p, counts := range t {
		copied := *counts
		c[p] = &copied
	}
	return c
}

// version is the first byte of a table as it is sent.
const version = 1

// Append appends t as it is sent: version, number of places, and of each its three names, how many kinds are not zero,
// and those. The same table is always the same bytes.
func (t Table) Append(b []byte) []byte {
	b = append(b, version)
	b = binary.AppendUvarint(b, uint64(len(t)))
	places := slices.SortedFunc(maps.Keys(t), func(a, b subject.Place) int {
		return cmp.Or(strings.Compare(a.Output, b.Output), strings.Compare(a.Target, b.Target),
			strings.Compare(a.Cluster, b.Cluster))
	})
	for _, p := range places {
		for _, name := range []string{p.Output, p.Target, p.Cluster} {
			b = append(binary.AppendUvarint(b, uint64(len(name))), name...)
		}
		counts, n := t[p], byte(0)
		for k := range counts {
			if counts[k] != (buffer.Count{}) {
				n++
			}
		}
		b = append(b, n)
		for k, c := range counts {
			if c != (buffer.Count{}) {
				b = append(b, byte(k))
				for _, v := range []int64{c.Chunks, c.Events, c.Bytes} {
					b = binary.AppendVarint(b, v)
				}
			}
		}
	}
	return b
}

// Read reads what Append has made. Kinds that it doesn't know are passed over: another version has counted them. Memory
// follows the bytes that are there.
func Read(b []byte) (Table, error) {
	d := decoder{b: b}
	if v := d.byte(); v != version {
		return nil, fmt.Errorf("a table of counts of version %d, want %d", v, version)
	}
	t := Table{}
	for n := d.uvarint(); n > 0 && !d.bad; n-- {
		p := subject.Place{Output: d.text(), Target: d.text(), Cluster: d.text()}
		counts := t.At(p)
		for kinds := d.byte(); kinds > 0 && !d.bad; kinds-- {
			k := d.byte()
			c := buffer.Count{Chunks: d.varint(), Events: d.varint(), Bytes: d.varint()}
			if k < byte(Kinds) {
				counts[k] = c
			}
		}
	}
	if d.bad || len(d.b) > 0 {
		return nil, fmt.Errorf("a table of counts that makes no sense after %d of %d bytes", len(b)-len(d.b), len(b))
	}
	return t, nil
}

// decoder reads values from the front of b. bad is set, for good, where there is none.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) cut(n int) []byte {
	if n < 0 || n > len(d.b) {
		d.bad = true
	}
	if d.bad {
		return nil
	}
	cut := d.b[:n]
	d.b = d.b[n:]
	return cut
}

func (d *decoder) byte() byte {
	if b := d.cut(1); len(b) == 1 {
		return b[0]
	}
	return 0
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if d.cut(max(n, 0)); n <= 0 {
		d.bad = true
	}
	return v
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.b)
	if d.cut(max(n, 0)); n <= 0 {
		d.bad = true
	}
	return v
}

func (d *decoder) text() string {
	n := d.uvarint()
	return string(d.cut(int(min(n, uint64(len(d.b)+1)))))
}
