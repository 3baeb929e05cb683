package fluentbit_test

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/converttest"
)

// TestNetwork: what goes to servers of other protocols, and to files.
func TestNetwork(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "http, of lines", Old: `
Name http
Host logs.example
Port 443
URI /in/x
Format json_lines
tls On
Header X-Api-Key secret
Header X-Env ${ENV}
Header Content-Type application/x-ndjson
Header User-Agent me
json_date_key time
json_date_format iso8601
Compress gzip
`, New: `
http
  url: "https://logs.example:443/in/x"
  body: "ndjson"
  headers: {X-Api-Key: "${file:/etc/aggregator/secrets/http-x-api-key}", X-Env: "${env:ENV}"}
  content_type: "application/x-ndjson"
  compression: "gzip"
  fields: {time: "time", tag: "", cluster: ""}
said: [OUTPUT] http header User-Agent: the program sets it itself
file: /etc/aggregator/secrets/http-x-api-key
variable: ENV
`},
		{Name: "http, of a stream", Old: `
Name http
Host a
Format json_stream
header_tag X-Tag
HTTP_Method put
Compress snappy
json_date_format epoch_ms
`, New: `
http
  url: "http://a:80/"
  body: "ndjson"
  method: "PUT"
  event_headers: {X-Tag: "{tag}"}
  compression: "gzip"
  fields: {time: "", tag: "", cluster: ""}
expr: {set: {date: "time.UnixMilli()"}}
said: [OUTPUT] http format: a line ends behind each object
said: [OUTPUT] http compress: requests are compressed by gzip or zstd, not by snappy
`},
		{Name: "http, without a format", Old: `
Name http
Host a
json_date_key false
`, New: `
http
  url: "http://a:80/"
  body: "json_array"
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
lost: [OUTPUT] http format: requests are JSON, not msgpack
`},
		{Name: "http, what it does with single events", Old: `
Name http
Host a
Format json
HTTP_Method get
body_key $a
headers_key $b
json_date_format java_sql_timestamp
`, New: `
http
  url: "http://a:80/"
  body: "json_array"
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
expr: {set: {date: 'strftime(time, "%Y-%m-%d %H:%M:%S.") + strftime(time, "%N")[:6]'}}
lost: [OUTPUT] http http_method: requests are POST, PUT or PATCH, not get
lost: [OUTPUT] http body_key: what a request holds is the same for all events
lost: [OUTPUT] http headers_key: what a request holds is the same for all events
`},
		{Name: "http, a date that there is none of", Old: `
Name http
Host a
Format json
json_date_format rfc1123
`, New: `
http
  url: "http://a:80/"
  body: "json_array"
  compression: "none"
  fields: {time: "date", tag: "", cluster: ""}
lost: [OUTPUT] http json_date_format: the time is written as RFC 3339, not as rfc1123
`},
		{Name: "http, logins", Old: `
Name http
Host a
Format json
HTTP_User u
HTTP_Passwd p
http_bearer_token t
json_date_format epoch
proxy http://proxy:3128
http.response_timeout 10s
aws_auth On
aws_region eu-west-1
`, New: `
http
  url: "http://a:80/"
  body: "json_array"
  bearer_token: "${file:/etc/aggregator/secrets/http-token}"
  proxy: "http://proxy:3128"
  compression: "none"
  timeout: "10s"
  fields: {time: "", tag: "", cluster: ""}
expr: {set: {date: "time.Unix()"}}
lost: [OUTPUT] http aws_auth: requests are not signed for AWS
said: [OUTPUT] http: the name and the password are left out: the token is the login
file: /etc/aggregator/secrets/http-password
file: /etc/aggregator/secrets/http-token
`},
		{Name: "http, OAuth 2.0", Old: `
Name http
Host a
Format json
json_date_key off
tls On
oauth2.enable On
oauth2.token_url https://id.example/token
oauth2.client_id c
oauth2.client_secret s
oauth2.scope a b
oauth2.audience x
`, New: `
http
  url: "https://a:80/"
  body: "json_array"
  oauth2: {token_url: "https://id.example/token", client_id: "c", client_secret:
    "${file:/etc/aggregator/secrets/http-client-secret}", scopes: ["a", "b"], parameters: {audience: "x"}}
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
file: /etc/aggregator/secrets/http-client-secret
`},
		{Name: "http, OAuth 2.0 by signed texts", Old: `
Name http
Host a
Format json
json_date_key off
tls On
oauth2.enable On
oauth2.token_url https://id.example/token
oauth2.client_id c
oauth2.auth_method private_key_jwt
oauth2.client_secret s
`, New: `
http
  url: "https://a:80/"
  body: "json_array"
  oauth2: {token_url: "https://id.example/token", client_id: "c", client_secret:
    "${file:/etc/aggregator/secrets/http-client-secret}"}
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
lost: [OUTPUT] http oauth2.auth_method: a client is known by its secret, not by a signed text
file: /etc/aggregator/secrets/http-client-secret
`},
		{Name: "splunk, raw", Old: `
Name splunk
Host s
Splunk_Token ${TOKEN}
Splunk_Send_Raw On
TLS On
TLS.Verify Off
`, New: `
splunk_hec
  url: "https://s:8088"
  token: "${env:TOKEN}"
  tls: {insecure_skip_verify: true}
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
lost: [OUTPUT] splunk splunk_send_raw: the record is the event, not the object around it
variable: TOKEN
`},
		{Name: "splunk by fields", Old: `
Name splunk
Host s
Port 443
Splunk_Token t
tls On
Event_Host h
Event_Source $TAG
Event_Sourcetype st
Event_Sourcetype_Key $a['st']
Event_Index main
Event_Index_Key idx
Event_Field a $b['c']
Event_Field env prod
Event_Key $log
HTTP_User u
HTTP_Passwd p
compress gzip
`, New: `
splunk_hec
  url: "https://s:443"
  token: "${file:/etc/aggregator/secrets/splunk-token}"
  index: "{record.idx|main}"
  source: "{tag}"
  sourcetype: "{record.a.st|st}"
  host: "h"
  indexed_fields: {a: "{record.b.c}", env: "prod"}
  message: "log"
  compression: "gzip"
  fields: {time: "", tag: "", cluster: ""}
said: [OUTPUT] splunk http_user: the token is the login
file: /etc/aggregator/secrets/splunk-token
`},
		{Name: "splunk without a token", Old: `
Name splunk
Host s
`, New: `
splunk_hec
  url: "http://s:8088"
  token: "missing"
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
lost: [OUTPUT] splunk: it has no token
`},
		{Name: "opentelemetry by gRPC", Old: `
Name opentelemetry
Host otel
Port 4317
grpc on
logs_uri /v1/logs
logs_body_key $message
metrics_uri /v1/metrics
add_label a b
Header Authorization Bearer x
aws_auth on
`, New: `
otlp
  url: "http://otel:4317/v1/logs"
  body: "message"
  headers: {Authorization: "${file:/etc/aggregator/secrets/opentelemetry-authorization}"}
  compression: "none"
lost: [OUTPUT] opentelemetry grpc: OTLP goes over HTTP here, not over gRPC
lost: [OUTPUT] opentelemetry aws_auth: requests are not signed for AWS
file: /etc/aggregator/secrets/opentelemetry-authorization
`},
	}, output)
}
