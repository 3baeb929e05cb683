package collect

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/sealing"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/resend"
)

// wanted is a message that an output wants.
func wanted(chunkID string) buffer.Message {
	return buffer.Message{Cluster: "c", Tag: "t", Chunk: chunkID, Outputs: []string{"es"}}
}

// unpacked returns the entries of a piece as they were added.
func unpacked(t *testing.T, b *Batch, p *Piece) []byte {
	t.Helper()
	if !p.Packed {
		return b.Entries(p)
	}
	raw, err := b.Memory.Packer.Unpack(nil, b.Entries(p), p.Codec, p.Raw)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// Whether a message's id is its own is told by its form, or by times that have nanoseconds, and stays so.
func TestOwn(t *testing.T) {
	const hash = "p8n9gmxTQVC8/nh2wlKKeQ=="
	for _, tc := range []struct {
		name  string
		id    string
		nanos []bool
		want  bool
	}{
		{"a hash, whole seconds", hash, []bool{false, false}, false},
		{"a hash, nanoseconds", hash, []bool{true}, true},
		{"a hash, nanoseconds once", hash, []bool{false, true, false}, true},
		{"fluentd", hash + "\n", []bool{false}, true},
		{"no id", "", nil, false},
		{"25 characters", hash + "x", []bool{false}, false},
		{"26 characters", hash + "\n\n", []bool{false}, false},
		{"36 characters", strings.Repeat("x", 36), []bool{false}, false},
		{"36 characters, three dashes", "7f2c9a3e-5b1d-4e8f-9a6bx0c1d2e3f4a5b", []bool{false}, false},
	} {
		b := newBatch(t, 0)
		b.Begin(wanted(tc.id))
		for _, nanos := range tc.nanos {
			b.Add(entry(1, false), 1, nanos)
		}
		if got := b.Messages[0].Own; got != tc.want {
			t.Errorf("%s: %v", tc.name, got)
		}
	}
}

// The bounds at which entries begin a piece of their own, or are compressed.
func TestPieceBounds(t *testing.T) {
	of := func(n int) []byte { return entry(n-10, false) }
	for _, tc := range []struct {
		name   string
		adds   []int
		packed []bool
		events []int
	}{
		{"the largest that is small", []int{packAlone - 1, 20}, []bool{false}, []int{2}},
		{"the smallest that is large", []int{packAlone, 20}, []bool{true, false}, []int{1, 1}},
		{"two large ones", []int{packAlone, packAlone}, []bool{true, true}, []int{1, 1}},
		{"as many small ones as make a piece", slices.Repeat([]int{8 << 10}, 32), []bool{false}, []int{32}},
		{"one more", slices.Repeat([]int{8 << 10}, 33), []bool{false, false}, []int{32, 1}},
		{"the rest fills no gap", append(slices.Repeat([]int{8 << 10}, 33), 20), []bool{false, false}, []int{32, 2}},
	} {
		b := newBatch(t, 0)
		b.Begin(wanted("id"))
		var all []byte
		for _, n := range tc.adds {
			if rejected := b.Add(of(n), 1, false); rejected != 0 {
				t.Errorf("%s: %d rejected", tc.name, rejected)
			}
			all = append(all, of(n)...)
		}
		var packed []bool
		var events []int
		var got []byte
		pieces := b.Pieces(0)
		for i := range pieces {
			p := &pieces[i]
			packed, events, got = append(packed, p.Packed), append(events, p.Events), append(got, unpacked(t, b, p)...)
		}
		if !slices.Equal(packed, tc.packed) || !slices.Equal(events, tc.events) || !bytes.Equal(got, all) {
			t.Errorf("%s: pieces of %v events, compressed %v, %d of %d bytes", tc.name, events, packed, len(got),
				len(all))
		}
	}
}

// An event that no message may have is told with both sizes and what to do.
func TestTooLarge(t *testing.T) {
	b := newBatch(t, 64<<10)
	b.Begin(wanted("id"))
	huge := entry(100<<10, true)
	if rejected := b.Add(huge, 1, false); rejected != 1 {
		t.Errorf("%d rejected", rejected)
	}
	letters := b.Letters(0)
	if len(letters) != 1 {
		t.Fatalf("%d letters", len(letters))
	}
	l := &letters[0]
	if l.Cluster != "c" || l.Tag != "t" || l.Reason != buffer.ReasonTooLarge || l.Events != 1 || l.Output != "" ||
		!bytes.Equal(l.Entry, huge) {
		t.Errorf("%+v", l)
	}
	const end = " when compressed, which is more than a message of the queue may have: raise max_payload of the NATS " +
		"servers, which is 65536, and send it again"
	if !strings.HasPrefix(l.Detail, "the event has 102410 bytes, ") || !strings.HasSuffix(l.Detail, end) {
		t.Errorf("%s", l.Detail)
	}
	if b.Messages[0].Events != 1 || len(b.Pieces(0)) != 0 {
		t.Errorf("%d events, %d pieces", b.Messages[0].Events, len(b.Pieces(0)))
	}
	// What compresses well has room, however large it is.
	if rejected := b.Add(entry(1<<20, false), 1, false); rejected != 0 || len(b.Pieces(0)) != 1 {
		t.Errorf("%d rejected, %d pieces", rejected, len(b.Pieces(0)))
	}
}

// Dead letters are copies, count as events, and belong to the message that was begun last.
func TestReject(t *testing.T) {
	b := newBatch(t, 0)
	b.Begin(wanted("a"))
	raw := []byte("bad")
	b.Reject(raw, 2, "not_an_event")
	raw[0] = 'x'
	b.Begin(buffer.Message{Cluster: "d", Tag: "u"})
	b.Reject([]byte{}, 0, "too_deep")
	for i, want := range []struct {
		cluster, reason, entry string
		events                 int
	}{{"c", "not_an_event", "bad", 2}, {"d", "too_deep", "", 0}} {
		letters := b.Letters(i)
		if len(letters) != 1 || letters[0].Cluster != want.cluster || letters[0].Reason != want.reason ||
			string(letters[0].Entry) != want.entry || letters[0].Events != want.events ||
			b.Messages[i].Events != want.events {
			t.Errorf("message %d: %+v, %d events", i, letters, b.Messages[i].Events)
		}
	}
}

// Size follows what a batch holds, and what is abandoned is given back.
func TestSize(t *testing.T) {
	b := newBatch(t, 0)
	if b.Size() != 0 {
		t.Errorf("an empty one has %d bytes", b.Size())
	}
	var sizes []int
	for range 3 {
		sizes = append(sizes, b.Size())
		b.Begin(wanted("id"))
		b.Add(entry(1000, false), 1, false)
		b.Reject(make([]byte, 500), 1, "not_an_event")
		if grown := b.Size() - sizes[len(sizes)-1]; grown < 1510 || grown > 3000 {
			t.Errorf("a message of 1510 bytes has %d", grown)
		}
	}
	for i := len(sizes) - 1; i >= 0; i-- {
		if b.Abandon(); b.Size() != sizes[i] || len(b.Messages) != i {
			t.Errorf("%d messages have %d bytes, want %d", len(b.Messages), b.Size(), sizes[i])
		}
	}
}

// Reset keeps little memory, and a batch is as new after it.
func TestReset(t *testing.T) {
	b := newBatch(t, 0)
	for _, n := range []int{1, 8000, 3} {
		for range n {
			b.Begin(wanted("id"))
			b.Add(entry(10, false), 1, false)
		}
		if len(b.Messages) != n || len(b.Pieces(n-1)) != 1 {
			t.Errorf("%d messages", len(b.Messages))
		}
		b.Unread = sealing.Cut([]byte{0xc1}, 1, nil)
		b.Reset()
		if b.Size() != 0 || len(b.Messages) != 0 || b.Unread != nil {
			t.Errorf("%d bytes are left of %d messages: %v", b.Size(), n, b.Unread)
		}
		if n == 8000 && cap(b.Messages) != 0 {
			t.Errorf("memory of %d messages is kept", cap(b.Messages))
		}
		if n == 1 && (cap(b.Messages) == 0 || cap(b.pieces) == 0) {
			t.Error("little memory is not kept")
		}
	}
}

// Ids are looked for among what was sent again only where there are any, and those without stand in their places.
func TestIdentify(t *testing.T) {
	for _, tc := range []struct {
		name string
		ids  []string
		want int
	}{
		{"none", nil, 0},
		{"no ids", []string{"", ""}, 0},
		{"one of two", []string{"", "b"}, 2},
		{"the same twice", []string{"b", "b"}, 2},
	} {
		b := newBatch(t, 0)
		for _, id := range tc.ids {
			b.Begin(wanted(id))
			b.Add(entry(1, false), 3, false)
		}
		var resends resend.Batch
		resends.Of(1)
		b.Identify(&resends)
		if resends.Len() != tc.want {
			t.Errorf("%s: %d keys, want %d", tc.name, resends.Len(), tc.want)
			continue
		}
		for i := range resends.Len() {
			want := resend.Key{}
			if tc.ids[i] != "" {
				want = resend.Key{Chunk: event.PartKeyOfChunk("c", "t", tc.ids[i]), Events: 3}
			}
			if got := resends.Key(i); got != want || b.Messages[i].Key != want.Chunk {
				t.Errorf("%s: key %d is %v, want %v", tc.name, i, got, want)
			}
		}
	}
}

// Whatever is added, rejected and abandoned, the pieces of a message are its events in order, each at its place.
func TestCollectModel(t *testing.T) {
	for seed := range uint64(8) {
		r := rand.New(rand.NewPCG(seed, 9))
		b := newBatch(t, 128<<10)
		type added struct {
			first int
			raw   []byte
		}
		var want [][]added
		for range 1 + r.IntN(6) {
			b.Begin(wanted("id"))
			var of []added
			place := 0
			for range r.IntN(6) {
				n := 1 + r.IntN(3)
				raw := bytes.Repeat(entry(r.IntN(20_000), r.IntN(4) == 0), n)
				if r.IntN(5) == 0 {
					b.Reject(raw, n, "not_an_event")
				} else if of = append(of, added{place, raw}); b.Add(raw, n, false) != 0 {
					t.Fatalf("seed %d: rejected", seed)
				}
				place += n
			}
			if r.IntN(5) == 0 {
				b.Abandon()
				continue
			}
			if last := &b.Messages[len(b.Messages)-1]; last.Events != place {
				t.Errorf("seed %d: %d events, want %d", seed, last.Events, place)
			}
			want = append(want, of)
		}
		if len(b.Messages) != len(want) {
			t.Fatalf("seed %d: %d messages, want %d", seed, len(b.Messages), len(want))
		}
		for i, of := range want {
			var got, all []byte
			pieces := b.Pieces(i)
			for _, one := range of {
				if !slices.ContainsFunc(pieces, func(p Piece) bool {
					return p.First <= one.first && one.first < p.First+p.Events
				}) {
					t.Errorf("seed %d: event %d of message %d is in no piece", seed, one.first, i)
				}
				all = append(all, one.raw...)
			}
			for j := range pieces {
				got = append(got, unpacked(t, b, &pieces[j])...)
			}
			if !bytes.Equal(got, all) {
				t.Errorf("seed %d: message %d has %d bytes, want %d", seed, i, len(got), len(all))
			}
		}
	}
}
