package destination

import (
	"regexp"
	"strings"

	"github.com/seed-afc6a195/aggregator/internal/convert/flow"
	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
)

// Region sets the region that one of the keys names, or else the one of the environment.
func Region(r *settings.Reader, o *flow.Output, keys ...string) {
	for _, key := range keys {
		region, ok := r.Text(key)
		if ok && !IsRegion(region) {
			r.Lose(key, region+" is no region", "set AWS_REGION, or write the region's code, such as eu-central-1")
			continue
		}
		if ok {
			o.Settings = o.Settings.With("region", region)
			return
		}
	}
	r.Notes.NeedEnv("AWS_REGION", "the region of "+r.Title)
	o.Settings = o.Settings.With("region", "${env:AWS_REGION}")
}

// IsRegion reports whether a text may be a region's code.
func IsRegion(text string) bool {
	return strings.Contains(text, "${") || regexp.MustCompile(`^[a-z]+(-[a-z0-9]+)+$`).MatchString(text)
}

// Bucket sets the bucket that a key names.
func Bucket(r *settings.Reader, o *flow.Output, key string) {
	name, ok := r.Text(key)
	switch {
	case !ok:
		r.Notes.Lose(r.At, r.Title, "it has no "+key, "write bucket")
		name = "missing"
	case !strings.Contains(name, "${") && !regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`).MatchString(name) &&
		!strings.HasPrefix(name, "arn:"):
		r.Lose(key, name+" is no name of a bucket", "write bucket")
		name = "missing"
	}
	o.Settings = o.Settings.With("bucket", name)
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
	if arn := RoleARN(r, role); arn != "" {
		o.Settings = o.Settings.With("role_arn", arn)
	}
	if text, ok := r.Text(external); ok && o.Settings.Get("role_arn") != nil {
		o.Settings = o.Settings.With("external_id", text)
	}
}

// RoleARN returns the role that a key names, "" where there is none.
func RoleARN(r *settings.Reader, key string) string {
	text, ok := r.Text(key)
	if !ok || strings.Contains(text, "${") ||
		regexp.MustCompile(`^arn:aws[a-z-]*:iam::\d{12}:role/\S+$`).MatchString(text) {
		return text
	}
	r.Lose(key, text+" is no role's ARN", "write role_arn: arn:aws:iam::123456789012:role/name")
	return ""
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
