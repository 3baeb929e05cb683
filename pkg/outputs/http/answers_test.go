package http

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

func TestHTTPAnswers(t *testing.T) {
	outputtest.HTTPAnswers(t, outputtest.HTTPDestination{
		New: func(t *testing.T, url string) outputs.Output {
			t.Helper()
			return newOutput(t, url, func(c *Config) {
				c.Headers = map[string]setting.Secret{"X-Key": setting.NewSecret(secret)}
			})
		},
		Secret: secret, Good: "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
	})
}
