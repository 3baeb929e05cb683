package sealing

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/buffer/chunk"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// entries returns n events of so many bytes each, about.
func entries(n, size int) []byte {
	var all []byte
	for i := range n {
		record := append([]byte{0x81, 0xa1, 'n', 0xdb, 0, byte(size >> 16), byte(size >> 8), byte(size)},
			[]byte(strings.Repeat(string(rune('a'+i%26)), size))...)
		all = event.AppendEntry(all, event.AppendTime(nil, event.Time{Sec: 1_700_000_000, Nsec: 1}), nil, record)
	}
	return all
}

func TestCut(t *testing.T) {
	start := []byte("\x92\x92\xd7\x00\xff\xff\xff\xff\x00\x00\x00\x00\x81\xa1g\x01\x80")
	group := slices.Concat(start, entries(6, 100), []byte(event.GroupEnd), entries(2, 100))
	events := 0
	err := Cut(group, 400, func(piece []byte, n int) {
		c := event.Chunk{Entries: slices.Clone(piece), Events: n}
		it, ev, got := c.Iterator(), event.Event{}, 0
		for it.Next(&ev) {
			if grouped := events+got < 6; grouped != (ev.Group != nil) {
				t.Errorf("event %d is in group %q", events+got, ev.Group)
			}
			got++
		}
		if it.Err() != nil || got != n || len(piece) > 400 {
			t.Errorf("%d events of %d in %d bytes: %v", got, n, len(piece), it.Err())
		}
		events += n
	})
	if err != nil || events != 8 {
		t.Errorf("%d events: %v", events, err)
	}
	// An event that is too large is alone, with its group.
	var alone []int
	group = slices.Concat(start, entries(1, 100), entries(1, 1000), entries(2, 100), []byte(event.GroupEnd))
	if err := Cut(group, 400, func(piece []byte, n int) {
		if alone = append(alone, n); len(piece) > 400 && !strings.HasPrefix(string(piece), string(start)) {
			t.Errorf("it begins with %q", piece[:20])
		}
	}); err != nil || !slices.Equal(alone, []int{1, 1, 2}) {
		t.Errorf("an event that is too large: pieces of %d events: %v", alone, err)
	}
	if err := Cut([]byte("\xc1"), 400, func([]byte, int) {}); err == nil {
		t.Error("bytes that are no events are cut")
	}
}

func TestMaxPiece(t *testing.T) {
	for payload, want := range map[int]int{
		0: usualPayload - headRoom, 1 << 20: 1<<20 - headRoom, 64 << 20: 32 << 20, 8 << 20: MaxPieceSize, 1000: 500,
	} {
		if got := MaxPiece(payload); got != want {
			t.Errorf("of a message of %d bytes, %d are a piece's, want %d", payload, got, want)
		}
	}
}

// Parts go with their events into pieces, and are cut where pieces are.
func TestPieces(t *testing.T) {
	a, b := event.Part{Key: [16]byte{1}, First: 10, Events: 3}, event.Part{Key: [16]byte{2}, Events: 5}
	all := entries(8, 100)
	var got []event.Part
	var raw []byte
	events := 0
	if err := Pieces(all, []event.Part{a, b}, 300, func(piece []byte, parts []event.Part, before int) {
		if before != events {
			t.Errorf("%d events before, want %d", before, events)
		}
		raw = append(raw, piece...)
		for _, p := range parts {
			events += p.Events
		}
		got = append(got, parts...)
	}); err != nil || events != 8 || string(raw) != string(all) {
		t.Fatalf("%d events in %d of %d bytes: %v", events, len(raw), len(all), err)
	}
	next := map[[16]byte]int{a.Key: a.First, b.Key: b.First}
	for _, p := range got {
		if p.First != next[p.Key] {
			t.Errorf("a part of %v begins at %d, want %d", p.Key[0], p.First, next[p.Key])
		}
		next[p.Key] += p.Events
	}
	if next[a.Key] != 13 || next[b.Key] != 5 {
		t.Errorf("parts end at %v", next)
	}
	calls := 0
	err := Pieces(all, []event.Part{a, b}, len(all), func([]byte, []event.Part, int) { calls++ })
	if err != nil || calls != 1 {
		t.Errorf("what fits is put %d times: %v", calls, err)
	}
}

// Whoever seals the same again makes the same id, and nothing else does.
func TestDigest(t *testing.T) {
	parts := []event.Part{{Key: [16]byte{1}, First: 1, Events: 2}}
	other := []event.Part{{Key: [16]byte{1}, First: 2, Events: 2}}
	one := Digest(parts, false, []byte("x"))
	if one != Digest(slices.Clone(parts), false, []byte("y")) {
		t.Error("the id is not of the events alone")
	}
	for name, o := range map[string]string{
		"other events": Digest(other, false, []byte("x")), "filtered": Digest(parts, true, []byte("x")),
	} {
		if o == one {
			t.Errorf("%s have the same id", name)
		}
	}
	if Digest(parts, true, []byte("x")) == Digest(parts, true, []byte("y")) {
		t.Error("what filters leave has the same id, whatever it is")
	}
}

func TestAppend(t *testing.T) {
	packer, err := chunk.NewPacker("s2")
	if err != nil {
		t.Fatal(err)
	}
	defer packer.Close()
	all := entries(3, 1000)
	parts := []event.Part{
		{Key: [16]byte{1}, Chunk: [16]byte{1}, Events: 1}, {Key: [16]byte{2}, Chunk: [16]byte{3}, Events: 2},
	}
	h := chunk.Header{
		Seq: 7, Raw: len(all), Events: 3, Cluster: "c", Tag: "t", Parts: chunk.Kept(parts, chunk.PartKeyed),
	}
	data := Append([]byte("before"), packer, &h, all, false)
	if data = data[len("before"):]; data[9] != byte(chunk.CodecS2) {
		t.Errorf("the codec is %d", data[9])
	}
	if err := chunk.Verify(data); err != nil {
		t.Fatal(err)
	}
	got, err := chunk.DecodeHeader(data, nil)
	if err != nil || got.Cluster != "c" || got.Events != 3 || len(got.Parts) != 2 {
		t.Fatalf("%+v: %v", got, err)
	}
	// A chunk's key that is the events' own is not stored twice.
	if kept := chunk.Kept(parts, 0); kept[0].Chunk != ([16]byte{}) || kept[1].Chunk != parts[1].Chunk {
		t.Errorf("%+v", kept)
	}
	raw, err := packer.Unpack(nil, data[got.Payload:], got.Codec, got.Raw)
	if err != nil || !reflect.DeepEqual(raw, all) {
		t.Errorf("%d of %d bytes: %v", len(raw), len(all), err)
	}
}
