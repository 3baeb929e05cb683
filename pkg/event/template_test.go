package event

import (
	"bytes"
	"encoding"
	"strings"
	"testing"
)

var (
	_ encoding.TextUnmarshaler = (*Template)(nil)
	_ encoding.TextMarshaler   = Template{}
)

// templateEvent was at Thursday 2023-01-05 03:04:05.678901234 UTC.
func templateEvent(tb testing.TB) *Event {
	tb.Helper()
	type m = map[string]any
	return &Event{
		Chunk: &Chunk{Cluster: "seoul-prod", Tag: "kube.var.log"},
		Time:  Time{Sec: 1672887845, Nsec: 678901234},
		Record: pack(tb, m{
			"n": 7, "nil": nil, "empty": "", "a.b": "dotted", "u": "../é/x", "한": "글",
			"kubernetes": m{"namespace_name": "web", "labels": m{"app.io/name": "shop"}},
		}),
	}
}

func TestTemplate(t *testing.T) {
	ev := templateEvent(t)
	for s, want := range map[string]string{
		"":                                   "",
		"plain":                              "plain",
		"logs-{cluster}-%Y.%m.%d":            "logs-seoul-prod-2023.01.05",
		"{tag}":                              "kube.var.log",
		"{tag[0]}{tag[1]}{tag[2]}":           "kubevarlog",
		"{tag[-1]}{tag[-2]}{tag[-3]}":        "logvarkube",
		"<{tag[3]}{tag[-4]}>":                "<>",
		"{tag[3]|none}":                      "none",
		"{record.kubernetes.namespace_name}": "web",
		`{record.kubernetes.labels["app.io/name"]}`: "shop",
		`{record["a.b"]}`:                       "dotted",
		`{record["kubernetes"].namespace_name}`: "web",
		`{record["a]}|b"]|x}`:                   "x",
		"{record.한}":                            "글",
		"{record.n}/{record.kubernetes.labels}": `7/{"app.io/name":"shop"}`,
		"<{record.no}>":                         "<>",
		"{record.no|a b|c}":                     "a b|c",
		"{record.nil|x}{record.empty|y}":        "xy",
		"{record.no|}":                          "",
		"{{cluster}} {{{cluster}}} 100%%":       "{cluster} {seoul-prod} 100%",
		"%F %T.%L %N":                           "2023-01-05 03:04:05.678 678901234",
		"%y %j %H %M %S %s":                     "23 005 03 04 05 1672887845",
		"%b %B %a %A %e|%I%p":                   "Jan January Thu Thursday  5|03AM",
		"%U %V %G %z %Z":                        "01 01 2023 +0000 UTC",
	} {
		t.Run(s, func(t *testing.T) {
			tmpl, err := ParseTemplate(s)
			if err != nil {
				t.Fatal(err)
			}
			if got := string(tmpl.Append([]byte("x"), ev, nil)); got != "x"+want {
				t.Errorf("got %q, want %q", got, "x"+want)
			}
			if tmpl.String() != s {
				t.Errorf("String: %q", tmpl)
			}
		})
	}
}

func TestTemplateErrors(t *testing.T) {
	for s, want := range map[string]string{
		"ab{":           "position 3",
		"{cluster":      "position 1: '{' is not closed",
		"{cluster|x":    "position 1: '{' is not closed",
		"a}":            "position 2: '}' without '{'",
		"{}":            `unknown placeholder ""`,
		"{clutser}":     `unknown placeholder "clutser"; known are {cluster}`,
		"{cluster.a}":   "position 9: '.' where '}'",
		"{tag[x]}":      `position 6: "x" is no number`,
		"{tag[1}":       "'[' is not closed",
		"{tag[1]x}":     "position 8: 'x' where",
		"{record}":      "position 8: a field should follow",
		"{record":       "a field should follow",
		"{record.}":     "position 8: a field's name",
		"{record.a..b}": "position 10: a field's name",
		`{record[a]}`:   "position 9: a field's name in quotes",
		`{record["a]}`:  "position 9: a field's name in quotes",
		`{record["a"}`:  "position 12: ']' should follow",
		`{record["a"`:   "']' should follow",
		`{record.a"b"}`: `position 10: '"' where`,
		"100%":          `position 4: unknown conversion "%"; known are %Y %m`,
		"%Y-%Q":         `position 4: unknown conversion "%Q"`,
		"%-d":           `unknown conversion "%-"`,
	} {
		if tmpl, err := ParseTemplate(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, error %v, want %s", s, tmpl, err, want)
		}
	}
	keep := Template{text: "old"}
	if err := keep.UnmarshalText([]byte("%Q")); err == nil || keep.text != "old" {
		t.Errorf("UnmarshalText: error %v, template %q", err, keep.text)
	}
	if text, err := keep.MarshalText(); err != nil || string(text) != "old" {
		t.Errorf("MarshalText: %q, error %v", text, err)
	}
}

func TestTemplateClean(t *testing.T) {
	var tmpl Template
	if err := tmpl.UnmarshalText(
		[]byte("/a/{cluster}/{tag[0]}/{record.u}/{record.no}/{record.no|d/e}/%Y/"),
	); err != nil {
		t.Fatal(err)
	}
	clean := func(dst, value []byte) []byte {
		if len(value) == 0 {
			return append(dst, '_')
		}
		return append(dst, bytes.ReplaceAll(value, []byte("/"), []byte("<slash>"))...)
	}
	const want = "x/a/seoul-prod/kube/..<slash>é<slash>x/_/d<slash>e/2023/"
	for _, dst := range [][]byte{[]byte("x"), append(make([]byte, 0, 4096), 'x')} {
		if got := string(tmpl.Append(dst, templateEvent(t), clean)); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestTemplateDependsOn(t *testing.T) {
	for s, want := range map[string][2]bool{
		"":                  {true, true},
		"a{{":               {true, true},
		"{cluster}{tag}":    {false, true},
		"{tag[1]|x}":        {false, true},
		"{tag}%Y":           {false, false},
		"{record.a|static}": {false, false},
	} {
		tmpl, err := ParseTemplate(s)
		if err != nil {
			t.Fatal(err)
		}
		if got := [2]bool{tmpl.Static(), tmpl.PerChunk()}; got != want {
			t.Errorf("%q: static and per chunk %v, want %v", s, got, want)
		}
	}
}
