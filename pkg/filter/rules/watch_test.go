package rules

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
)

// some follows the events whose numbers it has.
type some struct {
	told

	looks   bool
	numbers []int
	asked   int
}

func (s *some) Watching() bool { s.asked++; return s.looks }

func (s *some) Taken(route string, e *filter.Event) {
	s.lines = append(s.lines, fmt.Sprint("taken ", e.Origins, " ", route))
}

func (s *some) Follows(e *filter.Event) bool {
	return len(e.Origins) > 0 && slices.Contains(s.numbers, e.Origins[0].(int))
}

func (s *some) Saw(x Seen) { s.see(x) }

// TestWatch: who looks is told of the events that it follows alone, also where another event brings one out of a step
// that held it, and it all happens as without.
func TestWatch(t *testing.T) {
	rules := func() *Rules {
		all := func(string, string) bool { return true }
		return New("out", []Route{{
			Name: "first", Match: all, When: condition(t, "record.n != 9"), Outputs: []string{"out"},
			Steps: []filter.Stage{
				{
					Kind: "drop", When: condition(t, "record.n == 5"),
					Step: act{func(*filter.Event) (filter.Verdict, error) { return filter.Drop, nil }},
				},
				{Kind: "join", Joiner: &joinUpTo{}},
				{
					Kind: "fail",
					Step: act{func(*filter.Event) (filter.Verdict, error) { return filter.Dead, errors.New("why") }},
				},
			},
		}}, false)
	}
	chunk := &event.Chunk{Cluster: "c", Tag: "t"}
	run := func(r *Rules, out *told) {
		for i, n := range []int{1, 2, 5, 9, 3} {
			b, err := filter.AppendValue(nil, map[string]any{"n": n})
			if err != nil {
				t.Fatal(err)
			}
			e := &filter.Event{}
			e.Reset(&event.Event{Chunk: chunk, Record: b}, i)
			r.Process(e, time.Time{}, out)
		}
		r.Flush(time.Time{}, true, out)
	}
	happens := []string{
		"dead [0 1] filter", "dead [] filter", "dropped 2 filter",
		"dead [3] unrouted", "dead [4] filter",
	}
	for _, tc := range []struct {
		name string
		w    some
		want []string
	}{
		{"nobody looks", some{numbers: []int{0, 2}}, happens},
		{
			"two are followed",
			some{looks: true, numbers: []int{0, 2}},
			[]string{
				"taken [0] first", " [0] drop skipped made", " [0] join held made",
				"taken [1] first", " [0 1] join made", " [0 1] fail dead why made", "dead [0 1] filter",
				"dead [] filter",
				"taken [2] first", " [2] drop drop made", "dropped 2 filter",
				"dead [3] unrouted",
				"taken [4] first", "dead [4] filter",
			},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := rules()
			r.Watch(&tc.w)
			run(r, &tc.w.told)
			if !slices.Equal(tc.w.lines, tc.want) {
				t.Errorf("told\n%q\nwant\n%q", tc.w.lines, tc.want)
			}
		})
	}
	var alone told
	if run(rules(), &alone); !slices.Equal(alone.lines, happens) {
		t.Errorf("without anybody\n%q\nwant\n%q", alone.lines, happens)
	}
}
