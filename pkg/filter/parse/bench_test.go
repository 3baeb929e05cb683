package parse

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
)

// kubernetes returns an event as Fluent Bit sends it, with log as its text.
func kubernetes(b *testing.B, log string) event.Event {
	b.Helper()
	e := newEvent(b, fieldsOf{"log": log})
	pod, err := filter.AppendValue(nil, fieldsOf{
		"pod_name": "web-7d4b9c6f5d-x2x7q", "namespace_name": "shop", "container_name": "web", "host": "node-1",
		"labels": fieldsOf{"app": "web", "pod-template-hash": "7d4b9c6f5d"},
	})
	if err != nil {
		b.Fatal(err)
	}
	e.Set(pod, "kubernetes")
	e.Rendered()
	return e.Event
}

// benchmark runs a step over one event again and again.
func benchmark(b *testing.B, stored event.Event, change func(*Config)) {
	b.Helper()
	step, joiner, err := New(with(change))
	if err != nil {
		b.Fatal(err)
	}
	e := &filter.Event{}
	var origin any = 1
	emit := func(*filter.Event) {}
	now := received()
	b.ReportAllocs()
	for b.Loop() {
		e.Reset(&stored, origin)
		if joiner != nil {
			err = joiner.Join(e, now, emit)
		} else {
			_, err = step.Apply(e)
		}
	}
	if err != nil {
		b.Fatal(err)
	}
}

const (
	benchMessage = `10.1.2.3 - - [06/Oct/2016:00:17:09 +0000] "GET /cart/items?page=2 HTTP/1.1" 200 612`
	benchCRI     = "2016-10-06T00:17:09.669794202Z stdout F " + benchMessage
)

func BenchmarkCRI(b *testing.B) {
	benchmark(b, kubernetes(b, benchCRI), func(c *Config) { c.Format = "cri" })
}

func BenchmarkCRIAlone(b *testing.B) {
	benchmark(b, newEvent(b, fieldsOf{"log": benchCRI}).Event, func(c *Config) { c.Format = "cri" })
}

// With another stream's part held back, each line's stream has to be told.
func BenchmarkCRIHolding(b *testing.B) {
	_, joiner, err := New(with(func(c *Config) { c.Format = "cri" }))
	if err != nil {
		b.Fatal(err)
	}
	emit := func(*filter.Event) {}
	joiner.Join(newEvent(b, fieldsOf{"log": "2016-10-06T00:17:09.669794202Z stdout P part"}), received(), emit)
	stored := kubernetes(b, benchCRI)
	e := &filter.Event{}
	var origin any = 1
	b.ReportAllocs()
	for b.Loop() {
		e.Reset(&stored, origin)
		if err := joiner.Join(e, received(), emit); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkJSON(b *testing.B) {
	benchmark(b,
		kubernetes(b,
			`{"level":"info","ts":1700000000.123,"msg":"request `+
				`done","method":"GET","path":"/cart","status":200,"took_ms":12,"user":{"id":42,"roles":["a","b"]}}`),
		func(c *Config) { c.Format = "json" })
}

func BenchmarkRegex(b *testing.B) {
	benchmark(b, kubernetes(b, benchMessage), func(c *Config) {
		c.Format = "regex"
		c.Regex = `^(?<host>\S+) \S+ (?<user>\S+) \[(?<time>[^\]]+)\] "(?<method>\S+) (?<path>\S+) [^"]*" ` +
			`(?<code>\S+) (?<size>\S+)$`
		c.Types = []string{"code:integer,size:integer"}
		c.Time.Format = []string{"%d/%b/%Y:%H:%M:%S %z"}
	})
}
