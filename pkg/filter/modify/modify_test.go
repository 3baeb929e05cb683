package modify

import (
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
)

type (
	values = map[string]any
	texts  = map[string]string
)

func newEvent(tb testing.TB, record map[string]any) *filter.Event {
	tb.Helper()
	b, err := filter.AppendValue(nil, record)
	if err != nil {
		tb.Fatal(err)
	}
	e := &filter.Event{}
	e.Reset(
		&event.Event{
			Chunk: &event.Chunk{Cluster: "seoul", Tag: "kube.web.app"}, Time: event.Time{Sec: 1700000000}, Record: b,
		}, nil,
	)
	return e
}

func show(tb testing.TB, e *filter.Event) string {
	tb.Helper()
	var enc event.Encoder
	text, err := enc.AppendValue(nil, e.Rendered())
	if err != nil {
		tb.Fatal(err)
	}
	return string(text)
}

// A tag is changed as it is delivered: in documents, placeholders and expressions of what follows, not in the chunk.
func TestTag(t *testing.T) {
	for _, tc := range []struct{ name, tag, service, want, fail string }{
		{"of a field", "web.{record.service}", "shop", "web.shop", ""},
		{"of the old one", "{tag[0]}.{record.service|none}.{cluster}", "", "kube.none.seoul", ""},
		{"empty", "{record.none}", "shop", "kube.web.app", "would be empty"},
		{"too long", "{record.service}", strings.Repeat("x", 1025), "kube.web.app", "over 1024 bytes"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, err := New(Config{Tag: tc.tag, Set: values{"was": "{tag}"}})
			if err != nil {
				t.Fatal(err)
			}
			record := values{"service": tc.service}
			if tc.service == "" {
				record = values{}
			}
			for range 2 {
				e := newEvent(t, record)
				_, err = s.Apply(e)
				if (err == nil) != (tc.fail == "") || err != nil && !strings.Contains(err.Error(), tc.fail) {
					t.Errorf("failed with %v", err)
				}
				if e.DeliveredTag() != tc.want || e.Chunk.Tag != "kube.web.app" {
					t.Errorf("tags %q and %q, want %q", e.DeliveredTag(), e.Chunk.Tag, tc.want)
				}
				if was, _ := e.Get("was"); string(was[1:]) != "kube.web.app" {
					t.Errorf("the old tag was %q", was)
				}
				text, err := filter.NewExpression("tag + '!'")
				if err != nil {
					t.Fatal(err)
				}
				if got, err := text.Append(nil, e); err != nil || string(got[1:]) != tc.want+"!" {
					t.Errorf("an expression sees %q, %v", got, err)
				}
				document, err := event.NewEncoder(event.Fields{Tag: "tag"}).AppendEvent(nil, &e.Event)
				if err != nil || !strings.Contains(string(document), `"tag":"`+tc.want+`"`) {
					t.Errorf("the document is %s, %v", document, err)
				}
			}
		})
	}
}

func TestApply(t *testing.T) {
	for _, tc := range []struct {
		name   string
		c      Config
		record values
		want   string
		fail   string
	}{
		{
			"set",
			Config{Set: values{"service": "web", "from": "{cluster}/{tag[1]}", "n": 5, "on": true}},
			values{"msg": "m"},
			`{"msg":"m","from":"seoul/web","n":5,"on":true,"service":"web"}`, "",
		},
		{
			"set within",
			Config{Set: values{"kubernetes.cluster": "{cluster}"}},
			values{"kubernetes": values{"pod": "p"}},
			`{"kubernetes":{"pod":"p","cluster":"seoul"}}`, "",
		},
		{
			"set with braces and a date",
			Config{Set: values{"a": "{{}} %Y-%m-%d 100%%"}},
			values{},
			`{"a":"{} 2023-11-14 100%"}`, "",
		},
		{
			"set of the record as it came",
			Config{Set: values{"message": "<{record.msg}>"}, Remove: []string{"msg"}},
			values{"msg": "m"},
			`{"message":"<m>"}`, "",
		},
		{
			"set swaps",
			Config{Set: values{"a": "{record.b}", "b": "{record.a}"}},
			values{"a": 1, "b": "x"},
			`{"a":"x","b":1}`, "",
		},
		{
			"set copies", Config{
				Set: values{"ns": "{record.kubernetes.ns}", "k": `{record["kubernetes"]}`, "none": "{record.none}"},
			}, values{"kubernetes": values{"ns": 5}}, `{"kubernetes":{"ns":5},"k":{"ns":5},"ns":5}`, "",
		},
		{
			"set with a default",
			Config{Set: values{"app": "{record.app|unknown}", "x": "{record.a}{record.b}"}},
			values{"a": 1},
			`{"a":1,"app":"unknown","x":"1"}`, "",
		},
		{
			"set if missing",
			Config{SetIfMissing: values{"a": "x", "b": "x", "c": "x", "d": "x", "m.n": 1}},
			values{"a": 1, "b": nil, "d": ""},
			`{"a":1,"b":"x","d":"","c":"x","m":{"n":1}}`, "",
		},

		{
			"rename",
			Config{Rename: texts{"msg": "message", "none": "some"}},
			values{"a": 1, "msg": "m"},
			`{"a":1,"message":"m"}`, "",
		},
		{
			"rename out of and into maps", Config{Rename: texts{"kubernetes.pod": "pod", "msg": "a.b"}}, values{
				"kubernetes": values{"pod": "p", "ns": "n"}, "msg": "m",
			}, `{"kubernetes":{"ns":"n"},"a":{"b":"m"},"pod":"p"}`, "",
		},
		{
			"rename a map and what is in it",
			Config{Rename: texts{"k": "x", "k.a": "y"}},
			values{"k": values{"a": 1, "b": 2}},
			`{"x":{"b":2},"y":1}`, "",
		},

		{
			"rename all that begin so",
			Config{Rename: texts{"k8s_*": "*", "m.a*z": "m.b*"}},
			values{"k8s_a": 1, "k8s_": 2, "other": 3, "m": values{"a_z": 4, "az": 5, "b": 6}},
			`{"k8s_":2,"a":1,"m":{"az":5,"b":6,"b_":4},"other":3}`, "there is another value",
		},
		{
			"rename out of a map, under a prefix",
			Config{Rename: texts{"k.*": "k_*"}, Remove: []string{"k"}},
			values{"k": values{"a": 1, "b": values{"c": 2}}, "x": 3},
			`{"x":3,"k_a":1,"k_b":{"c":2}}`, "",
		},

		{
			"remove",
			Config{Remove: []string{"stream", "none", "k.a"}},
			values{"stream": "s", "k": values{"a": 1, "b": 2}, "m": 1},
			`{"k":{"b":2},"m":1}`, "",
		},
		{
			"remove globs",
			Config{Remove: []string{"tmp_*", "?", "k.*_x"}},
			values{"tmp_a": 1, "tmp_": 1, "x": 1, "xx": 1, "k": 1, "kk": 1},
			`{"kk":1,"xx":1}`, "",
		},
		{
			"remove globs within", Config{Remove: []string{"k.*_x", "*.b"}}, values{
				"k": values{"a_x": 1, "b": 1, "c": values{"b": 1}}, "l": values{"b": 1}, "m": []any{1},
			}, `{"k":{"c":{"b":1}},"l":{},"m":[1]}`, "",
		},
		{"remove globs of nothing", Config{Remove: []string{"tmp_*"}}, values{"a": 1}, `{"a":1}`, ""},
		{
			"keep", Config{Keep: []string{"msg", "k.pod", "k.l.*", "none", "m.n"}}, values{
				"msg": 1, "x": 1, "k": values{"pod": 1, "ns": 1, "l": values{"a": 1}}, "m": 1,
			}, `{"k":{"l":{"a":1},"pod":1},"msg":1}`, "",
		},
		{"keep none", Config{Keep: []string{"none"}}, values{"a": 1}, `{}`, ""},
		{
			"keep and set", Config{
				Keep: []string{"message"}, Rename: texts{"msg": "message"}, Set: values{"s": "{record.level}"},
			}, values{"msg": 1, "level": "info"}, `{"message":1,"s":"info"}`, "",
		},

		{
			"move under",
			Config{MoveUnder: map[string][]string{"kubernetes": {"pod", "ns", "none"}}},
			values{"pod": "p", "ns": "n", "m": 1},
			`{"m":1,"kubernetes":{"pod":"p","ns":"n"}}`, "",
		},
		{
			"move under one that is there",
			Config{MoveUnder: map[string][]string{"k.in": {"a*"}}},
			values{"k": values{"in": values{"z": 0}}, "a1": 1, "a2": 2},
			`{"k":{"in":{"z":0,"a1":1,"a2":2}}}`, "",
		},
		{
			"move all",
			Config{MoveUnder: map[string][]string{"log": {"*"}}},
			values{"a": 1, "b": 2},
			`{"log":{"a":1,"b":2}}`, "",
		},
		{
			"move from within",
			Config{MoveUnder: map[string][]string{"k": {"k.l.*"}}},
			values{"k": values{"l": values{"a": 1, "b": 2}}},
			`{"k":{"l":{},"a":1,"b":2}}`, "",
		},

		{
			"flatten",
			Config{Flatten: &Flatten{Field: "k", Separator: "."}},
			values{
				"a": 1, "k": values{"l": values{"x": 1, "e": values{}}, "p": []any{values{"q": 1}}},
				"o": values{"x": 1},
			},
			`{"a":1,"k.l.e":{},"k.l.x":1,"k.p":[{"q":1}],"o":{"x":1}}`, "",
		},
		{
			"flatten all",
			Config{Flatten: &Flatten{Separator: "_"}},
			values{"a": 1, "k": values{"l": values{"x": 1}}, "o": values{"x": 1}},
			`{"a":1,"k_l_x":1,"o_x":1}`, "",
		},
		{
			"flatten within",
			Config{Flatten: &Flatten{Field: "k.l", Separator: "/"}},
			values{"k": values{"l": values{"x": 1, "y": 2}, "m": 1}},
			`{"k":{"l/x":1,"l/y":2,"m":1}}`, "",
		},
		{
			"flatten what is no map",
			Config{Flatten: &Flatten{Field: "k", Separator: "."}},
			values{"k": 1},
			`{"k":1}`,
			"",
		},

		{
			"convert to int",
			Config{Convert: texts{"a": "int", "b": "int", "c": "int", "d": "int", "e": "int", "f": "int"}},
			values{"a": "404", "b": 4, "c": 1.9, "d": true, "e": "-7.5", "f": nil},
			`{"a":404,"b":4,"c":1,"d":1,"e":-7,"f":null}`, "",
		},
		{
			"convert to float",
			Config{Convert: texts{"a": "float", "b": "float"}},
			values{"a": "1.25", "b": 4},
			`{"a":1.25,"b":4.0}`, "",
		},
		{
			"convert to bool",
			Config{Convert: texts{"a": "bool", "b": "bool", "c": "bool"}},
			values{"a": "True", "b": 0, "c": "off"},
			`{"a":true,"b":false,"c":false}`, "",
		},
		{
			"convert to string",
			Config{Convert: texts{"a": "string", "b": "string", "c": "string"}},
			values{"a": 1.5, "b": values{"x": 1}, "c": false},
			`{"a":"1.5","b":"{\"x\":1}","c":"false"}`, "",
		},
		{
			"convert within",
			Config{Convert: texts{"http.status": "int"}},
			values{"http": values{"status": "200"}},
			`{"http":{"status":200}}`, "",
		},
		{
			"convert what is none",
			Config{Convert: texts{"a": "int", "b": "int"}, Set: values{"s": 1}},
			values{"a": "x", "b": "2"},
			`{"a":"x","b":2,"s":1}`, `convert a to int: the value is none`,
		},
		{
			"convert what is too large",
			Config{Convert: texts{"a": "int"}},
			values{"a": "1e30"},
			`{"a":"1e30"}`,
			"is none",
		},
		{
			"convert what is no number",
			Config{Convert: texts{"a": "float"}},
			values{"a": "NaN"},
			`{"a":"NaN"}`,
			"is none",
		},
		{
			"convert what is neither",
			Config{Convert: texts{"a": "bool"}},
			values{"a": "maybe"},
			`{"a":"maybe"}`,
			"is none",
		},
	} {
		s, err := New(tc.c)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		for range 2 {
			e := newEvent(t, tc.record)
			verdict, err := s.Apply(e)
			if verdict != filter.Keep || (err == nil) != (tc.fail == "") ||
				err != nil && !strings.Contains(err.Error(), tc.fail) {
				t.Errorf("%s: %v, %v; want %q", tc.name, verdict, err, tc.fail)
			}
			if got := show(t, e); got != tc.want {
				t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
			}
		}
		var r setting.Report
		if tc.c.Check(&r); len(r.Problems) > 0 {
			t.Errorf("%s: %v", tc.name, r.Problems)
		}
	}
}

func TestCheck(t *testing.T) {
	for _, tc := range []struct {
		name, want string
		c          Config
	}{
		{"nothing", ": there is nothing to change", Config{}},
		{"set", `set.a: "{nothing}": position 1: unknown placeholder`, Config{Set: values{"a": "{nothing}"}}},
		{"set's field", `set.a..b: field "a..b": position 3`, Config{Set: values{"a..b": 1}}},
		{"rename twice", `rename.a: "b" is renamed itself`, Config{Rename: texts{"a": "b", "b": "c"}}},
		{"rename many to one", "rename.a*: the old name and the new one need a *", Config{Rename: texts{"a*": "b"}}},
		{"rename with two stars", "rename.a*b*: a name may have one *", Config{Rename: texts{"a*b*": "c*"}}},
		{"rename with a star in front", "rename.a*.b: only the last name", Config{Rename: texts{"a*.b": "c"}}},
		{"rename to nothing", `rename.a: field ""`, Config{Rename: texts{"a": ""}}},
		{"remove", `remove: field "["`, Config{Remove: []string{"["}}},
		{"keep", `keep: field ""`, Config{Keep: []string{""}}},
		{
			"convert", `convert.a: "number" is no type: write int, float, bool or string`,
			Config{Convert: texts{"a": "number"}},
		},
		{
			"move under", `move_under.k: "a*.b": only the last name`,
			Config{MoveUnder: map[string][]string{"k": {"a*.b"}}},
		},
		{"flatten", `flatten.field: field "a."`, Config{Flatten: &Flatten{Field: "a."}}},
	} {
		var r setting.Report
		tc.c.Check(&r)
		if len(r.Problems) != 1 || !strings.HasPrefix(r.Problems[0].Key+": "+r.Problems[0].Reason, tc.want) {
			t.Errorf("%s: %v, want %q", tc.name, r.Problems, tc.want)
		}
		if _, err := New(tc.c); err == nil && tc.name != "nothing" {
			t.Errorf("%s: made all the same", tc.name)
		}
	}
}

func TestDedot(t *testing.T) {
	for _, tc := range []struct {
		name   string
		c      DedotConfig
		record values
		want   string
	}{
		{
			"nested", DedotConfig{"_", true}, values{
				"a.b": 1, "k": values{"l.m": values{"..": 1}, "n": "x.y"}, "l": []any{values{"o.p": 1}, 1},
			}, `{"a_b":1,"k":{"l_m":{"__":1},"n":"x.y"},"l":[{"o_p":1},1]}`,
		},
		{"nested only", DedotConfig{"-", true}, values{"k": values{"l.m": 1}}, `{"k":{"l-m":1}}`},
		{"in a list only", DedotConfig{"", true}, values{"k": []any{values{"l.m": 1}}}, `{"k":[{"lm":1}]}`},
		{"not nested", DedotConfig{"_", false}, values{"a.b": 1, "k": values{"l.m": 1}}, `{"a_b":1,"k":{"l.m":1}}`},
		{"no dots", DedotConfig{"_", true}, values{"a": "1.2"}, `{"a":"1.2"}`},
	} {
		s, err := NewDedot(tc.c)
		if err != nil {
			t.Fatal(err)
		}
		e := newEvent(t, tc.record)
		if v, err := s.Apply(e); v != filter.Keep || err != nil {
			t.Errorf("%s: %v, %v", tc.name, v, err)
		}
		if got := show(t, e); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
	var r setting.Report
	c := DedotConfig{Separator: "."}
	if c.Check(&r); len(r.Problems) != 1 {
		t.Errorf("a dot for a dot: %v", r.Problems)
	}
	if _, err := NewDedot(c); err == nil {
		t.Error("a dot for a dot is made")
	}
}

func FuzzGlob(f *testing.F) {
	f.Add("tmp_*", []byte("tmp_a"))
	f.Add("*a*b?c", []byte("xxaxbyc"))
	f.Fuzz(func(t *testing.T, glob string, name []byte) {
		if len(glob) > 12 || len(name) > 12 {
			return
		}
		if got, want := matches(glob, name), reference(glob, string(name)); got != want {
			t.Fatalf("%q on %q: %v", glob, name, got)
		}
	})
}

// reference tries every way.
func reference(glob, name string) bool {
	switch {
	case glob == "":
		return name == ""
	case glob[0] == '*':
		return reference(glob[1:], name) || name != "" && reference(glob, name[1:])
	default:
		return name != "" && (glob[0] == '?' || glob[0] == name[0]) && reference(glob[1:], name[1:])
	}
}

// No record makes the steps fail badly or grow without bounds.
func FuzzApply(f *testing.F) {
	f.Add([]byte("\x82\xa1k\x81\xa3a.b\x01\xa4tmp_\xa3404"))
	f.Add([]byte("\x81\xa1k\x81\xa1k\x81\xa1k\x80"))
	c := Config{
		Rename: texts{"a": "b", "k.x": "x"}, Remove: []string{"tmp_*", "k.*.z"},
		Set:     values{"s": "{record.k}{record.a}", "c": "{record.k}"},
		Convert: texts{"b": "int", "x": "bool"}, MoveUnder: map[string][]string{"m": {"k.*", "s"}},
		Flatten: &Flatten{Separator: "."},
	}
	f.Fuzz(func(t *testing.T, record []byte) {
		var entry event.Entry
		b := event.AppendEntry(nil, event.AppendTime(nil, event.Time{}), nil, record)
		if _, err := event.ReadEntry(b, &entry); err != nil || entry.Kind != event.KindEvent {
			return
		}
		e := &filter.Event{}
		e.Reset(&event.Event{Chunk: &event.Chunk{}, Record: entry.Record}, nil)
		s, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		d, _ := NewDedot(DedotConfig{"_", true})
		_, _ = s.Apply(e)
		_, _ = d.Apply(e)
		out := e.Rendered()
		if rest, err := event.Skip(out); err != nil || len(rest) > 0 || len(out) > 20*len(record)+200<<10 {
			t.Fatalf("%x became %d bytes: %.100x: %v", record, len(out), out, err)
		}
	})
}
