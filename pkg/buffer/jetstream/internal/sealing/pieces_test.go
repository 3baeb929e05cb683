package sealing

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/buffer/chunk"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// groupStart is the entry that begins a group with the record {"g": n}.
func groupStart(n byte) []byte {
	return []byte("\x92\x92\xd7\x00\xff\xff\xff\xff\x00\x00\x00\x00\x81\xa1g" + string(rune(n)) + "\x80")
}

// The room of a piece follows what servers take, with room for headers, and never more than large pieces are good for.
func TestRoom(t *testing.T) {
	const kib, mib = 1 << 10, 1 << 20
	for _, tc := range []struct {
		name                 string
		payload, piece, fits int
	}{
		{"nobody has said", 0, mib - 64*kib, mib - 64*kib},
		{"nonsense", -1, mib - 64*kib, mib - 64*kib},
		{"next to nothing", 1, 0, 0},
		{"less than the headers may have", 64 * kib, 32 * kib, 32 * kib},
		{"where half is as much", 128 * kib, 64 * kib, 64 * kib},
		{"a byte more", 128*kib + 1, 64*kib + 1, 64*kib + 1},
		{"the usual", mib, mib - 64*kib, mib - 64*kib},
		{"as large as pieces get", 4*mib + 64*kib, 4 * mib, 4 * mib},
		{"larger: what compresses to no less still fits", 5 * mib, 4 * mib, 5*mib - 64*kib},
		{"where half is more than pieces get", 8*mib + 2, 4*mib + 1, 8*mib + 2 - 64*kib},
		{"the largest that NATS knows", 64 * mib, 32 * mib, 64*mib - 64*kib},
	} {
		if got := MaxPiece(tc.payload); got != tc.piece {
			t.Errorf("%s: a piece has %d bytes, want %d", tc.name, got, tc.piece)
		}
		if !Fits(tc.fits, tc.payload) || Fits(tc.fits+1, tc.payload) {
			t.Errorf("%s: %d bytes fit %v, one more %v", tc.name, tc.fits, Fits(tc.fits, tc.payload),
				Fits(tc.fits+1, tc.payload))
		}
		if MaxPiece(tc.payload) > tc.fits {
			t.Errorf("%s: a piece that does not compress has no room", tc.name)
		}
	}
}

// Ids are part of what the servers remember: processes of different versions must make the same.
func TestID(t *testing.T) {
	key := [16]byte{0xfb, 0xef, 0xbe, 1, 2, 3}
	for _, tc := range []struct {
		kind   string
		key    [16]byte
		events int
		want   string
	}{
		{"c-", key, 1, "c-----AQIDAAAAAAAAAAAAAA-1"},
		{"", [16]byte{}, 0, "AAAAAAAAAAAAAAAAAAAAAA-0"},
		{"a.long.kind.", [16]byte{15: 0xff}, 1 << 40, "a.long.kind.AAAAAAAAAAAAAAAAAAAA_w-1099511627776"},
	} {
		if got := ID(tc.kind, &tc.key, tc.events); got != tc.want {
			t.Errorf("%q of %d events: %s, want %s", tc.kind, tc.events, got, tc.want)
		}
	}
}

// Each thing that tells events apart is in the digest, and nothing else.
func TestDigestParts(t *testing.T) {
	of := func() []event.Part {
		return []event.Part{{Key: [16]byte{1}, First: 1, Events: 2, Joined: 3}, {Key: [16]byte{2}, First: 5, Events: 1}}
	}
	one := Digest(of(), false, nil)
	if len(one) != 24 || strings.Trim(one, "0123456789abcdef") != "" {
		t.Errorf("%q is not 12 bytes in hexadecimal", one)
	}
	seen := map[string]string{one: "as it is"}
	for name, change := range map[string]func([]event.Part) []event.Part{
		"another key":    func(p []event.Part) []event.Part { p[0].Key[15] = 1; return p },
		"another place":  func(p []event.Part) []event.Part { p[0].First++; return p },
		"more events":    func(p []event.Part) []event.Part { p[0].Events++; return p },
		"joined anew":    func(p []event.Part) []event.Part { p[1].Joined++; return p },
		"one part":       func(p []event.Part) []event.Part { return p[:1] },
		"no part":        func([]event.Part) []event.Part { return nil },
		"another order":  func(p []event.Part) []event.Part { slices.Reverse(p); return p },
		"one part twice": func(p []event.Part) []event.Part { return append(p, p[1]) },
	} {
		got := Digest(change(of()), false, nil)
		if other, ok := seen[got]; ok {
			t.Errorf("%s has the digest of %s", name, other)
		}
		seen[got] = name
	}
	// The agent's own key says nothing more.
	same := of()
	same[0].Chunk = [16]byte{7}
	if Digest(same, false, nil) != one {
		t.Error("the key of the agent's chunk is in the digest")
	}
	if filtered := Digest(of(), true, nil); seen[filtered] != "" {
		t.Errorf("filtered, and nothing left: the digest of %s", seen[filtered])
	}
}

// What is cut is the same events in the same order, in pieces as large as may be, and none is empty.
func TestCutModel(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 0))
		// groupOf is the group of each event, 0: none.
		var all []byte
		var groupOf, sizes []int
		group := 0
		for range 1 + r.IntN(30) {
			switch {
			case group > 0 && r.IntN(4) == 0:
				group = 0
				all = append(all, event.GroupEnd...)
			case group == 0 && r.IntN(4) == 0:
				group = 1 + r.IntN(100)
				all = append(all, groupStart(byte(group))...)
			}
			size := 1 + r.IntN(200)
			all = append(all, entries(1, size)...)
			groupOf, sizes = append(groupOf, group), append(sizes, size)
		}
		most := 50 + r.IntN(800)
		n, pieces := 0, 0
		err := Cut(all, most, func(piece []byte, events int) {
			pieces++
			if events == 0 || len(piece) > most && events != 1 {
				t.Errorf("seed %d: %d events in %d bytes, at most %d", seed, events, len(piece), most)
			}
			c := event.Chunk{Entries: slices.Clone(piece), Events: events}
			it, ev := c.Iterator(), event.Event{}
			for it.Next(&ev) {
				want := ""
				if groupOf[n] > 0 {
					want = string(groupStart(byte(groupOf[n])))
				}
				if got := string(ev.Group); got != want {
					t.Errorf("seed %d: event %d is in group %q, want %q", seed, n, got, want)
				}
				if !bytes.Contains(ev.Record, entries(1, sizes[n])[12:]) {
					t.Errorf("seed %d: event %d is another one", seed, n)
				}
				n++
			}
			if it.Err() != nil {
				t.Errorf("seed %d: %v", seed, it.Err())
			}
		})
		if err != nil || n != len(sizes) {
			t.Errorf("seed %d: %d events of %d in %d pieces: %v", seed, n, len(sizes), pieces, err)
		}
	}
}

// What is no event is told with how much there was, after what came before it.
func TestCutBroken(t *testing.T) {
	whole := entries(3, 100)
	for _, tc := range []struct {
		name    string
		entries []byte
		most    int
		events  []int
		text    string
	}{
		{"nothing", nil, 100, nil, ""},
		{"what fits", whole, 1000, []int{3}, ""},
		{"room for none", whole, 0, []int{1, 1, 1}, ""},
		// Each has 119 bytes, and the end of a group, for which there is always room, 14.
		{"room for two", whole, 2*119 + 14, []int{2, 1}, ""},
		{"room for two, but for a byte", whole, 2*119 + 13, []int{1, 1, 1}, ""},
		{"the last is cut", whole[:len(whole)-1], 150, []int{1}, "cut 356 bytes of entries: "},
		{"no msgpack", append(slices.Clone(whole), 0xc1), 150, []int{1, 1}, "cut 358 bytes of entries: "},
		{"a group without events", slices.Concat(groupStart(1), []byte(event.GroupEnd)), 100, nil, ""},
		{"a group that does not end", slices.Concat(groupStart(1), whole), 1000, []int{3}, ""},
	} {
		var got []int
		err := Cut(tc.entries, tc.most, func(_ []byte, events int) { got = append(got, events) })
		if !slices.Equal(got, tc.events) {
			t.Errorf("%s: pieces of %v events, want %v", tc.name, got, tc.events)
		}
		if (err == nil) != (tc.text == "") || err != nil && !strings.HasPrefix(err.Error(), tc.text) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.text)
		}
	}
}

func TestSplitParts(t *testing.T) {
	a, b, none := event.Part{Key: [16]byte{1}, First: 10, Events: 3}, event.Part{Key: [16]byte{2}, Events: 5},
		event.Part{Key: [16]byte{3}}
	part := func(of event.Part, first, events int) event.Part {
		of.First, of.Events = first, events
		return of
	}
	for _, tc := range []struct {
		name       string
		parts      []event.Part
		events     int
		head, tail []event.Part
	}{
		{"nothing of nothing", nil, 0, nil, nil},
		{"more than there is", []event.Part{a}, 4, []event.Part{a}, []event.Part{}},
		{"no events", []event.Part{a, b}, 0, nil, []event.Part{a, b}},
		{"within the first", []event.Part{a, b}, 1, []event.Part{part(a, 10, 1)}, []event.Part{part(a, 11, 2), b}},
		{"the first", []event.Part{a, b}, 3, []event.Part{a}, []event.Part{b}},
		{"within the second", []event.Part{a, b}, 4, []event.Part{a, part(b, 0, 1)}, []event.Part{part(b, 1, 4)}},
		{"all", []event.Part{a, b}, 8, []event.Part{a, b}, []event.Part{}},
		{
			"over one of none",
			[]event.Part{a, none, b},
			4,
			[]event.Part{a, none, part(b, 0, 1)},
			[]event.Part{part(b, 1, 4)},
		},
	} {
		before := slices.Clone(tc.parts)
		head, tail := splitParts(tc.parts, tc.events)
		if !slices.Equal(head, tc.head) || !slices.Equal(tail, tc.tail) {
			t.Errorf("%s: %+v and %+v, want %+v and %+v", tc.name, head, tail, tc.head, tc.tail)
		}
		if !slices.Equal(tc.parts, before) {
			t.Errorf("%s: what was given is %+v now", tc.name, tc.parts)
		}
	}
}

// Parts that are given to Pieces are the caller's, whatever is cut.
func TestPiecesLeaveParts(t *testing.T) {
	parts := []event.Part{{Key: [16]byte{1}, Events: 5}, {Key: [16]byte{2}, Events: 3}}
	before := slices.Clone(parts)
	var firsts []int
	if err := Pieces(entries(8, 100), parts, 300, func(_ []byte, _ []event.Part, first int) {
		firsts = append(firsts, first)
	}); err != nil || !slices.Equal(firsts, []int{0, 2, 4, 6}) {
		t.Errorf("pieces begin at %v: %v", firsts, err)
	}
	if !slices.Equal(parts, before) {
		t.Errorf("%+v, want %+v", parts, before)
	}
	if err := Pieces([]byte("\xc1\xc1"), parts, 1, func([]byte, []event.Part, int) { t.Error("a piece") }); err == nil {
		t.Error("bytes that are no events are cut")
	}
}

// What is compressed already is stored as it is, under the codec that the header names.
func TestAppendPacked(t *testing.T) {
	packer, err := chunk.NewPacker("s2")
	if err != nil {
		t.Fatal(err)
	}
	defer packer.Close()
	all := entries(5, 1000)
	packed, how := packer.Pack(nil, all)
	h := chunk.Header{
		Seq: 9, Raw: len(all), Events: 5, Cluster: "c", Tag: "t", Codec: how,
		Parts: chunk.Kept([]event.Part{{Key: [16]byte{1}, Events: 5}}, chunk.PartKeyed),
	}
	ready := Append(nil, packer, &h, packed, true)
	h.Codec = 0
	if fresh := Append(nil, packer, &h, all, false); !reflect.DeepEqual(ready, fresh) {
		t.Errorf("%d bytes, where it is compressed when it is sealed %d", len(ready), len(fresh))
	}
	got, err := chunk.DecodeHeader(ready, nil)
	if err != nil || chunk.Verify(ready) != nil || got.Codec != how || got.Raw != len(all) {
		t.Fatalf("%+v: %v", got, err)
	}
	raw, err := packer.Unpack(nil, ready[got.Payload:], got.Codec, got.Raw)
	if err != nil || !bytes.Equal(raw, all) {
		t.Errorf("%d of %d bytes: %v", len(raw), len(all), err)
	}
}
