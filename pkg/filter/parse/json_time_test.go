package parse

import "testing"

// Numbers that are the event's time, as JSON has them from various languages; of others only the value counts.
func TestJSONTimes(t *testing.T) {
	for _, tc := range []struct{ name, text, want, at string }{
		{"an integer", `{"time":1700000000,"a":1}`, `{"a":1}`, "2023-11-14T22:13:20Z"},
		{"milliseconds of JavaScript", `{"time":1700000000123}`, `{}`, "2023-11-14T22:13:20.123Z"},
		{"a float of Go's zap", `{"time":1700000000.1234567}`, `{}`, "2023-11-14T22:13:20.1234567Z"},
		{"a double of Java", `{"time":1.700000000123E9}`, `{}`, "2023-11-14T22:13:20.123Z"},
		{"milliseconds as a double of Java", `{"time":1.700000000123e+12}`, `{}`, "2023-11-14T22:13:20.123Z"},
		{"a text", `{"time":"1700000000.5"}`, `{}`, "2023-11-14T22:13:20.5Z"},
		{"too small for a time", `{"time":1.5E1}`, `{"time":15.0}`, ""},
		{"too large for a float", `{"time":1E999}`, `{"time":"1E999"}`, ""},
		{"another value", `{"time":{"at":1}}`, `{"time":{"at":1}}`, ""},
		{"nothing", `{"time":null}`, `{"time":null}`, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, _, err := New(with(func(c *Config) { c.Format = "json" }))
			if err != nil {
				t.Fatal(err)
			}
			e := newEvent(t, fieldsOf{"log": tc.text})
			if _, err := s.Apply(e); err != nil {
				t.Fatal(err)
			}
			if got := asJSON(t, e); got != tc.want || timeOf(e) != tc.at {
				t.Errorf("%s at %s, want %s at %s", got, timeOf(e), tc.want, tc.at)
			}
		})
	}
}
