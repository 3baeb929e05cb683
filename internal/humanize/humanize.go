// Package humanize writes sizes and counts for people.
package humanize

import (
	"strconv"
	"strings"
)

// Bytes writes a size with at most one decimal: 14.3 MiB.
func Bytes(n float64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}
	i := 0
	for n >= 1023.95 && i < len(units)-1 {
		n /= 1024
		i++
	}
	return strings.TrimSuffix(strconv.FormatFloat(n, 'f', 1, 64), ".0") + " " + units[i]
}

// Count writes n of something, which takes an s unless there is one.
func Count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return strconv.Itoa(n) + " " + what
}
