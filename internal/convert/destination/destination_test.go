package destination_test

import (
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/converttest"
	"github.com/seed-afc6a195/aggregator/internal/convert/destination"
	"github.com/seed-afc6a195/aggregator/internal/convert/flow"
	"github.com/seed-afc6a195/aggregator/internal/convert/fluentd/conf"
	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
)

// with returns a translation: what write makes of a section's settings and of an output to x.
func with(write func(r *settings.Reader, o *flow.Output)) func(*testing.T, string) string {
	return func(t *testing.T, inside string) string {
		t.Helper()
		root, err := conf.ParseText("x.conf", []byte("<match>\n"+inside+"</match>\n"))
		if err != nil {
			t.Fatal(err)
		}
		notes := &settings.Notes{}
		o := &flow.Output{At: root.Sections[0].At, Title: "<match> x", Name: "x", Type: "x"}
		write(settings.NewReader(root.Sections[0], notes, o.Title), o)
		return converttest.Output(o) + converttest.Notes(notes)
	}
}

func TestAWS(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "all of it", Old: `
region eu-west-1
endpoint vpce-1.example
role arn:aws:iam::123456789012:role/r
external e
tags team=shop, env=prod,none
`, New: `
x
  region: "eu-west-1"
  endpoint: "https://vpce-1.example"
  role_arn: "arn:aws:iam::123456789012:role/r"
  external_id: "e"
  tags: {team: "shop", env: "prod"}
`},
		{Name: "a region of the environment, and an endpoint with a scheme", Old: `
endpoint http://localhost:4566
external e
`, New: `
x
  region: "${env:AWS_REGION}"
  endpoint: "http://localhost:4566"
variable: AWS_REGION
`},
		{Name: "the second key of a region", Old: `
s3_region eu-west-1
tags none
`, New: `
x
  region: "eu-west-1"
`},
	}, with(func(r *settings.Reader, o *flow.Output) {
		destination.Region(r, o, "region", "s3_region")
		destination.Endpoint(r, o, "endpoint")
		destination.Role(r, o, "role", "external")
		destination.Tags(o, "tags", r.Text0("tags"))
	}))
}

func TestHeaders(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "values are secrets, of which each is one file", Old: `
headers {"X-B":"2","X-A":"1","Content-Type":"c","Host":"h"}
`, New: `
x
  headers: {X-A: "${file:/etc/aggregator/secrets/x-x-a}", X-B: "${file:/etc/aggregator/secrets/x-x-b}"}
said: <match> x header Host: the program sets it itself
file: /etc/aggregator/secrets/x-x-a
file: /etc/aggregator/secrets/x-x-b
`},
		{Name: "what is no object", Old: `
headers a: b
`, New: `
x
lost: <match> x headers: it is no object of texts
`},
		{Name: "values that are no texts", Old: `
headers {"a":{"b":1}}
`, New: `
x
lost: <match> x headers: it is no object of texts
`},
		{Name: "a variable", Old: `
headers "{\"a\":\"#{ENV['A']}\"}"
`, New: `
x
lost: <match> x headers: it is no object of texts
`},
		{Name: "lines, one of which is a variable's", Old: `
line X-A  one two
line "X-B #{ENV['B']}"
line "X-C Bearer #{ENV['C']}"
`, New: `
x
  headers: {X-A: "${file:/etc/aggregator/secrets/x-x-a}", X-B: "${env:B}", X-C:
    "${file:/etc/aggregator/secrets/x-x-c}"}
file: /etc/aggregator/secrets/x-x-a
file: /etc/aggregator/secrets/x-x-c
variable: B
`},
		{Name: "nothing", Old: `
`, New: `
x
`},
	}, with(func(r *settings.Reader, o *flow.Output) {
		if all, v := destination.Object(r, "headers"); all != nil {
			destination.Headers(r, o, all, v.At)
		}
		destination.HeaderLines(r, o, "line")
	}))
}

func TestContentType(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "of http alone", Old: `
headers {"Content-Type":"text/${x}"}
`, New: `
http
  content_type: "text/$${x}"
  event_headers: {X-A: "{tag}", X-B: "b"}
  body: "text"
  message: "log"
`},
	}, with(func(r *settings.Reader, o *flow.Output) {
		o.Type = "http"
		all, v := destination.Object(r, "headers")
		destination.Headers(r, o, all, v.At)
		destination.EventHeaders(o, flow.Map{{Key: "X-A", Value: "{tag}"}})
		destination.EventHeaders(o, flow.Map{{Key: "X-B", Value: "b"}})
		destination.EventHeaders(o, nil)
		destination.Body(o, destination.Text, "log")
	}))
}

func TestLogins(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "a name and a password", Old: `
user u
password p
`, New: `
x
  username: "u"
  password: "${file:/etc/aggregator/secrets/x-password}"
file: /etc/aggregator/secrets/x-password
`},
		{Name: "a password of nobody", Old: `
password "#{ENV['P']}"
`, New: `
x
said: <match> x password: left out: it is nobody's without a name
`},
		{Name: "a token in place of both", Old: `
user "#{ENV['U'] || 'u'}"
password "#{ENV['P']}"
token t
`, New: `
x
  bearer_token: "${file:/etc/aggregator/secrets/x-token}"
said: <match> x: the name and the password are left out: the token is the login
file: /etc/aggregator/secrets/x-token
variable: P
`},
		{Name: "a cloud's login", Old: `
cloud_auth elastic:a:b
`, New: `
x
  username: "elastic"
  password: "${file:/etc/aggregator/secrets/x-password}"
file: /etc/aggregator/secrets/x-password
`},
		{Name: "a cloud's login that is none", Old: `
cloud_auth elastic
`, New: `
x
lost: <match> x cloud_auth: it is a name and a password in one
`},
		{Name: "a key with a passphrase", Old: `
passphrase p
`, New: `
x
lost: <match> x passphrase: keys are read without a passphrase
`},
	}, with(func(r *settings.Reader, o *flow.Output) {
		destination.Login(r, o, "user", "password")
		destination.CloudAuth(r, o)
		destination.Passphrase(r, "passphrase")
		if token, ok := r.Secret("token", "x-token"); ok {
			destination.Bearer(r, o, token)
		}
	}))
}

func TestTLS(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "certificates where connections have them", Old: `
url https://a
ca /ca.crt
cert "#{ENV['CERT']}"
`, New: `
x
  hosts: ["https://a"]
  tls: {ca_file: "/ca.crt", cert_file: "${env:CERT}"}
file: /ca.crt
variable: CERT
`},
		{Name: "certificates to which a plain connection says nothing", Old: `
url http://a
ca /ca.crt
`, New: `
x
  hosts: ["http://a"]
file: /ca.crt
`},
		{Name: "a scheme that is a variable's", Old: `
url "#{ENV['URL']}"
ca /ca.crt
`, New: `
x
  hosts: ["${env:URL}"]
  tls: {ca_file: "/ca.crt"}
file: /ca.crt
variable: URL
`},
		{Name: "nothing", Old: `
url https://a
`, New: `
x
  hosts: ["https://a"]
`},
	}, with(func(r *settings.Reader, o *flow.Output) {
		url, _ := r.Text("url")
		o.Settings = flow.Map{{Key: "hosts", Value: []any{url}}}
		destination.TLS(o, destination.Files(r, nil, destination.File{Old: "ca", New: "ca_file"},
			destination.File{Old: "cert", New: "cert_file"}))
	}))
}

func TestKafka(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "brokers, a login, a codec", Old: `
brokers a:1, b:2 ,
user u
password p
codec GZIP
`, New: `
x
  brokers: ["a:1", "b:2"]
  sasl: {mechanism: "plain", username: "u", password: "${file:/etc/aggregator/secrets/x-password}"}
  compression: "gzip"
  headers: {a: "b"}
file: /etc/aggregator/secrets/x-password
`},
		{Name: "no brokers, no login, another codec", Old: `
codec lzma
`, New: `
x
  brokers: ["localhost:9092"]
  compression: "none"
  headers: {a: "b"}
`},
		{Name: "a login without a password", Old: `
brokers "#{ENV['BROKERS']}"
user u
codec zstd
`, New: `
x
  brokers: ["${env:BROKERS}"]
  sasl: {mechanism: "plain", username: "u"}
  compression: "zstd"
  headers: {a: "b"}
variable: BROKERS
`},
	}, with(func(r *settings.Reader, o *flow.Output) {
		if !destination.Brokers(r, o, "localhost:9092") {
			o.Notes = append(o.Notes, "none")
		}
		destination.SASL(r, o, "plain", "user", "password")
		o.Settings = o.Settings.With("compression", destination.Compression(r.Text0("codec")))
		destination.RecordHeaders(o, flow.Map{{Key: "a", Value: "b"}})
		destination.RecordHeaders(o, nil)
	}))
}

func TestSplunk(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "by parts", Old: `
token t
index main
`, New: `
splunk_hec
  url: "https://s:8088"
  token: "${file:/etc/aggregator/secrets/x-token}"
  index: "main"
file: /etc/aggregator/secrets/x-token
`},
		{Name: "by a field, and a text for events without it", Old: `
other t
index main
field a.b
`, New: `
splunk_hec
  url: "https://s:8088"
  token: "${file:/etc/aggregator/secrets/x-token}"
  index: "{record.a.b|main}"
file: /etc/aggregator/secrets/x-token
`},
		{Name: "by a field, and a template", Old: `
token t
index i-{tag}
field a
`, New: `
splunk_hec
  url: "https://s:8088"
  token: "${file:/etc/aggregator/secrets/x-token}"
  index: "{record.a}"
file: /etc/aggregator/secrets/x-token
`},
		{Name: "without a token", Old: `
field a
`, New: `
splunk_hec
  url: "https://s:8088"
  token: "missing"
  index: "{record.a}"
lost: <match> x: it has no token
`},
	}, with(func(r *settings.Reader, o *flow.Output) {
		destination.Splunk(r, o, "https", "s", "8088")
		destination.SplunkToken(r, o, "token", "other")
		destination.SplunkText(o, "index", r.Text0("index"), r.Text0("field"))
		destination.SplunkText(o, "source", "", "")
	}))
}

// TestRemove: fields of which names, labels and ids are made stay.
func TestRemove(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "what nothing needs", Old: `
remove a,b.c
index x-{record.other}
`, New: `
x
  labels: {l: ["x-{record.other}", 1]}
modify: {remove: ["a", "b.c"]}
`},
		{Name: "the field itself, with a default, and one within", Old: `
remove a,b,c,d
index {record.a}-{record.b|none}-{record.c.x}-{record.dd}
`, New: `
x
  labels: {l: ["{record.a}-{record.b|none}-{record.c.x}-{record.dd}", 1]}
modify: {remove: ["d"]}
said: <match> x remove: the field a stays in the event: a name, an id or a label of the output needs it
said: <match> x remove: the field b stays in the event: a name, an id or a label of the output needs it
said: <match> x remove: the field c stays in the event: a name, an id or a label of the output needs it
`},
		{Name: "a field whose name has dots", Old: `
remove '["k8s.ns"],k8s'
index {record["k8s.ns"]}
`, New: `
x
  labels: {l: ['{record["k8s.ns"]}', 1]}
modify: {remove: ["k8s"]}
said: <match> x remove: the field ["k8s.ns"] stays in the event: a name, an id or a label of the output needs
    it
`},
	}, with(func(r *settings.Reader, o *flow.Output) {
		o.Settings = flow.Map{{Key: "labels", Value: flow.Map{{Key: "l", Value: []any{r.Text0("index"), 1}}}}}
		destination.Remove(r, o, "remove", strings.Split(r.Text0("remove"), ","))
	}))
}

// TestUnknown: what there is no output for goes to files meanwhile, and is told.
func TestUnknown(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "files", Old: `
host a
`, New: `
file
  path: "data/not-converted/x/%Y-%m-%d.ndjson"
lost: <match> x: there is no output of this type
`},
	}, with(func(r *settings.Reader, o *flow.Output) { destination.Unknown(o, r.Notes) }))
}
