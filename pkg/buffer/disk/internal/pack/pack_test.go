package pack

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/chunk"
)

// Small messages of one cluster, tag and outputs share a chunk, large ones have their own, and no message's events
// change their order.
func TestBuilder(t *testing.T) {
	outputs := []string{"es"}
	type message struct {
		tag  string
		size int // bytes, of one event
	}
	for _, tc := range []struct {
		name     string
		messages []message
		want     []string // tag and events of each chunk
	}{
		{"small ones together", []message{{"a", 10}, {"a", 20}, {"a", 30}}, []string{"a 3"}},
		{"by tag", []message{{"a", 10}, {"b", 20}, {"a", 30}}, []string{"a 2", "b 1"}},
		{
			"a large one alone, after what came before",
			[]message{{"a", 10}, {"a", packAlone}, {"a", 30}},
			[]string{"a 1", "a 1", "a 1"},
		},
		{"up to the bound", slices.Repeat([]message{{"a", packAlone - 1}}, 20), []string{"a 16", "a 4"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			packer, err := chunk.NewPacker("s2")
			if err != nil {
				t.Fatal(err)
			}
			defer packer.Close()
			b := &Batch{Memory: &Memory{Packer: packer}, Conn: 1}
			var sent, stored bytes.Buffer // of tag a
			for i, m := range tc.messages {
				entries := bytes.Repeat([]byte{byte(i)}, m.size)
				b.Begin(buffer.Message{Cluster: "c", Tag: m.tag, Outputs: outputs})
				b.Add(entries, 1, true)
				if m.tag == "a" {
					sent.Write(entries)
				}
			}
			b.Prepare()
			b.Part(math.MaxInt64)
			g := &Builder{Memory: b.Memory, Now: time.Unix(1, 0), Next: 7}
			g.Add(b)
			g.Flush()
			var got []string
			for i, ch := range g.Chunks {
				value := g.Values[ch.From:ch.To]
				h, err := chunk.DecodeHeader(value, nil)
				if err != nil || chunk.Verify(value) != nil || h.Seq != uint64(7+i) {
					t.Fatalf("chunk %d: %+v, %v", i, h, err)
				}
				entries, err := packer.Unpack(nil, value[h.Payload:], h.Codec, h.Raw)
				if err != nil {
					t.Fatal(err)
				}
				if h.Tag == "a" {
					stored.Write(entries)
				}
				got = append(got, fmt.Sprint(h.Tag, " ", h.Events))
			}
			if !slices.Equal(got, tc.want) || b.Partial() || g.Next != uint64(7+len(got)) {
				t.Errorf("chunks %q, next %d; want %q", got, g.Next, tc.want)
			}
			if !bytes.Equal(stored.Bytes(), sent.Bytes()) {
				t.Error("the events of tag a are not stored as they came")
			}
		})
	}
}

// TestBuilderClear builds one transaction after the other with the same builder: the second has nothing of the first.
func TestBuilderClear(t *testing.T) {
	packer, err := chunk.NewPacker("s2")
	if err != nil {
		t.Fatal(err)
	}
	defer packer.Close()
	memory := &Memory{Packer: packer}
	g := &Builder{Memory: memory, Now: time.Unix(1, 0), Next: 7}
	for round, keep := range []int{1 << 20, 1 << 20, 0} {
		b := &Batch{Memory: memory}
		for _, tag := range []string{"a", "b"} {
			b.Begin(buffer.Message{Cluster: "c", Tag: tag, Outputs: []string{"o"}})
			b.Add(bytes.Repeat([]byte{byte(round)}, 100), 1, true)
		}
		b.Prepare()
		b.Part(math.MaxInt64)
		g.Add(b)
		g.Flush()
		if len(g.Chunks) != 2 || g.Chunks[0].Seq != uint64(7+2*round) || g.Chunks[0].From != 0 ||
			g.Chunks[1].To != len(g.Values) {
			t.Errorf("round %d: %d chunks, the first %d at %d", round, len(g.Chunks), g.Chunks[0].Seq, g.Chunks[0].From)
		}
		g.Clear(keep)
		if len(g.Chunks)+len(g.Values)+len(g.Whole)+len(g.order)+len(g.builders) > 0 || cap(g.Values) > keep {
			t.Errorf("round %d: %d chunks, %d bytes of room are left", round, len(g.Chunks), cap(g.Values))
		}
	}
}

// TestBuilderAgain builds the same batches twice, as after a transaction that has failed, with others between: they are
// only read, and what was built before changes nothing.
func TestBuilderAgain(t *testing.T) {
	packer, err := chunk.NewPacker("none")
	if err != nil {
		t.Fatal(err)
	}
	defer packer.Close()
	memory := &Memory{Packer: packer, Entries: chunk.Pool{Keep: 1 << 20}, Arenas: chunk.Pool{Keep: 1 << 20}}
	outputs := []string{"o"}
	batchOf := func(conn uint64, tags ...string) *Batch {
		b := &Batch{Memory: memory, Conn: conn}
		for i, tag := range tags {
			b.Begin(buffer.Message{Cluster: "c", Tag: tag, Chunk: fmt.Sprint(conn, " ", i), Outputs: outputs})
			b.Add(bytes.Repeat([]byte{byte(conn), byte(i)}, 50), 1, true)
		}
		b.Prepare()
		return b
	}
	g := &Builder{Memory: memory, Now: time.Unix(1, 0)}
	build := func(batches ...*Batch) (chunks []string) {
		for _, b := range batches {
			b.Part(math.MaxInt64)
			g.Add(b)
		}
		g.Flush()
		for _, ch := range g.Chunks {
			h, err := chunk.DecodeHeader(g.Values[ch.From:ch.To], nil)
			if err != nil {
				t.Fatal(err)
			}
			entries := g.Values[ch.From+h.Payload : ch.To]
			chunks = append(chunks, fmt.Sprintf("%s of %d: %v %x", h.Tag, h.Events, h.Parts, entries))
		}
		g.Clear(1 << 20)
		return chunks
	}
	all := []*Batch{batchOf(1, "a", "b", "a"), batchOf(2, "a"), batchOf(3, "c", "a", "b")}
	first := build(all...)
	build(batchOf(4, "x", "y", "z", "x", "x", "z"), batchOf(5, "x"))
	if again := build(all...); len(first) != 3 || !slices.Equal(first, again) {
		t.Errorf("first %q\nthen  %q", first, again)
	}
}
