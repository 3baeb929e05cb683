package deadletter

import (
	"encoding/base64"
	"math"
	"strconv"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// An id is read where this program may have made it, and never guessed.
func TestPartBounds(t *testing.T) {
	key := base64.RawURLEncoding.EncodeToString([]byte("0123456789abcdef"))
	dashes := base64.RawURLEncoding.EncodeToString([]byte{
		0xfb, 0xef, 0xbe, 0xfb, 0xef, 0xbe, 0xfb, 0xef, 0xbe, 0xfb, 0xef, 0xbe, 0xfb, 0xef, 0xbe, 0xfb,
	})
	for _, tc := range []struct {
		name, id string
		first    int
		ok       bool
	}{
		{"the first event", key + "-0", 0, true},
		{"the last that there may be", key + "-" + strconv.Itoa(math.MaxInt32), math.MaxInt32, true},
		{"one too many", key + "-2147483648", 0, false},
		{"beyond 64 bits", key + "-99999999999999999999", 0, false},
		{"a key with dashes", dashes + "-5", 5, true},
		{"below none", key + "--1", 0, false},
		{"with a sign", key + "-+1", 0, false},
		{"with a space", key + "- 1", 0, false},
		{"hexadecimal", key + "-0x1", 0, false},
		{"digits of another alphabet", key + "-١", 0, false},
		{"a key that is too short", key[:20] + "-1", 0, false},
		{"a key that is too long", key + "AAAA-1", 0, false},
		{"a padded key", key + "==-1", 0, false},
		{"a key of the other alphabet", "++" + key[2:] + "-1", 0, false},
		// Its last two bits belong to no byte.
		{"a key with bits behind its end", key[:21] + "h-1", 0, false},
		{"a key with a line feed", key[:10] + "\n" + key[10:] + "-1", 0, false},
		{"nothing behind the key", key + "-", 0, false},
		{"only a place", "-1", 0, false},
	} {
		p, ok := (&Letter{EventID: tc.id, Events: 3}).Part()
		if ok != tc.ok || p.First != tc.first {
			t.Errorf("%s: %+v, %v", tc.name, p, ok)
		}
		if ok && (p.Events != 3 || p.Key == [16]byte{}) || !ok && p != (event.Part{}) {
			t.Errorf("%s: %+v, %v", tc.name, p, ok)
		}
	}
}

func TestCutLast(t *testing.T) {
	for _, tc := range []struct {
		text, before, after string
		found               bool
	}{
		{"", "", "", false},
		{"a", "a", "", false},
		{"-", "", "", true},
		{"a-", "a", "", true},
		{"-a", "", "a", true},
		{"a-b-c", "a-b", "c", true},
		{"ä-ö", "ä", "ö", true},
	} {
		before, after, found := cutLast(tc.text, '-')
		if before != tc.before || after != tc.after || found != tc.found {
			t.Errorf("%q: %q, %q, %v", tc.text, before, after, found)
		}
	}
}

// Keys tell apart what is counted, and times are those of the first and the last letter, in whichever order they came.
func TestCountsOfKeys(t *testing.T) {
	at := func(sec int64) time.Time { return time.Unix(sec, 0) }
	for _, tc := range []struct {
		name           string
		letters        []Letter
		want           map[Key]Count
		oldest, newest time.Time
	}{
		{"none", nil, nil, time.Time{}, time.Time{}},
		{"one", []Letter{{Time: at(5), Events: 2}}, map[Key]Count{{}: {1, 2}}, at(5), at(5)},
		{
			"no events: it is a letter all the same", []Letter{{Time: at(5)}}, map[Key]Count{{}: {1, 0}}, at(5), at(5),
		},
		{
			"the newest first",
			[]Letter{{Time: at(9), Events: 1}, {Time: at(3), Events: 1}},
			map[Key]Count{{}: {2, 2}},
			at(3), at(9),
		},
		{
			"each part of a key",
			[]Letter{
				{Time: at(1), Output: "x", Events: 1},
				{Time: at(1), Cluster: "x", Events: 2},
				{Time: at(1), Reason: "x", Events: 3},
			},
			map[Key]Count{{Output: "x"}: {1, 1}, {Cluster: "x"}: {1, 2}, {Reason: "x"}: {1, 3}},
			at(1), at(1),
		},
		{
			"what is no part of a key",
			[]Letter{
				{Time: at(1), Tag: "a", Status: 400, Detail: "d", Events: 1},
				{Time: at(1), Tag: "b", EventID: "e", Events: 1},
			},
			map[Key]Count{{}: {2, 2}},
			at(1), at(1),
		},
		{
			"more events than 32 bits count",
			[]Letter{
				{Time: at(1), Events: math.MaxInt32}, {Time: at(1), Events: math.MaxInt32}, {Time: at(1), Events: 2},
			},
			map[Key]Count{{}: {3, 1 << 32}},
			at(1), at(1),
		},
	} {
		var got Counts
		for i := range tc.letters {
			got.Add(&tc.letters[i])
		}
		if len(got.By) != len(tc.want) || !got.Oldest.Equal(tc.oldest) || !got.Newest.Equal(tc.newest) {
			t.Errorf("%s: %+v", tc.name, got)
		}
		for k, want := range tc.want {
			if got.By[k] != want {
				t.Errorf("%s: %+v of %+v, want %+v", tc.name, got.By[k], k, want)
			}
		}
	}
}

// What fits is chosen by each part of the filter alone, so two that fit together leave what both leave.
func TestFilterParts(t *testing.T) {
	at := time.Unix(1000, 0)
	parts := map[string]Filter{
		"output": {Output: "es"}, "no output": {NoOutput: true}, "cluster": {Cluster: "a"}, "reason": {Reason: "r"},
		"tag":   {Tag: func(tag string) bool { return tag == "t" }},
		"since": {Since: at}, "until": {Until: at},
	}
	var letters []Letter
	for n := range 32 {
		l := Letter{Time: at.Add(time.Duration(n&1) * -time.Second)}
		l.Output = []string{"", "es"}[n>>1&1]
		l.Cluster = []string{"a", "b"}[n>>2&1]
		l.Reason = []string{"r", "s"}[n>>3&1]
		l.Tag = []string{"t", "u"}[n>>4&1]
		letters = append(letters, l)
	}
	for one, f := range parts {
		for other, g := range parts {
			both := Filter{
				Output: f.Output + g.Output, NoOutput: f.NoOutput || g.NoOutput, Cluster: f.Cluster, Reason: f.Reason,
				Tag: f.Tag, Since: f.Since, Until: f.Until,
			}
			if one == other {
				both.Output = f.Output
			}
			if g.Cluster != "" {
				both.Cluster = g.Cluster
			}
			if g.Reason != "" {
				both.Reason = g.Reason
			}
			if g.Tag != nil {
				both.Tag = g.Tag
			}
			if !g.Since.IsZero() {
				both.Since = g.Since
			}
			if !g.Until.IsZero() {
				both.Until = g.Until
			}
			for i := range letters {
				l := &letters[i]
				if got, want := both.Fits(l), f.Fits(l) && g.Fits(l); got != want {
					t.Errorf("%s and %s: letter %d fits: %v, want %v", one, other, i, got, want)
				}
			}
		}
	}
}

// Numbers are bounded from above, and chosen one by one, together.
func TestFitsID(t *testing.T) {
	for _, tc := range []struct {
		name   string
		filter Filter
		want   map[uint64]bool
	}{
		{"all", Filter{}, map[uint64]bool{0: true, 1: true, math.MaxUint64: true}},
		{"up to one", Filter{UpTo: 1}, map[uint64]bool{1: true, 2: false}},
		{"up to the largest", Filter{UpTo: math.MaxUint64}, map[uint64]bool{math.MaxUint64: true}},
		{"chosen", Filter{IDs: []uint64{2, 5}}, map[uint64]bool{2: true, 3: false, 5: true}},
		{"chosen, in any order", Filter{IDs: []uint64{5, 2, 5}}, map[uint64]bool{2: true, 5: true, 6: false}},
		{"chosen, and bounded", Filter{IDs: []uint64{2, 5}, UpTo: 4}, map[uint64]bool{2: true, 4: false, 5: false}},
		{"none is chosen: all are", Filter{IDs: []uint64{}}, map[uint64]bool{1: true}},
	} {
		for id, want := range tc.want {
			if got := tc.filter.FitsID(id); got != want {
				t.Errorf("%s: number %d: %v", tc.name, id, got)
			}
		}
	}
}
