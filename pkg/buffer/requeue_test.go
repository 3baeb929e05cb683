package buffer

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

func FuzzRetryLetter(f *testing.F) {
	f.Add(
		event.AppendEntry(nil, event.AppendTime(nil, event.Time{Sec: 1_700_000_000}), nil, []byte{0x81, 0xa1, 'n', 1}),
		"x-1",
	)
	f.Add([]byte{0x92}, "")
	home := func(l *deadletter.Letter) RequeueTarget { return RequeueTarget{Outputs: []string{l.Output}} }
	f.Fuzz(func(t *testing.T, entry []byte, id string) {
		l := deadletter.Letter{ID: 1, Cluster: "c", Tag: "t", Output: "o", Entry: entry, EventID: id}
		item, skip := requeueItem(&l, [16]byte{}, home)
		if (skip == "") != l.Readable() {
			t.Fatalf("%q, but readable: %v", skip, l.Readable())
		}
		if skip != "" {
			return
		}
		c := event.Chunk{Entries: item.Entries, Events: item.Part.Events}
		it, ev, n := c.Iterator(), event.Event{}, 0
		for it.Next(&ev) {
			n++
		}
		if it.Err() != nil || n != c.Events {
			t.Fatalf("%d of %d events: %v", n, c.Events, it.Err())
		}
	})
}
