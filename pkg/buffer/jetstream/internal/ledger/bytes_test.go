package ledger

import (
	"bytes"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/subject"
)

// The numbers of kinds are sent: one that changes is counted as another by processes of the version before.
func TestKinds(t *testing.T) {
	for _, tc := range []struct {
		name string
		kind Kind
		n    Kind
		sign int64
	}{
		{"appended", Appended, 0, 1},
		{"returned", Returned, 1, 0},
		{"rest", Rest, 2, 0},
		{"adopted", Adopted, 3, 0},
		{"done", Done, 4, -1},
		{"moved", Moved, 5, 0},
		{"dropped", Dropped, 6, -1},
		{"purged", Purged, 7, -1},
		{"lost", Lost, 8, -1},
		{"found", Found, 9, 1},
		{"given", Given, 10, -1},
		{"none that is counted", Kinds, 11, 0},
		{"one of a later version", Kinds + 5, 16, 0},
	} {
		if tc.kind != tc.n || tc.kind.Sign() != tc.sign {
			t.Errorf("%s: number %d, sign %d, want %d, %d", tc.name, tc.kind, tc.kind.Sign(), tc.n, tc.sign)
		}
		if tc.kind >= Kinds {
			continue
		}
		var c Counts
		c[tc.kind] = count(3)
		if got := c.Pending(); got != count(3*tc.sign) {
			t.Errorf("%s: %+v are pending", tc.name, got)
		}
	}
}

// What is sent is the same bytes for the same table, whoever sends it.
func TestBytes(t *testing.T) {
	a := subject.Place{Output: "es", Cluster: "c"}
	for _, tc := range []struct {
		name  string
		table Table
		want  string
	}{
		{"nothing", Table{}, "\x01\x00"},
		{"no table", nil, "\x01\x00"},
		{"a place of no counts", Table{a: {}}, "\x01\x01\x02es\x00\x01c\x00"},
		{
			"a place",
			Table{a: {Appended: {Chunks: 1, Events: 2, Bytes: 300}}},
			"\x01\x01\x02es\x00\x01c\x01\x00\x02\x04\xd8\x04",
		},
		{
			"less than none",
			Table{a: {Done: {Chunks: -1, Events: -64, Bytes: -65}}},
			"\x01\x01\x02es\x00\x01c\x01\x04\x01\x7f\x81\x01",
		},
		{
			"kinds ascend",
			Table{a: {Given: {Chunks: 1}, Returned: {Bytes: 1}}},
			"\x01\x01\x02es\x00\x01c\x02\x01\x00\x00\x02\x0a\x02\x00\x00",
		},
		{
			"places ascend, by output, target and cluster",
			Table{
				{Output: "b"}: {}, {Output: "a", Target: "y"}: {}, {Output: "a", Target: "x", Cluster: "2"}: {},
				{Output: "a", Target: "x", Cluster: "1"}: {},
			},
			"\x01\x04\x01a\x01x\x011\x00\x01a\x01x\x012\x00\x01a\x01y\x00\x00\x01b\x00\x00\x00",
		},
	} {
		for range 5 {
			if got := string(tc.table.Append([]byte("before"))); got != "before"+tc.want {
				t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
			}
		}
		got, err := Read([]byte(tc.want))
		if err != nil || len(got) != len(tc.table) || len(got) > 0 && !reflect.DeepEqual(got, tc.table) {
			t.Errorf("%s: read %v, %v", tc.name, got, err)
		}
	}
}

// Numbers of all sizes, and names of all bytes, come back as they were.
func TestValues(t *testing.T) {
	for name, table := range map[string]Table{
		"the largest":  {{}: {Appended: {Chunks: math.MaxInt64, Events: math.MaxInt64, Bytes: math.MaxInt64}}},
		"the smallest": {{}: {Done: {Chunks: math.MinInt64, Events: math.MinInt64, Bytes: math.MinInt64}}},
		"any bytes": {
			{Output: "\x00\xff", Target: "색인", Cluster: strings.Repeat("x", 999)}: {Lost: {Chunks: 1}},
		},
		"no names": {{}: {Found: {Events: 1}}},
	} {
		if got, err := Read(table.Append(nil)); err != nil || !reflect.DeepEqual(got, table) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

// What another version has counted is passed over where it can be, and what makes no sense is refused as a whole.
func TestReadOthers(t *testing.T) {
	a := subject.Place{Output: "es", Cluster: "c"}
	const place = "\x02es\x00\x01c"
	for _, tc := range []struct {
		name, sent string
		want       Table
		err        string
	}{
		{
			"a kind of a later version", "\x01\x01" + place + "\x02\x00\x02\x04\x06\x0b\x02\x04\x06",
			Table{a: {Appended: {Chunks: 1, Events: 2, Bytes: 3}}},
			"",
		},
		{"only kinds of a later version", "\x01\x01" + place + "\x01\xff\x02\x04\x06", Table{a: {}}, ""},
		{
			"a kind twice: the last counts", "\x01\x01" + place + "\x02\x04\x02\x02\x02\x04\x04\x04\x04",
			Table{a: {Done: {Chunks: 2, Events: 2, Bytes: 2}}},
			"",
		},
		{
			"a place twice", "\x01\x02" + place + "\x01\x00\x02\x02\x02" + place + "\x01\x04\x04\x04\x04",
			Table{a: {Appended: {Chunks: 1, Events: 1, Bytes: 1}, Done: {Chunks: 2, Events: 2, Bytes: 2}}},
			"",
		},
		{"nothing", "", nil, "a table of counts of version 0, want 1"},
		{"another version", "\x02\x00", nil, "a table of counts of version 2, want 1"},
		{"no number of places", "\x01", nil, "a table of counts that makes no sense after 1 of 1 bytes"},
		{"fewer places than it says", "\x01\x02" + place + "\x00", nil, "makes no sense after 9 of 9 bytes"},
		{"more bytes than places", "\x01\x01" + place + "\x00\x00", nil, "makes no sense after 9 of 10 bytes"},
		{"a name longer than all", "\x01\x01\x7fes", nil, "makes no sense after 3 of 5 bytes"},
		{"a name of 2⁶⁴-1 bytes", "\x01\x01" + strings.Repeat("\xff", 9) + "\x01", nil, "makes no sense"},
		{"a length without an end", "\x01\x01" + strings.Repeat("\xff", 11), nil, "makes no sense"},
		{
			"a count without an end", "\x01\x01" + place + "\x01\x00\x02\x04" + strings.Repeat("\xff", 11), nil,
			"makes no sense",
		},
		{"2⁶⁴-1 places", "\x01" + strings.Repeat("\xff", 9) + "\x01", nil, "makes no sense"},
	} {
		got, err := Read([]byte(tc.sent))
		if tc.err == "" && (err != nil || !reflect.DeepEqual(got, tc.want)) {
			t.Errorf("%s: %v, %v, want %v", tc.name, got, err, tc.want)
		}
		if tc.err != "" && (got != nil || err == nil || !strings.Contains(err.Error(), tc.err)) {
			t.Errorf("%s: %v, %v, want %s", tc.name, got, err, tc.err)
		}
	}
}

// random returns a table of a few places.
func random(r *rand.Rand) Table {
	t := Table{}
	for range r.IntN(6) {
		p := subject.Place{Output: string(rune('a' + r.IntN(3))), Cluster: string(rune('a' + r.IntN(2)))}
		for range r.IntN(4) {
			t.At(p)[r.IntN(int(Kinds))] = count(r.Int64N(200) - 100)
		}
	}
	return t
}

// Tables add up in any order, what is added can be taken away, and a clone goes its own way.
func TestSums(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		a, b := random(r), random(r)
		before := a.Append(nil)
		ab, ba := a.Clone(), b.Clone()
		ab.Add(b, 1)
		ba.Add(a, 1)
		if !reflect.DeepEqual(ab, ba) {
			t.Fatalf("a+b is %v, b+a %v", ab, ba)
		}
		if !bytes.Equal(a.Append(nil), before) {
			t.Fatalf("a has changed with its clone: %v", a)
		}
		for p, c := range ab {
			var sum buffer.Count
			for _, one := range []Table{a, b} {
				if one[p] != nil {
					sum = Plus(sum, one[p].Pending(), 1)
				}
			}
			if got := c.Pending(); got != sum {
				t.Fatalf("%+v: %+v pending, want %+v", p, got, sum)
			}
		}
		ab.Add(b, -1)
		for p, c := range ab {
			if want := a[p]; want != nil && *c != *want || want == nil && *c != (Counts{}) {
				t.Fatalf("%+v: %v, want %v", p, c, want)
			}
		}
		sent := ba.Append(nil)
		if back, err := Read(sent); err != nil || !bytes.Equal(back.Append(nil), sent) {
			t.Fatalf("%v became %v: %v", ba, back, err)
		}
	}
}
