package deadletter

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/event"
)

func TestFilter(t *testing.T) {
	at := time.Unix(1763720100, 0)
	l := Letter{ID: 7, Time: at, Output: "es", Cluster: "seoul", Tag: "kube.a", Reason: "rejected"}
	early := Letter{ID: 3, Time: at, Cluster: "seoul", Tag: "x", Reason: "unrouted"}
	tag := func(prefix string) func(string) bool {
		return func(tag string) bool { return strings.HasPrefix(tag, prefix) }
	}
	for _, tc := range []struct {
		name               string
		filter             Filter
		fits, fitsEarly    bool
		byKey, unboundedID bool
	}{
		{"nothing said", Filter{}, true, true, true, true},
		{"output", Filter{Output: "es"}, true, false, true, true},
		{"another output", Filter{Output: "e"}, false, false, true, true},
		{"before any output", Filter{NoOutput: true}, false, true, true, true},
		{"both at once", Filter{NoOutput: true, Output: "es"}, false, false, true, true},
		{"cluster", Filter{Cluster: "seoul"}, true, true, true, true},
		{"another cluster", Filter{Cluster: "tokyo"}, false, false, true, true},
		{"reason", Filter{Reason: "unrouted"}, false, true, true, true},
		{"tag", Filter{Tag: tag("kube.")}, true, false, false, true},
		{"since then", Filter{Since: at}, true, true, false, true},
		{"since later", Filter{Since: at.Add(1)}, false, false, false, true},
		{"until then", Filter{Until: at}, false, false, false, true},
		{"until later", Filter{Until: at.Add(1)}, true, true, false, true},
		{"numbers", Filter{IDs: []uint64{1, 7}}, true, false, false, false},
		{"up to one", Filter{UpTo: 3}, false, true, true, false},
		{"up to both", Filter{UpTo: 7}, true, true, true, false},
	} {
		f := tc.filter
		if got := f.Fits(&l) && f.FitsID(l.ID); got != tc.fits {
			t.Errorf("%s: the letter fits: %v", tc.name, got)
		}
		if got := f.Fits(&early) && f.FitsID(early.ID); got != tc.fitsEarly {
			t.Errorf("%s: the one before any output fits: %v", tc.name, got)
		}
		if f.ByKeyOnly() != tc.byKey || f.FitsID(1<<60) != tc.unboundedID {
			t.Errorf("%s: by key only %v, any number fits %v", tc.name, f.ByKeyOnly(), f.FitsID(1<<60))
		}
		if f.Fits(&l) && !f.FitsKey(Key{Output: "es", Cluster: "seoul", Reason: "rejected"}) {
			t.Errorf("%s: the letter fits, and its key does not", tc.name)
		}
	}
}

func TestBound(t *testing.T) {
	for _, tc := range []struct{ asked, newest, want uint64 }{{0, 9, 9}, {5, 9, 5}, {9, 5, 5}, {5, 5, 5}} {
		f := Filter{UpTo: tc.asked}
		if f.Bound(tc.newest); f.UpTo != tc.want {
			t.Errorf("up to %d of %d became %d", tc.asked, tc.newest, f.UpTo)
		}
	}
}

func TestCounts(t *testing.T) {
	var c Counts
	for i, l := range []Letter{
		{Output: "a", Reason: "rejected", Events: 1, Time: time.Unix(20, 0)},
		{Output: "a", Reason: "rejected", Events: 4, Time: time.Unix(10, 0)},
		{Output: "b", Reason: "rejected", Events: 2, Time: time.Unix(15, 0)},
	} {
		if c.Add(&l); len(c.By) == 0 {
			t.Fatal(i)
		}
	}
	if len(c.By) != 2 || c.By[Key{Output: "a", Reason: "rejected"}] != (Count{Letters: 2, Events: 5}) ||
		c.By[Key{Output: "b", Reason: "rejected"}] != (Count{Letters: 1, Events: 2}) ||
		c.Oldest.Unix() != 10 || c.Newest.Unix() != 20 {
		t.Errorf("%+v", c)
	}
}

func TestRead(t *testing.T) {
	at := event.AppendTime(nil, event.Time{Sec: 1})
	one := string(event.AppendEntry(nil, at, nil, []byte{0x80}))
	// Groups begin and end with entries whose times are -1 and -2 seconds.
	start := "\x92\x92\xd7\x00\xff\xff\xff\xff\x00\x00\x00\x00\x80\x80"
	end := "\x92\x92\xd7\x00\xff\xff\xff\xfe\x00\x00\x00\x00\x80\x80"
	for _, tc := range []struct {
		name, entry string
		events      int
		open        bool
		err         error
	}{
		{"one", one, 1, false, nil},
		{"three", one + one + one, 3, false, nil},
		{"a group", start + one + one + end, 2, false, nil},
		{"a group that goes on", start + one, 1, true, nil},
		{"two groups", start + one + end + start + one, 2, true, nil},
		{"nothing", "", 0, false, ErrEmpty},
		{"an empty group", start + end, 0, false, ErrEmpty},
		{"half an event", one + one[:len(one)-1], 0, false, ErrNoEvents},
		{"no event", "\x92\xa1x\x80", 0, false, ErrNoEvents},
		{"text", "GET / HTTP/1.1", 0, false, ErrNoEvents},
		{"no msgpack", "\xc1", 0, false, ErrNoEvents},
	} {
		l := Letter{Entry: []byte(tc.entry)}
		events, open, err := l.Read()
		if err == nil && (events != tc.events || open != tc.open) || !errors.Is(err, tc.err) {
			t.Errorf("%s: %d events, open %v, %v", tc.name, events, open, err)
		}
		if l.Readable() != (tc.err == nil) {
			t.Errorf("%s: readable %v", tc.name, l.Readable())
		}
	}
}
