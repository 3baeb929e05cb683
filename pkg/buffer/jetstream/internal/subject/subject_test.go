package subject

import (
	"strings"
	"testing"
)

func TestOf(t *testing.T) {
	for _, tc := range []struct {
		place Place
		want  string
	}{
		{Place{"es", "", "seoul-prod"}, "S.q.es.=.seoul-prod"},
		{Place{"es", "logs-2026.12.01", "a b"}, "S.q.es.logs-2026=2E12=2E01.a=20b"},
		{Place{"=", "*", ">"}, "S.q.=3D.=2A.=3E"},
		{Place{"ä", "", "default"}, "S.q.=C3=A4.=.default"},
	} {
		got := Of("S", tc.place)
		if got != tc.want {
			t.Errorf("%+v: %s, want %s", tc.place, got, tc.want)
		}
		if back, ok := Parse("S", got); !ok || back != tc.place {
			t.Errorf("%s: %+v, want %+v", got, back, tc.place)
		}
	}
	for _, text := range []string{
		"", "S.q", "S.q.a.b", "S.q.a.b.c.d", "T.q.a.b.c", "S.q.a..c", "S.q.a.=2.c", "S.q.a.=zz.c", "S.q.a.=61.c",
		"S.q.a.b*.c", "S.q.a.=2e.c",
	} {
		if p, ok := Parse("S", text); ok {
			t.Errorf("%q is %+v", text, p)
		}
	}
}

func FuzzName(f *testing.F) {
	f.Add("es")
	f.Add("=2E")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		token := Token(text)
		if back, ok := Name(token); !ok || back != text || strings.ContainsAny(token, ". *>\t\r\n\x00") {
			t.Errorf("%q is %q, and that %q", text, token, back)
		}
		if name, ok := Name(text); ok && Token(name) != text {
			t.Errorf("%q is the token of %q, and so is %q", text, name, Token(name))
		}
	})
}
