// Package http delivers events by HTTP requests of lines, arrays, objects or texts.
package http

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/httpclient"
)

// Config is the settings of an output of type http.
type Config struct {
	outputs.Common        `yaml:",inline"`
	httpclient.Config     `yaml:",inline"`
	URL                   string            `yaml:"url" required:"true" placeholders:"target"`
	Method                string            `yaml:"method" default:"POST" enum:"POST|PUT|PATCH" help:"of requests"`
	Body                  string            `yaml:"body" default:"ndjson" enum:"ndjson|json_array|json|text"`
	ContentType           string            `yaml:"content_type" help:"of requests; default: as body is"`
	EventHeaders          map[string]string `yaml:"event_headers"`
	outputs.MessageConfig `yaml:",inline"`
	Statuses              Statuses `yaml:"statuses" help:"what statuses mean beside what they usually do"`
}

// Help implements setting.Explained.
func (Config) Help() map[string]string {
	return map[string]string{
		"url": "with placeholders behind the host, e.g. https://logs.example/ingest/{cluster}",
		"body": "ndjson: a line of JSON for each event; json_array: an array; json: one event alone; text: " +
			"a line of text for each, of what message names",
		"event_headers": "name: text with placeholders; events with equal ones go together",
	}
}

// Statuses says what an answer's status means. Each is a number, or a hundred of them such as 4xx.
type Statuses struct {
	Done   []string `yaml:"done" help:"the events are delivered; default: 2xx"`
	Again  []string `yaml:"again" help:"the request is made again"`
	Reject []string `yaml:"reject"`
}

// Help implements setting.Explained.
func (Statuses) Help() map[string]string {
	return map[string]string{
		"reject": "an event in the request is refused, which is found by halves and becomes a dead letter",
	}
}

const (
	bodyLines = "ndjson"
	bodyArray = "json_array"
	bodyOne   = "json"
	bodyText  = "text"
)

// Settings returns the common settings with this destination's defaults.
func (c *Config) Settings() outputs.Common {
	return c.Or(outputs.Common{Batch: outputs.BatchConfig{MaxBytes: 3 << 20, MaxEvents: 10_000}}).Or(outputs.Defaults())
}

// Check reports settings that can't work.
func (c *Config) Check(r *setting.Report) {
	c.Common.Check(r)
	c.MessageConfig.Check(r)
	c.Config.Check(r)
	if _, err := parseURL(c.URL); err != nil && c.URL != "" {
		r.Add("url", "write it like https://logs.example/ingest/{cluster}", "%v", err)
	}
	for _, name := range slices.Sorted(maps.Keys(c.EventHeaders)) {
		if _, err := event.ParseTemplate(c.EventHeaders[name]); err != nil {
			r.Add("event_headers."+name, "see the example in the documentation", "%v", err)
		}
		if !httpclient.IsHeaderName(name) {
			r.Add("event_headers."+name, "write letters, digits and -", "it is no name of a header")
		}
	}
	if c.Message != "" && c.Body != bodyText {
		r.Add("message", "write body: text", "a field alone is no JSON object")
	}
	for _, list := range []struct {
		key   string
		codes []string
	}{{"done", c.Statuses.Done}, {"again", c.Statuses.Again}, {"reject", c.Statuses.Reject}} {
		if _, err := parseStatuses(list.codes); err != nil {
			r.Add("statuses."+list.key, "write numbers such as 409, or 4xx", "%v", err)
		}
	}
	if c.TLS != nil && strings.HasPrefix(c.URL, "http:") {
		r.Add("tls", "write url with https", "it has no effect on http")
	}
}

// parseStatuses returns the statuses of a list; below 10 they stand for a hundred, as in outputs.Refusal.
func parseStatuses(list []string) (codes []int, err error) {
	for _, text := range list {
		n, err := strconv.Atoi(strings.TrimSuffix(text, "xx"))
		hundred := strings.HasSuffix(text, "xx")
		if err != nil || hundred && (n < 1 || n > 5) || !hundred && (n < 100 || n > 599) {
			return nil, fmt.Errorf("%q is no status", text)
		}
		codes = append(codes, n)
	}
	return codes, nil
}

func means(codes []int, status int) bool {
	return slices.Contains(codes, status) || slices.Contains(codes, status/100)
}

// target is a URL with placeholders.
type target struct {
	// base is scheme and host.
	base string
	// path is with its slash.
	path *event.Template
	// query may be nil: none.
	query *event.Template
}

// parseURL reads the setting url.
func parseURL(text string) (*target, error) {
	scheme, rest, found := strings.Cut(text, "://")
	if !found || scheme != "http" && scheme != "https" {
		return nil, errors.New("it does not begin with http:// or https://")
	}
	host, path, _ := strings.Cut(rest, "/")
	host, inHost, query := cutQuery(host)
	if query {
		return nil, fmt.Errorf("write a slash between the host and ?%s", inHost)
	}
	u, err := url.Parse(scheme + "://" + host)
	switch {
	case strings.ContainsAny(host, "{}%"):
		return nil, errors.New("placeholders stand behind the host only: a login is one host's")
	case err != nil || u.Host == "" || u.Hostname() == "":
		return nil, errors.New("it names no host")
	case strings.ContainsFunc(host, func(r rune) bool { return r <= ' ' || r > '~' }):
		return nil, errors.New("its host has letters that no host's name has: write it in its ASCII form (xn--…)")
	case strings.HasSuffix(u.Host, ":"):
		return nil, errors.New("it has a colon and no port: write one, or leave the colon out")
	case u.User != nil:
		return nil, errors.New("it holds a user: use username and password instead")
	case strings.Contains(path, "#"):
		return nil, errors.New("it has a fragment, which is not sent")
	}
	t := &target{base: u.Scheme + "://" + u.Host}
	path, more, has := cutQuery("/" + path)
	if t.path, err = event.ParseTemplate(path); err != nil {
		return nil, err
	}
	if has {
		t.query, err = event.ParseTemplate(more)
	}
	return t, err
}

// cutQuery cuts text at the ? that stands in no placeholder.
func cutQuery(text string) (before, behind string, found bool) {
	depth := 0
	for i := range len(text) {
		switch text[i] {
		case '{':
			depth++
		case '}':
			depth--
		case '?':
			if depth <= 0 {
				return text[:i], text[i+1:], true
			}
		}
	}
	return text, "", false
}

// append appends the URL for ev, without its query, and then the query.
func (t *target) append(dst []byte, ev *event.Event) (all []byte, withoutQuery int) {
	dst = append(dst, t.base...)
	dst = t.path.Append(
		dst,
		ev,
		func(dst, value []byte) []byte { return append(dst, url.PathEscape(string(value))...) },
	)
	n := len(dst)
	if t.query != nil {
		dst = t.query.Append(
			append(dst, '?'),
			ev,
			func(dst, value []byte) []byte { return append(dst, url.QueryEscape(string(value))...) },
		)
	}
	return dst, n
}
