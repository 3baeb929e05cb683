package outputs

import (
	"strings"

	"github.com/seed-afc6a195/aggregator/internal/convert/destination"
	"github.com/seed-afc6a195/aggregator/internal/convert/flow"
	"github.com/seed-afc6a195/aggregator/internal/convert/fluentd/template"
	"github.com/seed-afc6a195/aggregator/internal/convert/ruby"
	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
)

// splunk reads splunk_hec of both plugins of that name: one's keys begin with hec_, the other's don't.
func splunk(r *settings.Reader, o *flow.Output) {
	host, ok := r.Text("hec_host")
	hec := ok || r.Has("hec_token") || r.Has("full_url")
	scheme, port := "https", "8088"
	if !hec {
		host, ok = r.Text("host")
		if !r.Has("protocol") && !r.Bool("use_ssl", false) {
			scheme = "http"
		}
	}
	if text, set := r.Plain("protocol"); set {
		scheme = text
	}
	for _, key := range [...]string{"hec_port", "port"} {
		if text, set := r.Text(key); set {
			port = text
		}
	}
	if text, set := r.Text("full_url"); set {
		host, port, ok = strings.TrimSuffix(strings.TrimSuffix(text, "/services/collector"), "/"), "", true
	}
	if !ok {
		r.Notes.Lose(r.At, r.Title, "it has no host", "write url")
		host = "missing"
	}
	destination.Splunk(r, o, scheme, host, port)
	destination.SplunkToken(r, o, "hec_token", "token")
	for _, key := range [...]string{"index", "source", "sourcetype", "host"} {
		splunkText(r, o, key, hec)
	}
	splunkEvent(r, o)
	splunkTLS(r, o)
	if r.Bool("use_ack", false) {
		o.Settings = o.Settings.With("ack", "true")
	}
	r.Ignore("hec_port", "hec_endpoint", "app_name", "app_version", "coerce_to_utf8", "non_utf8_replacement_string",
		"idle_timeout", "read_timeout", "open_timeout", "use_fluentd_time", "channel", "ack_interval",
		"ack_retry_limit", "time_format", "line_breaker", "raw", "consume_chunk_on_4xx_errors",
		"ssl_ciphers",
		"require_ssl_min_version", "metrics_from_event", "gzip_compression", "data_type", "keep_keys")
	if key, set := r.Plain("time_key"); set {
		timeKey(r, o, key, "")
	}
	if kind, _ := r.Plain("data_type"); kind == "metric" {
		r.Lose("data_type", "no metrics are made of events", "send them another way")
	}
	if endpoint, set := r.Plain("hec_endpoint"); set && strings.Contains(endpoint, "raw") || r.Bool("raw", false) {
		o.Settings = o.Settings.With("endpoint", "raw")
	}
	if !r.Bool("gzip_compression", false) {
		o.Settings = o.Settings.With("compression", "none")
	}
	fieldsOff(o, "", "")
}

// splunkText reads one of index, source, sourcetype and host: a text with placeholders, and the field that has it.
func splunkText(r *settings.Reader, o *flow.Output, key string, hec bool) {
	text, ok := "", false
	if key != "host" || hec {
		text, ok = named(r, key)
	}
	if def, has := named(r, "default_"+key); has && !ok {
		text = def
	}
	if !hec && key == "host" {
		if def, has := named(r, "default_host"); has {
			text = def
		}
	}
	field := ""
	if name, has := r.Plain(key + "_key"); has {
		if path, isPath := template.Accessor(name); isPath {
			field = ruby.Path(path)
			r.Notes.Say(r.At, r.Title+" "+key+"_key", "the field "+name+" stays in the event", "")
		}
	}
	destination.SplunkText(o, key, text, field)
}

// splunkEvent reads what of a record is the event, and what is indexed beside it.
func splunkEvent(r *settings.Reader, o *flow.Output) {
	if section := r.Child("fields"); section != nil {
		var m flow.Map
		for _, e := range section.Entries {
			name := e.Value.Shown()
			if name == "" {
				name = e.Key
			}
			if path, ok := template.Accessor(name); ok {
				m = m.With(e.Key, ruby.Placeholder(path))
			}
		}
		o.Settings = o.Settings.With("indexed_fields", m)
	}
	if key, ok := r.Plain("event_key"); ok {
		if path, isPath := template.Accessor(key); isPath {
			o.Settings = o.Settings.With("message", ruby.Path(path))
		}
	}
	if message, single := alone(r); single {
		o.Settings = o.Settings.With("message", message)
	}
}

func splunkTLS(r *settings.Reader, o *flow.Output) {
	m := destination.Files(r, nil, destination.File{Old: "ca_file", New: "ca_file"},
		destination.File{Old: "client_cert", New: "cert_file"}, destination.File{Old: "client_key", New: "key_file"})
	if r.Has("ca_path") {
		r.Lose("ca_path", "authorities are in one file", "put them into one, for tls.ca_file")
	}
	if r.Bool("insecure_ssl", false) || !r.Bool("ssl_verify", true) {
		m = m.With("insecure_skip_verify", true)
	}
	r.Ignore("use_ssl", "ssl_verify", "insecure_ssl")
	destination.TLS(o, m)
}
