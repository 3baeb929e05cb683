package page

import (
	"encoding/json"
	"reflect"
	"testing"
)

// apply makes what a merge patch says, as RFC 7396 has it.
func apply(target, patch any) any {
	p, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	out, ok := target.(map[string]any)
	if !ok {
		out = map[string]any{}
	}
	for key, value := range p {
		if value == nil {
			delete(out, key)
			continue
		}
		out[key] = apply(out[key], value)
	}
	return out
}

func parse(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestDiff(t *testing.T) {
	for _, tc := range []struct{ was, then, patch string }{
		{`{"a":1}`, `{"a":1}`, ``},
		{`{"a":1,"b":2}`, `{"a":1,"b":3}`, `{"b":3}`},
		{`{"a":1,"b":2}`, `{"a":1}`, `{"b":null}`},
		{`{"a":{"b":{"c":1,"d":2}}}`, `{"a":{"b":{"c":1,"d":3,"e":4}}}`, `{"a":{"b":{"d":3,"e":4}}}`},
		{`{"a":[1,2]}`, `{"a":[1,3]}`, `{"a":[1,3]}`},
		{`{"a":[1,2]}`, `{"a":[1,2]}`, ``},
		{`{"a":{"b":1}}`, `{"a":7}`, `{"a":7}`},
		{`{"a":7}`, `{"a":{"b":1}}`, `{"a":{"b":1}}`},
		{`{"a":{"b":1}}`, `{"a":{}}`, `{"a":{"b":null}}`},
	} {
		patch, changed := diff(parse(t, tc.was), parse(t, tc.then))
		if changed != (tc.patch != "") || changed && !reflect.DeepEqual(patch, parse(t, tc.patch)) {
			t.Errorf("%s to %s: %v (%v), want %s", tc.was, tc.then, patch, changed, tc.patch)
		}
	}
}

// FuzzDiff holds that a patch makes of one what it was made for.
func FuzzDiff(f *testing.F) {
	f.Add(`{"a":{"b":1},"c":[1]}`, `{"a":{"d":"x"},"c":[]}`)
	f.Add(`{}`, `{"a":{}}`)
	f.Fuzz(func(t *testing.T, was, then string) {
		var before, after map[string]any
		if json.Unmarshal([]byte(was), &before) != nil || json.Unmarshal([]byte(then), &after) != nil ||
			before == nil || after == nil || nulls(before) || nulls(after) {
			return // a view is an object, and has no nulls
		}
		patch, changed := diff(before, after)
		if changed == reflect.DeepEqual(before, after) {
			t.Fatalf("%s to %s: changed %v", was, then, changed)
		}
		if got := apply(parse(t, was), patch); changed && !reflect.DeepEqual(got, any(after)) {
			t.Fatalf("%s patched with %v is %v, want %s", was, patch, got, then)
		}
	})
}

// nulls reports whether there is one anywhere in maps.
func nulls(v any) bool {
	m, ok := v.(map[string]any)
	for _, value := range m {
		if nulls(value) {
			return true
		}
	}
	return !ok && v == nil
}
