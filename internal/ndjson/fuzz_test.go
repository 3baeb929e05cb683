package ndjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"testing"
	"unicode/utf8"

	"github.com/tinylib/msgp/msgp"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/seed-afc6a195/aggregator/internal/jsontext"
)

// FuzzAppendObject: what is a JSON object for encoding/json becomes one msgpack map with the same
// strings, keys and structure; all else is an error.
func FuzzAppendObject(f *testing.F) {
	f.Add([]byte(`{"a":[1,-2,3.5,"é\u0000",null,true,{"b":{}}],"":1e300}`))
	f.Add([]byte(`{"a":18446744073709551616,"a":[[]]} x`))
	f.Add([]byte(`{"":0,"":[]}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		out, _, err := AppendObject(nil, line, "a")
		line = bytes.TrimPrefix(line, []byte(byteOrderMark))
		object := bytes.HasPrefix(bytes.TrimLeft(line, " \t\r\n"), []byte{'{'})
		if valid := object && json.Valid(line); valid != (err == nil) {
			if valid && errors.Is(err, jsontext.ErrDepth) {
				return
			}
			t.Fatalf("valid %v, error %v", valid, err)
		}
		if errors.Is(err, io.EOF) {
			t.Fatal("a reader of lines takes this error for the end of its input")
		}
		if err != nil {
			return
		}
		rest, err := msgp.Skip(out)
		if err != nil || len(rest) > 0 {
			t.Fatalf("%x: %v, %d bytes over", out, err, len(rest))
		}
		if !utf8.Valid(line) { // the reference has U+FFFD for what stays here
			return
		}
		var want any
		d := json.NewDecoder(bytes.NewReader(line))
		d.UseNumber()
		if err := d.Decode(&want); err != nil {
			t.Fatal(err)
		}
		// Not by msgp, which takes a map with the key "" twice for one that is cut short.
		read := msgpack.NewDecoder(bytes.NewReader(out))
		got, err := read.DecodeInterface()
		if err != nil || !reflect.DeepEqual(shape(got), shape(want)) {
			t.Fatalf("%v\n%v (%v)", shape(got), shape(want), err)
		}
	})
}

// shape replaces numbers, and strings made of them, by one value.
func shape(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = shape(v[k])
		}
		return v
	case []any:
		for i := range v {
			v[i] = shape(v[i])
		}
		return v
	case string:
		if json.Valid([]byte(v)) && v != "true" && v != "false" && v != "null" && v[0] != '"' && v[0] != '{' &&
			v[0] != '[' {
			return "number"
		}
		return v
	case bool, nil:
		return v
	default:
		return "number"
	}
}
