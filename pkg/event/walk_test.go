package event

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
)

func TestReadEntry(t *testing.T) {
	const rec = "81 a161 01" // {"a": 1}
	deep := func(n int, head string) []byte {
		return append(raw(t, head), append(bytes.Repeat([]byte{0x81, 0xa1, 'a'}, n-1), 0x80)...)
	}
	for name, tc := range map[string]struct {
		b      []byte
		kind   Kind
		time   Time
		nanos  bool
		meta   string
		reason string
		err    error
	}{
		"EventTime": {
			b: raw(t, "92 d7 00 00000064 0000007b"+rec), kind: KindEvent, time: Time{100, 123}, nanos: true,
		},
		"EventTime as ext8": {b: raw(t, "92 c7 08 00 00000064 00000000"+rec), kind: KindEvent, time: Time{100, 0}},
		"999999999 ns": {
			b: raw(t, "92 d7 00 f0000000 3b9ac9ff"+rec), kind: KindEvent, time: Time{0xf0000000, 999999999},
			nanos: true,
		},
		"10⁹ ns":           {b: raw(t, "92 d7 00 00000064 3b9aca00"+rec), reason: reasonNanos},
		"time 0":           {b: raw(t, "92 00"+rec), kind: KindEvent},
		"uint32":           {b: raw(t, "92 ce 65000000"+rec), kind: KindEvent, time: Time{0x65000000, 0}},
		"int32":            {b: raw(t, "92 d2 65000000"+rec), kind: KindEvent, time: Time{0x65000000, 0}},
		"uint64":           {b: raw(t, "92 cf 00000000f0000000"+rec), kind: KindEvent, time: Time{0xf0000000, 0}},
		"int64":            {b: raw(t, "92 d3 00000000f0000000"+rec), kind: KindEvent, time: Time{0xf0000000, 0}},
		"integer ffffffff": {b: raw(t, "92 ce ffffffff"+rec), kind: KindEvent, time: Time{0xffffffff, 0}},
		"2³²":              {b: raw(t, "92 cf 0000000100000000"+rec), reason: reasonUnit},
		"2⁶⁴-1":            {b: raw(t, "92 cf ffffffffffffffff"+rec), reason: reasonFar},
		"10¹¹-1":           {b: raw(t, "92 cf 000000174876e7ff"+rec), reason: reasonUnit},
		"10¹¹ ms":          {b: raw(t, "92 cf 000000174876e800"+rec), kind: KindEvent, time: Time{100000000, 0}},
		"milliseconds": {
			b: raw(t, "92 cf 0000018bcfe5687b"+rec), kind: KindEvent, time: Time{1700000000, 123000000}, nanos: true,
		},
		"microseconds": {b: raw(t, "92 cf 00060a24181e4000"+rec), kind: KindEvent, time: Time{1700000000, 0}},
		"nanoseconds": {
			b: raw(t, "92 d3 17979cfe362a0001"+rec), kind: KindEvent, time: Time{1700000000, 1}, nanos: true,
		},
		"ms of 2200": {b: raw(t, "92 cf 0000069a00000000"+rec), reason: reasonFar},
		"float µs": {
			b: raw(t, "92 cb 4318289060978480"+rec), kind: KindEvent, time: Time{1700000000, 500000000}, nanos: true,
		},
		"negative": {b: raw(t, "92 ff"+rec), reason: reasonNegative},
		"float64 seconds": {
			b: raw(t, "92 cb 41d954fc4007df3b"+rec), kind: KindEvent, time: Time{1700000000, 123000000}, nanos: true,
		},
		"float64 ms": {
			b: raw(t, "92 cb 4278bcfe5687b000"+rec), kind: KindEvent, time: Time{1700000000, 123000000}, nanos: true,
		},
		"float32":             {b: raw(t, "92 ca 3f800000"+rec), kind: KindEvent, time: Time{1, 0}},
		"float, next second":  {b: raw(t, "92 cb 3fefffffffffffff"+rec), kind: KindEvent, time: Time{1, 0}},
		"float -1":            {b: raw(t, "92 cb bff0000000000000"+rec), reason: reasonNegative},
		"NaN":                 {b: raw(t, "92 cb 7ff8000000000001"+rec), reason: reasonNaN},
		"Inf":                 {b: raw(t, "92 cb 7ff0000000000000"+rec), reason: reasonFar},
		"float 5e9":           {b: raw(t, "92 cb 41f2a05f20000000"+rec), reason: reasonUnit},
		"time nil":            {b: raw(t, "92 c0"+rec), reason: reasonTime},
		"time bool":           {b: raw(t, "92 c3"+rec), reason: reasonTime},
		"time str":            {b: raw(t, "92 a161"+rec), reason: reasonTime},
		"time map":            {b: raw(t, "92 80"+rec), reason: reasonTime},
		"msgpack's timestamp": {b: raw(t, "92 d7 ff 00000064 00000000"+rec), reason: reasonTime},
		"ext of 4":            {b: raw(t, "92 d6 00 00000064"+rec), reason: reasonTime},
		"metadata": {
			b: raw(t, "92 92 d7 00 00000064 00000000 80"+rec), kind: KindEvent, time: Time{100, 0}, meta: "80",
		},
		"array32 and map32": {
			b: raw(t, "dd 00000002 dc 0002 01 df 00000000"+rec), kind: KindEvent, time: Time{1, 0}, meta: "df 00000000",
		},
		"metadata nil":        {b: raw(t, "92 92 01 c0"+rec), kind: KindEvent, time: Time{1, 0}},
		"metadata missing":    {b: raw(t, "92 91 01"+rec), reason: reasonHeader},
		"head empty":          {b: raw(t, "92 90"+rec), reason: reasonHeader},
		"head of three":       {b: raw(t, "92 93 01 80 c0"+rec), kind: KindEvent, time: Time{1, 0}, meta: "80"},
		"three elements":      {b: raw(t, "93 01"+rec+"c0"), kind: KindEvent, time: Time{1, 0}},
		"group start":         {b: raw(t, "92 92 d7 00 ffffffff 00000000 80"+rec), kind: KindGroupStart, meta: "80"},
		"group end":           {b: raw(t, "92 92 d7 00 fffffffe 00000000 80"+rec), kind: KindGroupEnd, meta: "80"},
		"nil":                 {b: raw(t, "c0"), reason: reasonNotArray},
		"int":                 {b: raw(t, "01"), reason: reasonNotArray},
		"map":                 {b: raw(t, rec), reason: reasonNotArray},
		"empty array":         {b: raw(t, "90"), reason: reasonShort},
		"time alone":          {b: raw(t, "91 01"), reason: reasonShort},
		"record str":          {b: raw(t, "92 01 a161"), reason: reasonRecord},
		"record nil":          {b: raw(t, "92 01 c0"), reason: reasonRecord},
		"empty record":        {b: raw(t, "92 01 80"), kind: KindEvent, time: Time{1, 0}},
		"100 levels":          {b: deep(100, "92 01"), kind: KindEvent, time: Time{1, 0}},
		"101 levels":          {b: deep(101, "92 01"), reason: reasonTooNested},
		"101 levels and head": {b: deep(101, "92 92 01 80"), reason: reasonTooNested},
		"999 levels":          {b: deep(999, "92 01"), reason: reasonTooNested},
		"1000 levels":         {b: deep(1000, "92 01"), err: ErrDepth},
		"metadata 100 levels": {
			b: append(deep(100, "92 92 01"), raw(t, rec)...), kind: KindEvent, time: Time{1, 0}, meta: "-",
		},
		"metadata 101 levels": {b: append(deep(101, "92 92 01"), raw(t, rec)...), reason: reasonTooNested},
		"cut":                 {b: raw(t, "92 d7 00 00000064 000000"), err: ErrTruncated},
		"record missing":      {b: raw(t, "92 d7 00 00000064 00000000"), err: ErrTruncated},
		"record cut":          {b: raw(t, "92 01 81 a161"), err: ErrTruncated},
		"array32 of 2³²-1":    {b: raw(t, "dd ffffffff"), err: ErrTruncated},
		"reserved":            {b: raw(t, "92 01 c1"), err: ErrReserved},
		"reserved as time":    {b: raw(t, "92 c1 80"), err: ErrReserved},
		"reserved in record":  {b: raw(t, "92 01 81 a161 c1"), err: ErrReserved},
		"reserved in a bad":   {b: raw(t, "92 c0 c1"), err: ErrReserved},
		"nothing":             {b: nil, err: ErrTruncated},
	} {
		t.Run(name, func(t *testing.T) {
			var e Entry
			rest, err := ReadEntry(append(tc.b[:len(tc.b):len(tc.b)], 0xc0), &e)
			if len(tc.b) == 0 || errors.Is(tc.err, ErrTruncated) {
				rest, err = ReadEntry(tc.b, &e)
			}
			if !errors.Is(err, tc.err) {
				t.Fatalf("error %v, want %v", err, tc.err)
			}
			if err != nil {
				return
			}
			if len(rest) != 1 || !bytes.Equal(e.Raw, tc.b) {
				t.Fatalf("%d bytes left, want 1; raw % x", len(rest), e.Raw)
			}
			if e.Kind != tc.kind || e.Time != tc.time || e.Nanos != tc.nanos || e.Reason != tc.reason {
				t.Errorf("got kind %d, time %v, nanos %v, reason %q; want %d, %v, %v, %q",
					e.Kind, e.Time, e.Nanos, e.Reason, tc.kind, tc.time, tc.nanos, tc.reason)
			}
			if tc.meta != "-" && !bytes.Equal(e.Metadata, raw(t, tc.meta)) {
				t.Errorf("metadata % x, want %s", e.Metadata, tc.meta)
			}
			if (e.Kind != KindInvalid) != (e.Record != nil) {
				t.Errorf("kind %d with the record % x", e.Kind, e.Record)
			}
		})
	}
}

func TestAppendEntry(t *testing.T) {
	for name, meta := range map[string][]byte{"plain": nil, "with metadata": {0x80}} {
		t.Run(name, func(t *testing.T) {
			want := Time{Sec: 1 << 31, Nsec: 5}
			b := AppendEntry([]byte("x"), AppendTime(nil, want), meta, []byte{0x81, 1, 2})
			var e Entry
			rest, err := ReadEntry(b[1:], &e)
			if err != nil || len(rest) > 0 || e.Kind != KindEvent || e.Time != want ||
				!bytes.Equal(e.Metadata, meta) || !bytes.Equal(e.Record, []byte{0x81, 1, 2}) {
				t.Errorf("got %+v, %d bytes left, error %v", e, len(rest), err)
			}
		})
	}
}

// An event whose seconds are those of a group's mark, as an integer or as parsed out of a text, stays an event.
func TestAppendTimeIsNoMark(t *testing.T) {
	for _, sec := range []int64{0xffffffff, 0xfffffffe, -1, -2, 1<<33 - 1} {
		for _, nsec := range []uint32{0, 7} {
			var e Entry
			b := AppendEntry(nil, AppendTime(nil, Time{Sec: sec, Nsec: nsec}), nil, []byte{0x80})
			want := Time{Sec: int64(uint32(sec)), Nsec: max(nsec, 1)}
			if _, err := ReadEntry(b, &e); err != nil || e.Kind != KindEvent || e.Time != want {
				t.Errorf("%d.%09d became %+v, %v", sec, nsec, e, err)
			}
		}
	}
}

// testChunk has an event of each part, in groups and outside.
func testChunk(tb testing.TB) *Chunk {
	tb.Helper()
	var b []byte
	entry := func(sec int64, meta any, record any) {
		var m []byte
		if meta != nil {
			m = pack(tb, meta)
		}
		at := binary.BigEndian.AppendUint32([]byte{0xd7, 0}, uint32(sec))
		b = AppendEntry(b, append(at, 0, 0, 0, 0), m, pack(tb, record))
	}
	type m = map[string]any
	entry(1, nil, m{"n": 0})
	entry(groupStart, m{"schema": "otlp"}, m{"resource": m{"a": 1}})
	entry(2, m{"severity": 9}, m{"n": 1})
	entry(3, m{}, m{"n": 2})
	entry(groupEnd, m{}, m{})
	entry(4, nil, m{"n": 3})
	return &Chunk{
		Seq: 7, Cluster: "c", Tag: "t", Events: 4, Entries: b,
		Parts: []Part{
			{Key: PartKeyOfChunk("c", "t", "id"), Events: 1},
			{Key: [16]byte{1}},
			{Key: PartKeyOfSeq([16]byte{9}, 7, 2), First: 40, Events: 3},
		},
	}
}

func TestIterator(t *testing.T) {
	c := testChunk(t)
	it := c.Iterator()
	var ev Event
	n := 0
	for ; it.Next(&ev); n++ {
		if ev.Chunk != c || ev.Pos != n || ev.Time.Sec != int64(n+1) || (ev.Group != nil) != (n == 1 || n == 2) {
			t.Errorf("event %d: %+v", n, ev)
		}
		if v, ok := Lookup(ev.Record, "n"); !ok || len(v) != 1 || int(v[0]) != n {
			t.Errorf("event %d: n is % x", n, v)
		}
	}
	if n != c.Events || it.Err() != nil {
		t.Errorf("%d events, error %v", n, it.Err())
	}
}

func TestIteratorOnDamage(t *testing.T) {
	whole := testChunk(t)
	for cut := range len(whole.Entries) {
		c := &Chunk{Entries: whole.Entries[:cut]}
		it := c.Iterator()
		var ev Event
		n := 0
		for it.Next(&ev) {
			n++
		}
		if it.Next(&ev) {
			t.Fatalf("cut at %d: goes on after the end", cut)
		}
		var e Entry
		rest, err := c.Entries, error(nil)
		for len(rest) > 0 && err == nil {
			rest, err = ReadEntry(rest, &e)
		}
		if (err != nil) != (it.Err() != nil) {
			t.Errorf("cut at %d: error %v, ReadEntry says %v", cut, it.Err(), err)
		}
	}
}

func TestAppendID(t *testing.T) {
	c := testChunk(t)
	var first, again []string
	it := c.Iterator()
	var ev Event
	for it.Next(&ev) {
		first = append(first, string(ev.AppendID(nil)))
		bare := Event{Chunk: c, Pos: ev.Pos} // made without the iterator
		again = append(again, string(bare.AppendID(nil)))
	}
	want := []string{
		"oThNpfL8Gn61Xu4O9v1NBg-0", "QvLme3efMKpiqCc3msx_gw-40",
		"QvLme3efMKpiqCc3msx_gw-41", "QvLme3efMKpiqCc3msx_gw-42",
	}
	for i := range want {
		if first[i] != want[i] || again[i] != want[i] {
			t.Errorf("event %d: ids %s and %s, want %s", i, first[i], again[i], want[i])
		}
	}
	for name, ev := range map[string]Event{
		"without parts": {Chunk: &Chunk{}}, "beyond the parts": {Chunk: c, Pos: 4},
	} {
		if id := ev.AppendID(nil); len(id) > 0 {
			t.Errorf("%s: id %s", name, id)
		}
	}
}

// TestAppendChunkID: the id is of the agent's chunk where there is one, whatever the part's own key is.
func TestAppendChunkID(t *testing.T) {
	key := PartKeyOfSeq([16]byte{1}, 2, 0)
	with := Part{Key: key, Chunk: PartKeyOfChunk("c", "t", "agent's"), First: 5, Events: 3}
	resent := Part{Key: PartKeyOfSeq([16]byte{9}, 9, 0), Chunk: with.Chunk, First: 5, Events: 3}
	without := Part{Key: key, First: 5, Events: 3}
	id := func(p Part, joined uint64) string {
		ev := Event{Chunk: &Chunk{Parts: []Part{{Events: 1}, p}}, Pos: 2, Joined: joined}
		return string(ev.AppendChunkID(nil))
	}
	switch {
	case id(with, 0) != id(resent, 0) || !strings.HasSuffix(id(with, 0), "-6"):
		t.Errorf("to two servers: %s and %s", id(with, 0), id(resent, 0))
	case id(with, 0) == id(without, 0) || id(with, 0) == id(with, 1):
		t.Errorf("not told apart: %s, %s, %s", id(with, 0), id(without, 0), id(with, 1))
	}
	ev := Event{Chunk: &Chunk{Parts: []Part{without}}}
	if got, want := string(ev.AppendChunkID(nil)), string(ev.AppendID(nil)); got != want {
		t.Errorf("without a chunk id: %s, want %s", got, want)
	}
	if got := (&Event{Chunk: &Chunk{}}).AppendChunkID(nil); len(got) > 0 {
		t.Errorf("without parts: %s", got)
	}
}

func TestPartKeys(t *testing.T) {
	keys := map[[16]byte]string{}
	for name, key := range map[string][16]byte{
		"a":         PartKeyOfChunk("ab", "c", "d"),
		"b":         PartKeyOfChunk("a", "bc", "d"),
		"c":         PartKeyOfChunk("a", "b", "cd"),
		"sequence":  PartKeyOfSeq([16]byte{1}, 1, 2),
		"other seq": PartKeyOfSeq([16]byte{1}, 2, 1),
		"other id":  PartKeyOfSeq([16]byte{2}, 1, 2),
	} {
		if other, ok := keys[key]; ok {
			t.Errorf("%s and %s are equal", name, other)
		}
		keys[key] = name
	}
}
