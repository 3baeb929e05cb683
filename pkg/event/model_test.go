package event

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"
)

// tree is a value of a record as the model has it: its msgpack, and what it must be in JSON.
type tree struct {
	packed []byte
	// json is the value; text is what stands for it alone, in a placeholder or as a key, but for nil.
	json, text string
	isText     bool
	// names and members are those of a map, in order.
	names   []tree
	members []tree
}

// forest makes trees, by chance.
type forest struct{ *rand.Rand }

// quote is a JSON string as encoding/json has it, but for what that escapes for the sake of HTML and JavaScript.
func quote(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	// A string is always JSON; of bytes that are no UTF-8 each is one U+FFFD.
	_ = e.Encode(string([]rune(s)))
	return strings.TrimSuffix(b.String(), "\n")
}

// head appends a head with a length that is as narrow as may be, or wider.
func (f forest) head(n int, codes ...byte) []byte {
	var fits [][]byte
	for _, c := range codes {
		switch {
		case c >= 0x80 && c < 0xc0:
			if limit := map[byte]int{0x80: 16, 0x90: 16, 0xa0: 32}[c]; n < limit {
				fits = append(fits, []byte{c | byte(n)})
			}
		case c == 0xc4 || c == 0xd9:
			if n < 1<<8 {
				fits = append(fits, []byte{c, byte(n)})
			}
		case c == 0xc5 || c == 0xda || c == 0xdc || c == 0xde:
			fits = append(fits, binary.BigEndian.AppendUint16([]byte{c}, uint16(n)))
		default:
			fits = append(fits, binary.BigEndian.AppendUint32([]byte{c}, uint32(n)))
		}
	}
	return fits[f.IntN(len(fits))]
}

// words returns text of few different words, so that keys are often equal, with all that JSON escapes.
func (f forest) words() string {
	words := []string{
		"", "a", "b", "log", "kubernetes", "é", "서울", "😀", "\xe9", "\xed\xa0\x80", "\"", `\`, "\n", "\r\n",
		"\t", "\x00",
		"\x1f", "\x7f", "<&>", "a.b", "0", "true", "null", "{}", "/", "\ufffd", "\ufeff",
	}
	var b strings.Builder
	for range 1 + f.IntN(3)*f.IntN(3) {
		b.WriteString(words[f.IntN(len(words))])
	}
	return b.String()
}

func (f forest) str() tree {
	s := f.words()
	if f.IntN(20) == 0 {
		s = strings.Repeat(s, f.IntN(300))
	}
	codes := []byte{0xa0, 0xd9, 0xda, 0xdb}
	if f.IntN(4) == 0 {
		codes = []byte{0xc4, 0xc5, 0xc6}
	}
	return tree{packed: append(f.head(len(s), codes...), s...), json: quote(s), text: string([]rune(s)), isText: true}
}

// plain is a value whose text alone is its JSON.
func plain(text string, packed ...byte) tree { return tree{packed: packed, json: text, text: text} }

func (f forest) integer() tree {
	edges := []int64{
		0, 1, -1, 127, 128, -32, -33, 255, 256, -128, -129, 32767, 65535, 65536, math.MaxInt32, math.MinInt32,
		math.MaxUint32, math.MaxInt64, math.MinInt64,
	}
	v := edges[f.IntN(len(edges))] + int64(f.IntN(3)-1)
	forms := [][]byte{binary.BigEndian.AppendUint64([]byte{0xd3}, uint64(v))}
	add := func(fits bool, form []byte) {
		if fits {
			forms = append(forms, form)
		}
	}
	add(v >= -32 && v < 128, []byte{byte(v)})
	add(v >= 0, binary.BigEndian.AppendUint64([]byte{0xcf}, uint64(v)))
	add(v >= 0 && v <= math.MaxUint8, []byte{0xcc, byte(v)})
	add(v >= 0 && v <= math.MaxUint16, binary.BigEndian.AppendUint16([]byte{0xcd}, uint16(v)))
	add(v >= 0 && v <= math.MaxUint32, binary.BigEndian.AppendUint32([]byte{0xce}, uint32(v)))
	add(v >= math.MinInt8 && v <= math.MaxInt8, []byte{0xd0, byte(v)})
	add(v >= math.MinInt16 && v <= math.MaxInt16, binary.BigEndian.AppendUint16([]byte{0xd1}, uint16(v)))
	add(v >= math.MinInt32 && v <= math.MaxInt32, binary.BigEndian.AppendUint32([]byte{0xd2}, uint32(v)))
	return plain(strconv.FormatInt(v, 10), forms[f.IntN(len(forms))]...)
}

func (f forest) float() tree {
	v := []float64{
		0, math.Copysign(0, -1), 1, -1, 0.1, 1e20, 1e21, -1e21, 1e-6, 1e-7, 123456789.125, math.MaxFloat64,
		math.SmallestNonzeroFloat64, math.Inf(1), math.NaN(), f.Float64(), f.NormFloat64() * 1e10,
	}[f.IntN(17)]
	single := f.IntN(3) == 0
	packed := binary.BigEndian.AppendUint64([]byte{0xcb}, math.Float64bits(v))
	var marshalled []byte
	var err error
	if single {
		packed = binary.BigEndian.AppendUint32([]byte{0xca}, math.Float32bits(float32(v)))
		marshalled, err = json.Marshal(float32(v))
	} else {
		marshalled, err = json.Marshal(v)
	}
	if err != nil {
		// JSON has neither infinities nor NaN.
		return plain("null", packed...)
	}
	text := string(marshalled)
	if !strings.ContainsAny(text, ".e") {
		text += ".0"
	}
	return plain(text, packed...)
}

func (f forest) ext() tree {
	if f.IntN(2) == 0 {
		sec, nsec := f.Uint32(), f.Uint32N(1e9)
		packed := []byte{0xd7, 0}
		if f.IntN(2) == 0 {
			packed = []byte{0xc7, 8, 0}
		}
		packed = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(packed, sec), nsec)
		text := time.Unix(int64(sec), int64(nsec)).UTC().Format(time.RFC3339Nano)
		return tree{packed: packed, json: `"` + text + `"`, text: text, isText: true}
	}
	data := make([]byte, 1<<f.IntN(5))
	for i := range data {
		data[i] = byte(f.Uint32())
	}
	id := int8(f.IntN(256))
	if id == 0 {
		id = -1
	}
	packed := append([]byte{0xc7, byte(len(data)), byte(id)}, data...)
	return plain(fmt.Sprintf(`{"type":%d,"data":%q}`, id, base64.StdEncoding.EncodeToString(data)), packed...)
}

func (f forest) value(depth int) tree {
	switch n := f.IntN(12); {
	case n == 0:
		return tree{packed: []byte{0xc0}, json: "null"}
	case n == 1:
		return plain("false", 0xc2)
	case n == 2:
		return plain("true", 0xc3)
	case n < 5:
		return f.integer()
	case n == 5:
		return f.float()
	case n == 6:
		return f.ext()
	case n < 9 && depth > 0:
		return f.object(depth)
	case n == 9 && depth > 0:
		return f.array(depth)
	}
	return f.str()
}

func (f forest) array(depth int) tree {
	n := f.IntN(5)
	t := tree{packed: f.head(n, 0x90, 0xdc, 0xdd)}
	var items []string
	for range n {
		item := f.value(depth - 1)
		t.packed = append(t.packed, item.packed...)
		items = append(items, item.json)
	}
	t.json = "[" + strings.Join(items, ",") + "]"
	t.text = t.json
	return t
}

// object makes a map, now and then of more members than are written at once, with keys that are alike. Its keys may be
// maps, whose own keys are none.
func (f forest) object(depth int) tree {
	n := f.IntN(8)
	if f.IntN(15) == 0 {
		n = 20 + f.IntN(40)
	}
	t := tree{packed: f.head(n, 0x80, 0xde, 0xdf)}
	last := map[string]int{}
	for i := range n {
		key := f.str()
		if f.IntN(8) == 0 {
			key = f.value(min(depth-1, 1))
		}
		value := f.value(depth - 1)
		t.packed = append(append(t.packed, key.packed...), value.packed...)
		t.names, t.members = append(t.names, key), append(t.members, value)
		last[key.name()] = i
	}
	var members []string
	for i := range t.names {
		if name := t.names[i].name(); last[name] == i {
			members = append(members, quote(name)+":"+t.members[i].json)
		}
	}
	t.json = "{" + strings.Join(members, ",") + "}"
	t.text = t.json
	return t
}

// name is the value as an object's key.
func (t *tree) name() string {
	if t.text == "" && !t.isText {
		return "null"
	}
	return t.text
}

// Whatever agents send is rendered as the model has it: each value, each key, in its order, of equal keys the last.
func TestModel(t *testing.T) {
	const seed = 20260301
	enc := NewEncoder(Fields{})
	chunk := &Chunk{Cluster: "c", Tag: "t"}
	for i := range uint64(1500) {
		f := forest{rand.New(rand.NewPCG(seed, i))}
		record := f.object(4)
		got, err := enc.AppendValue([]byte("before"), record.packed)
		if err != nil || string(got) != "before"+record.json {
			t.Fatalf("tree %d, %x:\n%s, %v, want\n%s", i, record.packed, got, err, record.json)
		}
		if got, err = enc.AppendEvent(
			nil, &Event{Chunk: chunk, Record: record.packed},
		); err != nil || string(got) != record.json {
			t.Fatalf("tree %d as an event: %s, %v", i, got, err)
		}
		if end := ValueEnd(record.packed, 0); end != len(record.packed) {
			t.Fatalf("tree %d ends at %d of %d", i, end, len(record.packed))
		}
		if rest, err := Skip(
			append(record.packed[:len(record.packed):len(record.packed)], 1),
		); err != nil || len(rest) != 1 {
			t.Fatalf("tree %d: %d bytes are left behind it, %v", i, len(rest), err)
		}
	}
}

// A field is found by the bytes of its key, the last of equal ones, and its text is what the model has.
func TestModel_Lookup(t *testing.T) {
	for i := range uint64(500) {
		f := forest{rand.New(rand.NewPCG(7, i))}
		record := f.object(3)
		for at := range record.names {
			name, _, err := ReadBytes(record.names[at].packed)
			if err != nil {
				continue
			}
			want := -1
			for k := range record.names {
				if other, _, err := ReadBytes(record.names[k].packed); err == nil && bytes.Equal(other, name) {
					want = k
				}
			}
			got, ok := Lookup(record.packed, string(name))
			if !ok || !bytes.Equal(got, record.members[want].packed) {
				t.Fatalf("tree %d: %q is %x, %v, want %x", i, name, got, ok, record.members[want].packed)
			}
			if text := AppendText(nil, got); string(text) != record.members[want].text {
				t.Fatalf("tree %d: the text of %q is %q, want %q", i, name, text, record.members[want].text)
			}
			inner := &record.members[want]
			for k := range inner.names {
				within, _, err := ReadBytes(inner.names[k].packed)
				if err != nil || k < len(inner.names)-1 {
					continue
				}
				if got, _ := Lookup(
					record.packed, string(name), string(within),
				); !bytes.Equal(got, inner.members[k].packed) {
					t.Fatalf("tree %d: %q in %q is %x", i, within, name, got)
				}
			}
		}
		if _, ok := Lookup(record.packed, "no such key"); ok {
			t.Fatalf("tree %d has a key that it has not", i)
		}
	}
}

// A value that is cut anywhere, or has the reserved byte, is an error, and leaves nothing behind.
func TestModel_Cut(t *testing.T) {
	enc := NewEncoder(Fields{})
	for i := range uint64(60) {
		f := forest{rand.New(rand.NewPCG(11, i))}
		record := f.object(3)
		for n := range record.packed {
			if n > 200 {
				break
			}
			if got, err := enc.AppendValue([]byte("x"), record.packed[:n]); err == nil || string(got) != "x" {
				t.Fatalf("tree %d of %d bytes: %q, %v", i, n, got, err)
			}
			if _, err := Skip(record.packed[:n]); err == nil {
				t.Fatalf("tree %d of %d bytes was passed over", i, n)
			}
			if end := ValueEnd(record.packed[:n], 0); end >= 0 {
				t.Fatalf("tree %d of %d bytes ends at %d", i, n, end)
			}
		}
	}
}

// Each conversion of times is what Go says of that time, from 1970 to 2106 as EventTime has it, and far around.
func TestModel_Times(t *testing.T) {
	weekOf := func(at time.Time) string { return fmt.Sprintf("%02d", (at.YearDay()+6-int(at.Weekday()))/7) }
	want := map[byte]func(at time.Time) string{'U': weekOf}
	for conv, layout := range map[byte]string{
		'Y': "2006", 'm': "01", 'd': "02", 'H': "15", 'M': "04", 'S': "05", 'j': "002", 'y': "06", 'b': "Jan",
		'B': "January", 'a': "Mon", 'A': "Monday", 'e': "_2", 'I': "03", 'p': "PM", 'z': "-0700", 'Z': "UTC",
		'F': "2006-01-02", 'T': "15:04:05",
	} {
		want[conv] = func(at time.Time) string { return at.Format(layout) }
	}
	want['s'] = func(at time.Time) string { return strconv.FormatInt(at.Unix(), 10) }
	want['L'] = func(at time.Time) string { return fmt.Sprintf("%03d", at.Nanosecond()/1e6) }
	want['N'] = func(at time.Time) string { return fmt.Sprintf("%09d", at.Nanosecond()) }
	want['G'] = func(at time.Time) string { year, _ := at.ISOWeek(); return fmt.Sprintf("%04d", year) }
	want['V'] = func(at time.Time) string { _, week := at.ISOWeek(); return fmt.Sprintf("%02d", week) }
	if len(want) != len(conversions) {
		t.Errorf("there are %d conversions, and the model has %d", len(conversions), len(want))
	}
	r := rand.New(rand.NewPCG(3, 4))
	first, last := time.Date(
		1, 1, 1, 0, 0, 0, 0, time.UTC,
	).Unix(), time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC).Unix()
	seconds := []int64{0, -1, first, last, math.MaxUint32}
	for year := 1899; year < 2110; year++ {
		// The days around each new year, in which weeks are counted to either.
		for day := -4; day < 5; day++ {
			seconds = append(seconds, time.Date(year, 1, day, 0, 0, 0, 0, time.UTC).Unix())
		}
	}
	for range 500 {
		seconds = append(seconds, first+r.Int64N(last-first), r.Int64N(math.MaxUint32))
	}
	for _, sec := range seconds {
		at := Time{Sec: sec, Nsec: r.Uint32N(1e9)}
		is := time.Unix(at.Sec, int64(at.Nsec)).UTC()
		for conv, of := range want {
			if got := string(appendConversion(nil, conv, at)); got != of(is) {
				t.Fatalf("%%%c of %s is %q, want %q", conv, is, got, of(is))
			}
		}
		if got := string(appendRFC3339(nil, at)); got != is.Format(time.RFC3339Nano) {
			t.Fatalf("%s is %s", is, got)
		}
	}
}
