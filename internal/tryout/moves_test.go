package tryout_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.yaml.in/yaml/v3"

	"github.com/seed-afc6a195/aggregator/internal/tryout"
	"github.com/seed-afc6a195/aggregator/pkg/app/routing"
	"github.com/seed-afc6a195/aggregator/pkg/config"
)

var update = flag.Bool("update", false, "write the documents that come out as the golden ones")

// load returns a configuration as the commands try it.
func load(t *testing.T, name string, data []byte, route string) *tryout.Configuration {
	t.Helper()
	cfg, err := config.Parse(name, data, config.Options{
		LookupEnv: func(string) (string, bool) { return "", false },
		// Secrets are each another, and examples name the rest.
		ReadFile: func(name string) ([]byte, error) {
			if strings.HasPrefix(name, "/etc/aggregator/") {
				return []byte("secret " + name), nil
			}
			return config.ReadFile(name)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	c, err := tryout.New(cfg, func(cfg *config.Config, output string) (tryout.Rules, error) {
		return routing.NewRules(cfg, output, zerolog.Nop())
	}, route)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// start is when the events of tests come that have no time of their own.
func start() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }

// TestMoves: each old stack's input becomes its golden documents, and its tests pass.
func TestMoves(t *testing.T) {
	dirs, err := filepath.Glob("../../deployments/moves/*/aggregator.yaml")
	if err != nil || len(dirs) < 4 {
		t.Fatal(dirs, err)
	}
	for _, file := range dirs {
		dir := filepath.Dir(file)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			c := load(t, file, data, "")
			golden(t, filepath.Join(dir, "output"), documents(t, c, filepath.Join(dir, "input")))
			runTests(t, c, file)
		})
	}
}

// TestAgents: what an agent needs at the aggregator does what its tests say.
func TestAgents(t *testing.T) {
	const file = "../../deployments/agents/docker/aggregator.yaml"
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	runTests(t, load(t, file, data, ""), file)
}

// runTests runs the tests that stand beside the configuration c of that file.
func runTests(t *testing.T, c *tryout.Configuration, file string) {
	t.Helper()
	name := tryout.TestsFile(file)
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	tests, err := c.ReadTests(name, data)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if failed, err := c.RunTests(tests, &out, false); err != nil || failed > 0 || len(tests) == 0 {
		t.Errorf("%v\n%s", err, &out)
	}
}

// TestMoveValues: the chart's values of each move have the configuration of its aggregator.yaml, but for what the chart
// sets.
func TestMoveValues(t *testing.T) {
	files, err := filepath.Glob("../../deployments/moves/*/values.yaml")
	if err != nil || len(files) < 4 {
		t.Fatal(files, err)
	}
	read := func(file string) (m map[string]any) {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := yaml.Unmarshal(data, &m); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		return m
	}
	for _, file := range files {
		want := read(filepath.Join(filepath.Dir(file), "aggregator.yaml"))
		for _, key := range []string{"hostname", "listeners", "buffer", "status"} {
			delete(want, key)
		}
		if got := read(file)["config"]; !reflect.DeepEqual(got, any(want)) {
			t.Errorf("%s: config is not what aggregator.yaml has:\n%v\nwant\n%v", file, got, want)
		}
	}
}

// documents returns what comes out of input/CLUSTER/TAG.ndjson, by output, as lines.
func documents(t *testing.T, c *tryout.Configuration, input string) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(input, "*", "*.ndjson"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	run, err := c.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer run.Close()
	var all []tryout.Outcome
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
			record, at := tryout.Record(lines.Bytes(), "", start())
			all = append(all, run.Give(tryout.Event{
				Cluster: filepath.Base(filepath.Dir(file)), Tag: strings.TrimSuffix(filepath.Base(file), ".ndjson"),
				Time: at, Record: record,
			}, start())...)
		}
	}
	all = append(all, run.Flush(start(), true)...)
	out := map[string][]byte{}
	for _, o := range all {
		for _, d := range o.Documents {
			for _, name := range d.Outputs {
				out[name] = append(append(out[name], d.Document...), '\n')
			}
		}
		if o.Result == tryout.Dropped || o.Result == tryout.DeadLetter {
			line, err := json.Marshal(map[string]any{
				"cluster": o.Cluster, "tag": o.Tag, "event": o.Event, o.Result: o.Reason,
			})
			if err != nil {
				t.Fatal(err)
			}
			out["nowhere"] = append(append(out["nowhere"], line...), '\n')
		}
	}
	return out
}

// golden compares files of lines with those in dir.
func golden(t *testing.T, dir string, got map[string][]byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, data := range got {
			if err := os.WriteFile(filepath.Join(dir, name+".ndjson"), data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".ndjson")
		names = append(names, name)
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(want, got[name]) {
			t.Errorf("%s: want\n%sgot\n%s", file, want, got[name])
		}
	}
	if made := slices.Sorted(maps.Keys(got)); !slices.Equal(made, names) {
		t.Errorf("outputs %v, want %v", made, names)
	}
}
