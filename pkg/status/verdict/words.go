package verdict

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Span says how long something takes, in the unit that fits: "0.4 s", "41 s", "12 min", "3.5 h", "2 d".
func Span(seconds float64) string {
	switch {
	case seconds < 0.0995:
		return fmt.Sprintf("%.0f ms", max(0, seconds)*1000)
	case seconds < 9.95:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", seconds), ".0") + " s"
	case seconds < 119.5:
		return fmt.Sprintf("%.0f s", seconds)
	case seconds < 119.5*60:
		return fmt.Sprintf("%.0f min", seconds/60)
	case seconds < 48*3600:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", seconds/3600), ".0") + " h"
	}
	return fmt.Sprintf("%.0f d", seconds/86400)
}

// Number writes n with its thousands apart, "12,400", and large ones short: "1.24 million".
func Number[T int64 | uint64 | int](n T) string {
	digits := strconv.FormatUint(uint64(max(0, n)), 10)
	// What rounds to a thousand of a unit is one of the next.
	switch {
	case n >= 999_500_000_000:
		return fmt.Sprintf("%.0f trillion", float64(n)/1e12)
	case n >= 999_500_000:
		return fmt.Sprintf("%.3g billion", float64(n)/1e9)
	case n >= 1_000_000:
		return fmt.Sprintf("%.3g million", float64(n)/1e6)
	case len(digits) > 3:
		return digits[:len(digits)-3] + "," + digits[len(digits)-3:]
	}
	return digits
}

// Rate writes events per second.
func Rate(perSecond float64) string {
	if perSecond > 0 && perSecond < 9.5 {
		return strings.TrimSuffix(fmt.Sprintf("%.1f", perSecond), ".0")
	}
	return Number(int64(perSecond + 0.5))
}

// Size writes a number of bytes: "1.4 GiB".
func Size(n int64) string {
	const units = "KMGTPE"
	value, unit := float64(n), -1
	for value >= 999.5 && unit+1 < len(units) {
		value /= 1024
		unit++
	}
	if unit < 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.3g %ciB", value, units[unit])
}

// counted is "1 event" or "12,400 events".
func counted[T int64 | uint64 | int](n T, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return Number(n) + " " + one + "s"
}

// wait is "1 event waits" or "7 events wait".
func wait(n uint64) string {
	if n == 1 {
		return "1 event waits"
	}
	return Number(n) + " events wait"
}

// some names the first few of names and counts the others.
func some(names []string) string {
	const few = 3
	if len(names) > few+1 {
		return fmt.Sprintf("%s and %d others", strings.Join(names[:few], ", "), len(names)-few)
	}
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	before, last := names[:len(names)-1], names[len(names)-1]
	return strings.Join(before, ", ") + " and " + last
}

// ago is since when, in words.
func ago(t, now time.Time) string { return Span(max(0, now.Sub(t).Seconds())) }
