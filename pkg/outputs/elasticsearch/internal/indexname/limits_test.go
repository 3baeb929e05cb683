package indexname

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// A template is cut into pieces that put together are the template again.
func TestParse(t *testing.T) {
	lit := func(text string) piece { return piece{pieceLiteral, text} }
	for _, tc := range []struct {
		text string
		want Template
	}{
		{"", Template{lit("")}},
		{"plain", Template{lit("plain")}},
		{"{{x}}", Template{lit("{{x}}")}},
		{"a%%%Y", Template{lit("a%%"), {pieceTime, "%Y"}}},
		{"{cluster}", Template{{pieceCluster, "{cluster}"}}},
		{"{cluster|none}-x", Template{{pieceCluster, "{cluster|none}"}, lit("-x")}},
		{"{tag}{tag[1]}", Template{{pieceValue, "{tag}"}, {pieceValue, "{tag[1]}"}}},
		{"{record.a.b|d}", Template{{pieceValue, "{record.a.b|d}"}}},
		{`{record["}|\"{"]}z`, Template{{pieceValue, `{record["}|\"{"]}`}, lit("z")}},
		{`{record["a"].b["c"]|"}`, Template{{pieceValue, `{record["a"].b["c"]|"}`}}},
		{"서-%H%M", Template{lit("서-"), {pieceTime, "%H"}, {pieceTime, "%M"}}},
	} {
		got, err := Parse(tc.text)
		if err != nil || len(got) != len(tc.want) {
			t.Errorf("%s: %q, %v", tc.text, got, err)
			continue
		}
		for i, p := range got {
			if p != tc.want[i] {
				t.Errorf("%s: piece %d is %v, want %v", tc.text, i, p, tc.want[i])
			}
		}
	}
}

// What no template can be is refused with its place, by Parse and by New.
func TestParse_Refuses(t *testing.T) {
	for text, want := range map[string]string{
		"{": "position 1", "a}": "position 2", "logs-{nope}": `unknown placeholder "nope"`, "%": "unknown conversion",
		"%Q": `unknown conversion "%Q"`, "{tag[x]}": "no number of a tag's part", "{record}": "a field should follow",
		"{record.a": "is not closed",
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
		_, err := New(Options{Index: text, Now: time.Now})
		if err == nil || !strings.HasPrefix(err.Error(), "index: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: New says %v, want %q", text, err, want)
		}
	}
}

// A name that begins with what none may begin with is found before any event comes.
func TestLeading(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "logs": "", "Logs": "", ".hidden": "", "7": "", "서울": "", "{tag}": "", "%Y": "", "{cluster}-x": "",
		"-logs": "-", "_logs": "_", "+logs": "+", " logs": " ", "*": "*", "?x": "?", "\x00": "\x00", "\xff": "\xff",
		"#": "#", ":a": ":", "{{": "", "\u202e": "\u202e",
	} {
		pieces, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := pieces.Leading(); got != want {
			t.Errorf("%q begins with %q, want %q", text, got, want)
		}
	}
}

// How long a conversion's text stays the same decides for how long a name is remembered.
func TestUnitOf(t *testing.T) {
	for unit, conversions := range map[int64]string{
		0: "LN", 1: "sST", 60: "M", 3600: "HIp", math.MaxInt64: "zZ", 24 * 3600: "YmdjFBbe",
	} {
		for _, c := range []byte(conversions) {
			if got := unitOf(c); got != unit {
				t.Errorf("%%%c stays for %d s, want %d", c, got, unit)
			}
		}
	}
}

func TestFloorDiv(t *testing.T) {
	for _, tc := range []struct{ a, b, want int64 }{
		{0, 3600, 0},
		{1, 3600, 0},
		{3599, 3600, 0},
		{3600, 3600, 1},
		{-1, 3600, -1},
		{-3600, 3600, -1},
		{-3601, 3600, -2},
		{math.MinInt64, 1, math.MinInt64},
		{math.MaxInt64, 2, math.MaxInt64 / 2},
	} {
		if got := floorDiv(tc.a, tc.b); got != tc.want {
			t.Errorf("%d / %d = %d, want %d", tc.a, tc.b, got, tc.want)
		}
	}
}

// Each character is one that a name may have, in lower case.
func TestAppendLegal(t *testing.T) {
	for _, tc := range []struct{ name, in, want string }{
		{"nothing", "", ""},
		{"letters and digits", "abcXYZ019", "abcxyz019"},
		{"what may stand in a name", "a-b_c+d.e!f$g&h'(i);=@[j]^`{k}~%", "a-b_c+d.e!f$g&h'(i);=@[j]^`{k}~%"},
		{"what may not", "a\"b*c\\d<e|f,g>h/i?j#k:l m", "a_b_c_d_e_f_g_h_i_j_k_l_m"},
		{"controls", "a\x00\t\n\x1f\x7fb", "a_____b"},
		{"controls beyond ASCII", "\u0080\u0085\u200b\u2028\ufeff", "_____"},
		{"other scripts", "ÄÉÑ-ЖД-서울-日本", "äéñ-жд-서울-日本"},
		{"no UTF-8", "a\xffb\xc3", "a_b_"},
		{"the mark for it", "\ufffd", "_"},
		{"what is no letter", "😀", "😀"},
	} {
		if got := string(appendLegal([]byte("x"), []byte(tc.in))); got != "x"+tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got[1:], tc.want)
		}
	}
}

// A name is cut to what an index, or what is behind a data stream, may have: to the byte, with a hash of all of it.
func TestRules_Length(t *testing.T) {
	pieces := Template{{pieceLiteral, "x"}}
	for _, tc := range []struct {
		stream bool
		most   int
	}{{false, 255}, {true, 255 - len(".ds--2025.11.21-000001")}} {
		r := rulesOf(tc.stream, pieces)
		if r.max != tc.most {
			t.Errorf("data stream %t: %d bytes, want %d", tc.stream, r.max, tc.most)
		}
		for _, length := range []int{1, tc.most - 1, tc.most} {
			raw := strings.Repeat("a", length)
			if got := string(r.append(nil, []byte(raw))); got != raw {
				t.Errorf("data stream %t: %d bytes became %d", tc.stream, length, len(got))
			}
		}
		one := string(r.append(nil, []byte(strings.Repeat("a", tc.most+1))))
		other := string(r.append(nil, []byte(strings.Repeat("a", tc.most)+"b")))
		if len(one) != tc.most || one == other || one[:tc.most-hashLength] != other[:tc.most-hashLength] {
			t.Errorf("data stream %t: %d bytes too long became %q and %q", tc.stream, 1, one, other)
		}
	}
}

// What stands for a value is shortened by itself, so that the rest of the name stays.
func TestAppendValue(t *testing.T) {
	if got := string(appendValue([]byte("x-"), nil)); got != "x-unknown" {
		t.Errorf("no value: %q", got)
	}
	whole := strings.Repeat("v", maxName)
	if got := string(appendValue(nil, []byte(whole))); got != whole {
		t.Errorf("a value of %d bytes became %q", maxName, got)
	}
	long := string(appendValue(nil, []byte(whole+"w")))
	if len(long) != maxName+hashLength || !strings.HasPrefix(long, whole) {
		t.Errorf("a longer one became %q", long)
	}
	// A character is not cut in two.
	wide := string(appendValue(nil, []byte(strings.Repeat("서", 100))))
	if want := strings.Repeat("서", 85); !strings.HasPrefix(wide, want+"-") || len(wide) != len(want)+hashLength {
		t.Errorf("of wide characters: %q", wide)
	}
}

// What begins wrongly loses its beginning, and what is nothing then has a name all the same.
func TestRules_Beginning(t *testing.T) {
	hidden, shown := rulesOf(false, Template{{pieceLiteral, ".x"}}), rulesOf(false, Template{{pieceValue, "{tag}"}})
	for _, tc := range []struct{ raw, shown, hidden string }{
		{"a", "a", "a"},
		{"-a", "a", "a"},
		{"_+-a-", "a-", "a-"},
		{".a", "a", ".a"},
		{"-.a", "a", ".a"},
		{".", "unknown", "unknown"},
		{"..", "unknown", "unknown"},
		{"...", "unknown", "..."},
		{"", "unknown", "unknown"},
		{"/", "unknown", "unknown"},
		{"*a", "a", "a"},
		{"_.-x", "x", ".-x"},
	} {
		if got := string(shown.append([]byte("y"), []byte(tc.raw))); got != "y"+tc.shown {
			t.Errorf("%q: %q, want %q", tc.raw, got[1:], tc.shown)
		}
		if got := string(hidden.append([]byte("y"), []byte(tc.raw))); got != "y"+tc.hidden {
			t.Errorf("%q, where a dot may begin it: %q, want %q", tc.raw, got[1:], tc.hidden)
		}
	}
}

// Without a limit each name is its own, however many there are.
func TestNoLimit(t *testing.T) {
	n := newTestNamer(t, Options{Index: "l-{tag}"}, nil)
	seen := map[string]bool{}
	for i := range 3000 {
		seen[string(n.Append(nil, named("c", strings.Repeat("a", i%50)+strings.Repeat("b", i/50), "")))] = true
	}
	// The tag is empty once.
	if len(seen) != 3000 || n.Redirected() != 0 || n.Notice() != "" || !seen["l-unknown"] {
		t.Errorf("%d names, %d redirected, notice %q", len(seen), n.Redirected(), n.Notice())
	}
}

// A name without placeholders needs no other, and its limit of one is never reached.
func TestStaticName(t *testing.T) {
	n := newTestNamer(t, Options{Index: "Plain{{}}", MaxPerHour: 1}, nil)
	for _, cluster := range []string{"a", "b", "a"} {
		if got := string(n.Append(nil, named(cluster, "t", ""))); got != "plain{}" {
			t.Errorf("%s: %s", cluster, got)
		}
	}
	if n.Redirected() != 0 {
		t.Errorf("%d redirected", n.Redirected())
	}
}

// The name of events that were redirected for their time is that of when they were stored, not of when they happened.
func TestRedirected_ByTime(t *testing.T) {
	n := newTestNamer(t, Options{Index: "l-{tag}-%Y.%m", MaxPerHour: 1}, nil)
	var got []string
	for _, sec := range []int64{0, 40 * 86400, 80 * 86400} {
		ev := named("c", "t", "")
		ev.Time = event.Time{Sec: sec}
		got = append(got, string(n.Append(nil, ev)))
	}
	if want := "l-t-1970.01, l-other-1970.02, l-other-2025.11"; strings.Join(got, ", ") != want {
		t.Errorf("%s, want %s", strings.Join(got, ", "), want)
	}
	if n.Redirected() != 2 {
		t.Errorf("%d redirected, want 2", n.Redirected())
	}
}
