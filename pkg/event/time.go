package event

// appendRFC3339 appends t as time.RFC3339Nano has it, in UTC.
func appendRFC3339(dst []byte, t Time) []byte {
	return appendFraction(appendSecond(dst, t.Sec), t.Nsec)
}

// appendSecond appends "2006-01-02T15:04:05".
func appendSecond(dst []byte, sec int64) []byte {
	c := civilOf(sec)
	dst = appendDate(dst, c)
	dst = append(dst, 'T')
	return appendClock(dst, c)
}

// appendFraction appends ".123Z" without trailing zeros, or "Z".
func appendFraction(dst []byte, nsec uint32) []byte {
	if nsec == 0 {
		return append(dst, 'Z')
	}
	// Nine digits, the first of them by themselves.
	n := int(nsec)
	high, low := n/1e5, n%1e5
	dst = append(dst, '.')
	dst = append2(append2(dst, high/100), high%100)
	dst = append2(append2(append(dst, byte('0'+low/1e4)), low/100%100), low%100)
	for dst[len(dst)-1] == '0' {
		dst = dst[:len(dst)-1]
	}
	return append(dst, 'Z')
}

func appendDate(dst []byte, c civil) []byte {
	dst = append(appendPadded(dst, c.year, 4), '-')
	dst = append(append2(dst, c.month), '-')
	return append2(dst, c.day)
}

func appendClock(dst []byte, c civil) []byte {
	dst = append(append2(dst, c.hour), ':')
	dst = append(append2(dst, c.minute), ':')
	return append2(dst, c.second)
}

// append2 appends n, in [0, 99], as two digits.
func append2(dst []byte, n int) []byte {
	return append(dst, byte('0'+n/10), byte('0'+n%10))
}

// appendPadded appends n, not negative, as at least width digits.
func appendPadded(dst []byte, n, width int) []byte {
	var buf [20]byte
	i := len(buf)
	for ; n > 0 || width > 0; width-- {
		i--
		buf[i] = byte('0' + n%10)
		n /= 10
	}
	return append(dst, buf[i:]...)
}

// civil is a second of the Gregorian calendar in UTC.
type civil struct {
	// month and day are from 1.
	year, month, day     int
	hour, minute, second int
	// weekday is 0 on Sunday.
	weekday int
	// yearday is from 1.
	yearday int
}

// civilOf returns the date and time of sec seconds since 1970. It reckons in years that begin in
// March, so that the leap day is a year's last, and in eras of 400 years.
func civilOf(sec int64) civil {
	const day = 86400
	d, s := sec/day, sec%day
	if s < 0 {
		d, s = d-1, s+day
	}
	c := civil{
		hour: int(s / 3600), minute: int(s / 60 % 60), second: int(s % 60),
		weekday: int(((d+4)%7 + 7) % 7),
	}
	// Days from 0000-03-01 to 1970-01-01.
	d += 719468
	era := d / 146097
	if d < 0 {
		era = (d - 146096) / 146097
	}
	doe := int(d - era*146097)
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	c.day = doy - (153*mp+2)/5 + 1
	c.month = mp + 3
	c.year = yoe + int(era)*400
	// Counted from March: January and February have 59 days.
	c.yearday = doy + 60
	if leap(c.year) {
		c.yearday++
	}
	if c.month > 12 {
		c.month -= 12
		c.year++
		c.yearday = doy - 305
	}
	return c
}

func leap(year int) bool { return year%4 == 0 && (year%100 != 0 || year%400 == 0) }

// isoWeek returns the year and the week that ISO 8601 counts the day to.
func (c civil) isoWeek() (year, week int) {
	// Monday is 0.
	weekday := (c.weekday + 6) % 7
	week = (c.yearday - weekday + 9) / 7
	year = c.year
	if week < 1 {
		year--
		return year, weeksIn(year)
	}
	if week > weeksIn(year) {
		return year + 1, 1
	}
	return year, week
}

// weeksIn returns 53 for years that begin on a Thursday, and for leap years that begin on a
// Wednesday, else 52.
func weeksIn(year int) int {
	y := year - 1
	// Weekday of January 1st, 0 is Sunday.
	first := (1 + 5*(y%4) + 4*(y%100) + 6*(y%400)) % 7
	if first == 4 || first == 3 && leap(year) {
		return 53
	}
	return 52
}
