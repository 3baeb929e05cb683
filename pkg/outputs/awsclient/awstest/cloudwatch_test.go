package awstest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestPutLogEvents has the limits kept and broken, each by one.
func TestPutLogEvents(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	const day = 24 * time.Hour
	at := func(ages ...time.Duration) (events []LogEvent) {
		for _, age := range ages {
			events = append(events, LogEvent{Timestamp: now.Add(-age).UnixMilli(), Message: "x"})
		}
		return events
	}
	sized := func(sizes ...int) []LogEvent {
		events := at(make([]time.Duration, len(sizes))...)
		for i, n := range sizes {
			events[i].Message = strings.Repeat("x", n)
		}
		return events
	}
	for _, tc := range []struct {
		name   string
		events []LogEvent
		code   string         // of the error
		stored int            // events
		info   map[string]int // what is said of the others
	}{
		{"10,000 events", at(make([]time.Duration, 10_000)...), "", 10_000, nil},
		{"more", at(make([]time.Duration, 10_001)...), invalidParameter, 0, nil},
		{"no events", nil, invalidParameter, 0, nil},
		{"the largest event", sized(1_048_550), "", 1, nil},
		{"a larger one", sized(1_048_551), invalidParameter, 0, nil},
		{"the largest request", sized(524_262, 524_262), "", 2, nil},
		{"a larger request", sized(524_262, 524_263), invalidParameter, 0, nil},
		{"an empty message", sized(1, 0), invalidParameter, 0, nil},
		{"not in order", at(0, time.Millisecond), invalidParameter, 0, nil},
		{"before 1970", []LogEvent{{-1, "x"}}, invalidParameter, 0, nil},
		{"a day", at(day, 0), "", 2, nil},
		{"more than a day", at(day+time.Millisecond, 0), invalidParameter, 0, nil},
		{
			"refused events don't count for the day", at(15*day, day, 0, -3*time.Hour), "", 2,
			map[string]int{"tooOldLogEventEndIndex": 1, "expiredLogEventEndIndex": 1, "tooNewLogEventStartIndex": 3},
		},
		{"just within", at(-2 * time.Hour), "", 1, nil},
		{"just beyond", at(-2*time.Hour - time.Millisecond), "", 0, map[string]int{"tooNewLogEventStartIndex": 0}},
		{"14 days", at(14 * day), "", 0, map[string]int{"expiredLogEventEndIndex": 1}},
		{
			"expired", at(14*day+1e6, 8*day, 7*day), "", 1,
			map[string]int{"tooOldLogEventEndIndex": 1, "expiredLogEventEndIndex": 2},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := NewCloudWatch(New(time.Now), func() time.Time { return now })
			c.Add("g", "s")
			c.groups["g"].RetentionDays = 7
			out, e := c.put(&logsCall{Group: "g", Stream: "s", Events: tc.events})
			if code := codeOf(e); code != tc.code {
				t.Fatalf("%+v, want %q", e, tc.code)
			}
			if got := len(c.Groups()["g"].Streams["s"]); got != tc.stored {
				t.Errorf("stored %d events, want %d", got, tc.stored)
			}
			info := map[string]any{}
			if tc.info != nil {
				info["rejectedLogEventsInfo"] = tc.info
			}
			if e == nil && fmt.Sprint(out) != fmt.Sprint(info) {
				t.Errorf("answered %v, want %v", out, info)
			}
		})
	}
}

func codeOf(e *logsError) string {
	if e == nil {
		return ""
	}
	return e.code
}

func TestLogNames(t *testing.T) {
	for _, tc := range []struct {
		group, stream string
		codes         []string // of CreateLogStream, CreateLogGroup twice, CreateLogStream twice
	}{
		{
			"/k8s/a_b-c.d#1", "t [x]", []string{
				"ResourceNotFoundException", "", "ResourceAlreadyExistsException", "", "ResourceAlreadyExistsException",
			},
		},
		{"a b", "s", slices.Repeat([]string{invalidParameter}, 5)},
		{"aws/x", "s", slices.Repeat([]string{invalidParameter}, 5)},
		{strings.Repeat("g", 513), "s", slices.Repeat([]string{invalidParameter}, 5)},
		{
			"g", "a:b",
			[]string{invalidParameter, "", "ResourceAlreadyExistsException", invalidParameter, invalidParameter},
		},
		{"g", "", []string{invalidParameter, "", "ResourceAlreadyExistsException", invalidParameter, invalidParameter}},
	} {
		c := NewCloudWatch(New(time.Now), time.Now)
		in := &logsCall{Group: tc.group, Stream: tc.stream}
		var codes []string
		for _, do := range []func(*logsCall) (any, *logsError){
			c.createStream, c.createGroup, c.createGroup, c.createStream, c.createStream,
		} {
			_, e := do(in)
			codes = append(codes, codeOf(e))
		}
		if !slices.Equal(codes, tc.codes) {
			t.Errorf("%.20q and %q: %q, want %q", tc.group, tc.stream, codes, tc.codes)
		}
	}
}
