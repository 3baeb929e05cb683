// Package elasticsearch delivers events to Elasticsearch and OpenSearch through their bulk API.
package elasticsearch

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/elasticsearch/internal/indexname"
)

// Config is the settings of an output of type elasticsearch.
type Config struct {
	outputs.Common    `yaml:",inline"`
	Hosts             []string `yaml:"hosts" help:"URLs, tried in turn; a dead one rests. Or cloud_id"`
	AWS               *AWS     `yaml:"aws"`
	Way               `yaml:",inline"`
	Login             `yaml:",inline"`
	TLS               *setting.ClientTLS `yaml:"tls" help:"how the hosts are trusted"`
	Index             string             `yaml:"index" placeholders:"target"`
	Alias             string             `yaml:"alias" placeholders:"target"`
	MaxIndicesPerHour int                `yaml:"max_indices_per_hour" default:"200"`
	DataStream        bool               `yaml:"data_stream" default:"false"`
	OpType            string             `yaml:"op_type" default:"create" enum:"create|index"`
	ID                string             `yaml:"id" default:"auto" placeholders:"other"`
	OnConflict        string             `yaml:"on_conflict" default:"count" enum:"count|dead_letter"`
	Pipeline          string             `yaml:"pipeline" placeholders:"other" help:"an ingest pipeline"`

	Flavor string `yaml:"flavor" default:"auto" enum:"auto|elasticsearch|opensearch|legacy"`

	Template    Template `yaml:"template" help:"the index template for the names of index"`
	Compression string   `yaml:"compression" default:"gzip" enum:"none|gzip" help:"of requests"`
}

// Way is the settings of how hosts are found and reached.
type Way struct {
	CloudID string                    `yaml:"cloud_id" help:"of a deployment of Elastic Cloud, instead of hosts"`
	Headers map[string]setting.Secret `yaml:"headers" help:"name: value, added to every request"`
	Proxy   string                    `yaml:"proxy" help:"as of an http output"`
}

// Login is how the output proves who it is: by one of basic authentication, an API key and a token.
type Login struct {
	Username    string         `yaml:"username" help:"for basic authentication"`
	Password    setting.Secret `yaml:"password" help:"for basic authentication"`
	APIKey      setting.Secret `yaml:"api_key" help:"instead of username and password"`
	BearerToken setting.Secret `yaml:"bearer_token" help:"instead of username and password"`
}

// Help implements setting.Explained.
func (Config) Help() map[string]string {
	return map[string]string{
		"aws":   "sign requests for Amazon OpenSearch Service or Serverless, instead of a login",
		"index": "with placeholders, e.g. logs-{cluster}-%Y.%m.%d. Or alias",
		"alias": "instead of index: a write alias with rollover, with placeholders but no time; its " +
			"first index, ending in -000001, is made once",
		"max_indices_per_hour": `different names of a cluster in an hour; events beyond go to the name with "other" ` +
			`in place of what is neither cluster nor time; 0: no limit`,
		"data_stream": "true: index names a data stream",
		"op_type":     "of the bulk request",
		"id": "auto; chunk: of the agent's chunk id, the same after a resend to another replica; none; or " +
			"placeholders, among them {chunk}",
		"on_conflict": "what becomes of an event whose id the server has already at its first attempt: counted as " +
			"delivered, or a dead letter",
		"flavor": "legacy: 6.x and 7.x before 7.14",
	}
}

const onConflictDeadLetter = "dead_letter"

// Template is the settings of the index template.
type Template struct {
	Manage    bool   `yaml:"manage" default:"true" help:"make it, once"`
	Overwrite bool   `yaml:"overwrite" default:"false"`
	Priority  int    `yaml:"priority" default:"200" help:"among templates that fit the same index"`
	TimeType  string `yaml:"time_type" default:"date_nanos" enum:"date_nanos|date"`
	Shards    *int   `yaml:"shards" help:"of each index; absent: the server's default"`
	Replicas  *int   `yaml:"replicas" help:"of each shard; absent: the server's default"`
	ILMPolicy string `yaml:"ilm_policy" help:"the policy's name"`
}

// Help implements setting.Explained.
func (Template) Help() map[string]string {
	return map[string]string{
		"overwrite": "true: replace one that somebody else has made under that name",
		"time_type": "of the field for the event's time",
	}
}

// Settings returns the common settings with this destination's defaults: batches that become requests of
// about 4 MiB. Larger ones were no faster when measured, and take several times their size in memory.
func (c *Config) Settings() outputs.Common {
	return c.Or(outputs.Common{Batch: outputs.BatchConfig{MaxBytes: 3 << 20}}).Or(outputs.Defaults())
}

// Check reports settings that can't work.
func (c *Config) Check(r *setting.Report) {
	c.Common.Check(r)
	c.checkHosts(r)
	c.checkLogin(r)
	c.checkHeaders(r)
	outputs.CheckProxy(r, c.Proxy)
	c.checkAWS(r)
	c.checkNames(r)
	c.checkID(r)
	if c.DataStream && c.OpType == "index" {
		r.Add("op_type", "leave it out", "a data stream takes create only")
	}
	if c.DataStream && c.Fields.Time != "@timestamp" {
		r.Add("fields.time", "leave it out", "each document of a data stream needs the field @timestamp")
	}
	if date := dateIn(c.Index); c.DataStream && date != "" {
		r.Warn("index", "leave the date out: a data stream begins a new backing index by itself, as its lifecycle says",
			"%s makes another data stream of each date", date)
	}
	if c.MaxIndicesPerHour < 0 {
		r.Add("max_indices_per_hour", "write 0 for no limit", "a negative value has no meaning")
	}
	if c.Template.Replicas != nil && *c.Template.Replicas < 0 || c.Template.Priority < 0 {
		r.Add("template", "write 0 or more for replicas and priority", "a negative value has no meaning")
	}
	if c.Template.Shards != nil && *c.Template.Shards < 1 {
		r.Add("template.shards", "write 1 or more, or leave it out", "an index has one shard at least")
	}
	if c.OnConflict == onConflictDeadLetter && c.OnReject == outputs.OnRejectDrop {
		r.Add("on_conflict", "leave on_reject out, or on_conflict", "on_reject: drop would drop what on_conflict keeps")
	}
	if c.OnConflict == onConflictDeadLetter && c.OpType == "index" {
		r.Add("on_conflict", "leave one of them out",
			"op_type: index replaces what has the same id, so that there is no conflict")
	}
}

// dateIn returns the first part of text that stands for time, "" where there is none.
func dateIn(text string) string {
	return regexp.MustCompile(`%[A-Za-z]`).FindString(strings.ReplaceAll(text, "%%", ""))
}

// checkNames holds that events have an index or an alias to go to.
func (c *Config) checkNames(r *setting.Report) {
	key, text := "index", c.Index
	switch {
	case c.Index == "" && c.Alias == "":
		r.Add("index", "with placeholders, e.g. logs-{cluster}-%Y.%m.%d. Or alias", "the key is missing")
		return
	case c.Index != "" && c.Alias != "":
		r.Add("alias", "remove it, or index", "events go to the one or to the other")
		return
	case c.Alias != "":
		key, text = "alias", c.Alias
	}
	if pieces, err := indexname.Parse(text); err != nil {
		r.Add(key, "see the example in the documentation", "%v", err)
	} else if first := pieces.Leading(); first != "" {
		r.Add(key, "begin it with a letter", "the name of an index can't begin with %q", first)
	}
	if c.Alias == "" {
		return
	}
	if date := dateIn(c.Alias); date != "" {
		r.Add("alias", "leave the date out", "%s would make an alias of each date, and an alias rolls over by itself",
			date)
	}
	if c.DataStream {
		r.Add("data_stream", "leave it out, or write index in place of alias",
			"a data stream rolls over without an alias")
	}
}

// checkID holds that ids can be made, and that those of chunks tell agents apart: Fluent Bit's chunk ids are hashes of
// what is in them.
func (c *Config) checkID(r *setting.Report) {
	if _, _, err := parseID(c.ID); err != nil {
		r.Add("id", "write auto, chunk, none, or placeholders such as {record.uuid}", "%v", err)
		return
	}
	if c.ID == idChunk || strings.Contains(c.ID, idPlaceholder) && !strings.Contains(c.ID, "{record") {
		r.Warn("id",
			`write id: "{chunk}-{record.kubernetes.host}", with a field that tells agents apart, unless each agent's `+
				`tags are its own`,
			"equal lines that two Fluent Bit agents send in one second under one tag become one document: their "+
				"chunk ids are hashes of the content")
	}
}

// addresses returns the URLs of the hosts.
func (c *Config) addresses() ([]string, error) {
	if c.CloudID == "" {
		return c.Hosts, nil
	}
	host, err := parseCloudID(c.CloudID)
	if err != nil {
		return nil, fmt.Errorf("cloud_id: %w", err)
	}
	return []string{host}, nil
}

// checkHeaders holds that headers can be sent, and are not this program's own.
func (c *Config) checkHeaders(r *setting.Report) {
	for _, name := range slices.Sorted(maps.Keys(c.Headers)) {
		key := "headers." + name
		value := c.Headers[name].Reveal()
		switch canonical := http.CanonicalHeaderKey(name); {
		case !regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$").MatchString(name):
			r.Add(key, "write letters, digits and -", "it is no name of a header")
		case slices.Contains(
			[]string{
				"Host", "Content-Type", "Content-Encoding", "Content-Length", "Transfer-Encoding", "Connection",
				"User-Agent",
			}, canonical,
		),
			strings.HasPrefix(canonical, "X-Amz-"):
			r.Add(key, "remove it", "this program sets it itself")
		case canonical == "Authorization" && (c.AWS != nil || authorization(c) != ""):
			r.Add(key, "remove it, or the login", "the login sets it")
		case strings.ContainsFunc(value, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }) ||
			value != strings.TrimSpace(value):
			r.Add(key, "check where it comes from", "its value holds a line break, or a space at an end")
		}
	}
}

func (c *Config) checkHosts(r *setting.Report) {
	switch {
	case c.CloudID != "" && len(c.Hosts) > 0:
		r.Add("cloud_id", "remove it, or hosts", "both say where the servers are")
	case c.CloudID != "":
		if _, err := parseCloudID(c.CloudID); err != nil {
			r.Add("cloud_id", "copy it from the deployment's page: name:text", "%v", err)
		}
	case len(c.Hosts) == 0:
		r.Add("hosts", "URLs, tried in turn; a dead one rests. Or cloud_id", "the key is missing")
	}
	seen := map[string]bool{}
	schemes := map[string]bool{}
	for i, text := range c.Hosts {
		key := fmt.Sprintf("hosts[%d]", i)
		u, err := parseHost(text)
		switch {
		case err != nil:
			r.Add(key, "write it as https://host:9200", "%v", err)
			continue
		case seen[u.String()]:
			r.Add(key, "remove it", "the same host is there twice")
		}
		seen[u.String()], schemes[u.Scheme] = true, true
	}
	switch {
	case len(schemes) > 1:
		r.Add("hosts", "write all with https, or all with http",
			"credentials and events for the one would be open to read on the way to the other")
	case c.TLS != nil && schemes["http"]:
		r.Add("tls", "write the hosts with https", "it has no effect on hosts with http")
	}
}

func (c *Config) checkLogin(r *setting.Report) {
	var ways []string
	for _, way := range []struct {
		key   string
		given bool
		from  string
		text  setting.Secret
	}{
		{"username", c.Username != "" || c.Password.IsSet(), "password", c.Password},
		{"api_key", c.APIKey.IsSet(), "api_key", c.APIKey},
		{"bearer_token", c.BearerToken.IsSet(), "bearer_token", c.BearerToken},
	} {
		if !way.given {
			continue
		}
		ways = append(ways, way.key)
		text := strings.TrimSpace(way.text.Reveal())
		if way.text.IsSet() && text == "" {
			r.Add(way.from, "check where it comes from, or leave it out", "the secret is empty")
		}
		if way.key != "username" && strings.ContainsFunc(text, func(c rune) bool { return c <= ' ' || c > '~' }) {
			r.Add(way.key, "check where it comes from",
				"it holds a space, a line break or a character that can't be sent")
		}
	}
	if len(ways) > 1 {
		r.Add(ways[1], "keep one of them", "%s are set: only one can be sent", strings.Join(ways, " and "))
	}
	switch {
	case c.Password.IsSet() && c.Username == "":
		r.Add("username", "set it too", "there is a password without a user")
	case c.Username != "" && !c.Password.IsSet():
		r.Add("password", "set it too", "there is a user without a password")
	case strings.Contains(c.Username, ":"):
		r.Add("username", "", "it can't hold a colon")
	}
}
