package grep

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/filter/filtertest"
)

// What a pattern sees of a value of each type: which of them it matches.
func TestGrep_Kinds(t *testing.T) {
	for pattern, want := range map[string]map[string]string{
		"^$": {
			"nil":        "dropped",
			"empty text": "dropped",
		},
		"^text$": {
			"text": "dropped",
			"bin":  "dropped",
		},
		"^ ?42$": {
			"digits":        "dropped",
			"line":          "dropped",
			"bin of digits": "dropped",
		},
		"^caf\ufffd$": {
			"not UTF-8":      "dropped",
			"bin, not UTF-8": "dropped",
		},
		`^[\d.-]+$`: {
			"integers":      "dropped",
			"float32":       "dropped",
			"float64":       "dropped",
			"whole float":   "dropped",
			"digits":        "dropped",
			"bin of digits": "dropped",
		},
		"^null$": {
			"NaN":      "dropped",
			"infinity": "dropped",
		},
		"^2023-11-14T22:13:20": {
			"EventTime": "dropped",
		},
		`^[\[{]`: {
			"ext":    "dropped",
			"arrays": "dropped",
			"maps":   "dropped",
		},
	} {
		t.Run(pattern, func(t *testing.T) {
			s, err := New(Config{Exclude: map[string][]string{"v": {pattern}}})
			if err != nil {
				t.Fatal(err)
			}
			filtertest.Hold(t, s, want)
		})
	}
}
