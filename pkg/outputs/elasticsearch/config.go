// Package elasticsearch delivers events to Elasticsearch and OpenSearch through their bulk API.
package elasticsearch

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/elasticsearch/internal/indexname"
)

// Config is the settings of an output of type elasticsearch.
type Config struct {
	outputs.Common    `yaml:",inline"`
	Hosts             []string           `yaml:"hosts" required:"true" help:"URLs, tried in turn; a dead one rests"`
	Username          string             `yaml:"username" help:"for basic authentication"`
	Password          setting.Secret     `yaml:"password" help:"for basic authentication"`
	APIKey            setting.Secret     `yaml:"api_key" help:"instead of username and password"`
	BearerToken       setting.Secret     `yaml:"bearer_token" help:"instead of username and password"`
	TLS               *setting.ClientTLS `yaml:"tls" help:"how the hosts are trusted"`
	Index             string             `yaml:"index" required:"true" placeholders:"target" help:"with placeholders, e.g. logs-{cluster}-%Y.%m.%d"`
	MaxIndicesPerHour int                `yaml:"max_indices_per_hour" default:"200" help:"different names of a cluster in an hour; events beyond go to the name with \"other\" in place of what is neither cluster nor time; 0: no limit"`
	DataStream        bool               `yaml:"data_stream" default:"false" help:"true: index names a data stream"`
	OpType            string             `yaml:"op_type" default:"create" enum:"create|index" help:"of the bulk request"`
	ID                string             `yaml:"id" default:"auto" placeholders:"other" help:"auto; chunk: of the agent's chunk id, the same after a resend to another replica; none; or placeholders, among them {chunk}"`
	OnConflict        string             `yaml:"on_conflict" default:"count" enum:"count|dead_letter" help:"what becomes of an event whose id the server has already at its first attempt: counted as delivered, or a dead letter"`
	Pipeline          string             `yaml:"pipeline" placeholders:"other" help:"an ingest pipeline"`
	Flavor            string             `yaml:"flavor" default:"auto" enum:"auto|elasticsearch|opensearch|legacy" help:"legacy: 6.x and 7.x before 7.14"`
	Template          Template           `yaml:"template" help:"the index template for the names of index"`
	Compression       string             `yaml:"compression" default:"gzip" enum:"none|gzip" help:"of requests"`
}

const onConflictDeadLetter = "dead_letter"

// Template is the settings of the index template.
type Template struct {
	Manage    bool   `yaml:"manage" default:"true" help:"make it, once"`
	Overwrite bool   `yaml:"overwrite" default:"false" help:"true: replace one that somebody else has made under that name"`
	Priority  int    `yaml:"priority" default:"200" help:"among templates that fit the same index"`
	TimeType  string `yaml:"time_type" default:"date_nanos" enum:"date_nanos|date" help:"of the field for the event's time"`
	Shards    *int   `yaml:"shards" help:"of each index; absent: the server's default"`
	Replicas  *int   `yaml:"replicas" help:"of each shard; absent: the server's default"`
	ILMPolicy string `yaml:"ilm_policy" help:"the policy's name"`
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
	if pieces, err := indexname.Parse(c.Index); err != nil {
		r.Add("index", "see the example in the documentation", "%v", err)
	} else if first := pieces.Leading(); first != "" {
		r.Add("index", "begin it with a letter", "the name of an index can't begin with %q", first)
	}
	c.checkID(r)
	if c.DataStream && c.OpType == "index" {
		r.Add("op_type", "leave it out", "a data stream takes create only")
	}
	if c.DataStream && c.Fields.Time != "@timestamp" {
		r.Add("fields.time", "leave it out", "each document of a data stream needs the field @timestamp")
	}
	if date := regexp.MustCompile(`%[A-Za-z]`).FindString(strings.ReplaceAll(c.Index, "%%", "")); c.DataStream && date != "" {
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
		r.Add("on_conflict", "leave one of them out", "op_type: index replaces what has the same id, so that there is no conflict")
	}
}

// checkID holds that ids can be made, and that those of chunks tell agents apart: Fluent Bit's chunk ids are hashes of what
// is in them.
func (c *Config) checkID(r *setting.Report) {
	if _, _, err := parseID(c.ID); err != nil {
		r.Add("id", "write auto, chunk, none, or placeholders such as {record.uuid}", "%v", err)
		return
	}
	if c.ID == idChunk || strings.Contains(c.ID, idPlaceholder) && !strings.Contains(c.ID, "{record") {
		r.Warn("id", `write id: "{chunk}-{record.kubernetes.host}", with a field that tells agents apart, unless each agent's tags are its own`,
			"equal lines that two Fluent Bit agents send in one second under one tag become one document: their chunk ids are hashes of the content")
	}
}

func (c *Config) checkHosts(r *setting.Report) {
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
		r.Add("hosts", "write all with https, or all with http", "credentials and events for the one would be open to read on the way to the other")
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
			r.Add(way.key, "check where it comes from", "it holds a space, a line break or a character that can't be sent")
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
