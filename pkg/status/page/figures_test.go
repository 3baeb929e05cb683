package page

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/status/snapshot"
)

// Figures are rounded to so many digits wherever the point stands, and what is no number is 0.
func TestDigits(t *testing.T) {
	for _, tc := range []struct{ f, three, two float64 }{
		{0, 0, 0},
		{1, 1, 1},
		{-1, -1, -1},
		{999, 999, 1000},
		{999.4, 999, 1000},
		{999.5, 1000, 1000},
		{1005, 1010, 1000},
		{1_049_999, 1_050_000, 1_000_000},
		{0.1, 0.1, 0.1},
		{0.0999, 0.0999, 0.1},
		{0.00012345, 0.000123, 0.00012},
		{-0.00012345, -0.000123, -0.00012},
		{123e15, 123e15, 120e15},
		{math.NaN(), 0, 0},
		{math.Inf(-1), 0, 0},
		{math.SmallestNonzeroFloat64, 0, 0},
	} {
		if three, two := read(tc.f), short(tc.f); three != tc.three || two != tc.two {
			t.Errorf("%v is %v and %v, want %v and %v", tc.f, three, two, tc.three, tc.two)
		}
	}
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 2))
		f := (r.Float64() - 0.5) * math.Pow(10, float64(r.IntN(30)-10))
		got := read(f)
		if math.Abs(got-f) > math.Abs(f)/150 || math.Signbit(got) != math.Signbit(f) {
			t.Errorf("%v is read as %v", f, got)
		}
		if again := read(got); math.Abs(again-got) > math.Abs(got)*1e-12 {
			t.Errorf("%v is read as %v, and that as %v", f, got, again)
		}
	}
}

func TestReadPointer(t *testing.T) {
	if got := readPointer(nil); got != nil {
		t.Errorf("nothing is read as %v", *got)
	}
	f := 1234.0
	if got := readPointer(&f); *got != 1230 || f != 1234 {
		t.Errorf("read as %v, and what it was read of is %v", *got, f)
	}
	if got := readPointer(new(math.Inf(1))); *got != 0 {
		t.Errorf("no number is read as %v", *got)
	}
}

// No time is 0, and what is seen all the time is told to ten seconds.
func TestTimes(t *testing.T) {
	for _, tc := range []struct {
		t              time.Time
		millis, coarse int64
	}{
		{time.Time{}, 0, 0},
		{time.UnixMilli(1), 1, 0},
		{time.UnixMilli(9_999), 9_999, 0},
		{time.UnixMilli(10_000), 10_000, 10_000},
		{time.UnixMilli(1_800_000_019_999), 1_800_000_019_999, 1_800_000_010_000},
		{time.UnixMilli(1_800_000_020_000).In(time.FixedZone("KST", 9*3600)), 1_800_000_020_000, 1_800_000_020_000},
	} {
		if m, c := millis(tc.t), coarse(tc.t); m != tc.millis || c != tc.coarse {
			t.Errorf("%v is %d and %d, want %d and %d", tc.t, m, c, tc.millis, tc.coarse)
		}
	}
}

// A list of texts is never nil, so that JSON has a list, and is another than the snapshot's.
func TestTexts(t *testing.T) {
	if got := texts(nil); got == nil || len(got) != 0 {
		t.Errorf("no texts are %#v", got)
	}
	all := []string{"a", strings.Repeat("b", maxText+1)}
	got := texts(all)
	if got[0] != "a" || len(got[1]) != maxText+len("…") || len(all[1]) != maxText+1 {
		t.Errorf("texts of %d and %d bytes", len(got[0]), len(got[1]))
	}
	got[0] = "changed"
	if all[0] != "a" {
		t.Error("the page and the snapshot share a list")
	}
}

// An error is told while there is one, in the destination's words only to who may see them.
func TestFailures(t *testing.T) {
	for _, tc := range []struct {
		name  string
		f     snapshot.Failure
		words bool
		want  *failure
	}{
		{"none", snapshot.Failure{}, true, nil},
		{"words of no error", snapshot.Failure{Detail: "secret", Time: moment(1)}, true, nil},
		{"one", snapshot.Failure{Text: "t", Time: moment(1)}, false, &failure{Text: "t", At: moment(1).UnixMilli()}},
		{
			"for a stranger",
			snapshot.Failure{Text: "t", Detail: "secret", Time: moment(1), Ended: moment(2)},
			false,
			&failure{Text: "t", At: moment(1).UnixMilli(), Ended: moment(2).UnixMilli()},
		},
		{"with words", snapshot.Failure{Text: "t", Detail: "secret"}, true, &failure{Text: "secret"}},
		{"without words of its own", snapshot.Failure{Text: "t"}, true, &failure{Text: "t"}},
	} {
		if got := failureOf(tc.f, tc.words); !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s: %+v, want %+v", tc.name, got, tc.want)
		}
	}
}

// An event is three lines whatever stands in it: nothing in a text can begin another event, or steer a terminal.
func TestMessages(t *testing.T) {
	for _, tc := range []struct {
		v    any
		want string
	}{
		{map[string]any{}, "event: patch\ndata: {}\n\n"},
		{map[string]any{"a": "x\n\nevent: evil\ndata: 1"}, `event: patch` + "\n" +
			`data: {"a":"x\n\nevent: evil\ndata: 1"}` + "\n\n"},
		{"\r\x1b[31m\u2028", "event: patch\n" + `data: "\r\u001b[31m\u2028"` + "\n\n"},
		{"\u202e한글", "event: patch\n" + `data: "\u202e한글"` + "\n\n"},
		{"</script>&", "event: patch\n" + `data: "\u003c/script\u003e\u0026"` + "\n\n"},
		{nil, "event: patch\ndata: null\n\n"},
	} {
		got, err := message("patch", tc.v)
		if err != nil || string(got) != tc.want {
			t.Errorf("%#v: %q, want %q (%v)", tc.v, got, tc.want, err)
		}
	}
	if _, err := message("all", math.NaN()); err == nil ||
		!strings.Contains(err.Error(), "write the page's event all: ") {
		t.Errorf("what JSON has not: %v", err)
	}
	if _, err := tree(math.Inf(1)); err == nil {
		t.Error("what JSON has not has a tree")
	}
}

// Any tree can be made of any other by the patch between them, and of itself by none.
func TestPatchesOfRandomTrees(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 3))
		was, then := randomTree(r, 4), randomTree(r, 4)
		text, err := json.Marshal(was)
		if err != nil {
			t.Fatal(err)
		}
		if patch, changed := diff(was, parse(t, string(text))); changed {
			t.Fatalf("seed %d: from itself to itself by %v", seed, patch)
		}
		patch, changed := diff(was, then)
		if changed == reflect.DeepEqual(was, then) {
			t.Fatalf("seed %d: changed is %v", seed, changed)
		}
		if got := apply(parse(t, string(text)), patch); changed && !reflect.DeepEqual(got, then) {
			t.Fatalf("seed %d: %v patched with %v is %v, want %v", seed, was, patch, got, then)
		}
		after, err := json.Marshal(was)
		if err != nil || string(after) != string(text) {
			t.Fatalf("seed %d: the comparison has changed what it compared (%v)", seed, err)
		}
	}
}

// randomTree returns a map of maps, lists and plain values, in which nothing is null.
func randomTree(r *rand.Rand, depth int) any {
	out := map[string]any{}
	for range r.IntN(5) {
		key := string(rune('a' + r.IntN(6)))
		switch n := r.IntN(5); {
		case n == 0 && depth > 0, n == 1 && depth > 0:
			out[key] = randomTree(r, depth-1)
		case n == 2:
			out[key] = []any{float64(r.IntN(3)), "x"}
		case n == 3:
			out[key] = r.IntN(2) == 0
		default:
			out[key] = float64(r.IntN(4))
		}
	}
	return any(out)
}
