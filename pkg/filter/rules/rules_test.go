package rules

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
	"github.com/seed-afc6a195/aggregator/pkg/filter/filtertest"
)

// sink writes down what it is told.
type sink struct {
	tb  testing.TB
	got []string
}

func (s *sink) Emit(e *filter.Event) {
	s.got = append(s.got, fmt.Sprintf("emit %v %s", e.Origins, filtertest.JSON(s.tb, e.Rendered())))
}

func (s *sink) Dropped(origin any, reason string) {
	s.got = append(s.got, fmt.Sprintf("drop %v %s", origin, reason))
}

func (s *sink) Dead(e *filter.Event, reason string) {
	s.got = append(s.got, strings.TrimSpace(fmt.Sprintf("dead %v %s %s", e.Origins, reason, e.Detail)))
}

// stepFunc is a Step of a function.
type stepFunc func(*filter.Event) (filter.Verdict, error)

func (f stepFunc) Apply(e *filter.Event) (filter.Verdict, error) { return f(e) }

func setStep(name string) filter.Step {
	return stepFunc(func(e *filter.Event) (filter.Verdict, error) {
		e.Set(filter.AppendString(nil, "x"), name)
		return filter.Keep, nil
	})
}

func verdictStep(v filter.Verdict, err error) filter.Step {
	return stepFunc(func(e *filter.Event) (filter.Verdict, error) {
		e.Detail = "because"
		return v, err
	})
}

// pair is a Joiner that joins two events, and gives up waiting after a second.
type pair struct {
	held *filter.Event
	due  time.Time
}

func (p *pair) Join(e *filter.Event, now time.Time, emit func(*filter.Event)) error {
	if p.held == nil {
		p.held, p.due = e.Clone(), now.Add(time.Second)
		return nil
	}
	p.held.Absorb(e)
	p.held.Set(filter.AppendInt(nil, int64(len(p.held.Origins))), "joined")
	held := p.held
	p.held = nil
	emit(held)
	return nil
}

func (p *pair) Due() time.Time {
	if p.held == nil {
		return time.Time{}
	}
	return p.due
}

func (p *pair) Flush(now time.Time, everything bool, emit func(*filter.Event)) {
	if p.held != nil && (everything || !now.Before(p.due)) {
		held := p.held
		p.held = nil
		emit(held)
	}
}

func when(tb testing.TB, text string) *filter.Condition {
	tb.Helper()
	c, err := filter.NewCondition(text)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func always(string, string) bool { return true }

func tagged(want string) func(string, string) bool {
	return func(_, tag string) bool { return tag == want }
}

func TestRules(t *testing.T) {
	stages := func(steps ...any) (all []filter.Stage) {
		for i, s := range steps {
			st := filter.Stage{Filter: "f", Index: i, Kind: "test"}
			switch s := s.(type) {
			case filter.Joiner:
				st.Joiner = s
			case filter.Step:
				st.Step = s
			}
			all = append(all, st)
		}
		return all
	}
	conditional := stages(setStep("s"))
	conditional[0].When = when(t, `record.n == 1`)
	failing := stages(setStep("s"))
	failing[0].When = when(t, `record.n > "x"`)
	debug := when(t, `record.level == "debug"`)
	for _, tc := range []struct {
		name   string
		routes []Route
		drop   bool // unrouted
		record string
		plain  bool
		want   string
	}{
		{"no routes", nil, false, `{}`, true, `emit [1] {}`},
		{"a plain route", []Route{{Match: always, Outputs: []string{"es"}}}, false, `{}`, true, `emit [1] {}`},
		{
			"other tags' filters",
			[]Route{
				{Match: tagged("other"), Outputs: []string{"es"}, Steps: stages(setStep("s"))},
				{Match: always, Outputs: []string{"es"}},
			},
			false, `{}`, true, `emit [1] {}`,
		},
		{
			"other outputs' filters", []Route{
				{Match: always, Outputs: []string{"s3"}, Continue: true}, {Match: always, Outputs: []string{"es"}},
			}, false, `{}`, true, `emit [1] {}`,
		},
		{
			"steps",
			[]Route{{Match: always, Outputs: []string{"es"}, Steps: stages(setStep("s"), setStep("t"))}},
			false, `{}`, false, `emit [1] {"s":"x","t":"x"}`,
		},
		{
			"a step drops", []Route{
				{Match: always, Outputs: []string{"es"}, Steps: stages(verdictStep(filter.Drop, nil), setStep("t"))},
			}, false, `{}`, false, `drop 1 filter`,
		},
		{
			"a step finds it dead", []Route{
				{Match: always, Outputs: []string{"es"}, Steps: stages(verdictStep(filter.Dead, nil), setStep("t"))},
			}, false, `{}`, false, `dead [1] filter because`,
		},
		{
			"a step fails",
			[]Route{
				{
					Match: always, Outputs: []string{"es"},
					Steps: stages(verdictStep(filter.Keep, errors.New("no")), setStep("t")),
				},
			},
			false, `{}`, false, `emit [1] {"t":"x"}`,
		},
		{
			"a step's condition",
			[]Route{{Match: always, Outputs: []string{"es"}, Steps: conditional}},
			false,
			`{"n":1}`, false, `emit [1] {"n":1,"s":"x"}`,
		},
		{
			"a step's condition is false",
			[]Route{{Match: always, Outputs: []string{"es"}, Steps: conditional}},
			false,
			`{"n":2}`, false, `emit [1] {"n":2}`,
		},
		{
			"a step's condition fails",
			[]Route{{Match: always, Outputs: []string{"es"}, Steps: failing}},
			false,
			`{"n":2}`, false, `emit [1] {"n":2}`,
		},
		{
			"a route's condition",
			[]Route{{Match: always, When: debug, Outputs: []string{"es"}}},
			false,
			`{"level":"debug"}`, false, `emit [1] {"level":"debug"}`,
		},
		{
			"unrouted",
			[]Route{{Match: always, When: debug, Outputs: []string{"es"}}},
			false, `{}`, false,
			`dead [1] unrouted`,
		},
		{
			"unrouted, dropped",
			[]Route{{Match: always, When: debug, Outputs: []string{"es"}}},
			true, `{}`, false,
			`drop 1 unrouted`,
		},
		{
			"unrouted, another's",
			[]Route{{Match: always, When: debug, Outputs: []string{"s3", "es"}}},
			false, `{}`,
			false, `drop 1 when`,
		},
		{
			"unrouted, the first of two",
			[]Route{
				{Match: tagged("x"), Outputs: []string{"s3"}}, {
					Match: always, When: debug, Outputs: []string{"es", "s3"},
				}, {Match: always, When: debug, Outputs: []string{"s3"}},
			},
			false, `{}`, false, `dead [1] unrouted`,
		},
		{
			"another route takes it", []Route{
				{Match: always, When: debug, Outputs: []string{"s3"}}, {Match: always, Outputs: []string{"es"}},
			}, false, `{"level":"debug"}`, false, `drop 1 when`,
		},
		{
			"another route does not", []Route{
				{Match: always, When: debug, Outputs: []string{"s3"}}, {Match: always, Outputs: []string{"es"}},
			}, false, `{}`, false, `emit [1] {}`,
		},
		{
			"another route continues",
			[]Route{
				{Match: always, When: debug, Outputs: []string{"s3"}, Continue: true},
				{Match: always, Outputs: []string{"es"}},
			},
			false, `{"level":"debug"}`, false, `emit [1] {"level":"debug"}`,
		},
		{
			"another route continues, no more take it",
			[]Route{
				{Match: always, Outputs: []string{"s3"}, Continue: true},
				{Match: always, When: debug, Outputs: []string{"es"}},
			},
			false, `{}`, false, `drop 1 when`,
		},
		{
			"twice to the output: the first",
			[]Route{
				{Match: always, Outputs: []string{"es"}, Continue: true, Steps: stages(setStep("s"))},
				{Match: always, Outputs: []string{"es"}, Steps: stages(setStep("t"))},
			},
			false, `{}`, false, `emit [1] {"s":"x"}`,
		},
		{
			"stored before the routes changed",
			[]Route{{Match: always, When: debug, Outputs: []string{"s3"}}},
			false,
			`{}`, true, `emit [1] {}`,
		},
		{
			"held back",
			[]Route{{Match: always, Outputs: []string{"es"}, Steps: stages(&pair{}, setStep("s"))}},
			false,
			`{}`, false, ``,
		},
	} {
		r := New("es", tc.routes, tc.drop)
		if got := r.Plain("seoul", "kube.web"); got != tc.plain {
			t.Errorf("%s: plain is %v", tc.name, got)
		}
		out := &sink{tb: t}
		e := filtertest.NewEvent(t, tc.record)
		e.Origins = []any{1}
		r.Process(e, time.Unix(0, 0), out)
		if got := strings.Join(out.got, ", "); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
}

func TestRulesJoin(t *testing.T) {
	r := New("es", []Route{
		{
			Name: "first", Match: tagged("a"), Outputs: []string{"es"},
			Steps: []filter.Stage{
				{Filter: "f", Kind: "pair", Joiner: &pair{}},
				{Filter: "f", Index: 1, Kind: "pair", Joiner: &pair{}},
				{Filter: "f", Index: 2, Kind: "set", Step: setStep("s")},
			},
		},
		{
			Name: "second", Match: tagged("b"), Outputs: []string{"es"},
			Steps: []filter.Stage{{Filter: "g", Kind: "pair", Joiner: &pair{}}},
		},
	}, false)
	out := &sink{tb: t}
	process := func(origin int, tag string, at int64) {
		e := filtertest.NewEvent(t, `{}`)
		e.Chunk = &event.Chunk{Tag: tag}
		e.Origins = []any{origin}
		r.Process(e, time.Unix(at, 0), out)
	}
	expect := func(due int64, want ...string) {
		t.Helper()
		if !slices.Equal(out.got, want) {
			t.Errorf("%q, want %q", out.got, want)
		}
		if got := r.Due(); due == 0 && !got.IsZero() || due > 0 && got.Unix() != due {
			t.Errorf("due at %v, want %d", got, due)
		}
		out.got = nil
	}
	expect(0)
	process(1, "a", 10)
	process(2, "b", 20)
	expect(11)
	process(3, "a", 11) // joined, and held back by the second stage
	expect(12)
	r.Flush(time.Unix(12, 0), false, out)
	expect(21, `emit [1 3] {"joined":2,"s":"x"}`)
	process(4, "a", 20)
	r.Flush(time.Unix(20, 0), true, out)
	expect(0, `emit [4] {"s":"x"}`, `emit [2] {}`)

	want := []Stats{
		{Route: "first", Filter: "f", Index: 0, Kind: "pair", In: 3, Out: 2},
		{Route: "first", Filter: "f", Index: 1, Kind: "pair", In: 2, Out: 2},
		{Route: "first", Filter: "f", Index: 2, Kind: "set", In: 2, Out: 2},
		{Route: "second", Filter: "g", Index: 0, Kind: "pair", In: 1, Out: 1},
	}
	if got := r.Stats(); !slices.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// refuser is a Joiner that gives up what it is given.
type refuser struct{}

func (refuser) Join(e *filter.Event, _ time.Time, emit func(*filter.Event)) error {
	e.Detail = "no"
	emit(e)
	return errors.New("no")
}
func (refuser) Due() time.Time                                   { return time.Time{} }
func (refuser) Flush(_ time.Time, _ bool, _ func(*filter.Event)) {}

func TestRulesOfReturnedEvents(t *testing.T) {
	r := New("es", []Route{
		{
			Name: "first", Match: tagged("a"), When: when(t, "false"), Outputs: []string{"es"},
			Steps: []filter.Stage{{Kind: "set", Step: setStep("s")}},
		},
		{Name: "second", Match: always, When: when(t, "false"), Outputs: []string{"other"}},
		{
			Name: "third", Match: tagged("b"), Outputs: []string{"es"},
			Steps: []filter.Stage{{Kind: "refuser", Joiner: refuser{}}},
		},
	}, false)
	s := &sink{tb: t}
	for _, c := range []*event.Chunk{
		{Tag: "a", Returned: true}, {Tag: "a"}, {Tag: "c", Returned: true}, {Tag: "b", Returned: true},
	} {
		var e filter.Event
		e.Reset(&event.Event{Chunk: c, Record: []byte{0x80}}, len(s.got))
		r.Process(&e, time.Time{}, s)
	}
	want := []string{`emit [0] {"s":"x"}`, "dead [1] unrouted", "emit [2] {}", "dead [3] filter no"}
	if !slices.Equal(s.got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(s.got, "\n"), strings.Join(want, "\n"))
	}
	for _, st := range r.Stats() {
		if st.Kind == "refuser" && (st.Dropped != 1 || st.Out != 0 || st.Errors != 1) {
			t.Errorf("%+v", st)
		}
	}
}

func TestRulesStats(t *testing.T) {
	n := 0
	r := New("es",
		[]Route{
			{Name: "other", Match: tagged("x"), Outputs: []string{"s3"}, When: when(t, `true`)},
			{Name: "r", Match: always, When: when(t, `record.n < 290`), Outputs: []string{"es"}, Steps: []filter.Stage{
				{
					Kind: "a", When: when(t, `record.n < 200`),
					Step: stepFunc(func(*filter.Event) (filter.Verdict, error) {
						n++
						switch {
						case n%10 == 0:
							return filter.Drop, nil
						case n%10 == 1:
							return filter.Dead, nil
						case n%10 < 4:
							return filter.Keep, errors.New("no")
						}
						return filter.Keep, nil
					}),
				},
				{Kind: "b", Step: setStep("x")},
			}},
		}, false)
	out := &sink{tb: t}
	for i := range 300 {
		r.Process(filtertest.NewEvent(t, fmt.Sprintf(`{"n":%d}`, i)), time.Time{}, out)
	}
	r.Process(filtertest.NewEvent(t, `{"n":"x"}`), time.Time{}, out)
	got := r.Stats()
	if len(got) != 3 || got[1].Seconds <= 0 || got[2].Seconds <= 0 {
		t.Fatalf("no time was taken: %+v", got)
	}
	got[1].Seconds, got[2].Seconds = 0, 0
	want := []Stats{
		{Route: "r", Kind: "when", In: 301, Out: 290, Dropped: 11, Errors: 1},
		{Route: "r", Kind: "a", In: 200, Out: 160, Dropped: 40, Errors: 40},
		{Route: "r", Kind: "b", In: 250, Out: 250},
	}
	if !slices.Equal(got, want) || len(out.got) != 301 {
		t.Errorf("%+v, want %+v; %d came out", got, want, len(out.got))
	}
}

// What is remembered of clusters' tags is bounded.
func TestRulesForgetPlans(t *testing.T) {
	r := New("es", []Route{{Match: always, Outputs: []string{"es"}}}, false)
	for i := range 3 * maxPlans {
		r.Plain("c", strconv.Itoa(i))
	}
	if len(r.plans) > maxPlans {
		t.Errorf("%d plans", len(r.plans))
	}
}

type nowhere struct{ n int }

func (s *nowhere) Emit(*filter.Event)         { s.n++ }
func (s *nowhere) Dropped(any, string)        { s.n++ }
func (s *nowhere) Dead(*filter.Event, string) { s.n++ }

func BenchmarkProcess(b *testing.B) {
	r := New("es",
		[]Route{
			{Match: always, When: when(b, `record.level != "debug"`), Outputs: []string{"es"}, Steps: []filter.Stage{
				{Step: verdictStep(filter.Keep, nil)},
				{Step: verdictStep(filter.Keep, nil)},
				{Step: verdictStep(filter.Keep, nil)},
			}},
		}, false)
	e := filtertest.NewEvent(b,
		`{"log":"GET /api/v1/items?page=3 200 12ms","stream":"stdout","status":200,"level":"info",`+
			`"kubernetes":{"pod_name":"web-7d4b9c6f5-x2x8p","namespace_name":"shop","labels":{"app":"web"}}}`)
	ev := e.Event
	out := &nowhere{}
	b.ReportAllocs()
	for b.Loop() {
		e.Reset(&ev, nil)
		r.Process(e, time.Time{}, out)
	}
}

func TestOnError(t *testing.T) {
	when := func(text string) *filter.Condition {
		c, err := filter.NewCondition(text)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	failing := stepFunc(func(*filter.Event) (filter.Verdict, error) { return filter.Keep, errors.New("no") })
	r := New("o", []Route{{
		Name: "routes[0]", Match: func(string, string) bool { return true }, Outputs: []string{"o"},
		When: when("record.n * 9223372036854775807 > 0"), Continue: true,
	}, {
		Name: "routes[1]", Match: func(string, string) bool { return true }, Outputs: []string{"o"},
		Steps: []filter.Stage{
			{Filter: "f", Kind: "grep", Step: failing},
			{Filter: "f", Index: 1, Kind: "parse", When: when("record.n > record.text"), Step: failing},
		},
	}}, false)
	var told []string
	r.OnError(func(s *filter.Stage, err error) {
		told = append(told, fmt.Sprintf("%s[%d] %s: %v", s.Filter, s.Index, s.Kind, err))
	})
	e := filtertest.NewEvent(t, `{"n":3,"text":"secret"}`)
	r.Process(e, time.Now(), &nowhere{})
	for i, want := range []string{"routes[0][0] when: ", "f[0] grep: no", "f[1] parse: "} {
		if i >= len(told) || !strings.HasPrefix(told[i], want) || strings.Contains(told[i], "secret") {
			t.Errorf("told %q, want %q", told, want)
		}
	}
}
