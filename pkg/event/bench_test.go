package event

import (
	"bytes"
	"testing"
)

// Records as Fluent Bit's kubernetes filter makes them.
func benchRecords(tb testing.TB) map[string][]byte {
	tb.Helper()
	type m = map[string]any
	small := m{
		"time": "2026-03-01T09:12:44.120338991Z", "stream": "stdout", "_p": "F",
		"log": `GET /api/v1/items?id=4711 HTTP/1.1" 200 1532 "-" "Mozilla/5.0 (X11; Linux x86_64)" 12ms`,
		"kubernetes": m{
			"pod_name": "web-7d4b9c6f5-x2vqp", "namespace_name": "shop",
			"container_name": "web", "host": "ip-10-20-3-44",
		},
	}
	large := m{
		"time": "2026-03-01T09:12:44.120338991Z", "stream": "stderr", "_p": "F", "level": "warn", "status": 503,
		"took": 0.3125,
		"log": "{\"msg\":\"결제 요청이 시간 초과되었습니다\",\"order\":\"A-20260301-000817\",\"재시도\":3}\n" +
			"注文の処理に失敗しました。しばらくしてからもう一度お試しください。\tcaused by: java.net.SocketTimeoutException: Read timed out\n" +
			"\tat com.example.pay.Client.call(Client.java:218)\n\tat com.example.pay.Gateway.charge(Gateway.java:91)",
		"kubernetes": m{
			"pod_name": "payment-gateway-6c9d8b7f4d-9zq8k", "namespace_name": "payments", "container_name": "gateway",
			"pod_id": "0b1f6f0e-6a0e-4c6e-9b57-3c1c1f2d9a11", "host": "ip-10-20-3-44.ap-northeast-2.compute.internal",
			"docker_id": "6f1c2f8b8b5c4d0fa2b4cf2a6f0b7f4f8d0a2b6c1f3e5d7a9b8c7d6e5f4a3b2c",
			"container_hash": "registry.example.com/payments/" +
				"gateway@sha256:4bcff63911fcb4448bd4fdacec207030997caf25e9bea4045fa6c8c44de311d1",
			"container_image": "registry.example.com/payments/gateway:2026.02.4",
			"labels": m{
				"app.kubernetes.io/name": "gateway", "app.kubernetes.io/part-of": "payments",
				"pod-template-hash":         "6c9d8b7f4d",
				"app.kubernetes.io/version": "2026.02.4", "team": "payments",
			},
			"annotations": m{"prometheus.io/scrape": "true", "prometheus.io/port": "9102"},
		},
	}
	return map[string][]byte{"300B": pack(tb, small), "1200B": pack(tb, large)}
}

// benchChunk has 500 events.
func benchChunk(tb testing.TB, record []byte) *Chunk {
	tb.Helper()
	c := &Chunk{
		Seq: 1, Cluster: "seoul-prod", Tag: "kube.var.log.containers.web", Parts: []Part{{Events: 500}}, Events: 500,
	}
	for i := range 500 {
		at := AppendTime(nil, Time{Sec: 1772356364 + int64(i/100), Nsec: uint32(120338991 + i)})
		c.Entries = AppendEntry(c.Entries, at, []byte{0x80}, record)
	}
	return c
}

func forRecords(b *testing.B, f func(b *testing.B, c *Chunk)) {
	b.Helper()
	for name, record := range benchRecords(b) {
		b.Run(name, func(b *testing.B) {
			c := benchChunk(b, record)
			b.SetBytes(int64(len(c.Entries)))
			b.ReportAllocs()
			f(b, c)
		})
	}
}

func BenchmarkValidate(b *testing.B) {
	forRecords(b, func(b *testing.B, c *Chunk) {
		b.Helper()
		var e Entry
		for b.Loop() {
			for rest := c.Entries; len(rest) > 0; {
				var err error
				if rest, err = ReadEntry(rest, &e); err != nil || e.Kind != KindEvent {
					b.Fatal(err, e.Reason)
				}
			}
		}
	})
}

func BenchmarkIterate(b *testing.B) {
	forRecords(b, func(b *testing.B, c *Chunk) {
		b.Helper()
		var ev Event
		for b.Loop() {
			it := c.Iterator()
			for it.Next(&ev) {
			}
			if it.Err() != nil || ev.Pos != 499 {
				b.Fatal(it.Err(), ev.Pos)
			}
		}
	})
}

func BenchmarkJSON(b *testing.B) {
	forRecords(b, func(b *testing.B, c *Chunk) {
		b.Helper()
		e := NewEncoder(plainFields)
		var (
			ev  Event
			buf []byte
			err error
		)
		for b.Loop() {
			it := c.Iterator()
			buf = buf[:0]
			for it.Next(&ev) {
				if buf, err = e.AppendEvent(buf, &ev); err != nil {
					b.Fatal(err)
				}
				buf = append(buf, '\n')
			}
		}
	})
}

func BenchmarkTemplate(b *testing.B) {
	tmpl, err := ParseTemplate("logs-{cluster}-{record.kubernetes.namespace_name|none}-%Y.%m.%d")
	if err != nil {
		b.Fatal(err)
	}
	forRecords(b, func(b *testing.B, c *Chunk) {
		b.Helper()
		it := c.Iterator()
		var ev Event
		it.Next(&ev)
		b.SetBytes(int64(len(ev.Record)))
		var buf []byte
		for b.Loop() {
			buf = tmpl.Append(buf[:0], &ev, nil)
		}
	})
}

func TestAllocations(t *testing.T) {
	clean := func(dst, value []byte) []byte { return append(dst, bytes.TrimSpace(value)...) }
	tmpl, err := ParseTemplate("{cluster}-{tag[1]}-{record.kubernetes.namespace_name}-{record.no|x}-%F %T")
	if err != nil {
		t.Fatal(err)
	}
	odd := pack(t, map[string]any{"f": 1.5, "big": uint64(1 << 63), "bytes": []byte{0xff}, "bad": "\xff", "nil": nil})
	many := append([]byte{0xde, 0, 200}, bytes.Repeat([]byte{0xa1, 'k', 1}, 200)...)
	for name, record := range map[string][]byte{
		"300B": benchRecords(t)["300B"], "1200B": benchRecords(t)["1200B"], "odd": odd, "many keys": many,
	} {
		c := benchChunk(t, record)
		e := NewEncoder(Fields{Time: "t", Tag: "tag", Cluster: "c", Metadata: "m", ID: "id"})
		buf := make([]byte, 0, 1<<20)
		path := []string{"kubernetes", "namespace_name"}
		var (
			ev    Event
			entry Entry
		)
		it := c.Iterator()
		it.Next(&ev)
		for what, f := range map[string]func(){
			"ReadEntry":   func() { _, err = ReadEntry(c.Entries, &entry) },
			"Iterator":    func() { it = c.Iterator(); it.Next(&ev); it.Next(&ev) },
			"AppendEvent": func() { buf, err = e.AppendEvent(buf[:0], &ev) },
			"AppendID":    func() { buf = ev.AppendID(buf[:0]) },
			"Lookup":      func() { Lookup(ev.Record, path...) },
			"Template":    func() { buf = tmpl.Append(buf[:0], &ev, clean) },
		} {
			if n := testing.AllocsPerRun(100, f); n != 0 || err != nil {
				t.Errorf("%s of %s: %v allocations, error %v", what, name, n, err)
			}
		}
	}
}
