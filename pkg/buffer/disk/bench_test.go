package disk

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// entriesLike returns n bytes that compress about as log records do.
func entriesLike(n int) []byte {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b,
			`{"log":"10.0.%d.%d - GET /api/v1/items/%d HTTP/1.1 200 %d","stream":"stdout","pod":"web-%d","node":"n%d"}`,
			i%7, i%251, i*7919, i*31%9000, i%13, i%3)
	}
	return []byte(b.String()[:n])
}

func benchConfig(b *testing.B) buffer.Config {
	b.Helper()
	cfg := testConfig(b.TempDir())
	cfg.SegmentSize, cfg.MaxSize = 64<<20, 0
	return cfg
}

func deliver(ctx context.Context, s *Queue) *sync.WaitGroup {
	var wg sync.WaitGroup
	wg.Go(func() {
		src := s.Source("o")
		for {
			c, err := src.Next(ctx)
			if err != nil {
				return
			}
			src.Done(c)
		}
	})
	return &wg
}

// One operation is one chunk of 128 KiB; 32 connections.
func BenchmarkAppendChunks(b *testing.B) {
	benchmarkAppend(b, 128<<10, 1, 32)
}

// One operation is one message of 300 bytes; 16 connections with 64 messages to a read.
func BenchmarkAppendMessages(b *testing.B) {
	benchmarkAppend(b, 300, 64, 16)
}

func benchmarkAppend(b *testing.B, size, perBatch, conns int) {
	b.Helper()
	for _, compression := range []string{"none", "s2", "zstd"} {
		b.Run(compression, func(b *testing.B) {
			cfg := benchConfig(b)
			cfg.Compression = compression
			s := mustOpen(b, cfg, buffer.Options{})
			ctx, cancel := context.WithCancel(context.Background())
			done := deliver(ctx, s)
			entries := entriesLike(size)
			outputs := []string{"o"}
			b.SetBytes(int64(size))
			b.ReportAllocs()
			b.ResetTimer()
			var wg sync.WaitGroup
			for conn := range uint64(conns) {
				wg.Go(func() {
					batch := s.NewBatch(conn)
					for i := int(conn) * perBatch; i < b.N; i += conns * perBatch {
						for j := range min(perBatch, b.N-i) {
							id := "" // of an agent that asks for acks
							if j == 0 {
								id = fmt.Sprintf("chunk-%d-%d", conn, i)
							}
							batch.Begin(buffer.Message{
								Cluster: "seoul", Tag: "kube.var.log", Chunk: id, Outputs: outputs,
							})
							batch.Add(entries, size/300, true)
						}
						if err := batch.Commit(ctx); err != nil {
							b.Error(err)
							return
						}
						s.Settle(conn, 1, true)
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			st := s.Stats()
			b.ReportMetric(float64(st.Batches)/float64(max(st.Commits, 1)), "batches/commit")
			cancel()
			done.Wait()
		})
	}
}

// One operation is one chunk of ten events of 300 bytes, as agents send; 256 connections, each with a tag of its own.
// CPU-µs is the whole process's time for it.
func BenchmarkFleet(b *testing.B) {
	const conns = 256
	s := mustOpen(b, benchConfig(b), buffer.Options{})
	ctx, cancel := context.WithCancel(context.Background())
	done := deliver(ctx, s)
	entries, outputs := entriesLike(3000), []string{"o"}
	b.ReportAllocs()
	b.ResetTimer()
	before := processorTime(b)
	var wg sync.WaitGroup
	for conn := range uint64(conns) {
		wg.Go(func() {
			batch, tag := s.NewBatch(conn), fmt.Sprint("kube.var.log.", conn)
			for i := int(conn); i < b.N; i += conns {
				batch.Begin(buffer.Message{
					Cluster: "seoul", Tag: tag, Chunk: fmt.Sprintf("%d-%d", conn, i), Outputs: outputs,
				})
				batch.Add(entries, 10, true)
				if err := batch.Commit(ctx); err != nil {
					b.Error(err)
					return
				}
				s.Settle(conn, 1, true)
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	st := s.Stats()
	b.ReportMetric(float64(st.Batches)/float64(max(st.Commits, 1)), "batches/commit")
	b.ReportMetric(float64((processorTime(b)-before).Microseconds())/float64(b.N), "CPU-µs/op")
	cancel()
	done.Wait()
}

// processorTime returns the process's user and system time.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// What a message costs in its connection's goroutine.
func BenchmarkBatchMessage(b *testing.B) {
	s := mustOpen(b, benchConfig(b), buffer.Options{})
	batch := s.NewBatch(1)
	entries, outputs := entriesLike(300), []string{"o"}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		batch.Begin(buffer.Message{Cluster: "seoul", Tag: "kube.var.log", Outputs: outputs})
		batch.Add(entries, 1, true)
		if i%200 == 199 {
			batch.Reset()
		}
	}
}

// One operation is one chunk of 128 KiB.
func BenchmarkNext(b *testing.B) {
	s := mustOpen(b, benchConfig(b), buffer.Options{})
	entries, batch, ctx := entriesLike(128<<10), s.NewBatch(1), context.Background()
	const chunks = 2000
	for range chunks {
		batch.Begin(buffer.Message{Cluster: "seoul", Tag: "kube.var.log", Outputs: []string{"o"}})
		batch.Add(entries, 400, true)
		if batch.Size() > 1<<20 {
			if err := batch.Commit(ctx); err != nil {
				b.Fatal(err)
			}
		}
	}
	if err := batch.Commit(ctx); err != nil {
		b.Fatal(err)
	}
	src := s.Source("o")
	b.SetBytes(128 << 10)
	b.ReportAllocs()
	for b.Loop() {
		c, err := src.Next(ctx)
		if err != nil {
			b.Fatal(err)
		}
		src.Return(c)
	}
}

// BenchmarkReturn gives back chunks of one event, the last first, and takes them again: what an output has in hand when
// it stops may be tens of thousands.
func BenchmarkReturn(b *testing.B) {
	const chunks = 20_000
	s := mustOpen(b, testConfig(b.TempDir()), buffer.Options{})
	batch := s.NewBatch(1)
	for i := range chunks {
		batch.Begin(buffer.Message{Cluster: "c", Tag: fmt.Sprint("t.", i), Outputs: []string{"o"}})
		batch.Add([]byte{0x92, 1, 0x80}, 1, false)
	}
	if err := batch.Commit(b.Context()); err != nil {
		b.Fatal(err)
	}
	src, held := s.Source("o"), make([]*event.Chunk, chunks)
	take := func() {
		for i := range held {
			var err error
			if held[i], err = src.Next(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	}
	take()
	for b.Loop() {
		for _, c := range slices.Backward(held) {
			src.Return(c)
		}
		take()
	}
}
