package join_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
	"github.com/seed-afc6a195/aggregator/pkg/filter/join"
)

func start() time.Time { return time.Date(2025, 11, 21, 10, 15, 0, 0, time.UTC) }

func defaults() join.Config { return join.Config{MaxBytes: 1 << 20, MaxWait: 5 * time.Second} }

// stream feeds a Joiner and keeps what comes out.
type stream struct {
	t     testing.TB
	j     *join.Joiner
	chunk *event.Chunk
	ev    filter.Event
	in    int
	seen  []int    // origins
	out   []string // records as JSON
}

func newStream(tb testing.TB, c join.Config) *stream {
	tb.Helper()
	j, err := join.New(c)
	if err != nil {
		tb.Fatal(err)
	}
	return &stream{t: tb, j: j, chunk: &event.Chunk{Cluster: "a", Tag: "t"}}
}

func (s *stream) emit(e *filter.Event) {
	if first := e.Origins[0].(int); e.Pos != first {
		s.t.Errorf("an event of the origin %d has position %d", first, e.Pos)
	}
	for _, mark := range e.Origins {
		s.seen = append(s.seen, mark.(int))
	}
	var enc event.Encoder
	text, err := enc.AppendValue(nil, e.Rendered())
	if err != nil {
		s.t.Error(err)
	}
	s.out = append(s.out, string(text))
}

func (s *stream) record(record []byte, now time.Time) {
	s.ev.Reset(&event.Event{Chunk: s.chunk, Pos: s.in, Record: record}, s.in)
	s.in++
	if err := s.j.Join(&s.ev, now, s.emit); err != nil {
		s.t.Error(err)
	}
}

// send takes records in JSON.
func (s *stream) send(now time.Time, records ...string) {
	s.t.Helper()
	for _, text := range records {
		s.record(pack(s.t, text), now)
	}
}

func pack(tb testing.TB, text string) []byte {
	tb.Helper()
	var values map[string]any
	if err := json.Unmarshal([]byte(text), &values); err != nil {
		tb.Fatalf("%s: %v", text, err)
	}
	record, err := filter.AppendValue(nil, values)
	if err != nil {
		tb.Fatal(err)
	}
	return record
}

// end flushes and checks that each origin came out once.
func (s *stream) end() {
	s.t.Helper()
	s.j.Flush(start(), true, s.emit)
	if due := s.j.Due(); !due.IsZero() {
		s.t.Errorf("due %v after all was flushed", due)
	}
	slices.Sort(s.seen)
	for i := range max(len(s.seen), s.in) {
		if i >= len(s.seen) || s.seen[i] != i {
			s.t.Fatalf("origin %d is missing or came out twice: %v", i, s.seen)
		}
	}
}

// want compares what came out with records in JSON.
func (s *stream) want(records ...string) {
	s.t.Helper()
	for i, text := range records {
		var e event.Encoder
		b, _ := e.AppendValue(nil, pack(s.t, text))
		records[i] = string(b)
	}
	for i := range s.out {
		var e event.Encoder
		b, _ := e.AppendValue(nil, pack(s.t, s.out[i])) // names in order
		s.out[i] = string(b)
	}
	if !slices.Equal(s.out, records) {
		s.t.Errorf("got\n%s\nwant\n%s", strings.Join(s.out, "\n"), strings.Join(records, "\n"))
	}
}

// docker is a fragment as Docker's fluentd driver sends it.
func docker(container, id string, ordinal int, last bool, log string) string {
	return fmt.Sprintf(`{"container_id":%q,"source":"stdout","log":%q,"partial_message":"true","partial_id":%q,`+
		`"partial_ordinal":"%d","partial_last":"%t"}`,
		container, log, id, ordinal, last)
}

func TestFragments(t *testing.T) {
	for _, tc := range []struct {
		name     string
		in, want []string
	}{
		{
			"Docker's driver",
			[]string{
				docker("a", "1", 1, false, "one,"), docker("a", "1", 2, false, "two,"),
				docker("a", "1", 3, true, "three"), `{"container_id":"a","source":"stdout","log":"next"}`,
			},
			[]string{
				`{"container_id":"a","source":"stdout","log":"one,two,three"}`,
				`{"container_id":"a","source":"stdout","log":"next"}`,
			},
		},
		{
			"fragments of two lines in turn",
			[]string{
				docker("a", "1", 1, false, "one,"), docker("a", "2", 1, false, "three,"),
				docker("a", "1", 2, true, "two"), docker("a", "2", 2, true, "four"),
			},
			[]string{
				`{"container_id":"a","source":"stdout","log":"one,two"}`,
				`{"container_id":"a","source":"stdout","log":"three,four"}`,
			},
		},
		{
			"containers whose lines have the same id",
			[]string{
				docker("a", "1", 1, false, "a1,"), docker("b", "1", 1, false, "b1,"), docker("b", "1", 2, true, "b2"),
				docker("a", "1", 2, true, "a2"),
			},
			[]string{
				`{"container_id":"b","source":"stdout","log":"b1,b2"}`,
				`{"container_id":"a","source":"stdout","log":"a1,a2"}`,
			},
		},
		{
			"ordinals out of order, the last one first",
			[]string{
				docker("a", "1", 3, true, "three"), docker("a", "1", 1, false, "one,"),
				docker("a", "1", 2, false, "two,"),
			},
			[]string{`{"container_id":"a","source":"stdout","log":"one,two,three"}`},
		},
		{
			"a fragment that was sent twice",
			[]string{
				docker("a", "1", 1, false, "one,"), docker("a", "1", 1, false, "one,"),
				docker("a", "1", 2, true, "two"),
			},
			[]string{`{"container_id":"a","source":"stdout","log":"one,two"}`},
		},
		{
			"another line with the id of one that has no end",
			[]string{
				docker("a", "1", 1, false, "one,"), docker("a", "1", 1, false, "other,"),
				docker("a", "1", 2, true, "two"),
			},
			[]string{
				`{"container_id":"a","source":"stdout","log":"one,","partial_message":"true","partial_id":"1",` +
					`"partial_ordinal":"1","partial_last":"false","_partial":true}`,
				`{"container_id":"a","source":"stdout","log":"other,two"}`,
			},
		},
		{
			"a line of one fragment",
			[]string{docker("a", "1", 1, true, "one")},
			[]string{`{"container_id":"a","source":"stdout","log":"one"}`},
		},
		{
			"marks that are no texts",
			[]string{
				`{"log":"one,","partial_message":true,"partial_id":"1","partial_ordinal":1,"partial_last":false}`,
				`{"log":"two","partial_message":true,"partial_id":"1","partial_ordinal":2,"partial_last":true}`,
			},
			[]string{`{"log":"one,two"}`},
		},
		{
			"no ordinals",
			[]string{
				`{"log":"one,","partial_message":"true","partial_id":"1"}`,
				`{"log":"two","partial_message":"true","partial_id":"1","partial_last":"true"}`,
			},
			[]string{`{"log":"one,two"}`},
		},
		{
			"Docker's driver of old",
			[]string{
				`{"container_id":"a","source":"stdout","log":"one,","partial_message":"true"}`,
				`{"container_id":"b","source":"stdout","log":"b"}`,
				`{"container_id":"a","source":"stderr","log":"e"}`,
				`{"container_id":"a","source":"stdout","log":"two,","partial_message":"true"}`,
				`{"container_id":"a","source":"stdout","log":"three"}`,
				`{"container_id":"a","source":"stdout","log":"next"}`,
			},
			[]string{
				`{"container_id":"b","source":"stdout","log":"b"}`, `{"container_id":"a","source":"stderr","log":"e"}`,
				`{"container_id":"a","source":"stdout","log":"one,two,three"}`,
				`{"container_id":"a","source":"stdout","log":"next"}`,
			},
		},
		{
			"partial_message: false",
			[]string{`{"container_id":"a","log":"one","partial_message":"false"}`},
			[]string{`{"container_id":"a","log":"one","partial_message":"false"}`},
		},
		{
			"logtag",
			[]string{
				`{"stream":"stdout","logtag":"P","message":"one,"}`, `{"stream":"stderr","logtag":"F","message":"e"}`,
				`{"stream":"stdout","logtag":"P","message":"two,"}`,
				`{"stream":"stdout","logtag":"F","message":"three"}`,
				`{"stream":"stdout","logtag":"F","message":"next"}`,
			},
			[]string{
				`{"stream":"stderr","logtag":"F","message":"e"}`,
				`{"stream":"stdout","logtag":"F","message":"one,two,three"}`,
				`{"stream":"stdout","logtag":"F","message":"next"}`,
			},
		},
		{
			"_p, of two pods",
			[]string{
				`{"_p":"P","log":"a1,","stream":"stdout","kubernetes":{"pod_name":"a"}}`,
				`{"_p":"P","log":"b1,","stream":"stdout","kubernetes":{"pod_name":"b"}}`,
				`{"_p":"F","log":"a2","stream":"stdout","kubernetes":{"pod_name":"a"}}`,
				`{"_p":"F","log":"b2","stream":"stdout","kubernetes":{"pod_name":"b"}}`,
			},
			[]string{
				`{"_p":"F","log":"a1,a2","stream":"stdout","kubernetes":{"pod_name":"a"}}`,
				`{"_p":"F","log":"b1,b2","stream":"stdout","kubernetes":{"pod_name":"b"}}`,
			},
		},
		{
			"a tag with more words",
			[]string{
				`{"logtag":"P:x","log":"one,"}`, `{"logtag":"F:x","log":"two"}`, `{"logtag":"Part","log":"three"}`,
			},
			[]string{`{"logtag":"F:x","log":"one,two"}`, `{"logtag":"Part","log":"three"}`},
		},
		{
			"lines of Docker's files",
			[]string{
				`{"log":"aa\n","stream":"stdout"}`, `{"log":"aa\n","stream":"stderr"}`,
				`{"log":"bb","stream":"stdout"}`, `{"log":"cc\n","stream":"stdout"}`,
				`{"log":"dd","stream":"stderr"}`, `{"log":"ee\n","stream":"stderr"}`,
			},
			[]string{
				`{"log":"aa\n","stream":"stdout"}`, `{"log":"aa\n","stream":"stderr"}`,
				`{"log":"bbcc\n","stream":"stdout"}`, `{"log":"ddee\n","stream":"stderr"}`,
			},
		},
		{
			"the first line of Docker's file is in fragments",
			[]string{
				`{"log":"one,","stream":"stdout"}`, `{"log":"two,","stream":"stdout"}`,
				`{"log":"three\n","stream":"stdout"}`,
			},
			[]string{`{"log":"one,two,three\n","stream":"stdout"}`},
		},
		{
			"the lines of others have no line feeds",
			[]string{`{"log":"one","stream":"stdout"}`, `{"log":"two","stream":"stdout"}`, `{"log":"three"}`},
			[]string{`{"log":"three"}`, `{"log":"one","stream":"stdout"}`, `{"log":"two","stream":"stdout"}`},
		},
		{
			"what has no text",
			[]string{`{"partial_message":"true","partial_id":"1"}`, `{"log":{"a":1},"logtag":"P"}`, `{}`},
			[]string{`{"partial_message":"true","partial_id":"1"}`, `{"log":{"a":1},"logtag":"P"}`, `{}`},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newStream(t, defaults())
			s.send(start(), tc.in...)
			s.end()
			s.want(tc.want...)
		})
	}
}

// What waits too long goes on as far as it is there; a hole is not closed.
func TestWaitingEnds(t *testing.T) {
	second := func(n int) time.Time { return start().Add(time.Duration(n) * time.Second) }
	s := newStream(t, defaults())
	s.send(second(0), docker("a", "1", 1, false, "one,"))
	s.send(second(1), docker("a", "1", 2, false, "two,"), docker("a", "1", 4, true, "four"))
	if due := s.j.Due(); due != second(6) {
		t.Errorf("due at %v, want 5 s after the last fragment", due)
	}
	s.j.Flush(second(5), false, s.emit)
	s.want()
	s.j.Flush(second(6), false, s.emit)
	piece := func(ordinal int, last bool, log string) string {
		return strings.TrimSuffix(docker("a", "1", ordinal, last, log), "}") + `,"_partial":true}`
	}
	s.want(piece(1, false, "one,two,"), piece(4, true, "four"))
	s.end()
}

// What is too long goes on in pieces, the end too.
func TestMaxBytes(t *testing.T) {
	c := defaults()
	c.MaxBytes = 8
	s := newStream(t, c)
	s.send(start(), `{"logtag":"P","log":"1234"}`, `{"logtag":"P","log":"5678"}`, `{"logtag":"P","log":"90"}`,
		`{"logtag":"F","log":"."}`,
		`{"logtag":"F","log":"a line that is long as it came"}`, `{"logtag":"P","log":"a fragment that is"}`,
		`{"logtag":"F","log":"!"}`, `{"logtag":"F","log":"ok"}`)
	s.want(`{"logtag":"P","log":"12345678","_partial":true}`, `{"logtag":"P","log":"90.","_partial":true}`,
		`{"logtag":"F","log":"a line that is long as it came"}`,
		`{"logtag":"P","log":"a fragment that is","_partial":true}`, `{"logtag":"F","log":"!","_partial":true}`,
		`{"logtag":"F","log":"ok"}`)
	s.end()

	s = newStream(t, c)
	s.send(start(), docker("a", "1", 1, false, "1234"), docker("a", "1", 3, false, "90ab"),
		docker("a", "1", 4, true, "cd"), docker("a", "1", 2, false, "5678"))
	s.end()
	for _, out := range s.out {
		if !strings.Contains(out, `"_partial":true`) {
			t.Errorf("%s is not marked as a piece", out)
		}
	}
}

// A stream whose texts never end in a line feed is left alone once that is known.
func TestLinesWithoutLineFeedsNeedNotWait(t *testing.T) {
	s := newStream(t, defaults())
	for i := range 30 {
		s.send(start(), fmt.Sprintf(`{"log":"line %d","stream":"stdout"}`, i))
	}
	if len(s.out) != 30 {
		t.Errorf("%d of 30 lines went on", len(s.out))
	}
	s.send(start(), `{"log":"another stream","stream":"stderr"}`)
	s.j.Flush(start().Add(5*time.Second), false, s.emit)
	s.send(start(), `{"log":"again","stream":"stderr"}`)
	if len(s.out) != 32 || strings.Contains(strings.Join(s.out, ""), "_partial") {
		t.Errorf("what came out: %q", s.out)
	}
	s.end()
}

// What Docker cuts has 16 KiB: no doubt about those.
func TestTextsOfDockersBuffer(t *testing.T) {
	s := newStream(t, defaults())
	whole := strings.Repeat("x", 16<<10)
	for range 30 {
		s.send(start(), `{"log":"`+whole+`","stream":"stdout"}`)
	}
	s.send(start(), `{"log":"end\n","stream":"stdout"}`)
	s.want(`{"log":"` + strings.Repeat(whole, 30) + `end\n","stream":"stdout"}`)
	s.end()
}

func TestFieldAndKey(t *testing.T) {
	c := defaults()
	c.Field, c.Key = "line.text", "{record.pod}"
	s := newStream(t, c)
	s.send(start(), `{"line":{"text":"a1,"},"pod":"a","logtag":"P"}`, `{"line":{"text":"b1,"},"pod":"b","logtag":"P"}`,
		`{"line":{"text":"a2"},"pod":"a","logtag":"F"}`, `{"line":{"text":"b2"},"pod":"b","logtag":"F"}`)
	s.end()
	s.want(`{"line":{"text":"a1,a2"},"pod":"a","logtag":"F"}`, `{"line":{"text":"b1,b2"},"pod":"b","logtag":"F"}`)
}

// A text is the same text as str and as bin.
func TestBin(t *testing.T) {
	s := newStream(t, defaults())
	for _, f := range []struct{ tag, text string }{{"P", "one\xff,"}, {"F", "two"}} {
		record := filter.AppendString(filter.AppendString(filter.AppendMapHeader(nil, 2), "logtag"), f.tag)
		record = append(filter.AppendString(record, "log"), 0xc4, byte(len(f.text)))
		s.record(append(record, f.text...), start())
	}
	s.end()
	s.want(`{"logtag":"F","log":"one�,two"}`)
}

func TestTooManyLines(t *testing.T) {
	s := newStream(t, defaults())
	for i := range 16<<10 + 3 {
		s.send(start(), docker("a", strconv.Itoa(i), 1, false, "x"))
	}
	if len(s.out) != 3 {
		t.Errorf("%d went on, want the three oldest", len(s.out))
	}
	s.end()
}

func TestCheck(t *testing.T) {
	for key, c := range map[string]join.Config{"": {}, "field": {Field: "a..b"}, "key": {Key: "{record"}} {
		var r setting.Report
		c.Check(&r)
		if key == "" && len(r.Problems) > 0 || key != "" && (len(r.Problems) != 1 || r.Problems[0].Key != key) {
			t.Errorf("%+v: problems %+v, want one at %q", c, r.Problems, key)
		}
		if _, err := join.New(c); (err == nil) != (key == "") {
			t.Errorf("%+v: New: %v", c, err)
		}
	}
}
