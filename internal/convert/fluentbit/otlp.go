package fluentbit

import (
	"strings"

	"github.com/seed-afc6a195/aggregator/internal/convert/destination"
	"github.com/seed-afc6a195/aggregator/internal/convert/flow"
	"github.com/seed-afc6a195/aggregator/internal/convert/ruby"
	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
)

// otlp reads opentelemetry.
func (c *converter) otlp(r *settings.Reader, o *flow.Output) {
	o.Type = "otlp"
	o.Settings = flow.Map{{Key: "url", Value: ""}}
	o.Settings[0].Value = c.server(r, o, "80", "logs_uri", "")
	if r.Bool("grpc", false) {
		r.Lose("grpc", "OTLP goes over HTTP here, not over gRPC",
			"write the port at which the collector takes HTTP, 4318")
	}
	if key, ok := r.Plain("logs_body_key"); ok {
		if path, isPath := accessor(key); isPath {
			o.Settings = o.Settings.With("body", ruby.Path(path))
		}
	}
	destination.HeaderLines(r, o, "header")
	destination.Login(r, o, "http_user", "http_passwd")
	c.oauth2(r, o)
	if r.Bool("aws_auth", false) {
		r.Lose("aws_auth", "requests are not signed for AWS", "put a collector in front that signs them")
	}
	c.proxied(r, o)
	for _, e := range r.Entries {
		if strings.HasPrefix(e.Key, "logs_") || strings.HasPrefix(e.Key, "metrics_") ||
			strings.HasPrefix(e.Key, "traces_") || strings.HasPrefix(e.Key, "profiles_") || strings.HasPrefix(e.Key,
			"grpc_") {
			// What of an event is which part of a record is the output's own matter; there are no metrics and traces.
			r.Ignore(e.Key)
		}
	}
	r.Ignore("add_label", "http2", "batch_size", "log_response_payload", "aws_service", "aws_region")
}
