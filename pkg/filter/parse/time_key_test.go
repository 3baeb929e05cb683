package parse

import (
	"testing"
	"time"
)

func TestTimeKeyIsAPath(t *testing.T) {
	const text = `{"instant":{"epochSecond":1770091506,"nanoOfSecond":5},"a.b":"2026-03-01T09:15:02Z","m":1}`
	for _, tc := range []struct {
		cfg        Config
		want, when string
	}{
		{
			Config{Time: Time{Key: "instant.epochSecond"}},
			`{"instant":{"nanoOfSecond":5},"a.b":"2026-03-01T09:15:02Z","m":1}`, "2026-02-03T04:05:06Z",
		},
		{Config{Time: Time{Key: "instant.epochSecond", Keep: true}}, text, "2026-02-03T04:05:06Z"},
		{
			Config{Time: Time{Key: "instant.epochSecond", Format: []string{"unix"}}, Into: "app", Prefix: "x_"},
			`{"app":{"x_instant":{"nanoOfSecond":5},"x_a.b":"2026-03-01T09:15:02Z","x_m":1}}`, "2026-02-03T04:05:06Z",
		},
		{
			Config{Time: Time{Key: "a.b"}},
			`{"instant":{"epochSecond":1770091506,"nanoOfSecond":5},"m":1}`,
			"2026-03-01T09:15:02Z",
		},
		{
			Config{Time: Time{Key: `["a.b"]`}},
			`{"instant":{"epochSecond":1770091506,"nanoOfSecond":5},"m":1}`,
			"2026-03-01T09:15:02Z",
		},
		{Config{Time: Time{Key: "instant.none"}}, text, ""},
	} {
		step, _, err := New(with(func(c *Config) {
			c.Format, c.Time, c.Into, c.Prefix = "json", tc.cfg.Time, tc.cfg.Into, tc.cfg.Prefix
		}))
		if err != nil {
			t.Fatal(err)
		}
		e := newEvent(t, fieldsOf{"log": text})
		came := e.Time
		if _, err := step.Apply(e); err != nil {
			t.Error(err)
		}
		when := ""
		if e.Time != came {
			when = time.Unix(e.Time.Sec, 0).UTC().Format(time.RFC3339)
		}
		if got := asJSON(t, e); got != tc.want || when != tc.when {
			t.Errorf("%s: %s at %q, want %s at %q", tc.cfg.Time.Key, got, when, tc.want, tc.when)
		}
	}
}
