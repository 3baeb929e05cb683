package filter_test

import (
	"strings"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/filter"
)

func TestWaiting(t *testing.T) {
	at := func(second int) time.Time { return time.Unix(int64(second), 0) }
	var w filter.Waiting[string]
	if w.Len() != 0 || w.First() != nil || w.Get([]byte("a")) != nil || !w.Due().IsZero() ||
		w.Overdue(at(9), true) != nil {
		t.Error("something waits in the zero value")
	}
	w.Add([]byte("a"), "first", at(3))
	w.Add([]byte("b"), "second", at(1)) // due before what came earlier
	c := w.Add([]byte("c"), "third", at(2))
	w.Renew(c, at(5))
	if h := w.Get([]byte("b")); h == nil || h.Value != "second" || h.Key() != "b" {
		t.Errorf("under b waits %+v", h)
	}
	if w.Overdue(at(0), false) != nil || !w.Due().Equal(at(1)) {
		t.Errorf("due at %v, want 1", w.Due())
	}
	var order strings.Builder
	for h := w.Overdue(at(3), false); h != nil; h = w.Overdue(at(3), false) {
		order.WriteString(h.Key())
		w.Remove(h)
	}
	if order.String() != "ba" || w.Len() != 1 || w.Overdue(at(0), true) != c {
		t.Errorf("%q were due, and %d are left", order.String(), w.Len())
	}
}
