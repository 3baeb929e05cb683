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
		`400 index_closed_exception  {"n":1}
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
	for _, broken := range []string{
		"event: event\ndata: {\n\n", "event: missed\ndata: x\n\n", "event: pods\ndata: 1\n\n",
	} {
		if err := showTail(strings.NewReader(broken), &out, &notes, false, none); err == nil ||
			!strings.Contains(err.Error(), "show what the server sends") {
			t.Errorf("%q: %v", broken, err)
		}
	}
}

// Of aggregators that share a queue, each event says where it was, and the notes say whose are shown, when that
// changes.
func TestShowTailOfGroup(t *testing.T) {
	pods := func(list string) string { return "event: pods\ndata: {\"pods\":[" + list + "]}\n\n" }
	const a, b, c = `{"name":"1","host":"agg-a","state":"live"}`, `{"name":"2","host":"agg-b","state":"live"}`,
		`{"name":"3","host":"agg-c","state":"silent"}`
	stream := pods(a+","+c) + pods(a+","+b+","+c) + pods(a+","+strings.Replace(b, "live", "silent", 1)) +
		pods(a+","+strings.Replace(b, `"live"`, `"refused","why":"no output is named es"`, 1)) + pods(a) +
		"event: event\ndata: " +
		`{"at":"arrival","pod":"agg-b","time":"2026-01-01T00:00:00Z","cluster":"a","tag":"t","bytes":12}` + "\n\n" +
		pods(strings.Replace(a, "agg-a", `agg-\u001b[31m`, 1)+","+b)
	var out, notes bytes.Buffer
	ended := func() error { return context.Canceled }
	if err := showTail(strings.NewReader(stream), &out, &notes, false, ended); err != nil {
		t.Fatal(err)
	}
	if want := "2026-01-01T00:00:00Z  a  t  12 B  on agg-b\n"; out.String() != want {
		t.Errorf("shown %q, want %q", out.String(), want)
	}
	const want = `events of agg-a
no events of agg-c are shown: it does not answer
events of agg-b are shown too
no events of agg-b are shown: it does not answer
agg-c is gone
no events of agg-b are shown: no output is named es
agg-b is gone
events of agg-b are shown too
`
	if notes.String() != want {
		t.Errorf("noted\n%s\nwant\n%s", notes.String(), want)
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
