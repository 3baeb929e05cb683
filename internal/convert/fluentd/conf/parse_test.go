package conf_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/flow"
	"github.com/seed-afc6a195/aggregator/internal/convert/fluentd"
	"github.com/seed-afc6a195/aggregator/internal/convert/fluentd/conf"
	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
	"github.com/seed-afc6a195/aggregator/internal/convert/syntax"
)

// shown writes a section as one line, for comparisons.
func shown(s *syntax.Section) string {
	var b strings.Builder
	for _, e := range s.Entries {
		fmt.Fprintf(&b, "%s=%s;", e.Key, e.Value.Shown())
	}
	for _, c := range s.Sections {
		fmt.Fprintf(&b, "<%s %s>%s</>", c.Name, c.Arg, shown(c))
	}
	return b.String()
}

func TestParse(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"comment behind a value", "a b # c\n", "a=b;"},
		{"a sign in a value", "a b#c\n", "a=b#c;"},
		{
			"sections", "<match a.** b>\n  <buffer tag, time>\n    x 1\n  </buffer>\n</match>\n",
			"<match a.** b><buffer tag, time>x=1;</></>",
		},
		{"no value", "<a>\n  flag\n  b c\n</a>", "<a >flag=;b=c;</>"},
		{"single quotes", `a 'b "c" \' #{x}'` + "\n", `a=b "c" ' #{x};`},
		{"double quotes", `a "b\tc\\d"` + "\n", "a=b\tc\\d;"},
		{"a variable", `a "#{ENV['X']}-1"` + "\n", "a=${X}-1;"},
		{"a default", `a "#{ENV['X'] || 'y'}"` + "\n", "a=${X};"},
		{"code", `a "#{1 + {a: 1}[:a]}"` + "\n", "a=#{1 + {a: 1}[:a]};"},
		{"no variable without quotes", "a #{ENV['X']}\n", "a=#{ENV['X']};"},
		{"JSON over lines", "a [\"b\",\n  \"c\"]\nd e\n", "a=[\"b\",\n  \"c\"];d=e;"},
		{"JSON that is none", "a [b] c\n", "a=[b] c;"},
		{"lines of another system", "<a>\r\n  b c\r\n</a>\r\n", "<a >b=c;</>"},
		{"patterns", "key /^\\[a\\] \"b\" $/\n", "key=/^\\[a\\] \"b\" $/;"},
	} {
		root, err := conf.ParseText("x.conf", []byte(tc.text))
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		if got := shown(root); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
}

// TestParseYAML: the YAML form has the same sections.
func TestParseYAML(t *testing.T) {
	const text = `
system: {log_level: info}
config:
  - source: {$type: forward, port: !fluent/s "#{ENV['P'] || 24224}"}
  - label:
      $name: '@X'
      config:
        - filter: {$type: grep, $tag: "a.**", exclude: [{key: l, pattern: d}], list: [a, b]}
  - match:
      $tag: a.**,b.**
      $type: copy
      store:
        - $type: null
        - {$type: file, buffer: {$arg: "tag, time", path: "#{no}"}}
`
	root, err := conf.ParseText("x.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	want := "<system >log_level=info;</><source >@type=forward;port=${P};</><label @X><filter a.**>@type=grep;" +
		"list=a,b;<exclude >key=l;pattern=d;</></></><match a.** b.**>@type=copy;<store >@type=null;</>" +
		"<store >@type=file;<buffer tag, time>path=#{no};</></></>"
	if got := shown(root); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if _, err := conf.ParseText("x.yaml", []byte("a: [")); err == nil {
		t.Error("what is no YAML is no mistake")
	}
}

func TestParsePlaces(t *testing.T) {
	root, err := conf.ParseText("x.conf", []byte("# one\n\n<match **>\n  @type \"file\"\n\tpath x\n</match>\n"))
	if err != nil {
		t.Fatal(err)
	}
	m := root.Sections[0]
	if m.At != (syntax.Place{File: "x.conf", Line: 3, Column: 1}) || m.Entries[1].At != (syntax.Place{
		File: "x.conf",
		Line: 5, Column: 2,
	}) {
		t.Errorf("%+v %+v", m.At, m.Entries[1].At)
	}
	if len(m.Raw) != 4 || m.Raw[3] != "</match>" {
		t.Errorf("%q", m.Raw)
	}
}

// TestInclude: files are read where they are included, in their order; one that is not there is told.
func TestInclude(t *testing.T) {
	files := map[string]string{
		"/etc/fluent.conf": "@include conf.d/*.conf\n<match **>\n  @include common.conf\n</match>\n@include " +
			"none.conf\n",
		"/etc/conf.d/a.conf": "a 1\n", "/etc/conf.d/b.conf": "b 2\n", "/etc/common.conf": "c 3\n",
	}
	f := &syntax.Files{
		Read: func(path string) ([]byte, error) {
			if text, ok := files[path]; ok {
				return []byte(text), nil
			}
			return nil, errors.New("no such file")
		},
		Glob: func(pattern string) (all []string, _ error) {
			if pattern == "/etc/conf.d/*.conf" {
				return []string{"/etc/conf.d/b.conf", "/etc/conf.d/a.conf"}, nil
			}
			if _, ok := files[pattern]; ok {
				return []string{pattern}, nil
			}
			return nil, nil
		},
	}
	root, missing, err := conf.Parse(f, "/etc/fluent.conf")
	if err != nil || len(missing) != 1 || missing[0].At.Line != 5 {
		t.Fatal(err, missing)
	}
	if got, want := shown(root), "a=1;b=2;<match **>c=3;</>"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestIncludeBounds: circles and crowds of includes end.
func TestIncludeBounds(t *testing.T) {
	glob := func(pattern string) ([]string, error) { return []string{pattern}, nil }
	for name, read := range map[string]func(string) ([]byte, error){
		"itself":    func(string) ([]byte, error) { return []byte("@include a\n"), nil },
		"each deep": func(path string) ([]byte, error) { return []byte("@include " + path + "x\n"), nil },
		"many":      func(string) ([]byte, error) { return []byte(strings.Repeat("@include b\n", 1000)), nil },
		"large":     func(string) ([]byte, error) { return make([]byte, syntax.MaxFile+1), nil },
	} {
		_, _, err := conf.Parse(&syntax.Files{Read: read, Glob: glob}, "a")
		if _, ok := errors.AsType[*syntax.Error](err); !ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzConvert: no configuration panics, and what can be read becomes routes within bounds.
func FuzzConvert(f *testing.F) {
	for _, seed := range []string{
		"<source>\n  @type forward\n</source>\n<match a.**>\n  @type copy\n  <store>\n    @type relabel\n    @label " +
			"@X\n  </store>\n</match>\n<label @X>\n<match **>\n@type null\n</match>\n</label>\n",
		"<filter **>\n@type record_transformer\nenable_ruby\n<record>\na " +
			"${record[\"b\"].downcase}\n</record>\n</filter>\n",
		"<match a.**>\n@type rewrite_tag_filter\n<rule>\nkey a\npattern /(.*)/\ntag b.$1\n</rule>\n</match>\n",
		"<filter {a,b}.**>\n@type grep\n<exclude>\nkey $.a.b\npattern /^(?!x)/i\n</exclude>\n</filter>\n",
		"a \"#{ENV['X'] || use_default}\"\n", "@include x", "a [1,\n2]\n", "<a>\n", "</a>",
		"<filter **>\n@type parser\nkey_name log\n<parse>\n@type multi_format\n<pattern>\nformat " +
			"json\n</pattern>\n</parse>\n</filter>\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		root, err := conf.ParseText("x.conf", []byte(text))
		if err != nil {
			if _, ok := errors.AsType[*syntax.Error](err); !ok {
				t.Fatalf("%v has no place", err)
			}
			return
		}
		old := fluentd.Convert(root, &settings.Notes{})
		var routes []*flow.Route
		if routes, _ = old.Flow.Routes(); len(routes) > 10_000 {
			t.Fatalf("%d routes", len(routes))
		}
	})
}

// FuzzYAML: no text in the YAML form panics, and what can't be read says where.
func FuzzYAML(f *testing.F) {
	for _, seed := range []string{
		"config:\n- source: {$type: forward}\n", "config: [{match: {$tag: a, store: [{$type: x}]}}]", "a: &a [*a]",
		"config:\n- !include x.yaml\n", "system: 1", "config:\n- source: {port: !fluent/s \"#{\"}\n", "[",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := conf.ParseText("x.yaml", []byte(text)); err != nil {
			if _, ok := errors.AsType[*syntax.Error](err); !ok {
				t.Fatalf("%v has no place", err)
			}
		}
	})
}
