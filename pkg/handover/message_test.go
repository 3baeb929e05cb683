package handover

import (
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// entriesOf returns so many events as they are stored.
func entriesOf(n int) (b []byte) {
	for i := range n {
		b = event.AppendEntry(
			b, event.AppendTime(nil, event.Time{Sec: int64(1 + i)}), nil, []byte{0x81, 0xa1, 'n', byte(i)},
		)
	}
	return b
}

// whole is a chunk with all that a chunk can have.
func whole() buffer.Handed {
	return buffer.Handed{
		Chunk: event.Chunk{
			Seq: 7, Cluster: "seoul", Tag: "kube.a", NewTag: "web", Source: `{"address":"10.0.0.1"}`,
			Received: time.Unix(
				1700000000, 123456789,
			), Events: 5, Entries: entriesOf(5), Returned: true, Filtered: true,
			Parts: []event.Part{
				{Key: [16]byte{1, 2, 3}, Chunk: [16]byte{9}, First: 0, Events: 2},
				{Key: [16]byte{4}, First: 3, Events: 3, Joined: math.MaxUint64},
			},
		},
		Owes: []buffer.Owing{{Output: "es"}, {Output: "es", Target: "logs-2026.03.01"}, {Output: "s3"}},
	}
}

// A chunk is the same on the other side, with its ids, its place and whom it is owed to.
func TestHeader_RoundTrip(t *testing.T) {
	for name, change := range map[string]func(h *buffer.Handed){
		"all of it": func(*buffer.Handed) {},
		"nothing but what must": func(h *buffer.Handed) {
			h.NewTag, h.Source, h.Returned, h.Filtered = "", "", false, false
		},
		"one part":            func(h *buffer.Handed) { h.Parts = []event.Part{{Events: 5}} },
		"a part of no events": func(h *buffer.Handed) { h.Parts = append(h.Parts, event.Part{Key: [16]byte{8}}) },
		"a late position":     func(h *buffer.Handed) { h.Parts[0].First = math.MaxInt32 },
		"the largest number":  func(h *buffer.Handed) { h.Seq = math.MaxUint64 },
		"a time before 1970":  func(h *buffer.Handed) { h.Received = time.Unix(-1, 5) },
		"names of any alphabet": func(h *buffer.Handed) {
			h.Cluster, h.Tag, h.Owes[1].Target = "서울", "태그.\xff", "색인"
		},
		"no events at all": func(h *buffer.Handed) {
			h.Events, h.Entries, h.Parts = 0, []byte{}, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			want := whole()
			change(&want)
			b, err := appendFrame(
				[]byte("before"), "id-1", &message{Kind: kindChunk, Chunk: headerOf(&want)}, want.Entries,
			)
			if err != nil {
				t.Fatal(err)
			}
			var f frame
			if err := msgpack.Unmarshal(b[len("before"):], &f); err != nil {
				t.Fatal(err)
			}
			if f.Tag != Tag || f.Option.Chunk != "id-1" || f.Option.Handover.Kind != kindChunk {
				t.Errorf("%s, %s, %s", f.Tag, f.Option.Chunk, f.Option.Handover.Kind)
			}
			got, err := f.Option.Handover.Chunk.handed(f.Entries)
			if err != nil {
				t.Fatal(err)
			}
			if !got.Received.Equal(want.Received) {
				t.Errorf("received %v, want %v", got.Received, want.Received)
			}
			got.Received = want.Received
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

// What no aggregator sends is refused, with the chunk's number.
func TestHeader_Nonsense(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(c *chunkHeader, entries *[]byte)
		want   string
	}{
		{
			"an event too few", func(_ *chunkHeader, b *[]byte) { *b = entriesOf(4) },
			"chunk 7 has 4 events, parts of 5, and says it has 5",
		},
		{"an event too many", func(_ *chunkHeader, b *[]byte) { *b = entriesOf(6) }, "chunk 7 has 6 events"},
		{"no entries", func(_ *chunkHeader, b *[]byte) { *b = nil }, "chunk 7 has 0 events"},
		{"entries that are cut", func(_ *chunkHeader, b *[]byte) { *b = (*b)[:len(*b)-1] }, "chunk 7: "},
		{"entries that are none", func(_ *chunkHeader, b *[]byte) { *b = []byte{0x01} }, "an entry is no event"},
		{"an event more, it says", func(c *chunkHeader, _ *[]byte) { c.Events = 6 }, "and says it has 6"},
		{"parts of fewer", func(c *chunkHeader, _ *[]byte) { c.Parts = c.Parts[:1] }, "parts of 2"},
		{"no parts", func(c *chunkHeader, _ *[]byte) { c.Parts = nil }, "parts of 0"},
		{
			"a part before its first event", func(c *chunkHeader, _ *[]byte) { c.Parts[0].First = -1 },
			"a part that no event's id can be made of",
		},
		{
			"a part of less than none",
			func(c *chunkHeader, _ *[]byte) { c.Parts[0].Events, c.Parts[1].Events = -1, 6 },
			"a part that no event's id can be made of",
		},
		{
			"parts that add up beyond all numbers", func(c *chunkHeader, _ *[]byte) {
				c.Parts = []part{
					{Key: make([]byte, 16), Events: math.MaxInt},
					{Key: make([]byte, 16), Events: math.MaxInt},
					{Key: make([]byte, 16), Events: 7},
				}
			}, "a part that no event's id can be made of",
		},
		{
			"a short key", func(c *chunkHeader, _ *[]byte) { c.Parts[0].Key = c.Parts[0].Key[:15] },
			"a part that no event's id can be made of",
		},
		{
			"a long key", func(c *chunkHeader, _ *[]byte) { c.Parts[0].Key = make([]byte, 17) },
			"a part that no event's id can be made of",
		},
		{
			"no key", func(c *chunkHeader, _ *[]byte) { c.Parts[1].Key = nil },
			"a part that no event's id can be made of",
		},
		{
			"a long chunk id", func(c *chunkHeader, _ *[]byte) { c.Parts[0].Chunk = make([]byte, 17) },
			"a part that no event's id can be made of",
		},
		{"no number", func(c *chunkHeader, _ *[]byte) { c.Seq = 0 }, "chunk 0 is for no output"},
		{"nobody who wants it", func(c *chunkHeader, _ *[]byte) { c.Owes = nil }, "chunk 7 is for no output"},
		{
			"an output without a name", func(c *chunkHeader, _ *[]byte) { c.Owes[0].Output = "" },
			`chunk 7 is for an output "", target ""`,
		},
		{
			"an output with a control character", func(c *chunkHeader, _ *[]byte) { c.Owes[0].Output = "es\x00x" },
			`an output "es\x00x"`,
		},
		{
			"a target with a line feed", func(c *chunkHeader, _ *[]byte) { c.Owes[1].Target = "logs\n" },
			`target "logs\n"`,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := whole()
			c, entries := headerOf(&h), h.Entries
			tc.change(c, &entries)
			if _, err := c.handed(entries); !errors.Is(err, errSense) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%v, want %s", err, tc.want)
			}
		})
	}
}

// A dead letter is the same on the other side.
func TestLetter_RoundTrip(t *testing.T) {
	for _, want := range []deadletter.Letter{
		{},
		{
			ID: math.MaxUint64, Time: time.Unix(1700000000, 5), Cluster: "seoul", Tag: "kube.\xff", Output: "es",
			EventID: "AQIDAAAAAAAAAAAAAAAAAA-0", Status: 400, Reason: "rejected", Detail: "mapper \x1b[1m\n서울",
			Attempts: 3,
			Events:   2, Entry: entriesOf(2),
		},
	} {
		if want.Time.IsZero() {
			want.Time = time.Unix(0, 0)
		}
		b, err := appendFrame(nil, "1", &message{Kind: kindLetter, Letter: letterOf(&want)}, want.Entry)
		if err != nil {
			t.Fatal(err)
		}
		var f frame
		if err := msgpack.Unmarshal(b, &f); err != nil {
			t.Fatal(err)
		}
		entry := f.Entries
		if want.Entry == nil && len(entry) == 0 {
			entry = nil
		}
		if got := f.Option.Handover.Letter.letter(entry); !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

func TestPlainName(t *testing.T) {
	for name, want := range map[string]bool{
		"": true, "es": true, "logs-2026.03.01": true, "색인": true, "a b": true, "a\x7fb": true, "a\x00b": false,
		"\x1f": false,
		"a\nb": false, "tab\t": false,
	} {
		if got := plainName(name); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}
