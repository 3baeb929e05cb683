// Package splunkhec delivers events to Splunk's HTTP Event Collector.
package splunkhec

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/httpclient"
)

// Config is the settings of an output of type splunk_hec.
type Config struct {
	outputs.Common        `yaml:",inline"`
	Connection            `yaml:",inline"`
	outputs.MessageConfig `yaml:",inline"`
	URL                   string            `yaml:"url" required:"true"`
	Token                 setting.Secret    `yaml:"token" required:"true" help:"of the HTTP Event Collector"`
	Index                 string            `yaml:"index" placeholders:"target"`
	Source                string            `yaml:"source" help:"with placeholders, e.g. {tag}; default: the token's"`
	SourceType            string            `yaml:"sourcetype"`
	Host                  string            `yaml:"host"`
	IndexedFields         map[string]string `yaml:"indexed_fields"`
	Endpoint              string            `yaml:"endpoint" default:"event" enum:"event|raw"`
	Ack                   string            `yaml:"ack" default:"auto" enum:"auto|true|false"`
	AckTimeout            time.Duration     `yaml:"ack_timeout" default:"5m" min:"1s"`
}

// Connection is how requests reach the server: httpclient's settings but for the login, which is the token.
type Connection struct {
	Headers     map[string]setting.Secret `yaml:"headers" help:"name: value, added to every request"`
	TLS         *setting.ClientTLS        `yaml:"tls" help:"how the server is trusted"`
	Proxy       string                    `yaml:"proxy" help:"as of an http output"`
	Compression string                    `yaml:"compression" default:"gzip" enum:"none|gzip" help:"of requests"`
}

// Help implements setting.Explained.
func (Config) Help() map[string]string {
	return map[string]string{
		"url":   "of the collector, e.g. https://splunk.example:8088; /services/collector is added",
		"index": "with placeholders, e.g. logs-{cluster}; default: the token's",
		"sourcetype": "with placeholders, e.g. {record.kubernetes.container_name|kube}; default: the token's, or " +
			"Splunk's own",
		"host": "with placeholders, e.g. {record.kubernetes.host}; default: the address that Splunk sees",
		"indexed_fields": "name: text with placeholders, indexed beside the event; one without a value is left out; " +
			"with endpoint event only",
		"endpoint": "event: an object for each event, with its time; raw: a line of text for each, which Splunk's " +
			"own rules take apart",
		"ack": "true: an event is delivered once an indexer has it; false: once Splunk has taken it; auto: true " +
			"where the token has indexer acknowledgement",
		"ack_timeout": "how long an indexer may take; what is not acknowledged by then is sent again, and may be " +
			"there twice",
	}
}

const (
	endpointRaw = "raw"
	ackAuto     = "auto"
	ackAlways   = "true"
	ackNever    = "false"
)

// Settings returns the common settings with this destination's defaults: requests below the 1 MB that Splunk Cloud
// takes, and more of them at once, since each waits for an indexer.
func (c *Config) Settings() outputs.Common {
	return c.Or(outputs.Common{
		Workers: 8, Batch: outputs.BatchConfig{MaxBytes: 512 << 10, MaxEvents: 5_000},
	}).Or(outputs.Defaults())
}

// client returns the settings of the client.
func (c *Config) client() httpclient.Config {
	headers := map[string]setting.Secret{}
	maps.Copy(headers, c.Headers)
	headers["Authorization"] = setting.NewSecret("Splunk " + strings.TrimSpace(c.Token.Reveal()))
	return httpclient.Config{Headers: headers, TLS: c.TLS, Proxy: c.Proxy, Compression: c.Compression}
}

// Check reports settings that can't work.
func (c *Config) Check(r *setting.Report) {
	c.Common.Check(r)
	for name := range c.Headers {
		if http.CanonicalHeaderKey(name) == "Authorization" {
			r.Add("headers."+name, "remove it", "the token is sent in it")
			return
		}
	}
	client := c.client()
	unsendable := func(c rune) bool { return c <= ' ' || c > '~' }
	if strings.ContainsFunc(strings.TrimSpace(c.Token.Reveal()), unsendable) {
		r.Add("token", "check where it comes from", "it holds a space, a line break or a character that can't be sent")
	} else if c.Token.Reveal() != "" {
		client.Check(r)
	}
	if _, err := parseURL(c.URL); err != nil && c.URL != "" {
		r.Add("url", "write it like https://splunk.example:8088", "%v", err)
	}
	if c.TLS != nil && strings.HasPrefix(c.URL, "http:") {
		r.Add("tls", "write url with https", "it has no effect on http")
	}
	for key, text := range c.templates() {
		if _, err := event.ParseTemplate(text); err != nil {
			r.Add(key, "see the example in the documentation", "%v", err)
		}
	}
	c.MessageConfig.Check(r)
	if len(c.IndexedFields) > 0 && c.Endpoint == endpointRaw {
		r.Add("indexed_fields", "write endpoint: event", "raw lines have none")
	}
}

// templates returns the texts with placeholders by their keys.
func (c *Config) templates() map[string]string {
	all := map[string]string{
		"index": c.Index, "source": c.Source, "sourcetype": c.SourceType, "host": c.Host,
	}
	for _, name := range slices.Sorted(maps.Keys(c.IndexedFields)) {
		all["indexed_fields."+name] = c.IndexedFields[name]
	}
	return all
}

// collector is the path below which Splunk's collector answers.
const collector = "/services/collector"

// parseURL returns the URL of the collector, which ends in its path.
func parseURL(text string) (string, error) {
	u, err := url.Parse(strings.TrimRight(text, "/"))
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https":
		return "", errors.New("it is not a URL that begins with http:// or https:// and a host")
	case u.User != nil:
		return "", errors.New("it holds a user: only the token logs in")
	case u.RawQuery != "" || u.Fragment != "":
		return "", errors.New("it has more than scheme, host, port and path")
	}
	base := u.String()
	if at := strings.Index(base, collector); at >= 0 {
		switch rest := base[at+len(collector):]; rest {
		case "", "/event", "/event/1.0", "/raw", "/raw/1.0":
			base = base[:at]
		default:
			return "", fmt.Errorf("%s is no endpoint of the collector", collector+rest)
		}
	}
	return base + collector, nil
}
