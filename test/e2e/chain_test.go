package e2e

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/seed-afc6a195/aggregator/test/harness"
)

// freeAddress returns an address that nobody listens on, for a server that comes back there.
func freeAddress(t *testing.T) string { t.Helper(); return harness.FreeAddress(t) }

// TestChain sends through one aggregator to another, which is killed and started again in the middle: every event
// arrives, and each under one id.
func TestChain(t *testing.T) {
	upDir, downDir := t.TempDir(), t.TempDir()
	address := freeAddress(t)
	receiving := strings.Replace(defaultConfig, "127.0.0.1:0", address, 1)
	sending := `
listeners:
  - {name: test, address: "127.0.0.1:0"}
buffer: {path: %[1]s/data, min_free_disk: 1MiB}
outputs:
  up:
    type: forward
    servers: ` + address + `
    tag: "{cluster}.{tag}"
    ack_timeout: 10s
    batch: {max_wait: 20ms}
    retry: {max: 1s}
routes:
  - {match: "**", outputs: [up]}
status: {address: "127.0.0.1:0"}
log: {format: json}
`
	up, down := start(t, upDir, receiving), start(t, downDir, sending)
	agents := []*agent{{tag: "chain.a"}, {tag: "chain.b"}, {tag: "chain.c"}}
	const total = 200 * perChunk
	var wg sync.WaitGroup
	for _, a := range agents {
		wg.Go(func() { a.run(t.Context(), down.Forward, total) })
	}
	for range 3 {
		want := len(up.events("default.chain.a")) + 10*perChunk
		up.eventually("some deliveries", func() bool { return len(up.events("default.chain.a")) >= min(want, total/2) })
		up.kill()
		up = start(t, upDir, receiving)
	}
	// The sender is killed as well: what it sends again has the ids that it had before.
	wg.Wait()
	down.kill()
	down = start(t, downDir, sending)
	for _, a := range agents {
		if a.next != total {
			t.Fatalf("%s: %d events acknowledged, want %d", a.tag, a.next, total)
		}
		ids := map[int]string{}
		doubled := 0
		up.eventually("all events of "+a.tag, func() bool {
			clear(ids)
			doubled = 0
			for _, e := range up.events("default." + a.tag) {
				n, err := strconv.Atoi(string(e["n"].(json.Number)))
				if err != nil {
					t.Fatal(err)
				}
				id := e["_id"].(string)
				if old, ok := ids[n]; ok {
					doubled++
					if old != id {
						t.Fatalf("%s: event %d was stored as %s and as %s", a.tag, n, old, id)
					}
				}
				ids[n] = id
			}
			return len(ids) == total
		})
		t.Logf("%s: %d events written, %d of them twice", a.tag, len(ids), doubled)
	}
	down.eventually("an empty queue", func() bool {
		return fmt.Sprint(down.get("/status")["queue"].(map[string]any)["pending_chunks"]) == "0"
	})
	down.stop()
	up.stop()
}
