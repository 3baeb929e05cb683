package disk

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
)

// One operation is a commit of one event of a quiet cluster, 100 a second: alone, and while another
// cluster's connections commit as fast as they can. -benchtime 500x gives a p99 worth the name.
func BenchmarkFlood(b *testing.B) {
	for _, flood := range []struct{ conns, size, pieces int }{
		{0, 0, 0}, {32, 128 << 10, 1}, {16, 1 << 20, 8}, {4, 4 << 20, 16},
	} {
		b.Run(fmt.Sprintf("conns=%d/bytes=%d", flood.conns, flood.size*flood.pieces), func(b *testing.B) {
			cfg := benchConfig(b)
			cfg.Compression = "none" // the most bytes on disk
			s := mustOpen(b, cfg, buffer.Options{})
			ctx, cancel := context.WithCancel(context.Background())
			done := deliver(ctx, s)
			outputs := []string{"o"}
			var wg sync.WaitGroup
			entries := []byte(text(flood.size, 1))
			for conn := range uint64(flood.conns) {
				wg.Go(func() {
					for batch := s.NewBatch(conn + 2); ctx.Err() == nil; {
						for range flood.pieces {
							batch.Begin(buffer.Message{Cluster: "flood", Tag: "kube.var.log", Outputs: outputs})
							batch.Add(entries, 100, true)
						}
						_ = batch.Commit(ctx)
					}
				})
			}
			took := make([]time.Duration, 0, b.N)
			tick := time.NewTicker(10 * time.Millisecond)
			for batch := s.NewBatch(1); b.Loop(); {
				<-tick.C
				start := time.Now()
				batch.Begin(buffer.Message{Cluster: "quiet", Tag: "kube.var.log", Outputs: outputs})
				batch.Add(entriesLike(300), 1, true)
				if err := batch.Commit(ctx); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(start))
			}
			tick.Stop()
			cancel()
			wg.Wait()
			done.Wait()
			st, n := s.Stats(), len(took)
			var stored int64
			for _, w := range st.Waits {
				stored += w.Appended.Bytes
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[n/2].Microseconds())/1e3, "p50-ms")
			b.ReportMetric(float64(took[n*99/100].Microseconds())/1e3, "p99-ms")
			b.ReportMetric(float64(stored)/1e6/b.Elapsed().Seconds(), "stored-MB/s")
			b.ReportMetric(float64(stored)/1e6/float64(st.Commits), "MB/commit")
		})
	}
}
