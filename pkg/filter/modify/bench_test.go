package modify

import (
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/filter"
)

func benchRecord() values {
	return values{
		"log": strings.Repeat("x", 90), "stream": "stdout", "time": "2024-05-01T10:00:00.123456789Z",
		"path": "/api/v1/items", "status": "200",
		"level": "info", "msg": "served", "kubernetes": values{
			"pod_name": "web-7d4b9c6f5-x2x8p", "namespace_name": "shop", "container_name": "web",
			"labels": values{"app": "web", "hash": "7d4b9c6f5"}, "host": "node-1",
		},
	}
}

func BenchmarkModify(b *testing.B) {
	for _, bench := range []struct {
		name string
		c    Config
	}{
		{"three", Config{Set: values{"service": "web"}, Rename: texts{"msg": "message"}, Remove: []string{"stream"}}},
		{
			"placeholders", Config{
				Set: values{"from": "{cluster}/{tag[1]}", "p": "{record.path}", "x": "{record.level}-{record.status}"},
			},
		},
		{"convert", Config{Convert: texts{"status": "int"}}},
		{"glob", Config{Remove: []string{"tmp_*"}}},
		{
			"nothing",
			Config{Remove: []string{"none"}, Rename: texts{"nothing": "x"}, SetIfMissing: values{"level": "info"}},
		},
		{"keep", Config{Keep: []string{"msg", "level", "kubernetes.pod_name"}}},
		{"flatten", Config{Flatten: &Flatten{Field: "kubernetes", Separator: "."}}},
		{"move", Config{MoveUnder: map[string][]string{"http": {"path", "status"}}}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			s, err := New(bench.c)
			if err != nil {
				b.Fatal(err)
			}
			run(b, s)
		})
	}
	b.Run("dedot", func(b *testing.B) {
		s, _ := NewDedot(DedotConfig{"_", true})
		run(b, s)
	})
}

func run(b *testing.B, s filter.Step) {
	b.Helper()
	e := newEvent(b, benchRecord())
	ev := e.Event
	b.ReportAllocs()
	for b.Loop() {
		e.Reset(&ev, nil)
		_, _ = s.Apply(e)
		e.Rendered()
	}
}

func TestApplyAllocatesNothing(t *testing.T) {
	modify, err := New(Config{
		Set: values{"service": "{cluster}-{record.path}", "copy": "{record.level}"}, SetIfMissing: values{"level": "x"},
		Rename: texts{"msg": "message", "none": "x"},
		Remove: []string{"stream", "tmp_*", "kubernetes.host"}, Convert: texts{"status": "int", "n": "int"},
		MoveUnder: map[string][]string{"k": {"none", "x_*"}}, Flatten: &Flatten{Field: "none"},
	})
	if err != nil {
		t.Fatal(err)
	}
	dedot, _ := NewDedot(DedotConfig{"_", true})
	for name, s := range map[string]filter.Step{"modify": modify, "dedot": dedot} {
		e := newEvent(t, benchRecord())
		ev := e.Event
		if n := testing.AllocsPerRun(100, func() {
			e.Reset(&ev, nil)
			_, _ = s.Apply(e)
			e.Rendered()
		}); n > 0 {
			t.Errorf("%s: %v allocations for an event", name, n)
		}
	}
}
