package tap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/delivery"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
	"github.com/seed-afc6a195/aggregator/pkg/filter/rules"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
	"github.com/seed-afc6a195/aggregator/pkg/status/tail"
)

// act is a step that does as it is told by an event's number.
type act func(e *filter.Event, n int) (filter.Verdict, error)

func (a act) Apply(e *filter.Event) (filter.Verdict, error) { return a(e, outputtest.Number(&e.Event)) }

// rulesOf returns two routes to es: the first has three steps and takes all but event 3.
func rulesOf(t *testing.T) *rules.Rules {
	t.Helper()
	when, err := filter.NewCondition("record.n != 3")
	if err != nil {
		t.Fatal(err)
	}
	step := func(i int, a act) filter.Stage { return filter.Stage{Filter: "f", Index: i, Kind: "act", Step: a} }
	all := func(string, string) bool { return true }
	return rules.New("es", []rules.Route{
		{Name: "routes[0]", Match: all, When: when, Outputs: []string{"es"}, Steps: []filter.Stage{
			step(0, func(e *filter.Event, _ int) (filter.Verdict, error) {
				e.Set(filter.AppendString(nil, "s3cret"), "password")
				return filter.Keep, nil
			}),
			step(1, func(e *filter.Event, n int) (filter.Verdict, error) {
				switch n {
				case 1:
					return filter.Drop, nil
				case 2:
					e.Detail = "the record says so"
					return filter.Dead, nil
				case 6:
					return filter.Keep, errors.New("six is odd here")
				}
				return filter.Keep, nil
			}),
			step(2, func(e *filter.Event, _ int) (filter.Verdict, error) {
				e.Remove("password")
				e.Tag = "web"
				return filter.Keep, nil
			}),
		}},
		{Name: "routes[1]", Match: all, Outputs: []string{"es"}},
	}, false)
}

// letters takes all dead letters.
type letters struct{}

func (letters) Add(context.Context, []delivery.DeadLetter) error { return nil }

// refusing refuses event 4 for good, and event 5 once.
func refusing() func(context.Context, []int) error {
	var again atomic.Bool
	return func(_ context.Context, sent []int) error {
		var failed []outputs.Failure
		for i, n := range sent {
			switch {
			case n == 4:
				failed = append(failed, outputs.Failure{
					Index: i, Reason: outputs.ReasonRejected, Status: 400, Kind: "mapper", Detail: "no date: [x]",
				})
			case n == 5 && !again.Swap(true):
				failed = append(failed, outputs.Failure{Index: i, Reason: outputs.ReasonThrottled, Status: 429})
			}
		}
		if failed == nil {
			return nil
		}
		return &outputs.SendError{Failed: failed, Err: errors.New("some")}
	}
}

// run has es deliver 7 events, and returns what the views were shown.
func run(t *testing.T, h *tail.Hub, rules *rules.Rules) {
	t.Helper()
	loop := delivery.New(delivery.Options{
		Name: "es", Source: outputtest.NewBacklog(outputtest.Chunk(1, "a", "kube.x", 7, 0, 5)),
		Output: &outputtest.Output{OnSend: refusing()}, DeadLetters: letters{}, Log: zerolog.Nop(), Rules: rules,
		Tap: NewOutput(h, "es", named{}, func(_, tag string) string { return "certainly " + tag }),
	})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = loop.Run(ctx)
	}()
	time.Sleep(time.Minute)
	stop()
	<-done
}

// said returns what a view was shown, each event in a line.
func said(v *tail.View) (all []string) {
	for _, e := range shown(v) {
		var steps []string
		for i := range e.Steps {
			for _, l := range e.Steps[i].Lines() {
				steps = append(steps, strings.TrimSpace(l.Text))
			}
		}
		words := []string{
			string(e.Record), e.Tag, e.Route, e.Result, e.Step, e.Answer, strconv.Itoa(e.Status), e.Kind, e.Detail,
			e.Target, strings.Join(steps, "; "),
		}
		all = append(all, strings.Join(slices.DeleteFunc(words, func(w string) bool {
			return w == "" || w == "0"
		}), " | "))
	}
	slices.Sort(all)
	return all
}

// An event on its way is shown with the route that took it, what each step did, and what becomes of it; what is not
// for everybody only to who may see it.
func TestOnTheWay(t *testing.T) {
	const both = `f[0] act; + password: "s3cret"; f[1] act: unchanged; ` +
		`f[2] act; ~ (tag): "kube.x" → "web"; - password: "s3cret"`
	const hidden = `f[0] act; ~ password; f[1] act: unchanged; f[2] act; ~ (tag); ~ password`
	pad := func(n int) string { return fmt.Sprintf(`{"n":%d,"log":"xxxxx"}`, n) }
	for _, tc := range []struct {
		name  string
		query tail.Query
		want  []string
	}{
		{
			"all of it",
			tail.Query{At: "es", Records: true, Values: true},
			[]string{
				pad(0) + " | web | routes[0] | delivered | delivered | logs-a | " + both,
				`{"n":1,"log":"xxxxx","password":"s3cret"} | kube.x | routes[0] | dropped | f[1] act | filter ` +
					`| f[0] act; ` +
					`+ password: "s3cret"; f[1] act: dropped`,
				`{"n":2,"log":"xxxxx","password":"s3cret"} | kube.x | routes[0] | dead_letter | f[1] act | filter | ` +
					`the record says so | f[0] act; + password: "s3cret"; f[1] act: dead letter`,
				pad(3) + " | kube.x | routes[1] | delivered | delivered | logs-a",
				pad(4) + " | web | routes[0] | dead_letter | rejected | 400 | mapper | no date: [x] | logs-a | " + both,
				pad(5) + " | web | routes[0] | delivered | delivered | logs-a | " + both,
				pad(5) + " | web | routes[0] | retry | throttled | 429 | logs-a | " + both,
				pad(6) + " | web | routes[0] | delivered | delivered | logs-a | " +
					strings.Replace(both, "act: unchanged", "act: failed: six is odd here, unchanged", 1),
			},
		},
		{
			"for everybody on the machine",
			tail.Query{At: "es", Records: true, Grep: nil},
			[]string{
				"kube.x | routes[0] | dead_letter | f[1] act | filter | f[0] act; ~ password; f[1] act: dead letter",
				"kube.x | routes[0] | dropped | f[1] act | filter | f[0] act; ~ password; f[1] act: dropped",
				pad(0) + " | web | routes[0] | delivered | delivered | logs-a | " + hidden,
				pad(3) + " | kube.x | routes[1] | delivered | delivered | logs-a",
				pad(4) + " | web | routes[0] | dead_letter | rejected | 400 | mapper | logs-a | " + hidden,
				pad(5) + " | web | routes[0] | delivered | delivered | logs-a | " + hidden,
				pad(5) + " | web | routes[0] | retry | throttled | 429 | logs-a | " + hidden,
				pad(6) + " | web | routes[0] | delivered | delivered | logs-a | " +
					strings.Replace(hidden, "act: unchanged", "act: failed: six is odd here, unchanged", 1),
			},
		},
		{
			"a route",
			tail.Query{At: "routes[1]", Route: "routes[1]", Records: true},
			[]string{pad(3) + " | kube.x | routes[1] | delivered | delivered | logs-a"},
		},
		{"another cluster", tail.Query{At: "es", Cluster: "b"}, nil},
		{"another output", tail.Query{At: "firehose"}, nil},
		{
			"a tag as it is delivered",
			tail.Query{At: "es", Records: true, Tag: func(tag string) bool { return tag == "kube.x" }, Sample: 2},
			[]string{
				"kube.x | routes[0] | dropped | f[1] act | filter | f[0] act; ~ password; f[1] act: dropped",
				pad(3) + " | kube.x | routes[1] | delivered | delivered | logs-a",
			},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := new(tail.Hub)
				v := open(t, h, tc.query)
				run(t, h, rulesOf(t))
				got := said(v)
				if strings.Join(got, "\n") != strings.Join(slices.Sorted(slices.Values(tc.want)), "\n") {
					t.Errorf("shown\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tc.want, "\n"))
				}
				if n := v.Missed(); n != 0 {
					t.Errorf("%d missed", n)
				}
			})
		})
	}
}

// A bound on the way is one on events, not on what is said of them, and what is too much is counted.
func TestBoundOnTheWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(tail.Hub)
		v := open(t, h, tail.Query{At: "es", Rate: 2})
		run(t, h, rulesOf(t))
		if n, missed := len(said(v)), v.Missed(); n != 2 || missed != 5 {
			t.Errorf("%d shown, %d missed", n, missed)
		}
	})
}

// What is not looked at by any rule is shown with the route that certainly took it.
func TestWithoutRules(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(tail.Hub)
		at := open(t, h, tail.Query{At: "routes[0]", Route: "certainly kube.x"})
		other := open(t, h, tail.Query{At: "routes[1]", Route: "routes[1]"})
		run(t, h, nil)
		got := said(at)
		if len(got) != 8 || got[0] != "kube.x | certainly kube.x | dead_letter | rejected | 400 | mapper | logs-a" {
			t.Errorf("shown %q", got)
		}
		if n := len(said(other)); n != 0 {
			t.Errorf("%d are shown of another route", n)
		}
	})
}

// Who begins to look while events are sent again and again is shown them, without steps.
func TestSentBeforeAnybodyLooked(t *testing.T) {
	h := new(tail.Hub)
	o := NewOutput(h, "es", nil, func(string, string) string { return "" })
	events := outputtest.Batch(outputtest.Chunk(1, "a", "t", 1, 0, 5)).Events
	first := open(t, h, tail.Query{At: "es"})
	o.Look(events[0].Chunk)
	var e filter.Event
	e.Reset(&events[0], 0)
	followed := o.Taken("routes[0]", &e)
	second := open(t, h, tail.Query{At: "es"})
	o.Answered(events, delivery.Answer{Result: delivery.SentAgain})
	o.Answered(events, delivery.Answer{Result: delivery.Delivered})
	o.Answered(events, delivery.Answer{Result: delivery.Delivered}) // nothing comes after it
	for name, want := range map[string][2]string{"first": {"retry", "delivered"}, "second": {"retry", "delivered"}} {
		v := map[string]*tail.View{"first": first, "second": second}[name]
		var got []string
		for _, e := range shown(v) {
			got = append(got, e.Result)
			if (e.Route != "") != (name == "first") {
				t.Errorf("%s: route %q", name, e.Route)
			}
		}
		if name == "second" { // it does not follow the event, so that it can't know
			got = got[:2]
		}
		if !slices.Equal(got, want[:]) {
			t.Errorf("%s is shown %q, want %q", name, got, want)
		}
	}
	if followed == nil || o.Taken("routes[0]", &filter.Event{Event: event.Event{Chunk: &event.Chunk{}}}) == nil {
		t.Error("nobody follows")
	}
	first.Close()
	second.Close()
	if o.Taken("routes[0]", &e) != nil {
		t.Error("somebody follows who does not look any more")
	}
}
