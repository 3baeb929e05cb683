package forward_test

import (
	"bytes"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/forward"
	ft "github.com/seed-afc6a195/aggregator/pkg/forward/forwardtest"
	"github.com/seed-afc6a195/aggregator/pkg/ingest"
)

// stream is a connection whose peer sends one message again and again, as fast as it is read.
type stream struct {
	feed
	message []byte
	at      int
	left    int
}

func (s *stream) Read(p []byte) (n int, err error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	p = p[:min(len(p), 64<<10)] // about what a socket gives
	for n < len(p) && s.left > 0 {
		m := copy(p[n:], s.message[s.at:])
		n += m
		if s.at += m; s.at == len(s.message) {
			s.at = 0
			s.left--
		}
	}
	return n, nil
}

func (s *stream) Write(p []byte) (int, error) { return len(p), nil }

// BenchmarkMessages is the way from bytes to a Sink that discards: 500 events of about 300 bytes, in every mode.
func BenchmarkMessages(b *testing.B) {
	entry := ft.Entry(when, ft.Map{
		"stream": "stdout", "log": strings.Repeat("GET /api/v1/orders 200 ", 6),
		"kubernetes": ft.Map{
			"pod_name": "web-5d8f-x2x", "namespace_name": "prod", "container_name": "nginx",
			"labels": ft.Map{"app": "web"},
		},
	})
	entries := bytes.Repeat(entry, 500)
	list := append([]byte{0xdc, 0x01, 0xf4}, entries...)
	record := entry[1+10:]
	for _, bc := range []struct {
		name    string
		message []byte
		events  int
	}{
		{"packed", message("kube.web", ft.Bin(entries), ft.Map{"chunk": "c"}), 500},
		{"forward", message("kube.web", list, ft.Map{"chunk": "c"}), 500},
		{"gzip", message("kube.web", ft.Bin(gz(entries)), ft.Map{"chunk": "c", "compressed": "gzip"}), 500},
		{"zstd", message("kube.web", ft.Bin(zs(entries)), ft.Map{"chunk": "c", "compressed": "zstd"}), 500},
		{"message", message("kube.web", when, record), 1},
		{"message_acked", message("kube.web", when, record, ft.Map{"chunk": "c"}), 1},
	} {
		b.Run(bc.name, func(b *testing.B) {
			r := newRig(func(o *forward.Options) { o.Budget = ingest.NewBudget(64 << 20) })
			r.sink.Discard = true
			b.ReportAllocs()
			b.SetBytes(int64(bc.events * len(entry)))
			b.ResetTimer()
			r.Handle(&stream{message: bc.message, left: b.N})
			b.StopTimer()
			got := uint64(0)
			for _, n := range r.Stats().Messages {
				got += n
			}
			if got != uint64(b.N) {
				b.Fatalf("%d messages, want %d: %s", got, b.N, r.log)
			}
			b.ReportMetric(float64(b.N*bc.events)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// BenchmarkOneInFlight is a message of ten events over loopback, and the wait for its ack, with a Sink that discards:
// what a connection costs a message, its client's side included, as processor time.
func BenchmarkOneInFlight(b *testing.B) {
	entry := ft.Entry(when, ft.Map{"stream": "stdout", "log": strings.Repeat("GET /api/v1/orders 200 ", 11)})
	m := message("kube.web", ft.Bin(bytes.Repeat(entry, 10)), ft.Map{"chunk": "c2FtcGxlLWNodW5rLWlk"})
	ack := ft.Ack("c2FtcGxlLWNodW5rLWlk")
	r := newRig(nil)
	r.sink.Discard = true
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	server, err := l.Accept()
	if err != nil {
		b.Fatal(err)
	}
	var ended sync.WaitGroup
	ended.Go(func() { r.Handle(server) })
	got := make([]byte, len(ack))
	cpu := func() int64 {
		var u syscall.Rusage
		_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // never fails
		return u.Utime.Nano() + u.Stime.Nano()
	}
	b.ReportAllocs()
	before := cpu()
	for b.Loop() {
		if _, err := client.Write(m); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(client, got); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(cpu()-before)/float64(b.N), "cpu-ns/op")
	if err := client.Close(); err != nil {
		b.Fatal(err)
	}
	ended.Wait()
}
