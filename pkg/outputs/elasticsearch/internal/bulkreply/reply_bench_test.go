package bulkreply

import (
	"strings"
	"testing"
)

func BenchmarkReply(b *testing.B) {
	const n = 10_000
	const item = `{"create":{"_index":"logs-a","status":201}}`
	text := `{"errors":false,"items":[` + item + strings.Repeat(","+item, n-1) + "]}"
	scan, r := new(Scanner), strings.NewReader("")
	b.ReportAllocs()
	for b.Loop() {
		r.Reset(text)
		p := Reply{Scan: scan, OKItem: OKItem("create")}
		if err := p.Parse(r, n); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/event")
}

func TestNoAllocationsPerItem(t *testing.T) {
	var text strings.Builder
	text.WriteString(`{"errors":true,"items":[{"create":{"status":201}}`)
	for range 999 {
		text.WriteString(`,{"create":{"_index":"a","_id":"b","_shards":{"total":1,"failed":[]},"status":201}}`)
	}
	text.WriteString("]}")
	scan, r := new(Scanner), strings.NewReader("")
	if n := testing.AllocsPerRun(10, func() {
		r.Reset(text.String())
		p := Reply{Scan: scan, OKItem: OKItem("create")}
		if err := p.Parse(r, 1000); err != nil || p.Items != 1000 {
			t.Fatal(err, p.Items)
		}
	}); n > 20 {
		t.Errorf("%v allocations to read the reply to 1000 events", n)
	}
}
