package multiline_test

import (
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
	"github.com/seed-afc6a195/aggregator/pkg/filter/multiline"
)

// BenchmarkJoin takes a line per operation: ordinary ones, ordinary ones while another pod's trace is
// held back, and those of a trace.
func BenchmarkJoin(b *testing.B) {
	plain := `2025-11-21 10:15:00.123  INFO 1 --- [nio-8080-exec-3] c.example.shop.CartController : GET /carts/4711 ` +
		`took 12 ms, returned 200`
	for _, bc := range []struct {
		name, format string
		held         bool
		lines        []string
	}{
		{"plain java", "java", false, []string{plain}},
		{"plain all", "all", false, []string{plain}},
		{"plain held", "java", true, []string{plain}},
		{"trace", "java", false, strings.Split(golden(b, "java")[2], "\n")},
	} {
		b.Run(bc.name, func(b *testing.B) {
			c := defaults()
			c.Format = bc.format
			j, err := multiline.New(c)
			if err != nil {
				b.Fatal(err)
			}
			var events []event.Event
			for _, line := range append(bc.lines, "a.BException:") {
				record := filter.AppendMapHeader(nil, 2)
				record = filter.AppendString(filter.AppendString(record, "pod"), line[:1])
				record = filter.AppendString(filter.AppendString(record, "log"), line)
				events = append(events, event.Event{Chunk: &event.Chunk{Cluster: "a", Tag: "t"}, Record: record})
			}
			var ev filter.Event
			emit := func(*filter.Event) {}
			if bc.held {
				ev.Reset(&events[len(events)-1], nil)
				_ = j.Join(&ev, start(), emit)
			}
			b.ReportAllocs()
			for i := range b.N {
				ev.Reset(&events[i%len(bc.lines)], nil)
				_ = j.Join(&ev, start(), emit)
			}
		})
	}
}
