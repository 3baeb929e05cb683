//go:build fluentd

package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestFluentdAgent runs the shipped settings with a real fluentd: FLUENTD is its command.
//
//	FLUENTD="ruby -I/src/fluentd/lib /src/fluentd/bin/fluentd" go test -tags fluentd -run FluentdAgent ./test/e2e
func TestFluentdAgent(t *testing.T) {
	command := strings.Fields(os.Getenv("FLUENTD"))
	if len(command) == 0 {
		t.Fatal("FLUENTD must be the command that runs fluentd")
	}
	s := newSite(t)
	config := s.file("fluentd/fluent.conf", "/var/log/containers", filepath.Join(s.dir, "containers"),
		"/var/lib/fluentd", filepath.Join(s.dir, "state"),
		"/etc/fluentd/tls/ca.crt", s.ca, "retry_max_interval 30s", "retry_max_interval 2s")
	arguments := func(more ...string) []string { return slices.Concat(command[1:], more) }
	// With it, it would run.
	dry := slices.DeleteFunc(arguments("--dry-run", "-c", config), func(
		a string,
	) bool {
		return a == "--no-supervisor"
	})
	s.dryRun(command[0], dry...)
	s.survive(func() *process { return s.startAgent(command[0], arguments("-c", config)...) })
}
