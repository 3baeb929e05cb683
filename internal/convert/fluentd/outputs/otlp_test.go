package outputs_test

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/converttest"
)

func TestOtlp(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "opentelemetry", Old: `
@type opentelemetry
<http>
  endpoint https://otel:4318
  compress gzip
</http>
`, New: `
otlp
  url: "https://otel:4318"
  compression: "gzip"
`},
		{Name: "opentelemetry by gRPC", Old: `
@type opentelemetry
<grpc>
  endpoint otel:4317
</grpc>
`, New: `
otlp
  url: "http://localhost:4318"
  compression: "none"
lost: <match **> opentelemetry <grpc>: OTLP goes over HTTP here, not over gRPC
`},
	}, read)
}

func TestOTLPWithTLS(t *testing.T) {
	converttest.Run(t, []converttest.Case{
		{Name: "headers, a proxy and a client's certificate", Old: `
@type opentelemetry
<http>
  endpoint https://otel:4318
  proxy http://proxy:3128
  headers {"Authorization":"Bearer x"}
  error_response_as_unrecoverable true
</http>
<transport tls>
  cert_path /c.crt
  private_key_path /c.key
  private_key_passphrase p
  ca_path /ca.crt
  insecure true
</transport>
<buffer>
  flush_interval 1m
</buffer>
`, New: `
otlp
  url: "https://otel:4318"
  compression: "none"
  headers: {Authorization: "${file:/etc/aggregator/secrets/opentelemetry-authorization}"}
  proxy: "http://proxy:3128"
  tls: {ca_file: "/ca.crt", cert_file: "/c.crt", key_file: "/c.key", insecure_skip_verify: true}
  batch: {max_wait: "1m"}
lost: <match **> opentelemetry <transport> private_key_passphrase: keys are read without a passphrase
file: /etc/aggregator/secrets/opentelemetry-authorization
file: /ca.crt
file: /c.crt
file: /c.key
`},
	}, read)
}
