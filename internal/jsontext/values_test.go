package jsontext

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/tinylib/msgp/msgp"
	"github.com/vmihailenco/msgpack/v5"
)

// decoded is what encoding/json has of a text, with numbers as the Reader promises them.
func decoded(t *testing.T, text string) any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return exact(v)
}

func exact(v any) any {
	switch v := v.(type) {
	case json.Number:
		text := v.String()
		if !strings.ContainsAny(text, ".eE") {
			if i, err := strconv.ParseInt(text, 10, 64); err == nil {
				return i
			}
			if u, err := strconv.ParseUint(text, 10, 64); err == nil {
				return u
			}
			return text
		}
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return text
		}
		return f
	case []any:
		for i := range v {
			v[i] = exact(v[i])
		}
	case map[string]any:
		for name := range v {
			v[name] = exact(v[name])
		}
	}
	return v
}

// unpacked is what another library has of msgpack, with integers alike.
func unpacked(t *testing.T, b []byte) any {
	t.Helper()
	d := msgpack.NewDecoder(bytes.NewReader(b))
	d.UseLooseInterfaceDecoding(true)
	v, err := d.DecodeInterface()
	if err != nil {
		t.Fatalf("%x: %v", b, err)
	}
	return alike(v)
}

func alike(v any) any {
	switch v := v.(type) {
	case int8, int16, int32:
		return reflect.ValueOf(v).Int()
	case uint8, uint16, uint32, uint64:
		u := reflect.ValueOf(v).Uint()
		if i := int64(u); i >= 0 {
			return i
		}
		return u
	case []any:
		for i := range v {
			v[i] = alike(v[i])
		}
	case map[string]any:
		for name := range v {
			v[name] = alike(v[name])
		}
	}
	return v
}

// writer writes JSON by chance, as it is written by programs and by hand.
type writer struct{ *rand.Rand }

func (w writer) space() string {
	return []string{"", "", "", " ", "\n", "\t", "\r\n", "  "}[w.IntN(8)]
}

func (w writer) text() string {
	pieces := []string{
		"a", "서울", "😀", `\n`, `\"`, `\\`, `\/`, `\b`, `\f`, `\r`, `\t`, `\u00e9`, `\u0000`,
		`\ud83d\ude00`, `\uD83D\uDE00`, `\ud83d`, `\ude00`, `\ud83d\n`, `\ud83d\u0041`, `\ud83d\ud83d\ude00`, "\u2028",
		"<&>", "{", "]", ",", ":",
	}
	var b strings.Builder
	for range w.IntN(6) {
		b.WriteString(pieces[w.IntN(len(pieces))])
	}
	if w.IntN(10) == 0 {
		b.WriteString(strings.Repeat("x", w.IntN(300)))
	}
	return `"` + b.String() + `"`
}

func (w writer) number() string {
	return []string{
		"0", "-0", "7", "-7", "127", "128", "255", "256", "-33", "65536", "4294967296", "9007199254740993",
		"9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809",
		"18446744073709551615", "18446744073709551616", "999999999999999999", "1000000000000000000",
		"-999999999999999999", "0.5", "-0.0", "1e3", "1E+3", "1e-3", "0e0", "1.25e2", "1e400", "-1e400", "1e-400",
		"123456789012345678901234567890", "0.1",
	}[w.IntN(33)]
}

func (w writer) value(depth int) string {
	switch n := w.IntN(8); {
	case n < 2:
		return w.text()
	case n < 4:
		return w.number()
	case n == 4:
		return []string{"true", "false", "null"}[w.IntN(3)]
	case depth == 0:
		return "[" + w.space() + "]"
	case n == 5:
		var items []string
		for range w.IntN(20) {
			items = append(items, w.space()+w.value(depth-1)+w.space())
		}
		return "[" + strings.Join(items, ",") + "]"
	}
	var members []string
	for i := range w.IntN(20) {
		name := w.text()
		if w.IntN(3) > 0 {
			name = fmt.Sprintf(`"key %d"`, i)
		}
		members = append(members, w.space()+name+w.space()+":"+w.space()+w.value(depth-1)+w.space())
	}
	return "{" + w.space() + strings.Join(members, ",") + "}"
}

// Any text is read as encoding/json reads it, but for numbers, which are exact.
func TestReader_Model(t *testing.T) {
	for i := range uint64(1500) {
		w := writer{rand.New(rand.NewPCG(5, i))}
		text := w.space() + w.value(4) + w.space()
		out, err := read(text)
		if err != nil {
			t.Fatalf("text %d, %s: %v", i, text, err)
		}
		if got, want := unpacked(t, out), decoded(t, text); !reflect.DeepEqual(got, want) {
			t.Fatalf("text %d, %s:\n%v, want\n%v", i, text, got, want)
		}
	}
}

// A text that is cut anywhere is an error, and one that is followed by anything.
func TestReader_ModelCut(t *testing.T) {
	for i := range uint64(200) {
		w := writer{rand.New(rand.NewPCG(6, i))}
		text := "[" + w.value(3) + "]"
		for n := range len(text) {
			if n > 300 {
				break
			}
			if out, err := read(text[:n]); err == nil {
				t.Fatalf("text %d, %s cut at %d: %x", i, text, n, out)
			}
		}
		for _, more := range []string{"]", "}", ",", "0", `"`, "null", "\x00", "\u00a0", "/"} {
			if _, err := read(text + more); err != ErrSyntax { //nolint:errorlint // returned as it is
				t.Fatalf("text %d, %s and then %q: %v", i, text, more, err)
			}
		}
	}
}

// What programs write that is no JSON stays what it is: none of it is guessed.
func TestReader_NoJSON(t *testing.T) {
	for name, text := range map[string]string{
		"Python's dict":               `{'a': 1}`,
		"Python's None":               `{"a": None}`,
		"Python's NaN":                `{"a": NaN}`,
		"Infinity":                    `{"a": Infinity}`,
		"-Infinity":                   `{"a": -Infinity}`,
		"Ruby's hash":                 `{"a"=>1}`,
		"JavaScript's object":         `{a: 1}`,
		"a comma at the end":          `{"a": 1,}`,
		"a comma at a list's end":     `[1,]`,
		"two commas":                  `[1,,2]`,
		"a comma at the beginning":    `[,1]`,
		"a comment":                   `{"a": 1 /* one */}`,
		"a leading zero":              `[01]`,
		"a plus":                      `[+1]`,
		"no digits before the point":  `[.5]`,
		"no digits behind the point":  `[1.]`,
		"no digits in the exponent":   `[1e]`,
		"a sign alone":                `[-]`,
		"hexadecimal":                 `[0x10]`,
		"an underscore":               `[1_000]`,
		"a tab in a text":             "[\"a\tb\"]",
		"a line feed in a text":       "[\"a\nb\"]",
		"a NUL in a text":             "[\"a\x00b\"]",
		"an escape of Go":             `["\x41"]`,
		"an escape of JavaScript":     `["\u{41}"]`,
		"an escape of a quote":        `["\'"]`,
		"an escape that is cut":       `["\u12"]`,
		"letters in an escape":        `["\u12g4"]`,
		"True":                        `[True]`,
		"nulls":                       `[nulls]`,
		"a word that goes on":         `[truefalse]`,
		"a value without a comma":     `[1 2]`,
		"a member without a colon":    `{"a" 1}`,
		"a member without a value":    `{"a":}`,
		"a number as a name":          `{1: 1}`,
		"brackets that do not fit":    `[1}`,
		"brackets that do not fit, 2": `{"a": 1]`,
		"another kind of space":       "[\u00a01]",
		"a form feed":                 "[\f1]",
		"a byte order mark within":    "[\ufeff1]",
		"half a byte order mark":      "\xef\xbb[1]",
	} {
		t.Run(name, func(t *testing.T) {
			if out, err := read(text); err == nil || json.Valid([]byte(text)) {
				t.Errorf("%s: %x, %v", text, out, err)
			}
		})
	}
}

// Containers of every length have the head that fits, and hold what they are given.
func TestReader_Lengths(t *testing.T) {
	for _, n := range []int{0, 1, 15, 16, 17, 255, 256, 65535, 65536} {
		list := "[" + strings.TrimSuffix(strings.Repeat("7,", n), ",") + "]"
		out, err := read(list)
		size, rest, herr := msgp.ReadArrayHeaderBytes(out)
		if err != nil || herr != nil || int(size) != n || len(rest) != n || bytes.Count(rest, []byte{7}) != n {
			t.Errorf("a list of %d: %d of %d bytes, %v, %v", n, size, len(rest), err, herr)
		}
		var members []string
		for i := range n {
			members = append(members, fmt.Sprintf(`"%d":%d`, i, i))
		}
		if out, err = read("{" + strings.Join(members, ",") + "}"); err != nil {
			t.Fatal(err)
		}
		size, rest, err = msgp.ReadMapHeaderBytes(out)
		if err != nil || int(size) != n {
			t.Errorf("an object of %d: %d, %v", n, size, err)
		}
		for i := range n {
			var name string
			if name, rest, err = msgp.ReadStringBytes(rest); err != nil || name != strconv.Itoa(i) {
				t.Fatalf("member %d of %d is called %q, %v", i, n, name, err)
			}
			if rest, err = msgp.Skip(rest); err != nil {
				t.Fatal(err)
			}
		}
		if len(rest) > 0 {
			t.Errorf("an object of %d: %d bytes over", n, len(rest))
		}
	}
}

// As many levels are read as are allowed, and not one more, of any kind.
func TestReader_Depth(t *testing.T) {
	for name, level := range map[string][2]string{
		"lists": {"[", "]"}, "objects": {`{"a":`, "}"}, "both": {`[{"a":`, "}]"},
	} {
		each := strings.Count(level[0], "[") + strings.Count(level[0], "{")
		for _, depth := range []int{0, 1, 2, 9, 10} {
			levels := depth / each
			text := strings.Repeat(level[0], levels) + "1" + strings.Repeat(level[1], levels)
			var r Reader
			r.Reset([]byte(text), levels*each)
			if _, err := r.AppendValue(nil); err != nil {
				t.Errorf("%d %s: %v", levels, name, err)
			}
			if levels == 0 {
				continue
			}
			r.Reset([]byte(text), levels*each-1)
			if _, err := r.AppendValue(nil); err != ErrDepth { //nolint:errorlint // returned as it is
				t.Errorf("%d %s where one less is allowed: %v", levels, name, err)
			}
		}
	}
}

// The parts of an object are read one by one, with what is left of the text as it stood.
func TestReader_Members(t *testing.T) {
	var r Reader
	r.Reset([]byte(` { "a" : "x\n" , "b\u0021":-1.5e1,"c":[true],"d":{} } `), 5)
	if !r.Begins('{') || r.Begins('[') {
		t.Fatal("no object begins")
	}
	name := func(first bool, want string) {
		t.Helper()
		if key, more, err := r.Member(first); string(key) != want || more != (want != "") || err != nil {
			t.Fatalf("%q, %v, %v, want %q", key, more, err, want)
		}
	}
	name(true, "a")
	if text, err := r.Text(); string(text) != "x\n" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
	name(false, "b!")
	if c := r.Peek(); c != '-' {
		t.Errorf("%q comes next", c)
	}
	if literal, whole, ok := r.Number(); string(literal) != "-1.5e1" || whole || !ok {
		t.Errorf("%s, %v, %v", literal, whole, ok)
	}
	name(false, "c")
	if out, err := r.Value([]byte("x"), 1); string(out) != "x\x91\xc3" || err != nil {
		t.Errorf("%x, %v", out, err)
	}
	name(false, "d")
	if out, err := r.Value(nil, 1); string(out) != "\x80" || err != nil {
		t.Errorf("%x, %v", out, err)
	}
	name(false, "")
	if err := r.End(); err != nil || r.Peek() != 0 {
		t.Errorf("%v, and then %q", err, r.Peek())
	}
}

func TestHex4(t *testing.T) {
	for text, want := range map[string]rune{
		"0000": 0, "00e9": 0xe9, "FFFF": 0xffff, "aBcD": 0xabcd, "12345": 0x1234,
		"": -1, "123": -1, "12g4": -1, "+123": -1, " 123": -1, "１２３４": -1,
	} {
		if got := Hex4([]byte(text)); got != want {
			t.Errorf("%q: %x, want %x", text, got, want)
		}
	}
}
