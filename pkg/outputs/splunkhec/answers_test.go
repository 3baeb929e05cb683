package splunkhec

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/splunkhec/splunktest"
)

func TestHTTPAnswers(t *testing.T) {
	outputtest.HTTPAnswers(t, outputtest.HTTPDestination{
		New: func(t *testing.T, url string) outputs.Output {
			t.Helper()
			return newOutput(t, splunktest.New(splunktest.Options{}), func(c *Config) { c.URL, c.Ack = url, ackNever })
		},
		Secret: secret,
		Good: "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n" +
			`{"text":"Success","code":0}`,
	})
}
