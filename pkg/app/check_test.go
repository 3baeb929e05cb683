package app

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/config"
)

// TestCheckReadsTables holds that a check finds what would keep the rules from being made, once for all outputs.
func TestCheckReadsTables(t *testing.T) {
	dir := t.TempDir()
	cfg, err := config.Parse("test.yaml", fmt.Appendf(nil, `
filters:
  teams: [{lookup: {field: ns, file: "%[1]s/teams.csv", add: {team: team}}}]
routes: [{match: "**", filters: [teams], outputs: [a, b]}]
buffer: {path: "%[1]s/data"}
outputs: {a: {type: stdout}, b: {type: file, path: "%[1]s/b"}}
`, dir), config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(Check(cfg)); strings.Count(got, "filters.teams[0].lookup") != 1 || !strings.Contains(got, "teams.csv") {
		t.Errorf("without the table: %s", got)
	}
	if err := os.WriteFile(filepath.Join(dir, "teams.csv"), []byte("ns,team\nshop,checkout\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Check(cfg); err != nil {
		t.Error(err)
	}
}
