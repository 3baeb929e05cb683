package destination

import (
	"strings"

	"github.com/seed-afc6a195/aggregator/internal/convert/flow"
	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
)

// Region sets the region that one of the keys names, or else the one of the environment.
func Region(r *settings.Reader, o *flow.Output, keys ...string) {
	for _, key := range keys {
		if region, ok := r.Text(key); ok {
			o.Settings = o.Settings.With("region", region)
			return
		}
	}
	r.Notes.NeedEnv("AWS_REGION", "the region of "+r.Title)
	o.Settings = o.Settings.With("region", "${env:AWS_REGION}")
}

// Endpoint sets the URL of an endpoint of the network's own; without a scheme it is https.
func Endpoint(r *settings.Reader, o *flow.Output, key string) {
	if url, ok := r.Text(key); ok {
		if !strings.Contains(url, "://") {
			url = "https://" + url
		}
		o.Settings = o.Settings.With("endpoint", url)
	}
}

// Role sets the role that is assumed, and what its owner asks for.
func Role(r *settings.Reader, o *flow.Output, role, external string) {
	if text, ok := r.Text(role); ok {
		o.Settings = o.Settings.With("role_arn", text)
	}
	if text, ok := r.Text(external); ok && o.Settings.Get("role_arn") != nil {
		o.Settings = o.Settings.With("external_id", text)
	}
}

// Tags sets AWS' tags of what is made, a=b,c=d in the old file.
func Tags(o *flow.Output, key, text string) {
	var m flow.Map
	for pair := range strings.SplitSeq(text, ",") {
		if name, value, found := strings.Cut(strings.TrimSpace(pair), "="); found {
			m = m.With(name, flow.Literal(value))
		}
	}
	if m != nil {
		o.Settings = o.Settings.With(key, m)
	}
}
