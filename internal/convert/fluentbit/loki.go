package fluentbit

import (
	"regexp"
	"strings"

	"github.com/seed-afc6a195/aggregator/internal/convert/destination"
	"github.com/seed-afc6a195/aggregator/internal/convert/flow"
	"github.com/seed-afc6a195/aggregator/internal/convert/ruby"
	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
)

// loki reads loki.
func (c *converter) loki(r *settings.Reader, o *flow.Output) {
	o.Type = "loki"
	host, ok := r.Text("host")
	if !ok {
		host = "127.0.0.1"
	}
	port, ok := r.Text("port")
	if !ok {
		port = "3100"
	}
	scheme := "http"
	if c.tls(r, o) {
		scheme = "https"
	}
	path := ""
	if uri, ok := r.Text("uri"); ok {
		path = strings.TrimSuffix(uri, "/loki/api/v1/push")
	}
	o.Settings = o.Settings.With("url", scheme+"://"+host+":"+port+path)
	destination.Login(r, o, "http_user", "http_passwd")
	destination.HeaderLines(r, o, "header")
	if token, ok := r.Secret("bearer_token", o.Name+"-token"); ok {
		destination.Bearer(r, o, token)
	}
	tenant, ok := r.Text("tenant_id")
	if key, has := r.Plain("tenant_id_key"); has {
		if path, isPath := accessor(key); isPath {
			tenant, ok = withDefault(ruby.Placeholder(path), tenant), true
		}
	}
	if ok {
		o.Settings = o.Settings.With("tenant", tenant)
	}
	labels := lokiLabels(r, "labels")
	for _, p := range lokiLabels(r, "label_keys") {
		labels = labels.With(p.Key, p.Value)
	}
	if labels == nil {
		labels = flow.Map{{Key: "job", Value: "fluentbit"}}
	}
	o.Settings = o.Settings.With("labels", destination.Labels(labels))
	if extra := lokiLabels(r, "structured_metadata"); extra != nil {
		o.Settings = o.Settings.With("structured_metadata", extra)
	}
	if r.Bool("auto_kubernetes_labels", false) {
		r.Lose("auto_kubernetes_labels", "labels are named one by one",
			"add them to labels, as {record.kubernetes.labels.app|none}")
	}
	if r.Has("structured_metadata_map_keys") {
		r.Lose("structured_metadata_map_keys", "structured metadata is named one by one",
			"add it to structured_metadata, as {record.kubernetes.labels.app}")
	}
	if r.Has("label_map_path") {
		r.Lose("label_map_path", "the file is not read", "write its labels into labels")
	}
	var remove []string
	for _, v := range r.All("remove_keys") {
		for key := range strings.SplitSeq(v.Shown(), ",") {
			if path, ok := accessor(key); ok {
				remove = append(remove, ruby.Path(path))
			} else {
				r.Lose("remove_keys", "the field "+strings.TrimSpace(key)+" can't be read", "write a step modify")
			}
		}
	}
	destination.Remove(r, o, "remove_keys", remove)
	if format, ok := r.Plain("line_format"); ok && format != "json" {
		r.Say("line_format", "a line is JSON, not key=value", "message: log sends one field alone")
	}
	if single, _ := r.Plain("drop_single_key"); single != "" && !strings.EqualFold(single, "off") &&
		!strings.EqualFold(single, "false") {
		r.Say("drop_single_key", "a record with one field alone is a line of JSON too",
			"message: log sends that field alone")
	}
	r.Ignore("compress")
	fields(o, "", "")
}

// lokiLabels reads a=b, $c, d=$e['f'].
func lokiLabels(r *settings.Reader, key string) (labels flow.Map) {
	for _, v := range r.All(key) {
		for part := range strings.SplitSeq(v.Shown(), ",") {
			name, value, found := strings.Cut(strings.TrimSpace(part), "=")
			name, value = strings.TrimSpace(name), strings.TrimSpace(value)
			if !found {
				value = name
			}
			if name == "" {
				continue
			}
			path, isField := accessor(value)
			if !strings.HasPrefix(value, "$") || !isField {
				labels = labels.With(name, flow.LiteralTemplate(value))
				continue
			}
			if !found {
				// There, such a label has the names of all maps on the way.
				name = regexp.MustCompile(`[^A-Za-z0-9_]`).ReplaceAllString(strings.Join(path, "_"), "_")
			}
			labels = labels.With(name, ruby.PlaceholderOf(ruby.Path(path)+"|"))
		}
	}
	return labels
}
