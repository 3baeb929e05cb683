package fluentbit_test

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/converttest"
)

// TestHTTPRequests is what the requests of http look like: methods, times, what differs from event to event.
func TestHTTPRequests(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "put", Old: `
Name http
Host h
Format json
http_method put
json_date_key off
`, New: `
http
  url: "http://h:80/"
  body: "json_array"
  method: "PUT"
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
`},
		{Name: "patch", Old: `
Name http
Host h
Format json
http_method Patch
json_date_key false
`, New: `
http
  url: "http://h:80/"
  body: "json_array"
  method: "PATCH"
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
`},
		{Name: "get", Old: `
Name http
Host h
Format json
http_method GET
json_date_key false
`, New: `
http
  url: "http://h:80/"
  body: "json_array"
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
lost: [OUTPUT] http http_method: requests are POST, PUT or PATCH, not GET
`},
		{Name: "lines without an end", Old: `
Name http
Host h
Format json_stream
json_date_key false
`, New: `
http
  url: "http://h:80/"
  body: "ndjson"
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
said: [OUTPUT] http format: a line ends behind each object
`},
		{Name: "gelf", Old: `
Name http
Host h
Format gelf
gelf_timestamp_key t
gelf_host_key h
gelf_short_message_key log
gelf_full_message_key all
gelf_level_key l
json_date_key false
`, New: `
http
  url: "http://h:80/"
  body: "json_array"
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
lost: [OUTPUT] http format: requests are JSON, not gelf
`},
		{Name: "a path of its own", Old: `
Name http
Host h
Port 8080
Path in/x%20y
Format json
json_date_key false
`, New: `
http
  url: "http://h:8080/in/x%%20y"
  body: "json_array"
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
`},
		{Name: "seconds", Old: `
Name http
Host h
Format json
json_date_format epoch
`, New: `
http
  url: "http://h:80/"
  body: "json_array"
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
expr: {set: {date: "time.Unix()"}}
`},
		{Name: "milliseconds", Old: `
Name http
Host h
Format json
json_date_key at
json_date_format EPOCH_MS
`, New: `
http
  url: "http://h:80/"
  body: "json_array"
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
expr: {set: {at: "time.UnixMilli()"}}
`},
		{Name: "the usual time", Old: `
Name http
Host h
Format json
`, New: `
http
  url: "http://h:80/"
  body: "json_array"
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
expr: {set: {date: "float(time.UnixMicro()) / 1000000"}}
`},
		{Name: "iso8601", Old: `
Name http
Host h
Format json
json_date_format iso8601
`, New: `
http
  url: "http://h:80/"
  body: "json_array"
  compression: "none"
  fields: {time: "date", tag: "", cluster: ""}
`},
		{Name: "a time of its own", Old: `
Name http
Host h
Format json
json_date_format nanoseconds
`, New: `
http
  url: "http://h:80/"
  body: "json_array"
  compression: "none"
  fields: {time: "date", tag: "", cluster: ""}
lost: [OUTPUT] http json_date_format: the time is written as RFC 3339, not as nanoseconds
`},
		{Name: "a body and headers of fields", Old: `
Name http
Host h
Format json
json_date_key false
body_key $body
headers_key $headers
`, New: `
http
  url: "http://h:80/"
  body: "json_array"
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
lost: [OUTPUT] http body_key: what a request holds is the same for all events
lost: [OUTPUT] http headers_key: what a request holds is the same for all events
`},
		{Name: "signed for AWS", Old: `
Name http
Host h
Format json
json_date_key false
aws_auth on
aws_service execute-api
aws_region eu-west-1
aws_sts_endpoint https://sts
`, New: `
http
  url: "http://h:80/"
  body: "json_array"
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
lost: [OUTPUT] http aws_auth: requests are not signed for AWS
`},
		{Name: "what is of no use here", Old: `
Name http
Host h
Format json
json_date_key false
allow_duplicated_headers off
log_response_payload off
http.read_idle_timeout 10s
buffer_size 1M
`, New: `
http
  url: "http://h:80/"
  body: "json_array"
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
`},
	}, output)
}

// TestHTTPCompression is how requests are compressed, sent through a proxy and waited for.
func TestHTTPCompression(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "zstd", Old: `
Name http
Host h
Format json
json_date_key false
compress ZSTD
`, New: `
http
  url: "http://h:80/"
  body: "json_array"
  compression: "zstd"
  fields: {time: "", tag: "", cluster: ""}
`},
		{Name: "off", Old: `
Name http
Host h
Format json
json_date_key false
compress off
`, New: `
http
  url: "http://h:80/"
  body: "json_array"
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
`},
		{Name: "lz4", Old: `
Name http
Host h
Format json
json_date_key false
compress lz4
`, New: `
http
  url: "http://h:80/"
  body: "json_array"
  compression: "gzip"
  fields: {time: "", tag: "", cluster: ""}
said: [OUTPUT] http compress: requests are compressed by gzip or zstd, not by lz4
`},
		{Name: "a proxy and a time", Old: `
Name http
Host h
Format json
json_date_key false
proxy http://p:3128
http.response_timeout 15s
`, New: `
http
  url: "http://h:80/"
  body: "json_array"
  proxy: "http://p:3128"
  compression: "none"
  timeout: "15s"
  fields: {time: "", tag: "", cluster: ""}
`},
		{Name: "no time to wait", Old: `
Name http
Host h
Format json
json_date_key false
http.response_timeout 0s
`, New: `
http
  url: "http://h:80/"
  body: "json_array"
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
`},
		{Name: "minutes", Old: `
Name http
Host h
Format json
json_date_key false
http.response_timeout 2m
`, New: `
http
  url: "http://h:80/"
  body: "json_array"
  compression: "none"
  timeout: "2m"
  fields: {time: "", tag: "", cluster: ""}
`},
	}, output)
}
