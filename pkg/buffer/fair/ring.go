// Package fair shares a thing among several by deficit round robin: each may take a quantum of bytes in its turn, and
// what it takes beyond that is missing in its next one.
package fair

import "slices"

// Ring is those who take turns. It is not safe for concurrent use.
type Ring[T any] struct {
	// quantum is in bytes.
	quantum int64
	members []*Turn[T]
	// at is whose turn it is.
	at int
}

// Turn is one who may be in a ring.
type Turn[T any] struct {
	Value T
	// deficit counts bytes left of the turn; below 0 after a piece that was larger.
	deficit int64
	in      bool
}

// NewRing returns an empty ring.
func NewRing[T any](quantum int64) Ring[T] { return Ring[T]{quantum: quantum} }

// Add lets t take turns, after all others. One that is in the ring already stays where it is.
func (r *Ring[T]) Add(t *Turn[T]) {
	if !t.in {
		t.in, t.deficit = true, 0
		r.members = append(r.members, t)
	}
}

// Remove takes t out of the ring, if it is in it.
func (r *Ring[T]) Remove(t *Turn[T]) {
	if !t.in {
		return
	}
	t.in = false
	i := slices.Index(r.members, t)
	r.members = slices.Delete(r.members, i, i+1)
	if i < r.at {
		r.at--
	}
}

// Current returns whose turn it is, nil where nobody is in the ring.
func (r *Ring[T]) Current() *Turn[T] {
	if len(r.members) == 0 {
		return nil
	}
	for {
		if r.at >= len(r.members) {
			r.at = 0
		}
		t := r.members[r.at]
		if len(r.members) == 1 {
			// Nobody else waits.
			t.deficit = r.quantum
		} else if t.deficit <= 0 {
			t.deficit += r.quantum
		}
		if t.deficit > 0 {
			return t
		}
		r.at++
	}
}

// Take says that t, whose turn it is, takes n bytes. Its turn ends with the quantum.
func (r *Ring[T]) Take(t *Turn[T], n int64) {
	if t.deficit -= n; t.deficit <= 0 {
		r.at++
	}
}
