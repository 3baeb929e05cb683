package outputs

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/rs/zerolog"
)

// newLimitAt returns a limit of one name in an hour, for the clock at sec.
func newLimitAt(sec *int64, log io.Writer) *NameLimit {
	return NewNameLimit(NameLimitOptions{
		Setting: "max", Max: 1, Beyond: "rest", Now: func() time.Time { return time.Unix(*sec, 0) },
		Log: zerolog.New(log),
	})
}

// A text with stars is as long as before, and a word is concealed to its end, also where it begins with another or
// overlaps one.
func TestConcealWords(t *testing.T) {
	for _, tc := range []struct {
		text  string
		words []string
		want  string
	}{
		{"", []string{"a"}, ""},
		{"no secret", []string{"key"}, "no secret"},
		{"keykeykey", []string{"key"}, "*********"},
		{"aaaa", []string{"aa"}, "****"},
		{"aaa", []string{"aa"}, "***"},
		{"abcd", []string{"bcd", "ab"}, "****"},
		{"the key of keys", []string{"keys", "key"}, "the *** of ****"},
		{"KEY", []string{"key"}, "KEY"},
		{"서울key서울", []string{"key"}, "서울***서울"},
		{"a", []string{"longer than all of it"}, "a"},
	} {
		var words [][]byte
		for _, w := range tc.words {
			words = append(words, []byte(w))
		}
		text := []byte(tc.text)
		if Conceal(text, words); string(text) != tc.want {
			t.Errorf("%q without %q: %q, want %q", tc.text, tc.words, text, tc.want)
		}
		read, err := io.ReadAll(ConcealReader(io.NopCloser(iotest.OneByteReader(strings.NewReader(tc.text))), words))
		if err != nil || string(read) != tc.want {
			t.Errorf("%q without %q, byte by byte: %q, %v; want %q", tc.text, tc.words, read, err, tc.want)
		}
	}
}

// A secret that lies across two pieces of a body is concealed, wherever it is cut, and what breaks off is told after
// all that came before it.
func TestConcealAcrossPieces(t *testing.T) {
	word := []byte("hunter2")
	rnd := rand.New(rand.NewPCG(4, 2))
	for at := concealChunk - len(word) - 1; at <= concealChunk+1; at++ {
		text := bytes.Repeat([]byte("x"), 2*concealChunk)
		copy(text[at:], word)
		c := ConcealReader(io.NopCloser(bytes.NewReader(text)), [][]byte{word})
		var got []byte
		for {
			p := make([]byte, 1+rnd.IntN(3000))
			n, err := c.Read(p)
			if got = append(got, p[:n]...); err != nil {
				break
			}
		}
		if len(got) != len(text) || bytes.Contains(got, word) || bytes.Count(got, []byte("*")) != len(word) {
			t.Errorf("at %d: %d bytes, with %d stars", at, len(got), bytes.Count(got, []byte("*")))
		}
	}
	broken := io.MultiReader(strings.NewReader("a hunter2 b hunt"), iotest.ErrReader(io.ErrUnexpectedEOF))
	got, err := io.ReadAll(ConcealReader(io.NopCloser(broken), [][]byte{word}))
	if string(got) != "a ******* b hunt" || err == nil {
		t.Errorf("a body that breaks off: %q, %v", got, err)
	}
}

// A line of the table says all of a failure but its detail, and undoes what another line said.
func TestFill(t *testing.T) {
	line := Refusal{
		What: "full", Reason: ReasonTarget, Partial: true, Unlisted: true, Remedy: "make room", Suspect: true,
	}
	f := Failure{
		Index: 3, Status: 400, Detail: "its words", Target: "logs", Kind: "full_exception", Reason: ReasonServer,
		Remedy: "nothing", Untried: true,
	}
	line.Fill(&f)
	want := Failure{
		Index: 3, Status: 400, Detail: "its words", Target: "logs", Kind: "full_exception", Reason: ReasonTarget,
		Partial: true, Unlisted: true, Remedy: "make room", Untried: true,
	}
	if !reflect.DeepEqual(f, want) {
		t.Errorf("%+v, want %+v", f, want)
	}
	(&Refusal{Reason: ReasonRejected}).Fill(&f)
	if f.Partial || f.Unlisted || f.Remedy != "" || f.Reason != ReasonRejected {
		t.Errorf("another line: %+v", f)
	}
}

// A status below ten stands for a hundred, and fits neither other hundreds nor itself alone.
func TestRefusalStatuses(t *testing.T) {
	for _, tc := range []struct {
		line   []int
		status int
		want   bool
	}{
		{nil, 0, true},
		{nil, 599, true},
		{[]int{4}, 400, true},
		{[]int{4}, 499, true},
		{[]int{4}, 500, false},
		{[]int{4}, 399, false},
		{[]int{429}, 429, true},
		{[]int{429}, 430, false},
		{[]int{429, 5}, 503, true},
		{[]int{429, 5}, 400, false},
		{[]int{5}, 0, false},
	} {
		table := Refusals{{Status: tc.line}}
		if got := table.Find(tc.status, "kind", "words") != nil; got != tc.want {
			t.Errorf("a line for %v fits %d: %t", tc.line, tc.status, got)
		}
	}
}

// The marks around a destination's words can't be forged by the words, however they are nested or cut.
func TestWordsCanNotBeForged(t *testing.T) {
	marks := []string{beginWords, beginPublic, endWords, "a", ": ", "\xef\xb7", "\x90", "é"}
	rnd := rand.New(rand.NewPCG(7, 7))
	forged := func() string {
		var b strings.Builder
		for range rnd.IntN(6) {
			b.WriteString(marks[rnd.IntN(len(marks))])
		}
		return b.String()
	}
	for range 2000 {
		words, public := "SECRET"+forged(), forged()
		text := "before" + Words(words, public) + "after"
		if got := Public(text); strings.Contains(got, "SECRET") || !strings.HasPrefix(got, "before") ||
			!strings.HasSuffix(got, "after") {
			t.Fatalf("%q for %q: everybody sees %q", words, public, got)
		}
		if got := Whole(text); !strings.HasPrefix(got, "beforeSECRET") ||
			strings.ContainsAny(got, beginWords+endWords) {
			t.Fatalf("%q for %q: who may see all sees %q", words, public, got)
		}
		for cut := len("before"); cut < len(text); cut++ {
			if got := Public(text[:cut]); strings.Contains(got, "SECRET") && !strings.Contains(text[:cut], "SECRET") {
				t.Fatalf("cut at %d: %q", cut, got)
			}
		}
	}
	for _, text := range []string{"", "plain", "a: b", "a: "} {
		held(t, fmt.Sprintf("%q has no words", text), Public(text)+Whole(text), text+text)
	}
}
