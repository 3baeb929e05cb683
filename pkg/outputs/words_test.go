package outputs

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// TestWords: however a text is put together, everybody sees none of what a destination said, and who may see records
// all.
func TestWords(t *testing.T) {
	for _, tc := range []struct{ text, public, whole string }{
		{"no words", "no words", "no words"},
		{"400 Bad Request: " + Words("value 'x'", ""), "400 Bad Request", "400 Bad Request: value 'x'"},
		{
			"bad" + Words(": value 'x'", " (field code)") + ", sent again", "bad (field code), sent again",
			"bad: value 'x', sent again",
		},
		{"a: " + Words("x", "") + "; b: " + Words("y", "z"), "a; b: z", "a: x; b: y"},
		{"a" + Words("", "b"), "ab", "ab"},
		{errors.Join(fmt.Errorf("a: %w", errors.New(Words("x", ""))), errors.New("b")).Error(), "a\nb", "a: x\nb"},
		{"a: " + Words("x"+endWords+beginWords+"y", ""), "a", "a: xy"},
		{strings.TrimSuffix("a: "+Words("xy", ""), "y"+beginPublic+endWords), "a", "a: x"},
	} {
		if public, whole := Public(tc.text), Whole(tc.text); public != tc.public || whole != tc.whole {
			t.Errorf("%q: public %q, whole %q; want %q and %q", tc.text, public, whole, tc.public, tc.whole)
		}
	}
}

func FuzzWords(f *testing.F) {
	f.Add("before", "words", "public", "after")
	f.Add("a: ", beginWords, endWords, beginPublic)
	f.Fuzz(func(t *testing.T, before, words, public, after string) {
		before, after = unmarkable(before), unmarkable(after)
		text := before + Words(words, public) + after
		if got, want := Whole(text), before+unmarkable(words)+after; words != "" && got != want {
			t.Errorf("whole: %q, want %q", got, want)
		}
		if got := Public(text); strings.ContainsAny(got, beginWords+beginPublic+endWords) ||
			!strings.HasSuffix(got, after) {
			t.Errorf("public: %q", got)
		}
	})
}
