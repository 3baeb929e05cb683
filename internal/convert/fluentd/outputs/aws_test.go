package outputs_test

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/converttest"
)

func TestAws(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "kinesis_firehose", Old: `
@type kinesis_firehose
region us-east-1
delivery_stream_name d-${tag[0]}
data_key message
aws_key_id A
aws_sec_key B
`, New: `
firehose
  region: "us-east-1"
  message: "message"
  fields: {time: "", tag: "", cluster: ""}
  delivery_stream: "d-{tag[0]}"
said: <match **> kinesis_firehose aws_key_id: credentials come from the environment, a profile, IRSA or the
    instance
variable: AWS_ACCESS_KEY_ID
variable: AWS_SECRET_ACCESS_KEY
`},
		{Name: "kinesis_streams", Old: `
@type kinesis_streams
stream_name s
partition_key id
<assume_role_credentials>
  role_arn arn:aws:iam::123456789012:role/r
  external_id e
</assume_role_credentials>
`, New: `
kinesis
  region: "${env:AWS_REGION}"
  role_arn: "arn:aws:iam::123456789012:role/r"
  external_id: "e"
  fields: {time: "", tag: "", cluster: ""}
  stream: "s"
  partition_key: "{record.id}"
variable: AWS_REGION
`},
		{Name: "cloudwatch_logs", Old: `
@type cloudwatch_logs
region eu-west-1
log_group_name g
use_tag_as_stream true
auto_create_stream true
retention_in_days 7
message_keys log
log_group_aws_tags {"team":"x"}
`, New: `
cloudwatch_logs
  region: "eu-west-1"
  log_group: "g"
  log_stream: "{tag}"
  auto_create: true
  retention_days: 7
  message: "log"
  log_group_tags: {team: "x"}
  fields: {time: "", tag: "", cluster: ""}
`},
		{Name: "s3", Old: `
@type s3
s3_bucket logs
s3_region eu-west-1
path a/${tag}/
s3_object_key_format %{path}%{time_slice}/%{index}.%{file_extension}
time_slice_format %Y/%m
store_as text
<buffer tag,time>
  timekey 10m
</buffer>
<format>
  @type single_value
</format>
`, New: `
s3
  region: "eu-west-1"
  bucket: "logs"
  key: "a/{tag}/%Y/%m/{index}"
  compression: "none"
  rotate: {max_age: "10m"}
  message: "message"
  fields: {time: "", tag: "", cluster: ""}
`},
	}, read)
}

// TestAWSOfUsers is what people write, and what has no like.
func TestAWSOfUsers(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "Firehose with a role and by way of a proxy", Old: `
@type kinesis_firehose
region eu-west-1
delivery_stream_name logs
include_time_key true
include_tag_key true
append_new_line true
compression gzip
aws_sts_role_arn arn:aws:iam::123456789012:role/writer
aws_sts_external_id e
endpoint vpce-1.firehose.eu-west-1.vpce.amazonaws.com
http_proxy http://proxy:3128
`, New: `
firehose
  region: "eu-west-1"
  endpoint: "https://vpce-1.firehose.eu-west-1.vpce.amazonaws.com"
  role_arn: "arn:aws:iam::123456789012:role/writer"
  external_id: "e"
  proxy: "http://proxy:3128"
  compression: "gzip"
  fields: {time: "time", tag: "tag", cluster: ""}
  delivery_stream: "logs"
`},
		{Name: "Firehose without a stream, compressed otherwise", Old: `
@type kinesis_firehose
region eu-west-1
compression zlib
<web_identity_credentials>
  role_arn arn:aws:iam::123456789012:role/writer
</web_identity_credentials>
`, New: `
firehose
  region: "eu-west-1"
  fields: {time: "", tag: "", cluster: ""}
  delivery_stream: "missing"
lost: <match **> kinesis_firehose compression: records have no compression zlib
lost: <match **> kinesis_firehose: it has no delivery_stream_name
said: <match **> kinesis_firehose <web_identity_credentials>: credentials come from the environment, a
    profile, IRSA or the instance, whichever is there
`},
		{Name: "Firehose whose time has a format", Old: `
@type kinesis_firehose
region eu-west-1
delivery_stream_name logs
include_time_key true
time_key at
time_format %s
`, New: `
firehose
  region: "eu-west-1"
  fields: {time: "at", tag: "", cluster: ""}
  delivery_stream: "logs"
lost: <match **> kinesis_firehose time_format: the time is written as RFC 3339
`},
		{Name: "Kinesis without names, with compression", Old: `
@type kinesis_streams
region eu-west-1
compression zlib
`, New: `
kinesis
  region: "eu-west-1"
  fields: {time: "", tag: "", cluster: ""}
  stream: "missing"
  partition_key: "random"
lost: <match **> kinesis_streams compression: records have no compression zlib
lost: <match **> kinesis_streams: it has no stream_name
`},
		{Name: "Kinesis, packed as its library does", Old: `
@type kinesis_streams_aggregated
region eu-west-1
stream_name s
fixed_partition_key k
`, New: `
kinesis
  region: "eu-west-1"
  fields: {time: "", tag: "", cluster: ""}
  stream: "s"
  partition_key: "random"
lost: <match **> kinesis_streams_aggregated: records are not packed as the Kinesis Producer Library does
`},
		{Name: "Kinesis by the pod, with the event of one field", Old: `
@type kinesis_streams
region eu-west-1
stream_name s-${tag}
partition_key $.kubernetes.pod_name
data_key log
<shared_credentials>
  profile_name p
</shared_credentials>
`, New: `
kinesis
  region: "eu-west-1"
  message: "log"
  fields: {time: "", tag: "", cluster: ""}
  stream: "s-{tag}"
  partition_key: "{record.kubernetes.pod_name}"
said: <match **> kinesis_streams <shared_credentials>: credentials come from the environment, a profile, IRSA
    or the instance, whichever is there
`},
		{Name: "CloudWatch by tags and fields", Old: `
@type cloudwatch_logs
region eu-west-1
log_group_name_key group
remove_log_group_name_key true
use_tag_as_stream true
include_time_key true
concurrency 4
http_proxy http://proxy:3128
`, New: `
cloudwatch_logs
  region: "eu-west-1"
  proxy: "http://proxy:3128"
  log_group: "{record.group}"
  log_stream: "{tag}"
  auto_create: false
  workers: 4
  fields: {time: "time", tag: "", cluster: ""}
said: <match **> cloudwatch_logs remove_log_group_name_key: the field group stays in the event
`},
		{Name: "CloudWatch by placeholders", Old: `
@type cloudwatch_logs
region eu-west-1
log_group_name /eks/${$.kubernetes.namespace_name}
log_stream_name ${tag}-%Y-%m-%d
retention_in_days_key days
log_group_aws_tags_key tags
max_message_length 32768
message_keys level,log
auto_create_stream true
`, New: `
cloudwatch_logs
  region: "eu-west-1"
  log_group: "/eks/{record.kubernetes.namespace_name}"
  log_stream: "{tag}-%Y-%m-%d"
  auto_create: true
  message: "_message"
  fields: {time: "", tag: "", cluster: ""}
expr: {set: {_message: 'join(filter([string(record.level ?? ""), string(record.log ?? "")], # != ""), " ")'}}
lost: <match **> cloudwatch_logs retention_in_days_key: days are the same for all groups that are made
lost: <match **> cloudwatch_logs log_group_aws_tags_key: tags are the same for all groups that are made
said: <match **> cloudwatch_logs max_message_length: only an event over 1 MiB is cut off, by oversize:
    truncate, or becomes a dead letter
`},
		{Name: "CloudWatch without names", Old: `
@type cloudwatch_logs
retention_in_days forever
`, New: `
cloudwatch_logs
  region: "${env:AWS_REGION}"
  log_group: "missing"
  log_stream: "missing"
  auto_create: false
  fields: {time: "", tag: "", cluster: ""}
lost: <match **> cloudwatch_logs: it says no log_group
lost: <match **> cloudwatch_logs: it says no log_stream
lost: <match **> cloudwatch_logs retention_in_days: "forever" is no number
variable: AWS_REGION
`},
	}, read)
}
