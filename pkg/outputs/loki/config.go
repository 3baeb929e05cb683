// Package loki delivers events to Grafana Loki.
package loki

import (
	"errors"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/httpclient"
)

// Config is the settings of an output of type loki.
type Config struct {
	outputs.Common        `yaml:",inline"`
	Login                 `yaml:",inline"`
	URL                   string            `yaml:"url" required:"true"`
	Labels                map[string]string `yaml:"labels"`
	MaxStreamsPerHour     int               `yaml:"max_streams_per_hour" default:"1000"`
	StructuredMetadata    map[string]string `yaml:"structured_metadata"`
	Tenant                string            `yaml:"tenant" placeholders:"target"`
	outputs.MessageConfig `yaml:",inline"`
	MaxLineSize           setting.Size `yaml:"max_line_size" default:"256KiB" min:"1KiB"`
}

// Login is how this program logs in: httpclient's settings but for the compression, which the protocol has of its own.
type Login struct {
	Username    string                    `yaml:"username" help:"for basic authentication"`
	Password    setting.Secret            `yaml:"password" help:"for basic authentication"`
	BearerToken setting.Secret            `yaml:"bearer_token" help:"instead of username and password"`
	OAuth2      *httpclient.OAuth2        `yaml:"oauth2" help:"instead of these: client credentials"`
	Headers     map[string]setting.Secret `yaml:"headers" help:"name: value, added to every request"`
	TLS         *setting.ClientTLS        `yaml:"tls" help:"how the server is trusted"`
	Proxy       string                    `yaml:"proxy" help:"as of an http output"`
}

// client returns the settings of the client.
func (l *Login) client() httpclient.Config {
	return httpclient.Config{
		Username: l.Username, Password: l.Password, BearerToken: l.BearerToken, OAuth2: l.OAuth2, Headers: l.Headers,
		TLS:   l.TLS,
		Proxy: l.Proxy, Compression: "none",
	}
}

// Help implements setting.Explained.
func (Config) Help() map[string]string {
	return map[string]string{
		"url": "of Loki, e.g. http://loki.monitoring:3100",
		"labels": "name: text with placeholders; events with equal ones make a stream; few different ones " +
			"only; default: " +
			"cluster: {cluster}",
		"max_streams_per_hour": "different streams of a cluster in an hour; events beyond have other in place of " +
			"what is not " +
			"the cluster's; 0: no limit",
		"structured_metadata": "name: text with placeholders, of each line: for what has many values, such as pods; " +
			"Loki 3, or " +
			"2.9 with allow_structured_metadata",
		"tenant": "with placeholders, e.g. {cluster}: whose the lines are (X-Scope-OrgID); default: " +
			"none is told",
		"max_line_size": "that Loki takes: max_line_size of its limits",
	}
}

// Settings returns the common settings with this destination's defaults: requests well below the 4 MiB that Loki's
// parts take of each other.
func (c *Config) Settings() outputs.Common {
	return c.Or(outputs.Common{Batch: outputs.BatchConfig{MaxBytes: 1 << 20, MaxEvents: 10_000}}).Or(outputs.Defaults())
}

// Check reports settings that can't work.
func (c *Config) Check(r *setting.Report) {
	c.Common.Check(r)
	c.MessageConfig.Check(r)
	login := c.client()
	login.Check(r)
	if _, err := address(c.URL); err != nil && c.URL != "" {
		r.Add("url", "write it like http://loki.monitoring:3100", "%v", err)
	}
	name := regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)
	for _, list := range []struct {
		key   string
		pairs map[string]string
	}{{"labels", c.Labels}, {"structured_metadata", c.StructuredMetadata}} {
		for _, key := range slices.Sorted(maps.Keys(list.pairs)) {
			if !name.MatchString(key) || strings.HasPrefix(key, "__") {
				r.Add(list.key+"."+key, "write letters, digits and _", "it is no name of a label")
			}
			if _, err := event.ParseTemplate(list.pairs[key]); err != nil {
				r.Add(list.key+"."+key, "see the example in the documentation", "%v", err)
			}
		}
	}
	if _, err := event.ParseTemplate(c.Tenant); err != nil {
		r.Add("tenant", "see the example in the documentation", "%v", err)
	}
	if c.MaxStreamsPerHour < 0 {
		r.Add("max_streams_per_hour", "write 0 for no limit", "a negative value has no meaning")
	}
	if len(c.Labels) > maxLabels {
		r.Add("labels", "write 15 or less: Loki's own limit", "%d labels are too many", len(c.Labels))
	}
}

// maxLabels is Loki's limit.
const maxLabels = 15

// pushPath is where lines are pushed to.
const pushPath = "/loki/api/v1/push"

// address returns the URL that lines are pushed to.
func address(text string) (push string, err error) {
	u, err := url.Parse(strings.TrimRight(text, "/"))
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return "", errors.New("it is not a URL that begins with http:// or https:// and a host")
	case u.User != nil:
		return "", errors.New("it holds a user: use username and password instead")
	case u.RawQuery != "" || u.Fragment != "":
		return "", errors.New("it has more than scheme, host, port and path")
	}
	return strings.TrimSuffix(u.String(), pushPath) + pushPath, nil
}
