package event

import (
	"strconv"
	"time"
)

// conversions are the letters that may follow the percent sign in a Template.
const conversions = "YmdHMSjyGVUbBaAeIpsLNzZFT"

// appendConversion appends t in UTC as strftime does in the C locale, and as Ruby's does for %L
// (milliseconds) and %N (nanoseconds).
func appendConversion(dst []byte, conv byte, t Time) []byte {
	switch conv {
	case 's':
		return strconv.AppendInt(dst, t.Sec, 10)
	case 'L':
		return appendPadded(dst, int(t.Nsec/1e6), 3)
	case 'N':
		return appendPadded(dst, int(t.Nsec), 9)
	case 'z':
		return append(dst, "+0000"...)
	case 'Z':
		return append(dst, "UTC"...)
	}
	c := civilOf(t.Sec)
	switch conv {
	case 'Y':
		return appendPadded(dst, c.year, 4)
	case 'm':
		return append2(dst, c.month)
	case 'd':
		return append2(dst, c.day)
	case 'H':
		return append2(dst, c.hour)
	case 'M':
		return append2(dst, c.minute)
	case 'S':
		return append2(dst, c.second)
	case 'j':
		return appendPadded(dst, c.yearday, 3)
	case 'y':
		return append2(dst, c.year%100)
	case 'G':
		year, _ := c.isoWeek()
		return appendPadded(dst, year, 4)
	case 'V':
		_, week := c.isoWeek()
		return append2(dst, week)
	case 'U':
		return append2(dst, (c.yearday+6-c.weekday)/7)
	case 'b':
		return append(dst, time.Month(c.month).String()[:3]...)
	case 'B':
		return append(dst, time.Month(c.month).String()...)
	case 'a':
		return append(dst, time.Weekday(c.weekday).String()[:3]...)
	case 'A':
		return append(dst, time.Weekday(c.weekday).String()...)
	case 'e':
		if c.day < 10 {
			dst = append(dst, ' ')
			return append(dst, byte('0'+c.day))
		}
		return append2(dst, c.day)
	case 'I':
		return append2(dst, (c.hour+11)%12+1)
	case 'p':
		if c.hour < 12 {
			return append(dst, "AM"...)
		}
		return append(dst, "PM"...)
	case 'F':
		return appendDate(dst, c)
	default:
		// T: ParseTemplate lets no other pass.
		return appendClock(dst, c)
	}
}
