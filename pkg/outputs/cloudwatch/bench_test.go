package cloudwatch

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/awsclient"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

// BenchmarkSend sends batches of 300-byte events to a service that takes them unread.
func BenchmarkSend(b *testing.B) {
	for _, bm := range []struct{ name, message string }{{"whole event", ""}, {"one field", "log"}} {
		b.Run(bm.name, func(b *testing.B) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				w.Header().Set("Content-Type", "application/x-amz-json-1.1")
				_, _ = io.WriteString(w, "{}")
			}))
			defer server.Close()
			b.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
			b.Setenv("AWS_SECRET_ACCESS_KEY", secret)
			cfg := basic()
			cfg.Message, cfg.Fields = bm.message, event.Fields{Time: "@timestamp", Tag: "tag", Cluster: "cluster"}
			cfg.Config = awsclient.Config{Region: "eu-central-1", Endpoint: server.URL}
			out, err := New(cfg, Options{Name: "cw", Log: zerolog.Nop()})
			if err != nil {
				b.Fatal(err)
			}
			defer out.Close()
			const events = 10_000
			chunk := outputtest.Batch(outputtest.Chunk(1, "a", "t", events, 0, 270))
			b.SetBytes(int64(chunk.Bytes))
			b.ReportAllocs()
			for b.Loop() {
				if err := out.Send(b.Context(), chunk); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/events, "ns/event")
		})
	}
}
