package loki

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// A value stands between quotes as Loki reads it, which is as Go does, and has no more bytes than it takes.
func TestAppendQuoted(t *testing.T) {
	x := func(n int) string { return strings.Repeat("x", n) }
	for _, tc := range []struct{ name, value, want string }{
		{"nothing", "", ""},
		{"words", "a b", "a b"},
		{"quotes", `say "a\b"`, `say \"a\\b\"`},
		{"line ends", "a\r\nb", `a\x0d\nb`},
		{"controls", "\x00\t\x1f\x7f", `\x00\x09\x1f\x7f`},
		{"other scripts", "서울 é 😀", "서울 é 😀"},
		{"no UTF-8", "a\xff\xfeb", "a\ufffd\ufffdb"},
		{"half of a character", "a\xec\x84", "a\ufffd\ufffd"},
		{"as long as may be", x(maxValue), x(maxValue)},
		{"a byte longer", x(maxValue + 1), x(maxValue)},
		{"a character that just fits", x(maxValue-3) + "서x", x(maxValue-3) + "서"},
		{"one that does not", x(maxValue-2) + "서x", x(maxValue - 2)},
		{"what is no UTF-8 takes three bytes", strings.Repeat("\xff", maxValue), strings.Repeat("\ufffd", maxValue/3)},
		{"escapes take none more", strings.Repeat("\n", maxValue+1), strings.Repeat(`\n`, maxValue)},
	} {
		got := string(appendQuoted([]byte(">"), []byte(tc.value)))
		if got != ">"+tc.want {
			t.Errorf("%s: %.100q, want %.100q", tc.name, got[1:], tc.want)
		}
		back, err := strconv.Unquote(`"` + got[1:] + `"`)
		if err != nil || len(back) > maxValue || !utf8.ValidString(back) {
			t.Errorf("%s: Loki would read %d bytes: %v", tc.name, len(back), err)
		}
	}
}

// Labels are in the order of the alphabet; what has no value is left out, and a stream without any says so.
func TestAppendLabels(t *testing.T) {
	ev := &event.Event{
		Chunk:  &event.Chunk{Cluster: "seoul", Tag: "kube.x"},
		Record: append([]byte{0x81, 0xa3, 'a', 'p', 'p', 0xa3}, `q"u`...),
	}
	for _, tc := range []struct {
		name   string
		labels map[string]string
		want   string
		other  string // beyond the limit
	}{
		{"none", nil, `{cluster="seoul"}`, `{cluster="seoul"}`},
		{
			"several",
			map[string]string{"tag": "{tag[1]}", "app": "{record.app}", "cluster": "{cluster}"},
			`{app="q\"u", cluster="seoul", tag="x"}`, `{app="other", cluster="seoul", tag="other"}`,
		},
		{
			"some without a value",
			map[string]string{"a": "{record.none}", "b": "b", "c": "{record.none}", "d": "d"},
			`{b="b", d="d"}`, `{a="other", b="b", c="other", d="d"}`,
		},
		{"all without", map[string]string{"a": "{record.none}"}, `{stream="unknown"}`, `{a="other"}`},
		{
			"a default",
			map[string]string{"a": "{record.none|d}", "b": "x-{cluster}-y"},
			`{a="d", b="x-seoul-y"}`,
			`{a="other", b="x-seoul-y"}`,
		},
		{"braces", map[string]string{"a": "{{b}}"}, `{a="{b}"}`, `{a="other"}`},
	} {
		s, err := newStreams(tc.labels, nil)
		if err != nil {
			t.Fatal(err)
		}
		for other, want := range map[bool]string{false: tc.want, true: tc.other} {
			if got := string(appendLabels([]byte("x"), s.labels, ev, other)); got != "x"+want {
				t.Errorf("%s, other %t: %s, want %s", tc.name, other, got[1:], want)
			}
		}
	}
}

// A template that is none is told with the name of its label.
func TestPairs(t *testing.T) {
	if _, err := newStreams(map[string]string{"a": "x", "b": "{nope}"}, nil); err == nil ||
		!strings.HasPrefix(err.Error(), "labels.b: ") {
		t.Errorf("%v", err)
	}
	all, err := pairs("labels", map[string]string{
		"c": "{cluster}", "a": "x", "b": "{tag}", "d": "{cluster}-{cluster}", "e": "%Y", "f": "{cluster|x}",
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range all {
		got = append(got, fmt.Sprint(p.name, p.own))
	}
	if want := "atrue bfalse ctrue dtrue efalse ffalse"; strings.Join(got, " ") != want {
		t.Errorf("%q, want %s", got, want)
	}
}

// The streams of each cluster are bounded by themselves, and what is counted is what was sent elsewhere.
func TestStreams_Redirected(t *testing.T) {
	now := time.Unix(1763720100, 0)
	s, err := newStreams(map[string]string{"cluster": "{cluster}", "tag": "{tag}"},
		outputs.NewNameLimit(outputs.NameLimitOptions{
			Setting: "max_streams_per_hour", Max: 1, Now: func() time.Time { return now }, Beyond: "x",
		}))
	if err != nil {
		t.Fatal(err)
	}
	var raw []byte
	for _, tc := range []struct {
		cluster, tag, want string
		redirected         uint64
	}{
		{"a", "t", `{cluster="a", tag="t"}`, 0},
		{"a", "u", `{cluster="a", tag="other"}`, 1},
		{"a", "v", `{cluster="a", tag="other"}`, 2},
		{"b", "u", `{cluster="b", tag="u"}`, 2},
		{"a", "t", `{cluster="a", tag="t"}`, 2},
	} {
		var got string
		got, raw = s.of(raw, &event.Event{Chunk: &event.Chunk{Cluster: tc.cluster, Tag: tc.tag}, Record: []byte{0x80}})
		if got != tc.want || s.redirected.Load() != tc.redirected {
			t.Errorf("%s, %s: %s, %d redirected, want %s, %d", tc.cluster, tc.tag, got, s.redirected.Load(), tc.want,
				tc.redirected)
		}
	}
	if notice := s.limit.Notice(); !strings.Contains(notice, "max_streams_per_hour (1) is reached for cluster a:") {
		t.Errorf("notice %q", notice)
	}
}

// A tenant's name has no character that Loki refuses in one.
func TestAppendTenant(t *testing.T) {
	for value, want := range map[string]string{
		"": "", "seoul-1.a_b!*'()": "seoul-1.a_b!*'()", "a b": "a_b", `a/b\c|d`: "a_b_c_d", "a\x00\n\x7f": "a___",
		"서": "___", "\xff": "_", "..": "..",
	} {
		if got := string(appendTenant([]byte("x"), []byte(value))); got != "x"+want {
			t.Errorf("%q: %q, want %q", value, got[1:], want)
		}
	}
}

// A line's time is its event's, moved by its place in the chunk; what can't be a time is that of receipt.
func TestTimeOf(t *testing.T) {
	const sec = 1763720100
	received := time.Unix(sec+60, 5)
	for _, tc := range []struct {
		name string
		time event.Time
		pos  int
		at   time.Time
		want int64
	}{
		{"nanoseconds", event.Time{Sec: sec, Nsec: 123_456_789}, 0, received, sec*1e9 + 123_456_789},
		{"the third of its chunk", event.Time{Sec: sec, Nsec: 123_456_789}, 2, received, sec*1e9 + 123_456_791},
		{"far behind in its chunk", event.Time{Sec: sec, Nsec: 1}, 500_001, received, sec*1e9 + 2},
		{"no time", event.Time{}, 0, received, (sec+60)*1e9 + 5},
		{"before all time", event.Time{Sec: -1, Nsec: 7}, 3, received, (sec+60)*1e9 + 8},
		{"behind all time", event.Time{Sec: 1<<33 + 1}, 0, received, (sec+60)*1e9 + 5},
		{"the last time", event.Time{Sec: 1 << 33, Nsec: 9}, 0, received, 1<<33*1e9 + 9},
		{"microseconds", event.Time{Sec: sec, Nsec: 120_345_000}, 1, received, sec*1e9 + 120_345_001},
	} {
		ev := &event.Event{Chunk: &event.Chunk{Seq: 7, Received: tc.at, Events: 10}, Time: tc.time, Pos: tc.pos}
		if got := timeOf(ev); got != tc.want {
			t.Errorf("%s: %d, want %d", tc.name, got, tc.want)
		}
	}
	// A time of whole milliseconds is moved within its millisecond, and the same way each time.
	seen := map[int64]uint64{}
	for seq := range uint64(1000) {
		chunk := &event.Chunk{Seq: seq, Received: received, Events: 100}
		for pos := range 100 {
			ev := &event.Event{Chunk: chunk, Time: event.Time{Sec: sec, Nsec: 5_000_000}, Pos: pos}
			got := timeOf(ev)
			if got != timeOf(ev) || got < sec*1e9+5_000_000 || got >= sec*1e9+6_000_000 {
				t.Fatalf("event %d of chunk %d: %d", pos, seq, got)
			}
			if pos == 0 {
				seen[got] = seq
			}
		}
	}
	if len(seen) < 990 {
		t.Errorf("1000 chunks begin at %d different times", len(seen))
	}
	if got := timeOf(&event.Event{Chunk: &event.Chunk{Events: 1}}); got < 1e9 || got >= 1e9+1_000_000 {
		t.Errorf("a chunk without a time of receipt: %d", got)
	}
}
