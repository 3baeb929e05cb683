package app

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/config"
)

// TestCheckReadsTables holds that a check finds all that would keep the rules from being made, once for all outputs.
func TestCheckReadsTables(t *testing.T) {
	dir := t.TempDir()
	cfg, err := config.Parse("test.yaml", fmt.Appendf(nil, `
filters:
  teams: [{lookup: {field: ns, file: "%[1]s/teams.csv", add: {team: team}}}]
  both: [{lookup: {field: ns, file: "%[1]s/teams.csv"}}, {throttle: {rate: 1}}, {lookup: {field: ns, file: "%[1]s/none.csv"}}]
routes: [{match: "a.**", filters: [teams], outputs: [a, b]}, {match: "**", filters: [both], outputs: [b]}]
buffer: {path: "%[1]s/data"}
outputs: {a: {type: stdout}, b: {type: file, path: "%[1]s/b"}}
`, dir), config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(Check(cfg))
	for _, place := range []string{"filters.teams[0].lookup", "filters.both[0].lookup", "filters.both[2].lookup"} {
		if strings.Count(got, place) != 1 {
			t.Errorf("without the tables, %s should be named once: %s", place, got)
		}
	}
	for _, name := range []string{"teams.csv", "none.csv"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("ns,team\nshop,checkout\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := Check(cfg); err != nil {
		t.Error(err)
	}
}
