// Package outputtest holds what the tests of outputs and of their delivery need: chunks of events, a
// scripted Output, a Backlog, and the contract that every output must keep.
package outputtest

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// Start is the time of the first event of every chunk.
const Start = 1763720100 // 2025-11-21T10:15:00Z

// Chunk returns a chunk of events whose records are {"n": first, "log": pad bytes}, with n counting
// up, one second apart from Start on.
func Chunk(seq uint64, cluster, tag string, events, first, pad int) *event.Chunk {
	c := &event.Chunk{Seq: seq, Cluster: cluster, Tag: tag, Received: time.Now(), Events: events}
	text := strings.Repeat("x", pad)
	for i := range events {
		record := binary.BigEndian.AppendUint32([]byte{0x82, 0xa1, 'n', 0xce}, uint32(first+i))
		record = append(record, 0xa3, 'l', 'o', 'g', 0xda, byte(pad>>8), byte(pad))
		record = append(record, text...)
		c.Entries = event.AppendEntry(c.Entries, event.AppendTime(nil, event.Time{Sec: Start + int64(i)}), nil, record)
	}
	part := event.Part{Events: events}
	binary.BigEndian.PutUint64(part.Key[:], seq)
	c.Parts = []event.Part{part}
	return c
}

// Number returns the n of an event of Chunk.
func Number(ev *event.Event) int { return int(binary.BigEndian.Uint32(ev.Record[4:])) }

// Batch returns all events of the chunks as one batch.
func Batch(chunks ...*event.Chunk) *outputs.Batch {
	b := &outputs.Batch{}
	for _, c := range chunks {
		it := c.Iterator()
		var ev event.Event
		for it.Next(&ev) {
			b.Events = append(b.Events, ev)
			b.Bytes += len(ev.Record)
		}
		if err := it.Err(); err != nil {
			panic(fmt.Sprintf("a test's chunk is broken: %v", err))
		}
	}
	return b
}
