package flow

import (
	"slices"
	"strings"
)

// touches reports whether a filter may change the field of a path, or which events have it.
func (u Use) touches(field string) bool {
	return field != "" && slices.ContainsFunc(u.Filter.Steps, func(s Step) bool { return s.touches(root(field)) })
}

// root is the first name of a path.
func root(path string) string {
	if strings.HasPrefix(path, "[") {
		if end := strings.Index(path, "]"); end > 0 {
			return path[:end+1]
		}
	}
	if i := strings.IndexAny(path, ".["); i > 0 {
		return path[:i]
	}
	return path
}

// touches reports whether a step may change a field at the top of the record.
func (s Step) touches(field string) bool {
	body, _ := s.Body.(Map)
	switch s.Kind {
	case "grep", "throttle", "sample":
		return false
	case "expr":
		set, _ := body.Get("set").(Map)
		return named(set, field)
	case "parse":
		return body.Get("into") == nil || body.Get("reserve_data") != nil || root(text(body.Get("field"))) == field ||
			root(text(body.Get("into"))) == field
	case "modify":
		return body.modifies(field)
	}
	return true
}

func text(v any) string { s, _ := v.(string); return s }

// named reports whether a key leads to the field, or into it.
func named(m Map, field string) bool {
	return slices.ContainsFunc(m, func(p Pair) bool { return root(p.Key) == field })
}

// modifies is touches for the settings of modify.
func (m Map) modifies(field string) bool {
	for _, p := range m {
		switch p.Key {
		case "tag":
		case "set", "set_if_missing", "rename", "convert":
			inner, _ := p.Value.(Map)
			if named(inner, field) || slices.ContainsFunc(inner,
				func(q Pair) bool { return p.Key == "rename" && root(text(q.Value)) == field }) {
				return true
			}
		case "remove":
			all, _ := p.Value.([]any)
			if slices.ContainsFunc(all, func(v any) bool {
				return root(text(v)) == field || strings.ContainsAny(text(v),
					"*?")
			}) {
				return true
			}
		default:
			return true
		}
	}
	return false
}
