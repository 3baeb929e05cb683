// Package timelayout reads times as programs write them: by strptime's formats, Go's, Unix's and the RFCs'.
package timelayout

import (
	"bytes"
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // zones by name must work where the system has no database of them

	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// Layout is one way of writing times.
type Layout struct {
	kind layoutKind
	// ops are those of strptime, golang is Go's layout.
	ops    []op
	golang string
	// clock says that golang has no part of a date.
	clock bool
	// zoned says that golang has an offset or a zone's name.
	zoned bool
	zone  *time.Location
}

type layoutKind uint8

const (
	// anyTime is RFC 3339, ISO 8601 without a zone, or Unix in s, ms, µs or ns by its size.
	anyTime layoutKind = iota
	unixSeconds
	unixMillis
	unixMicros
	unixNanos
	rfc3339
	strptime
	goLayout
)

// Times that can be written with four digits of the year.
const (
	// minSecond is that of 0001-01-01.
	minSecond = -62135596800
	// maxSecond is that of 9999-12-31T23:59:59.
	maxSecond = 253402300799
	// maxAhead is a day: clocks and zones are wrong by less.
	maxAhead = 24 * 60 * 60
	// minGuess is what is taken for a Unix time without being told: from 1973.
	minGuess = 1e8
	// maxGuess is the end of 2099.
	maxGuess = 4102444800
)

// New reads the name or the format of a layout.
func New(format string, zone *time.Location) (Layout, error) {
	l := Layout{zone: zone}
	switch strings.ToLower(format) {
	case "":
		return l, nil
	case "unix", "unixtime", "epoch":
		l.kind = unixSeconds
	case "unix_ms":
		l.kind = unixMillis
	case "unix_us":
		l.kind = unixMicros
	case "unix_ns":
		l.kind = unixNanos
	case "rfc3339", "iso8601":
		l.kind = rfc3339
	default:
		if strings.Contains(format, "%") {
			l.kind = strptime
			var err error
			l.ops, err = compileStrptime(nil, format)
			return l, err
		}
		l.kind, l.golang = goLayout, format
		saturday, monday := time.Date(2001, 2, 3, 4, 5, 6, 7, time.UTC), time.Date(2012, 11, 12, 4, 5, 6, 7, time.UTC)
		l.clock = saturday.Format(format) == monday.Format(format)
		l.zoned = saturday.Format(format) != time.Date(2001, 2, 3, 4, 5, 6, 7, time.FixedZone("X", 3600)).Format(format)
		if a, b := time.Unix(0, 0), time.Unix(1e9, 123456789); a.Format(format) == b.Format(format) {
			return l, fmt.Errorf("%q is no format of times (write strptime like %%Y-%%m-%%d %%H:%%M:%%S, "+
				"a Go layout like 2006-01-02 15:04:05, unix, unix_ms or rfc3339)", format)
		}
	}
	return l, nil
}

// NewZone reads UTC, Local, +09:00 or a name such as Asia/Seoul.
func NewZone(name string) (*time.Location, error) {
	if name != "" && (name[0] == '+' || name[0] == '-') {
		s := scanner{text: []byte(name)}
		if !s.offset() || s.at != len(name) {
			return nil, fmt.Errorf("%q is no zone (write +09:00)", name)
		}
		return time.FixedZone(name, s.east), nil
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("%q is no zone (write UTC, Local, +09:00 or a name like Asia/Seoul): %w", name, err)
	}
	return zone, nil
}

// Parse reads text, all of it but spaces around it. Where it names no year, the latest is meant in
// which it is no more than maxAhead after received; where it names no day or month, the nearest to received.
func (l *Layout) Parse(text []byte, received event.Time) (event.Time, bool) {
	if n := len(text); n > 0 && (text[0] <= ' ' || text[n-1] <= ' ') {
		text = bytes.TrimSpace(text)
	}
	switch l.kind {
	case rfc3339:
		if t, ok := containerTime(text); ok {
			return t, true
		}
	case unixSeconds:
		return parseUnix(text, 1)
	case unixMillis:
		return parseUnix(text, 1e3)
	case unixMicros:
		return parseUnix(text, 1e6)
	case unixNanos:
		return parseUnix(text, 1e9)
	case goLayout:
		t, err := time.ParseInLocation(l.golang, string(text), l.zone)
		if err != nil {
			return event.Time{}, false
		}
		if t.Year() == 0 || !l.zoned {
			// In a layout without a year it is 0.
			s := scanner{
				year: t.Year(), month: int(t.Month()), day: t.Day(),
				hour: t.Hour(), minute: t.Minute(), second: t.Second(), nsec: t.Nanosecond(),
			}
			if l.clock {
				s.month, s.day = 0, 0
			}
			if _, offset := t.Zone(); t.Location() != l.zone {
				s.zoned, s.east = true, offset
			}
			return s.time(l.zone, received)
		}
		return inRange(t.Unix(), t.Nanosecond())
	case anyTime:
		if n, digits := LeadingInt(text); digits > 0 && (digits == len(text) || text[digits] == '.') {
			per := int64(1)
			for limit := int64(1e11); n >= limit && per < 1e9; limit *= 1000 {
				per *= 1000
			}
			if n/per < minGuess || n/per >= maxGuess {
				return event.Time{}, false
			}
			return parseUnix(text, per)
		}
	case strptime:
	}
	s := scanner{text: text}
	if l.kind == strptime {
		if !s.run(l.ops) || s.at != len(text) {
			return event.Time{}, false
		}
	} else if !s.rfc3339() || s.at != len(text) {
		return event.Time{}, false
	}
	return s.time(l.zone, received)
}

// containerTime reads RFC 3339 as container runtimes write it in UTC: 2006-01-02T15:04:05.999999999Z.
// Whatever else there is is left to a scanner.
func containerTime(t []byte) (event.Time, bool) {
	const date, point, end = len("2006-01-02T"), len("2006-01-02T15:04:05"), len("2006-01-02T15:04:05.999999999")
	if len(t) != end+1 || t[end] != 'Z' || t[4] != '-' || t[7] != '-' || t[10] != 'T' || t[13] != ':' || t[16] != ':' ||
		t[point] != '.' {
		return event.Time{}, false
	}
	century, a := pair(t, 0)
	year, b := pair(t, 2)
	month, c := pair(t, 5)
	day, d := pair(t, 8)
	hour, e := pair(t, date)
	minute, f := pair(t, 14)
	second, g := pair(t, 17)
	nsec, digits := LeadingInt(t[point+1 : end])
	year += 100 * century
	if !a || !b || !c || !d || !e || !f || !g || digits != 9 || year == 0 || hour > 23 || minute > 59 || second > 59 {
		return event.Time{}, false
	}
	sec, ok := secondsOf(year, month, day, hour, minute, second)
	return event.Time{Sec: sec, Nsec: uint32(nsec)}, ok
}

func inRange(sec int64, nsec int) (event.Time, bool) {
	return event.Time{Sec: sec, Nsec: uint32(nsec)}, sec >= minSecond && sec <= maxSecond
}

// LeadingInt reads the digits that text begins with, 18 at most; digits is their number, 0 where
// there are none or too many.
func LeadingInt(text []byte) (n int64, digits int) {
	for digits < len(text) && text[digits]-'0' <= 9 {
		if digits == 18+1 {
			return 0, 0
		}
		n = n*10 + int64(text[digits]-'0')
		digits++
	}
	if n < 0 {
		return 0, 0
	}
	return n, digits
}

// parseUnix reads a decimal number of which per make a second.
func parseUnix(text []byte, per int64) (event.Time, bool) {
	n, i := LeadingInt(text)
	if i == 0 {
		return event.Time{}, false
	}
	unit := int64(1e9) / per
	nsec := n % per * unit
	if i < len(text) {
		s := scanner{text: text, at: i + 1}
		if text[i] != '.' || !s.fraction() || s.at != len(text) {
			return event.Time{}, false
		}
		nsec += int64(s.nsec) / per
	}
	return inRange(n/per, int(nsec))
}

// secondsOf returns the seconds from 1970 to a date and time of the Gregorian calendar in UTC, and
// whether there is that day.
func secondsOf(year, month, day, hour, minute, second int) (int64, bool) {
	if month < 1 || month > 12 || day < 1 || day > daysIn(year, month) {
		return 0, false
	}
	// Years that begin in March have the leap day last.
	y, m := year, month-3
	if m < 0 {
		y, m = y-1, m+12
	}
	days := 365*y + y/4 - y/100 + y/400 + (153*m+2)/5 + day - 1 - 719468
	return int64(days)*86400 + int64(hour*3600+minute*60+second), true
}

func daysIn(year, month int) int {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

// time puts together what was read. zone is that of a text that names none.
func (s *scanner) time(zone *time.Location, received event.Time) (event.Time, bool) {
	if s.epoch {
		return inRange(s.unix, s.nsec)
	}
	if s.hour > 23 || s.minute > 59 || s.second > 60 {
		return event.Time{}, false
	}
	if s.half != 0 {
		if s.hour < 1 || s.hour > 12 {
			return event.Time{}, false
		}
		s.hour = s.hour%12 + 12*(s.half-1)
	}
	// A leap second ends the minute.
	s.second = min(s.second, 59)
	if s.year > 0 {
		month, day := s.monthDay(s.year)
		sec, ok := s.on(zone, s.year, month, day, received)
		if !ok {
			return event.Time{}, false
		}
		return inRange(sec, s.nsec)
	}
	if s.month == 0 && s.yearday == 0 {
		return s.nearest(zone, received)
	}
	// February 29th needs all these: leap years are up to 8 years apart.
	now := time.Unix(received.Sec, 0).In(zone)
	for year := now.Year() + 1; year > now.Year()-9; year-- {
		month, day := s.monthDay(year)
		if sec, ok := s.on(zone, year, month, day, received); ok && sec <= received.Sec+maxAhead {
			return inRange(sec, s.nsec)
		}
	}
	return event.Time{}, false
}

// monthDay returns the day that was read, in a year.
func (s *scanner) monthDay(year int) (month, day int) {
	if s.yearday == 0 {
		return max(s.month, 1), max(s.day, 1)
	}
	month, day = 1, s.yearday
	for month <= 12 && day > daysIn(year, month) {
		day -= daysIn(year, month)
		month++
	}
	return month, day
}

// on returns the seconds from 1970 to the clock's time of a day, as close to received as can be.
func (s *scanner) on(zone *time.Location, year, month, day int, received event.Time) (sec int64, ok bool) {
	clock, ok := secondsOf(year, month, day, s.hour, s.minute, s.second)
	switch {
	case s.zoned:
		return clock - int64(s.east), ok
	case zone == time.UTC || !ok:
		return clock, ok
	}
	t := time.Date(year, time.Month(month), day, s.hour, s.minute, s.second, 0, zone)
	sec = t.Unix()
	// Where clocks were put back an hour comes twice: once before the change of the offset, and once after it.
	before, after := t.ZoneBounds()
	if !before.IsZero() {
		if first := clock - offsetOf(before.Add(-1)); first < before.Unix() {
			sec = nearer(sec, first, received)
		}
	}
	if !after.IsZero() {
		if second := clock - offsetOf(after); second >= after.Unix() {
			sec = nearer(sec, second, received)
		}
	}
	return sec, true
}

func offsetOf(t time.Time) int64 {
	_, offset := t.Zone()
	return int64(offset)
}

// nearer returns the one of two times that is nearer to received.
func nearer(one, other int64, received event.Time) int64 {
	if max(one-received.Sec, received.Sec-one) <= max(other-received.Sec, received.Sec-other) {
		return one
	}
	return other
}

// nearest returns the time of the day that is nearest to received, of all days or of those with the number
// that was read: the line was written before midnight and came after it, or its clock is ahead.
func (s *scanner) nearest(zone *time.Location, received event.Time) (event.Time, bool) {
	if s.zoned {
		zone = time.FixedZone("", s.east)
	}
	now := time.Unix(received.Sec, 0).In(zone)
	var best, least int64
	found := false
	// Months, of which some have no 31st.
	for step := -2; step <= 2; step++ {
		day := now.AddDate(0, 0, step)
		year, month, number := day.Year(), day.Month(), day.Day()
		if s.day > 0 {
			first := time.Date(now.Year(), now.Month()+time.Month(step), 1, 0, 0, 0, 0, zone)
			year, month, number = first.Year(), first.Month(), s.day
		}
		sec, ok := s.on(zone, year, int(month), number, received)
		if far := max(sec-received.Sec, received.Sec-sec); ok && (!found || far < least) {
			best, least, found = sec, far, true
		}
	}
	if !found {
		return event.Time{}, false
	}
	return inRange(best, s.nsec)
}
