package outputs

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// FuzzConceal holds that of any body, in whatever pieces it comes, all bytes but those of the word come through.
func FuzzConceal(f *testing.F) {
	f.Add("a SECRET b", uint8(3))
	f.Add("SECSECRETSECRESECRET", uint8(1))
	f.Fuzz(func(t *testing.T, text string, piece uint8) {
		word := []byte("SECRET")
		c := ConcealReader(io.NopCloser(strings.NewReader(text)), [][]byte{word})
		var got []byte
		p := make([]byte, int(piece)+1)
		for {
			n, err := c.Read(p)
			got = append(got, p[:n]...)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if want := strings.ReplaceAll(text, "SECRET", "******"); string(got) != want {
			t.Fatalf("%q became %q", text, got)
		}
	})
}

// TestConcealNothing: without a secret, a body comes as it is, in whatever pieces.
func TestConcealNothing(t *testing.T) {
	for _, words := range [][][]byte{nil, {}} {
		body := io.NopCloser(iotest.OneByteReader(strings.NewReader("an answer")))
		got, err := io.ReadAll(ConcealReader(body, words))
		if err != nil || string(got) != "an answer" {
			t.Errorf("%q, %v", got, err)
		}
	}
}

// A text stands in JSON as each writer of JSON has it.
func TestQuotings(t *testing.T) {
	for _, tc := range []struct{ name, text, ours, others, slashes string }{
		{"words", "a b", "a b", "a b", "a b"},
		{"nothing", "", "", "", ""},
		{"quotes at the ends", `"a"`, `\"a\"`, `\"a\"`, `\"a\"`},
		{"what pages escape", "<&>", `\u003c\u0026\u003e`, "<&>", "<&>"},
		{"slashes", `a/b\c`, `a/b\\c`, `a/b\\c`, `a\/b\\c`},
		{"other scripts", "서\n", `서\n`, `서\n`, `서\n`},
	} {
		if got := Quotings(tc.text); !slices.Equal(got, []string{tc.ours, tc.others, tc.slashes}) {
			t.Errorf("%s: %q", tc.name, got)
		}
	}
}
