package conf_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/fluentd/conf"
	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
	"github.com/seed-afc6a195/aggregator/internal/convert/syntax"
)

// TestForms: what people write in files, and how it is read.
func TestForms(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"an empty file", "", ""},
		{"comments alone", "# a\n  # b\n\n", ""},
		{"no line end at the end", "a b", "a=b;"},
		{"a byte order mark", "\ufeffa b\n", "a=b;"},
		{"tabs between", "a\t\tb\n", "a=b;"},
		{"blanks behind a value", "a b  \n", "a=b;"},
		{"blanks within a value", "a b  c\n", "a=b  c;"},
		{"a comment behind quotes", `a "b" # c` + "\n", "a=b;"},
		{"a comment behind a section", "<a> # x\n</a> # y\n", "<a ></>"},
		{"a sign of a comment in quotes", `a "b # c"` + "\n", "a=b # c;"},
		{"empty quotes", `a ""` + "\n", "a=;"},
		{"a key in quotes", `"a" b` + "\n", "a=b;"},
		{"quotes over lines", "a \"b\nc\"\n", "a=b\nc;"},
		{"a line that goes on", "a \"b\\\nc\"\n", "a=bc;"},
		{"signs behind backslashes", `a "\n\r\t\f\b\"\\\q"` + "\n", "a=\n\r\t\f\b\"\\q;"},
		{"single quotes keep backslashes", `a 'b\nc\'d\\'` + "\n", `a=b\nc'd\;`},
		{"single quotes keep Ruby", `a '#{ENV["X"]}'` + "\n", `a=#{ENV["X"]};`},
		{"braces in Ruby", `a "#{ {'}' => 1}['}'] }"` + "\n", "a=#{{'}' => 1}['}']};"},
		{"two variables", `a "#{ENV['X']}:#{ENV['Y']}"` + "\n", "a=${X}:${Y};"},
		{"a hash", "a {\"b\":1}\n", `a={"b":1};`},
		{"a hash over lines", "a {\n  \"b\": 1\n}\nc d\n", "a={\n  \"b\": 1\n};c=d;"},
		{"a brace that begins no hash", "a {b,c}.d\n", "a={b,c}.d;"},
		{"a list that is none", "a [b\n", "a=[b;"},
		{"an argument in quotes", "<match \"a b\">\n</match>\n", "<match a b></>"},
		{"several tags", "<match a.** b.{c,d}>\n</match>\n", "<match a.** b.{c,d}></>"},
		{"an expression as a tag", "<match /a>b/>\n", ""},
		{"sections three deep", "<a>\n<b x>\n<c>\nd 1\n</c>\n</b>\n</a>\n", "<a ><b x><c >d=1;</></></>"},
		{"a key that comes twice", "a 1\na 2\n", "a=1;a=2;"},
		{"a key with an at sign", "@type forward\n@id x\n", "@type=forward;@id=x;"},
		{"an include within a section is a key", "<a>\ninclude b\n</a>\n", "<a >include=b;</>"},
		{"an include from the network", "@include http://x/y\na b\n", "a=b;"},
		{"an expression", `expression /^(?<a>[^ ]*) "(?<b>.*)"$/` + "\n", `expression=/^(?<a>[^ ]*) "(?<b>.*)"$/;`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			root, err := conf.ParseText("x.conf", []byte(tc.text))
			if tc.want == "" && strings.Contains(tc.text, "<") {
				if err == nil {
					t.Fatal("is read as", shown(root))
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := shown(root); got != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}

// TestMistakes: what can't be read is told with its place, and what to do.
func TestMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"<match **>\n":              "x.conf:1:1: <match> has no end (write </match> where it ends)",
		"\n  <match **>\n<a>\n</a>": "x.conf:2:3: <match> has no end (write </match> where it ends)",
		"</match>\n": "x.conf:1:1: </match> ends nothing (take it out, or write the section's " +
			"beginning)",
		"<a>\n</b>\n": "x.conf:2:1: </b> where </a> is missing (write </a>)",
		"<a>\n</a\n":  "x.conf:2:1: </a has no >",
		"<a\n</a>\n":  "x.conf:1:1: <a has no > (write > behind it)",
		"<>\n": "x.conf:1:1: a section without a name (write <source>, <filter …>, <match …>, <label " +
			"…>)",
		"<a> b\n</a>\n": "x.conf:1:5: something stands behind <a> (begin a new line)",
		"<a>\n</a> b\n": "x.conf:2:6: something stands behind </a> (begin a new line)",
		"a \"b\n":       "x.conf:1:3: the text in quotes has no end (write \" where it ends)",
		"a 'b\n":        "x.conf:1:3: the text in quotes has no end (write ' where it ends)",
		"a \"b\" c\n": "x.conf:1:7: something stands behind the value of a (begin a new line, or put all of " +
			"the value in quotes)",
		"a \"#{b\"\n":               "x.conf:1:3: the Ruby in #{ has no end (write } where it ends)",
		strings.Repeat("<a>\n", 20): "x.conf:18:1: sections are nested more than 16 deep",
	} {
		_, err := conf.ParseText("x.conf", []byte(text))
		if _, ok := errors.AsType[*syntax.Error](err); !ok || err.Error() != want {
			t.Errorf("%q: %v\nwant %s", text, err, want)
		}
	}
}

// TestYAMLForms: the same in YAML.
func TestYAMLForms(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"nothing", "", ""},
		{"tags with commas, and within braces", "config: [{match: {$tag: 'a.**,b.{c,d}'}}]", "<match a.** b.{c,d}></>"},
		{"a list of tags", "config: [{match: {$tag: [a, 'b.{c,d}']}}]", "<match a b.{c,d}></>"},
		{"an argument", "config: [{match: {buffer: {$arg: 'tag, time'}}}]", "<match ><buffer tag, time></></>"},
		{"a list", "config: [{match: {buffer: {$arg: [tag, time]}}}]", "<match ><buffer tag, time></></>"},
		{
			"an anchor", "config:\n- match: {buffer: &b {path: /x}}\n- match: {buffer: *b}\n",
			"<match ><buffer >path=/x;</></><match ><buffer >path=/x;</></>",
		},
		{"all kinds", "config: [{source: {a: 1, b: true, c: x, d: 1.5}}]", "<source >a=1;b=true;c=x;d=1.5;</>"},
		{"a text of several lines", "config:\n- filter:\n    a: |\n      b\n      c\n", "<filter >a=b\nc\n;</>"},
		{
			"Ruby where it is said", "config: [{source: {a: !fluent/s \"#{ENV['A']}\", b: \"#{ENV['B']}\"}}]",
			"<source >a=${A};b=#{ENV['B']};</>",
		},
		{
			"sections of the same name", "config: [{match: {store: [{a: 1}, {a: 2}]}}]",
			"<match ><store >a=1;</><store >a=2;</></>",
		},
		{"a worker", "config: [{worker: {$arg: 0, config: [{source: {a: 1}}]}}]", "<worker 0><source >a=1;</></>"},
	} {
		root, err := conf.ParseText("x.yaml", []byte(tc.text))
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		if got := shown(root); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
	for text, want := range map[string]string{
		"config: [": "x.yaml:1: is no YAML",
		"a: b: c":   "x.yaml: is no YAML",
		"config: [{source: {a: !fluent/s '#{'}}]":                                     "the Ruby in #{ has no end",
		"config: [{a: " + strings.Repeat("{a: ", 20) + strings.Repeat("}", 20) + "}]": "sections within sections",
	} {
		_, err := conf.ParseText("x.yaml", []byte(text))
		if _, ok := errors.AsType[*syntax.Error](err); !ok || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

// TestTitles: a section's type and name, as people know it.
func TestTitles(t *testing.T) {
	root, err := conf.ParseText("x.conf", []byte("<match a.**>\n@type s3\n</match>\n<match>\n"+
		"type file\n</match>\n<label @X>\n</label>\n"))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"<match a.**> s3", "<match> file", "<label @X> "} {
		if got := conf.Title(root.Sections[i]); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	n := &settings.Notes{}
	if conf.NewReader(root.Sections[1], n).Done(); len(n.Lost) > 0 {
		t.Error("what all plugins have is not known", n.Lost)
	}
}
