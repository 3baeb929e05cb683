package deadletters

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/seed-afc6a195/aggregator/cmd/aggregator/internal/flags"
	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// Exit codes of the program.
const (
	endedWell   = 0
	endedFailed = 1
	endedUsage  = 2
)

// update is for `go test ./cmd/aggregator/internal/deadletters -update`, after which the golden files are to be read.
var update = flag.Bool("update", false, "write the golden files")

// deadBegin is when the first letter of the tests was refused.
var deadBegin = time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)

// deadDir makes a data directory with letters of all kinds, a minute apart.
func deadDir(t *testing.T) string {
	t.Helper()
	dir, at := t.TempDir(), deadBegin
	queue, err := disk.Open(buffer.Config{Path: dir, WhenFull: "block", Sync: true}, buffer.Options{
		Log: zerolog.Nop(), Now: func() time.Time { return at },
	})
	if err != nil {
		t.Fatal(err)
	}
	record := func(text string) []byte {
		return event.AppendEntry(nil, event.AppendTime(nil, event.Time{Sec: 1_700_000_000, Nsec: 5}), nil,
			append([]byte{0x81, 0xa3, 'l', 'o', 'g', 0xa0 | byte(len(text))}, text...))
	}
	id := func(n int) string { return fmt.Sprint(strings.Repeat("A", 22), "-", n) }
	for _, l := range []deadletter.Letter{
		{
			Cluster: "seoul", Tag: "kube.web", Output: "es", Status: 400, Reason: "rejected", Attempts: 1, Events: 1,
			EventID: id(1), Entry: record("one"),
			Detail: "document_parsing_exception: failed to parse field [n] of type [long] in document with " +
				"id 'AAAA': " + strings.Repeat("very ", 20) + "long",
		},
		{
			Cluster: "seoul", Tag: "kube." + strings.Repeat("x", 60), Output: "es", Status: 413, Reason: "too_large",
			Attempts: 12, Events: 1, EventID: id(2), Entry: record("two"),
		},
		{
			Cluster: "osaka", Tag: "host\x1b[31m", Reason: "unrouted", Events: 2,
			Entry: append(record("a"), record("b<>&")...),
		},
		{
			Cluster: "osaka", Tag: "t", Reason: "invalid_entry", Detail: "line\n\x1b[2Jtwo", Events: 1,
			Entry: []byte{0xc1, 1, 2},
		},
		{
			Cluster: "seoul", Tag: "kube.web", Output: "archive", Reason: "rejected", Attempts: 1, Events: 1,
			EventID: id(3), Entry: record("three"),
		},
	} {
		if err := queue.DeadLetters().Add(t.Context(), []deadletter.Letter{l}); err != nil {
			t.Fatal(err)
		}
		at = at.Add(time.Minute)
	}
	if err := queue.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// runDead runs aggregator dead, ninety minutes after the first letter.
func runDead(t *testing.T, args ...string) (code int, out, errOut string) {
	t.Helper()
	f := &command{
		Endpoint: flags.Endpoint{Getenv: func(string) (string, bool) { return "", false }},
		now:      func() time.Time { return deadBegin.Add(90 * time.Minute) },
	}
	root := &cobra.Command{Use: "aggregator", SilenceErrors: true, SilenceUsage: true}
	root.SetFlagErrorFunc(flags.WrongFlag)
	root.AddCommand(f.command())
	var stdout, stderr bytes.Buffer
	root.SetArgs(append([]string{"dead"}, args...))
	root.SetIn(strings.NewReader("y\n"))
	root.SetOut(&stdout)
	root.SetErr(&stderr)
	err := root.ExecuteContext(t.Context())
	code = endedWell
	switch {
	case flags.IsWrongUsage(err):
		code = endedUsage
	case err != nil:
		code = endedFailed
	}
	if err != nil {
		fmt.Fprintln(&stderr, "aggregator:", err)
	}
	return code, stdout.String(), stderr.String()
}

// TestDeadGolden compares what the commands print with testdata/dead.
func TestDeadGolden(t *testing.T) {
	dir := deadDir(t)
	const first = 1772352000000000 // deadBegin in microseconds
	configured := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(
		configured,
		[]byte(
			"outputs: {es: {type: elasticsearch, hosts: ['http://127.0.0.1:9'], index: 'logs-{cluster}'}}\nroutes: "+
				"[{match: '**', outputs: [es]}]\n",
		), 0o600,
	); err != nil {
		t.Fatal(err)
	}
	minute := func(n int64) string { return strconv.FormatInt(first+n*60_000_000, 10) }
	for name, args := range map[string][]string{
		"summary":      nil,
		"summary-json": {"--json", "--output", "es"},
		"list":         {"list"},
		"list-limit":   {"list", "--limit", "2", "--oldest"},
		"list-tag":     {"list", "--tag", "kube.*"},
		"list-json":    {"list", "--json", "--output", "-", "--oldest"},
		"list-summary": {"list", "--summary", "--cluster", "osaka"},
		"list-none":    {"list", "--reason", "nothing"},
		"list-id":      {"list", "--id", minute(4) + ",7"},
		"show":         {"show", minute(0)},
		"show-several": {"show", minute(2)},
		"show-offer":   {"show", minute(0), "-c", configured},
		"show-raw":     {"show", minute(3)},
		"show-json":    {"show", minute(1), "--json"},
		"export":       {"export"},
		"export-one":   {"export", "--output", "archive"},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, errOut := runDead(t, append(args, "--data-dir", dir)...)
			if code != endedWell {
				t.Fatalf("exit code %d: %s", code, errOut)
			}
			if strings.Contains(out, "\x1b") {
				t.Error("an escape sequence")
			}
			got := regexp.MustCompile(`"bytes":\d+`).ReplaceAllString(out, `"bytes":0`) // the file system's
			if errOut = strings.ReplaceAll(errOut, configured, "c.yaml"); errOut != "" {
				got += "--- stderr\n" + errOut
			}
			golden := filepath.Join("testdata", "dead", name+".txt")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

func TestDeadUsage(t *testing.T) {
	dir := deadDir(t)
	file := filepath.Join(dir, "aggregator.yaml")
	if err := os.WriteFile(
		file, []byte(
			`outputs: {es: {type: file, path: "`+dir+`/es.ndjson"}}`+"\n"+`routes: [{match: "kube.**", outputs: [es]}]`,
		), 0o600,
	); err != nil {
		t.Fatal(err)
	}
	at := []string{"--data-dir", dir}
	for _, tc := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"odd"}, 2, `unknown command "odd"`},
		{[]string{"list", "--tag", "{a"}, 2, "tag"},
		{[]string{"list", "--limit", "-1"}, 2, "--limit -1"},
		{[]string{"list", "--older-than", "-1h"}, 2, "--older-than"},
		{[]string{"list", "--older-than", "5"}, 2, "invalid argument"},
		{[]string{"list", "extra"}, 2, "takes no arguments but flags"},
		{[]string{"show"}, 2, "needs the number of one letter"},
		{[]string{"show", "x"}, 2, `"x" is no letter's number`},
		{[]string{"show", "5"}, 1, "no such dead letter: 5"},
		{[]string{"export", "--file", dir + "/none/x"}, 2, "--file"},
		{[]string{"retry", "--all"}, 2, "needs -c"},
		{[]string{"retry", "-c", file}, 2, "choose the dead letters with a filter, or with --all"},
		{[]string{"retry", "-c", file, "--all", "--output", "es"}, 2, "--all and none"},
		{[]string{"retry", "-c", file, "--output", "es"}, 2, "2 dead letters: with --yes"},
		{[]string{"retry", "-c", file, "--output", "es", "--to", "nobody", "--yes"}, 2, "there are es"},
		{[]string{"retry", "-c", file, "--all", "--yes"}, 2, "output archive, which refused some of these"},
		{[]string{"purge"}, 2, "choose the dead letters"},
		{[]string{"purge", "--reason", "rejected"}, 2, "2 dead letters: with --yes"},
		{[]string{"list", "--status", "localhost"}, 2, "leave out --status"},
		{[]string{"list", "-c", "nowhere.yaml"}, 2, "nowhere.yaml"},
	} {
		code, out, errOut := runDead(t, append(tc.args, at...)...)
		if code != tc.code || !strings.Contains(errOut, tc.want) || out != "" {
			t.Errorf("%v: exit code %d, said %q and %q, want %d %s", tc.args, code, errOut, out, tc.code, tc.want)
		}
	}
	for _, tc := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"list", "--status", "ftp://x"}, 2, "--status: must be a URL"},
		{[]string{"list", "--token", "a", "--token-file", "b"}, 2, "give one of them"},
		{[]string{"list", "--token-file", "nowhere"}, 2, "--token-file"},
		{
			[]string{"list", "--status", "http://u:s3cr3t@127.0.0.1:1"},
			1,
			"ask the status endpoint http://127.0.0.1:1: dial tcp 127.0.0.1:1: connect: connection refused: no " +
				"server listens there",
		},
		{[]string{"list", "--data-dir", t.TempDir()}, 1, "no data directory"},
	} {
		code, _, errOut := runDead(t, tc.args...)
		if code != tc.code || !strings.Contains(errOut, tc.want) || strings.Contains(errOut, "s3cr3t") {
			t.Errorf("%v: exit code %d, said %q, want %d %s", tc.args, code, errOut, tc.code, tc.want)
		}
	}
}

// TestDeadChanges retries and purges in a data directory without a server.
func TestDeadChanges(t *testing.T) {
	dir := deadDir(t)
	file := filepath.Join(t.TempDir(), "aggregator.yaml")
	if err := os.WriteFile(
		file, []byte("outputs: {es: {type: file, path: out.ndjson}}\nroutes: [{match: 'kube.**', outputs: [es]}]\n"),
		0o600,
	); err != nil {
		t.Fatal(err)
	}
	exported := filepath.Join(t.TempDir(), "dead.ndjson")
	for _, step := range []struct {
		args []string
		want string
	}{
		{[]string{"export", "--file", exported}, "wrote 5 dead letters to " + exported + "\n"},
		{
			[]string{"retry", "-c", file, "--output", "es", "--yes"},
			"put 2 dead letters with 2 events back into the queue\n",
		},
		{
			[]string{"retry", "-c", file, "--output", "es", "--yes"},
			"no dead letter fits: there are 3, and 'aggregator dead' sums them up by output, cluster and reason\n",
		},
		{[]string{"retry", "-c", file, "--output", "-", "--yes"}, "put no dead letter back into the queue\n" +
			"left 1 dead letter: no route wants them: give their tag and cluster a route, or choose an output to " +
			"send them to (to=, --to)\n" +
			"left 1 dead letter: their bytes can't be read as events: export them to see what came, and purge them\n"},
		{
			[]string{"retry", "-c", file, "--output", "archive", "--to", "es", "--yes"},
			"put 1 dead letter with 1 event back into the queue\n",
		},
		{[]string{"purge", "--cluster", "osaka", "--yes"}, "deleted 2 dead letters with 3 events\n"},
		{nil, "no dead letters\n"},
	} {
		code, out, errOut := runDead(t, append(step.args, "--data-dir", dir)...)
		want := endedWell
		if strings.Contains(step.want, "put no dead letter") {
			want = endedFailed
		}
		if code != want || out != step.want {
			t.Errorf("%v: exit code %d, said %q and %q, want %q", step.args, code, errOut, out, step.want)
		}
	}
	text, err := os.ReadFile(exported)
	if err != nil || bytes.Count(text, []byte("\n")) != 5 {
		t.Fatalf("exported %s: %v", text, err)
	}
	for line := range bytes.Lines(text) {
		if !json.Valid(line) {
			t.Errorf("no JSON: %s", line)
		}
	}
	queue, err := disk.Open(buffer.Config{Path: dir, WhenFull: "block", Sync: true}, buffer.Options{Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	if w := queue.Stats().Waits; len(w) != 1 || w[0].Output != "es" || w[0].Pending.Events != 3 {
		t.Errorf("waits: %+v", w)
	}
	if err := queue.Close(); err != nil {
		t.Fatal(err)
	}
}
