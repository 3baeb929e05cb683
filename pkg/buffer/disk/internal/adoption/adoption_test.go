package adoption

import (
	"bytes"
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

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
	"github.com/seed-afc6a195/aggregator/internal/format"
	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/chunk"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/statefile"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// store is a queue that writes down what it is asked for.
type store struct {
	dir                        string
	next                       uint64
	calls                      []string
	headers                    []chunk.Header
	storing, reading, lettered error
	// within runs while chunks are stored.
	within func()
}

func (s *store) Reserve() uint64 { s.next += 10; return s.next }

func (s *store) Keep(next uint64) {
	text := fmt.Sprint("keep from ", next)
	if next == math.MaxUint64 {
		text = "keep none"
	}
	s.calls = append(s.calls, text)
}

func (s *store) Headers(next uint64, see func(*chunk.Header)) error {
	s.calls = append(s.calls, fmt.Sprint("headers from ", next))
	for i := range s.headers {
		see(&s.headers[i])
	}
	return s.reading
}

func (s *store) Adopt(_ context.Context, from [16]byte, chunks []buffer.Handed) error {
	var seqs []uint64
	for i := range chunks {
		seqs = append(seqs, chunks[i].Seq)
	}
	noted, err := statefile.Adoptions(s.dir)
	i := slices.IndexFunc(noted, func(n statefile.Adoption) bool { return n.Queue == from })
	if err != nil || i < 0 {
		return fmt.Errorf("nothing is noted of queue %d: %w", from[0], err)
	}
	s.calls = append(s.calls, fmt.Sprintf("store %v of queue %d, noted %d", seqs, from[0], noted[i].Pending))
	if s.within != nil {
		s.within()
	}
	return s.storing
}

func (s *store) AddLetters(_ context.Context, letters []deadletter.Letter) error {
	var ids []uint64
	for i := range letters {
		ids = append(ids, letters[i].ID)
	}
	s.calls = append(s.calls, fmt.Sprint("letters ", ids))
	return s.lettered
}

// took returns what was asked for since the last call.
func (s *store) took() string {
	calls := strings.Join(s.calls, "; ")
	s.calls = nil
	return calls
}

func queue(n byte) (id [16]byte) { id[0] = n; return id }

func chunks(seqs ...uint64) (all []buffer.Handed) {
	for _, seq := range seqs {
		all = append(all, buffer.Handed{Chunk: event.Chunk{Seq: seq}})
	}
	return all
}

func letters(ids ...uint64) (all []deadletter.Letter) {
	for _, id := range ids {
		all = append(all, deadletter.Letter{ID: id})
	}
	return all
}

// origin returns the header of a chunk that was adopted.
func origin(q byte, seq uint64) chunk.Header {
	return chunk.Header{Origin: chunk.Origin{Queue: queue(q), Seq: seq}}
}

func opened(t *testing.T, s *store) *Adopter {
	t.Helper()
	a, err := Open(s.dir, s, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// Chunks are stored once, whatever is sent again, and noted before they are.
func TestAdopt(t *testing.T) {
	s := &store{dir: t.TempDir()}
	a := opened(t, s)
	for _, tc := range []struct {
		name string
		from byte
		seqs []uint64
		want string
	}{
		{"none", 1, nil, ""},
		{"the first", 1, []uint64{1, 2, 5}, "keep from 10; store [1 2 5] of queue 1, noted 10"},
		{"the same again", 1, []uint64{1, 2, 5}, ""},
		{"an older one", 1, []uint64{4}, ""},
		{"some of them", 1, []uint64{2, 5, 6, 9}, "keep from 20; store [6 9] of queue 1, noted 20"},
		{"the same numbers of another queue", 2, []uint64{5}, "keep from 20; store [5] of queue 2, noted 30"},
		{"the next", 1, []uint64{10}, "keep from 30; store [10] of queue 1, noted 40"},
		{
			"the last of all numbers", 1,
			[]uint64{math.MaxUint64},
			"keep from 30; store [18446744073709551615] of queue 1, noted 50",
		},
	} {
		err := a.Adopt(t.Context(), queue(tc.from), chunks(tc.seqs...))
		if got := s.took(); err != nil || got != tc.want {
			t.Errorf("%s: %q, %v; want %q", tc.name, got, err, tc.want)
		}
	}
	for q, want := range map[byte]uint64{1: math.MaxUint64, 2: 5, 3: 0} {
		if seq, letter := a.Adopted(queue(q)); seq != want || letter != 0 {
			t.Errorf("queue %d: %d and %d, want %d and 0", q, seq, letter, want)
		}
	}
	if !a.Pending() {
		t.Error("nothing is pending")
	}
}

// A failure is told, what was to be stored is asked for again, and what may be stored nevertheless stays noted.
func TestAdoptFailure(t *testing.T) {
	broken := errors.New("disk is broken")
	for _, tc := range []struct {
		name     string
		err      error
		canceled bool
		second   string // what is noted when it is sent again
	}{
		{"full", buffer.ErrFull, false, "noted 20"},
		{"closed", buffer.ErrClosed, false, "noted 20"},
		{"the caller gave up", broken, true, "noted 20"},
		{"a failed write", broken, false, "noted 10"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := &store{dir: t.TempDir(), storing: tc.err}
			a := opened(t, s)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if tc.canceled {
				s.within = cancel
			}
			err := a.Adopt(ctx, queue(1), chunks(3, 4))
			if want := "take over chunks 3 to 4: " + tc.err.Error(); !errors.Is(err, tc.err) || err.Error() != want {
				t.Errorf("%v, want %s", err, want)
			}
			if seq, _ := a.Adopted(queue(1)); seq != 0 {
				t.Errorf("adopted up to %d", seq)
			}
			s.took()
			s.storing, s.within = nil, nil
			if err := a.Adopt(t.Context(), queue(1), chunks(3, 4)); err != nil {
				t.Fatal(err)
			}
			if got := s.took(); !strings.HasSuffix(got, "store [3 4] of queue 1, "+tc.second) {
				t.Errorf("sent again: %q, want %s", got, tc.second)
			}
		})
	}
}

// Who has given up already gets nothing stored, and nothing noted.
func TestAdoptCanceled(t *testing.T) {
	s := &store{dir: t.TempDir()}
	a := opened(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.Adopt(ctx, queue(1), chunks(1)); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if got := s.took(); got != "" || a.Pending() {
		t.Errorf("%q, pending %v", got, a.Pending())
	}
}

// Without a note nothing is stored.
func TestAdoptWithoutNote(t *testing.T) {
	s := &store{dir: filepath.Join(t.TempDir(), "file")}
	a := opened(t, s)
	if err := os.WriteFile(s.dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	const want = "note what was handed over: "
	if err := a.Adopt(t.Context(), queue(1), chunks(1)); err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("%v", err)
	}
	if err := a.AdoptLetters(t.Context(), queue(1), letters(1)); err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("letters: %v", err)
	}
	if got := s.took(); got != "letters [1]" {
		t.Errorf("stored: %q", got)
	}
}

// Letters are stored once too, by numbers of their own, and beside chunks.
func TestAdoptLetters(t *testing.T) {
	s := &store{dir: t.TempDir()}
	a := opened(t, s)
	if err := a.Adopt(t.Context(), queue(1), chunks(100)); err != nil {
		t.Fatal(err)
	}
	s.took()
	for _, tc := range []struct {
		name string
		ids  []uint64
		want string
	}{
		{"none", nil, ""},
		{"the first", []uint64{1, 3}, "letters [1 3]"},
		{"the same again", []uint64{1, 3}, ""},
		{"some of them", []uint64{3, 4, 8}, "letters [4 8]"},
	} {
		err := a.AdoptLetters(t.Context(), queue(1), letters(tc.ids...))
		if got := s.took(); err != nil || got != tc.want {
			t.Errorf("%s: %q, %v; want %q", tc.name, got, err, tc.want)
		}
	}
	s.lettered = errors.New("broken")
	err := a.AdoptLetters(t.Context(), queue(1), letters(8, 9, 10))
	if !errors.Is(err, s.lettered) || err.Error() != "take over dead letters 9 to 10: broken" {
		t.Errorf("%v", err)
	}
	again := opened(t, s)
	for name, a := range map[string]*Adopter{"here": a, "after a restart": again} {
		// The chunks' number is noted with the next note only: until then the chunks tell it.
		if _, letter := a.Adopted(queue(1)); letter != 8 || !a.Pending() {
			t.Errorf("%s: letters up to %d, pending %v", name, letter, a.Pending())
		}
	}
}

// A queue that rests keeps no segments, and one that has ended is not remembered.
func TestRestAndEnd(t *testing.T) {
	s := &store{dir: t.TempDir()}
	a := opened(t, s)
	for _, q := range []byte{1, 2} {
		if err := a.Adopt(t.Context(), queue(q), chunks(7)); err != nil {
			t.Fatal(err)
		}
	}
	s.took()
	for _, tc := range []struct {
		name    string
		do      func([16]byte) error
		queue   byte
		want    string
		pending bool
		seq     uint64 // of queue 1 after a restart
	}{
		{"rest", a.Rest, 1, "keep from 20", true, 7},
		{"rest again", a.Rest, 1, "keep from 20", true, 7},
		{"one that nobody knows rests", a.Rest, 9, "keep from 20", true, 7},
		{"the other ends", a.End, 2, "keep none", false, 7},
		{"it ends again", a.End, 2, "", false, 7},
		{"the first ends", a.End, 1, "keep none", false, 0},
	} {
		if err := tc.do(queue(tc.queue)); err != nil {
			t.Errorf("%s: %v", tc.name, err)
		}
		if got := s.took(); got != tc.want || a.Pending() != tc.pending {
			t.Errorf("%s: %q, pending %v; want %q, %v", tc.name, got, a.Pending(), tc.want, tc.pending)
		}
		again := opened(t, s)
		if seq, _ := again.Adopted(queue(1)); seq != tc.seq || again.Pending() != tc.pending {
			t.Errorf("%s: after a restart %d, pending %v", tc.name, seq, again.Pending())
		}
	}
}

// A start finds by their chunks what was adopted after the note was written.
func TestRecover(t *testing.T) {
	for _, tc := range []struct {
		name    string
		notes   []statefile.Adoption
		headers []chunk.Header
		reading error
		want    string
		seqs    map[byte]uint64
		pending bool
	}{
		{name: "nothing", want: "keep none"},
		{
			name: "one that rests", notes: []statefile.Adoption{{Queue: queue(1), Seq: 5, Letter: 2}},
			headers: []chunk.Header{origin(1, 9)}, want: "keep none", seqs: map[byte]uint64{1: 5},
		},
		{
			name: "chunks after the note", notes: []statefile.Adoption{{Queue: queue(1), Seq: 5, Pending: 30}},
			headers: []chunk.Header{origin(1, 6), origin(2, 99), origin(1, 8), {}},
			want:    "headers from 30; keep none", seqs: map[byte]uint64{1: 8, 2: 0},
		},
		{
			name: "none was stored", notes: []statefile.Adoption{{Queue: queue(1), Seq: 5, Pending: 30}},
			headers: []chunk.Header{origin(1, 4)}, want: "headers from 30; keep none", seqs: map[byte]uint64{1: 5},
		},
		{
			name: "they can't be read", notes: []statefile.Adoption{{Queue: queue(1), Seq: 5, Pending: 30}},
			headers: []chunk.Header{origin(1, 6)}, reading: errors.New("broken"),
			want: "headers from 30; keep from 30", seqs: map[byte]uint64{1: 6}, pending: true,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := &store{dir: t.TempDir(), headers: tc.headers, reading: tc.reading}
			for i := range tc.notes {
				if err := tc.notes[i].Write(s.dir); err != nil {
					t.Fatal(err)
				}
			}
			var log bytes.Buffer
			a, err := Open(s.dir, s, zerolog.New(&log))
			if err != nil {
				t.Fatal(err)
			}
			a.Recover()
			if got := s.took(); got != tc.want || a.Pending() != tc.pending {
				t.Errorf("%q, pending %v; want %q, %v", got, a.Pending(), tc.want, tc.pending)
			}
			for q, want := range tc.seqs {
				if seq, _ := a.Adopted(queue(q)); seq != want {
					t.Errorf("queue %d: up to %d, want %d", q, seq, want)
				}
			}
			const told = "can't find out what was handed over before: some of it may be stored again"
			if strings.Contains(log.String(), told) != (tc.reading != nil) {
				t.Errorf("logged %q", log.String())
			}
			if tc.reading == nil {
				return
			}
			// What could not be found out stays noted, also beside what comes after it.
			if err := a.Adopt(t.Context(), queue(1), chunks(50)); err != nil {
				t.Fatal(err)
			}
			if got := s.took(); !strings.HasSuffix(got, "noted 30") {
				t.Errorf("the next: %q", got)
			}
		})
	}
}

// A note that is damaged has all chunks looked through; one of another program's format ends the start.
func TestOpenNotes(t *testing.T) {
	s := &store{dir: t.TempDir(), headers: []chunk.Header{origin(1, 6)}}
	note := statefile.Adoption{Queue: queue(1), Seq: 5, Letter: 4}
	if err := note.Write(s.dir); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(s.dir, "adopted", "01000000000000000000000000000000")
	if err := os.WriteFile(path, []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	a := opened(t, s)
	a.Recover()
	seq, letter := a.Adopted(queue(1))
	if got := s.took(); got != "headers from 1; keep none" || seq != 6 || letter != 0 {
		t.Errorf("damaged: %q, up to %d and %d", got, seq, letter)
	}
	id := queue(1)
	if err := os.WriteFile(path, boltfile.WithSum([]byte{200, 199, 1, 2}, id[:]...), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(s.dir, s, zerolog.Nop())
	if !errors.Is(err, format.ErrUnknown) || !strings.HasPrefix(err.Error(), "read what was handed over: "+path+": ") {
		t.Errorf("of a later program: %v", err)
	}
}
