package outputs

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

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
	if user, ok := r.Text("username"); ok {
		o.Settings = o.Settings.With("username", user)
	}
	if password, ok := r.Secret("password", o.Name+"-password"); ok {
		o.Settings = o.Settings.With("password", password)
	}
	if tenant, ok := named(r, "tenant"); ok {
		o.Settings = o.Settings.With("tenant", tenant)
	}
	var labels flow.Map
	if text, ok := r.Plain("extra_labels"); ok {
		var extra map[string]string
		if json.Unmarshal([]byte(text), &extra) != nil {
			r.Lose("extra_labels", "it is no object of texts", "write labels by hand")
		}
		for _, name := range slices.Sorted(maps.Keys(extra)) {
			labels = labels.With(name, flow.LiteralTemplate(extra[name]))
		}
	}
	for _, s := range r.Children("label") {
		for _, e := range s.Entries {
			field := e.Value.Shown()
			if field == "" {
				field = e.Key
			}
			if path, isPath := template.Accessor(field); isPath {
				labels = labels.With(e.Key, "{record."+ruby.Path(path)+"|none}")
			}
		}
	}
	r.IgnoreSections("label")
	if labels != nil {
		o.Settings = o.Settings.With("labels", labels)
	}
	if remove := template.Paths(r, "remove_keys"); remove != nil {
		o.Steps = append(o.Steps, flow.Step{Kind: "modify", Body: flow.Map{{Key: "remove", Value: template.Texts(remove)}}})
	}
	if format, ok := r.Plain("line_format"); !ok || format != "json" {
		r.Notes.Say(r.At, r.Title+" line_format", "a line is JSON, not key=value", "message: log sends one field alone")
	}
	for _, p := range [...]struct{ old, key string }{
		{"ca_cert", "ca_file"}, {"cert", "cert_file"}, {"key", "key_file"},
	} {
		if text, ok := r.Text(p.old); ok {
			o.Settings = o.Settings.In("tls", p.key, text)
			r.Notes.NeedFile(text, "the file of that name that the old program had")
		}
	}
	if r.Bool("insecure_tls", false) {
		o.Settings = o.Settings.In("tls", "insecure_skip_verify", true)
	}
	r.Ignore("extract_kubernetes_labels", "drop_single_key", "include_thread_label", "compress", "custom_headers",
		"bearer_token_file")
	fieldsOff(o, "", "")
}
