package intent

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// runsOf returns the runs of numbers, which ascend.
func runsOf(numbers ...uint32) (runs []Run) {
	for _, n := range numbers {
		runs = AddRun(runs, n, 1)
	}
	return runs
}

// What follows the last run makes it longer, anything else begins a new one that knows how many numbers are before it.
func TestAddRun(t *testing.T) {
	type step struct{ first, count uint32 }
	for _, tc := range []struct {
		name  string
		steps []step
		want  []Run
	}{
		{"none", nil, nil},
		{"one", []step{{7, 1}}, []Run{{7, 1, 0}}},
		{"from 0 on", []step{{0, 1}, {1, 1}, {2, 3}}, []Run{{0, 5, 0}}},
		{"a gap", []step{{0, 2}, {3, 1}}, []Run{{0, 2, 0}, {3, 1, 2}}},
		{"two gaps", []step{{1, 2}, {4, 3}, {9, 1}}, []Run{{1, 2, 0}, {4, 3, 2}, {9, 1, 5}}},
		{"a gap that is left behind", []step{{1, 1}, {5, 1}, {6, 4}}, []Run{{1, 1, 0}, {5, 5, 1}}},
		{"the largest", []step{{1<<31 - 1, 1}}, []Run{{1<<31 - 1, 1, 0}}},
	} {
		var runs []Run
		count := 0
		for _, s := range tc.steps {
			runs = AddRun(runs, s.first, s.count)
			count += int(s.count)
		}
		if !slices.Equal(runs, tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, runs, tc.want)
		}
		if Count(runs) != count {
			t.Errorf("%s: %d numbers, want %d", tc.name, Count(runs), count)
		}
	}
}

// Find agrees with a list that is looked through, for all numbers in, between and around the runs.
func TestFind_Model(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 1))
	for round := range 200 {
		var runs []Run
		var list []int
		at := uint32(rnd.IntN(3))
		for range rnd.IntN(8) {
			count := uint32(1 + rnd.IntN(4))
			runs = AddRun(runs, at, count)
			for i := range count {
				list = append(list, int(at+i))
			}
			at += count + uint32(rnd.IntN(4))
		}
		for n := range int(at) + 3 {
			want, found := slices.BinarySearch(list, n)
			below, ok := Find(runs, n)
			if ok != found || below != want {
				t.Fatalf("round %d: %d in %v: %d, %t, want %d, %t", round, n, list, below, ok, want, found)
			}
		}
	}
}

func TestEvents(t *testing.T) {
	for _, tc := range []struct {
		name  string
		spans []Span
		want  int
	}{
		{"none", nil, 0},
		{"a chunk without any", []Span{{}}, 0},
		{"one", []Span{{Runs: runsOf(4)}}, 1},
		{"two chunks", []Span{{Runs: runsOf(4, 5, 9)}, {Chunk: Key{1}, Runs: runsOf(0, 2)}}, 5},
		{"one chunk twice", []Span{{Runs: runsOf(4, 5)}, {Runs: runsOf(0)}}, 3},
	} {
		if got := Events(tc.spans); got != tc.want {
			t.Errorf("%s: %d, want %d", tc.name, got, tc.want)
		}
	}
}

// What is on disk is read by later versions too: these bytes stay as they are.
func TestAppend_Golden(t *testing.T) {
	key := Key{0xaa, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0xff}
	for _, tc := range []struct {
		name string
		got  []byte
		want string
	}{
		{"no text", AppendText(nil, ""), "00"},
		{"text", AppendText([]byte{0xee}, "a/ü"), "ee04612fc3bc"},
		{"long text", AppendText(nil, string(bytes.Repeat([]byte("x"), 128)))[:3], "800178"},
		{"no runs", AppendRuns(nil, nil), "00"},
		{"a run", AppendRuns(nil, runsOf(0, 1, 2)), "010003"},
		{"two runs", AppendRuns(nil, runsOf(1, 2, 200)), "020102c50101"},
		{"no spans", AppendSpans(nil, nil), "00"},
		{
			"a span", AppendSpans(nil, []Span{{Chunk: key, Runs: runsOf(5)}}),
			"01aa0102030405060708090a0b0c0d0eff010501",
		},
	} {
		if hex.EncodeToString(tc.got) != tc.want {
			t.Errorf("%s: %x, want %s", tc.name, tc.got, tc.want)
		}
	}
}

// Spans of all shapes come back as they were written, one behind the other.
func TestReader_RoundTrip(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 1))
	for round := range 200 {
		var spans []Span
		for range rnd.IntN(5) {
			s := Span{Chunk: Key{byte(rnd.IntN(256)), byte(round)}}
			at := uint32(0)
			for range 1 + rnd.IntN(5) {
				at += uint32(rnd.IntN(1 << 20))
				s.Runs = AddRun(s.Runs, at, 1)
				at++
			}
			spans = append(spans, s)
		}
		text := fmt.Sprintf("name %d", round)
		packed := AppendText(AppendSpans(AppendText(nil, text), spans), "")
		r := NewReader(packed)
		if got := r.Text(); got != text {
			t.Fatalf("round %d: the text is %q", round, got)
		}
		if got := r.Spans(); !reflect.DeepEqual(got, spans) {
			t.Fatalf("round %d: %v, want %v", round, got, spans)
		}
		if r.Done() {
			t.Fatalf("round %d: done before the end", round)
		}
		if got := r.Text(); got != "" || !r.Done() {
			t.Fatalf("round %d: %q, done %t", round, got, r.Done())
		}
		for cut := range packed {
			short := NewReader(packed[:cut])
			short.Text()
			short.Spans()
			short.Text()
			if short.Done() {
				t.Fatalf("round %d: cut to %d of %d bytes it is whole", round, cut, len(packed))
			}
		}
	}
}

// A number has 48 bits at most, in as few bytes as it takes or more.
func TestReader_Number(t *testing.T) {
	uvarint := func(n uint64) []byte { return binary.AppendUvarint(nil, n) }
	for _, tc := range []struct {
		name string
		b    []byte
		want uint64
		ok   bool
	}{
		{"nothing", nil, 0, false},
		{"0", []byte{0}, 0, true},
		{"127", uvarint(127), 127, true},
		{"128", uvarint(128), 128, true},
		{"the largest", uvarint(1<<48 - 1), 1<<48 - 1, true},
		{"one more", uvarint(1 << 48), 0, false},
		{"all bits", uvarint(1<<64 - 1), 0, false},
		{"cut short", uvarint(1 << 40)[:3], 0, false},
		{"without end", bytes.Repeat([]byte{0x80}, 11), 0, false},
		{"more bytes than it takes", []byte{0x81, 0x00}, 1, true},
	} {
		r := NewReader(tc.b)
		if got := r.Number(); got != tc.want || r.Done() != tc.ok {
			t.Errorf("%s: %d, done %t, want %d, %t", tc.name, got, r.Done(), tc.want, tc.ok)
		}
	}
}

// What makes no sense ends the reading: all that is read behind it is zero.
func TestReader_Refuses(t *testing.T) {
	join := func(numbers ...uint64) (b []byte) {
		for _, n := range numbers {
			b = binary.AppendUvarint(b, n)
		}
		return b
	}
	for _, tc := range []struct {
		name string
		b    []byte
		read func(r *Reader) bool // reports whether something came of it
	}{
		{"a text longer than all", join(5, 'a'), func(r *Reader) bool { return r.Text() != "" }},
		{"a text of a terabyte", join(1<<40, 'a'), func(r *Reader) bool { return r.Text() != "" }},
		{"a run of nothing", join(1, 3, 0), func(r *Reader) bool { return r.Runs() != nil }},
		{"a run past the last position", join(1, 1<<31, 1), func(r *Reader) bool { return r.Runs() != nil }},
		{"a run too long", join(1, 0, 1<<31+1), func(r *Reader) bool { return r.Runs() != nil }},
		{"gaps past the last position", join(2, 0, 1<<31, 0, 1), func(r *Reader) bool { return r.Runs() != nil }},
		{"a run without its count", join(1, 3), func(r *Reader) bool { return r.Runs() != nil }},
		{"a second run that is missing", join(2, 0, 1), func(r *Reader) bool { return r.Runs() != nil }},
		{"a billion runs in no bytes", join(1 << 30), func(r *Reader) bool { return r.Runs() != nil }},
		{"half of a key", append(join(1), make([]byte, 8)...), func(r *Reader) bool { return r.Spans() != nil }},
		{"a key without runs", append(join(1), make([]byte, 16)...), func(r *Reader) bool { return r.Spans() != nil }},
		{"a billion spans in no bytes", join(1 << 30), func(r *Reader) bool { return r.Spans() != nil }},
	} {
		r := NewReader(tc.b)
		if tc.read(r) || r.Done() {
			t.Errorf("%s: it is read, done %t", tc.name, r.Done())
		}
		if r.Number() != 0 || r.Text() != "" || r.Runs() != nil || r.Spans() != nil || r.Done() {
			t.Errorf("%s: something is read behind it", tc.name)
		}
	}
}

// A run may end with the last position that there is.
func TestReader_LastPosition(t *testing.T) {
	b := AppendRuns(nil, AddRun(nil, 1<<31-2, 2))
	r := NewReader(b)
	if runs := r.Runs(); !r.Done() || Count(runs) != 2 || runs[0].First != 1<<31-2 {
		t.Errorf("%v, done %t", runs, r.Done())
	}
}

// Events of a chunk in their order are one span; where the chunk changes, or a position goes back, another begins.
func TestBuilder(t *testing.T) {
	a, b := &event.Chunk{Seq: 1}, &event.Chunk{Seq: 2}
	type place struct {
		chunk *event.Chunk
		pos   int
	}
	keys := Keys{}
	for _, tc := range []struct {
		name   string
		places []place
		want   []Span
	}{
		{"one", []place{{a, 3}}, []Span{{keys.Of(a), runsOf(3)}}},
		{"in order", []place{{a, 0}, {a, 1}, {a, 5}}, []Span{{keys.Of(a), runsOf(0, 1, 5)}}},
		{"two chunks", []place{{a, 0}, {b, 0}}, []Span{{keys.Of(a), runsOf(0)}, {keys.Of(b), runsOf(0)}}},
		{
			"in turns",
			[]place{{a, 0}, {b, 0}, {a, 1}},
			[]Span{{keys.Of(a), runsOf(0)}, {keys.Of(b), runsOf(0)}, {keys.Of(a), runsOf(1)}},
		},
		{"back", []place{{a, 4}, {a, 2}}, []Span{{keys.Of(a), runsOf(4)}, {keys.Of(a), runsOf(2)}}},
		{"the same again", []place{{a, 4}, {a, 4}}, []Span{{keys.Of(a), runsOf(4)}, {keys.Of(a), runsOf(4)}}},
	} {
		var builder Builder
		// The second time it is made in the memory of the first.
		for range 2 {
			builder.Reset()
			for _, p := range tc.places {
				builder.Add(&event.Event{Chunk: p.chunk, Pos: p.pos}, keys)
			}
			if !reflect.DeepEqual(builder.Spans, tc.want) {
				t.Errorf("%s: %v, want %v", tc.name, builder.Spans, tc.want)
			}
		}
	}
}

// A key is on disk, and has to be found again by a later version: it stays as it is.
func TestKeys_Golden(t *testing.T) {
	received := time.Unix(1763720100, 5)
	for _, tc := range []struct {
		name  string
		chunk event.Chunk
		want  string
	}{
		{"bare", event.Chunk{Received: received}, goldenBare},
		{"whole", event.Chunk{
			Seq: 7, Cluster: "seoul", Tag: "kube.x", Received: received,
			Parts: []event.Part{{Key: [16]byte{1, 2}, First: 3, Events: 4}, {Key: [16]byte{9}, Events: 200}},
		}, goldenWhole},
	} {
		key := (Keys{}).Of(&tc.chunk)
		if got := hex.EncodeToString(key[:]); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
	// Names that run into each other are told apart by their lengths.
	one, other := event.Chunk{Cluster: "ab", Tag: "c"}, event.Chunk{Cluster: "a", Tag: "bc"}
	keys := Keys{}
	if keys.Of(&one) == keys.Of(&other) {
		t.Error("cluster and tag run into each other")
	}
}

const (
	goldenBare  = "fd0d6c8ce9679235f600c4974ae5929f"
	goldenWhole = "b1c95eb2959ff3eb0cf034213f22860f"
)

// A chunk's key is made once for a Send.
func TestKeys_Once(t *testing.T) {
	c := &event.Chunk{Seq: 1}
	keys := Keys{}
	first := keys.Of(c)
	c.Seq = 2
	if keys.Of(c) != first || len(keys) != 1 {
		t.Errorf("the key was made again: %d keys", len(keys))
	}
}
