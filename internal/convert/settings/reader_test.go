package settings_test

import (
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/flow"
	"github.com/seed-afc6a195/aggregator/internal/convert/fluentd/conf"
	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
	"github.com/seed-afc6a195/aggregator/internal/convert/syntax"
)

// section reads the inside of a section as fluentd's files have it.
func section(t *testing.T, inside string) (*settings.Reader, *settings.Notes) {
	t.Helper()
	root, err := conf.ParseText("x.conf", []byte("<s>\n"+inside+"\n</s>\n"))
	if err != nil {
		t.Fatal(err)
	}
	n := &settings.Notes{}
	return settings.NewReader(root.Sections[0], n, "t"), n
}

// all returns what notes say, one a line.
func all(n *settings.Notes) string {
	var b strings.Builder
	for _, x := range n.Lost {
		b.WriteString("lost " + x.What + ": " + x.Why + "\n")
	}
	for _, x := range n.Said {
		b.WriteString("said " + x.What + ": " + x.Why + "\n")
	}
	for _, x := range n.Files {
		b.WriteString("file " + x.Name + "\n")
	}
	for _, x := range n.Env {
		b.WriteString("variable " + x.Name + "\n")
	}
	return b.String()
}

// TestValues: how a value is read as a text with variables, as a plain one, as a secret, and what is said of it.
func TestValues(t *testing.T) {
	text := func(r *settings.Reader) (string, bool) { return r.Text("k") }
	plain := func(r *settings.Reader) (string, bool) { return r.Plain("k") }
	secret := func(r *settings.Reader) (string, bool) { return r.Secret("k", "s") }
	upper := func(r *settings.Reader) (string, bool) { return r.Mapped("k", strings.ToUpper) }
	for _, tc := range []struct {
		name, value string
		read        func(*settings.Reader) (string, bool)
		want        string
		set         bool
		notes       string
	}{
		{"a text", `a b`, text, "a b", true, ""},
		{"a text that looks like a variable", `a${b}`, text, "a$${b}", true, ""},
		{
			"what stands for a value", `<my-bucket>/logs`, text, "my-bucket/logs", true,
			"lost t k: <my-bucket> stands for a value of yours\n",
		},
		{"a name of Elasticsearch's for the day", `<logs-{now/d}>`, text, "<logs-{now/d}>", true, ""},
		{"nothing", ``, text, "", false, ""},
		{"a variable", `"#{ENV['A']}"`, text, "${env:A}", true, "variable A\n"},
		{"a variable within", `"x-#{ENV['A']}-y"`, text, "x-${env:A}-y", true, "variable A\n"},
		{"a default", `"#{ENV['A'] || 'b'}"`, text, "${env:A:-b}", true, ""},
		{"the host's name", `"#{ENV['A'] || Socket.gethostname}"`, text, "${env:A}", true, "variable A\n"},
		{
			"left out without the variable", `"#{ENV['A'] || use_default}"`, text, "", false,
			"said t k: left out, as where the variable A is not set\n",
		},
		{"left out within", `"x#{ENV['A'] || use_nil}"`, text, "x${env:A:-}", true, ""},
		{"a file", `"#{File.read('/f')}"`, text, "${file:/f}", true, "file /f\n"},
		{"Ruby", `"#{1 + 1}"`, text, "", false, "lost t k: the Ruby #{1 + 1} is not known here\n"},
		{"what is written otherwise", `"a#{ENV['A']}b"`, upper, "A${env:A}B", true, "variable A\n"},
		{"plain", ` a `, plain, "a", true, ""},
		{"plain of a default", `"#{ENV['A'] || 'b'}"`, plain, "b", true, "said t: the defaults of A are taken\n"},
		{
			"plain of a variable", `"#{ENV['A']}"`, plain, "", false, "lost t k: what ${A} is can't be told here\n",
		},
		{
			"plain of a file", `"#{File.read('/f')}"`, plain, "", false,
			"lost t k: what ${file:/f} is can't be told here\n",
		},
		{"plain of Ruby", `"#{1 + 1}"`, plain, "", false, "lost t k: what #{1 + 1} is can't be told here\n"},
		{"plain, left out", `"#{ENV['A'] || nil}"`, plain, "", false, "said t: the defaults of A are taken\n"},
		{"a secret", `hunter2`, secret, "${file:/etc/aggregator/secrets/s}", true, "file /etc/aggregator/secrets/s\n"},
		{"a secret of a variable", `"#{ENV['A']}"`, secret, "${env:A}", true, "variable A\n"},
		{"a secret of a file", `"#{File.read('/f')}"`, secret, "${file:/f}", true, "file /f\n"},
		{
			"a secret that is made of parts", `"Bearer #{ENV['A']}"`, secret, "${file:/etc/aggregator/secrets/s}", true,
			"file /etc/aggregator/secrets/s\n",
		},
		{
			"a secret with a default", `"#{ENV['A'] || 'hunter2'}"`, secret, "${file:/etc/aggregator/secrets/s}", true,
			"file /etc/aggregator/secrets/s\n",
		},
		{
			"a secret without a default", `"#{ENV['A'] || ''}"`, secret, "", false,
			"said t k: left out, as where the variable A is not set\n",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, n := section(t, "k "+tc.value)
			got, set := tc.read(r)
			r.Done()
			if got != tc.want || set != tc.set || all(n) != tc.notes {
				t.Errorf("%q %v and\n%s\nwant %q %v and\n%s", got, set, all(n), tc.want, tc.set, tc.notes)
			}
		})
	}
}

// TestKinds: truth values, numbers, times and sizes, and values that are none.
func TestKinds(t *testing.T) {
	for _, tc := range []struct {
		inside string
		read   func(*settings.Reader) any
		want   any
		notes  string
	}{
		{"k true", func(r *settings.Reader) any { return r.Bool("k", false) }, true, ""},
		{"k Yes", func(r *settings.Reader) any { return r.Bool("k", false) }, true, ""},
		{"k on", func(r *settings.Reader) any { return r.Bool("k", false) }, true, ""},
		{"k 1", func(r *settings.Reader) any { return r.Bool("k", false) }, true, ""},
		{"k false", func(r *settings.Reader) any { return r.Bool("k", true) }, false, ""},
		{"k OFF", func(r *settings.Reader) any { return r.Bool("k", true) }, false, ""},
		{"k", func(r *settings.Reader) any { return r.Bool("k", false) }, true, ""},
		{"o x", func(r *settings.Reader) any { r.Ignore("o"); return r.Bool("k", true) }, true, ""},
		{
			"k maybe", func(r *settings.Reader) any { return r.Bool("k", true) }, true,
			"lost t k: \"maybe\" is no truth value\n",
		},
		{"k 5", func(r *settings.Reader) any { n, _ := r.Int("k"); return n }, 5, ""},
		{"k -5", func(r *settings.Reader) any { n, _ := r.Int("k"); return n }, -5, ""},
		{"k 5.5", func(r *settings.Reader) any { n, _ := r.Int("k"); return n }, 0, "lost t k: \"5.5\" is no number\n"},
		{"", func(r *settings.Reader) any { _, ok := r.Int("k"); return ok }, false, ""},
		{"k 5m", func(r *settings.Reader) any { d, _ := r.Duration("k"); return d }, "5m", ""},
		{
			"k soon", func(r *settings.Reader) any { d, _ := r.Duration("k"); return d }, "",
			"lost t k: \"soon\" is no time\n",
		},
		{"", func(r *settings.Reader) any { _, ok := r.Duration("k"); return ok }, false, ""},
		{"k 5m", func(r *settings.Reader) any { s, _ := r.Size("k"); return s }, "5MiB", ""},
		{"k big", func(r *settings.Reader) any { s, _ := r.Size("k"); return s }, "", "lost t k: \"big\" is no size\n"},
		{"", func(r *settings.Reader) any { _, ok := r.Size("k"); return ok }, false, ""},
		{"k a\nk b", func(r *settings.Reader) any { return len(r.All("k")) }, 2, ""},
		{"k a\nk b", func(r *settings.Reader) any { return r.Text0("k") }, "b", ""},
		{"k", func(r *settings.Reader) any { return r.Has("k") }, false, ""},
		{"<c>\na 1\n</c>\n<c>\na 2\n</c>", func(r *settings.Reader) any { return r.Child("c").Text("a") }, "2", ""},
		{"", func(r *settings.Reader) any { return r.Child("c") == nil }, true, ""},
	} {
		r, n := section(t, tc.inside)
		if got := tc.read(r); got != tc.want {
			t.Errorf("%q: %v, want %v", tc.inside, got, tc.want)
		}
		if r.Done(); all(n) != tc.notes {
			t.Errorf("%q: %s, want %s", tc.inside, all(n), tc.notes)
		}
	}
}

// TestDone: what nobody has looked at can't be said, each once; what all plugins have is known.
func TestDone(t *testing.T) {
	r, n := section(t, "a 1\nb 2\nb 3\n@id x\nalias y\nname z\nc 4\n<d>\n</d>\n<d>\n</d>\n<e>\n</e>")
	r.Ignore("a")
	r.IgnoreSections("e")
	r.Say("c", "why", "do")
	r.Done()
	const want = "lost t b: the setting has no like that is known here\n" +
		"lost t <d>: the section has no like that is known here\nsaid t c: why\n"
	if got := all(n); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

// TestNotes: each file and variable is told once, a secret has a name of its own, and where a variable comes from is
// told where that is known.
func TestNotes(t *testing.T) {
	n := &settings.Notes{SecretsDir: "/run/secrets", Origins: map[string]string{"A": "the Secret a"}}
	n.NeedEnv("A", "x")
	n.NeedEnv("A", "y")
	n.NeedEnv("B", "z")
	if len(n.Env) != 2 || n.Env[0].From != "the Secret a" || n.Env[1].From != "z" {
		t.Error(n.Env)
	}
	if got := n.NewSecret("k"); got != "${file:/run/secrets/k}" || len(n.Files) != 1 {
		t.Error(got, n.Files)
	}
	n.Say(syntax.Place{}, "a", "b", "c")
	n.Say(syntax.Place{}, "a", "b", "c")
	if len(n.Said) != 1 || n.Said[0].String() != ": a: b; c" {
		t.Error(n.Said)
	}
}

// TestFileName: any text becomes a name that a file can have.
func TestFileName(t *testing.T) {
	for text, want := range map[string]string{
		"X-Api-Key": "X-Api-Key", "a b/c": "a-b-c", "": "x", "../..": "x", "ü": "x",
		strings.Repeat("a", 100): strings.Repeat("a", 60),
	} {
		if got := settings.FileName(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// TestDiffer compares settings as they are written.
func TestDiffer(t *testing.T) {
	a, b := flow.Map{{Key: "a", Value: 1}}, flow.Map{{Key: "a", Value: 2}}
	if settings.Differ(a, flow.Map{{Key: "a", Value: 1}}) || !settings.Differ(a, b) || settings.Differ("x", "x") {
		t.Error("settings are told apart by other than what is written")
	}
}
