package destination

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/seed-afc6a195/aggregator/internal/convert/flow"
	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
	"github.com/seed-afc6a195/aggregator/internal/convert/syntax"
)

// Object reads a JSON object of texts that a key has; of a value with variables nothing can be told.
func Object(r *settings.Reader, key string) (all map[string]string, v syntax.Value) {
	v, ok := r.Value(key)
	if !ok {
		return nil, v
	}
	text, plain := v.Plain()
	if !plain || json.Unmarshal([]byte(text), &all) != nil {
		r.Lose(key, "it is no object of texts", "write them by hand")
		return nil, v
	}
	return all, v
}

// Headers adds headers to every request. Their values are secrets, each in a file of its own; of Content-Type, which
// the output sets itself, only http has a like.
func Headers(r *settings.Reader, o *flow.Output, all map[string]string, at syntax.Place) {
	headers, _ := o.Settings.Get("headers").(flow.Map)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		switch strings.ToLower(name) {
		case "content-type":
			if o.Type == "http" {
				o.Settings = o.Settings.With("content_type", flow.Literal(all[name]))
			}
			continue
		case "host", "content-length", "content-encoding", "transfer-encoding", "connection", "user-agent":
			r.Notes.Say(at, r.Title+" header "+name, "the program sets it itself", "")
			continue
		}
		file := r.Notes.SecretFile(o.Name+"-"+settings.FileName(strings.ToLower(name)), syntax.Literal(all[name], at),
			"the value of the header "+name+" at "+at.String())
		headers = headers.With(name, file)
	}
	if headers != nil {
		o.Settings = o.Settings.With("headers", headers)
	}
}

// HeaderLines adds the headers of a key that comes once for each, name and value with a blank between.
func HeaderLines(r *settings.Reader, o *flow.Output, key string) {
	for _, v := range r.All(key) {
		name, value, _ := strings.Cut(strings.TrimSpace(v.Shown()), " ")
		value = strings.TrimSpace(value)
		if len(v.Parts) == 2 && v.Parts[1].Env != "" && strings.TrimSpace(v.Parts[0].Text) == name {
			// The whole value is a variable's.
			r.Notes.NeedEnv(v.Parts[1].Env, "as for the old program; "+v.At.String())
			o.Settings = o.Settings.In("headers", name, "${env:"+v.Parts[1].Env+"}")
			continue
		}
		Headers(r, o, map[string]string{name: value}, v.At)
	}
}

// EventHeaders adds headers with placeholders.
func EventHeaders(o *flow.Output, more flow.Map) {
	headers, _ := o.Settings.Get("event_headers").(flow.Map)
	for _, p := range more {
		headers = headers.With(p.Key, p.Value)
	}
	if headers != nil {
		o.Settings = o.Settings.With("event_headers", headers)
	}
}

// Body sets what a request holds: lines, array, one or text.
func Body(o *flow.Output, body, message string) {
	o.Settings = o.Settings.With("body", body)
	if message != "" {
		o.Settings = o.Settings.With("message", message)
	}
}

// The bodies of requests.
const (
	Lines = "ndjson"
	Array = "json_array"
	One   = "json"
	Text  = "text"
)
