package live

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-afc6a195/aggregator/cmd/aggregator/internal/flags"
	"github.com/seed-afc6a195/aggregator/pkg/app"
	"github.com/seed-afc6a195/aggregator/pkg/status/client"
)

// What is pending is a table for people: a row for each cluster, and one for all where there are none or several.
func TestQueueTables(t *testing.T) {
	pending := func(events int64, oldest, delivered, queued, settled float64) client.Pending {
		return client.Pending{
			Events: events, Chunks: events, Bytes: 1024 * events, Oldest: oldest, Delivered: delivered, Queued: queued,
			Settled: settled,
		}
	}
	one := client.OutputQueue{Output: "es", State: "running", Pending: pending(2, 3, 1.5, 0.4, 1)}
	one.Foresee()
	one.Clusters = []client.ClusterQueue{{Cluster: "seoul", Pending: one.Pending}}
	two := client.OutputQueue{Output: "s3", State: "refused", Pending: pending(3, 7300, 0, 2, 0)}
	two.Clusters = []client.ClusterQueue{
		{Cluster: "osaka", Pending: pending(1, 0.25, 0, 2, 0)}, {Cluster: "seoul", Pending: pending(2, 7300, 0, 0, 0)},
	}
	const head = "output cluster events chunks bytes oldest out/s in/s done in state"
	for _, tc := range []struct {
		name string
		q    client.Queue
		want []string
	}{
		{"no outputs", client.Queue{}, []string{head}},
		{
			"an output without clusters",
			client.Queue{Outputs: []client.OutputQueue{{Output: "f", State: "idle"}}},
			[]string{head, "f all 0 0 0 B 0s 0 0 - idle"},
		},
		{
			"one cluster",
			client.Queue{Outputs: []client.OutputQueue{one}},
			[]string{head, "es seoul 2 2 2 KiB 3s 2 0 3s running"},
		},
		{
			"several", client.Queue{Outputs: []client.OutputQueue{two}}, []string{
				head, "s3 all 3 3 3 KiB 2h1m40s 0 2 never refused", "s3 osaka 1 1 1 KiB 250ms 0 2 never refused",
				"s3 seoul 2 2 2 KiB 2h1m40s 0 0 never refused",
			},
		},
		{
			"no server, and nothing can be stored",
			client.Queue{Full: "the disk\x1b[2J is full", Outputs: []client.OutputQueue{{
				Output: "es", State: app.StateOffline, Pending: pending(1, 0, 0, 0, 0),
			}}},
			[]string{
				head, "es all 1 1 1 KiB 0s 0 0 - offline", "nothing can be stored: the disk\uFFFD[2J is full",
			},
		},
	} {
		var out bytes.Buffer
		if err := writeQueue(&out, &tc.q); err != nil {
			t.Fatal(err)
		}
		var got []string
		for line := range strings.Lines(out.String()) {
			got = append(got, strings.Join(strings.Fields(line), " "))
		}
		if strings.Join(got, "\n") != strings.Join(tc.want, "\n") {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

// Where an event is stands on a line for each place, with what explains it, and nothing that steers a terminal.
func TestTraceTables(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	place := func(state string) client.TracePlace {
		return client.TracePlace{
			State: state, Output: "es", Cluster: "seoul", Tag: "kube.a", Time: at, Target: "logs-a", Letter: 7,
			Reason: "rejected",
		}
	}
	const head, row = "STATE OUTPUT CLUSTER TAG TIME", " es seoul kube.a 2026-03-01T12:00:00Z"
	odd := place(client.TracePending)
	odd.Output, odd.Tag = "", "a\nb\x1b"
	for _, tc := range []struct {
		name string
		t    client.Trace
		want []string
	}{
		{"nowhere", client.Trace{}, nil},
		{"pending", client.Trace{Places: []client.TracePlace{place("pending")}}, []string{head, "pending" + row}},
		{
			"waiting, dead and settled",
			client.Trace{Places: []client.TracePlace{place("waiting"), place("dead"), place("settled")}},
			[]string{head, "waiting" + row + " for logs-a", "dead" + row + " letter 7: rejected", "settled" + row},
		},
		{
			"a tag over two lines",
			client.Trace{Places: []client.TracePlace{odd}},
			[]string{head, "pending seoul a b 2026-03-01T12:00:00Z"},
		},
		{"not all was read", client.Trace{Unread: "look: \x1bEOF"}, []string{"not all was looked at: look: \uFFFDEOF"}},
	} {
		var out bytes.Buffer
		if err := writeTrace(&out, &tc.t); err != nil {
			t.Fatal(err)
		}
		var got []string
		for line := range strings.Lines(out.String()) {
			got = append(got, strings.Join(strings.Fields(line), " "))
		}
		if strings.Join(got, "\n") != strings.Join(tc.want, "\n") {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

// An event of a live view is one line, and others below it for what steps, destinations and remedies say.
func TestTailedLines(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 5, time.UTC)
	const head = "2026-03-01T12:00:00.000000005Z  seoul  kube.a  42 B"
	for _, tc := range []struct {
		name   string
		change func(e *client.TailEvent)
		want   string
	}{
		{"as it arrives", func(*client.TailEvent) {}, head + "\n"},
		{
			"with its record", func(e *client.TailEvent) { e.Record = json.RawMessage(`{"a":1}`) },
			head + `  {"a":1}` + "\n",
		},
		{"on another pod", func(e *client.TailEvent) { e.Pod = "agg-1" }, head + "  on agg-1\n"},
		{"of several", func(e *client.TailEvent) { e.Joined = 3 }, head + "  3 events joined\n"},
		{
			"delivered, by an unknown route",
			func(e *client.TailEvent) { e.Result, e.Output = client.TailDelivered, "es" },
			head + "  es: delivered\n",
		},
		{
			"refused, with words and what to do", func(e *client.TailEvent) {
				e.Result, e.Output, e.Route, e.Target, e.Answer, e.Status = client.TailRetry, "es", "routes[0]",
					"logs", "server", 503
				e.Detail, e.Remedy = "busy\x1b[1m", "wait"
			},
			head + "  routes[0] → es (logs): is sent again: server (503)\n    busy [1m\n    to do: wait\n",
		},
		{"a tag that hides something", func(e *client.TailEvent) { e.Tag = "kube.a\u202e\n" }, strings.Replace(
			head, "kube.a", "kube.a  ", 1) + "\n"},
	} {
		e := client.TailEvent{Time: at, Cluster: "seoul", Tag: "kube.a", Bytes: 42}
		tc.change(&e)
		if got := tailed(&e); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

// JSON is indented, says what was said, and has escapes for what is hidden in it.
func TestJSONForTerminals(t *testing.T) {
	for _, text := range []string{"plain <b> & é", "\x1b[2J\x7f\u0085", "\u202e\u2028", "two\nlines", "\U000e0041"} {
		var out bytes.Buffer
		if err := writeJSON(&out, map[string]string{"a": text}); err != nil {
			t.Fatal(err)
		}
		var back map[string]string
		if err := json.Unmarshal(out.Bytes(), &back); err != nil || back["a"] != text {
			t.Errorf("%q is read back as %q (%v)", text, back["a"], err)
		}
		if strings.ContainsAny(out.String(), "\x1b\x7f\u0085\u202e\u2028\U000e0041") ||
			!strings.HasPrefix(out.String(), "{\n  ") {
			t.Errorf("%q is written as %q", text, &out)
		}
	}
}

// What is wrong with a command line is told before any server is asked, as wrong usage.
func TestUsageWithoutAServer(t *testing.T) {
	for _, tc := range []struct {
		command *cobra.Command
		args    string
		want    string
	}{
		{newOutputCommand(), "pause", "pause needs the name of an output; 'aggregator output list' shows them"},
		{newOutputCommand(), "resume", "resume needs the name of an output"},
		{newOutputCommand(), "retry", "retry needs the name of an output"},
		{newOutputCommand(), "retry a b --target t", "with --target, name one output"},
		{newOutputCommand(), "move es", "move needs --target: 'aggregator output targets' shows what there is"},
		{newOutputCommand(), "move a b --target t", "with --target, name one output"},
		{newOutputCommand(), "purge es", "purge loses what waits: with --yes, since nobody can be asked here"},
		{newOutputCommand(), "purge es --target t", "purge loses what waits: say --yes"},
		{newOutputCommand(), "purge a b --target t --yes", "with --target, name one output"},
		{newOutputCommand(), "list x", `"x": 'output list' takes no arguments but flags`},
		{newOutputCommand(), "puase es", "did you mean 'output pause'?"},
		{newTraceCommand(), "", "give one event's id; 'trace --help' says where it stands"},
		{newTraceCommand(), "a b", "give one event's id"},
		{newTailCommand(), "--rate 0", "--rate 0: must be at least 1"},
		{newTailCommand(), "--sample -3", "--sample -3: must be at least 1"},
		{newQueueCommand(), "--offline --data-dir /d", "--data-dir and --offline: give one of them"},
		{newQueueCommand(), "--offline --status http://x", "--offline asks no server: leave out --status"},
		{newQueueCommand(), "--data-dir /d --status http://x", "--data-dir asks no server: leave out --status"},
		{newStatusCommand(), "x", `"x": 'status' takes no arguments but flags`},
		{newReloadCommand(), "x", `"x": 'reload' takes no arguments but flags`},
		{newTopCommand(), "x", `"x": 'top' takes no arguments but flags`},
	} {
		tc.command.SetArgs(strings.Fields(tc.args))
		tc.command.SetIn(strings.NewReader("y\n"))
		tc.command.SetOut(io.Discard)
		tc.command.SetErr(io.Discard)
		tc.command.SilenceUsage, tc.command.SilenceErrors = true, true
		err := tc.command.ExecuteContext(t.Context())
		if err == nil || !strings.Contains(err.Error(), tc.want) || !flags.IsWrongUsage(err) {
			t.Errorf("%s %s: %v, want %s", tc.command.Name(), tc.args, err, tc.want)
		}
	}
}
