package otlp

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/otlp/otlptest"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

func TestHTTPAnswers(t *testing.T) {
	outputtest.HTTPAnswers(t, outputtest.HTTPDestination{
		New: func(t *testing.T, url string) outputs.Output {
			t.Helper()
			return newOutput(t, otlptest.New(otlptest.Options{}), func(c *Config) { c.URL = url })
		},
		Secret: secret,
		Good: "HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n" +
			"Connection: close\r\n\r\n",
	})
}
