package disk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// owed returns what s has to hand over, with copies of what the queue lends.
func owed(t *testing.T, s *Queue) (all []buffer.Handed) {
	t.Helper()
	err := s.Owed(t.Context(), func(h *buffer.Handed) error {
		c := *h
		c.Entries, c.Parts = slices.Clone(h.Entries), slices.Clone(h.Parts)
		all = append(all, c)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func adopt(t *testing.T, to, from *Queue, chunks []buffer.Handed) {
	t.Helper()
	if err := to.Adopt(t.Context(), from.ID(), chunks); err != nil {
		t.Fatal(err)
	}
}

// waitingFor returns what waits for each output and target that anything waits for, as the chunks are that come out.
func waitingFor(t *testing.T, s *Queue) map[buffer.Owing][]event.Chunk {
	t.Helper()
	all := map[buffer.Owing][]event.Chunk{}
	for _, w := range s.Stats().Waits {
		o := buffer.Owing{Output: w.Output, Target: w.Target}
		if w.Pending.Chunks == 0 || all[o] != nil {
			continue
		}
		src := s.Waiting(o.Output, o.Target)
		for c := take(t, s, waitingName(o.Output, o.Target)); c != nil; c = take(
			t, s, waitingName(o.Output, o.Target),
		) {
			kept := *c
			kept.Entries, kept.Seq, kept.Again = slices.Clone(c.Entries), 0, false
			for i := range kept.Parts { // without an agent's id both ids are the same
				if p := &kept.Parts[i]; p.Chunk == [16]byte{} {
					p.Chunk = p.Key
				}
			}
			all[o] = append(all[o], kept)
			src.Done(c)
		}
	}
	return all
}

// fillForHandover makes a queue with every kind of chunk: for several outputs of which one is done, with ids of its
// own, of whole seconds and without any, waiting aside with another tag, and a dead letter that was sent again.
func fillForHandover(t *testing.T, s *Queue) {
	t.Helper()
	put(t, s, message1{chunk: "a1", outputs: []string{"es", "archive"}, text: "both", nanos: true})
	put(t, s, message1{chunk: "a2", cluster: "d", outputs: []string{"es", "archive"}, text: "one", nanos: false})
	put(t, s, message1{tag: "no.id", outputs: []string{"gone"}, text: "unconfigured", events: 3})
	put(t, s, message1{chunk: "a3", tag: "aside", outputs: []string{"es"}, text: "refused", nanos: true})
	for text := range strings.FieldsSeq("both one") {
		c := take(t, s, "archive")
		if string(c.Entries) == text && text == "one" {
			s.Source("archive").Done(c)
		} else {
			s.Source("archive").Return(c)
		}
		if text == "both" { // hand out the other cluster's as well
			c = take(t, s, "archive")
			s.Source("archive").Done(c)
			break
		}
	}
	src := s.Source("es")
	for range 3 {
		c := take(t, s, "es")
		if string(c.Entries) != "refused" {
			defer src.Return(c)
			continue
		}
		rest := buffer.Rest{
			Target: "logs-x", Entries: []byte("filtered"), Filtered: true, NewTag: "new", Parts: slices.Clone(c.Parts),
		}
		if err := src.SettlePart(t.Context(), c, []buffer.Rest{rest}); err != nil {
			t.Fatal(err)
		}
	}
	item := buffer.RequeueItem{
		ID: 7, Message: buffer.Message{Cluster: "c", Tag: "t", Outputs: []string{"es"}}, Entries: []byte("again"),
	}
	item.Part = event.Part{Key: [16]byte{9}, First: 4, Events: 1}
	if err := errors.Join(
		s.Requeue(t.Context(), []buffer.RequeueItem{item}), s.ForgetRequeued([]uint64{7}),
	); err != nil {
		t.Fatal(err)
	}
}

// TestHandover hands a queue over whole: what comes out of the other one is what would have come out of this one.
func TestHandover(t *testing.T) {
	dir := t.TempDir()
	from := mustOpen(t, testConfig(dir), buffer.Options{})
	fillForHandover(t, from)
	mustClose(t, from)
	twin := t.TempDir() // of the same contents, to see what it would have delivered
	if err := os.CopyFS(twin, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	want := waitingFor(t, mustOpen(t, testConfig(twin), buffer.Options{}))
	if len(want) != 4 {
		t.Fatalf("%d of four kinds wait: %v", len(want), want)
	}

	from = mustOpen(t, testConfig(dir), buffer.Options{})
	to := mustOpen(t, testConfig(t.TempDir()), buffer.Options{})
	chunks := owed(t, from)
	var seqs []uint64
	for _, c := range chunks {
		seqs = append(seqs, c.Seq)
	}
	if !slices.IsSorted(seqs) {
		t.Fatalf("numbers %v don't ascend", seqs)
	}
	adopt(t, to, from, chunks[:2])
	adopt(t, to, from, chunks) // the first two again
	if err := from.Given(seqs); err != nil {
		t.Fatal(err)
	}
	if left := owed(t, from); len(left) != 0 {
		t.Errorf("%v are left", left)
	}
	for _, q := range []*Queue{from, to} {
		for _, w := range q.Stats().Waits {
			sum := w.Done.Events + w.Dropped.Events + w.Purged.Events + w.Lost.Events + w.Given.Events +
				w.Pending.Events
			if w.Found.Events+w.Appended.Events != sum || q == to && w.Adopted != w.Appended ||
				q == from && w.Pending.Chunks != 0 {
				t.Errorf("%+v", w)
			}
		}
	}
	got := waitingFor(t, to)
	for o := range want {
		if fmt.Sprintf("%+v", got[o]) != fmt.Sprintf("%+v", want[o]) {
			t.Errorf("%v:\ngot  %+v\nwant %+v", o, got[o], want[o])
		}
	}
	if len(got) != len(want) {
		t.Errorf("got %v", got)
	}
	mustClose(t, from)
	if from = mustOpen(t, testConfig(dir), buffer.Options{}); len(owed(t, from)) != 0 {
		t.Error("what was handed over is there again after a restart")
	}
	checkUse(t, to)
}

// TestAdoptedOnce: what is handed over again is known, whatever has happened since to the chunks and to the program.
func TestAdoptedOnce(t *testing.T) {
	for _, tc := range []struct {
		name  string
		since func(t *testing.T, s *Queue) (kept bool) // done before the kill
	}{
		{"at once", func(*testing.T, *Queue) bool { return false }},
		{"after their delivery, when their segment is due to go", func(t *testing.T, s *Queue) bool {
			t.Helper()
			drain(t, s, "o")
			s.commit.seal()
			s.commit.awaitSealed()
			saved(t, s)
			return true
		}},
		{"after a rest", func(t *testing.T, s *Queue) bool {
			t.Helper()
			if err := s.RestAdoption([16]byte{1}); err != nil {
				t.Fatal(err)
			}
			drain(t, s, "o")
			s.commit.seal()
			s.commit.awaitSealed()
			saved(t, s)
			return false
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			s := mustOpen(t, testConfig(dir), buffer.Options{})
			handed := func(seq uint64, text string) []buffer.Handed {
				return []buffer.Handed{{
					Chunk: event.Chunk{
						Seq: seq, Cluster: "c", Tag: "t", Events: 1, Entries: []byte(text),
						Parts: []event.Part{{Key: [16]byte{byte(seq)}, Events: 1}},
					},
					Owes: []buffer.Owing{{Output: "o"}},
				}}
			}
			for i, text := range []string{"one", "two"} {
				if err := s.Adopt(t.Context(), [16]byte{1}, handed(uint64(10+i), text)); err != nil {
					t.Fatal(err)
				}
			}
			if kept := tc.since(t, s); kept && len(segmentFiles(t, dir)) == 0 {
				t.Error("the segment went that tells what was adopted last")
			}
			killed := t.TempDir()
			if err := os.CopyFS(killed, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			mustClose(t, s)
			s = mustOpen(t, testConfig(killed), buffer.Options{})
			drain(t, s, "o")
			for i, text := range []string{"one", "two"} {
				if err := s.Adopt(t.Context(), [16]byte{1}, handed(uint64(10+i), text)); err != nil {
					t.Fatal(err)
				}
			}
			if got := drain(t, s, "o"); len(got) > 0 {
				t.Errorf("adopted again: %q", got)
			}
			if seq, _ := s.Adopted([16]byte{1}); seq != 11 {
				t.Errorf("up to %d, want 11", seq)
			}
			// Another queue's numbers are its own, and so are the same one's once it has ended.
			if err := errors.Join(
				s.Adopt(t.Context(), [16]byte{2}, handed(10, "other's")), s.EndAdoption([16]byte{1}),
				s.Adopt(t.Context(), [16]byte{1}, handed(10, "new")),
			); err != nil {
				t.Fatal(err)
			}
			if got := drain(t, s, "o"); !slices.Equal(got, []string{"other's", "new"}) {
				t.Errorf("got %q", got)
			}
		})
	}
}

// TestAdoptIsRefused: without room, or while the disk fails, nothing is taken, and the same chunk is taken later.
func TestAdoptIsRefused(t *testing.T) {
	cfg := testConfig(t.TempDir())
	var fail atomic.Bool // what is finished is saved beside the test
	s := mustOpen(t, cfg, buffer.Options{Fault: func(op string) error {
		if op == "commit" && fail.Load() {
			return errors.New("made to fail")
		}
		return nil
	}})
	put(t, s, message1{text: strings.Repeat("before ", 1000)})
	text := strings.Repeat("x", 100_000)
	h := buffer.Handed{
		Chunk: event.Chunk{
			Seq: 1, Cluster: "c", Tag: "t", Events: 1, Entries: []byte(text), Parts: []event.Part{{Events: 1}},
		},
		Owes: []buffer.Owing{{Output: "o"}},
	}
	limits := s.limitsOf
	limits.Clusters = map[string]int64{"c": 1}
	s.SetLimits(limits)
	if err := s.Adopt(t.Context(), [16]byte{1}, []buffer.Handed{h}); !errors.Is(err, buffer.ErrFull) {
		t.Errorf("without room: %v", err)
	}
	limits.Clusters = nil
	s.SetLimits(limits)
	drain(t, s, "o")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Adopt(ended, [16]byte{1}, []buffer.Handed{h}); !errors.Is(err, context.Canceled) {
		t.Errorf("ended: %v", err)
	}
	fail.Store(true)
	if err := s.Adopt(t.Context(), [16]byte{1}, []buffer.Handed{h}); err == nil {
		t.Error("a failed write passes for one")
	}
	mustClose(t, s)
	s = mustOpen(t, cfg, buffer.Options{})
	if err := s.Adopt(t.Context(), [16]byte{1}, []buffer.Handed{h}); err != nil {
		t.Fatal(err)
	}
	if got := drain(t, s, "o"); !slices.Equal(got, []string{text}) {
		t.Errorf("%d chunks", len(got))
	}
}

func TestAdoptLetters(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, testConfig(dir), buffer.Options{})
	letters := func(ids ...uint64) (all []deadletter.Letter) {
		for _, id := range ids {
			all = append(all, deadletter.Letter{
				ID: id, Cluster: "c", Tag: "t", Output: "o", Reason: "rejected", Detail: fmt.Sprint("no ", id),
				Events: 1, Entry: []byte{byte(id)},
			})
		}
		return all
	}
	count := func() (details []string) {
		page, _, err := s.DeadLetters().Page(t.Context(), deadletter.Filter{}, deadletter.Page{Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range page {
			details = append(details, l.Detail)
		}
		return details
	}
	for _, ids := range [][]uint64{{3, 5}, {3, 5}, {5, 8}} {
		if err := s.AdoptLetters(t.Context(), [16]byte{1}, letters(ids...)); err != nil {
			t.Fatal(err)
		}
	}
	mustClose(t, s)
	s = mustOpen(t, testConfig(dir), buffer.Options{})
	if err := s.AdoptLetters(t.Context(), [16]byte{1}, letters(3, 5, 8)); err != nil {
		t.Fatal(err)
	}
	if got := count(); !slices.Equal(got, []string{"no 3", "no 5", "no 8"}) {
		t.Errorf("letters %q", got)
	}
}

// A note that can't be read has all chunks looked through.
func TestDamagedNoteOfAdoption(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, testConfig(dir), buffer.Options{})
	h := buffer.Handed{
		Chunk: event.Chunk{
			Seq: 5, Cluster: "c", Tag: "t", Events: 1, Entries: []byte("x"), Parts: []event.Part{{Events: 1}},
		},
		Owes: []buffer.Owing{{Output: "o"}},
	}
	if err := s.Adopt(t.Context(), [16]byte{1}, []buffer.Handed{h}); err != nil {
		t.Fatal(err)
	}
	mustClose(t, s)
	notes, err := filepath.Glob(filepath.Join(dir, "adopted", "*"))
	if err != nil || len(notes) != 1 {
		t.Fatalf("notes %v, %v", notes, err)
	}
	if err := os.WriteFile(notes[0], []byte("scrap"), 0o600); err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, testConfig(dir), buffer.Options{})
	if seq, _ := s.Adopted([16]byte{1}); seq != 5 {
		t.Errorf("adopted up to %d, want 5", seq)
	}
}

// What can't be read now ends a handover before anything behind it is handed over, which would pass for all below it.
func TestHandoverOfWhatCannotBeRead(t *testing.T) {
	for name, spoil := range map[string]func(*segmentState){
		"a segment":    func(seg *segmentState) { seg.broken = true },
		"a part of it": func(seg *segmentState) { seg.unread = true },
	} {
		t.Run(name, func(t *testing.T) {
			s := mustOpen(t, testConfig(t.TempDir()), buffer.Options{})
			put(t, s, message1{text: "a"})
			s.mu.Lock()
			spoil(s.segs[0])
			s.mu.Unlock()
			yielded := 0
			err := s.Owed(t.Context(), func(*buffer.Handed) error { yielded++; return nil })
			if !errors.Is(err, errUnread) || yielded != 0 {
				t.Errorf("%d chunks, %v", yielded, err)
			}
		})
	}
}
