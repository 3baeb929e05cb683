package event

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/vmihailenco/msgpack/v5"
)

// raw returns the bytes of hexadecimal digits; spaces are for reading.
func raw(tb testing.TB, digits string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// pack returns v as msgpack; maps with string keys are sorted.
func pack(tb testing.TB, v any) []byte {
	tb.Helper()
	var buf bytes.Buffer
	enc := msgpack.NewEncoder(&buf)
	enc.SetSortMapKeys(true)
	enc.UseCompactInts(true)
	if err := enc.Encode(v); err != nil {
		tb.Fatal(err)
	}
	return buf.Bytes()
}

// nest returns n levels of arrays of one element, or of maps with the key 0, around nil.
func nest(n int, level ...byte) []byte {
	return append(bytes.Repeat(level, n), 0xc0)
}

func TestSkip(t *testing.T) {
	for name, tc := range map[string]struct {
		b    []byte
		rest int
		err  error
	}{
		"nothing":               {nil, 0, ErrTruncated},
		"fixint":                {raw(t, "7f 00"), 1, nil},
		"negative fixint":       {raw(t, "e0"), 0, nil},
		"str8":                  {raw(t, "d9 02 6162 c0"), 1, nil},
		"str8 cut":              {raw(t, "d9 02 61"), 0, ErrTruncated},
		"str8 without length":   {raw(t, "d9"), 0, ErrTruncated},
		"str16":                 {raw(t, "da 0001 61"), 0, nil},
		"str32 of 4 GiB":        {raw(t, "db ffffffff 61"), 0, ErrTruncated},
		"bin32 of 4 GiB":        {raw(t, "c6 ffffffff 61"), 0, ErrTruncated},
		"ext32 of 4 GiB":        {raw(t, "c9 ffffffff 61"), 0, ErrTruncated},
		"array32 of 2³²-1":      {raw(t, "dd ffffffff c0c0c0c0"), 0, ErrTruncated},
		"map32 of 2³²-1":        {raw(t, "df ffffffff c0c0c0c0"), 0, ErrTruncated},
		"map with half a pair":  {raw(t, "81 c0"), 0, ErrTruncated},
		"ext8 of 8":             {raw(t, "c7 08 00 0000000000000000"), 0, nil},
		"ext8 without type":     {raw(t, "c7 00"), 0, ErrTruncated},
		"ext8 of none":          {raw(t, "c7 00 05"), 0, nil},
		"fixext8":               {raw(t, "d7 00 0000000000000000"), 0, nil},
		"fixext16 cut":          {raw(t, "d8 00 00000000"), 0, ErrTruncated},
		"float64":               {raw(t, "cb 0000000000000000"), 0, nil},
		"reserved":              {raw(t, "c1"), 0, ErrReserved},
		"reserved inside":       {raw(t, "91 c1"), 0, ErrReserved},
		"map":                   {raw(t, "82 a161 01 a162 93 010203 c3"), 1, nil},
		"1000 arrays":           {nest(1000, 0x91), 0, nil},
		"1001 arrays":           {nest(1001, 0x91), 0, ErrDepth},
		"1000 maps":             {nest(1000, 0x81, 0), 0, nil},
		"1001 maps":             {nest(1001, 0x81, 0), 0, ErrDepth},
		"5 million arrays":      {nest(5_000_000, 0x91), 0, ErrDepth},
		"arrays side by side":   {append(raw(t, "dd 00002710"), bytes.Repeat([]byte{0x90}, 10_000)...), 0, nil},
		"two lengths too large": {raw(t, "dd ffffffff dd ffffffff"), 0, ErrTruncated},
	} {
		t.Run(name, func(t *testing.T) {
			rest, err := Skip(tc.b)
			if !errors.Is(err, tc.err) || len(rest) != tc.rest {
				t.Fatalf("%d bytes left, error %v, want %d, %v", len(rest), err, tc.rest, tc.err)
			}
			if err == nil && len(tc.b)-ValueEnd(tc.b, 0) != tc.rest {
				t.Errorf("ValueEnd ends at %d of %d", ValueEnd(tc.b, 0), len(tc.b))
			}
		})
	}
}

func TestReaders(t *testing.T) {
	array := func(b []byte) (any, []byte, error) { n, rest, err := ReadArrayHeader(b); return n, rest, err }
	mapping := func(b []byte) (any, []byte, error) { n, rest, err := ReadMapHeader(b); return n, rest, err }
	text := func(b []byte) (any, []byte, error) { v, rest, err := ReadBytes(b); return string(v), rest, err }
	integer := func(b []byte) (any, []byte, error) { v, rest, err := ReadInt(b); return v, rest, err }
	for name, tc := range map[string]struct {
		read func([]byte) (any, []byte, error)
		b    string
		want any
		rest int
		err  error
	}{
		"fixarray":           {array, "93 01", 3, 1, nil},
		"array16":            {array, "dc 0102", 258, 0, nil},
		"array32, a claim":   {array, "dd ffffffff", math.MaxUint32, 0, nil},
		"array32 cut":        {array, "dd ffffff", 0, 0, ErrTruncated},
		"array: none":        {array, "", 0, 0, ErrTruncated},
		"array: a map":       {array, "80", 0, 0, ErrType},
		"array: reserved":    {array, "c1", 0, 0, ErrReserved},
		"fixmap":             {mapping, "8f", 15, 0, nil},
		"map16":              {mapping, "de 0001", 1, 0, nil},
		"map32":              {mapping, "df 00000003 00", 3, 1, nil},
		"map16 cut":          {mapping, "de 00", 0, 0, ErrTruncated},
		"map: nil":           {mapping, "c0", 0, 0, ErrType},
		"fixstr":             {text, "a2 6162 c0", "ab", 1, nil},
		"str8":               {text, "d9 01 61", "a", 0, nil},
		"str32":              {text, "db 00000001 61", "a", 0, nil},
		"bin8":               {text, "c4 01 61", "a", 0, nil},
		"bin16":              {text, "c5 0001 61", "a", 0, nil},
		"bin32":              {text, "c6 00000001 61", "a", 0, nil},
		"fixstr cut":         {text, "a2 61", "", 0, ErrTruncated},
		"str32 cut":          {text, "db ffffffff 61", "", 0, ErrTruncated},
		"text: none":         {text, "", "", 0, ErrTruncated},
		"text: an int":       {text, "01", "", 0, ErrType},
		"text: reserved":     {text, "c1", "", 0, ErrReserved},
		"fixint":             {integer, "7f", int64(127), 0, nil},
		"negative fixint":    {integer, "ff", int64(-1), 0, nil},
		"uint8":              {integer, "cc ff", int64(255), 0, nil},
		"uint16":             {integer, "cd ffff", int64(65535), 0, nil},
		"uint32":             {integer, "ce ffffffff", int64(math.MaxUint32), 0, nil},
		"uint64":             {integer, "cf 7fffffffffffffff", int64(math.MaxInt64), 0, nil},
		"uint64 over int64":  {integer, "cf 8000000000000000", int64(0), 0, ErrType},
		"int8":               {integer, "d0 80", int64(-128), 0, nil},
		"int16":              {integer, "d1 8000", int64(-32768), 0, nil},
		"int32":              {integer, "d2 80000000", int64(math.MinInt32), 0, nil},
		"int64":              {integer, "d3 8000000000000000", int64(math.MinInt64), 0, nil},
		"int64 cut":          {integer, "d3 80000000000000", int64(0), 0, ErrTruncated},
		"integer: a float":   {integer, "ca 00000000", int64(0), 0, ErrType},
		"integer: reserved":  {integer, "c1", int64(0), 0, ErrReserved},
		"integer: cut float": {integer, "ca", int64(0), 0, ErrType},
	} {
		t.Run(name, func(t *testing.T) {
			got, rest, err := tc.read(raw(t, tc.b))
			if !errors.Is(err, tc.err) || got != tc.want || len(rest) != tc.rest {
				t.Fatalf("%v, %d bytes left, error %v; want %v, %d, %v", got, len(rest), err, tc.want, tc.rest, tc.err)
			}
		})
	}
}

func TestTypeOf(t *testing.T) {
	for c, want := range map[byte]Type{
		0x00: TypeInt, 0x7f: TypeInt, 0xe0: TypeInt, 0xff: TypeInt, 0xcc: TypeInt, 0xd3: TypeInt,
		0x80: TypeMap, 0x8f: TypeMap, 0xde: TypeMap, 0xdf: TypeMap,
		0x90: TypeArray, 0x9f: TypeArray, 0xdc: TypeArray, 0xdd: TypeArray,
		0xa0: TypeStr, 0xbf: TypeStr, 0xd9: TypeStr, 0xdb: TypeStr, 0xc4: TypeBin, 0xc6: TypeBin,
		0xc7: TypeExt, 0xc9: TypeExt, 0xd4: TypeExt, 0xd8: TypeExt,
		0xc0: TypeNil, 0xc1: TypeReserved, 0xc2: TypeBool, 0xc3: TypeBool, 0xca: TypeFloat, 0xcb: TypeFloat,
	} {
		if got := TypeOf(c); got != want {
			t.Errorf("TypeOf(%#x) = %d, want %d", c, got, want)
		}
	}
}
