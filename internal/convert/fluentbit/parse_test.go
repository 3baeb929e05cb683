package fluentbit_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/fluentbit"
	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
	"github.com/seed-afc6a195/aggregator/internal/convert/syntax"
)

func parse(name, text string) (*fluentbit.File, error) {
	return fluentbit.Parse(&syntax.Files{
		Read:  func(string) ([]byte, error) { return nil, errors.New("no such file") },
		Glob:  func(string) ([]string, error) { return nil, nil },
		Parts: map[string][]byte{name: []byte(text), "more.conf": []byte("[FILTER]\n    Name stdout\n")},
	}, name)
}

func shown(f *fluentbit.File) string {
	var b strings.Builder
	for _, s := range f.Sections {
		fmt.Fprintf(&b, "[%s]", s.Name)
		for _, e := range s.Entries {
			fmt.Fprintf(&b, "%s=%s;", e.Key, e.Value.Shown())
		}
		for _, c := range s.Sections {
			fmt.Fprintf(&b, "(%s %s)", c.Name, c.Text("regex"))
		}
	}
	return b.String()
}

func TestParse(t *testing.T) {
	for _, tc := range []struct{ name, file, text, want string }{
		{
			"sections", "a.conf", "[INPUT]\n    Name tail\n    Path  /a b\n# x\n[OUTPUT]\n\tName\tes\n",
			"[input]name=tail;path=/a b;[output]name=es;",
		},
		{"variables", "a.conf", "@SET a=1\n[OUTPUT]\n    Host ${a}.${B}.x\n", "[output]host=1.${B}.x;"},
		{
			"include", "a.conf", "@INCLUDE more.conf\n[OUTPUT]\n    Name null\n",
			"[filter]name=stdout;[output]name=null;",
		},
		{"no value", "a.conf", "[OUTPUT]\n    Name\n", "[output]name=;"},
		{"a sign in a value", "a.conf", "[OUTPUT]\n    Name a#b # c\n", "[output]name=a#b # c;"},
		{
			"YAML", "a.yaml",
			"env:\n  a: 1\nservice:\n  flush: 1\npipeline:\n  inputs:\n    - name: tail\n      path: /${a}\n  " +
				"outputs:\n    - name: es\n      match: '*'\n",
			"[service]flush=1;[input]name=tail;path=/1;[output]name=es;match=*;",
		},
		{
			"YAML lists", "a.yaml", "pipeline:\n  filters:\n    - name: nest\n      wildcard: [a, b]\n",
			"[filter]name=nest;wildcard=a;wildcard=b;",
		},
		{
			"YAML rules", "a.yaml",
			"multiline_parsers:\n  - name: m\n    rules:\n      - state: start_state\n        regex: /a/\n",
			"[multiline_parser]name=m;(rules /a/)",
		},
		{"YAML includes", "a.yaml", "includes:\n  - more.conf\n", "[filter]name=stdout;"},
	} {
		f, err := parse(tc.file, tc.text)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		if got := shown(f); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
}

func TestTag(t *testing.T) {
	for old, want := range map[string]string{
		"*": "**", "kube.*": "kube.**", "kube*": "kube**", "a.b": "a.b",
		"**": "**", "a{b}": `a\{b\}`,
	} {
		if got := fluentbit.Tag(old); got != want {
			t.Errorf("%s: %s, want %s", old, got, want)
		}
	}
}

// FuzzConvert: no configuration panics, in either form.
func FuzzConvert(f *testing.F) {
	for _, seed := range []string{
		"[INPUT]\n Name forward\n[FILTER]\n Name rewrite_tag\n Match *\n Rule $a ^(b)$ c.$1.$TAG[0] " +
			"false\n[OUTPUT]\n Name es\n Match c.*\n",
		"[FILTER]\n Name modify\n Match *\n Condition Key_exists a\n Rename a b\n Set c d\n",
		"[FILTER]\n Name grep\n Match *\n Regex a ^(?!b)\n[OUTPUT]\n Name s3\n Match *\n",
		"pipeline:\n  inputs:\n    - name: tail\n  outputs:\n    - name: es\n      match: '*'\n", "a: &a [*a]\n", "[X",
		"@SET", "service: 1\n",
		"[MULTILINE_PARSER]\n name m\n rule \"start_state\" \"/^a/\" \"cont\"\n[FILTER]\n Name multiline\n Match *\n " +
			"multiline.parser m\n",
	} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, text string, yaml bool) {
		name := "a.conf"
		if yaml {
			name = "a.yaml"
		}
		file, err := parse(name, text)
		if err != nil {
			if _, ok := errors.AsType[*syntax.Error](err); !ok {
				t.Fatalf("%v has no place", err)
			}
			return
		}
		file.Path = name
		old := fluentbit.Convert(file, file.Parsers(), &settings.Notes{})
		if routes, _ := old.Flow.Routes(); len(routes) > 10_000 {
			t.Fatalf("%d routes", len(routes))
		}
	})
}
