package e2e

import (
	"bytes"
	"errors"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/outputs/elasticsearch/elastictest"
)

// TestMigration runs the configuration of two clusters that share one Elasticsearch: agents with the clusters' keys send
// its input, and every document is the golden one, in its cluster's index.
func TestMigration(t *testing.T) {
	const stack = "../../testdata/migrations/two-clusters"
	made := elastictest.New(elastictest.Options{})
	es := httptest.NewServer(made.Handler())
	defer es.Close()
	config, err := os.ReadFile(filepath.Join(stack, "aggregator.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("%", "%%", "0.0.0.0:24224", "127.0.0.1:0").Replace(string(config)) + `
buffer: {path: %[1]s/data, min_free_disk: 1MiB}
status: {address: "127.0.0.1:0"}
log: {format: json}
`
	keys := map[string]string{"seoul": "key of Seoul", "tokyo": "key of Tokyo"}
	s := start(t, t.TempDir(), text, "ELASTIC_URL="+es.URL, "SEOUL_KEY="+keys["seoul"], "TOKYO_KEY="+keys["tokyo"])
	files, err := filepath.Glob(filepath.Join(stack, "input", "*", "*.ndjson"))
	if err != nil || len(files) < 5 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		cluster, tag := filepath.Base(filepath.Dir(file)), strings.TrimSuffix(filepath.Base(file), ".ndjson")
		command(t, nil, "send", "--address", s.Forward, "--tag", tag, "--shared-key", keys[cluster], file)
	}
	s.drained()
	golden, err := os.ReadFile(filepath.Join(stack, "output", "es.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	want := slices.Sorted(strings.Lines(string(golden)))
	var got []string
	for _, d := range made.Documents() {
		got = append(got, string(d.Source)+"\n")
		cluster := strings.TrimSuffix(strings.TrimPrefix(d.Index, "logs-"), "-2026.03.01")
		if !bytes.Contains(d.Source, []byte(`"cluster":"`+cluster+`"`)) {
			t.Errorf("in index %s: %s", d.Index, d.Source)
		}
	}
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("documents\n%swant\n%s", strings.Join(got, ""), strings.Join(want, ""))
	}
	if n := s.deadLetters(); n != 2 { // a tag that tokyo may not send, one that no route wants
		t.Errorf("%d dead letters, want 2", n)
	}
	s.stop()
}

// TestTryCommands: try shows no escapes in a pipe, test tells by its exit code whether tests passed or can't be run.
func TestTryCommands(t *testing.T) {
	const stack = "../../testdata/migrations/nginx-to-cloudwatch"
	config := filepath.Join(stack, "aggregator.yaml")
	input, err := os.Open(filepath.Join(stack, "input", "production", "ingress.nginx.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	defer input.Close()
	out := command(t, input, "try", "-c", config, "--route", "ingress.**")
	for _, want := range []string{`+ path: "/orders?page=2"`, "dropped: nginx[2] grep (cw)", "→ cw", "events: 4; delivered: 3, dropped: 1"} {
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
		"fails":   {"- {name: a, tag: ingress.x, input: x, expect: dropped}", 1},
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
