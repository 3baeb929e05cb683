package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/vmihailenco/msgpack/v5"
)

func seeds(f *testing.F) {
	f.Helper()
	for _, s := range []string{
		"92 d7 00 65000000 00000001 82 a161 01 a161 a3 e280a8",
		"92 92 c7 08 00 65000000 00000000 81 a161 c0 81 a162 93 c2 c3 ff",
		"92 92 d7 00 ffffffff 00000000 80 80", "92 cb 41d954fc4047ced9 80", "dd 00000002 ce 65000000 df 00000000",
		"92 01 83 01 cf ffffffffffffffff a131 ca 3dcccccd c4 01 ff cb 7ff8000000000000",
		"92 01 82 d7 00 65000000 00000000 01 81 91 c0 d4 05 01 d8 ff 00000000000000000000000000000000",
		"92 01 81 a3 746167 92 a4 63616622 c4 02 6162", "92 01 81 81 81 81 01 02 03 04 05", "92 c0 c1", "c0", "91 01",
		"92 01 82 a2 61ff 01 a2 61fe 02",
	} {
		f.Add(raw(f, s))
	}
	for _, record := range benchRecords(f) {
		f.Add(AppendEntry(nil, AppendTime(nil, Time{Sec: 1}), nil, record))
	}
}

func FuzzReadEntry(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		// Beyond its length the slice goes on, so that reading past the end is seen as a difference.
		var e, exact Entry
		rest, err := ReadEntry(append(b[:len(b):len(b)], 0xc1, 0xc1)[:len(b)], &e)
		if _, again := ReadEntry(b[:len(b):len(b)], &exact); !errors.Is(again, err) || e.Kind != exact.Kind ||
			e.Time != exact.Time {
			t.Fatalf("%v and %v, %+v and %+v", err, again, e, exact)
		}
		skipped, skipErr := Skip(b)
		if !errors.Is(skipErr, err) || len(skipped) != len(rest) {
			t.Fatalf("ReadEntry leaves %d bytes, %v; Skip %d, %v", len(rest), err, len(skipped), skipErr)
		}
		if err != nil {
			return
		}
		if len(e.Raw)+len(rest) != len(b) || !bytes.Equal(e.Raw, b[:len(e.Raw)]) {
			t.Fatalf("%d bytes of entry and %d left of %d", len(e.Raw), len(rest), len(b))
		}
		if (e.Kind == KindInvalid) != (e.Reason != "") || (e.Kind == KindInvalid) != (e.Record == nil) {
			t.Fatalf("%+v", e)
		}
		if end := ValueEnd(b, 0); end != len(e.Raw) {
			t.Fatalf("ValueEnd ends at %d, ReadEntry at %d", end, len(e.Raw))
		}
		if e.Reason == reasonTooNested {
			return // the iterator does not look at the depth
		}
		// What is stored is read back the same.
		it := (&Chunk{Entries: e.Raw}).Iterator()
		var ev Event
		if it.Next(&ev) != (e.Kind == KindEvent) || (it.Err() != nil) != (e.Kind == KindInvalid) {
			t.Fatalf("iterated: %+v, error %v; read: %+v", ev, it.Err(), e)
		}
		if e.Kind == KindEvent &&
			(ev.Time != e.Time || !bytes.Equal(ev.Record, e.Record) || !bytes.Equal(ev.Metadata, e.Metadata)) {
			t.Fatalf("iterated: %+v; read: %+v", ev, e)
		}
	})
}

// FuzzDamage gives bytes that were never validated to all that trusts stored bytes.
func FuzzDamage(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		e := NewEncoder(Fields{Time: "t", Tag: "tag", Metadata: "m", ID: "id"})
		c := &Chunk{Entries: b}
		it := c.Iterator()
		var ev Event
		for it.Next(&ev) {
			if got, err := e.AppendEvent(nil, &ev); err == nil && !json.Valid(got) {
				t.Fatalf("event %d: %s", ev.Pos, got)
			}
		}
		ev = Event{Chunk: c, Record: b, Metadata: b, Group: b}
		_, _ = e.AppendEvent(nil, &ev)
		got, err := e.AppendValue(nil, b)
		if _, skipErr := Skip(b); skipErr != nil && err == nil || err == nil && !json.Valid(got) {
			t.Fatalf("rendered %s of what Skip says %v of", got, skipErr)
		}
		Lookup(b, "a", "b")
		AppendText(nil, b)
	})
}

func FuzzAppendEvent(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		var entry Entry
		if _, err := ReadEntry(b, &entry); err != nil || entry.Kind != KindEvent {
			return
		}
		ev := Event{
			Chunk: &Chunk{Cluster: "c", Tag: "\xfft"}, Time: entry.Time, Metadata: entry.Metadata, Record: entry.Record,
		}
		e := NewEncoder(Fields{Time: "@timestamp", Tag: "tag", Cluster: "cluster", Metadata: "metadata"})
		got, err := e.AppendEvent(nil, &ev)
		if err != nil {
			t.Fatal(err)
		}
		if !json.Valid(got) || !utf8.Valid(got) {
			t.Fatalf("not valid: %q", got)
		}
		d := json.NewDecoder(bytes.NewReader(got))
		d.UseNumber()
		tree, err := uniqueKeys(d)
		if err != nil {
			t.Fatalf("%v in %s", err, got)
		}
		want := oracle(entry.Record)
		if want == nil {
			return
		}
		want["@timestamp"], want["tag"], want["cluster"] = string(appendRFC3339(nil, ev.Time)), "\ufffdt", "c"
		have := tree.(map[string]any)
		if meta := oracle(entry.Metadata); len(meta) > 0 {
			want["metadata"] = meta
		} else if len(entry.Metadata) > 1 {
			delete(want, "metadata")
			delete(have, "metadata")
		}
		if err := same(have, want); err != nil {
			t.Fatalf("%v\ngot %s", err, got)
		}
	})
}

// uniqueKeys decodes a JSON value, and fails where an object has a key twice.
func uniqueKeys(d *json.Decoder) (any, error) {
	tok, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch tok {
	case json.Delim('['):
		list := []any{}
		for d.More() {
			v, err := uniqueKeys(d)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err = d.Token()
		return list, err
	case json.Delim('{'):
		m := map[string]any{}
		for d.More() {
			key, err := d.Token()
			if err != nil {
				return nil, err
			}
			if _, ok := m[key.(string)]; ok {
				return nil, fmt.Errorf("the key %q is there twice", key)
			}
			if m[key.(string)], err = uniqueKeys(d); err != nil {
				return nil, err
			}
		}
		_, err = d.Token()
		return m, err
	}
	return tok, nil
}

// oracle decodes a record with vmihailenco/msgpack, nil where that can't or JSON has no one form.
func oracle(record []byte) map[string]any {
	d := msgpack.NewDecoder(bytes.NewReader(record))
	d.SetMapDecoder(func(d *msgpack.Decoder) (any, error) { return d.DecodeUntypedMap() })
	v, err := func() (v any, err error) {
		defer func() {
			if recover() != nil { // a key that Go's maps can't have
				err = io.ErrUnexpectedEOF
			}
		}()
		return d.DecodeInterface()
	}()
	if err != nil {
		return nil
	}
	m, ok := v.(map[any]any)
	if !ok {
		return nil
	}
	out, ok := expressible(m)
	if !ok {
		return nil
	}
	return out.(map[string]any)
}

// expressible returns v as JSON would have it, and whether the two libraries agree on that.
func expressible(v any) (any, bool) {
	switch v := v.(type) {
	case map[any]any:
		out := map[string]any{}
		for key, value := range v {
			name, ok := key.(string)
			name = strings.ToValidUTF8(name, "\ufffd")
			if _, twice := out[name]; !ok || twice || name != key {
				return nil, false
			}
			if out[name], ok = expressible(value); !ok {
				return nil, false
			}
		}
		return out, true
	case []any:
		out := []any{}
		for _, value := range v {
			x, ok := expressible(value)
			if !ok {
				return nil, false
			}
			out = append(out, x)
		}
		return out, true
	case []byte: // text as a str is, each byte that is not UTF-8 as U+FFFD
		return string([]rune(string(v))), true
	case string:
		b, err := json.Marshal(v) // encoding/json's way with bytes that are not UTF-8
		if err != nil || json.Unmarshal(b, &v) != nil {
			return nil, false
		}
		return v, true
	case float32:
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return nil, true
		}
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, true
		}
	case nil, bool, int8, int16, int32, int64, uint8, uint16, uint32, uint64:
	default:
		return nil, false
	}
	return v, true
}

// same says where have, decoded JSON, differs from want.
func same(have, want any) error {
	switch want := want.(type) {
	case map[string]any:
		m, ok := have.(map[string]any)
		if !ok || len(m) != len(want) {
			return fmt.Errorf("have %v, want %v", have, want)
		}
		for key, value := range want {
			if err := same(m[key], value); err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
		}
		return nil
	case []any:
		list, ok := have.([]any)
		if !ok || len(list) != len(want) {
			return fmt.Errorf("have %v, want %v", have, want)
		}
		for i := range want {
			if err := same(list[i], want[i]); err != nil {
				return fmt.Errorf("%d: %w", i, err)
			}
		}
		return nil
	case nil, bool, string:
		if have != want {
			return fmt.Errorf("have %#v, want %#v", have, want)
		}
		return nil
	}
	b, err := json.Marshal(want)
	if err != nil {
		return err
	}
	if n, ok := have.(json.Number); !ok || strings.TrimSuffix(n.String(), ".0") != string(b) {
		return fmt.Errorf("have %#v, want %s", have, b)
	}
	return nil
}

func FuzzTemplate(f *testing.F) {
	for _, s := range []string{
		"{cluster}-{tag[1]}-%Y", `{record["a.b"].c|d}`, "{{}}%%", "{tag[-1]|}", "{record.a.b}", "%", "{",
	} {
		f.Add(s, "kube.a", []byte{0x81, 0xa1, 'a', 1})
	}
	f.Fuzz(func(t *testing.T, s, tag string, record []byte) {
		tmpl, err := ParseTemplate(s)
		if err != nil {
			return
		}
		ev := Event{Chunk: &Chunk{Cluster: "c", Tag: tag}, Record: record}
		got := tmpl.Append(nil, &ev, nil)
		same := func(dst, value []byte) []byte { return append(dst, value...) }
		if other := tmpl.Append(make([]byte, 0, 1), &ev, same); !bytes.Equal(got, other) {
			t.Fatalf("%q, cleaned %q", got, other)
		}
		other := Event{Chunk: ev.Chunk, Time: Time{Sec: 1e9}}
		if tmpl.PerChunk() && !bytes.Equal(got, tmpl.Append(nil, &other, nil)) || tmpl.Static() && !tmpl.PerChunk() {
			t.Fatalf("%q differs within a chunk", got)
		}
		if again, err := ParseTemplate(tmpl.String()); err != nil || !bytes.Equal(got, again.Append(nil, &ev, nil)) {
			t.Fatalf("%q parsed again: %v", s, err)
		}
	})
}
