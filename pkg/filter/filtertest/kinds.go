package filtertest

import (
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
)

// Kind is a value of one of the types that agents send.
type Kind struct {
	Name string
	// Value is msgpack.
	Value string
	// Type is that of several kinds which steps usually treat alike, "" for none.
	Type string
}

// Kinds returns values of all types, and of each type those that are easily taken for another one.
func Kinds() []Kind {
	return []Kind{
		{"nil", "\xc0", ""},
		{"false", "\xc2", "truth values"},
		{"true", "\xc3", "truth values"},
		{"integer", "\x07", "integers"},
		{"negative", "\xfb", "integers"},
		{"int64", "\xd3\x80\x00\x00\x00\x00\x00\x00\x00", "integers"},
		{"uint64", "\xcf\xff\xff\xff\xff\xff\xff\xff\xff", "integers"},
		{"float32", "\xca\x3f\xc0\x00\x00", "floats"},
		{"float64", "\xcb\x3f\xb9\x99\x99\x99\x99\x99\x9a", "floats"},
		{"whole float", "\xcb\x40\x00\x00\x00\x00\x00\x00\x00", "floats"},
		{"NaN", "\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00", "floats"},
		{"infinity", "\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00", "floats"},
		{"text", "\xa4text", ""},
		{"empty text", "\xa0", ""},
		{"digits", "\xa242", ""},
		{"line", "\xa4 42\n", ""},
		{"not UTF-8", "\xa4caf\xe9", ""},
		{"bin", "\xc4\x04text", ""},
		{"bin of digits", "\xc4\x0242", ""},
		{"bin, not UTF-8", "\xc4\x04caf\xe9", ""},
		{"EventTime", "\xd7\x00\x65\x53\xf1\x00\x00\x00\x00\x05", ""},
		{"ext", "\xd4\x05\xff", ""},
		{"array", "\x92\x01\xa1a", "arrays"},
		{"empty array", "\x90", "arrays"},
		{"map", "\x81\xa1a\x01", "maps"},
		{"empty map", "\x80", "maps"},
	}
}

// With returns an event like that of NewEvent, whose record has the value in the field v, between two others.
func (k *Kind) With(tb testing.TB) *filter.Event {
	tb.Helper()
	e := NewEvent(tb, `{}`)
	record := "\x83\xa5first\x01\xa1v" + k.Value + "\xa4last\x02"
	e.Reset(&event.Event{Chunk: e.Chunk, Time: e.Time, Record: []byte(record), Metadata: e.Metadata}, "origin")
	return e
}

// Others stands in Hold for the kinds that are not named.
const Others = "others"

// Hold applies a step to an event of each kind and checks what becomes of it: want has that by the kind's name, or by
// its type's, and that of all that it does not name under Others; it is nothing where the step leaves the event as it
// is.
func Hold(t *testing.T, step filter.Step, want map[string]string) {
	t.Helper()
	known := map[string]bool{}
	for _, k := range Kinds() {
		known[k.Name] = true
		if k.Type != "" {
			known[k.Type] = true
		}
		wanted, named := want[k.Name]
		if !named {
			wanted, named = want[k.Type]
		}
		if !named {
			wanted = want[Others]
		}
		if got := k.outcome(t, step); got != wanted {
			t.Errorf("%q: %q, want %q", k.Name, got, wanted)
		}
	}
	for name := range want {
		if !known[name] && name != Others {
			t.Errorf("there is no kind %q", name)
		}
	}
}

// outcome is what becomes of the value: "dropped" or "dead" or nothing, the record's JSON without the fields around the
// value, and the error; nothing at all where the event stays as it is.
func (k *Kind) outcome(tb testing.TB, step filter.Step) string {
	tb.Helper()
	ev := k.With(tb)
	before := string(ev.Rendered())
	verdict, err := step.Apply(ev)
	var words []string
	if verdict != filter.Keep {
		words = append(words, map[filter.Verdict]string{filter.Drop: "dropped", filter.Dead: "dead"}[verdict])
	}
	if after := string(ev.Rendered()); after != before {
		words = append(words, strings.NewReplacer(`"first":1,`, "", `,"last":2`, "").Replace(JSON(tb, []byte(after))))
	}
	if err != nil {
		words = append(words, "("+err.Error()+")")
	}
	return strings.Join(words, " ")
}
