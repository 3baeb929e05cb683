package settings_test

import (
	"strings"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
)

// TestParseDuration: times are written as Go has them, and what is none is refused.
func TestParseDuration(t *testing.T) {
	for old, want := range map[string]string{
		"5s":                    "5s",
		"5S":                    "5s",
		" 5s ":                  "5s",
		"90s":                   "1m30s",
		"10m":                   "10m",
		"60m":                   "1h",
		"1h":                    "1h",
		"1.5h":                  "1h30m",
		"1d":                    "24h",
		"0.5d":                  "12h",
		"30":                    "30s",
		"0":                     "0s",
		"0.5":                   "500ms",
		"200ms":                 "200ms",
		"100h":                  "100h",
		"10 s":                  "10s",
		"":                      "",
		"x":                     "",
		"s":                     "",
		"-1":                    "",
		"-1s":                   "",
		"1w":                    "",
		"1h30m":                 "",
		"nan":                   "",
		"inf":                   "",
		"1e300":                 "",
		"99999999999999999999d": "",
	} {
		got, err := settings.ParseDuration(old)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%q: %q %v, want %q", old, got, err, want)
		}
	}
}

// TestParseSize: sizes are bytes, and are written in the largest unit that fits; what is none is refused.
func TestParseSize(t *testing.T) {
	for old, want := range map[string]string{
		"8m":       "8MiB",
		"8M":       "8MiB",
		"8MB":      "8MiB",
		"8MiB":     "8MiB",
		"8 MiB":    "8MiB",
		"512k":     "512KiB",
		"512KB":    "512KiB",
		"1g":       "1GiB",
		"2t":       "2TiB",
		"1.5G":     "1536MiB",
		"0.5k":     "512",
		"1024":     "1KiB",
		"1000":     "1000",
		"100":      "100",
		"100b":     "100",
		"0":        "0",
		"":         "",
		"k":        "",
		"-1":       "",
		"-1m":      "",
		"8x":       "",
		"nan":      "",
		"infg":     "",
		"1e12t":    "",
		"9000000t": "",
	} {
		n, err := settings.ParseSize(old, 1024)
		if (err != nil) != (want == "") || err == nil && settings.WriteSize(n) != want {
			t.Errorf("%q: %d %v, want %q", old, n, err, want)
		}
	}
}

// TestThousandSize: Fluent Bit's units are powers of 1,000, where they are not written as powers of 1,024.
func TestThousandSize(t *testing.T) {
	for old, want := range map[string]string{
		"100M": "100MB", "5g": "5GB", "1KB": "1000", "1.5M": "1500000", "8MiB": "8MiB", "1024": "1KiB", "2T": "2TB",
		"kk": "", "5km": "",
	} {
		n, err := settings.ParseSize(old, 1000)
		if (err != nil) != (want == "") || err == nil && settings.WriteSize(n) != want {
			t.Errorf("%q: %d %v, want %q", old, n, err, want)
		}
	}
}

// TestShort: a duration is written without units of nothing.
func TestShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                          "0s",
		time.Second:                "1s",
		time.Minute:                "1m",
		time.Hour:                  "1h",
		10 * time.Hour:             "10h",
		10 * time.Minute:           "10m",
		100 * time.Second:          "1m40s",
		time.Hour + 10*time.Minute: "1h10m",
		time.Hour + time.Second:    "1h0m1s",
		1500 * time.Millisecond:    "1.5s",
	} {
		if got := settings.Short(d); got != want {
			t.Errorf("%d: %s, want %s", d, got, want)
		}
	}
}

// FuzzParse: what is read as a time is one of Go's, and no size is below nothing.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"5s", "1d", "0.5", "200ms", "8m", "8MiB", "1e12t", "nan", "-1", "9999999t", "inf"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if out, err := settings.ParseDuration(text); err == nil {
			if d, err := time.ParseDuration(out); err != nil || d < 0 {
				t.Fatalf("%q becomes %q: %v", text, out, err)
			}
		}
		n, err := settings.ParseSize(text, 1000)
		if err == nil && (n < 0 || strings.HasPrefix(settings.WriteSize(n), "-")) {
			t.Fatalf("%q becomes %d", text, n)
		}
	})
}
