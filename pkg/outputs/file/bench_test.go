package file

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

// BenchmarkFile writes batches of 28 000 events of 300 bytes; one operation is one event.
func BenchmarkFile(b *testing.B) {
	for _, compression := range []string{compressionNone, compressionGzip, compressionZstd} {
		b.Run(compression, func(b *testing.B) {
			cfg := Config{
				Path: filepath.Join(b.TempDir(), "{cluster}", "%Y-%m-%d.ndjson"), Compression: compression,
				Rotate: Rotate{MaxSize: 64 << 20, Keep: 1},
				Common: outputs.Common{Fields: event.Fields{Time: "@timestamp", Tag: "tag", Cluster: "cluster"}},
			}
			o, err := New(cfg, Options{
				Name: "archive", Log: zerolog.Nop(), Now: time.Now, StateFile: filepath.Join(b.TempDir(), "file.log"),
			})
			if err != nil {
				b.Fatal(err)
			}
			batch := outputtest.Batch(outputtest.Chunk(1, "seoul", "kube.app", 28_000, 0, 274))
			for i := range batch.Events { // chunks hold a second or two
				batch.Events[i].Time.Sec = outputtest.Start + int64(i/500)
			}
			b.SetBytes(int64(batch.Bytes / len(batch.Events)))
			b.ReportAllocs()
			b.ResetTimer()
			for n := b.N; n > 0; n -= len(batch.Events) {
				part := &outputs.Batch{Events: batch.Events[:min(n, len(batch.Events))]}
				if err := o.Send(b.Context(), part); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
