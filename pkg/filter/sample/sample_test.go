package sample

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
)

func pack(tb testing.TB, v any) []byte {
	tb.Helper()
	b, err := msgpack.Marshal(v)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func happening(tb testing.TB, cluster string, sec int64, pos int, record map[string]any) *filter.Event {
	tb.Helper()
	var e filter.Event
	e.Reset(&event.Event{
		Chunk: &event.Chunk{
			Cluster: cluster, Tag: "kube.web", Parts: []event.Part{{Key: [16]byte{1}, Events: 1 << 30}},
		},
		Pos: pos, Time: event.Time{Sec: sec, Nsec: uint32(pos)}, Record: pack(tb, record),
	}, pos)
	return &e
}

func keeps(tb testing.TB, s filter.Step, e *filter.Event) bool {
	tb.Helper()
	v, err := s.Apply(e)
	if err != nil || v == filter.Dead {
		tb.Fatalf("%v, %v", v, err)
	}
	return v == filter.Keep
}

func TestSample(t *testing.T) {
	const n = 20000
	for _, tc := range []struct {
		name string
		cfg  Config
		want float64
	}{
		{"a tenth of keys", Config{Rate: 0.1, Key: "{record.trace_id}"}, 0.1},
		{"one in four keys", Config{OneIn: 4, Key: "{record.trace_id}"}, 0.25},
		{"all", Config{Rate: 1, Key: "{record.trace_id}"}, 1},
		{"one in one", Config{OneIn: 1}, 1},
		{"by id", Config{Rate: 0.5}, 0.5},
		{"no such field", Config{Rate: 0.5, Key: "{record.none}"}, 0.5},
		{"hardly any", Config{Rate: 1e-9}, 0},
	} {
		s, err := New(tc.cfg)
		if err != nil {
			t.Fatal(err)
		}
		replica, _ := New(tc.cfg)
		kept := 0
		for i := range n {
			e := happening(t, "seoul", 1, i, map[string]any{"trace_id": fmt.Sprintf("trace-%d", i), "n": i})
			yes := keeps(t, s, e)
			if yes {
				kept++
			}
			if keeps(t, replica, e) != yes {
				t.Fatalf("%s: event %d: another replica disagrees", tc.name, i)
			}
			if again := happening(t, "tokyo", 99, i, map[string]any{
				"trace_id": fmt.Sprintf("trace-%d", i),
			}); tc.cfg.Key == "{record.trace_id}" && keeps(t, s, again) != yes {
				t.Fatalf("%s: trace %d is not whole", tc.name, i)
			}
		}
		if got := float64(kept) / n; math.Abs(got-tc.want) > 0.015 {
			t.Errorf("%s: %v of the events are kept, want %v", tc.name, got, tc.want)
		}
	}
}

// What one version keeps the next one keeps: replicas of both run side by side in an update.
func TestHashStays(t *testing.T) {
	for text, want := range map[string]uint64{
		"": 0xefd01f60ba992926, "a": 0x82a2a958a9bece5b, "4bf92f3577b34da6a3ce929d0e0e4736": 0xe668f55d97f2d8a8,
	} {
		if got := hash([]byte(text)); got != want {
			t.Errorf("hash(%q) = %#x, want %#x", text, got, want)
		}
	}
}

// Of an event that a step made, without an id, the record decides; and earlier steps' changes count.
func TestSampleMade(t *testing.T) {
	s, err := New(Config{Rate: 0.5, Key: "{record.id}"})
	if err != nil {
		t.Fatal(err)
	}
	kept := 0
	for i := range 1000 {
		e := &filter.Event{Event: event.Event{Chunk: &event.Chunk{}, Record: pack(t, map[string]any{"n": i})}}
		yes := keeps(t, s, e)
		if yes {
			kept++
		}
		e.Set(pack(t, "t1"), "id")
		if keeps(t, s, e) != keeps(t, s, happening(t, "c", 1, 1, map[string]any{"id": "t1"})) {
			t.Fatal("a field that was set does not count")
		}
	}
	if kept < 400 || kept > 600 {
		t.Errorf("%d of 1000 kept", kept)
	}
}

func TestCheck(t *testing.T) {
	for _, tc := range []struct {
		cfg  setting.Checker
		want string
	}{
		{&Config{Rate: 0.1}, ""},
		{&Config{OneIn: 10, Key: "{record.a}"}, ""},
		{&Config{}, "either rate or one_in"},
		{&Config{Rate: 0.1, OneIn: 10}, "either rate or one_in"},
		{&Config{Rate: 1.5}, "1.5 is not over 0 and up to 1"},
		{&Config{Rate: -1}, "-1 is not"},
		{&Config{Rate: math.NaN()}, "NaN is not"},
		{&Config{Rate: 0.1, Key: "{trace}"}, "unknown placeholder"},
		{&ThrottleConfig{Rate: 100, Interval: 10e9, MaxKeys: 1}, ""},
		{&ThrottleConfig{Rate: 0.2, Interval: 10e9, Burst: 5, Key: "{tag}", MaxKeys: 1}, ""},
		{&ThrottleConfig{Rate: 0, Interval: 10e9}, "0 is not over 0"},
		{&ThrottleConfig{Rate: 0.05, Interval: 10e9}, "less than one event in 10s"},
		{&ThrottleConfig{Rate: math.Inf(1), Interval: 10e9}, "+Inf is not"},
		{&ThrottleConfig{Rate: 100, Interval: 15e8}, "1.5s is not a number of whole seconds"},
		{&ThrottleConfig{Rate: 100, Interval: 3600e9}, "up to 5m0s"},
		{&ThrottleConfig{Rate: 100, Interval: 10e9, Burst: 50}, "fewer than the rate of 100"},
		{&ThrottleConfig{Rate: 100, Interval: 10e9, Key: "{"}, "unknown placeholder"},
	} {
		var r setting.Report
		tc.cfg.Check(&r)
		var all []string
		for _, p := range r.Problems {
			all = append(all, p.Reason)
		}
		if got := strings.Join(all, "\n"); (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
			t.Errorf("%+v: %q, want %q", tc.cfg, got, tc.want)
		}
	}
	for _, cfg := range []Config{{}, {Rate: 2}, {Rate: math.NaN()}, {Rate: 0.1, Key: "{"}} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%+v: New took it", cfg)
		}
	}
}

func BenchmarkSample(b *testing.B) {
	s, err := New(Config{Rate: 0.1, Key: "{record.trace_id}"})
	if err != nil {
		b.Fatal(err)
	}
	in := happening(b, "seoul", 1, 1, map[string]any{
		"log": strings.Repeat("x", 200), "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
	}).Event
	var e filter.Event
	var origin any = 1
	b.ReportAllocs()
	for b.Loop() {
		e.Reset(&in, origin)
		_, _ = s.Apply(&e)
	}
}
