package filter

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/event"
)

func BenchmarkGet(b *testing.B) {
	e := newEvent(b, kubernetesRecord)
	ev := e.Event
	for _, bench := range []struct {
		name string
		run  func()
	}{
		{"one", func() { e.Get("path") }},
		{"nested", func() { e.Get("kubernetes", "labels", "app") }},
		{"three", func() { e.Get("path"); e.Get("level"); e.Get("status") }},
		{"lookup", func() { event.Lookup(e.Record, "path") }},
		{"none", func() {}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				e.Reset(&ev, nil)
				bench.run()
			}
		})
	}
}

func BenchmarkEdit(b *testing.B) {
	e := newEvent(b, kubernetesRecord)
	ev := e.Event
	value := AppendString(nil, "web")
	from, to := []string{"msg"}, []string{"message"}
	b.ReportAllocs()
	for b.Loop() {
		e.Reset(&ev, nil)
		e.Rename(from, to)
		e.Remove("stream")
		e.Set(value, "service")
		e.Rendered()
	}
}
