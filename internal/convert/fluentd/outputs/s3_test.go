package outputs_test

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/converttest"
)

// TestS3: what stands in front of the number in an object's name is its key.
func TestS3(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "names as they are without a word", Old: `
@type s3
s3_bucket logs
s3_region eu-west-1
path app/
`, New: `
s3
  region: "eu-west-1"
  bucket: "logs"
  key: "app/%Y%m%d_{index}"
  compression: "gzip"
said: <match **> s3: a line is one JSON object with the time and the tag in it, not the time, the tag and
    JSON with tabs between
`},
		{Name: "names by the hour", Old: `
@type s3
s3_bucket logs
s3_region eu-west-1
path app/${tag}/
<buffer tag, time>
  timekey 1h
  timekey_wait 10m
  timekey_use_utc true
</buffer>
<format>
  @type json
</format>
`, New: `
s3
  region: "eu-west-1"
  bucket: "logs"
  key: "app/{tag}/%Y%m%d%H_{index}"
  compression: "gzip"
  rotate: {max_age: "1h"}
  fields: {time: "", tag: "", cluster: ""}
`},
		{Name: "names without a time", Old: `
@type s3
s3_bucket logs
s3_region eu-west-1
path app/
<buffer tag>
</buffer>
<format>
  @type json
</format>
`, New: `
s3
  region: "eu-west-1"
  bucket: "logs"
  key: "app/_{index}"
  compression: "gzip"
  fields: {time: "", tag: "", cluster: ""}
`},
		{Name: "names of several parts, with a number behind other things", Old: `
@type s3
s3_bucket logs
s3_region eu-west-1
path logs
s3_object_key_format %{path}/%{time_slice}/%{hostname}_%{hex_random}_${tag}_%{index}_%{uuid_flush}.%{file_extension}
time_slice_format %Y/%m/%d/%H
index_format %03d
<format>
  @type json
</format>
`, New: `
s3
  region: "eu-west-1"
  bucket: "logs"
  key: "logs/%Y/%m/%d/%H/${env:HOSTNAME}_{tag}_{index}"
  compression: "gzip"
  fields: {time: "", tag: "", cluster: ""}
said: <match **> s3 index_format: the number is written as it is
said: <match **> s3 s3_object_key_format: %{hex_random} is left out
variable: HOSTNAME
`},
		{Name: "names without a number", Old: `
@type s3
s3_bucket logs
s3_region eu-west-1
path logs/
s3_object_key_format %{path}events/ts=%{time_slice}/events_%{hex_random}.%{file_extension}
<format>
  @type json
</format>
`, New: `
s3
  region: "eu-west-1"
  bucket: "logs"
  key: "logs/events/ts=%Y%m%d/events_{index}"
  compression: "gzip"
  fields: {time: "", tag: "", cluster: ""}
said: <match **> s3 s3_object_key_format: %{hex_random} is left out
`},
		{Name: "names that end with the time", Old: `
@type s3
s3_bucket logs
s3_region eu-west-1
s3_object_key_format %{time_slice}.%{file_extension}
<format>
  @type json
</format>
`, New: `
s3
  region: "eu-west-1"
  bucket: "logs"
  key: "%Y%m%d_{index}"
  compression: "gzip"
  fields: {time: "", tag: "", cluster: ""}
`},
		{Name: "names that are a directory", Old: `
@type s3
s3_bucket logs
s3_region eu-west-1
s3_object_key_format /%{path}/%{time_slice}/%{uuid_flush}
path a/b
<format>
  @type json
</format>
`, New: `
s3
  region: "eu-west-1"
  bucket: "logs"
  key: "a/b/%Y%m%d/"
  compression: "gzip"
  fields: {time: "", tag: "", cluster: ""}
said: <match **> s3 s3_object_key_format: %{uuid_flush} is left out
`},
		{Name: "a service like it", Old: `
@type s3
s3_bucket logs
s3_endpoint http://minio:9000
force_path_style true
store_as json
aws_key_id k
aws_sec_key s
<format>
  @type json
</format>
`, New: `
s3
  region: "${env:AWS_REGION}"
  endpoint: "http://minio:9000"
  bucket: "logs"
  key: "%Y%m%d_{index}"
  compression: "none"
  path_style: true
  fields: {time: "", tag: "", cluster: ""}
said: <match **> s3 aws_key_id: credentials come from the environment, a profile, IRSA or the instance
variable: AWS_REGION
variable: AWS_ACCESS_KEY_ID
variable: AWS_SECRET_ACCESS_KEY
`},
		{Name: "how objects are kept", Old: `
@type s3
s3_bucket logs
s3_region eu-west-1
storage_class STANDARD_IA
use_server_side_encryption aws:kms
ssekms_key_id alias/logs
acl bucket-owner-full-control
store_as zstd
enable_dual_stack true
proxy_uri http://proxy:3128
<format>
  @type json
</format>
`, New: `
s3
  region: "eu-west-1"
  proxy: "http://proxy:3128"
  use_dualstack: true
  bucket: "logs"
  key: "%Y%m%d_{index}"
  compression: "zstd"
  storage_class: "STANDARD_IA"
  server_side_encryption: "aws:kms"
  kms_key_id: "alias/logs"
  acl: "bucket-owner-full-control"
  fields: {time: "", tag: "", cluster: ""}
`},
		{Name: "what objects don't have", Old: `
@type s3
s3_region eu-west-1
acl public-read
grant_read id=1
tagging a=b
s3_metadata {"a":"b"}
acceleration true
store_as lzo
<compress>
  parquet_compression_codec snappy
</compress>
<format>
  @type csv
</format>
`, New: `
s3
  region: "eu-west-1"
  bucket: "missing"
  key: "%Y%m%d_{index}"
  compression: "gzip"
  fields: {time: "", tag: "", cluster: ""}
lost: <match **> s3: it has no s3_bucket
lost: <match **> s3 store_as: objects are not compressed by lzo
lost: <match **> s3 acl: objects are for their owners alone
lost: <match **> s3 grant_read: objects are for their owners alone
lost: <match **> s3 tagging: objects have neither tags nor metadata here
lost: <match **> s3 s3_metadata: objects have neither tags nor metadata here
lost: <match **> s3 acceleration: objects go to the bucket's own host
lost: <match **> s3 <format>: events are written as one JSON object a line, not as csv
said: <match **> s3 <compress>: left out
`},
		{Name: "fields that old versions add", Old: `
@type s3
s3_bucket logs
s3_region eu-west-1
include_time_key true
include_tag_key true
tag_key t
time_key at
time_format %Y
format json
`, New: `
s3
  region: "eu-west-1"
  bucket: "logs"
  key: "%Y%m%d_{index}"
  compression: "gzip"
  fields: {time: "at", tag: "t", cluster: ""}
lost: <match **> s3 time_format: the time is written as RFC 3339
`},
		{Name: "a slice that is no time", Old: `
@type s3
s3_bucket logs
s3_region eu-west-1
<buffer time>
  timekey soon
</buffer>
<format>
  @type json
</format>
`, New: `
s3
  region: "eu-west-1"
  bucket: "logs"
  key: "%Y%m%d_{index}"
  compression: "gzip"
  fields: {time: "", tag: "", cluster: ""}
lost: <match **> s3 <buffer> timekey: "soon" is no time
`},
	}, read)
}
