package subject

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// Subjects of all outputs, and of no other stream or kind, fit the filter of a stream.
func TestAll(t *testing.T) {
	prefix, found := strings.CutSuffix(All("S"), ">")
	if !found || prefix != "S.q." {
		t.Fatalf("%q", All("S"))
	}
	for _, p := range []Place{{}, {Output: "es", Target: "i", Cluster: "c"}, {Output: "a.b", Cluster: "> *"}} {
		if got := Of("S", p); !strings.HasPrefix(got, prefix) {
			t.Errorf("%+v: %s does not fit %s", p, got, All("S"))
		}
		if got := Of("SS", p); strings.HasPrefix(got, prefix) {
			t.Errorf("%+v: %s of another stream fits %s", p, got, All("S"))
		}
	}
}

// What is plain stays readable, all else is escaped in one way only, and nothing else is a name.
func TestToken(t *testing.T) {
	for name, want := range map[string]string{
		"":                       "=",
		"es":                     "es",
		"AZaz09-_":               "AZaz09-_",
		"=":                      "=3D",
		"==":                     "=3D=3D",
		"=3D":                    "=3D3D",
		".":                      "=2E",
		"logs-2026.12.01":        "logs-2026=2E12=2E01",
		"a b\tc":                 "a=20b=09c",
		"*>":                     "=2A=3E",
		"\x00\x7f\xff":           "=00=7F=FF",
		"서울":                     "=EC=84=9C=EC=9A=B8",
		"@[`{/:":                 "=40=5B=60=7B=2F=3A",
		"trailing.":              "trailing=2E",
		".leading":               "=2Eleading",
		strings.Repeat("x", 300): strings.Repeat("x", 300),
	} {
		got := Token(name)
		if got != want {
			t.Errorf("%q is %q, want %q", name, got, want)
		}
		if back, ok := Name(got); !ok || back != name {
			t.Errorf("%q is %q, %v, want %q", got, back, ok, name)
		}
	}
	for _, token := range []string{
		"", "==",
		"=3", "x=", "x=3", "=3d", "=3D=", "=61", "=41", "=30", "=2D", "=5F", "=G0", "=0G", "=-1", "= 1", "a.b",
		"a b", "*", ">", "a*", "\x00", "ä", "=C3ä", "a=\x00\x00",
	} {
		if name, ok := Name(token); ok {
			t.Errorf("%q is the token of %q", token, name)
		}
	}
}

// Every byte has a token of its own, of letters that have no meaning in a subject.
func TestEachByte(t *testing.T) {
	seen := map[string]int{}
	for c := range 256 {
		name := string([]byte{byte(c)})
		token := Token(name)
		if other, ok := seen[token]; ok {
			t.Errorf("bytes %#x and %#x are both %q", other, c, token)
		}
		seen[token] = c
		if back, ok := Name(token); !ok || back != name {
			t.Errorf("byte %#x is %q, and that %q", c, token, back)
		}
		for i := range len(token) {
			if token[i] != '=' && !plain(token[i]) {
				t.Errorf("byte %#x is %q", c, token)
			}
		}
	}
}

// Two places never share a subject, and each subject leads back to its place.
func TestPlaces(t *testing.T) {
	const letters = "ab.=*> \x00\xc3-"
	r := rand.New(rand.NewPCG(1, 2))
	name := func() string {
		b := make([]byte, r.IntN(3))
		for i := range b {
			b[i] = letters[r.IntN(len(letters))]
		}
		return string(b)
	}
	seen := map[string]Place{}
	for range 1000 {
		p := Place{Output: name(), Target: name(), Cluster: name()}
		text := Of("S", p)
		if other, ok := seen[text]; ok && other != p {
			t.Fatalf("%+v and %+v share %q", p, other, text)
		}
		seen[text] = p
		if back, ok := Parse("S", text); !ok || back != p {
			t.Fatalf("%q is %+v, want %+v", text, back, p)
		}
	}
}

// What another kind of message, or another stream, has is no place, and leaves none behind.
func TestParseRefuses(t *testing.T) {
	for _, tc := range []struct{ name, stream, text string }{
		{"another kind", "S", "S.dead.a.b.c"},
		{"talk of the group", "S", "S.group.ask"},
		{"a longer name of a stream", "S", "SS.q.a.b.c"},
		{"a shorter name of a stream", "SS", "S.q.a.b.c"},
		{"no cluster", "S", "S.q.a.b"},
		{"a dot at the end", "S", "S.q.a.b.c."},
		{"a dot at the beginning", "S", ".S.q.a.b.c"},
		{"an empty cluster", "S", "S.q.a.b."},
		{"an empty output", "S", "S.q..b.c"},
		{"the last is no token", "S", "S.q.a.b.=4"},
		{"the second is no token", "S", "S.q.a.=4.c"},
		{"the filter of all", "S", All("S")},
		{"a wildcard", "S", "S.q.*.=.c"},
	} {
		if p, ok := Parse(tc.stream, tc.text); ok || p != (Place{}) {
			t.Errorf("%s: %q is %+v, %v", tc.name, tc.text, p, ok)
		}
	}
}
