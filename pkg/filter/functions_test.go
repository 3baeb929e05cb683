package filter

import (
	"strings"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/event"
)

func TestFunctions(t *testing.T) {
	record, err := AppendValue(nil, map[string]any{"msg": "user=kim id=42\n", "long": strings.Repeat("a", 2000)})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, time.November, 30, 20, 30, 0, 0, time.UTC)
	for _, tc := range []struct{ expression, want, fail string }{
		{`replacePattern(record.msg, "user=(\\w+)", "<$1>")`, "<kim> id=42\n", ""},
		{`replacePattern(record.msg, "(?P<key>\\w+)=(\\w+)", "$2 is ${key}")`, "kim is user 42 is id\n", ""},
		{`replacePattern(record.msg, "id=\\d+$", "")`, "user=kim \n", ""},
		{`replacePattern(record.msg, "none", "x")`, "user=kim id=42\n", ""},
		{`replacePattern(record.msg, "^", "> ")`, "> user=kim id=42\n", ""},
		{`replacePattern(record.long, "a", "` + strings.Repeat("b", 1000) + `")`, "", "would have more than"},
		{`replacePattern(record.msg, "(", "")`, "", "missing closing"},
		{`replacePattern(record.msg, record.long, "")`, "", "the pattern of replacePattern is written in quotes"},
		{`strftime(time, "%Y.%m.%d")`, "2026.11.30", ""},
		{`strftime(time, "%Y.%m.%d", "Asia/Seoul")`, "2026.12.01", ""},
		{`strftime(time, "%Y-%m-%dT%H", "America/New_York")`, "2026-11-30T15", ""},
		{`strftime(time, "%H:%M:%S.%L %N%z %Z")`, "20:30:00.250 250000000+0000 UTC", ""},
		{`strftime(time, "%H:%M %z %Z %% %s", "Asia/Seoul")`, "05:30 +0900 KST % 1796070600", ""},
		{`strftime(time, "%H %z", "America/New_York")`, "15 -0500", ""},
		{`strftime(time, "%Y", "Mars/Olympus")`, "", "unknown time zone"},
		{`strftime(time, "%Q")`, "", "unknown conversion"},
		{`strftime(time, "{tag}")`, "", "no placeholders"},
		{`strftime(time, tag)`, "", "the format of strftime is written in quotes"},
	} {
		e := &Event{}
		e.Reset(&event.Event{Chunk: &event.Chunk{}, Time: event.Time{Sec: at.Unix(), Nsec: 25e7}, Record: record}, nil)
		x, err := NewExpression(tc.expression)
		var got []byte
		if err == nil {
			got, err = x.Append(nil, e)
		}
		text, _, _ := event.ReadBytes(got)
		if (err == nil) != (tc.fail == "") || err != nil && !strings.Contains(err.Error(), tc.fail) ||
			err == nil && string(text) != tc.want {
			t.Errorf("%.80s: %q, %v; want %q, %q", tc.expression, text, err, tc.want, tc.fail)
		}
	}
}
