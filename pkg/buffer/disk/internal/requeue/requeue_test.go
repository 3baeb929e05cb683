package requeue

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/chunk"
)

// store is a queue that writes down what it is asked for.
type store struct {
	dir     string
	next    uint64
	calls   []string
	headers []chunk.Header
	// Errors of what has its name.
	storing, reading, forgetting error
	// within runs while items are stored.
	within func()
}

func (s *store) call(format string, args ...any) {
	s.calls = append(s.calls, fmt.Sprintf(format, args...))
}

func (s *store) Next() uint64 { s.next++; return s.next - 1 }

func (s *store) Keep(next uint64) {
	if next == math.MaxUint64 {
		s.call("keep none")
		return
	}
	s.call("keep from %d", next)
}

func (s *store) Headers(next uint64, see func(*chunk.Header)) error {
	s.call("headers from %d", next)
	for i := range s.headers {
		see(&s.headers[i])
	}
	return s.reading
}

func (s *store) Requeue(_ context.Context, items []buffer.RequeueItem) error {
	ids := make([]uint64, len(items))
	for i := range items {
		ids[i] = items[i].ID
	}
	noted := "not noted"
	if _, err := os.Stat(filepath.Join(s.dir, note)); err == nil {
		noted = "noted"
	}
	s.call("store %v, %s", ids, noted)
	if s.within != nil {
		s.within()
	}
	return s.storing
}

func (s *store) Failing(op string) error {
	s.call("may %s", op)
	return s.forgetting
}

// letters are dead letters that write down which of them are deleted.
type letters struct {
	deleted []uint64
	failing error
}

func (l *letters) Delete(_ context.Context, ids ...uint64) (int, error) {
	l.deleted = append(l.deleted, ids...)
	return len(ids), l.failing
}

// opened returns a queue's directory, with a place for the note, and what is in it.
func opened(t *testing.T) (*store, *Requeuer, *bytes.Buffer) {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "dead"), 0o700); err != nil {
		t.Fatal(err)
	}
	s, log := &store{dir: dir, next: 40}, &bytes.Buffer{}
	return s, New(dir, s, zerolog.New(log)), log
}

func items(ids ...uint64) []buffer.RequeueItem {
	all := make([]buffer.RequeueItem, len(ids))
	for i, id := range ids {
		all[i] = buffer.RequeueItem{ID: id, Message: buffer.Message{Cluster: "seoul"}}
	}
	return all
}

// step is one call of a Requeuer, what the queue is asked for in it, and whether the note is there afterwards.
type step struct {
	requeue []uint64
	forget  []uint64
	calls   string
	noted   bool
}

// A requeue is noted before it is stored, once for all that are not forgotten, and each letter is stored once.
func TestRequeue(t *testing.T) {
	for _, tc := range []struct {
		name  string
		steps []step
	}{
		{"nothing", []step{{requeue: []uint64{}}}},
		{"one after the other", []step{
			{requeue: []uint64{1, 2}, calls: "keep from 40; store [1 2], noted; may forget", noted: true},
			{forget: []uint64{1, 2}, calls: "keep none"},
			{requeue: []uint64{3}, calls: "keep from 41; store [3], noted; may forget", noted: true},
			{forget: []uint64{3}, calls: "keep none"},
		}},
		{"the note is that of the first", []step{
			{requeue: []uint64{1}, calls: "keep from 40; store [1], noted; may forget", noted: true},
			{requeue: []uint64{2}, calls: "store [2], noted; may forget", noted: true},
			{forget: []uint64{1}, noted: true},
			{forget: []uint64{2}, calls: "keep none"},
		}},
		{"what is there is passed over", []step{
			{requeue: []uint64{1, 2}, calls: "keep from 40; store [1 2], noted; may forget", noted: true},
			{requeue: []uint64{2, 3, 1}, calls: "store [3], noted; may forget", noted: true},
			{requeue: []uint64{1, 2, 3}, noted: true},
			{forget: []uint64{2}, noted: true},
			{requeue: []uint64{2}, calls: "store [2], noted; may forget", noted: true},
			{forget: []uint64{1, 2, 3, 99}, calls: "keep none"},
		}},
		{"to forget what nobody knows", []step{{forget: []uint64{5}, calls: "keep none"}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, r, _ := opened(t)
			for i, step := range tc.steps {
				s.calls = nil
				var err error
				if step.forget != nil {
					err = r.Forget(step.forget)
				} else {
					list := items(step.requeue...)
					err = r.Requeue(t.Context(), list)
					if after := items(step.requeue...); fmt.Sprint(list) != fmt.Sprint(after) {
						t.Errorf("step %d: the caller's items are %v", i, list)
					}
				}
				if got := strings.Join(s.calls, "; "); err != nil || got != step.calls {
					t.Errorf("step %d: %q, %v; want %q", i, got, err, step.calls)
				}
				if r.Pending() != step.noted || r.Stays() {
					t.Errorf("step %d: noted %v, stays %v; want %v", i, r.Pending(), r.Stays(), step.noted)
				}
			}
		})
	}
}

// What a failure means for the note: it stays where something may be stored that nobody was told of.
func TestRequeueFailure(t *testing.T) {
	broken := errors.New("disk is broken")
	const put = "put dead letters of cluster seoul back into the queue: "
	for _, tc := range []struct {
		name                string
		storing, forgetting error
		canceled            bool
		want                string
		stays               bool
		again               bool // whether the letter is stored again when it is sent again
	}{
		{name: "full", storing: buffer.ErrFull, want: put + "queue is full", again: true},
		{name: "closed", storing: buffer.ErrClosed, want: put + "queue is closed", again: true},
		{
			name: "full, and why", storing: fmt.Errorf("%w: for a reason", buffer.ErrFull),
			want: put + "queue is full: for a reason", again: true,
		},
		{name: "the caller gave up", storing: broken, canceled: true, want: put + "disk is broken", again: true},
		{name: "a failed write", storing: broken, want: put + "disk is broken", stays: true, again: true},
		{
			name: "stored, but the letters can't go", forgetting: broken, stays: true,
			want: "dead letters are in the queue again, but can't be deleted until the next start: disk is broken",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, r, _ := opened(t)
			s.storing, s.forgetting = tc.storing, tc.forgetting
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if tc.canceled {
				s.within = cancel
			}
			err := r.Requeue(ctx, items(7))
			if err == nil || err.Error() != tc.want || !errors.Is(err, cmp.Or(tc.storing, tc.forgetting)) {
				t.Errorf("%v, want %s", err, tc.want)
			}
			if last := s.calls[len(s.calls)-1]; (last == "keep none") != (tc.storing != nil) {
				t.Errorf("segments: %s", last)
			}
			if r.Stays() != tc.stays {
				t.Errorf("stays: %v", r.Stays())
			}
			s.storing, s.forgetting, s.within, s.calls = nil, nil, nil, nil
			if err := r.Requeue(t.Context(), items(7)); err != nil {
				t.Fatal(err)
			}
			stored := slices.ContainsFunc(s.calls, func(c string) bool { return strings.HasPrefix(c, "store [7]") })
			if stored != tc.again {
				t.Errorf("sent again: %q", s.calls)
			}
			if err := r.Forget([]uint64{7}); err != nil || r.Pending() != tc.stays {
				t.Errorf("forgotten: %v, noted %v", err, r.Pending())
			}
		})
	}
}

// Without a note nothing is stored, and no segments stay for it.
func TestRequeueWithoutNote(t *testing.T) {
	s, r, _ := opened(t)
	if err := os.Remove(filepath.Join(s.dir, "dead")); err != nil {
		t.Fatal(err)
	}
	err := r.Requeue(t.Context(), items(1))
	if !errors.Is(err, os.ErrNotExist) || !strings.HasPrefix(err.Error(), "note the retry of dead letters: ") {
		t.Errorf("no place for the note: %v", err)
	}
	if got := strings.Join(s.calls, "; "); got != "keep from 40; keep none" {
		t.Errorf("asked for %q", got)
	}
	if r.Pending() || r.Stays() {
		t.Errorf("pending %v, stays %v", r.Pending(), r.Stays())
	}
}

// requeued returns a chunk's header, with a part for each letter, and a part of a connection of the same number.
func requeued(seq uint64, ids ...uint64) chunk.Header {
	h := chunk.Header{Seq: seq, Parts: []chunk.Part{{Flags: chunk.PartKeyed, Conn: 1000 + seq}}}
	for _, id := range ids {
		h.Parts = append(h.Parts, chunk.Part{Flags: chunk.PartKeyed | chunk.PartRequeued, Conn: id})
	}
	return h
}

// A start deletes the letters that are in the queue already, and where it can't, tries it again at the next.
func TestSettle(t *testing.T) {
	const (
		ended  = "ended an interrupted retry of dead letters"
		cannot = "can't end an interrupted retry of dead letters"
	)
	broken := errors.New("broken")
	for _, tc := range []struct {
		name              string
		noted             bool
		damage            func(path string) error
		headers           []chunk.Header
		reading, deleting error
		from              uint64
		deleted           string
		log               string
		stays             bool
	}{
		{name: "no note", headers: []chunk.Header{requeued(40, 1)}, deleted: "[]"},
		{name: "nothing was stored", noted: true, from: 40, deleted: "[]", log: ended},
		{
			name: "letters of several chunks", noted: true, from: 40,
			headers: []chunk.Header{requeued(40, 3, 1), requeued(41), requeued(42, 2)}, deleted: "[3 1 2]", log: ended,
		},
		{
			name: "a damaged note", noted: true, from: 0,
			damage:  func(path string) error { return os.WriteFile(path, []byte("damaged"), 0o600) },
			headers: []chunk.Header{requeued(1, 9)}, deleted: "[9]", log: ended,
		},
		{
			name: "an empty note", noted: true, from: 0,
			damage: func(path string) error { return os.Truncate(path, 0) }, deleted: "[]", log: ended,
		},
		{
			name: "chunks that can't be read", noted: true, from: 40, headers: []chunk.Header{requeued(40, 1)},
			reading: broken, deleted: "[]", log: cannot, stays: true,
		},
		{
			name: "letters that can't be deleted", noted: true, from: 40, headers: []chunk.Header{requeued(40, 1)},
			deleting: broken, deleted: "[1]", log: cannot, stays: true,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, before, _ := opened(t)
			if tc.noted {
				if err := before.Requeue(t.Context(), items(1)); err != nil {
					t.Fatal(err)
				}
			}
			if tc.damage != nil {
				if err := tc.damage(filepath.Join(s.dir, note)); err != nil {
					t.Fatal(err)
				}
			}
			log, dead := &bytes.Buffer{}, &letters{failing: tc.deleting}
			s.calls, s.headers, s.reading = nil, tc.headers, tc.reading
			r := New(s.dir, s, zerolog.New(log))
			if r.Pending() != tc.noted {
				t.Errorf("pending at the start: %v", r.Pending())
			}
			r.Settle(dead)
			if fmt.Sprint(dead.deleted) != tc.deleted {
				t.Errorf("letters %v are deleted, want %s", dead.deleted, tc.deleted)
			}
			if tc.log == "" && log.Len() > 0 || !strings.Contains(log.String(), tc.log) {
				t.Errorf("logged %q, want %q", log, tc.log)
			}
			if r.Stays() != tc.stays || r.Pending() != tc.stays {
				t.Errorf("stays %v, noted %v; want %v", r.Stays(), r.Pending(), tc.stays)
			}
			if want := fmt.Sprintf("[headers from %d]", tc.from); tc.noted && fmt.Sprint(s.calls) != want {
				t.Errorf("asked for %v, want %s", s.calls, want)
			}
		})
	}
}

// What could not be ended stays noted, whatever is put back after it, and the next start looks from there on.
func TestSettleLater(t *testing.T) {
	s, before, _ := opened(t)
	if err := before.Requeue(t.Context(), items(1)); err != nil {
		t.Fatal(err)
	}
	s.reading = errors.New("broken")
	r := New(s.dir, s, zerolog.Nop())
	r.Settle(&letters{})
	s.reading, s.next = nil, 90
	if err := errors.Join(r.Requeue(t.Context(), items(2)), r.Forget([]uint64{2})); err != nil {
		t.Fatal(err)
	}
	if !r.Pending() {
		t.Fatal("the note is gone")
	}
	s.calls, s.headers = nil, []chunk.Header{requeued(40, 1)}
	dead := &letters{}
	r = New(s.dir, s, zerolog.Nop())
	r.Settle(dead)
	if fmt.Sprint(s.calls, dead.deleted) != "[headers from 40] [1]" || r.Pending() || r.Stays() {
		t.Errorf("the next start: %v, deletes %v, noted %v", s.calls, dead.deleted, r.Pending())
	}
}
