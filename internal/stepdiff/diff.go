// Package stepdiff says what steps did with an event, as a diff: for people who try out a configuration, and for those
// who look at the program live.
package stepdiff

import (
	"bytes"
	"encoding/json"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Time stands for the event's time among fields; no path begins so.
const Time = "(time)"

// Tag likewise stands for the tag that it is delivered with.
const Tag = "(tag)"

// Change is a field that a step added (only To), removed (only From) or changed.
type Change struct {
	// Field is a path, kubernetes.pod_name, Time or Tag.
	Field string          `json:"field"`
	From  json.RawMessage `json:"from,omitempty"`
	To    json.RawMessage `json:"to,omitempty"`
}

// Moved returns what of an event's time and tag differs.
func Moved(fromTime, toTime time.Time, fromTag, toTag string) (all []Change) {
	if !fromTime.Equal(toTime) {
		all = append(all, Change{Field: Time, From: timeJSON(fromTime), To: timeJSON(toTime)})
	}
	if fromTag != toTag {
		all = append(all, Change{Field: Tag, From: textJSON(fromTag), To: textJSON(toTag)})
	}
	return all
}

func textJSON(text string) json.RawMessage {
	quoted, err := json.Marshal(text)
	if err != nil {
		// A string is always JSON.
		panic(err)
	}
	return quoted
}

func timeJSON(t time.Time) json.RawMessage {
	return json.RawMessage(t.UTC().Format(`"` + time.RFC3339Nano + `"`))
}

// Objects returns what differs between two JSON objects, what was removed first where it stood, then
// what came, in the objects' order.
func Objects(from, to json.RawMessage) []Change { return diff(nil, "", from, to) }

// diff appends what differs between two objects that stand at path.
func diff(all []Change, path string, from, to json.RawMessage) []Change {
	before, after := members(from), members(to)
	for _, name := range before.names {
		was := before.values[name]
		is, still := after.values[name]
		switch {
		case !still:
			all = append(all, Change{Field: joinPath(path, name), From: was})
		case same(was, is):
		case was[0] == '{' && is[0] == '{':
			all = diff(all, joinPath(path, name), was, is)
		default:
			all = append(all, Change{Field: joinPath(path, name), From: was, To: is})
		}
	}
	for _, name := range after.names {
		if _, had := before.values[name]; !had {
			all = append(all, Change{Field: joinPath(path, name), To: after.values[name]})
		}
	}
	return all
}

// object is a JSON object in its order.
type object struct {
	names  []string
	values map[string]json.RawMessage
}

// members reads a JSON object; anything else has none.
func members(text json.RawMessage) object {
	o := object{values: map[string]json.RawMessage{}}
	d := json.NewDecoder(bytes.NewReader(text))
	if first, err := d.Token(); err != nil || first != json.Delim('{') {
		return o
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return o
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return o
		}
		key, _ := name.(string)
		o.names = append(o.names, key)
		o.values[key] = value
	}
	return o
}

// joinPath appends a field's name to a path, as filters are told it.
func joinPath(path, name string) string {
	switch {
	case !regexp.MustCompile(`^[0-9A-Za-z_@/-]+$`).MatchString(name):
		return path + `["` + strings.ReplaceAll(name, `"`, `\"`) + `"]`
	case path == "":
		return name
	default:
		return path + "." + name
	}
}

// same reports whether two JSON values are equal: objects in any order, numbers by their value.
func same(a, b json.RawMessage) bool {
	if bytes.Equal(a, b) {
		return true
	}
	return reflect.DeepEqual(canonical(a), canonical(b))
}

func canonical(text json.RawMessage) any {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return string(text)
	}
	return canonicalNumbers(v)
}

// canonicalNumbers has each number in one form: 1.0 and 1e0 as 1.
func canonicalNumbers(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name := range v {
			v[name] = canonicalNumbers(v[name])
		}
	case []any:
		for i := range v {
			v[i] = canonicalNumbers(v[i])
		}
	case json.Number:
		if f, err := v.Float64(); err == nil && strings.ContainsAny(v.String(), ".eE") {
			return json.Number(strconv.FormatFloat(f, 'f', -1, 64))
		}
	}
	return v
}

// Names returns the changes without values.
func Names(all []Change) []Change {
	names := make([]Change, len(all))
	for i := range all {
		names[i].Field = all[i].Field
	}
	return names
}
