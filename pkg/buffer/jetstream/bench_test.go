package jetstream

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// cluster starts three servers in this process that replicate over TCP, and returns their URLs.
func cluster(b *testing.B) (urls []string) {
	b.Helper()
	dir := b.TempDir()
	var routes []*url.URL
	ports := make([]int, 3)
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		ports[i] = l.Addr().(*net.TCPAddr).Port
		_ = l.Close()
		routes = append(routes, &url.URL{Scheme: "nats", Host: fmt.Sprintf("127.0.0.1:%d", ports[i])})
	}
	for i, port := range ports {
		s, err := server.NewServer(&server.Options{
			ServerName: fmt.Sprint("n", i), Host: "127.0.0.1", Port: -1, NoSigs: true, NoLog: true, JetStream: true,
			StoreDir: filepath.Join(dir, strconv.Itoa(i)), Routes: routes,
			Cluster: server.ClusterOpts{Name: "bench", Host: "127.0.0.1", Port: port},
		})
		if err != nil {
			b.Fatal(err)
		}
		s.Start()
		b.Cleanup(func() { stop(s) })
		if !s.ReadyForConnections(time.Minute) {
			b.Fatal("the server does not start")
		}
		urls = append(urls, s.ClientURL())
	}
	return urls
}

// BenchmarkReplicated stores chunks of some events each through three servers, from many connections, and delivers
// them.
func BenchmarkReplicated(b *testing.B) {
	for _, tc := range []struct {
		name           string
		events, agents int
	}{{"500 a chunk", 500, 8}, {"fleet", 10, 256}} {
		b.Run(tc.name, func(b *testing.B) {
			cfg := config()
			cfg.JetStream = &buffer.JetStreamConfig{URLs: cluster(b), Stream: "Q", Replicas: 3}
			var q *Queue
			for q == nil || q.Ready() != nil {
				if q != nil {
					_ = q.Close()
				}
				var err error
				if q, err = Open(context.Background(), cfg, Options{Host: "bench"}); err != nil {
					b.Fatal(err)
				}
			}
			defer func() { _ = q.Close() }()
			all := benchEntries(tc.events)
			var next atomic.Int64
			var wg sync.WaitGroup
			b.SetBytes(int64(len(all)))
			b.ResetTimer()
			for conn := range tc.agents {
				wg.Go(func() {
					batch := q.NewBatch(uint64(conn))
					for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
						batch.Begin(buffer.Message{
							Cluster: "c", Tag: fmt.Sprint("t", conn), Chunk: fmt.Sprint("id", i),
							Outputs: []string{"o"},
						})
						batch.Add(all, tc.events, true)
						if err := batch.Commit(context.Background()); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			src := q.Source("o")
			for range b.N {
				c, err := src.Next(context.Background())
				if err != nil {
					b.Fatal(err)
				}
				src.Done(c)
			}
			wg.Wait()
			b.ReportMetric(float64(b.N*tc.events)/b.Elapsed().Seconds(), "events/s")
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "chunks/s")
		})
	}
}

// benchEntries returns events such as Kubernetes' nodes send.
func benchEntries(n int) (all []byte) {
	for i := range n {
		text := fmt.Sprintf(`{"log":"2026-12-01T10:00:%02d.%06dZ stdout F GET /api/v1/items/%d HTTP/1.1 200 %d",`+
			`"kubernetes":{"pod_name":"web-%d","namespace_name":"shop","container_name":"web","host":"node-17"}}`,
			i%60, i*7919%1_000_000, i*31%9973, i*17%4096, i%40)
		record := append([]byte{0x81, 0xa3, 'l', 'o', 'g', 0xda, byte(len(text) >> 8), byte(len(text))}, text...)
		all = event.AppendEntry(all, event.AppendTime(nil, event.Time{Sec: 1_700_000_000, Nsec: uint32(i)}), nil,
			record)
	}
	return all
}
