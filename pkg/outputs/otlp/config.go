// Package otlp delivers events as OpenTelemetry's log records, by OTLP over HTTP.
package otlp

import (
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/httpclient"
)

// Config is the settings of an output of type otlp.
type Config struct {
	outputs.Common    `yaml:",inline"`
	httpclient.Config `yaml:",inline"`
	URL               string            `yaml:"url" required:"true"`
	EventHeaders      map[string]string `yaml:"event_headers"`
	Resource          map[string]string `yaml:"resource"`
	Kubernetes        string            `yaml:"kubernetes" default:"kubernetes"`
	Body              string            `yaml:"body"`
}

// Help implements setting.Explained.
func (Config) Help() map[string]string {
	return map[string]string{
		"url": "of OTLP over HTTP, e.g. https://collector.example:4318; /v1/logs is added to one without a path",
		"event_headers": "name: text with placeholders, e.g. X-Scope-OrgID: \"{cluster}\"; events with equal ones go " +
			"together",
		"resource": "name: text with placeholders, of the resource's attributes, e.g. deployment.environment.name: " +
			"prod; one without a value is left out",
		"kubernetes": "the field with what Fluent Bit and fluentd know of the pod, which becomes the resource; " +
			"\"\": none",
		"body": "the field that becomes the record's body; default: message, else log; where it is missing or empty: " +
			"all fields",
	}
}

// Settings returns the common settings with this destination's defaults: requests well below the 20 MiB that a
// Collector takes, and the 4 MiB of gateways that pass them on by gRPC.
func (c *Config) Settings() outputs.Common {
	return c.Or(outputs.Common{Batch: outputs.BatchConfig{MaxBytes: 2 << 20, MaxEvents: 10_000}}).Or(outputs.Defaults())
}

// Check reports settings that can't work.
func (c *Config) Check(r *setting.Report) {
	c.Common.Check(r)
	c.Config.Check(r)
	if _, err := parseURL(c.URL); err != nil && c.URL != "" {
		r.Add("url", "write it like https://collector.example:4318", "%v", err)
	}
	if c.TLS != nil && strings.HasPrefix(c.URL, "http:") {
		r.Add("tls", "write url with https", "it has no effect on http")
	}
	for _, list := range []struct {
		key   string
		pairs map[string]string
	}{{"event_headers", c.EventHeaders}, {"resource", c.Resource}} {
		for _, name := range slices.Sorted(maps.Keys(list.pairs)) {
			if _, err := event.ParseTemplate(list.pairs[name]); err != nil {
				r.Add(list.key+"."+name, "see the example in the documentation", "%v", err)
			}
			if name == "" {
				r.Add(list.key, "write one", "a name is empty")
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.EventHeaders)) {
		if name != "" && !httpclient.IsHeaderName(name) {
			r.Add("event_headers."+name, "write letters, digits and -", "it is no name of a header")
		} else if http.CanonicalHeaderKey(name) == "Authorization" {
			r.Add("event_headers."+name, "write bearer_token, or username", "a login is the same for all events")
		}
	}
}

// logsPath is where log records are taken.
const logsPath = "/v1/logs"

// parseURL returns the URL that log records are sent to.
func parseURL(text string) (string, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https":
		return "", errors.New("it is not a URL that begins with http:// or https:// and a host")
	case u.User != nil:
		return "", errors.New("it holds a user: use username and password instead")
	case u.Fragment != "":
		return "", errors.New("it has a fragment, which is not sent")
	}
	if strings.Trim(u.Path, "/") == "" {
		u.Path = logsPath
	}
	return u.String(), nil
}
