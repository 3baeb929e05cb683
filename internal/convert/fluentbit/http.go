package fluentbit

import (
	"cmp"
	"strings"

	"github.com/seed-afc6a195/aggregator/internal/convert/destination"
	"github.com/seed-afc6a195/aggregator/internal/convert/flow"
	"github.com/seed-afc6a195/aggregator/internal/convert/ruby"
	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
)

// server returns the URL that host, port, tls and a path of a section make.
func (c *converter) server(r *settings.Reader, o *flow.Output, port, pathKey, path string) string {
	host := "127.0.0.1"
	if text, ok := r.Text("host"); ok {
		host = text
	}
	if text, ok := r.Text("port"); ok {
		port = text
	}
	if pathKey != "" {
		if text, ok := r.Mapped(pathKey, flow.LiteralTemplate); ok {
			path = "/" + strings.TrimPrefix(text, "/")
		}
	}
	scheme := "http"
	if c.tls(r, o) {
		scheme = "https"
	}
	return scheme + "://" + host + ":" + port + path
}

// http reads http.
func (c *converter) http(r *settings.Reader, o *flow.Output) {
	o.Type = "http"
	o.Settings = flow.Map{{Key: "url", Value: ""}}
	o.Settings[0].Value = c.server(r, o, "80", "uri", "/")
	if path, ok := r.Mapped("path", flow.LiteralTemplate); ok {
		o.Settings[0].Value = c.server(r, o, "80", "", "/"+strings.TrimPrefix(path, "/"))
	}
	format, _ := r.Plain("format")
	switch format = strings.ToLower(format); format {
	case "json":
		destination.Body(o, destination.Array, "")
	case "json_lines", "json_stream":
		destination.Body(o, destination.Lines, "")
		if format == "json_lines" {
			break
		}
		r.Say("format", "a line ends behind each object", "")
	default:
		r.Lose("format", "requests are JSON, not "+cmp.Or(format, "msgpack"),
			"change what reads them, or write body: text")
		destination.Body(o, destination.Array, "")
	}
	switch method, _ := r.Plain("http_method"); strings.ToUpper(method) {
	case "", "POST":
	case "PUT", "PATCH":
		o.Settings = o.Settings.With("method", strings.ToUpper(method))
	default:
		r.Lose("http_method", "requests are POST, PUT or PATCH, not "+method, "write method")
	}
	destination.HeaderLines(r, o, "header")
	if name, ok := r.Plain("header_tag"); ok {
		destination.EventHeaders(o, flow.Map{{Key: name, Value: "{tag}"}})
	}
	for _, key := range [...]string{"body_key", "headers_key"} {
		if r.Has(key) {
			r.Lose(key, "what a request holds is the same for all events", "write body and message, or event_headers")
		}
	}
	destination.Login(r, o, "http_user", "http_passwd")
	if token, ok := r.Secret("http_bearer_token", o.Name+"-token"); ok {
		destination.Bearer(r, o, token)
	}
	c.oauth2(r, o)
	if r.Bool("aws_auth", false) {
		r.Lose("aws_auth", "requests are not signed for AWS", "put something in front that signs them")
	}
	r.Ignore("aws_service", "aws_region", "aws_role_arn", "aws_external_id", "aws_sts_endpoint", "aws_profile")
	c.proxied(r, o)
	c.date(r, o, "json_date_key", "date", "json_date_format", "double")
	r.Ignore("allow_duplicated_headers", "log_response_payload", "gelf_timestamp_key", "gelf_host_key",
		"gelf_short_message_key", "gelf_full_message_key", "gelf_level_key", "http.read_idle_timeout",
		"response_timeout", "buffer_size")
}

// proxied reads the proxy, the compression and how long an answer may take.
func (c *converter) proxied(r *settings.Reader, o *flow.Output) {
	if proxy, ok := r.Text("proxy"); ok {
		o.Settings = o.Settings.With("proxy", proxy)
	}
	compress, _ := r.Plain("compress")
	switch compress = strings.ToLower(compress); compress {
	case "gzip", "zstd":
		o.Settings = o.Settings.With("compression", compress)
	case "", "none", "off", "false":
		o.Settings = o.Settings.With("compression", "none")
	default:
		r.Say("compress", "requests are compressed by gzip or zstd, not by "+compress, "")
		o.Settings = o.Settings.With("compression", "gzip")
	}
	if wait, ok := r.Duration("http.response_timeout"); ok && wait != "0s" {
		o.Settings = o.Settings.With("timeout", wait)
	}
}

// oauth2 reads client credentials.
func (c *converter) oauth2(r *settings.Reader, o *flow.Output) {
	on := r.Bool("oauth2.enable", false)
	var m flow.Map
	for _, p := range [...]struct{ old, key string }{
		{"oauth2.token_url", "token_url"}, {"oauth2.client_id", "client_id"},
	} {
		if text, ok := r.Text(p.old); ok {
			m = m.With(p.key, text)
		}
	}
	if secret, ok := r.Secret("oauth2.client_secret", o.Name+"-client-secret"); ok {
		m = m.With("client_secret", secret)
	}
	if scope, ok := r.Text("oauth2.scope"); ok {
		scopes := []any{}
		for s := range strings.FieldsSeq(scope) {
			scopes = append(scopes, s)
		}
		m = m.With("scopes", scopes)
	}
	for _, name := range [...]string{"audience", "resource"} {
		if text, ok := r.Text("oauth2." + name); ok {
			m = m.In("parameters", name, text)
		}
	}
	if method, ok := r.Plain("oauth2.auth_method"); ok && method == "private_key_jwt" && on {
		r.Lose("oauth2.auth_method", "a client is known by its secret, not by a signed text", "write client_secret")
	}
	for _, e := range r.Entries {
		if strings.HasPrefix(e.Key, "oauth2.") {
			r.Ignore(e.Key)
		}
	}
	if on && m != nil {
		o.Settings = o.Settings.With("oauth2", m)
	}
}

// date reads which field the time becomes, and how it is written: as RFC 3339 the output adds it by itself, as a number
// a step does.
func (c *converter) date(r *settings.Reader, o *flow.Output, key, usualKey, format, usual string) {
	name, ok := r.Text(key)
	if !ok {
		name = usualKey
	}
	how, ok := r.Plain(format)
	if !ok {
		how = usual
	}
	if strings.EqualFold(name, "false") || strings.EqualFold(name, "off") {
		fields(o, "", "")
		return
	}
	code := map[string]string{
		"double": "float(time.UnixMicro()) / 1000000", "epoch": "time.Unix()", "epoch_ms": "time.UnixMilli()",
		"java_sql_timestamp": `strftime(time, "%Y-%m-%d %H:%M:%S.") + strftime(time, "%N")[:6]`,
	}[strings.ToLower(how)]
	if code == "" {
		if !strings.HasPrefix(strings.ToLower(how), "iso8601") {
			r.Lose(format, "the time is written as RFC 3339, not as "+how, "set the field by expr: strftime(time, …)")
		}
		fields(o, name, "")
		return
	}
	fields(o, "", "")
	o.Steps = append(o.Steps, flow.Step{Kind: "expr", Body: flow.Map{{
		Key:   "set",
		Value: flow.Map{{Key: ruby.Path([]string{name}), Value: code}},
	}}})
}
