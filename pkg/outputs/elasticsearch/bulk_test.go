package elasticsearch

import (
	"bytes"
	"encoding/json"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/klauspost/compress/gzip"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/elasticsearch/elastictest"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/elasticsearch/internal/pressure"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

func newBulk(tb testing.TB, change func(*Config)) *bulk {
	tb.Helper()
	cfg := Config{
		Common: outputs.Common{Fields: event.Fields{Time: "@timestamp", Tag: "tag", Cluster: "cluster"}},
		Hosts:  []string{"http://127.0.0.1:9200"}, Index: "logs-{cluster}-%Y.%m.%d", ID: idAuto,
		Compression: compressionGzip,
	}
	if change != nil {
		change(&cfg)
	}
	o, err := New(cfg, Options{Now: time.Now})
	if err != nil {
		tb.Fatal(err)
	}
	return o.newBulk()
}

func TestBody(t *testing.T) {
	const doc = `{"n":7,"log":"xxx","@timestamp":"2025-11-21T10:15:00Z","tag":"t","cluster":"a"}` + "\n"
	id := func(s string) string { return `","_id":"` + s }
	const auto, chunk = "AAAAAAAAAAEAAAAAAAAAAA-0", "ZdH9R1oeHrId225liEemBQ-0"
	for _, tc := range []struct {
		name   string
		config func(*Config)
		typed  bool
		want   string
	}{
		{"usual", nil, false, `{"create":{"_index":"logs-a-2025.11.21` + id(auto) + `"}}`},
		{
			"index", func(c *Config) { c.OpType = "index" }, false,
			`{"index":{"_index":"logs-a-2025.11.21` + id(auto) + `"}}`,
		},
		{"no id", func(c *Config) { c.ID = idNone }, false, `{"create":{"_index":"logs-a-2025.11.21"}}`},
		{
			"a field's id", func(c *Config) { c.ID = `{record.n}-"\` }, false,
			`{"create":{"_index":"logs-a-2025.11.21` + id(`7-\"\\`) + `"}}`,
		},
		{
			"a field's id where there is none", func(c *Config) { c.ID = "{record.none}" }, false,
			`{"create":{"_index":"logs-a-2025.11.21` + id(auto) + `"}}`,
		},
		{
			"the agent's chunk", func(c *Config) { c.ID = idChunk }, false,
			`{"create":{"_index":"logs-a-2025.11.21` + id(chunk) + `"}}`,
		},
		{
			"the agent's chunk and a field", func(c *Config) { c.ID = "{cluster}-{chunk}-{record.n}" }, false,
			`{"create":{"_index":"logs-a-2025.11.21` + id("a-"+chunk+"-7") + `"}}`,
		},
		{"with a type", nil, true, `{"create":{"_index":"logs-a-2025.11.21","_type":"_doc","_id":"` + auto + `"}}`},
		{
			"with a type, no id", func(c *Config) { c.ID = idNone }, true,
			`{"create":{"_index":"logs-a-2025.11.21","_type":"_doc"}}`,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBulk(t, tc.config)
			b.reset(1, 100, !tc.typed) // as of another server before
			b.reset(1, 100, tc.typed)
			c := outputtest.Chunk(1, "a", "t", 1, 7, 3)
			c.Parts[0].Chunk = event.PartKeyOfChunk("a", "t", "the agent's")
			batch := outputtest.Batch(c)
			if next, refused := b.fill(batch, 0, pressure.MaxRequest, nil); next != 1 || len(refused) != 0 {
				t.Fatal(next, refused)
			}
			if got := string(b.slice(0, 1)); got != tc.want+"\n"+doc {
				t.Errorf("got\n%swant\n%s\n%s", got, tc.want, doc)
			}
			if b.lines[0].id != strings.Contains(tc.want, "_id") {
				t.Errorf("it is noted that there is an id: %t", b.lines[0].id)
			}
		})
	}
}

// An id that is too long is its event's fault alone.
func TestLongID(t *testing.T) {
	for _, n := range []int{maxID, maxID + 1} {
		b := newBulk(t, func(c *Config) { c.ID = strings.Repeat("x", n-1) + "{record.n}" })
		b.reset(1, 100, false)
		_, refused := b.fill(outputtest.Batch(outputtest.Chunk(1, "a", "t", 1, 7, 3)), 0, pressure.MaxRequest, nil)
		if long := n > maxID; (len(refused) == 1) != long || (len(b.lines) == 0) != long || len(b.text) == 0 != long {
			t.Errorf("%d bytes: %d events, refused %v", n, len(b.lines), refused)
		}
	}
}

func TestFill(t *testing.T) {
	b := newBulk(t, nil)
	c := outputtest.Chunk(1, "a", "t", 10, 0, 100)
	batch := outputtest.Batch(c, outputtest.Chunk(2, "b", "t", 10, 10, 100))
	batch.Events = append([]event.Event{outputtest.Broken(c)}, batch.Events...)
	batch.Events = append(batch.Events, outputtest.Broken(c))
	b.reset(len(batch.Events), batch.Bytes, false)
	var refused []outputs.Failure
	var text []byte
	for next, requests := 0, 0; next < len(batch.Events); requests++ {
		next, refused = b.fill(batch, next, 1000, refused)
		if n := len(b.text); n > 1000 || len(b.lines) == 0 || requests > 10 {
			t.Fatalf("a request of %d bytes and %d events", n, len(b.lines))
		}
		if end := b.cut(0, len(b.lines), 500); end < 1 || len(b.slice(0, end)) > 500 ||
			end < len(b.lines) && len(b.slice(0, end+1)) <= 500 {
			t.Errorf("cut at %d for 500 bytes", end)
		}
		if end := b.cut(0, len(b.lines), 1); end != 1 {
			t.Errorf("cut at %d for 1 byte", end)
		}
		text = append(text, b.slice(0, len(b.lines))...)
	}
	if len(refused) != 2 || refused[0].Index != 0 || refused[1].Index != 21 ||
		refused[0].Reason != outputs.ReasonRejected {
		t.Errorf("refused: %+v", refused)
	}
	if got := strings.Count(string(text), `"_index":"logs-a-2025.11.21"`); got != 10 {
		t.Errorf("%d events of cluster a", got)
	}
	for n := range 20 {
		if strings.Count(string(text), `{"n":`+strconv.Itoa(n)+`,`) != 1 {
			t.Errorf("event %d is not there once", n)
		}
	}
}

func TestPack(t *testing.T) {
	b := newBulk(t, nil)
	for _, text := range []string{"", "abc\n", strings.Repeat("abc\n", 100_000)} {
		packed, err := b.pack([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		r, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); err != nil || string(got) != text {
			t.Errorf("%d bytes became %d, %v", len(text), len(got), err)
		}
	}
}

func TestAppendString(t *testing.T) {
	for _, s := range []string{"", "a", "\"\\\n\x00\x1f", "é€😀", "\x7f", "\u2028"} {
		var back string
		if err := json.Unmarshal(appendString(nil, []byte(s)), &back); err != nil || back != s {
			t.Errorf("%q came back as %q, %v", s, back, err)
		}
	}
	if got := string(appendString(nil, []byte("a\xffb"))); got != "\"a\uFFFDb\"" {
		t.Errorf("not UTF-8: %q", got)
	}
}

func FuzzAppendString(f *testing.F) {
	f.Add("a\"b\\c\n\xff")
	f.Fuzz(func(t *testing.T, s string) {
		var back string
		if err := json.Unmarshal(appendString(nil, []byte(s)), &back); err != nil ||
			strings.ToValidUTF8(back, "") != back {
			t.Fatalf("%q: %v", s, err)
		}
		if utf8.ValidString(s) && back != s {
			t.Errorf("%q came back as %q", s, back)
		}
	})
}

func TestNoAllocations(t *testing.T) {
	b := newBulk(t, nil)
	batch := outputtest.Batch(outputtest.Chunk(1, "a", "t", 1000, 0, 300))
	if n := testing.AllocsPerRun(10, func() {
		b.reset(len(batch.Events), batch.Bytes, false)
		b.fill(batch, 0, pressure.MaxRequest, nil)
	}); n > 20 {
		t.Errorf("%v allocations to render 1000 events", n)
	}
}

// logs is a batch like what Kubernetes agents send: 500 events of about 300 bytes a chunk.
func logs(chunks int) *outputs.Batch {
	lines := []string{
		`10.42.3.17 - - [21/Nov/2025:10:15:02 +0000] "GET /api/v1/orders/%d?limit=50 HTTP/1.1" 200 5316 "-" ` +
			`"Go-http-client/2.0" 0.0%d`,
		`level=info ts=2025-11-21T10:15:02.331Z caller=compact.go:%d component=tsdb msg="write block" ` +
			`mint=1763712000022 duration=1.%ds`,
		`{"level":"warn","msg":"retrying request","attempt":%d,"error":"connection refused","elapsed_ms":%d}`,
	}
	var all []*event.Chunk
	for c := range chunks {
		chunk := &event.Chunk{
			Seq: uint64(c), Cluster: "seoul-prod", Tag: "kube.var.log.containers.orders", Events: 500,
			Parts: []event.Part{{Events: 500}},
		}
		for i := range 500 {
			n := c*500 + i
			line := strings.NewReplacer("%d", strconv.Itoa(n*7919%100_000)).Replace(lines[n%3])
			fields := []string{
				"log", line, "stream", "stdout", "pod_name", "orders-7d9f8b6c5-" + strconv.Itoa(n%40), "namespace_name",
				"shop",
				"container_name", "orders", "host", "ip-10-42-3-17.ec2.internal",
			}
			record := []byte{0x80 | byte(len(fields)/2)}
			for _, f := range fields {
				record = append(record, 0xd9, byte(len(f)))
				record = append(record, f...)
			}
			chunk.Entries = event.AppendEntry(chunk.Entries,
				event.AppendTime(nil, event.Time{Sec: outputtest.Start + int64(n/1000), Nsec: uint32(n) * 1000}), nil,
				record)
		}
		all = append(all, chunk)
	}
	return outputtest.Batch(all...)
}

// TestTextSize holds that the text of a batch like the one before finds room enough, and not much more.
func TestTextSize(t *testing.T) {
	o := newOutput(t, elastictest.New(elastictest.Options{}).Handler(), nil)
	batch := logs(20)
	if err := o.Send(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	b := o.newBulk()
	b.fill(batch, 0, pressure.MaxRequest, nil)
	if room, text := o.textSize(batch), len(b.text); room < text || room > text+text/10 {
		t.Errorf("room for %d bytes, and the text has %d", room, text)
	}
}

func perEvent(b *testing.B, events int) {
	b.Helper()
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*events), "ns/event")
}

func BenchmarkRender(b *testing.B) {
	body, batch := newBulk(b, nil), logs(20)
	b.ReportAllocs()
	for b.Loop() {
		body.reset(len(batch.Events), batch.Bytes, false)
		body.fill(batch, 0, pressure.MaxRequest, nil)
	}
	b.SetBytes(int64(len(body.text)))
	perEvent(b, len(batch.Events))
}

func BenchmarkGzip(b *testing.B) {
	body, batch := newBulk(b, nil), logs(20)
	body.fill(batch, 0, pressure.MaxRequest, nil)
	b.SetBytes(int64(len(body.text)))
	for b.Loop() {
		if _, err := body.pack(body.text); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(body.text))/float64(body.packed.Len()), "ratio")
	perEvent(b, len(batch.Events))
}

func BenchmarkSend(b *testing.B) {
	for _, compression := range []string{"none", compressionGzip} {
		b.Run(compression, func(b *testing.B) {
			o := newOutput(b, elastictest.New(elastictest.Options{CountOnly: true}).Handler(), func(
				c *Config,
			) {
				c.Compression = compression
			})
			batch := logs(20)
			b.ReportAllocs()
			for b.Loop() {
				if err := o.Send(b.Context(), batch); err != nil {
					b.Fatal(err)
				}
			}
			perEvent(b, len(batch.Events))
		})
	}
}
