package timelayout

import (
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/event"
)

func TestSyslogYear(t *testing.T) {
	for _, tc := range []struct{ received, text, want string }{
		{"2026-11-21T12:00:00Z", "Nov 21 11:59:59", "2026-11-21T11:59:59Z"},
		{"2026-11-21T12:00:00Z", "Nov 22 11:00:00", "2026-11-22T11:00:00Z"}, // a clock or a zone is wrong
		{"2026-11-21T12:00:00Z", "Nov 23 12:00:00", "2025-11-23T12:00:00Z"},
		{"2026-11-21T12:00:00Z", "Feb  5 00:00:00", "2026-02-05T00:00:00Z"},
		{"2026-01-01T00:00:05Z", "Dec 31 23:59:59", "2025-12-31T23:59:59Z"},
		{"2025-12-31T23:59:55Z", "Jan  1 00:00:01", "2026-01-01T00:00:01Z"},
		{"2026-11-21T12:00:00Z", "Feb 29 12:00:00", "2024-02-29T12:00:00Z"},
		{"1903-11-21T12:00:00Z", "Feb 29 12:00:00", "1896-02-29T12:00:00Z"},
	} {
		received, err := time.Parse(time.RFC3339, tc.received)
		if err != nil {
			t.Fatal(err)
		}
		got, n, ok := ReadRFC3164([]byte(tc.text+" host"), time.UTC, event.Time{Sec: received.Unix()})
		if at := time.Unix(got.Sec, 0).UTC().Format(time.RFC3339); !ok || at != tc.want || n != len(tc.text) {
			t.Errorf("%s, received %s: got %s %v, %d bytes, want %s", tc.text, tc.received, at, ok, n, tc.want)
		}
	}
}
