package outputs

import (
	"maps"
	"slices"
	"strings"

	"github.com/seed-afc6a195/aggregator/internal/convert/destination"
	"github.com/seed-afc6a195/aggregator/internal/convert/flow"
	"github.com/seed-afc6a195/aggregator/internal/convert/fluentd/template"
	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
)

// http reads http: fluentd's own plugin, whose URL is endpoint, and an older one's, whose is endpoint_url.
func http(r *settings.Reader, o *flow.Output) {
	o.Type = "http"
	if r.Has("endpoint_url") {
		httpOld(r, o)
		return
	}
	httpURL(r, o, "endpoint")
	body, message := destination.Lines, ""
	if field, single := alone(r); single {
		body, message = destination.Text, field
	}
	if r.Bool("json_array", false) {
		body = destination.Array
	}
	destination.Body(o, body, message)
	httpRequests(r, o)
	if section := r.Child("auth"); section != nil {
		a := settings.NewReader(section, r.Notes, r.Title+" <auth>")
		if method, _ := a.Plain("method"); method != "" && method != "basic" {
			a.Lose("method", "requests are not signed by "+method, "put something in front that signs them")
		}
		destination.Login(a, o, "username", "password")
		a.Ignore("aws_service", "aws_region", "aws_role_arn")
		a.Done()
	}
	httpTLS(r, o)
	httpStatuses(r, o)
	r.Ignore("open_timeout", "ssl_timeout", "reuse_connections", "tls_version", "tls_ciphers", "compress", "proxy")
	fieldsOff(o, "", "")
}

// httpURL reads a URL with placeholders, of which the host can have none.
func httpURL(r *settings.Reader, o *flow.Output, key string) {
	url, ok := named(r, key)
	if !ok {
		r.Notes.Lose(r.At, r.Title, "it has no "+key, "write url")
		url = "http://missing/"
	}
	scheme, rest, _ := strings.Cut(url, "://")
	if host, query, found := strings.Cut(rest, "?"); found && !strings.Contains(host, "/") {
		// There, a host may be followed by what is asked for.
		url = scheme + "://" + host + "/?" + query
	}
	o.Settings = flow.Map{{Key: "url", Value: url}}
}

// httpRequests reads the method, headers, the proxy and how long an answer may take.
func httpRequests(r *settings.Reader, o *flow.Output) {
	if method, ok := r.Plain("http_method"); ok && !strings.EqualFold(method, "post") {
		if strings.EqualFold(method, "put") || strings.EqualFold(method, "patch") {
			o.Settings = o.Settings.With("method", strings.ToUpper(method))
		} else {
			r.Lose("http_method", "requests are POST, PUT or PATCH, not "+method, "write method")
		}
	}
	if text, ok := r.Text("content_type"); ok {
		o.Settings = o.Settings.With("content_type", text)
	}
	for _, key := range [...]string{"headers", "custom_headers"} {
		if all, v := destination.Object(r, key); all != nil {
			destination.Headers(r, o, all, v.At)
		}
	}
	var more flow.Map
	placed, v := destination.Object(r, "headers_from_placeholders")
	for _, name := range slices.Sorted(maps.Keys(placed)) {
		text, lost := template.Chunk(placed[name])
		if len(lost) > 0 {
			r.Notes.Lose(v.At, r.Title+" headers_from_placeholders", "${"+lost[0]+"} is no placeholder here",
				"write event_headers by hand")
			continue
		}
		more = more.With(name, text)
	}
	destination.EventHeaders(o, more)
	if proxy, ok := r.Text("proxy"); ok {
		o.Settings = o.Settings.With("proxy", proxy)
	}
	if wait, ok := r.Duration("read_timeout"); ok {
		o.Settings = o.Settings.With("timeout", wait)
	}
	compression := "none"
	if text, _ := r.Plain("compress"); text == "gzip" || r.Bool("compress_request", false) {
		compression = "gzip"
	}
	o.Settings = o.Settings.With("compression", compression)
}

func httpTLS(r *settings.Reader, o *flow.Output) {
	firstOf(r, "tls_ca_cert_path")
	m := destination.Files(r, nil, destination.File{Old: "tls_ca_cert_path", New: "ca_file"},
		destination.File{Old: "cacert_file", New: "ca_file"},
		destination.File{Old: "tls_client_cert_path", New: "cert_file"},
		destination.File{Old: "client_cert_path", New: "cert_file"},
		destination.File{Old: "tls_private_key_path", New: "key_file"},
		destination.File{Old: "private_key_path", New: "key_file"})
	destination.Passphrase(r, "tls_private_key_passphrase")
	destination.Passphrase(r, "private_key_passphrase")
	if mode, _ := r.Plain("tls_verify_mode"); mode == "none" || r.Bool("ssl_no_verify", false) {
		m = m.With("insecure_skip_verify", true)
	}
	destination.TLS(o, m)
}

// httpStatuses reads which answers are tried again. What the program tries again by itself need not be said.
func httpStatuses(r *settings.Reader, o *flow.Output) {
	var again []any
	if text, ok := r.Plain("retryable_response_codes"); ok {
		for _, code := range template.List(strings.Trim(text, "[]")) {
			if code = strings.TrimSpace(code); code != "429" && !strings.HasPrefix(code, "5") {
				again = append(again, code)
			}
		}
	}
	if !r.Bool("error_response_as_unrecoverable", true) {
		again = []any{"4xx"}
	}
	if again != nil {
		o.Settings = o.Settings.With("statuses", flow.Map{{Key: "again", Value: again}})
	}
}

// httpOld reads the plugin that was there before fluentd had its own.
func httpOld(r *settings.Reader, o *flow.Output) {
	httpURL(r, o, "endpoint_url")
	body, message := destination.One, ""
	if r.Bool("bulk_request", false) {
		body = destination.Lines
	}
	switch serializer, _ := r.Plain("serializer"); serializer {
	case "", "form":
		r.Notes.Lose(r.At, r.Title+" serializer", "requests are JSON, not a form's fields", "change what reads them")
	case "json", "x-ndjson":
	case "text", "raw":
		body, message = destination.Text, "message"
	default:
		r.Lose("serializer", "requests are JSON or text, not "+serializer, "change what reads them")
	}
	if field, single := alone(r); single {
		body, message = destination.Text, field
	}
	destination.Body(o, body, message)
	httpRequests(r, o)
	switch login, _ := r.Plain("authentication"); login {
	case "basic":
		destination.Login(r, o, "username", "password")
	case "jwt", "bearer":
		if token, ok := r.Secret("token", o.Name+"-token"); ok {
			o.Settings = o.Settings.With("bearer_token", token)
		}
	}
	httpTLS(r, o)
	if limit, ok := r.Int("rate_limit_msec"); ok && limit > 0 {
		r.Say("rate_limit_msec", "nothing is dropped for a rate: rate_limit in bytes a second slows the output", "")
	}
	if codes, ok := r.Plain("recoverable_status_codes"); ok && codes != "503" {
		r.Say("recoverable_status_codes", "a request is made again for 408, 429 and 5xx by itself",
			"statuses: {again: […]} names more")
	}
	r.Ignore("username", "password", "token", "raise_on_error", "buffered", "ssl_no_verify", "datetime_format",
		"max_retries", "retry_interval")
	fieldsOff(o, "", "")
}
