package live

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/status/client"
)

const tailStream = ": live\n\n" +
	`event: event` + "\n" +
	`data: {"at":"es","time":"2026-01-01T00:00:00Z","cluster":"a","tag":"t","bytes":12,"record":{"n":1},` +
	`"target":"logs","output":"es","route":"routes[0]","result":"waits","answer":"target","status":400,` +
	`"kind":"index_closed_exception","detail":"closed\u001b[1m","remedy":"open it","joined":3,"steps":[` +
	`{"filter":"f","index":1,"kind":"parse","effect":"changed","changes":[{"field":"n","to":1}]}]}` + "\n\n" +
	"event: missed\ndata: {\"events\":7}\n\n" +
	`event: event` + "\n" +
	`data: {"at":"arrival","time":"2026-01-01T00:00:00Z","cluster":"a","tag":"t\u001b[31m","bytes":12}` + "\n\n"

func TestShowTail(t *testing.T) {
	none := func() error { return nil }
	var out, notes bytes.Buffer
	if err := showTail(strings.NewReader(tailStream), &out, &notes, false, none); err == nil ||
		!strings.Contains(err.Error(), "has ended") {
		t.Errorf("the end of the stream: %v", err)
	}
	const want = `2026-01-01T00:00:00Z  a  t  12 B  3 events joined  routes[0] → es (logs): waits for its target: ` +
		`target (400 index_closed_exception)  {"n":1}
    f[1] parse
      + n: 1
    closed [1m
    to do: open it
2026-01-01T00:00:00Z  a  t [31m  12 B
`
	if out.String() != want || notes.String() != "7 more events were not shown\n" {
		t.Errorf("shown %q, noted %q", out.String(), notes.String())
	}
	out.Reset()
	if err := showTail(
		strings.NewReader(tailStream), &out, &notes, true, func() error { return context.Canceled },
	); err != nil {
		t.Errorf("interrupted: %v", err)
	}
	if lines := strings.Split(out.String(), "\n"); len(lines) != 3 || !strings.HasPrefix(lines[0], `{"at":"es",`) {
		t.Errorf("as JSON: %q", out.String())
	}
	for _, broken := range []string{"event: event\ndata: {\n\n", "event: missed\ndata: x\n\n"} {
		if err := showTail(strings.NewReader(broken), &out, &notes, false, none); err == nil ||
			!strings.Contains(err.Error(), "show what the server sends") {
			t.Errorf("%q: %v", broken, err)
		}
	}
}

func TestTailResult(t *testing.T) {
	for _, tc := range []struct {
		event client.TailEvent
		want  string
	}{
		{client.TailEvent{Result: client.TailDelivered, Answer: "delivered"}, "delivered"},
		{
			client.TailEvent{Result: client.TailRetry, Answer: "throttled", Status: 429},
			"is sent again: throttled (429)",
		},
		{client.TailEvent{Result: client.TailDropped, Step: "f[0] grep", Answer: "filter"}, "dropped by f[0] grep"},
		{
			client.TailEvent{Result: client.TailDropped, Answer: "rejected", Status: 400, Kind: "mapper"},
			"dropped by on_reject: rejected (400 mapper)",
		},
		{client.TailEvent{Result: client.TailDeadLetter, Answer: "max_age"}, "dead letter: max_age"},
		{
			client.TailEvent{Result: client.TailDeadLetter, Step: "f[0] expr", Answer: "filter"},
			"dead letter: f[0] expr",
		},
		{client.TailEvent{Result: client.TailJoined}, "joined to another event"},
	} {
		if got := tailResult(&tc.event); got != tc.want {
			t.Errorf("%+v is said as %q, want %q", tc.event, got, tc.want)
		}
	}
}
