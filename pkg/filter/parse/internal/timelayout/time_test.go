package timelayout

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// came is when the events of the tests came.
func came() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

func mustLayout(t *testing.T, format, zone string) Layout {
	t.Helper()
	z, err := NewZone(zone)
	if err != nil {
		t.Fatal(err)
	}
	l, err := New(format, z)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestLayout(t *testing.T) {
	for _, tc := range []struct {
		format, zone, text string
		want               string // RFC 3339 in UTC, "" where the text is not written so
	}{
		// fluentd's and Fluent Bit's usual ones
		{"%d/%b/%Y:%H:%M:%S %z", "UTC", "28/Feb/2013:12:00:00 +0900", "2013-02-28T03:00:00Z"},
		{"%d/%b/%Y:%H:%M:%S %z", "UTC", "10/Oct/2000:13:55:36 -0700", "2000-10-10T20:55:36Z"},
		{"%Y-%m-%dT%H:%M:%S.%L%z", "UTC", "2016-10-06T00:17:09.669794202Z", "2016-10-06T00:17:09.669794202Z"},
		{"%Y-%m-%dT%H:%M:%S.%L", "UTC", "2023-01-02T03:04:05.25", "2023-01-02T03:04:05.25Z"},
		{"%Y-%m-%dT%H:%M:%S.%NZ", "UTC", "2023-01-02T03:04:05.1234567899Z", "2023-01-02T03:04:05.123456789Z"},
		{"%Y-%m-%d %H:%M:%S.%3N %:z", "UTC", "2023-01-02 03:04:05.250 +05:30", "2023-01-01T21:34:05.25Z"},
		{"%Y-%m-%d %H:%M:%S,%f", "Asia/Seoul", "2023-01-02 03:04:05,000001", "2023-01-01T18:04:05.000001Z"},
		{"%b %d %H:%M:%S", "UTC", "Feb 28 12:00:00", "2026-02-28T12:00:00Z"},
		{"%b %d %H:%M:%S", "UTC", "Feb  8 12:00:00", "2026-02-08T12:00:00Z"},
		{"%b %d %H:%M:%S", "UTC", "Dec 31 23:59:59", "2025-12-31T23:59:59Z"},
		{"%b %d %H:%M:%S", "UTC", "Feb 29 00:00:00", "2024-02-29T00:00:00Z"},
		{"%b %d %H:%M:%S", "+09:00", "Mar 1 20:59:00", "2026-03-01T11:59:00Z"},
		{"%H:%M:%S", "UTC", "11:00:01", "2026-03-01T11:00:01Z"},
		{"%s", "UTC", "1700000000", "2023-11-14T22:13:20Z"},
		{"%s.%L", "UTC", "1700000000.5", "2023-11-14T22:13:20.5Z"},
		{"%Q", "UTC", "1700000000123", "2023-11-14T22:13:20.123Z"},
		{"%a %b %e %H:%M:%S %Y", "UTC", "Mon Jan  2 15:04:05 2006", "2006-01-02T15:04:05Z"},
		{"%c", "UTC", "Monday January 2 15:04:05 2006", "2006-01-02T15:04:05Z"},
		{"%A, %d-%B-%y %I:%M:%S %p %Z", "UTC", "monday, 02-JANUARY-06 12:04:05 am EST", "2006-01-02T05:04:05Z"},
		{"%D %r", "UTC", "01/02/69 12:00:00 PM", "1969-01-02T12:00:00Z"},
		{"%Y%m%d%H%M%S", "UTC", "20230102030405", "2023-01-02T03:04:05Z"},
		{"%Y/%j %R", "UTC", "2024/366 01:02", "2024-12-31T01:02:00Z"},
		{"%F%t%T%%", "UTC", "2023-01-02  03:04:05%", "2023-01-02T03:04:05Z"},
		{"%FT%T%z", "UTC", "2016-12-31T23:59:60Z", "2016-12-31T23:59:59Z"},
		{"%F %T", "America/New_York", "2024-07-01 00:00:00", "2024-07-01T04:00:00Z"},
		{"%-d.%-m.%Y", "UTC", "2.1.2023", "2023-01-02T00:00:00Z"},

		{"%Y-%m-%d", "UTC", "2023-02-29", ""},
		{"%Y-%m-%d", "UTC", "2023-13-01", ""},
		{"%Y-%m-%d", "UTC", "2023-00-01", ""},
		{"%Y-%m-%d", "UTC", "2023-01-02 03:04", ""},
		{"%Y-%m-%d", "UTC", "202", ""},
		{"%Y-%m-%d", "UTC", "", ""},
		{"%H:%M", "UTC", "24:00", ""},
		{"%H:%M", "UTC", "23:60", ""},
		{"%I %p", "UTC", "13 PM", ""},
		{"%I %p", "UTC", "1 XM", ""},
		{"%d %b", "UTC", "01 Foo", ""},
		{"%d %b", "UTC", "30 Feb", ""},
		{"%a %d", "UTC", "Xyz 01", ""},
		{"%j %Y", "UTC", "366 2023", ""},
		{"%F %z", "UTC", "2023-01-02 +9", ""},
		{"%F %z", "UTC", "2023-01-02 +25:00", ""},
		{"%F %z", "UTC", "2023-01-02 QQQ", ""},
		{"%F %z", "UTC", "2023-01-02 ", ""},
		{"%F.%L", "UTC", "2023-01-02.", ""},
		{"%s", "UTC", "99999999999999999999", ""},
		{"%s", "UTC", "999999999999999", ""},

		// Go's
		{"2006-01-02 15:04:05.999 MST", "UTC", "2023-01-02 03:04:05.5 UTC", "2023-01-02T03:04:05.5Z"},
		{"02 Jan 06 15:04", "Asia/Seoul", "02 Jan 23 03:04", "2023-01-01T18:04:00Z"},
		{"Jan _2 15:04:05", "UTC", "Feb 28 12:00:00", "2026-02-28T12:00:00Z"},
		{"Jan _2 15:04:05 -0700", "UTC", "Feb 28 12:00:00 +0900", "2026-02-28T03:00:00Z"},
		{"2006-01-02", "UTC", "2023-02-30", ""},

		{"rfc3339", "UTC", "2023-01-02T03:04:05.123456789+09:00", "2023-01-01T18:04:05.123456789Z"},
		{"iso8601", "UTC", "2023-01-02 03:04:05,5 -0330", "2023-01-02T06:34:05.5Z"},
		{"rfc3339", "Asia/Seoul", "2023-01-02t03:04", "2023-01-01T18:04:00Z"},
		{"rfc3339", "UTC", "2023-01-02", ""},
		{"rfc3339", "UTC", "2023-01-02T03:04:0", ""},
		{"rfc3339", "UTC", "2023-01-02T03:04:05.", ""},
		{"rfc3339", "UTC", "2023-01-02T03:04:05Zx", ""},
		{"rfc3339", "UTC", "2023-01-02T0x:04:05Z", ""},
		{"rfc3339", "UTC", "2023-00-02T03:04:05Z", ""},
		{"rfc3339", "UTC", "2023-01-00T03:04:05Z", ""},

		{"unix", "UTC", "1362020400", "2013-02-28T03:00:00Z"},
		{"unix", "UTC", " 1362020400.25 ", "2013-02-28T03:00:00.25Z"},
		{"unix", "UTC", "0", "1970-01-01T00:00:00Z"},
		{"unix_ms", "UTC", "1362020400123.5", "2013-02-28T03:00:00.1235Z"},
		{"unix_us", "UTC", "1362020400123456", "2013-02-28T03:00:00.123456Z"},
		{"unix_ns", "UTC", "1362020400123456789", "2013-02-28T03:00:00.123456789Z"},
		{"unix", "UTC", "1.7e9", ""},
		{"unix", "UTC", "1700000000.", ""},
		{"unix", "UTC", "-5", ""},

		{"", "UTC", "1362020400", "2013-02-28T03:00:00Z"},
		{"", "UTC", "1362020400.123", "2013-02-28T03:00:00.123Z"},
		{"", "UTC", "1362020400123", "2013-02-28T03:00:00.123Z"},
		{"", "UTC", "1362020400123456", "2013-02-28T03:00:00.123456Z"},
		{"", "UTC", "1362020400123456789", "2013-02-28T03:00:00.123456789Z"},
		{"", "UTC", "2013-02-28 12:00:00 +0900", "2013-02-28T03:00:00Z"},
		{"", "UTC", "12", ""},
		{"", "UTC", "20230102030405", ""},
		{"", "UTC", "yesterday", ""},
	} {
		l := mustLayout(t, tc.format, tc.zone)
		got, ok := l.Parse([]byte(tc.text), event.Time{Sec: came().Unix()})
		text := ""
		if ok {
			text = time.Unix(got.Sec, int64(got.Nsec)).UTC().Format(time.RFC3339Nano)
		}
		if text != tc.want {
			t.Errorf("%q as %q in %s: %q, want %q", tc.text, tc.format, tc.zone, text, tc.want)
		}
	}
}

// Dates are reckoned as Go does.
func TestSecondsOf(t *testing.T) {
	for day := time.Date(1, 1, 1, 1, 2, 3, 0, time.UTC); day.Year() < 2500; day = day.AddDate(0, 0, 13) {
		got, ok := secondsOf(day.Year(), int(day.Month()), day.Day(), 1, 2, 3)
		if !ok || got != day.Unix() {
			t.Fatalf("%v: %d, want %d", day, got, day.Unix())
		}
	}
}

// strict is what RFC 3339, section 5.6, allows and time.Parse doesn't check: hours of two digits, offsets below 24:00.
var strict = regexp.MustCompile(`^.{10}T\d\d:.*(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$`)

// FuzzLayout holds that no text or format panics, and that what is read as RFC 3339 is what Go reads.
func FuzzLayout(f *testing.F) {
	f.Add("%d/%b/%Y:%H:%M:%S %z", "28/Feb/2013:12:00:00 +0900")
	f.Add("%s.%L %j %p", "1700000000.5 366 am")
	f.Add("rfc3339", "2023-01-02T03:04:05.123456789+09:00")
	f.Add("2006-01-02", "2023-01-02")
	f.Fuzz(func(t *testing.T, format, text string) {
		l, err := New(format, time.UTC)
		if err != nil {
			return
		}
		got, ok := l.Parse([]byte(text), event.Time{Sec: came().Unix()})
		if ok && (got.Sec < minSecond || got.Sec > maxSecond || got.Nsec >= 1e9) {
			t.Fatalf("%q as %q: %+v", text, format, got)
		}
		l = mustLayout(t, "rfc3339", "UTC")
		want, err := time.Parse(time.RFC3339Nano, text)
		if err != nil || want.Unix() < minSecond || want.Unix() > maxSecond || strings.HasPrefix(text, "0000") ||
			!strict.MatchString(text) {
			return
		}
		got, ok = l.Parse([]byte(text), event.Time{})
		if !ok || got.Sec != want.Unix() || int(got.Nsec) != want.Nanosecond() {
			t.Fatalf("%q: %+v, want %v", text, got, want)
		}
	})
}

// A text that leaves out parts of the date means the day that is nearest to the time that the event came with.
func TestTimeWithoutDate(t *testing.T) {
	for _, tc := range []struct{ format, zone, came, text, want string }{
		{"%H:%M:%S.%L", "UTC", "2026-01-02T00:00:05Z", "23:59:59.123", "2026-01-01T23:59:59.123Z"},
		{"%H:%M:%S", "UTC", "2026-01-01T23:59:58Z", "00:00:01", "2026-01-02T00:00:01Z"},
		{"%H:%M:%S", "UTC", "2026-01-02T12:00:05Z", "11:59:59", "2026-01-02T11:59:59Z"},
		{"%H:%M:%S", "UTC", "2026-01-02T12:00:00Z", "00:00:00", "2026-01-02T00:00:00Z"},
		{"%T", "Asia/Seoul", "2026-01-01T15:00:05Z", "23:59:59", "2026-01-01T14:59:59Z"},
		{"%I:%M %p", "UTC", "2026-03-01T00:01:00Z", "11:59 PM", "2026-02-28T23:59:00Z"},
		{"%H:%M:%S %z", "UTC", "2026-01-01T15:00:05Z", "23:59:59 +0900", "2026-01-01T14:59:59Z"},
		{"15:04:05.000", "UTC", "2026-01-02T00:00:05Z", "23:59:59.123", "2026-01-01T23:59:59.123Z"},
		{"15:04:05 -0700", "UTC", "2026-01-01T15:00:05Z", "23:59:59 +0900", "2026-01-01T14:59:59Z"},
		{"3:04PM", "Asia/Seoul", "2026-01-02T15:00:05Z", "12:00AM", "2026-01-02T15:00:00Z"},
		{"%d %H:%M", "UTC", "2026-03-01T00:00:05Z", "28 23:59", "2026-02-28T23:59:00Z"},
		{"%d %H:%M", "UTC", "2026-03-31T12:00:00Z", "31 11:00", "2026-03-31T11:00:00Z"},
		{"%d %H:%M", "UTC", "2026-01-31T23:59:59Z", "01 00:00", "2026-02-01T00:00:00Z"},
		{"%j %T", "UTC", "2026-03-01T12:00:00Z", "060 11:00:00", "2026-03-01T11:00:00Z"},
		{"%b %d %T", "UTC", "2026-01-01T00:00:05Z", "Dec 31 23:59:59", "2025-12-31T23:59:59Z"},
	} {
		came, err := time.Parse(time.RFC3339, tc.came)
		if err != nil {
			t.Fatal(err)
		}
		l := mustLayout(t, tc.format, tc.zone)
		got, ok := l.Parse([]byte(tc.text), event.Time{Sec: came.Unix()})
		text := time.Unix(got.Sec, int64(got.Nsec)).UTC().Format(time.RFC3339Nano)
		if !ok || text != tc.want {
			t.Errorf("%s of %s, came at %s: %s, %v, want %s", tc.text, tc.format, tc.came, text, ok, tc.want)
		}
	}
}
