package join_test

import (
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
	"github.com/seed-afc6a195/aggregator/pkg/filter/join"
)

// BenchmarkJoin takes a record per operation: whole lines as different agents send them, which hold
// nothing back, and the fragments of a line of 64 KiB.
func BenchmarkJoin(b *testing.B) {
	const pod = `"kubernetes":{"namespace_name":"shop","pod_name":"web-7d4b9c6f5-x2x8p","container_name":"web",` +
		`"labels":{"app":"web"}}`
	fragment := strings.Repeat("x", 16<<10)
	for _, bc := range []struct {
		name    string
		records []string
	}{
		{"unmarked", []string{`{"log":"GET /carts/4711 200",` + pod + `}`}},
		{"logtag", []string{`{"log":"GET /carts/4711 200","stream":"stdout","logtag":"F",` + pod + `}`}},
		{"json-file", []string{`{"log":"GET /carts/4711 200\n","stream":"stdout",` + pod + `}`}},
		{
			"fragments",
			[]string{
				docker("a", "1", 1, false, fragment), docker("a", "1", 2, false, fragment),
				docker("a", "1", 3, false, fragment), docker("a", "1", 4, true, fragment),
			},
		},
	} {
		b.Run(bc.name, func(b *testing.B) {
			j, err := join.New(defaults())
			if err != nil {
				b.Fatal(err)
			}
			var events []event.Event
			for _, text := range bc.records {
				events = append(events, event.Event{Chunk: &event.Chunk{Cluster: "a", Tag: "t"}, Record: pack(b, text)})
			}
			var ev filter.Event
			emit := func(*filter.Event) {}
			b.ReportAllocs()
			for i := range b.N {
				ev.Reset(&events[i%len(events)], nil)
				_ = j.Join(&ev, start(), emit)
			}
		})
	}
}
