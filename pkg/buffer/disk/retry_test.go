package disk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

var errFault = errors.New("fault")

// entry1 is an entry whose record is {"n": n}.
func entry1(n byte) []byte {
	return event.AppendEntry(nil, event.AppendTime(nil, event.Time{Sec: 1_700_000_000, Nsec: 5}), nil, []byte{
		0x81, 0xa1, 'n', n,
	})
}

func letterKey1(n byte) (key [16]byte) { return event.PartKeyOfChunk("c", "t", string(rune('a'+n))) }

// letter1 is a letter of output "o" whose event has an id of its own.
func letter1(n byte) deadletter.Letter {
	ev := event.Event{Chunk: &event.Chunk{Parts: []event.Part{{Key: letterKey1(n), First: int(n), Events: 1}}}}
	return deadletter.Letter{
		Cluster: "c", Tag: "t", Output: "o", Reason: "rejected", Events: 1, EventID: string(ev.AppendID(nil)),
		Entry: entry1(n),
	}
}

func bury(tb testing.TB, s *Queue, letters ...deadletter.Letter) {
	tb.Helper()
	if err := s.DeadLetters().Add(context.Background(), letters); err != nil {
		tb.Fatal(err)
	}
}

func home(l *deadletter.Letter) buffer.RequeueTarget {
	return buffer.RequeueTarget{Outputs: []string{l.Output}}
}

func nothing(buffer.RequeueProgress) {}

// delivered takes all that waits for the output and returns the records by event id.
func delivered(tb testing.TB, s *Queue, output string) map[string]byte {
	tb.Helper()
	got := map[string]byte{}
	for c := take(tb, s, output); c != nil; c = take(tb, s, output) {
		it, ev := c.Iterator(), event.Event{}
		for it.Next(&ev) {
			id := string(ev.AppendID(nil))
			if _, twice := got[id]; twice {
				tb.Errorf("event %s came twice", id)
			}
			got[id] = ev.Record[len(ev.Record)-1]
		}
		if it.Err() != nil {
			tb.Error(it.Err())
		}
		s.Source(output).Done(c)
	}
	return got
}

// The chunks of a retry stay on disk until their letters are deleted, though they are delivered and their segment is
// full: after a crash they tell which letters these are.
func TestRetryKeepsItsSegments(t *testing.T) {
	dir := t.TempDir()
	var s *Queue
	within := func() {}
	s = mustOpen(t, testConfig(dir), buffer.Options{Fault: func(op string) error {
		if op == "forget" {
			within()
		}
		return nil
	}})
	bury(t, s, letter1(1))
	segments := func() int { t.Helper(); saved(t, s); return len(segmentFiles(t, dir)) }
	within = func() {
		if n := len(delivered(t, s, "o")); n != 1 {
			t.Errorf("%d events in the queue", n)
		}
		for i := range uint64(2) { // the segment is full, and nobody wants it
			put(t, s, message1{conn: 9, cluster: "filler", outputs: []string{"f"}, text: text(1<<20, i)})
		}
		drain(t, s, "f")
		sealed(s)
		if n := segments(); n != 3 {
			t.Errorf("%d segments before the letter is deleted, want all 3", n)
		}
	}
	if _, err := buffer.Requeue(t.Context(), s, s.dead, deadletter.Filter{}, home, nothing); err != nil {
		t.Fatal(err)
	}
	if n := segments(); n != 1 {
		t.Errorf("%d segments after it is, want the current one", n)
	}
}

func TestRetry(t *testing.T) {
	s := mustOpen(t, testConfig(t.TempDir()), buffer.Options{})
	want := map[string]byte{}
	for n := range byte(100) {
		l := letter1(n)
		bury(t, s, l)
		want[l.EventID] = n
	}
	other := letter1(101)
	other.Cluster, other.Output = "d", "p"
	several := deadletter.Letter{
		Cluster: "c", Tag: "t", Reason: "unrouted", Events: 2, Entry: append(entry1(102), entry1(103)...),
	}
	bury(t, s, other, several,
		deadletter.Letter{Cluster: "c", Tag: "t", Reason: "invalid_entry", Events: 1, Entry: []byte{0xc1}},
		deadletter.Letter{Cluster: "c", Tag: "t", Output: "gone", Reason: "rejected", Events: 1, Entry: entry1(1)},
		deadletter.Letter{Cluster: "c", Tag: "t", Output: "o", Reason: "rejected", Events: 1})
	route := func(l *deadletter.Letter) buffer.RequeueTarget {
		switch l.Output {
		case "":
			return buffer.RequeueTarget{Outputs: []string{"o", "p"}, Routed: true}
		case "gone":
			return buffer.RequeueTarget{Skip: "no such output"}
		}
		return buffer.RequeueTarget{Outputs: []string{l.Output}}
	}
	var steps []buffer.RequeueProgress
	got, err := buffer.Requeue(t.Context(), s, s.dead, deadletter.Filter{}, route, func(
		r buffer.RequeueProgress,
	) {
		steps = append(steps, r)
	})
	if err != nil || got.Letters != 102 || got.Events != 103 || len(steps) == 0 || steps[len(steps)-1].Letters != 102 {
		t.Fatalf("%+v of steps %+v: %v", got, steps, err)
	}
	if !maps.Equal(got.Skipped, map[string]int64{
		deadletter.ErrNoEvents.Error(): 1, "no such output": 1, deadletter.ErrEmpty.Error(): 1,
	}) {
		t.Errorf("skipped %v", got.Skipped)
	}
	st := s.Stats()
	if st.Dead.Letters != 3 || st.Dead.Retried != 103 {
		t.Errorf("left: %+v", st.Dead)
	}
	returned := map[string]int64{}
	for _, w := range st.Waits {
		returned[w.Output+"/"+w.Cluster] = w.Returned.Events
		if w.Returned != w.Appended {
			t.Errorf("%+v", w)
		}
	}
	if !maps.Equal(returned, map[string]int64{"o/c": 102, "p/c": 2, "p/d": 1}) {
		t.Errorf("returned %v", returned)
	}
	events := delivered(t, s, "o")
	for id, n := range want {
		if events[id] != n {
			t.Errorf("event %s is %d, want %d", id, events[id], n)
		}
	}
	if len(events) != 102 {
		t.Errorf("%d events with ids of their own", len(events))
	}
	if both := delivered(t, s, "p"); len(both) != 3 || both[other.EventID] != 101 {
		t.Errorf("the other output got %v", both)
	}
	if _, err := os.Stat(filepath.Join(s.dir, "dead", "retry")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the note stays: %v", err)
	}
}

func TestRetryEndsGroups(t *testing.T) {
	s := mustOpen(t, testConfig(t.TempDir()), buffer.Options{})
	start := []byte("\x92\x92\xd7\x00\xff\xff\xff\xff\x00\x00\x00\x00\x80\x80")
	in := letter1(1)
	in.Entry = slices.Concat(start, in.Entry)
	bury(t, s, in, letter1(2))
	if _, err := buffer.Requeue(t.Context(), s, s.dead, deadletter.Filter{}, home, nothing); err != nil {
		t.Fatal(err)
	}
	c := take(t, s, "o")
	it, ev := c.Iterator(), event.Event{}
	var groups [][]byte
	for it.Next(&ev) {
		groups = append(groups, ev.Group)
	}
	if it.Err() != nil || len(groups) != 2 || !bytes.Equal(groups[0], start) || groups[1] != nil {
		t.Errorf("groups %x: %v", groups, it.Err())
	}
}

// TestRetryCrash takes copies of the directory at the moments that a crash would leave, and expects
// each event in the queue or in the dead letters, never in both.
func TestRetryCrash(t *testing.T) {
	dir := t.TempDir()
	var copies []string
	o := buffer.Options{Fault: func(op string) error {
		if op == "commit" || op == "forget" {
			to := fmt.Sprintf("%s-%d-%s", dir, len(copies), op)
			if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
				t.Error(err)
			}
			t.Cleanup(func() { _ = os.RemoveAll(to) })
			copies = append(copies, to)
		}
		return nil
	}}
	s := mustOpen(t, testConfig(dir), o)
	const letters = 2500 // of three portions
	all := make([]deadletter.Letter, letters)
	for i := range all {
		all[i] = letter1(byte(i % 100))
		all[i].EventID = strings.TrimSuffix(all[i].EventID, strconv.Itoa(i%100)) + strconv.Itoa(i)
	}
	bury(t, s, all...)
	if r, err := buffer.Requeue(t.Context(), s, s.dead, deadletter.Filter{}, home, nothing); err != nil ||
		r.Letters != letters {
		t.Fatalf("%+v: %v", r, err)
	}
	mustClose(t, s)
	if len(copies) != 6 {
		t.Fatalf("copies %v", copies)
	}
	for i, at := range append(copies, dir) {
		s := mustOpen(t, testConfig(at), buffer.Options{})
		left, err := s.dead.List(t.Context(), deadletter.Filter{}, 0, letters)
		events := delivered(t, s, "o")
		want := letters - min((i+1)/2*1000, letters)
		if err != nil || len(left) != want || len(events)+len(left) != letters {
			t.Errorf("%s: %d letters, %d events: %v", at, len(left), len(events), err)
		}
		for _, l := range left {
			if _, both := events[l.EventID]; both {
				t.Fatalf("event %s is in both", l.EventID)
			}
		}
		// What is left can be retried, and nothing of it comes twice.
		if r, err := buffer.Requeue(t.Context(), s, s.dead, deadletter.Filter{}, home, nothing); err != nil ||
			r.Letters != int64(want) {
			t.Errorf("the rest: %+v: %v", r, err)
		}
		if n := len(delivered(t, s, "o")); n != want {
			t.Errorf("the rest: %d events", n)
		}
		mustClose(t, s)
	}
}

// TestRetryFaults fails one disk operation after the other: whatever happens, each event is delivered
// once in the end, if need be after a restart.
func TestRetryFaults(t *testing.T) {
	for i := 0; ; i++ {
		dir, n, failed := t.TempDir(), 0, ""
		armed := false
		s := mustOpen(t, testConfig(dir), buffer.Options{Fault: func(op string) error {
			if !armed || op == "save" {
				return nil
			}
			if n++; n == i+1 {
				failed = op
				return errFault
			}
			return nil
		}})
		want := map[string]byte{}
		for n := range byte(5) {
			l := letter1(n)
			l.Cluster = string(rune('a' + n%2))
			bury(t, s, l)
			want[l.EventID] = n
		}
		armed = true
		_, err := buffer.Requeue(t.Context(), s, s.dead, deadletter.Filter{}, home, nothing)
		elsewhere := failed == "journal" || failed == "append" // it goes to the segment
		if (err != nil) != (failed != "" && !elsewhere) {
			t.Errorf("failed %q: %v", failed, err)
		}
		mustClose(t, s)
		s = mustOpen(t, testConfig(dir), buffer.Options{})
		if _, err := buffer.Requeue(t.Context(), s, s.dead, deadletter.Filter{}, home, nothing); err != nil {
			t.Error(err)
		}
		if got := delivered(t, s, "o"); !maps.Equal(got, want) {
			t.Errorf("failed %q: delivered %v, want %v", failed, got, want)
		}
		mustClose(t, s)
		if failed == "" {
			if i < 3 {
				t.Errorf("only %d operations", i)
			}
			return
		}
	}
}

func TestRetryStopsWhenFull(t *testing.T) {
	for _, policy := range []string{"block", "reject", "drop_oldest"} {
		cfg := testConfig(t.TempDir())
		cfg.WhenFull = policy
		s := mustOpen(t, cfg, buffer.Options{OutputLimits: map[string]int64{"o": 4 << 10}})
		put(t, s, message1{chunk: "x", text: text(8<<10, 1)})
		bury(t, s, letter1(1), letter1(2))
		r, err := buffer.Requeue(t.Context(), s, s.dead, deadletter.Filter{}, home, nothing)
		if !errors.Is(err, buffer.ErrFull) || !strings.Contains(err.Error(), "max_queue_size") || r.Letters != 0 {
			t.Errorf("%s: %+v: %v", policy, r, err)
		}
		if st := s.Stats(); st.Dead.Letters != 2 || st.Waits[0].Dropped.Chunks != 0 {
			t.Errorf("%s: %+v", policy, st)
		}
		drain(t, s, "o")
		if r, err := buffer.Requeue(t.Context(), s, s.dead, deadletter.Filter{}, home, nothing); err != nil ||
			r.Letters != 2 {
			t.Errorf("%s, with room: %+v: %v", policy, r, err)
		}
		mustClose(t, s)
	}
}

// TestRetryRefusedAgain: letters that come in while a retry runs are left alone, and so are those
// that have gone meanwhile; a second retry has to wait.
func TestRetryRefusedAgain(t *testing.T) {
	s := mustOpen(t, testConfig(t.TempDir()), buffer.Options{})
	for n := range byte(5) {
		bury(t, s, letter1(n))
	}
	all, err := s.dead.List(t.Context(), deadletter.Filter{}, 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	route := func(l *deadletter.Letter) buffer.RequeueTarget {
		if l.ID == all[0].ID {
			bury(t, s, letter1(50))
			if _, err := s.DeadLetters().Delete(t.Context(), all[1].ID); err != nil {
				t.Error(err)
			}
			if _, err := buffer.Requeue(t.Context(), s, s.dead, deadletter.Filter{}, home, nothing); !errors.Is(
				err, deadletter.ErrBusy,
			) {
				t.Errorf("two at once: %v", err)
			}
			if _, err := s.DeadLetters().Purge(t.Context(), deadletter.Filter{}, func(deadletter.Count) {}); !errors.Is(
				err, deadletter.ErrBusy,
			) {
				t.Errorf("a purge at the same time: %v", err)
			}
		}
		return home(l)
	}
	r, err := buffer.Requeue(t.Context(), s, s.dead, deadletter.Filter{}, route, nothing)
	if err != nil || r.Letters != 4 {
		t.Errorf("%+v: %v", r, err)
	}
	if st := s.Stats().Dead; st.Letters != 1 {
		t.Errorf("%+v", st)
	}
}

func TestDamagedNote(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, testConfig(dir), buffer.Options{Fault: func(op string) error {
		if op == "forget" {
			return errFault
		}
		return nil
	}})
	bury(t, s, letter1(1))
	if _, err := buffer.Requeue(t.Context(), s, s.dead, deadletter.Filter{}, home, nothing); !errors.Is(err, errFault) {
		t.Fatal(err)
	}
	mustClose(t, s)
	if err := os.WriteFile(filepath.Join(dir, "dead/retry"), []byte("?"), 0o600); err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, testConfig(dir), buffer.Options{})
	if st := s.Stats().Dead; st.Letters != 0 {
		t.Errorf("%+v", st)
	}
	if got := delivered(t, s, "o"); len(got) != 1 {
		t.Errorf("delivered %v", got)
	}
}

// A letter that somebody sends to an output goes there; one that the routes are asked for again is an event like
// others.
func TestReturned(t *testing.T) {
	for _, routed := range []bool{false, true} {
		s := mustOpen(t, testConfig(t.TempDir()), buffer.Options{})
		bury(t, s, letter1(1))
		way := func(*deadletter.Letter) buffer.RequeueTarget {
			return buffer.RequeueTarget{Outputs: []string{"o"}, Routed: routed}
		}
		if _, err := buffer.Requeue(t.Context(), s, s.dead, deadletter.Filter{}, way, nothing); err != nil {
			t.Fatal(err)
		}
		if c := take(t, s, "o"); c.Returned == routed {
			t.Errorf("returned is %v where the routes are asked: %v", c.Returned, routed)
		}
	}
}
