package event

import "testing"

func TestLookup(t *testing.T) {
	type m = map[string]any
	nested := pack(t, m{"a": 1, "k": m{"ns": "web", "labels": m{"app.io/name": "x"}}, "l": []any{1}})
	for name, tc := range map[string]struct {
		record []byte
		path   []string
		want   string // text
		ok     bool
	}{
		"top":               {nested, []string{"a"}, "1", true},
		"nested":            {nested, []string{"k", "labels", "app.io/name"}, "x", true},
		"a map":             {nested, []string{"k", "labels"}, `{"app.io/name":"x"}`, true},
		"missing":           {nested, []string{"b"}, "", false},
		"missing, nested":   {nested, []string{"k", "labels", "y"}, "", false},
		"through an array":  {nested, []string{"l", "0"}, "", false},
		"through a number":  {nested, []string{"a", "b"}, "", false},
		"record":            {raw(t, "80"), nil, "{}", true},
		"last of equal":     {raw(t, "82 a161 01 a161 02"), []string{"a"}, "2", true},
		"bin key":           {raw(t, "81 c40161 05"), []string{"a"}, "5", true},
		"after odd keys":    {raw(t, "84 93 01 a161 03 01 81 01 02 02 c0 03 a161 04"), []string{"a"}, "4", true},
		"int key":           {raw(t, "81 01 02"), []string{"1"}, "", false},
		"empty key":         {raw(t, "81 a0 02"), []string{""}, "2", true},
		"cut after the key": {raw(t, "82 a161 01 a162"), []string{"a"}, "", false},
		"nothing":           {nil, nil, "", false},
		"no map":            {raw(t, "01"), []string{"a"}, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			v, ok := Lookup(tc.record, tc.path...)
			if got := string(AppendText(nil, v)); ok != tc.ok || got != tc.want {
				t.Errorf("got %q, %v", got, ok)
			}
		})
	}
}

func TestAppendText(t *testing.T) {
	for b, want := range map[string]string{
		"": "", "c0": "", "c3": "true", "ff": "-1", "cf ffffffffffffffff": "18446744073709551615",
		"cb 3ff8000000000000": "1.5", "a2 220a": "\"\n", "a1 ff": "\ufffd", "c4 01 61": "a", "c4 02 ff61": "\ufffda",
		"a2 ed95":                 "\ufffd\ufffd",
		"d7 00 00000001 00000000": "1970-01-01T00:00:01Z", "d4 05 ff": `{"type":5,"data":"/w=="}`,
		"92 01 a161": `[1,"a"]`, "82 a161 01 a161 c0": `{"a":null}`, "92 01": "", "c1": "", "a2 61": "",
	} {
		if got := string(AppendText([]byte("x"), raw(t, b))); got != "x"+want {
			t.Errorf("%s: got %q, want x%q", b, got, want)
		}
	}
}
