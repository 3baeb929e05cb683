package outputtest

import (
	"fmt"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// A loop that settles a chunk which it does not have ends its test.
func TestBacklogPanicsAtWhatIsNotOut(t *testing.T) {
	type settle func(b *Backlog, c *event.Chunk)
	ways := map[string]settle{"done": (*Backlog).Done, "returned": (*Backlog).Return, "shed": (*Backlog).ReleaseEntries}
	for _, first := range []string{"done", "returned"} {
		for second, again := range ways {
			t.Run(fmt.Sprint(first, ", then ", second), func(t *testing.T) {
				b := NewBacklog(Chunk(1, "a", "t", 3, 0, 10))
				c, err := b.Next(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				ways[first](b, c)
				defer func() {
					if recover() == nil {
						t.Error("nothing was said")
					}
				}()
				again(b, c)
			})
		}
	}
}
