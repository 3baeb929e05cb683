package config

import (
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// The settings below belong to parts that do not exist yet. They are here so that the schema has
// them and their mistakes are found; using them is refused. Each moves to its part with it.

// FilterStep is one step of a filter: exactly one of its keys.
type FilterStep struct {
	Parse  *ParseStep  `yaml:"parse" help:"read structure out of a field"`
	Grep   *GrepStep   `yaml:"grep" help:"keep or drop events"`
	Modify *ModifyStep `yaml:"modify" help:"set, rename and remove fields"`
}

// Check holds that a step is one thing.
func (s *FilterStep) Check(r *setting.Report) {
	given := 0
	for _, is := range []bool{s.Parse != nil, s.Grep != nil, s.Modify != nil} {
		if is {
			given++
		}
	}
	if given != 1 {
		r.Add("", "parse, grep or modify; make a list item of each", "a step has exactly one key")
	}
}

// ParseStep reads structure out of a field's text.
type ParseStep struct {
	Field  string `yaml:"field" required:"true" help:"whose text is read"`
	Format string `yaml:"format" required:"true" help:"how it is written: cri, nginx, …"`
}

// GrepStep drops events by regular expressions on fields.
type GrepStep struct {
	Include map[string]string `yaml:"include" help:"field: expression; all must match"`
	Exclude map[string]string `yaml:"exclude" help:"field: expression; none may match"`
}

// ModifyStep changes fields.
type ModifyStep struct {
	Set    map[string]any    `yaml:"set" help:"field: value"`
	Rename map[string]string `yaml:"rename" help:"old name: new name"`
	Remove []string          `yaml:"remove" help:"names of fields"`
}

type elasticsearch struct {
	outputs.Common `yaml:",inline"`
	Hosts          []string           `yaml:"hosts" required:"true" help:"URLs, tried in turn; a dead one rests"`
	Username       string             `yaml:"username" help:"for basic authentication"`
	Password       setting.Secret     `yaml:"password" help:"for basic authentication"`
	APIKey         setting.Secret     `yaml:"api_key" help:"instead of username and password"`
	BearerToken    setting.Secret     `yaml:"bearer_token" help:"instead of username and password"`
	TLS            *setting.ClientTLS `yaml:"tls" help:"how the hosts are trusted"`
	Index          string             `yaml:"index" required:"true" help:"with placeholders, e.g. logs-{cluster}-%Y.%m.%d"`
	DataStream     bool               `yaml:"data_stream" default:"false" help:"true: index names a data stream"`
	OpType         string             `yaml:"op_type" default:"create" enum:"create|index" help:"of the bulk request"`
	ID             string             `yaml:"id" default:"auto" help:"auto, none, or a placeholder"`
	Pipeline       string             `yaml:"pipeline" help:"an ingest pipeline"`
	Flavor         string             `yaml:"flavor" default:"auto" enum:"auto|elasticsearch|opensearch|legacy" help:"legacy: 6.x and 7.x before 7.14"`
	Template       indexTemplate      `yaml:"template" help:"the index template for the names of index"`
	Compression    string             `yaml:"compression" default:"gzip" enum:"none|gzip" help:"of requests"`
}

type indexTemplate struct {
	Manage    bool   `yaml:"manage" default:"true" help:"make it, once"`
	Shards    int    `yaml:"shards" default:"1" min:"1" help:"of each index"`
	Replicas  int    `yaml:"replicas" default:"1" help:"of each shard"`
	ILMPolicy string `yaml:"ilm_policy" help:"the policy's name"`
}

type firehose struct {
	outputs.Common `yaml:",inline"`
	Region         string `yaml:"region" required:"true" help:"of AWS"`
	DeliveryStream string `yaml:"delivery_stream" required:"true" help:"with placeholders"`
	Endpoint       string `yaml:"endpoint" help:"VPC endpoint or emulator"`
	RoleARN        string `yaml:"role_arn" help:"default: environment, IRSA, profile, instance"`
	Aggregate      bool   `yaml:"aggregate" default:"true" help:"many lines per record"`
}

type cloudWatchLogs struct {
	outputs.Common `yaml:",inline"`
	Region         string `yaml:"region" required:"true" help:"of AWS"`
	LogGroup       string `yaml:"log_group" required:"true" help:"with placeholders"`
	LogStream      string `yaml:"log_stream" required:"true" help:"with placeholders"`
	AutoCreate     bool   `yaml:"auto_create" default:"true" help:"make missing groups and streams"`
	RetentionDays  int    `yaml:"retention_days" default:"0" help:"of groups that are made; 0: for ever"`
	Message        string `yaml:"message" help:"a field to send alone; default: the whole event as JSON"`
}

type kinesis struct {
	outputs.Common `yaml:",inline"`
	Region         string `yaml:"region" required:"true" help:"of AWS"`
	Stream         string `yaml:"stream" required:"true" help:"with placeholders"`
	PartitionKey   string `yaml:"partition_key" default:"\"{tag}\"" help:"with placeholders"`
}

type s3 struct {
	outputs.Common `yaml:",inline"`
	Region         string   `yaml:"region" required:"true" help:"of AWS"`
	Bucket         string   `yaml:"bucket" required:"true" help:"the bucket's name"`
	Key            string   `yaml:"key" required:"true" help:"prefix of objects' names, with placeholders"`
	Compression    string   `yaml:"compression" default:"zstd" enum:"none|gzip|zstd" help:"of objects"`
	Rotate         s3Rotate `yaml:"rotate" help:"when an object is finished"`
}

type s3Rotate struct {
	MaxSize setting.Size  `yaml:"max_size" default:"64MiB" help:"bytes in an object"`
	MaxAge  time.Duration `yaml:"max_age" default:"5m" help:"since the object was begun"`
}
