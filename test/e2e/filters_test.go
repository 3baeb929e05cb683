package e2e

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestTryCommands: try shows no escapes in a pipe, test tells by its exit code whether tests passed or can't be run.
func TestTryCommands(t *testing.T) {
	const stack = "../../deployments/moves/nginx-cloudwatch"
	config := filepath.Join(stack, "aggregator.yaml")
	input, err := os.Open(filepath.Join(stack, "input", "shop", "nginx.access.nginx-7c5ddbdf54-abcde.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	defer input.Close()
	out := command(t, input, "try", "-c", config, "--route", "nginx.access.*")
	for _, want := range []string{
		`+ path: "/orders?page=2"`, "dropped: access[1] grep (cw)", "→ cw", "events: 4; delivered: 3, dropped: 1",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("try does not show %q:\n%s", want, out)
		}
	}
	if strings.Contains(out, "\x1b") {
		t.Errorf("colours in a pipe: %q", out)
	}
	if out := command(t, nil, "test", "-c", config); !strings.HasSuffix(out, "tests passed: 3\n") {
		t.Error(out)
	}
	dir := t.TempDir()
	for name, tc := range map[string]struct {
		text string
		code int
	}{
		"fails":   {"- {name: a, tag: nginx.access.x, input: x, expect: dropped}", 1},
		"wrong":   {"- {name: a, tags: x}", 2},
		"missing": {"", 2},
	} {
		file := filepath.Join(dir, name)
		if tc.text != "" {
			if err := os.WriteFile(file, []byte(tc.text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		path, err := binary()
		if err != nil {
			t.Fatal(err)
		}
		text, err := exec.CommandContext(t.Context(), path, "test", "-c", config, "--tests", file).CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != tc.code {
			t.Errorf("%s: %v, want exit code %d\n%s", name, err, tc.code, text)
		}
	}
}
