package redact

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/filter/filtertest"
)

// What is searched of a value of each type: texts anywhere, integers only where fields are named, and never what is
// not found.
func TestRedact_Kinds(t *testing.T) {
	for name, tc := range map[string]struct {
		config Config
		want   map[string]string
	}{
		"anywhere": {Config{Patterns: []Pattern{{Regex: "[0-9a-z]+"}}, Mask: "*"}, map[string]string{
			"text":           `{"v":"*"}`,
			"digits":         `{"v":"*"}`,
			"line":           `{"v":" *\n"}`,
			"not UTF-8":      "{\"v\":\"*�\"}",
			"bin":            `{"v":"*"}`,
			"bin of digits":  `{"v":"*"}`,
			"bin, not UTF-8": "{\"v\":\"*�\"}",
			"array":          `{"v":[1,"*"]}`,
		}},
		"in_a_field": {Config{
			Patterns: []Pattern{{Regex: "[0-9a-z]+"}}, Mask: "*", Fields: []string{"v"},
		}, map[string]string{
			"integer":        `{"v":"*"}`,
			"negative":       `{"v":"-*"}`,
			"int64":          `{"v":"-*"}`,
			"uint64":         `{"v":"*"}`,
			"text":           `{"v":"*"}`,
			"digits":         `{"v":"*"}`,
			"line":           `{"v":" *\n"}`,
			"not UTF-8":      "{\"v\":\"*�\"}",
			"bin":            `{"v":"*"}`,
			"bin of digits":  `{"v":"*"}`,
			"bin, not UTF-8": "{\"v\":\"*�\"}",
			"array":          `{"v":["*","*"]}`,
			"map":            `{"v":{"a":"*"}}`,
		}},
		"within_it": {Config{
			Patterns: []Pattern{{Regex: "[0-9a-z]+"}}, Mask: "*", Fields: []string{"v.a"},
		}, map[string]string{
			"map": `{"v":{"a":"*"}}`,
		}},
		"in_another": {Config{
			Patterns: []Pattern{{Regex: "[0-9a-z]+"}}, Mask: "*", Fields: []string{"w"},
		}, nil},
		"what_is_no_text": {Config{Patterns: []Pattern{{Regex: "\ufffd"}}, Mask: "*"}, map[string]string{
			"not UTF-8":      `{"v":"caf*"}`,
			"bin, not UTF-8": `{"v":"caf*"}`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := New(tc.config)
			if err != nil {
				t.Fatal(err)
			}
			filtertest.Hold(t, s, tc.want)
		})
	}
}
