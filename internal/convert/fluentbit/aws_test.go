package fluentbit_test

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/converttest"
)

// TestAWS: what goes to services of AWS.
func TestAWS(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "EKS' CloudWatch", Old: `
Name cloudwatch_logs
region ${AWS_REGION}
log_group_name /aws/containerinsights/${CLUSTER_NAME}/application
log_stream_prefix ${HOST_NAME}-
auto_create_group true
extra_user_agent container-insights
log_retention_days 14
log_key log
`, New: `
cloudwatch_logs
  region: "${env:AWS_REGION}"
  log_group: "/aws/containerinsights/${env:CLUSTER_NAME}/application"
  log_stream: "${env:HOST_NAME}-{tag}"
  auto_create: true
  retention_days: 14
  message: "log"
  fields: {time: "", tag: "", cluster: ""}
variable: AWS_REGION
variable: CLUSTER_NAME
variable: HOST_NAME
`},
		{Name: "CloudWatch by templates", Old: `
Name cloudwatch
region eu-west-1
log_group_name fallback
log_group_template /eks/$kubernetes['namespace_name']
log_stream_name s
log_stream_template $kubernetes['pod_name']
new_log_group_tags team=shop,env=prod
log_group_class INFREQUENT_ACCESS
`, New: `
cloudwatch_logs
  region: "eu-west-1"
  log_group: "/eks/{record.kubernetes.namespace_name}"
  log_stream: "{record.kubernetes.pod_name|s}"
  auto_create: false
  log_group_tags: {team: "shop", env: "prod"}
  log_group_class: "INFREQUENT_ACCESS"
  fields: {time: "", tag: "", cluster: ""}
said: [OUTPUT] cloudwatch log_group_template: events without its fields don't go to fallback
`},
		{Name: "CloudWatch without a stream, with metrics", Old: `
Name cloudwatch_logs
region eu-west-1
log_group_name g
log_format json/emf
metric_namespace n
metric_dimensions d
sts_endpoint https://sts.example
profile p
`, New: `
cloudwatch_logs
  region: "eu-west-1"
  log_group: "g"
  log_stream: "{tag}"
  auto_create: false
  fields: {time: "", tag: "", cluster: ""}
lost: [OUTPUT] cloudwatch_logs: it says neither log_stream_name nor log_stream_prefix
lost: [OUTPUT] cloudwatch_logs log_format: events are JSON
lost: [OUTPUT] cloudwatch_logs metric_namespace: no metrics are made of events
lost: [OUTPUT] cloudwatch_logs metric_dimensions: no metrics are made of events
said: [OUTPUT] cloudwatch_logs profile: credentials come from the environment, a profile, IRSA or the instance
said: [OUTPUT] cloudwatch_logs sts_endpoint: STS is found by its region
`},
		{Name: "CloudWatch without a group", Old: `
Name cloudwatch_logs
region eu-west-1
log_stream_name s
`, New: `
cloudwatch_logs
  region: "eu-west-1"
  log_group: "missing"
  log_stream: "s"
  auto_create: false
  fields: {time: "", tag: "", cluster: ""}
lost: [OUTPUT] cloudwatch_logs: it says no log_group_name
`},
		{Name: "CloudWatch with the defaults of old versions", Old: `
Name cloudwatch_logs
region eu-west-1
log_group_name $a
default_log_group_name g
log_stream_name $b['c']
default_log_stream_name s
`, New: `
cloudwatch_logs
  region: "eu-west-1"
  log_group: "{record.a|g}"
  log_stream: "{record.b.c|s}"
  auto_create: false
  fields: {time: "", tag: "", cluster: ""}
`},
		{Name: "Firehose, aggregated and compressed", Old: `
Name firehose
region eu-west-1
delivery_stream d
compression gzip
simple_aggregation On
role_arn arn:aws:iam::123456789012:role/r
external_id e
`, New: `
firehose
  region: "eu-west-1"
  role_arn: "arn:aws:iam::123456789012:role/r"
  external_id: "e"
  fields: {time: "", tag: "", cluster: ""}
  compression: "gzip"
  delivery_stream: "d"
`},
		{Name: "Firehose without a stream", Old: `
Name kinesis_firehose
region eu-west-1
compression snappy
`, New: `
firehose
  region: "eu-west-1"
  fields: {time: "", tag: "", cluster: ""}
  delivery_stream: "missing"
lost: [OUTPUT] kinesis_firehose compression: records have no compression snappy
lost: [OUTPUT] kinesis_firehose: it has no delivery_stream
`},
		{Name: "Kinesis by a field that can be read", Old: `
Name kinesis
region eu-west-1
stream s
partition_key $kubernetes['pod_id']
time_key time
time_key_format %Y-%m-%dT%H:%M:%S.%L
`, New: `
kinesis
  region: "eu-west-1"
  fields: {time: "time", tag: "", cluster: ""}
  stream: "s"
  partition_key: "{record.kubernetes.pod_id}"
`},
		{Name: "S3 as the documentation has it", Old: `
Name s3
bucket my-bucket
region us-west-2
total_file_size 250M
s3_key_format /$TAG[2]/$TAG[0]/%Y/%m/%d/%H/%M/%S/$UUID.gz
s3_key_format_tag_delimiters .-
use_put_object On
compression gzip
`, New: `
s3
  region: "us-west-2"
  bucket: "my-bucket"
  key: "{tag[2]}/{tag[0]}/%Y/%m/%d/%H/%M/%S/"
  compression: "gzip"
  rotate: {max_size: "250MB", max_age: "10m"}
  fields: {time: "date", tag: "", cluster: ""}
lost: [OUTPUT] s3 s3_key_format_tag_delimiters: tags are cut at dots alone
said: [OUTPUT] s3 s3_key_format: what is behind the last / of an object's name, a time and a number, is the
    aggregator's own
`},
		{Name: "S3 with a number", Old: `
Name s3
bucket logs
region eu-west-1
s3_key_format /logs/$TAG/%Y/%m/%d/app_%H_$INDEX.gz
compression zstd
upload_timeout 1h
store_dir /tmp
`, New: `
s3
  region: "eu-west-1"
  bucket: "logs"
  key: "logs/{tag}/%Y/%m/%d/app_%H_{index}"
  compression: "zstd"
  rotate: {max_age: "1h"}
  fields: {time: "date", tag: "", cluster: ""}
`},
		{Name: "S3 with no more than a bucket", Old: `
Name s3
bucket logs
region eu-west-1
`, New: `
s3
  region: "eu-west-1"
  bucket: "logs"
  key: "fluent-bit-logs/{tag}/%Y/%m/%d/%H/"
  compression: "none"
  rotate: {max_age: "10m"}
  fields: {time: "date", tag: "", cluster: ""}
`},
		{Name: "S3 without one", Old: `
Name s3
region eu-west-1
s3_key_format $TAG
`, New: `
s3
  region: "eu-west-1"
  bucket: "missing"
  key: "{tag}/"
  compression: "none"
  rotate: {max_age: "10m"}
  fields: {time: "date", tag: "", cluster: ""}
lost: [OUTPUT] s3: it has no bucket
said: [OUTPUT] s3 s3_key_format: what is behind the last / of an object's name, a time and a number, is the
    aggregator's own
`},
		{Name: "S3 that keeps objects somehow", Old: `
Name s3
bucket logs
region eu-west-1
endpoint http://minio:9000
storage_class STANDARD_IA
canned_acl private
tags a=b
total_file_size 1G
compression arrow
json_date_key false
`, New: `
s3
  region: "eu-west-1"
  endpoint: "http://minio:9000"
  bucket: "logs"
  key: "fluent-bit-logs/{tag}/%Y/%m/%d/%H/"
  compression: "none"
  rotate: {max_size: "256MiB", max_age: "10m"}
  storage_class: "STANDARD_IA"
  acl: "private"
  fields: {time: "", tag: "", cluster: ""}
lost: [OUTPUT] s3 compression: objects are not compressed by arrow
said: [OUTPUT] s3 total_file_size: objects have 256 MiB of events at most
said: [OUTPUT] s3 tags: objects have no tags here
`},
		{Name: "S3 with the time in seconds", Old: `
Name s3
bucket logs
region eu-west-1
json_date_key time
json_date_format epoch
log_key log
`, New: `
s3
  region: "eu-west-1"
  message: "log"
  bucket: "logs"
  key: "fluent-bit-logs/{tag}/%Y/%m/%d/%H/"
  compression: "none"
  rotate: {max_age: "10m"}
  fields: {time: "", tag: "", cluster: ""}
expr: {set: {time: "time.Unix()"}}
`},
	}, output)
}
