package fluentbit

import (
	"strings"

	"github.com/seed-afc6a195/aggregator/internal/convert/destination"
	"github.com/seed-afc6a195/aggregator/internal/convert/flow"
	"github.com/seed-afc6a195/aggregator/internal/convert/ruby"
	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
)

// splunk reads splunk.
func (c *converter) splunk(r *settings.Reader, o *flow.Output) {
	url := c.server(r, o, "8088", "", "")
	tls := o.Settings.Get("tls")
	destination.Splunk(r, o, "", url, "")
	destination.SplunkToken(r, o, "splunk_token")
	for _, key := range [...]string{"index", "source", "sourcetype", "host"} {
		text, _ := c.named(r, "event_"+key)
		field := ""
		if name, ok := r.Plain("event_" + key + "_key"); ok {
			if path, isPath := accessor(name); isPath {
				field = ruby.Path(path)
			}
		}
		destination.SplunkText(o, key, text, field)
	}
	var indexed flow.Map
	for _, v := range r.All("event_field") {
		name, value, _ := strings.Cut(strings.TrimSpace(v.Shown()), " ")
		if path, ok := accessor(strings.TrimSpace(value)); ok && strings.HasPrefix(strings.TrimSpace(value), "$") {
			indexed = indexed.With(name, ruby.Placeholder(path))
		} else {
			indexed = indexed.With(name, flow.LiteralTemplate(strings.TrimSpace(value)))
		}
	}
	if indexed != nil {
		o.Settings = o.Settings.With("indexed_fields", indexed)
	}
	if key, ok := r.Plain("event_key"); ok {
		if path, isPath := accessor(key); isPath {
			o.Settings = o.Settings.With("message", ruby.Path(path))
		}
	}
	if r.Bool("splunk_send_raw", false) {
		r.Lose("splunk_send_raw", "the record is the event, not the object around it",
			"take its field event out: message: event, and write index, source and host as {record.…}")
	}
	if r.Has("http_user") {
		r.Say("http_user", "the token is the login", "")
	}
	if tls != nil {
		o.Settings = o.Settings.With("tls", tls)
	}
	c.proxied(r, o)
	r.Ignore("channel", "http_buffer_size", "http_debug_bad_request", "auto_extract_timestamp", "proxy", "http_passwd")
	fields(o, "", "")
}
