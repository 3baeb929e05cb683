package outputs

import "strings"

// A destination's own words may quote what it was sent: fields' values, or a secret. So they are marked where a text is
// made of them, however it is put together later, and whoever shows the text chooses: Public for everybody, Whole for
// who may see records. The marks are characters that Unicode keeps for a program's own use.
const (
	beginWords = "\uFDD0"
	// beginPublic is what stands in public in place of the words before it.
	beginPublic = "\uFDD1"
	endWords    = "\uFDD2"
)

// Words marks text as a destination's own words. public is what everybody may see in their place: "" leaves them out,
// with the colon or space before them.
func Words(text, public string) string {
	if text == "" {
		return unmarkable(public)
	}
	return beginWords + unmarkable(text) + beginPublic + unmarkable(public) + endWords
}

// unmarkable returns text without marks, nor halves of characters that could become one beside other text.
func unmarkable(text string) string {
	return strings.NewReplacer(beginWords, "", beginPublic, "", endWords, "").
		Replace(strings.ToValidUTF8(text, "\uFFFD"))
}

// Public returns of text what everybody may see.
func Public(text string) string {
	return unmarked(text, func(before, _, public string) string {
		if public == "" {
			return strings.TrimRight(before, ": ")
		}
		return before + public
	})
}

// Whole returns text with all of a destination's words, for who may see records.
func Whole(text string) string {
	return unmarked(text, func(before, words, _ string) string { return before + words })
}

// unmarked joins what stands between the marks: choose appends what is to be shown of words to the text before them.
// Where the end of a text is cut off, what is left of the words counts as words.
func unmarked(text string, choose func(before, words, public string) string) string {
	out := ""
	for {
		before, rest, found := strings.Cut(text, beginWords)
		out += before
		if !found {
			return out
		}
		words, rest, _ := strings.Cut(rest, beginPublic)
		public, rest, _ := strings.Cut(rest, endWords)
		out = choose(out, words, public)
		text = rest
	}
}
