package collect

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/chunk"
	"github.com/seed-afc6a195/aggregator/pkg/resend"
)

// newBatch returns a batch for servers that take messages of so many bytes.
func newBatch(t *testing.T, payload int) *Batch {
	t.Helper()
	packer, err := chunk.NewPacker("s2")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(packer.Close)
	return &Batch{Memory: &Memory{Packer: packer}, MaxPayload: func() int { return payload }}
}

// entry returns an event with a text of n bytes that compresses to next to nothing, or not at all.
func entry(n int, random bool) []byte {
	text := strings.Repeat("x", n)
	if random {
		b := make([]byte, n)
		for i, x := 0, uint32(1); i < n; i++ {
			x = x*1664525 + 1013904223
			b[i] = byte(x >> 24)
		}
		text = string(b)
	}
	return append([]byte{0x92, 1, 0x81, 0xa1, 'm', 0xdb, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, text...)
}

func TestOwnID(t *testing.T) {
	for id, want := range map[string]bool{
		"":                                     false,
		"p8n9gmxTQVC8/nh2wlKKeQ==":             false, // Fluent Bit: a hash
		"0123456789abcdef0123456789abcdef":     false, // Fluent Bit 1: a hash
		"WYxGZjqm6yhRWvLJ0V3XAQ==\n":           true,  // fluentd
		"7f2c9a3e-5b1d-4e8f-9a6b-0c1d2e3f4a5b": true,  // Fluency
		"7f2c9a3e+5b1d+4e8f+9a6b+0c1d2e3f4a5b": false,
	} {
		if got := ownID(id); got != want {
			t.Errorf("%q: %t", id, got)
		}
	}
}

// TestAdd holds how entries become pieces.
func TestAdd(t *testing.T) {
	small, large, huge := entry(100, false), entry(packAlone, false), entry(3<<20, true)
	type pieces = []struct{ first, events int }
	for _, tc := range []struct {
		name    string
		add     func(b *Batch)
		pieces  pieces
		letters int
	}{
		{"small ones continue each other", func(b *Batch) {
			b.Add(small, 1, false)
			b.Add(small, 1, false)
		}, pieces{{0, 2}}, 0},
		{"not over one that was rejected", func(b *Batch) {
			b.Add(small, 1, false)
			b.Reject([]byte("bad"), 1, "not_an_event")
			b.Add(small, 1, false)
		}, pieces{{0, 1}, {2, 1}}, 1},
		{"nor over a large one", func(b *Batch) {
			b.Add(small, 1, false)
			b.Add(large, 1, false)
			b.Add(small, 1, false)
		}, pieces{{0, 1}, {1, 1}, {2, 1}}, 0},
		{"what exceeds a message is cut", func(b *Batch) {
			b.Add(bytes.Repeat(large, 100), 100, false)
		}, pieces{{0, 59}, {59, 41}}, 0},
		{"an event that exceeds a message is a dead letter, and those beside it are not", func(b *Batch) {
			if rejected := b.Add(append(append(bytes.Clone(small), huge...), small...), 3, false); rejected != 1 {
				t.Errorf("%d rejected", rejected)
			}
		}, pieces{{0, 1}, {2, 1}}, 1},
		{"nothing", func(b *Batch) { b.Add(nil, 0, false) }, nil, 0},
		{"bytes that are no events", func(b *Batch) {
			if b.Add(bytes.Repeat([]byte{0xc1}, 2<<20), 1, false); b.Unread == nil {
				t.Error("was read")
			}
		}, nil, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBatch(t, 1<<20)
			// What comes before and is abandoned leaves nothing behind.
			b.Begin(buffer.Message{Cluster: "other", Outputs: []string{"es"}})
			b.Add(small, 1, false)
			b.Reject([]byte("bad"), 1, "not_an_event")
			b.Abandon()
			b.Begin(buffer.Message{Cluster: "c", Tag: "t", Outputs: []string{"es"}})
			tc.add(b)
			var got pieces
			for _, p := range b.Pieces(0) {
				got = append(got, struct{ first, events int }{p.First, p.Events})
			}
			if !slices.Equal(got, tc.pieces) {
				t.Errorf("pieces %v, want %v", got, tc.pieces)
			}
			if letters := b.Letters(0); len(letters) != tc.letters {
				t.Errorf("%d dead letters: %v", len(letters), letters)
			}
			if b.Reset(); b.Size() != 0 || b.Unread != nil {
				t.Errorf("%d bytes are left, %v", b.Size(), b.Unread)
			}
		})
	}
}

// TestMessages holds that each message has its own pieces and letters, and that nobody's entries are not kept.
func TestMessages(t *testing.T) {
	b := newBatch(t, 0)
	for i, outputs := range [][]string{{"es"}, nil, {"es", "s3"}} {
		b.Begin(buffer.Message{Cluster: "c", Tag: "t", Chunk: string(rune('a' + i)), Outputs: outputs})
		b.Add(entry(10*i, false), 1, true)
	}
	b.Reject([]byte("bad"), 1, "not_an_event")
	for i, want := range []int{1, 0, 1} {
		if got := b.Pieces(i); len(got) != want || want > 0 && !bytes.Equal(b.Entries(&got[0]), entry(10*i, false)) {
			t.Errorf("message %d: %v", i, got)
		}
		if got := len(b.Letters(i)); got != i/2 {
			t.Errorf("message %d: %d dead letters", i, got)
		}
	}
	var resends resend.Batch
	resends.Of(1)
	b.Identify(&resends)
	b.Identify(&resends)
	if resends.Len() != 3 || resends.Key(0).Chunk == resends.Key(1).Chunk || resends.Key(2).Events != 2 {
		t.Errorf("%d keys, the last of %d events", resends.Len(), resends.Key(2).Events)
	}
}
