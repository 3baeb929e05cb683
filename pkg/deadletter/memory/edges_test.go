package memory

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
)

// add adds a letter of so many bytes.
func add(t *testing.T, s *Store, l deadletter.Letter) {
	t.Helper()
	if err := s.Add(t.Context(), []deadletter.Letter{l}); err != nil {
		t.Fatal(err)
	}
}

// page returns one page.
func page(t *testing.T, s *Store, p deadletter.Page) ([]deadletter.Letter, bool) {
	t.Helper()
	letters, more, err := s.Page(t.Context(), deadletter.Filter{}, p)
	if err != nil {
		t.Fatal(err)
	}
	return letters, more
}

// Neither what was given nor what is handed out is what the store keeps.
func TestCopies(t *testing.T) {
	s := &Store{}
	given := []deadletter.Letter{{Detail: "d", Events: 1, Entry: []byte("abc")}}
	if err := s.Add(t.Context(), given); err != nil {
		t.Fatal(err)
	}
	if given[0].ID != 0 || !given[0].Time.IsZero() {
		t.Errorf("what was given is %+v now", given[0])
	}
	given[0].Entry[0] = 'x'
	got, _ := page(t, s, deadletter.Page{Limit: 1})
	got[0].Entry[1] = 'x'
	got[0].Detail = "x"
	if got, _ = page(t, s, deadletter.Page{Limit: 1}); string(got[0].Entry) != "abc" || got[0].Detail != "d" {
		t.Errorf("%+v", got[0])
	}
	st := s.Stats()
	clear(st.Events)
	if want := (map[deadletter.Key]int64{{}: 1}); !reflect.DeepEqual(s.Stats().Events, want) {
		t.Errorf("%v", s.Stats().Events)
	}
}

// A page ends where one of its limits is reached, and says whether more may follow.
func TestPageLimits(t *testing.T) {
	s := &Store{}
	for range 5 {
		add(t, s, deadletter.Letter{Events: 1, Entry: []byte("0123456789")})
	}
	for _, tc := range []struct {
		name string
		page deadletter.Page
		want int
		more bool
	}{
		{"one", deadletter.Page{Limit: 1}, 1, true},
		{"all, and whether there are more is not known", deadletter.Page{Limit: 5}, 5, true},
		{"more than there are", deadletter.Page{Limit: 6}, 5, false},
		{"a byte: at least one letter", deadletter.Page{Limit: 9, Bytes: 1}, 1, true},
		{"as many bytes as two have", deadletter.Page{Limit: 9, Bytes: 20}, 2, true},
		{"a byte more", deadletter.Page{Limit: 9, Bytes: 21}, 3, true},
		{"more bytes than there are", deadletter.Page{Limit: 9, Bytes: 51}, 5, false},
		{"without entries no bytes count", deadletter.Page{Limit: 9, Bytes: 1, Bare: true}, 5, false},
		{"behind the last", deadletter.Page{Limit: 9, After: ^uint64(0)}, 0, false},
		{"the newest, before the first", deadletter.Page{Limit: 9, After: 1, Newest: true}, 0, false},
	} {
		got, more := page(t, s, tc.page)
		if len(got) != tc.want || more != tc.more {
			t.Errorf("%s: %d letters, more %v, want %d, %v", tc.name, len(got), more, tc.want, tc.more)
		}
		for _, l := range got {
			if (l.Entry == nil) != tc.page.Bare {
				t.Errorf("%s: an entry of %d bytes", tc.name, len(l.Entry))
			}
		}
	}
}

// What is over the limits goes, the oldest first, and is counted in events.
func TestLimits(t *testing.T) {
	s := &Store{}
	for i := range 4 {
		add(t, s, deadletter.Letter{Events: 1 << i, Entry: make([]byte, 10)})
	}
	for _, tc := range []struct {
		size    int64
		letters int64
		evicted int64
	}{{0, 4, 0}, {40, 4, 0}, {39, 3, 1}, {20, 2, 3}, {1000, 2, 3}, {9, 0, 15}} {
		s.SetLimits(deadletter.Config{MaxSize: setting.Size(tc.size)})
		if st := s.Stats(); st.Letters != tc.letters || st.Evicted != tc.evicted || st.Bytes != 10*tc.letters {
			t.Errorf("in %d bytes: %+v", tc.size, st)
		}
	}
	add(t, s, deadletter.Letter{Events: 1, Time: time.Now().Add(-time.Hour)})
	s.SetLimits(deadletter.Config{MaxAge: 2 * time.Hour})
	if st := s.Stats(); st.Letters != 1 {
		t.Errorf("not too old: %+v", st)
	}
	s.SetLimits(deadletter.Config{MaxAge: time.Minute})
	if st := s.Stats(); st.Letters != 0 || st.Evicted != 16 || !st.Oldest.IsZero() {
		t.Errorf("too old: %+v", st)
	}
}

// One purge or requeue at a time, and numbers that none uses twice.
func TestOneAtATime(t *testing.T) {
	s := &Store{}
	upTo, release, err := s.Exclusive()
	if err != nil || upTo != 0 {
		t.Fatalf("up to %d: %v", upTo, err)
	}
	if _, _, err := s.Exclusive(); !errors.Is(err, deadletter.ErrBusy) {
		t.Errorf("twice: %v", err)
	}
	release()
	if n, err := s.Purge(t.Context(), deadletter.Filter{}, func(deadletter.Count) {
		t.Error("something was purged of nothing")
	}); n != (deadletter.Count{}) || err != nil {
		t.Errorf("%+v: %v", n, err)
	}
	last := uint64(0)
	for range 3 {
		add(t, s, deadletter.Letter{Events: 1})
		upTo, release, err := s.Exclusive()
		if err != nil || upTo <= last {
			t.Fatalf("number %d after %d: %v", upTo, last, err)
		}
		release()
		last = upTo
		if n, err := s.Delete(t.Context(), upTo, upTo); n != 1 || err != nil {
			t.Errorf("deleted %d: %v", n, err)
		}
	}
}

// A caller that has gone gets its own error.
func TestCancelled(t *testing.T) {
	s := &Store{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Get(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("get: %v", err)
	}
	if _, _, err := s.Page(ctx, deadletter.Filter{}, deadletter.Page{Limit: 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("page: %v", err)
	}
	if _, err := s.Get(t.Context(), 1); !errors.Is(err, deadletter.ErrNotFound) ||
		err.Error() != "no such dead letter: 1" {
		t.Errorf("no such letter: %v", err)
	}
}
