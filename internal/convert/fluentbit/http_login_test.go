package fluentbit_test

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/converttest"
)

// TestHTTPLogin is how requests say who sends them.
func TestHTTPLogin(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "a name without a password", Old: `
Name http
Host h
Format json
json_date_key false
http_user u
`, New: `
http
  url: "http://h:80/"
  body: "json_array"
  username: "u"
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
`},
		{Name: "a password of the environment", Old: `
Name http
Host h
Format json
json_date_key false
http_user u
http_passwd ${PW}
`, New: `
http
  url: "http://h:80/"
  body: "json_array"
  username: "u"
  password: "${env:PW}"
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
variable: PW
`},
		{Name: "a token", Old: `
Name http
Host h
Format json
json_date_key false
http_bearer_token t
`, New: `
http
  url: "http://h:80/"
  body: "json_array"
  bearer_token: "${file:/etc/aggregator/secrets/http-token}"
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
file: /etc/aggregator/secrets/http-token
`},
		{Name: "for whom a token is", Old: `
Name http
Host h
Format json
json_date_key false
oauth2.enable true
oauth2.token_url https://t.example/x
oauth2.client_id c
oauth2.client_secret ${S}
oauth2.audience a
oauth2.resource r
oauth2.timeout 10s
`, New: `
http
  url: "http://h:80/"
  body: "json_array"
  oauth2: {token_url: "https://t.example/x", client_id: "c", client_secret: "${env:S}", parameters:
    {audience: "a", resource: "r"}}
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
variable: S
`},
		{Name: "a signed text", Old: `
Name http
Host h
Format json
json_date_key false
oauth2.enable true
oauth2.token_url https://t.example/x
oauth2.client_id c
oauth2.client_secret s
oauth2.auth_method private_key_jwt
oauth2.jwt_key_file /k
`, New: `
http
  url: "http://h:80/"
  body: "json_array"
  oauth2: {token_url: "https://t.example/x", client_id: "c", client_secret:
    "${file:/etc/aggregator/secrets/http-client-secret}"}
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
lost: [OUTPUT] http oauth2.auth_method: a client is known by its secret, not by a signed text
file: /etc/aggregator/secrets/http-client-secret
`},
		{Name: "turned off", Old: `
Name http
Host h
Format json
json_date_key false
oauth2.enable off
oauth2.token_url https://t.example/x
oauth2.client_id c
oauth2.client_secret s
`, New: `
http
  url: "http://h:80/"
  body: "json_array"
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
file: /etc/aggregator/secrets/http-client-secret
`},
		{Name: "certificates", Old: `
Name http
Host h
Format json
json_date_key false
tls on
tls.ca_file /ca.crt
tls.crt_file /c.crt
tls.key_file /c.key
tls.key_passwd p
tls.vhost v.example
tls.debug 4
tls.min_version TLSv1.2
`, New: `
http
  url: "https://h:80/"
  tls: {ca_file: "/ca.crt", cert_file: "/c.crt", key_file: "/c.key", server_name: "v.example"}
  body: "json_array"
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
lost: [OUTPUT] http tls.key_passwd: keys are read without a passphrase
file: /ca.crt
file: /c.crt
file: /c.key
`},
		{Name: "a folder of authorities", Old: `
Name http
Host h
Format json
json_date_key false
tls on
tls.ca_path /etc/ssl/certs
`, New: `
http
  url: "https://h:80/"
  body: "json_array"
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
lost: [OUTPUT] http tls.ca_path: authorities are in one file
`},
		{Name: "certificates without tls", Old: `
Name http
Host h
Format json
json_date_key false
tls off
tls.ca_file /ca.crt
`, New: `
http
  url: "http://h:80/"
  body: "json_array"
  compression: "none"
  fields: {time: "", tag: "", cluster: ""}
`},
	}, output)
}
