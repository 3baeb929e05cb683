package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
)

const tailStream = ": live\n\n" +
	`event: event` + "\n" +
	`data: {"at":"es","time":"2026-01-01T00:00:00Z","cluster":"a","tag":"t","bytes":12,"record":{"n":1},` +
	`"target":"logs","answer":"target","status":400,"kind":"index_closed_exception"}` + "\n\n" +
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
	const want = `2026-01-01T00:00:00Z  a  t  12 B  logs: target (400 index_closed_exception)  {"n":1}
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
