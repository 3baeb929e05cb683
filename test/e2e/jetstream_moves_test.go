package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/test/harness"
	"github.com/seed-afc6a195/aggregator/test/nats"
)

// TestJetStreamMoves hands over from a disk to a stream and back, and finds each event once, under the id that it had.
func TestJetStreamMoves(t *testing.T) {
	c := startNATS(t, nats.Options{})
	waits := strings.Replace(giver, "  - {match: \"refused\", outputs: [refused]}\n", "", 1)
	from := start(t, t.TempDir(), waits)
	a := &harness.Agent{Name: "a", Tag: "a", Address: from.Address, Limit: 2000, Padding: 100, Seconds: true}
	a.Run(t.Context())
	from.eventually("archive has all", func() bool { return len(from.events("archive-a")) == a.Limit })
	from.stop()

	address := harness.FreeAddress(t)
	config := strings.Replace(sharedConfig(quoted(c), t.TempDir(), ""), `{name: handover, address: "127.0.0.1:0"`,
		`{name: handover, address: "`+address+`"`, 1)
	middle := start(t, t.TempDir(), config)
	args := []string{"--to", address, "--shared-key", "hand over"}
	drain(t, from.Dir, waits, args...).says(t, 0, "handed over", "")
	drain(t, t.TempDir(), config, "--to", "127.0.0.1:1", "--shared-key", "x").says(t, 1, "", "stop them first")
	middle.stop()

	back := harness.FreeAddress(t)
	to := start(t, t.TempDir(), strings.Replace(taker, "HANDOVER", back, 1))
	drain(t, t.TempDir(), config, "--to", back, "--shared-key", "hand over").says(t, 0, "handed over", "")
	to.Drained()
	sameIDs(t, from.events("archive-a"), to.events("away-a"))
	seen := map[string]bool{}
	for _, e := range to.events("away-a") {
		n := fmt.Sprint(e["n"])
		if seen[n] {
			t.Errorf("event %s is there twice", n)
		}
		seen[n] = true
	}
	if len(seen) != a.Limit {
		t.Errorf("%d of %d events are there", len(seen), a.Limit)
	}
}
