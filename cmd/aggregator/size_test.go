package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/humanize"
	"github.com/seed-afc6a195/aggregator/internal/sizing"
)

var updateSizing = flag.Bool("update-sizing", false, "write the figures of docs/sizing.md")

// size runs the command and returns what it printed.
func size(t *testing.T, args ...string) string {
	t.Helper()
	var out, errOut bytes.Buffer
	if code := run(
		t.Context(), append([]string{"size"}, args...), strings.NewReader(""), &out, &errOut,
	); code != exitOK {
		t.Fatalf("size %v: exit code %d: %s", args, code, &errOut)
	}
	return out.String()
}

// TestSizeDocs keeps the figures in docs/sizing.md what the command says; -update-sizing writes them.
func TestSizeDocs(t *testing.T) {
	const file = "../../docs/sizing.md"
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	doc := between(t, string(data), "<!-- begin table -->\n", "<!-- end table -->", func(
		string,
	) string {
		return sizingTable(t)
	})
	const begin = "<!-- begin example: "
	at := strings.Index(doc, begin)
	if at < 0 {
		t.Fatalf("%s has no %q", file, begin)
	}
	args, _, _ := strings.Cut(doc[at+len(begin):], " -->\n")
	doc = between(t, doc, begin+args+" -->\n", "<!-- end example -->", func(string) string {
		return "```console\n$ aggregator size " + args + "\n" + size(t, strings.Fields(args)...) + "```\n"
	})
	if doc == string(data) {
		return
	}
	if !*updateSizing {
		t.Fatalf("%s is not what the command says: go test ./cmd/aggregator -run SizeDocs -update-sizing", file)
	}
	if err := os.WriteFile(file, []byte(doc), 0o644); err != nil {
		t.Fatal(err)
	}
}

// between returns doc with the text between begin and end replaced.
func between(t *testing.T, doc, begin, end string, replace func(old string) string) string {
	t.Helper()
	head, rest, begins := strings.Cut(doc, begin)
	old, tail, ends := strings.Cut(rest, end)
	if !begins || !ends {
		t.Fatalf("the document has no %q and %q", begin, end)
	}
	return head + begin + replace(old) + end + tail
}

func sizingTable(t *testing.T) string {
	t.Helper()
	outages := []string{"1h", "12h", "36h"}
	var table strings.Builder
	fmt.Fprintf(&table, "| events/s | replicas | cores busy | memory limit | volume for %s |\n|---|---|---|---|%s\n",
		strings.Join(outages, " | volume for "), strings.Repeat("---|", len(outages)))
	for _, rate := range []string{"1000", "10000", "50000", "100000", "300000", "1000000"} {
		for i, outage := range outages {
			var p sizing.Plan
			if err := json.Unmarshal(
				[]byte(size(t, "--events-per-second", rate, "--outage", outage, "--json")), &p,
			); err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				fmt.Fprintf(&table, "| %s | %d | %.2f | %s |", rate, p.Replicas, p.CoresInUse,
					humanize.Bytes(float64(p.Memory)))
			}
			fmt.Fprintf(&table, " %s |", humanize.Bytes(float64(p.Volume)))
		}
		table.WriteString("\n")
	}
	return table.String()
}

func TestSizeUsage(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	broken := write("broken.yaml", "outputs: {a: {type: fiel}}")
	for _, tc := range []struct{ args, want string }{
		{"", "--events-per-second is missing"},
		{"--events-per-second 0", "--events-per-second 0: must be above 0"},
		{"--events-per-second NaN", "--events-per-second NaN: must be above 0"},
		{"--events-per-second many", "must be a number"},
		{"--events-per-second 5 --event-size 300b", `--event-size "300b": has an unknown unit (write 300B)`},
		{"--events-per-second 5 --event-size 0", "--event-size 0: must be 1 byte to 64MiB"},
		{"--events-per-second 5 --outage 12", "missing unit"},
		{"--events-per-second 5 --outage 9999h", "--outage 9999h0m0s: must be above 0, and at most 2160h"},
		{
			"--events-per-second 5 --outputs pigeon",
			`--outputs "pigeon": must be one of cloudwatch_logs, elasticsearch,`,
		},
		{"--events-per-second 5 --outputs=", "--outputs: must be at least one"},
		{
			"--events-per-second 5 --replicas=-1 --clusters 0 --cores 0 --compression 0.5 --connections=-1",
			"--replicas -1: must be 0 (as many as needed) to 10,000",
		},
		{"--events-per-second 5 -c " + broken, "the configuration has a mistake"},
		{"--events-per-second 5 -c " + broken + " --outputs file", "both name the outputs"},
		{"--events-per-second 5 more", "takes no arguments but flags"},
	} {
		var out, errOut bytes.Buffer
		code := run(t.Context(), append([]string{"size"}, strings.Fields(tc.args)...), strings.NewReader(""), &out,
			&errOut)
		if code != exitUsage || !strings.Contains(errOut.String(), tc.want) || out.Len() > 0 {
			t.Errorf("size %s: exit code %d, said %q and %q, want %q", tc.args, code, &errOut, &out, tc.want)
		}
	}
}

// TestSizeConfiguration: a configuration tells outputs, clusters, memory and limits.
func TestSizeConfiguration(t *testing.T) {
	path := filepath.Join(t.TempDir(), "aggregator.yaml")
	if err := os.WriteFile(path, []byte(`
clusters: [{name: seoul, shared_key: a}, {name: tokyo, shared_key: b}]
buffer: {max_size: 10GiB, min_free_disk: 50GiB}
outputs:
  es: {type: elasticsearch, hosts: ["http://es.example:9200"], index: logs, workers: 16, batch: {max_bytes: 16MiB}}
  lake: {type: firehose, region: eu-central-1, delivery_stream: logs}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	plan := func(args ...string) (p sizing.Plan) {
		if err := json.Unmarshal(
			[]byte(size(t, append(args, "--events-per-second", "10000", "--outage", "24h", "--json")...)), &p,
		); err != nil {
			t.Fatal(err)
		}
		return p
	}
	given, usual := plan("-c", path), plan("--outputs", "elasticsearch,firehose", "--clusters", "2")
	if given.Clusters != 2 || strings.Join(given.Outputs, " ") != "elasticsearch firehose" ||
		given.CoresInUse != usual.CoresInUse {
		t.Errorf("of the configuration: %+v", given)
	}
	if more := given.Memory - usual.Memory; more < 33*16<<20-64<<20 {
		t.Errorf("16 workers with batches of 16 MiB need %d MiB more memory", more>>20)
	}
	if more := given.Volume - usual.Volume; more < 49<<30 {
		t.Errorf("50 GiB that stay free need a volume %d GiB larger", more>>30)
	}
	if want := "buffer.max_size is 10 GiB"; len(given.Warnings) != 1 || !strings.Contains(given.Warnings[0], want) {
		t.Errorf("warned %q, want %q", given.Warnings, want)
	}
	if c := plan("-c", path, "--clusters", "7").Clusters; c != 7 {
		t.Errorf("--clusters 7 gave %d", c)
	}
}
