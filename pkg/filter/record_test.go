package filter

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/event"
)

func str(s string) []byte { return AppendString(nil, s) }

func TestEventEdits(t *testing.T) {
	for _, tc := range []struct {
		name, record string
		edit         func(e *Event) bool
		want         string
	}{
		{"set a new one", `{"a":1}`, func(e *Event) bool { e.Set(str("x"), "b"); return true }, `{"a":1,"b":"x"}`},
		{
			"set one that is there", `{"a":1,"b":2,"c":3}`, func(e *Event) bool { e.Set(str("x"), "b"); return true },
			`{"a":1,"b":"x","c":3}`,
		},
		{"set in an empty record", `{}`, func(e *Event) bool { e.Set(str("x"), "b"); return true }, `{"b":"x"}`},
		{
			"set makes maps", `{"a":1}`, func(e *Event) bool { e.Set(str("x"), "b", "c", "d"); return true },
			`{"a":1,"b":{"c":{"d":"x"}}}`,
		},
		{
			"set within", `{"a":{"b":1,"c":{"d":2}},"z":0}`,
			func(e *Event) bool { e.Set(str("x"), "a", "c", "d"); return true }, `{"a":{"b":1,"c":{"d":"x"}},"z":0}`,
		},
		{
			"set one more within", `{"a":{"b":1}}`, func(e *Event) bool { e.Set(str("x"), "a", "c"); return true },
			`{"a":{"b":1,"c":"x"}}`,
		},
		{
			"set within an empty map", `{"a":{}}`, func(e *Event) bool { e.Set(str("x"), "a", "c"); return true },
			`{"a":{"c":"x"}}`,
		},
		{
			"set replaces what is no map", `{"a":{"b":1}}`,
			func(e *Event) bool { e.Set(str("x"), "a", "b", "c"); return true }, `{"a":{"b":{"c":"x"}}}`,
		},
		{
			"set of equal keys the last", `{"a":1,"a":2}`, func(e *Event) bool { e.Set(str("x"), "a"); return true },
			`{"a":"x"}`,
		},
		{"set the record", `{"a":1}`, func(e *Event) bool { e.Set(AppendMapHeader(nil, 0)); return true }, `{}`},
		{"set what was got", `{"a":{"b":1}}`, func(e *Event) bool {
			e.Set(str("x"), "c")
			v, ok := e.Get("a")
			e.Set(v, "d")
			e.Remove("a")
			return ok
		}, `{"c":"x","d":{"b":1}}`},
		{"set the record into itself", `{"a":1}`, func(e *Event) bool {
			e.Set(str("x"), "b")
			v, ok := e.Get()
			e.Set(v, "all")
			return ok
		}, `{"a":1,"b":"x","all":{"a":1,"b":"x"}}`},
		{
			"sixteen fields and more",
			`{"1":1,"2":1,"3":1,"4":1,"5":1,"6":1,"7":1,"8":1,"9":1,"10":1,"11":1,"12":1,"13":1,"14":1,"15":1}`,
			func(e *Event) bool {
				e.Set(str("x"), "16")
				e.Set(str("y"), "17")
				return e.Remove("1")
			},
			`{"2":1,"3":1,"4":1,"5":1,"6":1,"7":1,"8":1,"9":1,"10":1,"11":1,"12":1,"13":1,"14":1,"15":1,"16":"x",` +
				`"17":"y"}`,
		},

		{"remove", `{"a":1,"b":2,"c":3}`, func(e *Event) bool { return e.Remove("b") }, `{"a":1,"c":3}`},
		{"remove equal ones", `{"a":1,"b":2,"a":3}`, func(e *Event) bool { return e.Remove("a") }, `{"b":2}`},
		{"remove within", `{"a":{"b":1,"c":2}}`, func(e *Event) bool { return e.Remove("a", "b") }, `{"a":{"c":2}}`},
		{
			"remove equal ones within", `{"a":{"b":1,"c":2,"b":3}}`, func(e *Event) bool { return e.Remove("a", "b") },
			`{"a":{"c":2}}`,
		},
		{
			"remove deep within", `{"a":{"b":{"c":1},"d":2}}`, func(e *Event) bool { return e.Remove("a", "b", "c") },
			`{"a":{"b":{},"d":2}}`,
		},
		{"remove nothing", `{"a":{"b":1}}`, func(e *Event) bool {
			return !e.Remove("b") && !e.Remove("a", "c") && !e.Remove("a", "b", "c") && !e.Remove("c", "d") &&
				!e.Remove()
		}, `{"a":{"b":1}}`},

		{
			"rename", `{"a":1,"b":2}`, func(e *Event) bool { return e.Rename([]string{"a"}, []string{"c"}) },
			`{"c":1,"b":2}`,
		},
		{
			"rename over another", `{"a":1,"b":2,"c":3}`,
			func(e *Event) bool { return e.Rename([]string{"c"}, []string{"a"}) }, `{"b":2,"a":3}`,
		},
		{
			"rename to itself", `{"a":1}`, func(e *Event) bool { return e.Rename([]string{"a"}, []string{"a"}) },
			`{"a":1}`,
		},
		{
			"rename of equal keys the last", `{"a":1,"b":2,"a":3}`,
			func(e *Event) bool { return e.Rename([]string{"a"}, []string{"c"}) }, `{"b":2,"c":3}`,
		},
		{
			"rename into a map", `{"a":1,"b":2}`,
			func(e *Event) bool { return e.Rename([]string{"a"}, []string{"m", "x"}) }, `{"b":2,"m":{"x":1}}`,
		},
		{
			"rename out of a map", `{"m":{"x":1,"y":2}}`,
			func(e *Event) bool { return e.Rename([]string{"m", "x"}, []string{"x"}) }, `{"m":{"y":2},"x":1}`,
		},
		{
			"rename a map into itself", `{"m":{"x":1}}`,
			func(e *Event) bool { return e.Rename([]string{"m"}, []string{"m", "m"}) }, `{"m":{"m":{"x":1}}}`,
		},
		{"rename nothing", `{"a":1}`, func(e *Event) bool {
			return !e.Rename([]string{"b"}, []string{"c"}) && !e.Rename(nil, []string{"c"}) &&
				!e.Rename([]string{"a", "b"}, []string{"c"})
		}, `{"a":1}`},

		{"replace and go on", `{"a":1}`, func(e *Event) bool {
			e.Set(str("x"), "b")
			e.Replace(pack(t, `{"c":{"d":1}}`))
			e.Set(str("y"), "c", "e")
			return true
		}, `{"c":{"d":1,"e":"y"}}`},
	} {
		e := newEvent(t, tc.record)
		if !tc.edit(e) {
			t.Errorf("%s: it says no", tc.name)
		}
		got := show(t, e.Rendered())
		if got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
		if again := show(t, e.Rendered()); again != got || !bytes.Equal(e.Record, e.Rendered()) {
			t.Errorf("%s: rendered again: %s", tc.name, again)
		}
		if c := e.Clone(); show(t, c.Rendered()) != got || len(c.Origins) != 1 {
			t.Errorf("%s: cloned: %s", tc.name, show(t, c.Rendered()))
		}
	}
}

// Values that were rendered stay what they are until the event is rendered anew, whatever is set.
func TestEventRendersAgain(t *testing.T) {
	e := newEvent(t, `{"a":1}`)
	want := []string{`{"a":1,"f0":"x"}`, `{"a":1,"f0":"x","f1":"x"}`, `{"a":1,"f0":"x","f1":"x","f2":"x"}`}
	for i, w := range want {
		e.Set(str("x"), "f"+string(rune('0'+i)))
		if got := show(t, e.Rendered()); got != w {
			t.Errorf("%s, want %s", got, w)
		}
		if v, ok := e.Get("a"); !ok || show(t, v) != "1" {
			t.Errorf("a is %x", v)
		}
	}
	tmpl, err := event.ParseTemplate("{cluster}/{record.f2}")
	if err != nil {
		t.Fatal(err)
	}
	e.Set(str("new"), "f2")
	if got := string(e.AppendTemplate(nil, tmpl)); got != "seoul/new" {
		t.Errorf("template: %s", got)
	}
}

func TestEventFields(t *testing.T) {
	e := newEvent(t, `{"a":1,"b":{"x":"1","y":{}},"c":[]}`)
	e.Replace(append(AppendMapHeader(nil, 4), append(e.Rendered()[1:], append(AppendInt(nil, 7), str("int")...)...)...))
	walk := func(path ...string) string {
		var s strings.Builder
		for k, v := range e.Fields(path...) {
			s.WriteString(string(k) + "=" + show(t, v) + " ")
		}
		return s.String()
	}
	if got := walk(); got != `a=1 b={"x":"1","y":{}} c=[] 7="int" ` {
		t.Errorf("of the record: %s", got)
	}
	if got := walk("b"); got != `x="1" y={} ` {
		t.Errorf("of b: %s", got)
	}
	if got := walk("a") + walk("b", "y") + walk("none") + walk("c"); got != "" {
		t.Errorf("of what is no map, or empty: %s", got)
	}
	for range e.Fields() { // may be left
		break
	}
	e.Set(str("x"), "a")
	if got := show(t, e.Rendered()); got != `{"a":"x","b":{"x":"1","y":{}},"c":[],"7":"int"}` {
		t.Errorf("changed: %s", got)
	}
}

func TestEventKeepsToItsMemory(t *testing.T) {
	record := pack(t, kubernetesRecord)
	before := bytes.Clone(record)
	e := &Event{}
	ev := event.Event{Chunk: &event.Chunk{}, Record: record[:len(record):len(record)]}
	for range 3 {
		e.Reset(&ev, nil)
		e.Set(str("x"), "kubernetes", "labels", "app")
		e.Remove("kubernetes", "host")
		e.Rename([]string{"log"}, []string{"message"})
		v, _ := e.Get("path")
		_ = append(v, "overwritten"...)
		for _, v := range e.Fields("kubernetes") {
			_ = append(v, "overwritten"...)
		}
		got := show(t, e.Rendered())
		if !strings.Contains(got, `"app":"x"`) || strings.Contains(got, "overwritten") ||
			strings.Contains(got, `"host"`) {
			t.Errorf("rendered %s", got)
		}
	}
	if !bytes.Equal(before, record) {
		t.Errorf("the chunk was written to: %s", show(t, record))
	}
	from, to := []string{"log"}, []string{"message"}
	if n := testing.AllocsPerRun(100, func() {
		e.Reset(&ev, nil)
		e.Get("kubernetes", "labels", "app")
		e.Set(before[:1], "kubernetes", "x")
		e.Rename(from, to)
		e.Remove("kubernetes", "host")
		e.Rendered()
	}); n > 0 {
		t.Errorf("%v allocations for an event", n)
	}
}

// Random edits against the same on a Go map.
func TestEventAgainstModel(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	names := []string{"a", "b", "c", "with.dot", strings.Repeat("long", 10)}
	path := func() []string {
		var p []string
		for range 1 + random.IntN(3) {
			p = append(p, names[random.IntN(len(names))])
		}
		return p
	}
	for round := range 500 {
		e, model := newEvent(t, `{"a":{"b":1},"c":"x"}`), map[string]any{"a": map[string]any{"b": 1}, "c": "x"}
		for range 1 + random.IntN(20) {
			p, q := path(), path()
			switch random.IntN(4) {
			case 0:
				e.Set(AppendInt(nil, int64(round)), p...)
				modelSet(model, p, round)
			case 1:
				modelRemove(model, p)
				e.Remove(p...)
			case 2:
				v, ok := modelGet(model, p)
				if ok && !slices.Equal(p, q) {
					modelRemove(model, p)
					modelSet(model, q, v)
				}
				if e.Rename(p, q) != ok {
					t.Fatalf("rename %v is not %v", p, ok)
				}
			case 3:
				e.Rendered()
			}
			v, ok := modelGet(model, p)
			if got, is := e.Get(p...); is != ok || ok && !sameJSON(t, show(t, got), v) {
				t.Fatalf("round %d: get %v: %x %v, want %v", round, p, got, is, v)
			}
		}
		if got := show(t, e.Rendered()); !sameJSON(t, got, model) {
			t.Fatalf("round %d: %s, want %v", round, got, model)
		}
	}
}

func sameJSON(t *testing.T, text string, want any) bool {
	t.Helper()
	var got any
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	a, _ := json.Marshal(got)
	b, _ := json.Marshal(want)
	return bytes.Equal(a, b)
}

func modelGet(m map[string]any, p []string) (any, bool) {
	v, ok := m[p[0]]
	if inner, is := v.(map[string]any); len(p) > 1 {
		if !is {
			return nil, false
		}
		return modelGet(inner, p[1:])
	}
	return v, ok
}

func modelSet(m map[string]any, p []string, v any) {
	if len(p) == 1 {
		m[p[0]] = v
		return
	}
	inner, ok := m[p[0]].(map[string]any)
	if !ok {
		inner = map[string]any{}
		m[p[0]] = inner
	}
	modelSet(inner, p[1:], v)
}

func modelRemove(m map[string]any, p []string) {
	if inner, ok := m[p[0]].(map[string]any); len(p) > 1 {
		if ok {
			modelRemove(inner, p[1:])
		}
		return
	}
	delete(m, p[0])
}

// Whatever well-formed record is edited, what is rendered is well-formed, and damaged bytes don't
// panic.
func FuzzEvent(f *testing.F) {
	f.Add(pack(f, kubernetesRecord), "kubernetes", "labels")
	f.Add([]byte("\x82\xa1a\x01\xa1a\x81\x05\x06"), "a", "b")
	f.Add([]byte("\xde\x00\x01\xc4\x01a\xdf\x00\x00\x00\x00"), "a", "b")
	f.Fuzz(func(t *testing.T, record []byte, first, second string) {
		var entry event.Entry
		b := event.AppendEntry(nil, event.AppendTime(nil, event.Time{}), nil, record)
		rest, err := event.ReadEntry(b, &entry)
		good := err == nil && entry.Kind == event.KindEvent && len(rest) == 0
		e := &Event{}
		e.Reset(&event.Event{Chunk: &event.Chunk{}, Record: record}, nil)
		if good {
			want, wantOK := event.Lookup(record, first, second)
			for range 2 { // the second time from the fields
				if got, ok := e.Get(first, second); ok != wantOK || !bytes.Equal(got, want) {
					t.Fatalf("get: %x %v, want %x %v", got, ok, want, wantOK)
				}
			}
		}
		e.Set([]byte{1}, first, second)
		e.Rename([]string{second}, []string{first, first})
		e.Remove(first, second)
		e.Set([]byte{2}, second)
		for range e.Fields(first) {
			_ = e
		}
		out := e.Rendered()
		if !good {
			return
		}
		if rest, err := event.Skip(out); err != nil || len(rest) > 0 {
			t.Fatalf("%x became %x: %v", record, out, err)
		}
		if got, ok := e.Get(second); !ok || !bytes.Equal(got, []byte{2}) {
			t.Fatalf("%x: what was set is %x", out, got)
		}
	})
}
