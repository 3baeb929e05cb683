package destination

import (
	"strings"

	"github.com/seed-afc6a195/aggregator/internal/convert/flow"
	"github.com/seed-afc6a195/aggregator/internal/convert/ruby"
	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
)

// Splunk begins an output to the HTTP Event Collector of a server.
func Splunk(r *settings.Reader, o *flow.Output, scheme, host, port string) {
	o.Type = "splunk_hec"
	url := host
	if !strings.Contains(host, "://") {
		url = scheme + "://" + host
	}
	if port != "" {
		url += ":" + port
	}
	o.Settings = flow.Map{{Key: "url", Value: url}}
	r.Ignore("scheme", "protocol", "host", "port")
}

// SplunkToken sets the token that a key has.
func SplunkToken(r *settings.Reader, o *flow.Output, keys ...string) {
	for _, key := range keys {
		if token, ok := r.Secret(key, o.Name+"-token"); ok {
			o.Settings = o.Settings.With("token", token)
			return
		}
	}
	r.Notes.Lose(r.At, r.Title, "it has no token", "write token")
	o.Settings = o.Settings.With("token", "missing")
}

// SplunkText sets index, source, sourcetype or host: to the field of a record, with text for events without it.
func SplunkText(o *flow.Output, key, text, field string) {
	switch {
	case field != "" && text != "" && !strings.ContainsAny(text, "{%"):
		text = ruby.PlaceholderOf(field + "|" + text)
	case field != "":
		text = ruby.PlaceholderOf(field)
	}
	if text != "" {
		o.Settings = o.Settings.With(key, text)
	}
}
