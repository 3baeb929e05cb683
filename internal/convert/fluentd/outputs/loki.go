package outputs

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/seed-afc6a195/aggregator/internal/convert/destination"
	"github.com/seed-afc6a195/aggregator/internal/convert/flow"
	"github.com/seed-afc6a195/aggregator/internal/convert/fluentd/template"
	"github.com/seed-afc6a195/aggregator/internal/convert/ruby"
	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
)

// loki reads fluent-plugin-grafana-loki.
func loki(r *settings.Reader, o *flow.Output) {
	o.Type = "loki"
	url, ok := r.Text("url")
	if !ok {
		url = "https://logs-prod-us-central1.grafana.net"
	}
	o.Settings = o.Settings.With("url", strings.TrimSuffix(url, "/"))
	destination.Login(r, o, "username", "password")
	if file, ok := r.Text("bearer_token_file"); ok {
		destination.Bearer(r, o, "${file:"+file+"}")
		r.Notes.NeedFile(file, "the token, as for the old program")
	}
	if headers, v := destination.Object(r, "custom_headers"); headers != nil {
		destination.Headers(r, o, headers, v.At)
	}
	if tenant, ok := named(r, "tenant"); ok {
		o.Settings = o.Settings.With("tenant", tenant)
	}
	var labels flow.Map
	if text, ok := r.Mapped("extra_labels", func(text string) string { return text }); ok {
		var extra map[string]string
		if json.Unmarshal([]byte(text), &extra) != nil {
			r.Lose("extra_labels", "it is no object of texts", "write labels by hand")
		}
		for _, name := range slices.Sorted(maps.Keys(extra)) {
			value := extra[name]
			if !strings.Contains(value, "${env:") {
				value = flow.LiteralTemplate(value)
			}
			labels = labels.With(name, value)
		}
	}
	for _, s := range r.Children("label") {
		for _, e := range s.Entries {
			field := e.Value.Shown()
			if field == "" {
				field = e.Key
			}
			path, isPath := template.Accessor(field)
			if !isPath {
				r.Notes.Lose(e.At, r.Title+" <label> "+e.Key, "the field "+field+" can't be read",
					"write labels by hand")
				continue
			}
			labels = labels.With(e.Key, ruby.PlaceholderOf(ruby.Path(path)+"|"))
		}
	}
	r.IgnoreSections("label")
	if all := r.Children("label"); len(all) > 0 {
		r.Notes.Say(all[0].At, r.Title+" <label>",
			"the fields of labels stay in the line too; the plugin takes them out",
			"message: log sends one field alone")
	}
	if labels != nil {
		o.Settings = o.Settings.With("labels", destination.Labels(labels))
	}
	destination.Remove(r, o, "remove_keys", template.Paths(r, "remove_keys"))
	if r.Bool("extract_kubernetes_labels", false) {
		r.Lose("extract_kubernetes_labels", "labels are named one by one",
			"add them to labels, as {record.kubernetes.labels.app|none}")
	}
	if format, ok := r.Plain("line_format"); !ok || format != "json" {
		r.Notes.Say(r.At, r.Title+" line_format", "a line is JSON, not key=value", "message: log sends one field alone")
	}
	if r.Bool("drop_single_key", false) {
		r.Notes.Say(r.At, r.Title+" drop_single_key", "a record with one field alone is a line of JSON too",
			"message: log sends that field alone")
	}
	m := destination.Files(r, nil, destination.File{Old: "ca_cert", New: "ca_file"},
		destination.File{Old: "cert", New: "cert_file"}, destination.File{Old: "key", New: "key_file"})
	if r.Bool("insecure_tls", false) {
		m = m.With("insecure_skip_verify", true)
	}
	destination.TLS(o, m)
	if r.Bool("include_thread_label", true) {
		r.Notes.Say(r.At, r.Title+" include_thread_label", "left out: there is no label fluentd_thread", "")
	}
	r.Ignore("compress", "ciphers", "min_version")
	fieldsOff(o, "", "")
}
