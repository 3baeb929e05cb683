package awsclient

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

// cutter returns what makes records of one field within limits, planned for events of one stream.
func cutter(t *testing.T, o StreamsOptions, events []event.Event) (c *splitter, order []int32) {
	t.Helper()
	o.Stream, o.Message = template(t, "s"), template(t, "{record.log}")
	o.Limits.Name = 64
	c = NewStreams(o).newSplitter()
	group := o.Key
	if !o.Aggregate || o.RandomKeys {
		group = nil
	}
	c.plan.assign(events, o.Stream, group)
	return c, c.plan.order
}

// logs returns events with these lines, in a chunk of the tag.
func logs(tag string, lines ...string) (events []event.Event) {
	c := &event.Chunk{Cluster: "c", Tag: tag}
	for i, line := range lines {
		record := append([]byte{0x81, 0xa3, 'l', 'o', 'g', 0xdb, 0, 0, byte(len(line) >> 8), byte(len(line))}, line...)
		events = append(events, event.Event{Chunk: c, Pos: i, Record: record})
	}
	return events
}

// anyTurn allows all.
func anyTurn() Turn { return Turn{Bytes: math.MaxInt, Records: math.MaxInt} }

// data returns the records' data, one after the other.
func data(c *splitter) (all []string) {
	for _, r := range c.records {
		all = append(all, string(r.Data))
	}
	return all
}

// A request ends at the first limit that one more line would break, and not before: at it, everything fits.
func TestCutAtTheLimits(t *testing.T) {
	wide := Limits{Records: 100, Record: 100, Request: 10_000}
	limits := func(change func(l *Limits)) Limits {
		l := wide
		change(&l)
		return l
	}
	turn := func(bytes, records int) Turn { return Turn{Bytes: bytes, Records: records} }
	for _, tc := range []struct {
		name      string
		limits    Limits
		turn      Turn
		most      int
		aggregate bool
		want      []string // of the lines aa, bb, cc, dd
	}{
		{"each for itself", wide, anyTurn(), 9, false, []string{"aa\n", "bb\n", "cc\n", "dd\n"}},
		{"all in one", wide, anyTurn(), 9, true, []string{"aa\nbb\ncc\ndd\n"}},
		{"two records", limits(func(l *Limits) { l.Records = 2 }), anyTurn(), 9, false, []string{"aa\n", "bb\n"}},
		{"two events", wide, anyTurn(), 2, true, []string{"aa\nbb\n"}},
		{"no event", wide, anyTurn(), 0, true, nil},
		{
			"records of two lines", limits(func(l *Limits) { l.Record = 6 }), anyTurn(), 9, true,
			[]string{"aa\nbb\n", "cc\ndd\n"},
		},
		{
			"a byte less", limits(func(l *Limits) { l.Record = 5 }), anyTurn(), 9, true,
			[]string{"aa\n", "bb\n", "cc\n", "dd\n"},
		},
		{
			"a full request", limits(func(l *Limits) { l.Request = aroundRequest + 12 }), anyTurn(), 9, true,
			[]string{"aa\nbb\ncc\ndd\n"},
		},
		{
			"a byte less of it", limits(func(l *Limits) { l.Request = aroundRequest + 11 }), anyTurn(), 9, true,
			[]string{"aa\nbb\ncc\n"},
		},
		{
			"in base64", limits(func(l *Limits) { l.Request, l.Base64 = aroundRequest+8+aroundRecord, true }),
			anyTurn(),
			9,
			true,
			[]string{"aa\nbb\n"},
		},
		{"a turn of six bytes", wide, turn(6, 9), 9, true, []string{"aa\nbb\n"}},
		{"a turn of five", wide, turn(5, 9), 9, false, []string{"aa\n"}},
		{"a turn of less than a line", wide, turn(1, 9), 9, true, []string{"aa\n"}},
		{"a turn of one record", wide, turn(100, 1), 9, false, []string{"aa\n"}},
	} {
		events := logs("t", "aa", "bb", "cc", "dd")
		c, order := cutter(t, StreamsOptions{Limits: tc.limits, Aggregate: tc.aggregate}, events)
		taken := c.cut(events, order, tc.turn, tc.most)
		got := data(c)
		if !slices.Equal(got, tc.want) || taken != strings.Count(strings.Join(got, ""), "\n") || len(c.refused) > 0 {
			t.Errorf("%s: %d taken, %q; want %q", tc.name, taken, got, tc.want)
		}
		if c.contained() != taken || c.bytes != len(strings.Join(got, "")) {
			t.Errorf("%s: it says %d events in %d bytes", tc.name, c.contained(), c.bytes)
		}
	}
}

// A line that no record can hold is refused alone, in words with both sizes; its neighbours go.
func TestCutTooLarge(t *testing.T) {
	random := func(n int) string {
		var b strings.Builder
		rnd := rand.New(rand.NewPCG(1, 2))
		for range n {
			b.WriteByte(byte(' ' + 1 + rnd.IntN(94)))
		}
		return b.String()
	}
	for _, tc := range []struct {
		name   string
		o      StreamsOptions
		line   string
		detail string
	}{
		{"a line's end counts", StreamsOptions{}, strings.Repeat("x", 99), ""},
		{"a byte more", StreamsOptions{}, strings.Repeat("x", 100), "a line of 101 bytes: a record holds 100"},
		{
			"aggregated",
			StreamsOptions{Aggregate: true},
			strings.Repeat("x", 100),
			"a line of 101 bytes: a record holds 100",
		},
		{"with its key", StreamsOptions{Key: template(t, "{cluster}-key")}, strings.Repeat("x", 94), ""},
		{
			"a byte more than with its key",
			StreamsOptions{Key: template(t, "{cluster}-key")},
			strings.Repeat("x", 95),
			"a line of 96 bytes: a record holds 95",
		},
		{"compressed it fits", StreamsOptions{Gzip: true}, strings.Repeat("x", 5000), ""},
		{"it can't be compressed", StreamsOptions{Gzip: true}, random(400), "a line of 401 bytes, "},
	} {
		o := tc.o
		o.Limits = Limits{Records: 9, Record: 100, Request: 10_000}
		events := logs("t", "before", tc.line, "after")
		c, order := cutter(t, o, events)
		taken := c.cut(events, order, anyTurn(), 9)
		want := 3
		if tc.detail != "" {
			want = 2
			if len(c.refused) != 1 || c.refused[0].Index != 1 || c.refused[0].Reason != outputs.ReasonTooLarge ||
				!strings.HasPrefix(c.refused[0].Detail, tc.detail) {
				t.Errorf("%s: refused %+v", tc.name, c.refused)
				continue
			}
		}
		if taken != 3 || c.contained() != want {
			t.Errorf("%s: %d taken, %d in records, refused %+v", tc.name, taken, c.contained(), c.refused)
		}
		for _, r := range c.records {
			if len(r.Data)+len(r.Key) > o.Limits.Record {
				t.Errorf("%s: a record of %d bytes", tc.name, len(r.Data)+len(r.Key))
			}
		}
	}
}

// An event that can't be rendered is refused as such, where it stands among others.
func TestCutBroken(t *testing.T) {
	events := logs("t", "a", "b", "c")
	events[1] = outputtest.Broken(events[1].Chunk)
	o := StreamsOptions{Stream: template(t, "s"), Aggregate: true, Limits: Limits{Records: 9, Record: 99, Request: 999}}
	o.Limits.Name = 9
	c := NewStreams(o).newSplitter()
	c.plan.assign(events, o.Stream, nil)
	if taken := c.cut(events, c.plan.order, anyTurn(), 9); taken != 3 || len(c.refused) != 1 ||
		c.refused[0].Index != 1 || c.refused[0].Reason != outputs.ReasonRejected || c.refused[0].Detail == "" {
		t.Errorf("%d taken, refused %+v", taken, c.refused)
	}
	if got := data(c); !slices.Equal(got, []string{"{\"log\":\"a\"}\n{\"log\":\"c\"}\n"}) {
		t.Errorf("records %q", got)
	}
	// The next request is not haunted by the last one's.
	if taken := c.cut(events, c.plan.order[:1], anyTurn(), 9); taken != 1 || len(c.refused) != 0 ||
		len(c.records) != 1 {
		t.Errorf("again: %d taken, %d records, refused %+v", taken, len(c.records), c.refused)
	}
}

// Each record is a gzip member of its own, so that all of them together are one file.
func TestCutGzip(t *testing.T) {
	events := logs("t", strings.Repeat("a", 400), strings.Repeat("b", 400), strings.Repeat("c", 400))
	c, order := cutter(t, StreamsOptions{Gzip: true, Limits: Limits{Records: 9, Record: 999, Request: 9999}}, events)
	if taken := c.cut(events, order, anyTurn(), 9); taken != 3 || len(c.records) != 3 {
		t.Fatalf("%d taken, %d records", taken, len(c.records))
	}
	r, err := gzip.NewReader(strings.NewReader(strings.Join(data(c), "")))
	if err != nil {
		t.Fatal(err)
	}
	var plain bytes.Buffer
	if _, err := plain.ReadFrom(r); err != nil || strings.Count(plain.String(), "\n") != 3 || plain.Len() != 1203 {
		t.Errorf("%d bytes, %v", plain.Len(), err)
	}
}

// Partition keys are printable ASCII that JSON leaves as it is, 256 characters at most; what is empty is random.
func TestKeys(t *testing.T) {
	for _, tc := range []struct{ key, tag, want string }{
		{"{tag}", "kube.app", "kube.app"},
		{"{tag}", "a b\x00c\x7f\"\\<>&é", "a_b_c________"},
		{"{cluster}/{tag}", "~!#$%'()*+,-./:;=?@[]^_`{|}", "c/~!#$%'()*+,-./:;=?@[]^_`{|}"},
		{"{tag}", strings.Repeat("x", 300), strings.Repeat("x", 256)},
		{"{tag}", strings.Repeat("x", 256), strings.Repeat("x", 256)},
	} {
		events := logs(tc.tag, "a")
		c, _ := cutter(t, StreamsOptions{Key: template(t, tc.key)}, events)
		if got := c.keyOf(&events[0]); got != tc.want {
			t.Errorf("%s with tag %q: %q, want %q", tc.key, tc.tag, got, tc.want)
		}
	}
	events := logs("", "a")
	for name, o := range map[string]StreamsOptions{
		"empty": {Key: template(t, "{tag}")}, "random": {Key: template(t, "random"), RandomKeys: true},
	} {
		c, _ := cutter(t, o, events)
		a, b := c.keyOf(&events[0]), c.keyOf(&events[0])
		if a == b || a == "" || len(a) > 13 || a == "random" {
			t.Errorf("%s: keys %q and %q", name, a, b)
		}
	}
	if c, _ := cutter(t, StreamsOptions{}, events); c.keyOf(&events[0]) != "" {
		t.Error("a service without keys is given one")
	}
}

// Lines share a record with those of their partition key only, however the events are mixed, and a stream's events keep
// their order within a key.
func TestPlan(t *testing.T) {
	var events []event.Event
	for _, tag := range []string{"a", "b", "a", "c", "b", "a"} {
		events = append(events, logs(tag, strconv.Itoa(len(events)))...)
	}
	for _, tc := range []struct {
		name, stream, key string
		streams           string
		order             []int32
	}{
		{"one stream", "s", "", "s:0-6", []int32{0, 1, 2, 3, 4, 5}},
		{"by key", "s", "{tag}", "s:0-6", []int32{0, 2, 5, 1, 4, 3}},
		{"by tag", "s-{tag}", "", "s-a:0-3 s-b:3-5 s-c:5-6", []int32{0, 2, 5, 1, 4, 3}},
		{"by tag, and one key", "s-{tag}", "k", "s-a:0-3 s-b:3-5 s-c:5-6", []int32{0, 2, 5, 1, 4, 3}},
		{"by what the record says", "s-{record.log}", "", "s-0:0-1 s-1:1-2 s-2:2-3 s-3:3-4 s-4:4-5 s-5:5-6", []int32{
			0, 1, 2, 3, 4, 5,
		}},
	} {
		p := plan{limit: 64}
		var key *event.Template
		if tc.key != "" {
			key = template(t, tc.key)
		}
		for range 2 { // its memory is used again
			p.assign(events, template(t, tc.stream), key)
			var streams []string
			for _, s := range p.streams {
				streams = append(streams, fmt.Sprintf("%s:%d-%d", s.name, s.from, s.to))
			}
			if got := strings.Join(streams, " "); got != tc.streams || !slices.Equal(p.order, tc.order) {
				t.Errorf("%s: %s in order %v, want %s in %v", tc.name, got, p.order, tc.streams, tc.order)
			}
		}
	}
	var none plan
	if none.assign(nil, template(t, "s"), nil); len(none.streams) != 0 || len(none.order) != 0 {
		t.Errorf("no events make %+v", none)
	}
}
