package disk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/boltfile/boltfiletest"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
)

func openDeadForTest(t *testing.T, dir string, cfg deadletter.Config, c *fakeClock) *Store {
	t.Helper()
	d, err := Open(dir, cfg, zerolog.Nop(), c.now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// An event that is refused again while its letter is being retried, when the process ends, is one letter after the next
// start.
func TestLetterTwice(t *testing.T) {
	dir, clock := t.TempDir(), newFakeClock()
	d := openDeadForTest(t, dir, deadletter.Config{}, clock)
	letter := deadletter.Letter{Output: "es", EventID: "a-1", Events: 1, Entry: []byte{1}}
	var all []deadletter.Letter
	for want := range 2 {
		if err := d.Add(t.Context(), []deadletter.Letter{letter}); err != nil {
			t.Fatal(err)
		}
		var err error
		if all, err = d.List(t.Context(), deadletter.Filter{}, 0, 100); err != nil || len(all) != want+1 {
			t.Fatalf("%d letters, want %d: %v", len(all), want+1, err)
		}
		d.forget(numbers(all)) // as a retry does, which the process does not live to end
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d = openDeadForTest(t, dir, deadletter.Config{}, clock)
	d.Recall()
	left, err := d.List(t.Context(), deadletter.Filter{}, 0, 100)
	if err != nil || len(left) != 1 || left[0].ID != all[1].ID {
		t.Errorf("left are %v: %v; want the newer of %v", numbers(left), err, numbers(all))
	}
}

// An event that is refused again after a crash is one letter, unless that one is gone.
func TestKnownLetters(t *testing.T) {
	dir, clock, ctx := t.TempDir(), newFakeClock(), t.Context()
	d := openDeadForTest(t, dir, deadletter.Config{}, clock)
	letters := []deadletter.Letter{
		{Output: "es", EventID: "a-1", Events: 1, Entry: []byte{1}},
		{Output: "up", EventID: "a-1", Events: 1, Entry: []byte{1}}, // another output's
		// Another event under a chunk id that was used again.
		{Output: "es", EventID: "a-1", Events: 1, Entry: []byte{2}},
		{Output: "es", Events: 1, Entry: []byte{1}},
	}
	count := func(want int) (ids []uint64) {
		t.Helper()
		if err := d.Add(ctx, letters); err != nil {
			t.Fatal(err)
		}
		all, err := d.List(ctx, deadletter.Filter{}, 0, 100)
		if err != nil || len(all) != want {
			t.Fatalf("%d letters, want %d: %v", len(all), want, err)
		}
		return numbers(all)
	}
	letters = append(letters, letters[0]) // twice in one batch
	count(4)
	count(5) // nothing tells what has no id
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d = openDeadForTest(t, dir, deadletter.Config{}, clock)
	d.Recall()
	ids := count(6)
	if _, err := d.Delete(ctx, ids[0]); err != nil {
		t.Fatal(err)
	}
	ids = count(7) // one is back, and one more has no id
	d.forget(ids[:1])
	count(9)
	if _, err := d.Purge(ctx, deadletter.Filter{}, func(deadletter.Count) {}); err != nil {
		t.Fatal(err)
	}
	count(4)
	for i := range 4 * maxKnown {
		d.known.add(&deadletter.Letter{ID: uint64(i), EventID: strconv.Itoa(i)})
	}
	if n := len(d.known.young.numbers) + len(d.known.old.numbers); n < maxKnown || n > 2*maxKnown {
		t.Errorf("%d letters are remembered", n)
	}
}

func TestDeadLetters(t *testing.T) {
	dir, clock, ctx := t.TempDir(), newFakeClock(), t.Context()
	d := openDeadForTest(t, dir, deadletter.Config{}, clock)
	full := deadletter.Letter{
		Time: clock.now().Add(-time.Hour), Cluster: "c1", Tag: "kube.a", Output: "es", EventID: "k-7", Status: 400,
		Reason: "rejected",
		Detail: "mapper_parsing_exception", Attempts: 3, Events: 1, Entry: []byte{0x92, 1, 0x80},
	}
	if err := d.Add(ctx, []deadletter.Letter{
		full, {Cluster: "c2", Tag: "t", Reason: "invalid_entry", Events: 5, Entry: []byte{0xc1}},
	}); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if err := d.Add(ctx, []deadletter.Letter{
				{Cluster: "c1", Tag: "t", Output: "es", Reason: "too_large", Events: i, Entry: []byte{1}},
			}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d = openDeadForTest(t, dir, deadletter.Config{}, clock)

	all, err := d.List(ctx, deadletter.Filter{}, 0, 100)
	if err != nil || len(all) != 10 {
		t.Fatalf("%d letters: %v", len(all), err)
	}
	full.ID = all[0].ID
	if !reflect.DeepEqual(all[0], full) {
		t.Errorf("got  %+v\nwant %+v", all[0], full)
	}
	if !all[1].Time.Equal(clock.now()) {
		t.Errorf("time %v is not when it was added", all[1].Time)
	}
	for i := 1; i < len(all); i++ {
		if all[i].ID <= all[i-1].ID {
			t.Errorf("number %d after %d", all[i].ID, all[i-1].ID)
		}
	}
	for _, tc := range []struct {
		filter deadletter.Filter
		after  uint64
		limit  int
		want   int
	}{
		{deadletter.Filter{}, 0, 3, 3},
		{deadletter.Filter{}, all[6].ID, 100, 3},
		{deadletter.Filter{}, all[9].ID, 100, 0},
		{deadletter.Filter{Reason: "too_large"}, 0, 100, 8},
		{deadletter.Filter{Output: "es", Cluster: "c1"}, 0, 100, 9},
		{deadletter.Filter{Cluster: "c2"}, 0, 100, 1},
		{deadletter.Filter{Tag: func(tag string) bool { return tag == "kube.a" }}, 0, 100, 1},
		{deadletter.Filter{Tag: func(tag string) bool { return tag == "nobody" }}, 0, 100, 0},
	} {
		if got, err := d.List(ctx, tc.filter, tc.after, tc.limit); err != nil || len(got) != tc.want {
			t.Errorf("%+v after %d: %d letters, want %d: %v", tc.filter, tc.after, len(got), tc.want, err)
		}
	}
	st := d.Stats()
	if st.Letters != 10 || st.Events[deadletter.Key{Output: "es", Cluster: "c1", Reason: "too_large"}] != 28 ||
		st.Events[deadletter.Key{Output: "", Cluster: "c2", Reason: "invalid_entry"}] != 5 {
		t.Errorf("stats %+v", st)
	}
	if l, err := d.Get(ctx, all[4].ID); err != nil || l.ID != all[4].ID {
		t.Errorf("got %+v: %v", l, err)
	}
	if n, err := d.Delete(ctx, all[4].ID, all[0].ID, 12345); err != nil || n != 2 {
		t.Errorf("deleted %d: %v", n, err)
	}
	if _, err := d.Get(ctx, all[4].ID); !errors.Is(err, deadletter.ErrNotFound) {
		t.Errorf("deleted, but: %v", err)
	}
	for _, l := range all {
		if _, err := d.Delete(ctx, l.ID); err != nil {
			t.Fatal(err)
		}
	}
	if st := d.Stats(); st.Letters != 0 || st.Bytes != 0 || len(st.Events) != 0 {
		t.Errorf("all are deleted, but %+v", st)
	}
}

func TestDeadLettersBounds(t *testing.T) {
	dir, clock, ctx := t.TempDir(), newFakeClock(), t.Context()
	cfg := deadletter.Config{MaxSize: 4 << 20, MaxAge: 24 * time.Hour}
	d := openDeadForTest(t, dir, cfg, clock)
	add := func(i int) {
		t.Helper()
		if err := d.Add(ctx, []deadletter.Letter{
			{Cluster: "c", Reason: "r", Events: 1, Entry: []byte(noise(50<<10, byte(i)))},
		}); err != nil {
			t.Fatal(err)
		}
		clock.move(time.Second)
	}
	for i := range 200 {
		add(i)
	}
	st := d.Stats()
	if st.Bytes > 4<<20 || st.Letters < 20 || st.Letters+st.Evicted != 200 {
		t.Errorf("%+v of 200 letters of 50 KiB in 4 MiB", st)
	}
	clock.move(25 * time.Hour)
	d.Tidy()
	if st := d.Stats(); st.Letters != 0 || st.Evicted != 200 {
		t.Errorf("a day later: %+v", st)
	}
	add(0)
	if st := d.Stats(); st.Letters != 1 {
		t.Errorf("%+v", st)
	}
	if names, _ := filepath.Glob(filepath.Join(dir, "*")); len(names) != 1 {
		t.Errorf("left: %v", names)
	}
}

func TestDeadLettersDamage(t *testing.T) {
	for name, damage := range map[string]func([]byte) []byte{
		"cut":     func(b []byte) []byte { return b[:len(b)/3] },
		"garbage": func(b []byte) []byte { return []byte(noise(len(b), 1)) },
		"empty":   func([]byte) []byte { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			dir, clock, ctx := t.TempDir(), newFakeClock(), context.Background()
			d := openDeadForTest(t, dir, deadletter.Config{}, clock)
			for i := range 5 {
				if err := d.Add(ctx, []deadletter.Letter{
					{Cluster: "c", Events: 1, Entry: []byte(noise(5<<20, byte(i)))},
				}); err != nil {
					t.Fatal(err)
				}
			}
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			names, _ := filepath.Glob(filepath.Join(dir, "*.db"))
			if len(names) < 2 {
				t.Fatalf("%d files", len(names))
			}
			boltfiletest.Change(t, names[0], damage)
			d = openDeadForTest(t, dir, deadletter.Config{}, clock)
			st := d.Stats()
			if st.SetAside != 1 || st.Letters == 0 {
				t.Errorf("%+v", st)
			}
			if _, err := os.Stat(names[0] + ".corrupt"); err != nil {
				t.Error(err)
			}
			if err := d.Add(ctx, []deadletter.Letter{{Cluster: "c", Events: 1}}); err != nil {
				t.Error(err)
			}
			if got, err := d.List(ctx, deadletter.Filter{}, 0, 100); err != nil || int64(len(got)) != st.Letters+1 {
				t.Errorf("%d letters: %v", len(got), fmt.Sprint(err))
			}
		})
	}
}

// Letters have ascending numbers, and so are listed, though the clock was set back and the last file
// is empty, as a failed write leaves one.
func TestDeadLetterNumbersAscend(t *testing.T) {
	clock, dir := newFakeClock(), t.TempDir()
	d := openDeadForTest(t, dir, deadletter.Config{}, clock)
	mustAdd(t, d, letterOf(1))
	d.mu.Lock()
	err := errors.Join(d.end(), d.begin(d.files[0].last+1), d.end())
	d.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	clock.move(-time.Hour)
	mustAdd(t, d, letterOf(2))
	for _, again := range []bool{false, true} {
		letters, err := d.List(context.Background(), deadletter.Filter{}, 0, 10)
		if err != nil || len(letters) != 2 || !bytes.Equal(letters[1].Entry, entryOf(2)) {
			t.Fatalf("opened again: %t: %d letters, %v", again, len(letters), err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		d = openDeadForTest(t, dir, deadletter.Config{}, clock)
	}
}

func TestPurgeAndPages(t *testing.T) {
	clock := newFakeClock()
	d := openDeadForTest(t, t.TempDir(), deadletter.Config{MaxSize: 16 << 20}, clock) // files of 2 MiB
	var ids []uint64
	for n := range byte(30) {
		l := letterOf(n)
		l.Entry = append(l.Entry, entryOf(n)...)
		l.Entry = append(l.Entry, []byte(noise(200<<10, n))...) // several files
		l.Cluster = []string{"a", "b", "c"}[n%3]
		if n%5 == 0 {
			l.Output, l.Tag = "", "kube.x"
		}
		mustAdd(t, d, l)
		clock.move(time.Minute)
	}
	begin := clock.now().Add(-30 * time.Minute)
	tagged := func(tag string) bool { return tag == "kube.x" }
	for name, tc := range map[string]struct {
		filter deadletter.Filter
		want   int
	}{
		"all":        {deadletter.Filter{}, 30},
		"cluster":    {deadletter.Filter{Cluster: "a"}, 10},
		"output":     {deadletter.Filter{Output: "o"}, 24},
		"no output":  {deadletter.Filter{NoOutput: true}, 6},
		"reason":     {deadletter.Filter{Reason: "rejected"}, 30},
		"no reason":  {deadletter.Filter{Reason: "x"}, 0},
		"tag":        {deadletter.Filter{Tag: tagged}, 6},
		"since":      {deadletter.Filter{Since: begin.Add(10 * time.Minute)}, 20},
		"until":      {deadletter.Filter{Until: begin.Add(10 * time.Minute)}, 10},
		"between":    {deadletter.Filter{Since: begin.Add(10 * time.Minute), Until: begin.Add(20 * time.Minute)}, 10},
		"everything": {deadletter.Filter{Cluster: "a", Tag: tagged, Until: begin.Add(10 * time.Minute)}, 1},
	} {
		for _, newest := range []bool{false, true} {
			for _, limit := range []int{1, 7, 100} {
				ids = ids[:0]
				p := deadletter.Page{Newest: newest, Limit: limit, Bare: limit > 1}
				for more := true; more; {
					var letters []deadletter.Letter
					var err error
					if letters, more, err = d.Page(t.Context(), tc.filter, p); err != nil {
						t.Fatal(err)
					}
					if len(letters) == 0 {
						break
					}
					ids = append(ids, numbers(letters)...)
					p.After = ids[len(ids)-1]
				}
				if newest {
					slices.Reverse(ids)
				}
				if len(ids) != tc.want || !slices.IsSorted(ids) {
					t.Errorf("%s, newest %v, pages of %d: %d letters, want %d: %v", name, newest, limit, len(ids),
						tc.want, ids)
				}
			}
		}
		counts, err := d.Count(t.Context(), tc.filter)
		n := int64(0)
		for _, c := range counts.By {
			n += c.Letters
		}
		if err != nil || n != int64(tc.want) || counts.Oldest.After(counts.Newest) {
			t.Errorf("%s: counted %d from %v to %v: %v", name, n, counts.Oldest, counts.Newest, err)
		}
	}
	if letters, more, err := d.Page(
		t.Context(), deadletter.Filter{}, deadletter.Page{Limit: 100, Bytes: 500 << 10},
	); err != nil || len(letters) != 3 || !more {
		t.Errorf("500 KiB: %d letters, more %v: %v", len(letters), more, err)
	}
	all, err := d.List(t.Context(), deadletter.Filter{}, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	if l, err := d.List(t.Context(), deadletter.Filter{IDs: []uint64{all[3].ID, all[20].ID, 1}}, 0, 10); err != nil ||
		len(l) != 2 {
		t.Errorf("by number: %d: %v", len(l), err)
	}
	for _, step := range []struct {
		filter deadletter.Filter
		want   int64
	}{
		{deadletter.Filter{Tag: tagged, Cluster: "a"}, 2},
		{deadletter.Filter{Cluster: "a"}, 8},
		{deadletter.Filter{Until: begin.Add(20 * time.Minute)}, 13},
		{deadletter.Filter{}, 7},
		{deadletter.Filter{}, 0},
	} {
		var last deadletter.Count
		n, err := d.Purge(t.Context(), step.filter, func(n deadletter.Count) { last = n })
		if err != nil || n.Letters != step.want || n.Events != step.want || last != n {
			t.Errorf("purged %+v, said %+v, want %d: %v", n, last, step.want, err)
		}
	}
	if st := d.Stats(); st.Letters != 0 || st.Bytes != 0 || st.Purged != 30 {
		t.Errorf("%+v", st)
	}
}
