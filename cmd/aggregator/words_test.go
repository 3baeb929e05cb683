package main

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-afc6a195/aggregator/pkg/app"
	"github.com/seed-afc6a195/aggregator/pkg/config"
	"github.com/seed-afc6a195/aggregator/pkg/status/client"
)

// TestSizesAndTimes shows bytes and seconds as people read them.
func TestSizesAndTimes(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 1 << 20: "1.0 MiB", 5 << 30: "5.0 GiB",
		3 << 40: "3.0 TiB",
	} {
		if got := sizeText(n); got != want {
			t.Errorf("%d bytes: %s, want %s", n, got, want)
		}
	}
	for s, want := range map[float64]string{
		0: "0s", 0.0123: "12ms", 1.4: "1s", 59.6: "1m0s", 3725: "1h2m5s", 1e9 + 1: "years", math.Inf(1): "years",
	} {
		if got := seconds(s); got != want {
			t.Errorf("%v seconds: %s, want %s", s, got, want)
		}
	}
	done := 90.0
	for _, tc := range []struct {
		name  string
		p     client.Pending
		state string
		want  string
	}{
		{"nothing waits", client.Pending{Done: &done}, "idle", "-"},
		{"it gets less", client.Pending{Events: 1, Done: &done}, "running", "1m30s"},
		{"it gets more", client.Pending{Events: 1}, "running", "never"},
		{"no server runs", client.Pending{Events: 1}, app.StateOffline, "-"},
	} {
		if got := doneIn(&tc.p, tc.state); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
}

// TestAges says how long ago something was, in one unit that fits.
func TestAges(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	f := deadFlags{now: func() time.Time { return now }}
	for ago, want := range map[time.Duration]string{
		-time.Minute: "0s", 0: "0s", 59 * time.Second: "59s", time.Minute: "1m", 59 * time.Minute: "59m",
		time.Hour:                    "1h00m",
		47*time.Hour + 5*time.Minute: "47h05m", 48 * time.Hour: "2d", 1000 * time.Hour: "41d",
	} {
		if got := f.age(now.Add(-ago)); got != want {
			t.Errorf("%v ago: %s, want %s", ago, got, want)
		}
	}
}

// TestCut shortens texts to one line, and says that it did.
func TestCut(t *testing.T) {
	for _, tc := range []struct {
		text string
		n    int
		want string
	}{
		{"short", 10, "short"},
		{"exactly 10", 10, "exactly 10"},
		{"more than ten", 10, "more than…"},
		{"two\nlines", 10, "two…"},
		{"späße überall", 6, "späße…"},
		{"", 3, ""},
	} {
		if got := cut(tc.text, tc.n); got != tc.want {
			t.Errorf("%q: %q, want %q", tc.text, got, tc.want)
		}
	}
	for n, want := range map[int64]string{0: "0 dead letters", 1: "1 dead letter", 2: "2 dead letters"} {
		if got := plural(n, "dead letter"); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
	if capital("retry these") != "Retry these" || orNone("") != client.NoOutput || orNone("es") != "es" {
		t.Error("a beginning, or an output that is none, has other words")
	}
}

// TestVerdict is what `status` prints: the sentence, then what it rests on, and nothing that steers a terminal.
func TestVerdict(t *testing.T) {
	var out bytes.Buffer
	err := writeVerdict(&out, &client.Verdict{
		Text: "Two things are wrong.",
		Findings: []client.Finding{
			{
				Severity: client.Critical, Subject: "queue", Text: "it is full",
				Since: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), Remedy: "raise buffer.max_size",
			},
			{Severity: client.Warning, Subject: "output \x1b[31mes", Text: "slow\u202e"},
		},
	})
	want := "Two things are wrong.\ncritical: queue: it is full (since 2026-03-01T12:00:00Z)\n  what to do: raise " +
		"buffer.max_size\nwarning: output "
	if err != nil || !strings.HasPrefix(out.String(), want) || strings.ContainsAny(out.String(), "\x1b\u202e") {
		t.Errorf("%q, %v", &out, err)
	}
	full := brokenWriter{room: 1}
	if err := writeVerdict(&full, &client.Verdict{Text: "fine"}); err == nil {
		t.Error("an error of the output is not told")
	}
}

// brokenWriter takes so many bytes.
type brokenWriter struct{ room int }

func (w *brokenWriter) Write(p []byte) (int, error) {
	if len(p) > w.room {
		return 0, errFull
	}
	w.room -= len(p)
	return len(p), nil
}

var errFull = usageError{bytes.ErrTooLarge} // any error will do

// TestPrintResult says what a change of dead letters did, and what it left and why.
func TestPrintResult(t *testing.T) {
	for _, tc := range []struct {
		name string
		r    client.DeadResult
		want string
	}{
		{"one", client.DeadResult{Letters: 1, Events: 1}, "sent 1 dead letter with 1 event again\n"},
		{"some", client.DeadResult{Letters: 2, Events: 5}, "sent 2 dead letters with 5 events again\n"},
		{
			"none, and why",
			client.DeadResult{Why: "there are no dead letters"},
			"sent no dead letter again\nthere are no dead letters\n",
		},
		{
			"some that stay",
			client.DeadResult{
				Letters: 1, Events: 1, Skipped: map[string]int64{"no route wants them": 2, "a reason": 1},
			},
			"sent 1 dead letter with 1 event again\nleft 1 dead letter: a reason\nleft 2 dead letters: no route " +
				"wants them\n",
		},
	} {
		var out bytes.Buffer
		if err := printResult(&out, "sent %s again", tc.r); err != nil || out.String() != tc.want {
			t.Errorf("%s: %q, want %q: %v", tc.name, &out, tc.want, err)
		}
	}
	if err := printResult(&brokenWriter{}, "sent %s again", client.DeadResult{Why: "x"}); err == nil {
		t.Error("an error of the output is not told")
	}
}

// TestAskBeforeAChange shows what is about to change, and takes nothing but a yes for one.
func TestAskBeforeAChange(t *testing.T) {
	for answer, sure := range map[string]bool{
		"y\n": true, "YES\n": true, " yes \n": true, "n\n": false, "\n": false, "": false, "yess\n": false,
	} {
		var shown bytes.Buffer
		cmd := &cobra.Command{}
		cmd.SetIn(strings.NewReader(answer))
		cmd.SetErr(&shown)
		f := deadFlags{now: time.Now}
		got, err := f.ask(cmd,
			client.DeadSummary{
				Letters: 2, Events: 3,
				By: []client.DeadCount{{Output: "es", Cluster: "a", Reason: "rejected", Letters: 2, Events: 3}},
			}, "retry %s")
		if got != sure || (err == nil) != sure {
			t.Errorf("%q: %t, %v", answer, got, err)
		}
		if s := shown.String(); !strings.Contains(s, "rejected") ||
			!strings.HasSuffix(s, "Retry these 2 dead letters? [y/N] ") {
			t.Errorf("it shows %q", s)
		}
	}
}

// TestSureOfAPurge shows what waits for the outputs named, and for no others, before it asks.
func TestSureOfAPurge(t *testing.T) {
	q := client.Queue{Outputs: []client.OutputQueue{
		{Output: "es", Pending: client.Pending{Events: 5, Chunks: 2}},
		{Output: "s3", Pending: client.Pending{Events: 7, Chunks: 1}},
		{Output: "gone\x1b[1m", Pending: client.Pending{Events: 9, Chunks: 3}},
	}}
	for _, tc := range []struct {
		answer string
		names  []string
		sure   bool
		want   string
	}{
		{"y\n", []string{"es"}, true, "5 events in 2 chunks wait for output es\nForget what waits for es? [y/N] "},
		{
			"no\n",
			[]string{"es", "s3"},
			false,
			"5 events in 2 chunks wait for output es\n7 events in 1 chunks wait for output s3\nForget what waits for " +
				"es, s3? [y/N] ",
		},
		{"", []string{"nobody"}, false, "Forget what waits for nobody? [y/N] "},
		{"yes\n", []string{"gone\x1b[1m"}, true, "9 events in 3 chunks wait for output gone"},
	} {
		var shown bytes.Buffer
		cmd := &cobra.Command{}
		cmd.SetIn(strings.NewReader(tc.answer))
		cmd.SetErr(&shown)
		err := surePurge(cmd, &q, tc.names)
		if (err == nil) != tc.sure || !strings.HasPrefix(shown.String(), tc.want) ||
			strings.Contains(shown.String(), "\x1b") {
			t.Errorf("%v: %v, it shows %q", tc.names, err, &shown)
		}
	}
}

// TestLoggerForPeopleAndMachines writes JSON to what is no terminal unless told otherwise, from the level on.
func TestLoggerForPeopleAndMachines(t *testing.T) {
	for _, tc := range []struct {
		cfg     config.Log
		json    bool
		info    bool // lines of the level info are there
		comment string
	}{
		{config.Log{Level: "info", Format: "auto"}, true, true, "no terminal"},
		{config.Log{Level: "info", Format: "json"}, true, true, "asked for"},
		{config.Log{Level: "warn", Format: "console"}, false, false, "asked for, and less of it"},
		{config.Log{Level: "nonsense", Format: "json"}, true, true, "a level that is none"},
	} {
		var out bytes.Buffer
		log, terminal := newLogger(tc.cfg, &out)
		log.Info().Msg("info")
		log.Warn().Str("who", "\u202e").Msg("warn")
		if terminal || strings.Contains(out.String(), "info\n") != (tc.info && !tc.json) && !tc.json ||
			strings.Contains(out.String(), "\u202e") {
			t.Errorf("%s: %q", tc.comment, &out)
		}
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if want := map[bool]int{true: 2, false: 1}[tc.info]; len(lines) != want {
			t.Errorf("%s: %d lines: %q", tc.comment, len(lines), &out)
		}
		for _, line := range lines {
			if json.Valid([]byte(line)) != tc.json {
				t.Errorf("%s: %s", tc.comment, line)
			}
		}
	}
}

// TestSchemaAndVersion print what they are asked for, and refuse anything more.
func TestSchemaAndVersion(t *testing.T) {
	code, out, _ := command(t, "", "schema")
	var schema map[string]any
	if code != exitOK || json.Unmarshal([]byte(out), &schema) != nil || schema["properties"] == nil {
		t.Errorf("schema ends with %d: %.200s", code, out)
	}
	code, out, _ = command(t, "", "version")
	if code != exitOK || !strings.HasPrefix(out, "aggregator ") || strings.Count(out, "\n") != 1 {
		t.Errorf("version ends with %d: %s", code, out)
	}
	for _, name := range []string{"schema", "version", "status", "queue", "reload", "drain", "size"} {
		if code, _, errOut := command(t, "", name, "aggregator.yaml"); code != exitUsage ||
			!strings.Contains(errOut, "takes no arguments but flags; -c names a configuration") {
			t.Errorf("%s with an argument: %d, %s", name, code, errOut)
		}
		if code, out, _ := command(t, "", name, "--help"); code != exitOK ||
			!strings.Contains(out, "aggregator "+name) {
			t.Errorf("help for %s: %d, %s", name, code, out)
		}
	}
	if code, _, errOut := command(t, "", "qeue"); code != exitUsage ||
		!strings.Contains(errOut, "did you mean 'aggregator queue'?") {
		t.Errorf("a slip of the pen: %d, %s", code, errOut)
	}
	if code, _, errOut := command(t, "", "queue", "--jsn"); code != exitUsage ||
		!strings.Contains(errOut, "'aggregator queue --help' lists the flags") {
		t.Errorf("a wrong flag: %d, %s", code, errOut)
	}
}
