package rules

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
)

// told notes what a trace and a sink are told, as lines.
type told struct{ lines []string }

func (s *told) see(x Seen) {
	words := []string{x.Route, fmt.Sprint(x.Event.Origins)}
	if x.Stage != nil {
		words = append(words, x.Stage.Kind)
	}
	for _, is := range []struct {
		so   bool
		word string
	}{
		{x.Verdict == filter.Drop, "drop"},
		{x.Verdict == filter.Dead, "dead"},
		{x.Held, "held"},
		{x.Skipped, "skipped"},
		{x.Late, "late"},
		{x.Err != nil, fmt.Sprint(x.Err)},
		{x.Stage != nil && x.Before == nil, "made"},
		{x.Before != nil && string(x.Before) != string(x.Event.Rendered()), "changed"},
	} {
		if is.so {
			words = append(words, is.word)
		}
	}
	s.lines = append(s.lines, strings.Join(words, " "))
}

func (s *told) Emit(e *filter.Event) { s.lines = append(s.lines, fmt.Sprint("emit ", e.Origins)) }

func (s *told) Dropped(origin any, reason string) {
	s.lines = append(s.lines, fmt.Sprint("dropped ", origin, " ", reason))
}

func (s *told) Dead(e *filter.Event, reason string) {
	s.lines = append(s.lines, fmt.Sprint("dead ", e.Origins, " ", reason))
}

// joinUpTo joins events whose field is n with the one before, and fails on others; with more than two
// it makes an event that says so.
type joinUpTo struct{ held *filter.Event }

func (j *joinUpTo) Join(e *filter.Event, _ time.Time, emit func(*filter.Event)) error {
	if _, ok := e.Get("n"); !ok {
		emit(e)
		return errors.New("no n")
	}
	if j.held == nil {
		j.held = e.Clone()
		return nil
	}
	joined := j.held
	j.held = nil
	joined.Absorb(e)
	joined.Set(filter.AppendBool(nil, true), "joined")
	emit(joined)
	made := joined.Clone()
	made.Origins = nil
	emit(made)
	return nil
}

func (j *joinUpTo) Due() time.Time { return time.Time{} }

func (j *joinUpTo) Flush(_ time.Time, _ bool, emit func(*filter.Event)) {
	if j.held != nil {
		emit(j.held)
		j.held = nil
	}
}

// act is a Step that does as it is told.
type act struct {
	do func(e *filter.Event) (filter.Verdict, error)
}

func (a act) Apply(e *filter.Event) (filter.Verdict, error) { return a.do(e) }

func condition(t *testing.T, text string) *filter.Condition {
	t.Helper()
	c, err := filter.NewCondition(text)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestTrace: everything that happens to an event is told in its order, and it happens as without.
func TestTrace(t *testing.T) {
	rules := func() *Rules {
		return New("out", []Route{
			{
				Name: "first", Match: func(string, string) bool { return true },
				When: condition(t, "record.first == true"), Outputs: []string{"other"},
			},
			{
				Name: "second", Match: func(string, string) bool { return true },
				When: condition(t, "record.second != false"), Outputs: []string{"out"}, Steps: []filter.Stage{
					{
						Kind: "drop", When: condition(t, "record.drop"),
						Step: act{func(*filter.Event) (filter.Verdict, error) { return filter.Drop, nil }},
					},
					{Kind: "join", Joiner: &joinUpTo{}},
					{
						Kind: "set", Step: act{
							func(e *filter.Event) (filter.Verdict, error) {
								e.Set(filter.AppendInt(nil, 7), "set")
								return filter.Keep, nil
							},
						},
					},
					{
						Kind: "kill", When: condition(t, "record.kill == true"),
						Step: act{
							func(*filter.Event) (filter.Verdict, error) { return filter.Dead, errors.New("why") },
						},
					},
				},
			},
		}, false)
	}
	records := []map[string]any{
		{"n": 1, "drop": false},
		{"drop": true},
		{"drop": false},
		{"n": 2, "drop": false},
		{"n": 3},
		{"first": true},
		{"second": false},
		{"n": 1, "drop": 5, "kill": true},
	}
	chunk := &event.Chunk{Cluster: "c", Tag: "t"}
	run := func(r *Rules, out *told) {
		for i, record := range records {
			b, err := filter.AppendValue(nil, record)
			if err != nil {
				t.Fatal(err)
			}
			e := &filter.Event{}
			e.Reset(&event.Event{Chunk: chunk, Record: b}, i)
			r.Process(e, time.Time{}, out)
		}
		r.Flush(time.Time{}, true, out)
	}
	var traced, untraced told
	r := rules()
	r.Trace(traced.see)
	run(r, &traced)
	run(rules(), &untraced)
	want := []string{
		"second [0]", "second [0] drop skipped", "second [0] join held",
		"second [1]", "second [1] drop drop", "dropped 1 filter",
		"second [2]", "second [2] drop skipped", "second [2] join", "second [2] set changed", "second [2] kill skipped",
		"emit [2]", "second [2] join late no n changed",
		"second [3]", "second [3] drop skipped",
		"second [0 3] join changed", "second [0 3] set changed", "second [0 3] kill skipped", "emit [0 3]",
		"second [] join made", "second [] set", "second [] kill skipped", "emit []",
		"second [3] join held",
	}
	if got := traced.lines[:min(len(want), len(traced.lines))]; !slices.Equal(got, want) {
		t.Errorf("told\n%q\nwant\n%q", got, want)
	}
	plain := slices.DeleteFunc(traced.lines, func(l string) bool { return len(l) > 6 && l[:6] == "second" })
	if !slices.Equal(plain, untraced.lines) {
		t.Errorf("with a trace\n%q\nwithout\n%q", plain, untraced.lines)
	}
}

// TestRefusals: the routes whose conditions are false or fail are told, up to the one that takes the event.
func TestRefusals(t *testing.T) {
	all := func(string, string) bool { return true }
	r := New("out", []Route{
		{Name: "a", Match: all, When: condition(t, "record.a == 1"), Outputs: []string{"out"}},
		{Name: "b", Match: all, When: condition(t, "record.a > 1"), Outputs: []string{"other"}},
		{Name: "c", Match: all, Outputs: []string{"out"}},
		{Name: "d", Match: all, When: condition(t, "false"), Outputs: []string{"out"}},
	}, false)
	b, err := filter.AppendValue(nil, map[string]any{"a": "text"})
	if err != nil {
		t.Fatal(err)
	}
	e := &filter.Event{}
	e.Reset(&event.Event{Chunk: &event.Chunk{}, Record: b}, 0)
	got := r.Refusals(e)
	if len(got) != 2 || got[0].Route != "a" || got[0].Err != nil || got[1].Route != "b" || got[1].Err == nil {
		t.Errorf("%+v", got)
	}
}
