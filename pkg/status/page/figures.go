package page

import (
	"math"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/safetext"
)

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// coarse is millis of the last ten seconds' beginning, so that what is seen all the time does not change all the time.
func coarse(t time.Time) int64 {
	const step = 10_000
	return millis(t) / step * step
}

func name(s string) string { return safetext.Clip(s, maxName) }
func text(s string) string { return safetext.Clip(s, maxText) }

func texts(all []string) []string {
	out := make([]string, 0, min(len(all), maxPeople))
	for _, s := range all[:min(len(all), maxPeople)] {
		out = append(out, text(s))
	}
	return out
}

// read rounds to what people read of a figure that is on its own: three digits.
func read(f float64) float64 { return digits(f, 3) }

// short is read for the many figures in tables: two digits.
func short(f float64) float64 { return digits(f, 2) }

func digits(f float64, n int) float64 {
	if f == 0 || math.IsNaN(f) || math.IsInf(f, 0) {
		return 0
	}
	places := float64(n-1) - math.Floor(math.Log10(math.Abs(f)))
	if places < 0 {
		// A power of ten is a float as it is, its inverse is not.
		step := math.Pow(10, -places)
		return math.Round(f/step) * step
	}
	scale := math.Pow(10, places)
	if math.IsInf(scale, 0) {
		return 0
	}
	return math.Round(f*scale) / scale
}

func readPointer(f *float64) *float64 {
	if f == nil {
		return nil
	}
	rounded := read(*f)
	return &rounded
}
