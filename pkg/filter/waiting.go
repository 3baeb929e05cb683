package filter

import (
	"container/list"
	"time"
)

// Waiting is what a Joiner holds back: a value for each key, in the order in which they are due. The
// zero value holds nothing.
type Waiting[T any] struct {
	byKey map[string]*Held[T]
	// order has *Held[T], the one that is due first in front.
	order list.List
}

// Held is a value that waits.
type Held[T any] struct {
	Value T
	Due   time.Time

	key   string
	place *list.Element
}

// Key returns what h waits under.
func (h *Held[T]) Key() string { return h.key }

// Len returns how many values wait.
func (w *Waiting[T]) Len() int { return len(w.byKey) }

// Get returns what waits under key, or nil.
func (w *Waiting[T]) Get(key []byte) *Held[T] { return w.byKey[string(key)] }

// Add has value wait under key, under which nothing waits yet, until due.
func (w *Waiting[T]) Add(key []byte, value T, due time.Time) *Held[T] {
	if w.byKey == nil {
		w.byKey = map[string]*Held[T]{}
	}
	h := &Held[T]{Value: value, key: string(key)}
	w.byKey[h.key] = h
	w.insert(h, due)
	return h
}

// Renew has h wait until due instead.
func (w *Waiting[T]) Renew(h *Held[T], due time.Time) {
	w.order.Remove(h.place)
	w.insert(h, due)
}

func (w *Waiting[T]) insert(h *Held[T], due time.Time) {
	h.Due = due
	before := w.order.Back()
	for before != nil && heldAt[T](before).Due.After(due) {
		before = before.Prev()
	}
	if before == nil {
		h.place = w.order.PushFront(h)
	} else {
		h.place = w.order.InsertAfter(h, before)
	}
}

// Remove ends the waiting of h.
func (w *Waiting[T]) Remove(h *Held[T]) {
	delete(w.byKey, h.key)
	w.order.Remove(h.place)
}

// First returns what is due first; nil: nothing waits.
func (w *Waiting[T]) First() *Held[T] {
	if first := w.order.Front(); first != nil {
		return heldAt[T](first)
	}
	return nil
}

// Due returns when First is due; zero: nothing waits.
func (w *Waiting[T]) Due() time.Time {
	if first := w.First(); first != nil {
		return first.Due
	}
	return time.Time{}
}

// Overdue returns what has waited until now, the longest first, or anything where everything is to
// go; nil: nothing has.
func (w *Waiting[T]) Overdue(now time.Time, everything bool) *Held[T] {
	if first := w.First(); first != nil && (everything || !first.Due.After(now)) {
		return first
	}
	return nil
}

func heldAt[T any](e *list.Element) *Held[T] {
	return e.Value.(*Held[T]) //nolint:forcetypeassert // there are no others
}
