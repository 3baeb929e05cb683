package jetstream

import (
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// How old the oldest of what waits is, a pod knows too that has nothing of it in hand, whatever waits for another
// output.
func TestAgeOfWhatOthersHave(t *testing.T) {
	for name, stuck := range map[string]bool{"one output": false, "another one is stuck": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, e *engine) { //nolint:thelper // the test itself
				a, b := e.pod("a"), e.pod("b")
				defer e.close(a)
				defer e.close(b)
				if stuck {
					batch := a.NewBatch(1)
					batch.Begin(buffer.Message{Cluster: "c", Tag: "t", Outputs: []string{"stuck"}})
					batch.Add([]byte("x"), 1, true)
					if err := batch.Commit(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				begun := time.Now()
				var held *event.Chunk
				for range 40 {
					e.send(a, sent{text: "x"})
					next, _ := e.next(b, ackWait)
					if held != nil {
						b.Source("o").Done(held)
					}
					held = next
					time.Sleep(2 * time.Second)
					_ = a.Stats() // somebody looks
				}
				for _, w := range a.Stats().Waits {
					most := 15 * time.Second
					if w.Output == "stuck" {
						most = time.Since(begun) + time.Second
					}
					if age := time.Since(w.Oldest); age > most || w.Output == "stuck" && age < most-2*time.Second {
						t.Errorf("what waits for %s is %v old", w.Output, age)
					}
				}
			})
		})
	}
}
