package app

import (
	"fmt"
	"testing"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/config"
	"github.com/seed-afc6a195/aggregator/pkg/status"
)

const filteredText = `
listeners: [{name: test, address: "127.0.0.1:0"}]
buffer: {path: %%[1]s/data, min_free_disk: 1MiB}
filters: {f: [{grep: {exclude: {log: %s}}}]}
routes:
  - {match: "**", when: record.log != "odd", filters: [f], outputs: [out]}
unrouted: %s
outputs: {out: {type: file, path: "%%[1]s/out.ndjson", batch: {max_wait: 10ms}}}
status: {address: "127.0.0.1:0"}
`

// Routes' conditions and filters decide on what reaches an output; a reload changes them for what comes from then on.
func TestFilters(t *testing.T) {
	dir := t.TempDir()
	var text string
	load := func() (Loaded, error) {
		cfg, err := config.Parse("test.yaml", fmt.Appendf(nil, text, dir), config.Options{})
		return Loaded{Config: cfg, Hash: text}, err
	}
	text = fmt.Sprintf(filteredText, "debug", "drop")
	first, err := load()
	if err != nil {
		t.Fatal(err)
	}
	p := startWith(t, first.Config, Options{Load: load, ConfigHash: text, Log: zerolog.New(zerolog.NewTestWriter(t))})
	records := []string{"debug", "info", "odd"}
	out := func(s status.Snapshot) status.OutputCluster {
		for _, o := range s.Outputs {
			if len(o.Clusters) > 0 {
				return o.Clusters[0]
			}
		}
		return status.OutputCluster{}
	}
	p.send("a", "1", records...)
	s := p.await("all to be decided on", func(
		s status.Snapshot,
	) bool {
		c := out(s)
		return c.Queued == 3 && c.Pending == 0
	})
	if c := out(s); c.Delivered != 1 || c.Dropped["filter"] != 1 || c.Dropped["unrouted"] != 1 {
		t.Errorf("debug is dropped by the filter, the odd one unrouted: %+v", c)
	}
	text = fmt.Sprintf(filteredText, "info", "dead_letter")
	if _, err := p.Reload(); err != nil {
		t.Fatal(err)
	}
	p.send("a", "2", append(records, records[0])...)
	s = p.await("all to be decided on", func(
		s status.Snapshot,
	) bool {
		c := out(s)
		return c.Queued == 7 && c.Pending == 0
	})
	if c := out(s); c.Delivered != 3 || c.Dropped["filter"] != 2 || c.Dropped["unrouted"] != 1 ||
		c.Dead["unrouted"] != 1 {
		t.Errorf("after the reload info is dropped by the filter, the odd one is a dead letter: %+v", c)
	}
	p.end()
}
