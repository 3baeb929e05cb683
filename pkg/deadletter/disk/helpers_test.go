package disk

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// fakeClock is a clock that tests move.
type fakeClock struct {
	mu sync.Mutex
	t  time.Time
}

func newFakeClock() *fakeClock { return &fakeClock{t: time.Unix(1_800_000_000, 0)} }

func (c *fakeClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *fakeClock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// entryOf is an entry whose record is {"n": n}.
func entryOf(n byte) []byte {
	return event.AppendEntry(nil, event.AppendTime(nil, event.Time{Sec: 1_700_000_000, Nsec: 5}), nil, []byte{
		0x81, 0xa1, 'n', n,
	})
}

// letterOf is a letter of output "o" whose event has an id of its own.
func letterOf(n byte) deadletter.Letter {
	key := event.PartKeyOfChunk("c", "t", string(rune('a'+n)))
	ev := event.Event{Chunk: &event.Chunk{Parts: []event.Part{{Key: key, First: int(n), Events: 1}}}}
	return deadletter.Letter{
		Cluster: "c", Tag: "t", Output: "o", Reason: "rejected", Events: 1, EventID: string(ev.AppendID(nil)),
		Entry: entryOf(n),
	}
}

func mustAdd(tb testing.TB, d *Store, letters ...deadletter.Letter) {
	tb.Helper()
	if err := d.Add(tb.Context(), letters); err != nil {
		tb.Fatal(err)
	}
}

// noise returns n bytes that hardly compress.
func noise(n int, seed byte) string {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(b) // never fails
	return string(b)
}
