package outputs_test

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/converttest"
)

func TestHttp(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "http", Old: `
@type http
endpoint https://a.example?x=y
http_method put
headers {"Content-Type":"text/x","Authorization":"s"}
headers_from_placeholders {"X-Tag":"${tag}"}
retryable_response_codes 503,404
<format>
  @type single_value
  message_key log
</format>
`, New: `
http
  url: "https://a.example/?x=y"
  body: "text"
  message: "log"
  method: "PUT"
  content_type: "text/x"
  headers: {Authorization: "${file:/etc/aggregator/secrets/http-authorization}"}
  event_headers: {X-Tag: "{tag}"}
  compression: "none"
  statuses: {again: ["404"]}
  fields: {time: "", tag: "", cluster: ""}
file: /etc/aggregator/secrets/http-authorization
`},
		{Name: "http, the older plugin", Old: `
@type http
endpoint_url http://a.example/b
serializer json
bulk_request true
authentication bearer
token t
`, New: `
http
  url: "http://a.example/b"
  body: "ndjson"
  compression: "none"
  bearer_token: "${file:/etc/aggregator/secrets/http-token}"
  fields: {time: "", tag: "", cluster: ""}
file: /etc/aggregator/secrets/http-token
`},
	}, read)
}

// TestHTTPOfUsers is what people write, and what has no like.
func TestHTTPOfUsers(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "an array to an endpoint with the tag in it", Old: `
@type http
endpoint http://logs.example/${tag}/%Y
json_array true
content_type application/json
open_timeout 2
read_timeout 30s
compress gzip
`, New: `
http
  url: "http://logs.example/{tag}/%Y"
  body: "json_array"
  content_type: "application/json"
  timeout: "30s"
  compression: "gzip"
  fields: {time: "", tag: "", cluster: ""}
`},
		{Name: "certificates, and none that are looked at", Old: `
@type http
endpoint https://a.example
tls_ca_cert_path ["/a.crt","/b.crt"]
tls_client_cert_path /c.crt
tls_private_key_path /c.key
tls_private_key_passphrase p
tls_verify_mode none
`, New: `
http
  url: "https://a.example"
  body: "ndjson"
  compression: "none"
  tls: {ca_file: "/a.crt", cert_file: "/c.crt", key_file: "/c.key", insecure_skip_verify: true}
  fields: {time: "", tag: "", cluster: ""}
lost: <match **> http tls_ca_cert_path: authorities are in one file
lost: <match **> http tls_private_key_passphrase: keys are read without a passphrase
file: /a.crt
file: /c.crt
file: /c.key
`},
		{Name: "logins", Old: `
@type http
endpoint https://a.example
<auth>
  method basic
  username u
  password "#{ENV['P']}"
</auth>
`, New: `
http
  url: "https://a.example"
  body: "ndjson"
  compression: "none"
  username: "u"
  password: "${env:P}"
  fields: {time: "", tag: "", cluster: ""}
variable: P
`},
		{Name: "requests that AWS wants signed", Old: `
@type http
endpoint https://a.example
<auth>
  method aws_sigv4
  aws_service es
  aws_region eu-west-1
</auth>
`, New: `
http
  url: "https://a.example"
  body: "ndjson"
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
lost: <match **> http <auth> method: requests are not signed by aws_sigv4
`},
		{Name: "a method that there is none of, and no answer that ends it", Old: `
@type http
endpoint https://a.example
http_method delete
error_response_as_unrecoverable false
`, New: `
http
  url: "https://a.example"
  body: "ndjson"
  compression: "none"
  statuses: {again: ["4xx"]}
  fields: {time: "", tag: "", cluster: ""}
lost: <match **> http http_method: requests are POST, PUT or PATCH, not delete
`},
		{Name: "answers that are tried again, as a list", Old: `
@type http
endpoint https://a.example
retryable_response_codes [429, 503, 408]
`, New: `
http
  url: "https://a.example"
  body: "ndjson"
  compression: "none"
  statuses: {again: ["408"]}
  fields: {time: "", tag: "", cluster: ""}
`},
		{Name: "headers with placeholders that there are none of", Old: `
@type http
endpoint https://a.example
headers_from_placeholders {"X-A":"${tag_parts[1]}","X-B":"${chunk_id}"}
`, New: `
http
  url: "https://a.example"
  body: "ndjson"
  event_headers: {X-A: "{tag[1]}"}
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
lost: <match **> http headers_from_placeholders: ${chunk_id} is no placeholder here
`},
		{Name: "by way of a proxy", Old: `
@type http
endpoint https://a.example
proxy http://proxy:3128
`, New: `
http
  url: "https://a.example"
  body: "ndjson"
  proxy: "http://proxy:3128"
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
`},
		{Name: "no endpoint", Old: `
@type http
`, New: `
http
  url: "http://missing/"
  body: "ndjson"
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
lost: <match **> http: it has no endpoint
`},
		{Name: "lines that are read otherwise", Old: `
@type http
endpoint https://a.example
<format>
  @type ltsv
</format>
`, New: `
http
  url: "https://a.example"
  body: "ndjson"
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
lost: <match **> http <format>: events are written as one JSON object a line, not as ltsv
`},
		{Name: "a format by its name alone", Old: `
@type http
endpoint https://a.example
format csv
`, New: `
http
  url: "https://a.example"
  body: "ndjson"
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
lost: <match **> http <format>: events are written as one JSON object a line, not as csv
`},
		{Name: "a format that there is none of", Old: `
@type http
endpoint https://a.example
<format>
  @type protobuf
</format>
`, New: `
http
  url: "https://a.example"
  body: "ndjson"
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
lost: <match **> http <format>: there is no format protobuf
`},
		{Name: "the older plugin's forms", Old: `
@type http
endpoint_url https://a.example/in
`, New: `
http
  url: "https://a.example/in"
  body: "json"
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
lost: <match **> http serializer: requests are JSON, not a form's fields
`},
		{Name: "the older plugin's texts", Old: `
@type http
endpoint_url https://a.example/in
serializer text
http_method patch
custom_headers {"token":"s"}
authentication basic
username u
password p
ssl_no_verify true
compress_request true
cacert_file /ca.crt
rate_limit_msec 100
recoverable_status_codes 503, 500
`, New: `
http
  url: "https://a.example/in"
  body: "text"
  message: "message"
  method: "PATCH"
  headers: {token: "${file:/etc/aggregator/secrets/http-token}"}
  compression: "gzip"
  username: "u"
  password: "${file:/etc/aggregator/secrets/http-password}"
  tls: {ca_file: "/ca.crt", insecure_skip_verify: true}
  fields: {time: "", tag: "", cluster: ""}
said: <match **> http rate_limit_msec: nothing is dropped for a rate: rate_limit in bytes a second slows the
    output
said: <match **> http recoverable_status_codes: a request is made again for 408, 429 and 5xx by itself
file: /etc/aggregator/secrets/http-token
file: /etc/aggregator/secrets/http-password
file: /ca.crt
`},
		{Name: "the older plugin's other serializers", Old: `
@type http
endpoint_url https://a.example/in
serializer yaml
`, New: `
http
  url: "https://a.example/in"
  body: "json"
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
lost: <match **> http serializer: requests are JSON or text, not yaml
`},
		{Name: "the older plugin, a field alone", Old: `
@type http
endpoint_url https://a.example/in
serializer json
<format>
  @type single_value
  message_key $.a.b
</format>
`, New: `
http
  url: "https://a.example/in"
  body: "text"
  message: "a.b"
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
`},
	}, read)
}
