package forward

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

// chunkOf returns a chunk that holds entries.
func chunkOf(entries []byte, events int) *event.Chunk {
	return &event.Chunk{
		Seq: 1, Cluster: "seoul", Tag: "kube.app", Entries: entries, Events: events,
		Parts: []event.Part{{Events: events}},
	}
}

const (
	at     = "\xd7\x00\x65\x00\x00\x00\x00\x00\x00\x01"
	record = "\x81\xa1a\xdb\x00\x00\x00\x01b" // with a header that is longer than need be
	plain  = "\x92" + at + record
	empty  = "\x92\x92" + at + "\x80" + record
	meta   = "\x92\x92" + at + "\x81\xa1m\x01" + record
	group  = "\x92\x92\xd7\x00\xff\xff\xff\xff\x00\x00\x00\x00\x81\xa1g\x01\x81\xa1r\x02"
)

// TestEntries holds what becomes of entries on their way: a record is never touched.
func TestEntries(t *testing.T) {
	for _, tc := range []struct {
		name, in   string
		events     int
		drop, keep string // what is sent
	}{
		{"plain", plain + plain, 2, plain + plain, plain + plain},
		{
			"integer time", "\x92\xce\x65\x00\x00\x00" + record, 1, "\x92\xd7\x00\x65\x00\x00\x00\x00\x00\x00\x00" +
				record, "\x92\xd7\x00\x65\x00\x00\x00\x00\x00\x00\x00" + record,
		},
		{
			"integer time of a group's mark", "\x92\xce\xff\xff\xff\xff" + record, 1,
			"\x92\xd7\x00\xff\xff\xff\xff\x00\x00\x00\x01" + record,
			"\x92\xd7\x00\xff\xff\xff\xff\x00\x00\x00\x01" + record,
		},
		{"empty metadata", empty, 1, plain, plain},
		{"metadata", meta + plain, 2, plain + plain, meta + plain},
		{
			"group", plain + group + meta + empty + event.GroupEnd + plain, 4, plain + plain + plain + plain,
			plain + group + meta + plain + event.GroupEnd + plain,
		},
		{"group without end", group + plain, 1, plain, group + plain + event.GroupEnd},
		{
			"two groups", group + plain + event.GroupEnd + group + plain, 2, plain + plain,
			group + plain + event.GroupEnd + group + plain + event.GroupEnd,
		},
	} {
		for metadata, want := range map[string]string{"drop": tc.drop, metadataKeep: tc.keep} {
			t.Run(tc.name+", "+metadata, func(t *testing.T) {
				n := newNetwork(t)
				cfg := settings("a")
				cfg.Metadata, cfg.Tag = metadata, "{cluster}.{tag[1]}"
				b := outputtest.Batch(chunkOf([]byte(tc.in), tc.events))
				if err := n.output(cfg).Send(t.Context(), b); err != nil {
					t.Fatal(err)
				}
				if m := n.got[0]; string(m.entries) != want || m.tag != "seoul.app" {
					t.Errorf("sent % x under %s, want % x", m.entries, m.tag, want)
				}
			})
		}
	}
}

func TestCompression(t *testing.T) {
	for _, compression := range []string{compressionNone, "gzip", "zstd"} {
		for _, tc := range []struct{ limit, messages int }{{4 << 20, 1}, {300 << 10, 4}, {1 << 10, 1000}} {
			t.Run(fmt.Sprint(compression, tc.limit), func(t *testing.T) {
				n := newNetwork(t)
				cfg := settings("a")
				cfg.Compression, cfg.MaxMessageSize = compression, setting.Size(tc.limit)
				c := outputtest.Chunk(1, "c", "t", 1000, 0, 1000)
				if err := n.output(cfg).Send(t.Context(), outputtest.Batch(c)); err != nil {
					t.Fatal(err)
				}
				var all []byte
				for _, m := range n.got {
					all = append(all, m.entries...)
					if len(m.entries) > tc.limit && len(m.numbers) > 1 {
						t.Errorf("a message of %d bytes, over %d", len(m.entries), tc.limit)
					}
					if m.compressed != "" && m.size > len(m.entries)/2+50 {
						t.Errorf("%d bytes became %d", len(m.entries), m.size)
					}
				}
				if !bytes.Equal(all, c.Entries) || len(n.got) != tc.messages {
					t.Errorf("%d messages of %d bytes, want %d of %d", len(n.got), len(all), tc.messages,
						len(c.Entries))
				}
			})
		}
	}
}

// FuzzFill holds that messages have all events, in order, none over the limit but an event alone.
func FuzzFill(f *testing.F) {
	f.Add([]byte(plain+group+meta+empty+event.GroupEnd+plain), 40)
	f.Add([]byte(group+plain+group+plain), 1)
	f.Fuzz(func(t *testing.T, entries []byte, limit int) {
		c := chunkOf(nil, 0)
		for rest := entries; len(rest) > 0; {
			var e event.Entry
			next, err := event.ReadEntry(rest, &e)
			if err != nil {
				break
			}
			if e.Kind != event.KindInvalid {
				c.Entries = append(c.Entries, rest[:len(rest)-len(next)]...)
			}
			if e.Kind == event.KindEvent {
				c.Events++
			}
			rest = next
		}
		c.Parts[0].Events = c.Events
		b := outputtest.Batch(c)
		for _, keep := range []bool{false, true} {
			var m message
			for left := b.Events; len(left) > 0; {
				n := m.fill(left, limit, keep)
				if n < 1 || n > 1 && len(m.entries) > limit+len(event.GroupEnd) {
					t.Fatalf("%d events in %d bytes, limit %d", n, len(m.entries), limit)
				}
				sent := outputtest.Batch(chunkOf(m.entries, n)).Events
				if len(sent) != n {
					t.Fatalf("%d events became %d", n, len(sent))
				}
				for i := range sent {
					if !bytes.Equal(sent[i].Record, left[i].Record) ||
						uint32(sent[i].Time.Sec) != uint32(left[i].Time.Sec) ||
						keep && !bytes.Equal(sent[i].Group, left[i].Group) ||
						!keep && (sent[i].Group != nil || sent[i].Metadata != nil) {
						t.Fatalf("event %d became %+v, was %+v", i, sent[i], left[i])
					}
				}
				left = left[n:]
			}
		}
	})
}

// BenchmarkSend sends batches of 28 000 events of 300 bytes in 28 chunks; one operation is one event.
func BenchmarkSend(b *testing.B) {
	for _, compression := range []string{compressionNone, "gzip", "zstd"} {
		b.Run(compression, func(b *testing.B) {
			n := newNetwork(b)
			cfg := settings("a")
			cfg.Compression, cfg.Connections = compression, 4
			o := n.output(cfg)
			n.sink = true
			batch := &outputs.Batch{}
			for i := range 28 {
				part := outputtest.Batch(outputtest.Chunk(uint64(i), "seoul", "kube.app", 1000, 0, 274))
				batch.Events, batch.Bytes = append(batch.Events, part.Events...), batch.Bytes+part.Bytes
			}
			b.SetBytes(int64(batch.Bytes / len(batch.Events)))
			b.ReportAllocs()
			b.ResetTimer()
			for left := b.N; left > 0; left -= len(batch.Events) {
				if err := o.Send(b.Context(), &outputs.Batch{
					Events: batch.Events[:min(left, len(batch.Events))],
				}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
