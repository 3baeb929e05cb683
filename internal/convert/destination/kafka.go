package destination

import (
	"strings"

	"github.com/seed-afc6a195/aggregator/internal/convert/flow"
	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
)

// Brokers sets the brokers that a key names, with commas between; fallback is for none.
func Brokers(r *settings.Reader, o *flow.Output, fallback string) (named bool) {
	text, named := r.Text("brokers")
	if !named {
		text = fallback
	}
	var all []any
	for b := range strings.SplitSeq(text, ",") {
		if b = strings.TrimSpace(b); b != "" {
			all = append(all, b)
		}
	}
	o.Settings = o.Settings.With("brokers", all)
	return named
}

// SASL sets a login at brokers, where the key user names somebody.
func SASL(r *settings.Reader, o *flow.Output, mechanism, user, password string) (set bool) {
	name, ok := r.Text(user)
	if !ok {
		return false
	}
	m := flow.Map{{Key: "mechanism", Value: mechanism}, {Key: "username", Value: name}}
	if secret, has := r.Secret(password, o.Name+"-password"); has {
		m = m.With("password", secret)
	}
	o.Settings = o.Settings.With("sasl", m)
	return true
}

// Compression returns the codec of that name, none where records were not compressed.
func Compression(codec string) string {
	switch codec = strings.ToLower(codec); codec {
	case "gzip", "snappy", "lz4", "zstd":
		return codec
	}
	return "none"
}

// RecordHeaders adds headers of records.
func RecordHeaders(o *flow.Output, more flow.Map) {
	headers, _ := o.Settings.Get("headers").(flow.Map)
	for _, p := range more {
		headers = headers.With(p.Key, p.Value)
	}
	if headers != nil {
		o.Settings = o.Settings.With("headers", headers)
	}
}
