package page

import (
	"encoding/json"
	"reflect"
)

// tree returns v as encoding/json reads it back: maps, lists and plain values.
func tree(v any) (any, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var out any
	return out, json.Unmarshal(text, &out)
}

// diff returns the merge patch (RFC 7396) that makes then of was, and whether there is any. Neither has nulls.
func diff(was, then any) (patch any, changed bool) {
	before, ok := was.(map[string]any)
	after, also := then.(map[string]any)
	if !ok || !also {
		return then, !reflect.DeepEqual(was, then)
	}
	out := map[string]any{}
	for key := range before {
		if _, there := after[key]; !there {
			out[key] = nil
		}
	}
	for key, value := range after {
		old, there := before[key]
		if !there {
			out[key] = value
			continue
		}
		if part, differs := diff(old, value); differs {
			out[key] = part
		}
	}
	return out, len(out) > 0
}
