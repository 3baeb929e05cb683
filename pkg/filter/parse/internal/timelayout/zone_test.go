package timelayout

import (
	"strings"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// read returns the time of a text in UTC, or "" where the text is not written so.
func read(t *testing.T, format, zone, text string) string {
	t.Helper()
	l := mustLayout(t, format, zone)
	got, ok := l.Parse([]byte(text), event.Time{Sec: came().Unix()})
	if !ok {
		return ""
	}
	return time.Unix(got.Sec, int64(got.Nsec)).UTC().Format(time.RFC3339Nano)
}

// Clocks that are put forward leave an hour out, and clocks that are put back have one twice: a time that names no
// offset is then one of those that it can be, and never an error. An offset settles it.
func TestSummerTime(t *testing.T) {
	for _, tc := range []struct{ name, format, zone, text, want string }{
		{"the last second of winter", "%F %T", "Europe/Berlin", "2026-03-29 01:59:59", "2026-03-29T00:59:59Z"},
		{"a time that there is not", "%F %T", "Europe/Berlin", "2026-03-29 02:30:00", "2026-03-29T01:30:00Z"},
		{"the first second of summer", "%F %T", "Europe/Berlin", "2026-03-29 03:00:00", "2026-03-29T01:00:00Z"},
		{"the same with RFC 3339", "rfc3339", "Europe/Berlin", "2026-03-29T03:00:00", "2026-03-29T01:00:00Z"},
		{"the same with Go's", "2006-01-02 15:04:05", "Europe/Berlin", "2026-03-29 03:00:00", "2026-03-29T01:00:00Z"},
		{"a time that comes twice", "%F %T", "Europe/Berlin", "2025-10-26 02:30:00", "2025-10-26T01:30:00Z"},
		{
			"the first of both, by its offset", "%F %T %z", "Europe/Berlin", "2025-10-26 02:30:00 +0200",
			"2025-10-26T00:30:00Z",
		},
		{
			"the second of both, by its offset", "%F %T %z", "Europe/Berlin", "2025-10-26 02:30:00 +0100",
			"2025-10-26T01:30:00Z",
		},
		{"by its name", "%F %T %Z", "Europe/Berlin", "2025-10-26 02:30:00 CET", "2025-10-26T01:30:00Z"},
		{"half an hour", "%F %T", "Australia/Lord_Howe", "2026-04-05 12:00:00", "2026-04-05T01:30:00Z"},
		{"a day that a country left out", "%F %T", "Pacific/Apia", "2011-12-31 00:00:00", "2011-12-30T10:00:00Z"},
		{"a year-less time of last summer", "%b %e %T", "America/New_York", "Jul  4 12:00:00", "2025-07-04T16:00:00Z"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := read(t, tc.format, tc.zone, tc.text); got != tc.want {
				t.Errorf("%s in %s: %q, want %q", tc.text, tc.zone, got, tc.want)
			}
		})
	}
}

// A time that comes twice is the one that is nearer to when the event came: events of the hour before the clocks are
// put back would be an hour ahead else.
func TestHourThatComesTwice(t *testing.T) {
	for _, tc := range []struct{ format, zone, came, text, want string }{
		{"%F %T", "Europe/Berlin", "2025-10-26T00:30:05Z", "2025-10-26 02:30:00", "2025-10-26T00:30:00Z"},
		{"%F %T", "Europe/Berlin", "2025-10-26T01:30:05Z", "2025-10-26 02:30:00", "2025-10-26T01:30:00Z"},
		{"%F %T", "Europe/Berlin", "2025-10-26T01:00:05Z", "2025-10-26 02:59:59", "2025-10-26T00:59:59Z"},
		{"%F %T", "Europe/Berlin", "2025-10-26T00:30:05Z", "2025-10-26 01:59:59", "2025-10-25T23:59:59Z"},
		{"%F %T", "Europe/Berlin", "2025-10-26T01:30:05Z", "2025-10-26 03:00:00", "2025-10-26T02:00:00Z"},
		{"rfc3339", "America/New_York", "2025-11-02T05:10:05Z", "2025-11-02T01:10:00", "2025-11-02T05:10:00Z"},
		{"rfc3339", "America/New_York", "2025-11-02T06:10:05Z", "2025-11-02T01:10:00", "2025-11-02T06:10:00Z"},
		{
			"2006-01-02 15:04:05", "America/New_York", "2025-11-02T05:10:05Z", "2025-11-02 01:10:00",
			"2025-11-02T05:10:00Z",
		},
		{
			"2006-01-02 15:04:05", "America/New_York", "2025-11-02T06:10:05Z", "2025-11-02 01:10:00",
			"2025-11-02T06:10:00Z",
		},
		{"%b %e %T", "America/New_York", "2025-11-02T05:10:05Z", "Nov  2 01:10:00", "2025-11-02T05:10:00Z"},
		{"%T", "America/New_York", "2025-11-02T05:10:05Z", "01:10:00", "2025-11-02T05:10:00Z"},
		{"%T", "America/New_York", "2025-11-02T06:10:05Z", "01:10:00", "2025-11-02T06:10:00Z"},
		{"%F %T", "Asia/Seoul", "2025-10-26T00:30:05Z", "2025-10-26 09:30:00", "2025-10-26T00:30:00Z"},
	} {
		came, err := time.Parse(time.RFC3339, tc.came)
		if err != nil {
			t.Fatal(err)
		}
		l := mustLayout(t, tc.format, tc.zone)
		got, ok := l.Parse([]byte(tc.text), event.Time{Sec: came.Unix()})
		if text := time.Unix(got.Sec, 0).UTC().Format(time.RFC3339); !ok || text != tc.want {
			t.Errorf("%s in %s, came at %s: %s, %v, want %s", tc.text, tc.zone, tc.came, text, ok, tc.want)
		}
	}
}

// Times as programs write them by default, by the formats that people bring along for them.
func TestPrograms(t *testing.T) {
	for _, tc := range []struct{ program, format, text, want string }{
		{
			"java.time.ZonedDateTime", "rfc3339", "2026-03-01T10:00:00.123+01:00[Europe/Paris]",
			"2026-03-01T09:00:00.123Z",
		},
		{"java.time.ZonedDateTime in UTC", "", "2026-03-01T10:00:00Z[UTC]", "2026-03-01T10:00:00Z"},
		{"a zone's name that is not closed", "", "2026-03-01T10:00:00Z[UTC", ""},
		{"something behind a zone's name", "", "2026-03-01T10:00:00Z[UTC]x", ""},
		{"a zone's name without an offset", "", "2026-03-01T10:00:00[UTC]", ""},
		{"java.util.Date", "%a %b %d %H:%M:%S %Z %Y", "Sun Mar 01 10:00:00 KST 2026", "2026-03-01T01:00:00Z"},
		{"java.util.logging", "%b %d, %Y %I:%M:%S %p", "Mar 01, 2026 10:00:00 PM", "2026-03-01T22:00:00Z"},
		{
			"java.util.logging of Java 20", "%b %d, %Y, %I:%M:%S %p", "Mar 01, 2026, 10:00:00\u202fPM",
			"2026-03-01T22:00:00Z",
		},
		{"September in Java's British English", "%d %b %Y %T", "01 Sept 2025 10:00:00", "2025-09-01T10:00:00Z"},
		{"September in American English", "%d %b %Y %T", "01 Sep 2025 10:00:00", "2025-09-01T10:00:00Z"},
		{"log4j", "%Y-%m-%d %H:%M:%S,%L", "2026-03-01 10:00:00,123", "2026-03-01T10:00:00.123Z"},
		{"Node.js' toLocaleString", "%m/%d/%Y, %I:%M:%S %p", "3/1/2026, 10:00:00\u202fAM", "2026-03-01T10:00:00Z"},
		{
			"JavaScript's Date", "%a %b %d %Y %H:%M:%S GMT%z", "Sun Mar 01 2026 19:00:00 GMT+0900",
			"2026-03-01T10:00:00Z",
		},
		{"French digits apart", "%d/%m/%Y\u00a0%H:%M", "01/03/2026\u00a010:00", "2026-03-01T10:00:00Z"},
		{"Python's logging", "%Y-%m-%d %H:%M:%S,%f", "2026-03-01 10:00:00,007", "2026-03-01T10:00:00.007Z"},
		{"Python's str(datetime)", "", "2026-03-01 10:00:00.123456+09:00", "2026-03-01T01:00:00.123456Z"},
		{"Ruby's Logger", "%Y-%m-%dT%H:%M:%S.%N", "2026-03-01T10:00:00.123456", "2026-03-01T10:00:00.123456Z"},
		{"Ruby's Time#to_s", "", "2026-03-01 10:00:00 +0900", "2026-03-01T01:00:00Z"},
		{"PostgreSQL", "", "2026-03-01 10:00:00.123 UTC", "2026-03-01T10:00:00.123Z"},
		{"PostgreSQL in Seoul", "", "2026-03-01 10:00:00.123 KST", "2026-03-01T01:00:00.123Z"},
		{"MySQL", "rfc3339", "2026-03-01T10:00:00.123456Z", "2026-03-01T10:00:00.123456Z"},
		{"MySQL of old", "%y%m%d %H:%M:%S", "260301  1:02:03", "2026-03-01T01:02:03Z"},
		{"klog", "%m%d %H:%M:%S.%f", "0301 10:00:00.123456", "2026-03-01T10:00:00.123456Z"},
		{"Redis", "%d %b %Y %H:%M:%S.%L", "01 Mar 2026 10:00:00.123", "2026-03-01T10:00:00.123Z"},
		{"nginx' errors", "%Y/%m/%d %H:%M:%S", "2026/03/01 10:00:00", "2026-03-01T10:00:00Z"},
		{
			"Apache's errors", "%a %b %d %H:%M:%S.%f %Y", "Sun Mar 01 10:00:00.123456 2026",
			"2026-03-01T10:00:00.123456Z",
		},
		{"HAProxy", "%d/%b/%Y:%H:%M:%S.%L", "01/Mar/2026:10:00:00.123", "2026-03-01T10:00:00.123Z"},
		{"HTTP", "%a, %d %b %Y %H:%M:%S %Z", "Sun, 01 Mar 2026 10:00:00 GMT", "2026-03-01T10:00:00Z"},
		{"mail", "%a, %d %b %Y %H:%M:%S %z", "Sun, 1 Mar 2026 10:00:00 +0900", "2026-03-01T01:00:00Z"},
		{"Windows Event Log", "%Y-%m-%dT%H:%M:%S.%NZ", "2026-03-01T10:00:00.1234567Z", "2026-03-01T10:00:00.1234567Z"},
		{".NET's round trip", "rfc3339", "2026-03-01T10:00:00.1234567+09:00", "2026-03-01T01:00:00.1234567Z"},
		{"US dates of Windows", "%m/%d/%Y %I:%M:%S %p", "3/1/2026 12:00:00 AM", "2026-03-01T00:00:00Z"},
		{"AWS' basic format", "%Y%m%dT%H%M%SZ", "20260301T100000Z", "2026-03-01T10:00:00Z"},
		{"German", "%d.%m.%Y %H:%M:%S", "01.03.2026 10:00:00", "2026-03-01T10:00:00Z"},
		{"Korean", "%Y년 %m월 %d일 %H시 %M분 %S초", "2026년 3월 1일 10시 0분 5초", "2026-03-01T10:00:05Z"},
	} {
		t.Run(tc.program, func(t *testing.T) {
			if got := read(t, tc.format, "UTC", tc.text); got != tc.want {
				t.Errorf("%q as %q: %q, want %q", tc.text, tc.format, got, tc.want)
			}
		})
	}
}

// A format or zone that can't be is told with what to write.
func TestNew_Failure(t *testing.T) {
	for _, tc := range []struct{ format, want string }{
		{"%Y-%q", `"%q" at position 4 is no conversion`},
		{"%Y-%", `"%" at position 4 is no conversion`},
		{"%E", `"%E" at position 1 is no conversion`},
		{"%-", `"%-" at position 1 is no conversion`},
		{"yyyy-MM-dd HH:mm:ss", "is no format of times"},
		{"YYYY", "is no format of times"},
		{"now", "is no format of times"},
	} {
		if _, err := New(tc.format, time.UTC); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%q: %v, want %s", tc.format, err, tc.want)
		}
	}
	for _, zone := range []string{"+9", "+25:00", "+09:00 ", "Seoul", "Asia/Soul", "../etc/passwd", "-"} {
		if z, err := NewZone(zone); err == nil || !strings.Contains(err.Error(), "is no zone") {
			t.Errorf("%q: %v, %v", zone, z, err)
		}
	}
}

func TestNewZone(t *testing.T) {
	for name, want := range map[string]string{
		"": "10:00", "UTC": "10:00", "Asia/Seoul": "19:00", "+09:00": "19:00", "-03:30": "06:30", "+0545": "15:45",
		"+09": "19:00", "Asia/Kathmandu": "15:45", "Etc/GMT+5": "05:00",
	} {
		zone, err := NewZone(name)
		if err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		if got := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC).In(zone).Format("15:04"); got != want {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
	}
}

// Every number of the usual size is read in the unit that its size shows, and what is no time of these decades stays.
func TestUnits(t *testing.T) {
	for text, want := range map[string]string{
		"99999999":             "",
		"100000000":            "1973-03-03T09:46:40Z",
		"4102444799":           "2099-12-31T23:59:59Z",
		"4102444800":           "",
		"99999999999":          "",
		"100000000000":         "1973-03-03T09:46:40Z",
		"1700000000123":        "2023-11-14T22:13:20.123Z",
		"1700000000123.5":      "2023-11-14T22:13:20.1235Z",
		"1700000000123456":     "2023-11-14T22:13:20.123456Z",
		"1700000000123456789":  "2023-11-14T22:13:20.123456789Z",
		"9223372036854775807":  "",
		"9223372036854775808":  "",
		"17000000001234567890": "",
		"1700000000.123456789": "2023-11-14T22:13:20.123456789Z",
		"1700000000.":          "",
		"1700000000,5":         "",
		"+1700000000":          "",
		"-1700000000":          "",
		"1700000000 ":          "2023-11-14T22:13:20Z",
	} {
		if got := read(t, "", "UTC", text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
