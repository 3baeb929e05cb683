package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// plainFields are the names by default.
var plainFields = Fields{Time: "@timestamp", Tag: "tag", Cluster: "cluster"}

func TestAppendValue(t *testing.T) {
	for name, tc := range map[string]struct{ b, want string }{
		"nil":                   {"c0", "null"},
		"true":                  {"c3", "true"},
		"false":                 {"c2", "false"},
		"2⁶⁴-1":                 {"cf ffffffffffffffff", "18446744073709551615"},
		"-2⁶³":                  {"d3 8000000000000000", "-9223372036854775808"},
		"fixints":               {"93 00 7f ff", "[0,127,-1]"},
		"uint8, 16, 32":         {"93 cc ff cd ffff ce ffffffff", "[255,65535,4294967295]"},
		"int8, 16, 32":          {"93 d0 80 d1 8000 d2 80000000", "[-128,-32768,-2147483648]"},
		"float32":               {"ca 3dcccccd", "0.1"},
		"float64":               {"cb 3fb999999999999a", "0.1"},
		"whole float":           {"cb 4000000000000000", "2.0"},
		"zero":                  {"cb 0000000000000000", "0.0"},
		"negative zero":         {"cb 8000000000000000", "-0.0"},
		"1e21":                  {"cb 444b1ae4d6e2ef50", "1e+21"},
		"1e20":                  {"cb 4415af1d78b58c40", "100000000000000000000.0"},
		"1e-7":                  {"cb 3e7ad7f29abcaf48", "1e-7"},
		"float32 of 1e-6":       {"ca 358637bd", "0.000001"},
		"smallest":              {"cb 0000000000000001", "5e-324"},
		"NaN":                   {"cb 7ff8000000000000", "null"},
		"Inf":                   {"ca 7f800000", "null"},
		"-Inf":                  {"cb fff0000000000000", "null"},
		"empty":                 {"a0", `""`},
		"escapes":               {"a8 225c080c0a0d0900", `"\"\\\b\f\n\r\t\u0000"`},
		"DEL, slash, HTML":      {"a5 7f 2f 3c 3e 26", "\"\x7f/<>&\""},
		"U+2028":                {"a3 e280a8", "\"\u2028\""},
		"Korean":                {"a6 ed959c eab880", `"한글"`},
		"Latin-1":               {"a4 63 61 66 e9", "\"caf\ufffd\""},
		"cut rune":              {"a2 ed95", "\"\ufffd\ufffd\""},
		"surrogate":             {"a3 eda080", "\"\ufffd\ufffd\ufffd\""},
		"overlong":              {"a2 c0af", "\"\ufffd\ufffd\""},
		"beyond U+10FFFF":       {"a4 f4908080", "\"\ufffd\ufffd\ufffd\ufffd\""},
		"bad before an escape":  {"a3 ff 22 ff", "\"\ufffd\\\"\ufffd\""},
		"bin of text":           {"c4 02 6162", `"ab"`},
		"bin of Latin-1":        {"c4 04 63 61 66 e9", "\"caf\ufffd\""},
		"bin":                   {"c4 02 ff00", "\"\ufffd\\u0000\""},
		"EventTime":             {"d7 00 65000000 00000000", `"2023-09-12T06:06:56Z"`},
		"EventTime with ns":     {"c7 08 00 65000000 1dcd6500", `"2023-09-12T06:06:56.5Z"`},
		"no EventTime":          {"d7 00 65000000 3b9aca00", `{"type":0,"data":"ZQAAADuaygA="}`},
		"ext -1":                {"d6 ff 65000000", `{"type":-1,"data":"ZQAAAA=="}`},
		"ext of none":           {"c7 00 05", `{"type":5,"data":""}`},
		"map":                   {"82 a161 01 a162 80", `{"a":1,"b":{}}`},
		"arrays":                {"92 90 91 90", `[[],[[]]]`},
		"a key twice":           {"83 a161 01 a162 02 a161 03", `{"b":2,"a":3}`},
		"a key twice, inside":   {"81 a178 82 a161 01 a161 02", `{"x":{"a":2}}`},
		"a key twice, in turns": {"84 a161 01 a162 02 a161 03 a162 04", `{"a":3,"b":4}`},
		"bin and str keys":      {"82 a161 01 c4 01 61 02", `{"a":2}`},
		"int and str keys":      {"82 a131 01 01 02", `{"1":2}`},
		"two spoilt keys":       {"82 a1ff 01 a1fe 02", "{\"\ufffd\":2}"},
		"keys": {
			"88 c0 01 c3 02 05 03 cb 3ff8000000000000 04 92 01 a161 05 81 a161 01 06 c4 01 ff 07 a0 08",
			`{"null":1,"true":2,"5":3,"1.5":4,"[1,\"a\"]":5,"{\"a\":1}":6,"` + "\ufffd" + `":7,"":8}`,
		},
		"ext keys": {
			"82 d7 00 65000000 00000000 01 d4 07 ff 02",
			`{"2023-09-12T06:06:56Z":1,"{\"type\":7,\"data\":\"/w==\"}":2}`,
		},
		"NaN as a key":          {"81 cb 7ff8000000000000 01", `{"null":1}`},
		"keys in keys":          {"81 91 81 91 01 02 03", `{"[{\"[1]\":2}]":3}`},
		"keys in keys in keys":  {"81 81 81 81 01 02 03 04 05", `{"{\"{\\\"gQEC\\\":3}\":4}":5}`},
		"equal keys in a key":   {"81 82 01 02 01 03 04", `{"{\"1\":3}":4}`},
		"long text":             {"d9 21 " + strings.Repeat("61", 32) + "22", `"` + strings.Repeat("a", 32) + `\""`},
		"str16, bin16, array16": {"dc 0002 da 0001 61 c5 0001 62", `["a","b"]`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := NewEncoder(Fields{}).AppendValue([]byte("x"), raw(t, tc.b))
			if err != nil || string(got) != "x"+tc.want {
				t.Fatalf("got %s, error %v\nwant x%s", got, err, tc.want)
			}
			if !json.Valid(got[1:]) {
				t.Error("not valid JSON")
			}
		})
	}
}

func TestAppendValueOnDamage(t *testing.T) {
	whole := raw(t, "83 a161 92 01 cb 3ff8000000000000 92 01 02 d9 02 6162 a163 81 c4 01 ff d7 00 65000000 00000000")
	e := NewEncoder(Fields{})
	if _, err := e.AppendValue(nil, whole); err != nil {
		t.Fatal(err)
	}
	for cut := range whole {
		if got, err := e.AppendValue([]byte("x"), whole[:cut]); !errors.Is(err, ErrTruncated) || string(got) != "x" {
			t.Errorf("cut at %d: got %s, error %v", cut, got, err)
		}
	}
	if _, err := e.AppendValue(nil, nest(100, 0x91)); err != nil {
		t.Error(err)
	}
	if _, err := e.AppendValue(nil, nest(101, 0x91)); !errors.Is(err, errTooNested) {
		t.Errorf("101 levels: error %v", err)
	}
	if _, err := e.AppendValue(nil, []byte{0x91, 0xc1}); !errors.Is(err, ErrReserved) {
		t.Errorf("reserved: error %v", err)
	}
}

// TestManyKeys has keys that end up equal in maps on both sides of smallMap, and nests such maps.
func TestManyKeys(t *testing.T) {
	for _, n := range []int{1, smallMap - 1, smallMap, smallMap + 1, 2000} {
		for _, repeated := range []int{0, 1, n} {
			b := raw(t, "92 c0 de 0000")
			b[3], b[4] = byte((n+repeated)>>8), byte(n+repeated)
			want := map[string]any{}
			for i := range n + repeated {
				key := fmt.Sprintf("key-%d-of-them", i%n)
				inner := map[string]any{"a": i, "b": []any{map[string]any{"c": i}}}
				b = append(append(b, pack(t, key)...), pack(t, inner)...)
				want[key] = inner
			}
			got, err := NewEncoder(Fields{}).AppendValue(nil, b)
			if err != nil {
				t.Fatal(err)
			}
			wantJSON, err := json.Marshal([]any{nil, want})
			if err != nil || !bytes.Equal(sorted(t, got), wantJSON) || bytes.Count(got, []byte("key-")) != n {
				t.Errorf("%d keys and %d repeated: got %.300s", n, repeated, got)
			}
		}
	}
}

// sorted returns JSON with the keys in order.
func sorted(tb testing.TB, b []byte) []byte {
	tb.Helper()
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		tb.Fatalf("%v in %.300s", err, b)
	}
	out, err := json.Marshal(v)
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

// TestKeysOfKeys holds that keys nested in keys do not grow with every level.
func TestKeysOfKeys(t *testing.T) {
	b := append(bytes.Repeat([]byte{0x81}, 90), 0xa1, '"')
	b = append(b, bytes.Repeat([]byte{0xa1, '"'}, 90)...)
	got, err := NewEncoder(Fields{}).AppendValue(nil, b)
	if err != nil || !json.Valid(got) || len(got) > 4*len(b) {
		t.Errorf("%d bytes for %d, error %v", len(got), len(b), err)
	}
}

func TestAppendEvent(t *testing.T) {
	type m = map[string]any
	chunk := &Chunk{Seq: 3, Cluster: "seoul", Tag: "kube.a\"b", Parts: []Part{{Key: [16]byte{1}, First: 5, Events: 9}}}
	group := AppendEntry(nil, raw(t, "d7 00 ffffffff 00000000"), pack(t, m{"schema": "otlp", "x": 1}),
		pack(t, m{"resource": m{"host": "h"}, "x": 2}))
	all := Fields{Time: "@timestamp", Tag: "tag", Cluster: "cluster", Metadata: "meta", ID: "id"}
	static := map[string]map[string]string{"seoul": {"region": "ap", "env": "p\n"}, "tokyo": {"region": "jp"}}
	for name, tc := range map[string]struct {
		fields Fields
		static map[string]map[string]string
		ev     Event
		want   string
	}{
		"by default": {
			fields: plainFields,
			ev:     Event{Time: Time{1700000000, 0}, Record: raw(t, "81 a161 01"), Metadata: raw(t, "81 a161 01")},
			want:   `{"a":1,"@timestamp":"2023-11-14T22:13:20Z","tag":"kube.a\"b","cluster":"seoul"}`,
		},
		"nothing": {ev: Event{Record: raw(t, "80")}, want: `{}`},
		"empty record": {
			fields: plainFields, ev: Event{Time: Time{0, 1}, Record: raw(t, "80")},
			want: `{"@timestamp":"1970-01-01T00:00:00.000000001Z","tag":"kube.a\"b","cluster":"seoul"}`,
		},
		"what is added wins": {
			fields: plainFields, static: static, ev: Event{
				Record: pack(t, m{
					"cluster": "other", "tag": 1, "@timestamp": nil, "region": m{"a": m{}}, "id": 1,
					"meta": m{"cluster": 2},
				}),
			},
			want: `{"id":1,"meta":{"cluster":2},"@timestamp":"1970-01-01T00:00:00Z","tag":"kube.a\"b",` +
				`"cluster":"seoul","env":"p\n","region":"ap"}`,
		},
		"also over keys in bin, twice": {
			fields: plainFields, ev: Event{Record: raw(t, "83 c4 03 746167 01 a3 746167 02 a161 03")},
			want: `{"a":3,"@timestamp":"1970-01-01T00:00:00Z","tag":"kube.a\"b","cluster":"seoul"}`,
		},
		"also with equal keys": {
			fields: Fields{Tag: "tag"}, ev: Event{Record: raw(t, "84 a161 01 a3 746167 02 a161 03 a3 746167 04")},
			want: `{"a":3,"tag":"kube.a\"b"}`,
		},
		"metadata": {
			fields: all,
			ev:     Event{Pos: 2, Metadata: pack(t, m{"x": 3, "y": 4}), Record: pack(t, m{"id": 0, "meta": 0})},
			want: `{"@timestamp":"1970-01-01T00:00:00Z","tag":"kube.a\"b","cluster":"seoul","meta":{"x":3,"y":4},` +
				`"id":"AQAAAAAAAAAAAAAAAAAAAA-7"}`,
		},
		"no metadata": {
			fields: Fields{Metadata: "meta"}, ev: Event{Metadata: raw(t, "80"), Record: pack(t, m{"meta": 0})},
			want: `{"meta":0}`,
		},
		"metadata with equal keys": {
			fields: Fields{Metadata: "meta"}, ev: Event{Metadata: raw(t, "82 a161 01 a161 02"), Record: raw(t, "80")},
			want: `{"meta":{"a":2}}`,
		},
		"group": {
			fields: Fields{Metadata: "meta"}, ev: Event{Group: group, Metadata: raw(t, "80"), Record: raw(t, "80")},
			want: `{"meta":{"schema":"otlp","resource":{"host":"h"},"x":2}}`,
		},
		"group and metadata": {
			fields: Fields{Metadata: "meta"},
			ev:     Event{Group: group, Metadata: pack(t, m{"x": 3}), Record: raw(t, "80")},
			want:   `{"meta":{"schema":"otlp","resource":{"host":"h"},"x":3}}`,
		},
		"names that clash": {
			fields: Fields{Time: "t", Tag: "t", Cluster: "c", ID: "c"},
			static: map[string]map[string]string{"seoul": {"t": "x", "d": "y"}},
			ev:     Event{Record: raw(t, "80")}, want: `{"t":"1970-01-01T00:00:00Z","c":"seoul","d":"y"}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := NewEncoder(tc.fields)
			e.SetClusterFields(tc.static)
			tc.ev.Chunk = chunk
			for range 2 { // the second time with what it remembers
				got, err := e.AppendEvent([]byte("x"), &tc.ev)
				if err != nil || string(got) != "x"+tc.want {
					t.Fatalf("got %s, error %v\nwant x%s", got, err, tc.want)
				}
			}
		})
	}
}

// TestEncoderRemembers holds that nothing of an event, a tag or a cluster stays for the next.
func TestEncoderRemembers(t *testing.T) {
	e := NewEncoder(plainFields)
	e.SetClusterFields(map[string]map[string]string{"a": {"region": "x"}})
	render := func(cluster, tag string, sec int64, record string) string {
		got, err := e.AppendEvent(nil, &Event{
			Chunk: &Chunk{Cluster: cluster, Tag: tag}, Time: Time{Sec: sec}, Record: raw(t, record),
		})
		if err != nil {
			return err.Error()
		}
		return string(got)
	}
	region := "81 a6 726567696f6e 01" // {"region": 1}
	for _, tc := range []struct{ got, want string }{
		{render("a", "t", 0, region), `{"@timestamp":"1970-01-01T00:00:00Z","tag":"t","cluster":"a","region":"x"}`},
		{render("b", "t", 0, region), `{"region":1,"@timestamp":"1970-01-01T00:00:00Z","tag":"t","cluster":"b"}`},
		{render("b", "u", 1, "80"), `{"@timestamp":"1970-01-01T00:00:01Z","tag":"u","cluster":"b"}`},
		{render("b", "u", 1, "81 a161"), "render event 0 of chunk 0 as JSON: " + ErrTruncated.Error()},
		{render("b", "u", 1, "90"), "render event 0 of chunk 0 as JSON: not a map"},
		{
			render("a", "u", 1, "82 a161 01 a161 02"),
			`{"a":2,"@timestamp":"1970-01-01T00:00:01Z","tag":"u","cluster":"a","region":"x"}`,
		},
		{render("a", "u", 1, "80"), `{"@timestamp":"1970-01-01T00:00:01Z","tag":"u","cluster":"a","region":"x"}`},
	} {
		if tc.got != tc.want {
			t.Errorf("got  %s\nwant %s", tc.got, tc.want)
		}
	}
}

// TestKnownKeys renders maps of all kinds of keys, many more than an Encoder knows at once, with one Encoder in turn
// and with a new one for each: what was written before changes nothing.
func TestKnownKeys(t *testing.T) {
	var records [][]byte
	for i := range 2000 {
		long := strings.Repeat("x", i%40)
		records = append(records, pack(t, map[string]any{
			fmt.Sprint("key", i): i, long: 1, "a\"" + long: 2, "\xff" + long: 3, "같은" + long: 4, "time": 5,
			"tag": 6,
		}))
	}
	e := NewEncoder(plainFields)
	for round := range 2 {
		for i, record := range records {
			ev := &Event{Chunk: &Chunk{Cluster: "c", Tag: "t"}, Record: record}
			got, err := e.AppendEvent(nil, ev)
			want, werr := NewEncoder(plainFields).AppendEvent(nil, ev)
			if err != nil || werr != nil || !bytes.Equal(got, want) || !json.Valid(got) {
				t.Fatalf("record %d in round %d:\ngot  %s, %v\nwant %s, %v", i, round, got, err, want, werr)
			}
		}
	}
	// A key that is known is still found twice, whatever its type.
	twice := &Event{Chunk: &Chunk{}, Record: raw(t, "83 a4 74696d65 01 c4 04 74696d65 02 d9 04 74696d65 03")}
	if got, err := e.AppendEvent(nil, twice); err != nil || !strings.HasPrefix(string(got), `{"time":3,"@timestamp"`) {
		t.Errorf("%s, %v", got, err)
	}
}

func TestFractions(t *testing.T) {
	for nsec := uint32(1); nsec < 1e9; nsec = nsec*3 + nsec%7 {
		for _, n := range []uint32{nsec, nsec / 1000 * 1000, 1e9 - nsec} {
			want := time.Unix(0, int64(n)).UTC().Format(time.RFC3339Nano)
			if got := appendRFC3339(nil, Time{Nsec: n}); string(got) != want {
				t.Fatalf("%d: got %s, want %s", n, got, want)
			}
		}
	}
}

func TestTimes(t *testing.T) {
	for sec := int64(-5_000_000_000); sec < 1<<33; sec += 86_399 * 7 {
		want := time.Unix(sec, 120_000_000).UTC()
		if got := appendRFC3339(nil, Time{Sec: sec, Nsec: 120_000_000}); string(got) != want.Format(time.RFC3339Nano) {
			t.Fatalf("got %s, want %s", got, want.Format(time.RFC3339Nano))
		}
		year, week := want.ISOWeek()
		c := civilOf(sec)
		if y, w := c.isoWeek(); y != year || w != week || c.yearday != want.YearDay() ||
			c.weekday != int(want.Weekday()) {
			t.Fatalf("%s: ISO week %d of %d, day %d, weekday %d", want, w, y, c.yearday, c.weekday)
		}
	}
}
