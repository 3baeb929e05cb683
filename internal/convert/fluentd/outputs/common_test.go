package outputs_test

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/converttest"
)

func TestCommon(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "a type that there is none of", Old: `
@type mongo
host x
`, New: `
file
  path: "data/not-converted/mongo/%Y-%m-%d.ndjson"
lost: <match **> mongo: there is no output of this type
`},
		{Name: "a setting that there is none of", Old: `
@type stdout
some thing
`, New: `
stdout
lost: <match **> stdout some: the setting has no like that is known here
`},
		{Name: "drop_oldest_chunk", Old: `
@type stdout
<buffer>
  overflow_action drop_oldest_chunk
</buffer>
<secondary>
  @type file
  path /x
</secondary>
`, New: `
stdout
when full: drop_oldest
said: <match **> stdout <secondary>: what is refused, or has been tried too often, becomes dead letters,
    which can be sent again: docs/dead-letters.md
`},
	}, read)
}

// TestBuffer is what all outputs have: buffers, retries, fields that are added.
func TestBuffer(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "what old versions call their buffers' settings", Old: `
@type stdout
buffer_type file
buffer_path /b
buffer_chunk_limit 8m
buffer_queue_limit 64
buffer_queue_full_action drop_oldest_chunk
num_threads 4
flush_interval 10s
retry_wait 1s
max_retry_wait 5m
retry_limit 17
`, New: `
stdout
  retry: {initial: "1s", max: "5m", max_attempts: 18}
  batch: {max_wait: "10s"}
  workers: 4
when full: drop_oldest
`},
		{Name: "what old versions try for ever", Old: `
@type stdout
retry_limit 17
disable_retry_limit true
`, New: `
stdout
`},
		{Name: "tries for ever, whatever else is said", Old: `
@type stdout
<buffer>
  retry_forever true
  retry_timeout 1h
  retry_max_times 3
</buffer>
`, New: `
stdout
`},
		{Name: "a first wait that is longer than the longest", Old: `
@type stdout
<buffer>
  retry_wait 5m
  retry_timeout 72h
</buffer>
`, New: `
stdout
  retry: {initial: "5m", max: "5m", max_age: "72h"}
`},
		{Name: "a first wait that is longer than what is said to be the longest", Old: `
@type stdout
<buffer>
  retry_wait 2m
  retry_max_interval 30s
</buffer>
`, New: `
stdout
  retry: {initial: "2m", max: "2m"}
`},
		{Name: "more threads than there can be", Old: `
@type stdout
<buffer>
  flush_thread_count 1000
</buffer>
`, New: `
stdout
  workers: 256
`},
		{Name: "at once", Old: `
@type stdout
<buffer>
  flush_mode immediate
  flush_interval 5s
</buffer>
`, New: `
stdout
`},
		{Name: "a full buffer raises an error", Old: `
@type stdout
<buffer>
  overflow_action throw_exception
</buffer>
`, New: `
stdout
when full: block
`},
		{Name: "a buffer's setting that there is none of", Old: `
@type stdout
<buffer>
  speed 11
</buffer>
`, New: `
stdout
lost: <match **> stdout <buffer> speed: the setting has no like that is known here
`},
		{Name: "a section that there is none of", Old: `
@type stdout
<engine>
  on true
</engine>
`, New: `
stdout
lost: <match **> stdout <engine>: the section has no like that is known here
`},
		{Name: "times and names of the host in records", Old: `
@type kinesis_streams
region eu-west-1
stream_name s
<inject>
  hostname_key host
  hostname web-1
  tag_key tag
  time_key time
  time_format %d/%b/%Y:%H:%M:%S %z
  worker_id_key w
</inject>
`, New: `
kinesis
  region: "eu-west-1"
  fields: {time: "", tag: "tag", cluster: ""}
  stream: "s"
  partition_key: "random"
modify: {set: {host: "web-1"}}
expr: {set: {time: 'strftime(time, "%d/%b/%Y:%H:%M:%S %z")'}}
said: <match **> kinesis_streams <inject> worker_id_key: left out: there are no workers
`},
		{Name: "times as RFC 3339", Old: `
@type kinesis_streams
region eu-west-1
stream_name s
<inject>
  time_key time
  time_format %Y-%m-%dT%H:%M:%S.%3N%:z
</inject>
`, New: `
kinesis
  region: "eu-west-1"
  fields: {time: "time", tag: "", cluster: ""}
  stream: "s"
  partition_key: "random"
`},
		{Name: "times in seconds", Old: `
@type kinesis_streams
region eu-west-1
stream_name s
<inject>
  time_key time
  time_type unixtime
</inject>
`, New: `
kinesis
  region: "eu-west-1"
  fields: {time: "", tag: "", cluster: ""}
  stream: "s"
  partition_key: "random"
expr: {set: {time: "time.Unix()"}}
`},
		{Name: "times in milliseconds", Old: `
@type kinesis_streams
region eu-west-1
stream_name s
<inject>
  time_key time
  time_type unixtime_millis
</inject>
`, New: `
kinesis
  region: "eu-west-1"
  fields: {time: "", tag: "", cluster: ""}
  stream: "s"
  partition_key: "random"
expr: {set: {time: "time.UnixMilli()"}}
`},
		{Name: "inject where the plugin does not look at it", Old: `
@type http
endpoint http://a.example
<inject>
  tag_key tag
</inject>
`, New: `
http
  url: "http://a.example"
  body: "ndjson"
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
said: <match **> http <inject>: left out: the plugin does not use it
`},
		{Name: "slices in the zone of UTC", Old: `
@type s3
s3_bucket logs
s3_region eu-west-1
path a/%Y/
<buffer time>
  timekey 1d
  timekey_use_utc true
  timekey_zone +0000
</buffer>
`, New: `
s3
  region: "eu-west-1"
  bucket: "logs"
  key: "a/%Y/%Y%m%d_{index}"
  compression: "gzip"
  rotate: {max_age: "24h"}
said: <match **> s3: a line is one JSON object with the time and the tag in it, not the time, the tag and
    JSON with tabs between
`},
	}, read)
}
