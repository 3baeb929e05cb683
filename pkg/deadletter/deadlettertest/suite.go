// Package deadlettertest is the suite that every store of dead letters passes.
package deadlettertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
)

// Run runs the suite. open returns an empty store.
func Run(t *testing.T, open func(t *testing.T, cfg deadletter.Config) deadletter.Store) {
	t.Helper()
	for _, tc := range []struct {
		name string
		cfg  deadletter.Config
		test func(*testing.T, deadletter.Store)
	}{
		{"letters are listed by filter and page", deadletter.Config{}, pages},
		{"an event is a letter once", deadletter.Config{}, once},
		{"letters are deleted and purged", deadletter.Config{}, gone},
		{"letters go back into the queue", deadletter.Config{}, requeue},
		{"the oldest go first", deadletter.Config{MaxSize: 4 << 20}, bounds},
	} {
		t.Run(tc.name, func(t *testing.T) { tc.test(t, open(t, tc.cfg)) })
	}
}

// add adds letters 0 to n-1, of outputs o0 and o1 and clusters c0 to c2 in turn.
func add(t *testing.T, s deadletter.Store, n int) {
	t.Helper()
	for i := range n {
		l := deadletter.Letter{
			Output: fmt.Sprint("o", i%2), Cluster: fmt.Sprint("c", i%3), Tag: "t", Reason: "rejected",
			Detail: strconv.Itoa(i), EventID: fmt.Sprint("id-", i),
			Events: 1 + i%2, Entry: []byte{byte(i)},
		}
		if err := s.Add(context.Background(), []deadletter.Letter{l}); err != nil {
			t.Fatal(err)
		}
	}
}

// list returns all letters that fit, read in pages of three.
func list(t *testing.T, s deadletter.Store, filter deadletter.Filter, newest bool) (all []deadletter.Letter) {
	t.Helper()
	page := deadletter.Page{Limit: 3, Newest: newest}
	for more := true; more; {
		var letters []deadletter.Letter
		var err error
		if letters, more, err = s.Page(context.Background(), filter, page); err != nil {
			t.Fatal(err)
		}
		if len(letters) == 0 {
			break
		}
		all = append(all, letters...)
		page.After = letters[len(letters)-1].ID
	}
	return all
}

func ids(letters []deadletter.Letter) (all []uint64) {
	for i := range letters {
		all = append(all, letters[i].ID)
	}
	return all
}

func pages(t *testing.T, s deadletter.Store) {
	t.Helper()
	add(t, s, 12)
	all := list(t, s, deadletter.Filter{}, false)
	if len(all) != 12 || !slices.IsSorted(ids(all)) || all[3].Detail != "3" || all[3].Time.IsZero() ||
		all[3].Entry[0] != 3 {
		t.Fatalf("%+v", all)
	}
	newest := ids(list(t, s, deadletter.Filter{}, true))
	slices.Reverse(newest)
	if !slices.Equal(newest, ids(all)) {
		t.Errorf("the newest first: %v", newest)
	}
	for name, tc := range map[string]struct {
		filter deadletter.Filter
		want   int
	}{
		"output":  {deadletter.Filter{Output: "o1"}, 6},
		"cluster": {deadletter.Filter{Cluster: "c2"}, 4},
		"both":    {deadletter.Filter{Output: "o0", Cluster: "c0"}, 2},
		"reason":  {deadletter.Filter{Reason: "too_large"}, 0},
		"ids":     {deadletter.Filter{IDs: []uint64{all[1].ID, all[7].ID, 1}}, 2},
		"since":   {deadletter.Filter{Since: time.Now().Add(time.Hour)}, 0},
	} {
		n := int64(0)
		counts, err := s.Count(context.Background(), tc.filter)
		for _, c := range counts.By {
			n += c.Letters
		}
		if got := len(list(t, s, tc.filter, false)); got != tc.want || n != int64(tc.want) || err != nil {
			t.Errorf("%s: %d are listed, %d counted, want %d: %v", name, got, n, tc.want, err)
		}
	}
	if l, err := s.Get(context.Background(), all[4].ID); err != nil || l.Detail != "4" {
		t.Errorf("%+v: %v", l, err)
	}
	if _, err := s.Get(context.Background(), 1); !errors.Is(err, deadletter.ErrNotFound) {
		t.Errorf("no such letter: %v", err)
	}
	if st := s.Stats(); st.Letters != 12 || st.Newest.Before(all[0].Time) && st.Newest.Before(all[11].Time) ||
		st.Events[deadletter.Key{Output: "o1", Cluster: "c1", Reason: "rejected"}] != 4 {
		t.Errorf("%+v", st)
	}
}

func once(t *testing.T, s deadletter.Store) {
	t.Helper()
	add(t, s, 3)
	add(t, s, 3)
	if n := s.Stats().Letters; n != 3 {
		t.Errorf("%d letters of 3 events", n)
	}
	if _, err := s.Delete(context.Background(), ids(list(t, s, deadletter.Filter{}, false))[0]); err != nil {
		t.Fatal(err)
	}
	add(t, s, 3)
	if n := s.Stats().Letters; n != 3 {
		t.Errorf("%d letters, after one of 3 was deleted and came again", n)
	}
}

func gone(t *testing.T, s deadletter.Store) {
	t.Helper()
	add(t, s, 12)
	all := ids(list(t, s, deadletter.Filter{}, false))
	if n, err := s.Delete(context.Background(), all[0], all[11], 1); n != 2 || err != nil {
		t.Errorf("deleted %d: %v", n, err)
	}
	_, release, err := s.Exclusive()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Purge(context.Background(), deadletter.Filter{}, func(deadletter.Count) {}); !errors.Is(
		err, deadletter.ErrBusy,
	) {
		t.Errorf("a purge beside another: %v", err)
	}
	release()
	for _, tc := range []struct {
		filter deadletter.Filter
		want   int64
	}{
		{deadletter.Filter{Output: "o0", UpTo: all[2]}, 1},
		{deadletter.Filter{Output: "o0", UpTo: all[11] + 100}, 4},
		{deadletter.Filter{UpTo: all[0]}, 0},
		{deadletter.Filter{}, 5},
		{deadletter.Filter{}, 0},
	} {
		if n, err := s.Purge(context.Background(), tc.filter, func(deadletter.Count) {}); n.Letters != tc.want ||
			err != nil {
			t.Errorf("%+v: purged %+v, want %d: %v", tc.filter, n, tc.want, err)
		}
	}
	if st := s.Stats(); st.Letters != 0 || st.Purged != 15 || !st.Newest.IsZero() {
		t.Errorf("%+v", st)
	}
}

func requeue(t *testing.T, s deadletter.Store) {
	t.Helper()
	add(t, s, 6)
	all := ids(list(t, s, deadletter.Filter{}, false))
	fault := errors.New("full")
	if n, err := s.Requeue(context.Background(), all[:2], func() error { return fault }); n.Letters != 0 ||
		!errors.Is(err, fault) {
		t.Errorf("%+v: %v", n, err)
	}
	n, err := s.Requeue(context.Background(), all[:2], func() error { return nil })
	if n.Letters != 2 || n.Events != 3 || err != nil {
		t.Errorf("%+v: %v", n, err)
	}
	if left := ids(list(t, s, deadletter.Filter{}, false)); !slices.Equal(left, all[2:]) {
		t.Errorf("left are %v of %v", left, all)
	}
}

func bounds(t *testing.T, s deadletter.Store) {
	t.Helper()
	for i := range 12 {
		l := deadletter.Letter{Detail: strconv.Itoa(i), Events: 1, Entry: make([]byte, 1<<20)}
		for j := range l.Entry {
			l.Entry[j] = byte(i * j)
		}
		if err := s.Add(context.Background(), []deadletter.Letter{l}); err != nil {
			t.Fatal(err)
		}
	}
	left := list(t, s, deadletter.Filter{}, false)
	if st := s.Stats(); st.Evicted == 0 || st.Evicted+st.Letters != 12 || st.Bytes > 5<<20 {
		t.Errorf("%+v", st)
	}
	if n := len(left); n == 0 || left[n-1].Detail != "11" {
		t.Errorf("%d are left, the newest is not among them", n)
	}
}
