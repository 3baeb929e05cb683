package live

import (
	"bytes"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-afc6a195/aggregator/pkg/app"
	"github.com/seed-afc6a195/aggregator/pkg/status/client"
)

// TestSizesAndTimes shows bytes and seconds as people read them.
func TestSizesAndTimes(t *testing.T) {
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
		{"it gets more", client.Pending{Events: 1, Oldest: 60, Queued: 5, Settled: 4}, "running", "never"},
		{"nothing goes", client.Pending{Events: 1, Oldest: 1, Queued: 5}, "refused", "never"},
		{"it keeps up", client.Pending{Events: 20, Oldest: 0.9, Queued: 5, Settled: 5}, "running", "-"},
		{"no server runs", client.Pending{Events: 1}, app.StateOffline, "-"},
	} {
		if got := doneIn(&tc.p, tc.state); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
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
	}, nil)
	want := "Two things are wrong.\ncritical: queue: it is full (since 2026-03-01T12:00:00Z)\n  what to do: raise " +
		"buffer.max_size\nwarning: output "
	if err != nil || !strings.HasPrefix(out.String(), want) || strings.ContainsAny(out.String(), "\x1b\u202e") {
		t.Errorf("%q, %v", &out, err)
	}
	_, closed := io.Pipe()
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	if err := writeVerdict(closed, &client.Verdict{Text: "fine"}, nil); err == nil {
		t.Error("an error of the output is not told")
	}
}

// TestGroupInWords is what `status` and `queue` say of those that share the queue.
func TestGroupInWords(t *testing.T) {
	var out bytes.Buffer
	if err := writeVerdict(&out, &client.Verdict{Text: "fine"}, &client.Group{Pods: []client.Pod{
		{Host: "a", State: "ready"},
		{Host: "b\x1b[31m", State: "not_ready"},
		{Host: "c", State: "ready"},
		{Host: "d", State: "ended"},
		{Host: "e", State: "gone"},
	}}); err != nil {
		t.Fatal(err)
	}
	want := "fine\nthe group: 2 aggregators ready, b"
	if !strings.HasPrefix(out.String(), want) || strings.Contains(out.String(), "\x1b") ||
		!strings.HasSuffix(out.String(), " is not ready\n") {
		t.Errorf("status says %q", &out)
	}
	for pods, want := range map[int]string{
		0: "", 1: "of the queue of 1 aggregator\n", 3: "of the queue of 3 aggregators\n",
	} {
		out.Reset()
		if err := writeQueue(&out, &client.Queue{Pods: pods}); err != nil {
			t.Fatal(err)
		}
		if _, after, _ := strings.Cut(out.String(), "\n"); after != want {
			t.Errorf("queue of %d says %q", pods, after)
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
