package outputs

import (
	"github.com/seed-afc6a195/aggregator/internal/convert/destination"
	"github.com/seed-afc6a195/aggregator/internal/convert/flow"
	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
)

// otlp reads opentelemetry.
func otlp(r *settings.Reader, o *flow.Output) {
	o.Type = "otlp"
	url := "http://localhost:4318"
	if section := r.Child("grpc"); section != nil {
		r.Notes.Lose(section.At, r.Title+" <grpc>", "OTLP goes over HTTP here, not over gRPC",
			"write the URL at which the collector takes HTTP, port 4318")
	}
	compression := "none"
	if section := r.Child("http"); section != nil {
		h := settings.NewReader(section, r.Notes, r.Title+" <http>")
		if text, ok := h.Text("endpoint"); ok {
			url = text
		}
		if text, _ := h.Plain("compress"); text == "gzip" {
			compression = "gzip"
		}
		if headers, v := destination.Object(h, "headers"); headers != nil {
			destination.Headers(h, o, headers, v.At)
		}
		if proxy, ok := h.Text("proxy"); ok {
			o.Settings = o.Settings.With("proxy", proxy)
		}
		h.Ignore("open_timeout", "read_timeout", "write_timeout", "keep_alive", "error_response_as_unrecoverable",
			"retryable_response_codes")
		h.Done()
	}
	headers := o.Settings
	o.Settings = append(flow.Map{{Key: "url", Value: url}, {Key: "compression", Value: compression}}, headers...)
	if section := r.Child("transport"); section != nil {
		t := settings.NewReader(section, r.Notes, r.Title+" <transport>")
		t.Ignore("version", "min_version", "max_version", "ciphers")
		destination.Passphrase(t, "private_key_passphrase")
		m := destination.Files(t, nil, destination.File{Old: "ca_path", New: "ca_file"},
			destination.File{Old: "cert_path", New: "cert_file"},
			destination.File{Old: "private_key_path", New: "key_file"})
		if t.Bool("insecure", false) {
			m = m.With("insecure_skip_verify", true)
		}
		destination.TLS(o, m)
		t.Done()
	}
}
