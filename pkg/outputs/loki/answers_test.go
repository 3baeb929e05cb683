package loki

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

func TestHTTPAnswers(t *testing.T) {
	outputtest.HTTPAnswers(t, outputtest.HTTPDestination{
		New: func(t *testing.T, url string) outputs.Output {
			t.Helper()
			return newOutput(t, &made{}, func(c *Config) { c.URL = url })
		},
		Secret: secret, Good: "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n",
	})
}
