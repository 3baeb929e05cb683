package parse

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/filter"
	"github.com/seed-afc6a195/aggregator/pkg/filter/filtertest"
)

// Nothing but a text is parsed, a bin among them, and every other value stays, with the reason.
func TestParse_Kinds(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*Config)
		want   map[string]string
	}{
		"text": {func(c *Config) { c.Format = "text" }, map[string]string{
			"text":            `{"last":2,"message":"text"}`,
			"empty text":      `{"last":2,"message":""}`,
			"digits":          `{"last":2,"message":"42"}`,
			"line":            `{"last":2,"message":" 42"}`,
			"not UTF-8":       "{\"last\":2,\"message\":\"caf�\"}",
			"bin":             `{"last":2,"message":"text"}`,
			"bin of digits":   `{"last":2,"message":"42"}`,
			"bin, not UTF-8":  "{\"last\":2,\"message\":\"caf�\"}",
			filtertest.Others: "(the field is not a text)",
		}},
		"json": {func(c *Config) { c.Format = "json" }, map[string]string{
			"text":            "(not a JSON object)",
			"empty text":      "(not a JSON object)",
			"digits":          "(not a JSON object)",
			"line":            "(not a JSON object)",
			"not UTF-8":       "(not a JSON object)",
			"bin":             "(not a JSON object)",
			"bin of digits":   "(not a JSON object)",
			"bin, not UTF-8":  "(not a JSON object)",
			filtertest.Others: "(the field is not a text)",
		}},
		"dead": {func(c *Config) { c.Format, c.OnError = "nginx", "dead_letter" }, map[string]string{
			"text":            "dead (three words must stand before the time)",
			"empty text":      "dead (three words must stand before the time)",
			"digits":          "dead (three words must stand before the time)",
			"line":            "dead (three words must stand before the time)",
			"not UTF-8":       "dead (three words must stand before the time)",
			"bin":             "dead (three words must stand before the time)",
			"bin of digits":   "dead (three words must stand before the time)",
			"bin, not UTF-8":  "dead (three words must stand before the time)",
			filtertest.Others: "dead (the field is not a text)",
		}},
		"within": {func(c *Config) { c.Format, c.Field = "text", "v.a" }, map[string]string{
			"map":             "(the field is not a text)",
			filtertest.Others: "(the record does not have the field)",
		}},
		"encoded": {func(c *Config) { c.Format, c.Encoding = "text", "iso-8859-1" }, map[string]string{
			"text":            `{"last":2,"message":"text"}`,
			"empty text":      `{"last":2,"message":""}`,
			"digits":          `{"last":2,"message":"42"}`,
			"line":            `{"last":2,"message":" 42"}`,
			"not UTF-8":       `{"last":2,"message":"café"}`,
			"bin":             `{"last":2,"message":"text"}`,
			"bin of digits":   `{"last":2,"message":"42"}`,
			"bin, not UTF-8":  `{"last":2,"message":"café"}`,
			filtertest.Others: "(the field is not a text)",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s, _, err := New(with(func(c *Config) {
				c.Field = "v"
				tc.change(c)
			}))
			if err != nil {
				t.Fatal(err)
			}
			filtertest.Hold(t, s, tc.want)
		})
	}
}

// Lines of containers are joined by another kind of step, which leaves what is no text alone too.
func TestParse_KindsOfLines(t *testing.T) {
	_, j, err := New(with(func(c *Config) { c.Format, c.Field = "cri", "v" }))
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range filtertest.Kinds() {
		ev := k.With(t)
		before, out := string(ev.Rendered()), 0
		err := j.Join(ev, received(), func(e *filter.Event) {
			if out++; string(e.Rendered()) != before {
				t.Errorf("%s became %s", k.Name, filtertest.JSON(t, e.Rendered()))
			}
		})
		if err == nil || out != 1 || !j.Due().IsZero() {
			t.Errorf("%s: %d events went on, with the error %v", k.Name, out, err)
		}
	}
}
