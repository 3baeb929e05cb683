package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/test/harness"
)

const (
	// giver has three outputs: one that works, one whose server is away, and one that is slow.
	giver = `
listeners:
  - {name: test, address: "127.0.0.1:0"}
buffer: {path: %[1]s/data, min_free_disk: 1MiB}
outputs:
  archive: {type: file, path: "%[1]s/out/archive-{tag}.ndjson", batch: {max_wait: 50ms}, fields: {id: _id}}
  away: {type: forward, servers: ["127.0.0.1:1"]}
  slow: {type: file, path: "%[1]s/out/slow-{tag}.ndjson", batch: {max_bytes: 8KiB, max_wait: 50ms},
      rate_limit: 100KiB/s, fields: {id: _id}}
routes:
  - {match: "refused", outputs: [refused]}
  - {match: "**", outputs: [archive, away, slow]}
status: {address: "127.0.0.1:0"}
log: {format: json}
`
	// taker has the same outputs, all of which work, and takes over.
	taker = `
listeners:
  - {name: test, address: "127.0.0.1:0"}
  - {name: handover, address: "HANDOVER", handover: {shared_key: hand over, clusters: [default]}}
buffer: {path: %[1]s/data, min_free_disk: 1MiB}
outputs:
  archive: {type: file, path: "%[1]s/out/archive-{tag}.ndjson", batch: {max_wait: 50ms}, fields: {id: _id}}
  away: {type: file, path: "%[1]s/out/away-{tag}.ndjson", batch: {max_wait: 50ms}, fields: {id: _id}}
  slow: {type: file, path: "%[1]s/out/slow-{tag}.ndjson", batch: {max_wait: 50ms}, fields: {id: _id}}
routes:
  - {match: "**", outputs: [archive, away, slow]}
status: {address: "127.0.0.1:0"}
log: {format: json}
`
)

// TestHandover hands over what one server holds to another, with both ends killed again and again, and finds every
// event at each output once, by its id.
func TestHandover(t *testing.T) {
	config := strings.Replace(giver, "  - {match: \"refused\", outputs: [refused]}\n", "", 1)
	from := start(t, t.TempDir(), config)
	agent := &harness.Agent{Name: "a", Tag: "a", Address: from.Address, Limit: 6000, Padding: 200, Seconds: true}
	agent.Run(t.Context())
	from.eventually("archive has all, slow has some", func() bool {
		return len(from.events("archive-a")) == agent.Limit && len(from.events("slow-a")) > 500
	})
	from.stop()
	had := map[string]int{"archive": len(from.events("archive-a")), "slow": len(from.events("slow-a"))}

	address := harness.FreeAddress(t)
	dir := t.TempDir()
	to := start(t, dir, strings.Replace(taker, "HANDOVER", address, 1))
	args := []string{"--to", address, "--shared-key", "hand over"}
	plan := drain(t, from.Dir, config, append(args, "--dry-run")...)
	plan.says(t, 0, strconv.Itoa(agent.Limit), "")
	drain(t, from.Dir, config, "--to", address, "--shared-key", "guess").says(t, 1, "", "shared_key of the handover")
	drain(t, from.Dir, config, "--to", to.Address(), "--shared-key", "x", "--timeout", "10s").says(t, 1, "", "HELO")

	adopted := func() (n uint64) {
		for _, o := range to.Snapshot().Outputs {
			for _, c := range o.Clusters {
				n += c.Adopted + c.Recovered
			}
		}
		return n
	}
	for round := range 6 {
		cmd, _, _ := drainCommand(t, from.Dir, config, append(args, "--rate", "300KiB/s")...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		before, ended := adopted(), make(chan struct{})
		go func() {
			_ = cmd.Wait() // killed
			close(ended)
		}()
		to.eventually("something is handed over, or all of it", func() bool {
			select {
			case <-ended:
				return true
			default:
				return adopted() > before
			}
		})
		if round%2 == 1 {
			to.kill()
		}
		_ = cmd.Process.Kill() // it may have ended
		<-ended
		if round%2 == 1 {
			to = start(t, dir, strings.Replace(taker, "HANDOVER", address, 1))
		}
	}
	drain(t, from.Dir, config, args...).says(t, 0, "handed over", "")
	drain(t, from.Dir, config, args...).says(t, 0, "handed over 0 events", "")
	segments, err := filepath.Glob(filepath.Join(from.Dir, "data", "seg-*.db"))
	if err != nil || len(segments) != 0 {
		t.Errorf("segments %v, %v: the directory is not empty", segments, err)
	}

	to.Drained()
	to.Balanced()
	for _, output := range []string{"archive", "away", "slow"} {
		seen := map[string]string{}
		for _, s := range []*server{from, to} {
			for _, e := range s.events(output + "-a") {
				id, n := fmt.Sprint(e["_id"]), fmt.Sprint(e["n"])
				if was, again := seen[n]; again {
					t.Errorf("%s has event %s twice, as %s and %s", output, n, was, id)
				}
				seen[n] = id
			}
		}
		if len(seen) != agent.Limit {
			t.Errorf("%s has %d of %d events, %d of them before the handover", output, len(seen), agent.Limit,
				had[output])
		}
	}
	sameIDs(t, from.events("archive-a"), to.events("away-a"))
}

// sameIDs fails the test unless events of the same number have the same id.
func sameIDs(t *testing.T, a, b []map[string]any) {
	t.Helper()
	ids := map[string]any{}
	for _, e := range a {
		ids[fmt.Sprint(e["n"])] = e["_id"]
	}
	for _, e := range b {
		if id := ids[fmt.Sprint(e["n"])]; id != e["_id"] {
			t.Errorf("event %v was %v and is %v", e["n"], id, e["_id"])
			return
		}
	}
}

// TestHandoverOfWhatIsLeft hands over dead letters and what waits for an output that nobody has configured, and keeps
// what the other one does not take over.
func TestHandoverOfWhatIsLeft(t *testing.T) {
	dir, _, _ := backlog(t) // 200 events for archive and old, and a dead letter
	address := harness.FreeAddress(t)
	other := strings.Replace(taker, "HANDOVER", address, 1)
	strangers := strings.Replace(other, "\nbuffer:", "\nclusters: [{name: elsewhere, shared_key: k}]\nbuffer:", 1)
	to := start(t, t.TempDir(), strings.Replace(strangers, "clusters: [default]", "clusters: [elsewhere]", 1))
	args := []string{"--to", address, "--shared-key", "hand over"}
	drain(t, dir, defaultConfig, args...).says(t, 1, "", "cluster default: 420 events")
	to.stop()

	to = start(t, t.TempDir(), other)
	d := drain(t, dir, defaultConfig, args...)
	d.says(t, 0, "handed over ", "")
	// What waits aside for archive by now is apart from the same events for old, and counts beside them.
	var events int
	_, told, _ := strings.Cut(d.out, "handed over ")
	if _, err := fmt.Sscanf(told, "%d events and 1 dead letters", &events); err != nil || events < 200 || events > 400 {
		t.Errorf("%d events, %v: %s", events, err, d.out)
	}
	d.says(t, 0, "not configured there: old", "")
	to.eventually("archive is delivered", func() bool { return len(to.events("archive-a")) == 200 })
	s := to.Snapshot()
	if n := s.DeadLetters.Events; n != 20 {
		t.Errorf("%d events in dead letters, want 20", n)
	}
	if _, err := os.Stat(filepath.Join(dir, "data", "state.db")); err != nil {
		t.Error(err)
	}
}
