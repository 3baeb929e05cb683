// Package elasticsearch delivers events to Elasticsearch and OpenSearch through their bulk API.
package elasticsearch

import (
	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
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
	Index             string             `yaml:"index" required:"true" help:"with placeholders, e.g. logs-{cluster}-%Y.%m.%d"`
	MaxIndicesPerHour int                `yaml:"max_indices_per_hour" default:"200" help:"different names in an hour; events beyond go to the name with \"other\" in place of what is not the cluster's; 0: no limit"`
	DataStream        bool               `yaml:"data_stream" default:"false" help:"true: index names a data stream"`
	OpType            string             `yaml:"op_type" default:"create" enum:"create|index" help:"of the bulk request"`
	ID                string             `yaml:"id" default:"auto" help:"auto, none, or a placeholder"`
	Pipeline          string             `yaml:"pipeline" help:"an ingest pipeline"`
	Flavor            string             `yaml:"flavor" default:"auto" enum:"auto|elasticsearch|opensearch|legacy" help:"legacy: 6.x and 7.x before 7.14"`
	Template          Template           `yaml:"template" help:"the index template for the names of index"`
	Compression       string             `yaml:"compression" default:"gzip" enum:"none|gzip" help:"of requests"`
}

// Template is the settings of the index template.
type Template struct {
	Manage    bool   `yaml:"manage" default:"true" help:"make it, once"`
	Overwrite bool   `yaml:"overwrite" default:"false" help:"true: replace one that somebody else has made under that name"`
	Priority  int    `yaml:"priority" default:"200" help:"among templates that fit the same index"`
	TimeType  string `yaml:"time_type" default:"date_nanos" enum:"date_nanos|date" help:"of the field for the event's time"`
	Shards    int    `yaml:"shards" default:"1" min:"1" help:"of each index"`
	Replicas  int    `yaml:"replicas" default:"1" help:"of each shard"`
	ILMPolicy string `yaml:"ilm_policy" help:"the policy's name"`
}

// Settings returns the common settings with this destination's defaults.
func (c *Config) Settings() outputs.Common { return c.Or(outputs.Defaults()) }
