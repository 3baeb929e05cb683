package pack

import (
	"fmt"
	"slices"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/buffer/chunk"
	"github.com/seed-afc6a195/aggregator/pkg/resend"
)

// settledPart is the last piece of a message.
func settledPart(conn, commit uint64, flags byte) chunk.Part {
	return chunk.Part{
		Flags: chunk.PartKeyed | chunk.PartLast | flags, Key: [16]byte{byte(conn), byte(commit)}, Conn: conn,
		CommitSeq: commit, Events: 2, Total: 2,
	}
}

func settledChunk(seq uint64, parts ...chunk.Part) []byte {
	h := chunk.Header{
		Seq: seq, Salt: 7, Received: int64(seq), Raw: 1, Cluster: "c", Tag: "t", Outputs: []string{"o"}, Parts: parts,
	}
	for i := range parts {
		h.Events += parts[i].Events
	}
	b := append(chunk.AppendHeader(nil, &h), 'x')
	chunk.Seal(b)
	return b
}

// tailsOf returns how connections end in the chunks.
func tailsOf(t *testing.T, chunks ...[]byte) map[uint64]string {
	t.Helper()
	tails := resend.Tails{}
	for _, value := range chunks {
		if value == nil {
			continue
		}
		if err := chunk.Verify(value); err != nil {
			t.Fatal(err)
		}
		h, err := chunk.DecodeHeader(value, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range h.Parts {
			if p.Flags&chunk.PartLast != 0 {
				tails.Add(p.Conn, p.CommitSeq, p.Flags&chunk.PartAhead != 0, h.Received, resend.Key{
					Chunk: p.Key, Events: p.Total,
				})
			}
		}
	}
	all := map[uint64]string{}
	for conn, tail := range tails {
		all[conn] = fmt.Sprint(tail.Commit, tail.Ahead, tail.Keys)
	}
	return all
}

// What stands in the place of chunks tells the same of the ends of connections as they do, and no more than it must.
func TestSettled(t *testing.T) {
	first := chunk.Part{Flags: chunk.PartKeyed, Key: [16]byte{9}, Conn: 9, CommitSeq: 1, Events: 1}
	for _, tc := range []struct {
		name   string
		chunks [][]byte
		parts  int
	}{
		{"one message", [][]byte{settledChunk(1, settledPart(1, 1, 0))}, 1},
		{"one connection that waits", [][]byte{
			settledChunk(1, settledPart(1, 1, 0)), settledChunk(2, settledPart(1, 2, 0), settledPart(1, 2, 0)),
		}, 2},
		{"one that does not", [][]byte{
			settledChunk(1, settledPart(1, 1, 0)), settledChunk(2, settledPart(1, 2, 0)),
			settledChunk(3, settledPart(1, 3, chunk.PartAhead)), settledChunk(4, settledPart(1, 4, chunk.PartAhead)),
		}, 3},
		{"several", [][]byte{
			settledChunk(1, settledPart(1, 1, 0), settledPart(2, 1, 0)), settledChunk(2, settledPart(2, 2, 0)),
			settledChunk(3, settledPart(1, 3, 0), settledPart(3, 3, 0)),
		}, 3},
		{"pieces of messages, and what has no id", [][]byte{settledChunk(1, first, chunk.Part{Events: 3})}, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var s Settled
			for _, value := range tc.chunks {
				if !s.Add(value) {
					t.Fatal("it is not added")
				}
			}
			value := s.Chunk()
			if (value == nil) != (tc.parts == 0) {
				t.Fatalf("chunk %x", value)
			}
			if got, want := tailsOf(t, value), tailsOf(t, tc.chunks...); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("got  %v\nwant %v", got, want)
			}
			if value == nil {
				return
			}
			h, err := chunk.DecodeHeader(value, nil)
			if err != nil || len(h.Parts) != tc.parts || h.Seq != uint64(len(tc.chunks)) || len(h.Outputs) > 0 ||
				h.Salt != 7 || h.Size != h.Payload {
				t.Errorf("%+v, %v", h, err)
			}
		})
	}
}

// What a start looks for by its chunks is kept.
func TestNotSettled(t *testing.T) {
	handed := chunk.Header{
		Seq: 1, Origin: chunk.Origin{Queue: [16]byte{1}, Seq: 3}, Parts: []chunk.Part{settledPart(1, 1, 0)}, Events: 2,
	}
	value := chunk.AppendHeader(nil, &handed)
	chunk.Seal(value)
	kept := [][]byte{value, slices.Concat(value[:20], []byte("rotten"))}
	for _, flag := range []byte{chunk.PartRequeued, chunk.PartFiltered, chunk.PartUnrouted} {
		kept = append(kept, settledChunk(1, settledPart(1, 1, flag)))
	}
	for i, value := range kept {
		var s Settled
		if s.Add(value) || s.Chunk() != nil {
			t.Errorf("chunk %d would not be kept", i)
		}
	}
}
