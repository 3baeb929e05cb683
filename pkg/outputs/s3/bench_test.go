package s3

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

// BenchmarkSend is 50,000 events of about 300 bytes to a server that forgets them, which counts too.
func BenchmarkSend(b *testing.B) {
	b.Setenv("AWS_ACCESS_KEY_ID", "AKIATEST")
	b.Setenv("AWS_SECRET_ACCESS_KEY", secret)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
	}))
	defer server.Close()
	for _, compression := range []string{"none", "gzip", "zstd"} {
		b.Run(compression, func(b *testing.B) {
			cfg := (&store{url: server.URL}).config()
			cfg.Compression, cfg.PartSize = compression, 64<<20
			o, err := New(cfg, Options{Name: "lake"})
			if err != nil {
				b.Fatal(err)
			}
			const events = 50_000
			batch := outputtest.Batch(outputtest.Chunk(1, "a", "t", events, 0, 280))
			b.SetBytes(int64(batch.Bytes))
			b.ReportAllocs()
			for b.Loop() {
				if err := o.Send(b.Context(), batch); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)*events/b.Elapsed().Seconds(), "events/s")
		})
	}
}
