package template_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/fluentd/conf"
	"github.com/seed-afc6a195/aggregator/internal/convert/fluentd/template"
	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// TestPieces: a text is cut at ${…}, whose end is outside of quotes and inner braces.
func TestPieces(t *testing.T) {
	for text, want := range map[string]string{
		"":                            `""`,
		"plain":                       `"plain"`,
		"${tag}":                      `<tag>`,
		"a-${tag}-b":                  `"a-" <tag> "-b"`,
		"${a}${b}":                    `<a> <b>`,
		`${record["a"]}`:              `<record["a"]>`,
		`${record["}"]}x`:             `<record["}"]> "x"`,
		`${a.map { |x| x }}y`:         `<a.map { |x| x }> "y"`,
		`${a['\'}']}z`:                `<a['\'}']> "z"`,
		"${ spaced }":                 `<spaced>`,
		"${open":                      `"${open"`,
		"a${":                         `"a${"`,
		"$tag {tag}":                  `"$tag {tag}"`,
		"%Y-${tag_parts[1]}-%{index}": `"%Y-" <tag_parts[1]> "-%{index}"`,
	} {
		var got []string
		for _, p := range template.Pieces(text) {
			if p.Code != "" {
				got = append(got, "<"+p.Code+">")
			} else {
				got = append(got, fmt.Sprintf("%q", p.Text))
			}
		}
		if shown := strings.Join(got, " "); shown != strings.ReplaceAll(want, `\'`, `\'`) {
			t.Errorf("%s: %s, want %s", text, shown, want)
		}
	}
}

// TestPlaceholder: what ${…} of tags and records becomes; the rest is none.
func TestPlaceholder(t *testing.T) {
	for code, want := range map[string]string{
		"tag":                    "{tag}",
		"tag_parts[1]":           "{tag[1]}",
		"tag_parts[-1]":          "{tag[-1]}",
		"tag[0]":                 "{tag[0]}",
		"hostname":               "${env:HOSTNAME}",
		`record["a"]`:            "{record.a}",
		`record['a']['b']`:       "{record.a.b}",
		`record["a.b"]`:          `{record["a.b"]}`,
		`record[ "a" ]`:          "{record.a}",
		`record.dig("a", "b")`:   "{record.a.b}",
		`record.dig('a')`:        "{record.a}",
		`record.dig("a", b)`:     "",
		`record.dig()`:           "",
		`record.dig("a"b", "c")`: "",
		`record`:                 "",
		`record[a]`:              "",
		`record["a"].downcase`:   "",
		`record["#{x}"]`:         "",
		`recording`:              "",
		"tag_parts[x]":           "",
		"tag_suffix[1]":          "",
		"time":                   "",
		"":                       "",
	} {
		got, ok := template.Placeholder(code)
		if got != want || ok != (want != "") {
			t.Errorf("%s: %q %v, want %q", code, got, ok, want)
		}
	}
}

// TestAccessor: names of fields as record_accessor has them; elements of lists are none.
func TestAccessor(t *testing.T) {
	for text, want := range map[string]string{
		"a":             "a",
		" a ":           "a",
		"a.b":           "a.b",
		"$.a":           "a",
		"$.a.b":         "a>b",
		"$['a']":        "a",
		`$["a"]["b.c"]`: "a>b.c",
		"$['a'].b":      "a>b",
		"$.a['b']":      "a>b",
		"$.a[0]":        "",
		"$.a.":          "",
		"$[0]":          "",
		"$['a'":         "",
		"":              "",
		"$.a-b":         "a-b",
		"$.kubernetes.labels['app.kubernetes.io/name']": "kubernetes>labels>app.kubernetes.io/name",
	} {
		path, ok := template.Accessor(text)
		if got := strings.Join(path, ">"); got != want || ok != (want != "") {
			t.Errorf("%s: %q %v, want %q", text, got, ok, want)
		}
	}
}

// TestList: names with commas between them, or as JSON; commas within brackets and quotes are the names' own.
func TestList(t *testing.T) {
	for text, want := range map[string][]string{
		"":               nil,
		"a":              {"a"},
		"a,b":            {"a", "b"},
		" a , b ,":       {"a", "b"},
		`["a", "b"]`:     {"a", "b"},
		`["a", 1]`:       {`["a", 1]`},
		`$['a,b'],c`:     {"$['a,b']", "c"},
		`$.a["x]y,z"],b`: {`$.a["x]y,z"]`, "b"},
		`[]`:             {},
	} {
		if got := template.List(text); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

// TestChunk: names of indices, streams and paths become templates that the aggregator reads; what it has no like of is
// told.
func TestChunk(t *testing.T) {
	for _, tc := range []struct {
		old, want string
		lost      []string
	}{
		{"logs", "logs", nil},
		{"logs-%Y.%m.%d", "logs-%Y.%m.%d", nil},
		{"logs-${tag}", "logs-{tag}", nil},
		{"${tag[1]}/${tag_parts[2]}", "{tag[1]}/{tag[2]}", nil},
		{"${kubernetes}", "{record.kubernetes}", nil},
		{"${$.kubernetes.namespace_name}", "{record.kubernetes.namespace_name}", nil},
		{"${$['a']['b-c']}", "{record.a.b-c}", nil},
		{`${record["a"]}`, "{record.a}", nil},
		{"a{b}", "a{{b}}", nil},
		{"${hostname}", "${env:HOSTNAME}", nil},
		{"$${x", "$$${{x", nil},
		{"${chunk_id}-x", "-x", []string{"chunk_id"}},
		{"${uuid:random}", "", []string{"uuid:random"}},
		{"${$.a[0]}", "", []string{"$.a[0]"}},
		{"${foo(bar)}", "", []string{"foo(bar)"}},
		{"${a ? b : c}", "", []string{"a ? b : c"}},
	} {
		got, lost := template.Chunk(tc.old)
		if got != tc.want || !slices.Equal(lost, tc.lost) {
			t.Errorf("%s: %q %q, want %q %q", tc.old, got, lost, tc.want, tc.lost)
		}
	}
}

// TestPaths: lists of fields are paths; those that can't be read are told.
func TestPaths(t *testing.T) {
	root, err := conf.ParseText("x", []byte("<s>\nk a, $.b.c, $['d.e'], $.f[0]\nj [\"a\",\"b\"]\n</s>\n"))
	if err != nil {
		t.Fatal(err)
	}
	n := &settings.Notes{}
	r := settings.NewReader(root.Sections[0], n, "t")
	want := []string{"a", "b.c", `["d.e"]`}
	if got := template.Paths(r, "k"); !slices.Equal(got, want) || len(n.Lost) != 1 {
		t.Errorf("%q %v, want %q", got, n.Lost, want)
	}
	if got := template.Paths(r, "j"); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("%q", got)
	}
	if got := template.Paths(r, "none"); got != nil {
		t.Errorf("%q of nothing", got)
	}
	if got := template.Texts([]string{"a", "b${c}"}); len(got) != 2 || got[1] != "b$${c}" {
		t.Errorf("%q", got)
	}
}

// FuzzChunk: no name panics, and pieces are the whole of it. A name without variables and times is a template.
func FuzzChunk(f *testing.F) {
	for _, seed := range []string{"a-${tag}", "${", "${record[\"a\"]}", "%{x}", "${a}}", "{", "$['a", "${$.a['b']}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		_ = template.List(text)
		_, _ = template.Accessor(text)
		out, lost := template.Chunk(text)
		if strings.ContainsAny(text, "%$") || len(lost) > 0 {
			return
		}
		if _, err := event.ParseTemplate(out); err != nil {
			t.Fatalf("%q becomes %q: %v", text, out, err)
		}
	})
}
