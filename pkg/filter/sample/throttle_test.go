package sample

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
	"github.com/seed-afc6a195/aggregator/pkg/filter/rules"
)

// base is the start of an interval of ten seconds.
const base = 1_700_000_000

type fixture struct {
	*Throttle
	filter.Joiner
	clock   time.Time
	emitted []*filter.Event
}

func throttle(t *testing.T, cfg ThrottleConfig) *fixture {
	t.Helper()
	f := &fixture{clock: time.Unix(base, 0)}
	if cfg.Interval == 0 {
		cfg.Interval = 10 * time.Second
	}
	if cfg.MaxKeys == 0 {
		cfg.MaxKeys = 100
	}
	var err error
	if f.Throttle, err = NewThrottle(cfg, func() time.Time { return f.clock }); err != nil {
		t.Fatal(err)
	}
	f.Joiner = f.Summaries()
	return f
}

// give returns how many of n events go on.
func (f *fixture) give(t *testing.T, cluster, app string, sec int64, n int) (kept int) {
	t.Helper()
	for i := range n {
		e := happening(t, cluster, sec, i, map[string]any{"app": app})
		if keeps(t, f, e) {
			if err := f.Join(e, f.clock, f.emit); err != nil {
				t.Fatal(err)
			}
			kept++
		}
	}
	return kept
}

func (f *fixture) emit(e *filter.Event) { f.emitted = append(f.emitted, e.Clone()) }

// summaries returns what was emitted without origins since the last call.
func (f *fixture) summaries(t *testing.T) (all []string) {
	t.Helper()
	var enc event.Encoder
	for _, e := range f.emitted {
		if len(e.Origins) > 0 {
			continue
		}
		out, err := enc.AppendValue(nil, e.Record)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprintf("%s %s %d %s", e.Chunk.Cluster, e.Chunk.Tag, e.Time.Sec-base, out))
	}
	f.emitted = nil
	return all
}

func TestThrottle(t *testing.T) {
	f := throttle(t, ThrottleConfig{Rate: 10, Key: "{record.app}"})
	for _, tc := range []struct {
		what, cluster, app string
		sec                int64
		n, want            int
	}{
		{"at the rate", "seoul", "web", 0, 10, 10},
		{"over it", "seoul", "web", 0, 5, 0},
		{"another key", "seoul", "db", 0, 7, 7},
		{"another cluster", "tokyo", "web", 0, 12, 10},
		{"the next second", "seoul", "web", 1, 12, 10},
		{"late ones", "seoul", "db", 0, 7, 3},
		{"an hour later and back", "seoul", "db", 3600, 3, 3},
		{"still full", "seoul", "db", 0, 1, 0},
	} {
		if got := f.give(t, tc.cluster, tc.app, base+tc.sec, tc.n); got != tc.want {
			t.Errorf("%s: %d of %d go on, want %d", tc.what, got, tc.n, tc.want)
		}
	}
	if due := f.Due(); !due.Equal(f.clock.Add(10 * time.Second)) {
		t.Errorf("due %v", due)
	}
	if f.Flush(f.clock.Add(9*time.Second), false, f.emit); len(f.summaries(t)) > 0 {
		t.Error("a summary came early")
	}
	f.Flush(f.Due(), false, f.emit)
	got := strings.Join(f.summaries(t), "\n")
	want := strings.Join([]string{
		`seoul kube.web 1 {"message":"throttled: 7 events dropped, of the 10s from 2023-11-14T22:13:20Z on, ` +
			`key \"web\"",` +
			`"throttle":{"dropped":7,"first":"2023-11-14T22:13:20Z","from":"2023-11-14T22:13:20Z","interval":"10s",` +
			`"key":"web","last":"2023-11-14T22:13:21.000000011Z","passed":20,"rate":10.0}}`,
		`tokyo kube.web 0 {"message":"throttled: 2 events dropped, of the 10s from 2023-11-14T22:13:20Z on, ` +
			`key \"web\"",` +
			`"throttle":{"dropped":2,"first":"2023-11-14T22:13:20.00000001Z","from":"2023-11-14T22:13:20Z",` +
			`"interval":"10s","key":"web","last":"2023-11-14T22:13:20.000000011Z","passed":10,"rate":10.0}}`,
		`seoul kube.web 0 {"message":"throttled: 5 events dropped, of the 10s from 2023-11-14T22:13:20Z on, ` +
			`key \"db\"",` +
			`"throttle":{"dropped":5,"first":"2023-11-14T22:13:20.000000003Z","from":"2023-11-14T22:13:20Z",` +
			`"interval":"10s","key":"db","last":"2023-11-14T22:13:20Z","passed":10,"rate":10.0}}`,
	}, "\n")
	if got != want {
		t.Errorf("summaries:\n%s\nwant:\n%s", got, want)
	}
	if !f.Due().IsZero() {
		t.Errorf("still due: %v", f.Due())
	}

	// What is dropped later is told once more; at a stop at once.
	f.give(t, "seoul", "web", base, 4)
	f.Flush(f.clock, true, f.emit)
	if got := f.summaries(t); len(got) != 1 || !strings.Contains(got[0], "throttled: 4 events") {
		t.Errorf("later: %q", got)
	}
}

func TestThrottleBurst(t *testing.T) {
	f := throttle(t, ThrottleConfig{Rate: 10, Burst: 40})
	for _, tc := range []struct {
		sec     int64
		n, want int
	}{{0, 60, 40}, {1, 60, 40}, {2, 60, 20}, {9, 5, 0}, {10, 60, 40}} {
		if got := f.give(t, "seoul", "web", base+tc.sec, tc.n); got != tc.want {
			t.Errorf("second %d: %d go on, want %d", tc.sec, got, tc.want)
		}
	}
	if got := perInterval(ThrottleConfig{Rate: 0.29, Interval: 100 * time.Second}); got != 29 {
		t.Errorf("0.29 a second for 100 s are %v, want 29", got)
	}
	slow := throttle(t, ThrottleConfig{Rate: 0.2})
	if got := slow.give(t, "seoul", "web", base, 3) + slow.give(t, "seoul", "web", base+5, 3) +
		slow.give(t, "seoul", "web", base+9, 3); got != 2 {
		t.Errorf("0.2 a second for 10 s: %d go on, want 2", got)
	}
}

// An event without a usable time counts when it was received.
func TestThrottleNoTime(t *testing.T) {
	f := throttle(t, ThrottleConfig{Rate: 1})
	kept := 0
	for i := range 5 {
		e := happening(t, "seoul", 0, i, nil)
		e.Chunk.Received = time.Unix(base+int64(i), 0)
		if keeps(t, f, e) {
			kept++
		}
	}
	if kept != 5 {
		t.Errorf("%d of 5 go on, received a second apart", kept)
	}
	if keeps(t, f, &filter.Event{
		Event: event.Event{Chunk: &event.Chunk{}, Time: event.Time{Sec: -5}, Record: []byte{0x80}},
	}) != true {
		t.Error("an event without any time is dropped")
	}
}

// Keys are bounded; of one that is forgotten the summary comes with the next event.
func TestThrottleManyKeys(t *testing.T) {
	f := throttle(t, ThrottleConfig{Rate: 1, Key: "{record.app}", MaxKeys: 3})
	f.give(t, "seoul", "a", base, 5)
	for i := range 1000 {
		f.give(t, "seoul", fmt.Sprint("k", i), base, 1)
	}
	if len(f.known) != 3 || f.recent.Len() != 3 {
		t.Errorf("%d keys are remembered, want 3", len(f.known))
	}
	got := f.summaries(t)
	if len(got) != 1 || !strings.Contains(got[0], "throttled: 4 events") {
		t.Errorf("summaries: %q", got)
	}
	if f.Flush(f.clock, true, f.emit); len(f.summaries(t)) != 0 || !f.Due().IsZero() {
		t.Error("told twice")
	}
	for i := range 1000 { // each with something to tell
		f.give(t, "seoul", fmt.Sprint("d", i), base, 3)
	}
	if f.waiting.Len() > 3 || len(f.ready) > 1 {
		t.Errorf("%d and %d summaries wait", f.waiting.Len(), len(f.ready))
	}
	f.Flush(f.clock, true, f.emit)
	if got := f.summaries(t); len(got) != 1000 {
		t.Errorf("%d summaries, want 1000", len(got))
	}
	long := strings.Repeat("x", 1000)
	if f.give(t, "seoul", long+"1", base, 2) != 1 || f.give(t, "seoul", long+"2", base, 2) != 1 {
		t.Error("long keys are not told apart")
	}
	for id := range f.known {
		if len(id.key) > maxKey {
			t.Errorf("a key of %d bytes is remembered", len(id.key))
		}
	}
}

// Summaries have ids that differ, also between two throttles with the same settings.
func TestSummaryIDs(t *testing.T) {
	seen := map[string]bool{}
	for range 2 {
		f := throttle(t, ThrottleConfig{Rate: 1})
		for range 2 {
			f.give(t, "seoul", "", base, 3)
			f.Flush(f.clock, true, f.emit)
			for _, e := range f.emitted {
				if len(e.Origins) == 0 {
					seen[string(e.AppendID(nil))] = true
				}
			}
			f.emitted = nil
		}
	}
	if len(seen) != 4 || seen[""] {
		t.Errorf("ids: %v", seen)
	}
}

func BenchmarkThrottle(b *testing.B) {
	for _, rate := range []float64{1, 1e9} {
		b.Run(fmt.Sprintf("rate %v", rate), func(b *testing.B) {
			th, err := NewThrottle(
				ThrottleConfig{Rate: rate, Key: "{record.app}", Interval: 10 * time.Second, MaxKeys: 100}, time.Now,
			)
			if err != nil {
				b.Fatal(err)
			}
			in := happening(b, "seoul", base, 1, map[string]any{"log": strings.Repeat("x", 200), "app": "web"}).Event
			var e filter.Event
			var origin any = 1
			b.ReportAllocs()
			for b.Loop() {
				e.Reset(&in, origin)
				_, _ = th.Apply(&e)
			}
		})
	}
}

// sink counts what Rules make of events.
type sink struct{ emitted, made, dropped int }

func (s *sink) Emit(e *filter.Event) {
	if len(e.Origins) == 0 {
		s.made++
	}
	s.emitted += len(e.Origins)
}
func (s *sink) Dropped(any, string)        { s.dropped++ }
func (s *sink) Dead(*filter.Event, string) {}

// In its place among other steps every event is told once, and the summary besides.
func TestThrottleInRules(t *testing.T) {
	f := throttle(t, ThrottleConfig{Rate: 10})
	rules := rules.New("es", []rules.Route{{
		Match: func(string, string) bool { return true }, Outputs: []string{"es"},
		Steps: []filter.Stage{{Kind: "throttle", Step: f.Throttle}, {Kind: "throttle_summary", Joiner: f.Summaries()}},
	}}, false)
	var out sink
	for i := range 25 {
		rules.Process(happening(t, "seoul", base, i, nil), f.clock, &out)
	}
	if out != (sink{10, 0, 15}) {
		t.Errorf("before the summary: %+v", out)
	}
	if !rules.Due().Equal(f.clock.Add(10 * time.Second)) {
		t.Errorf("due %v", rules.Due())
	}
	if rules.Flush(rules.Due(), false, &out); out != (sink{10, 1, 15}) {
		t.Errorf("after it: %+v", out)
	}
}
