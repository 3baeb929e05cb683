package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
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
)

// looker is a delivery.Tap that notes what it is told.
type looker struct {
	away bool // nobody looks

	mu    sync.Mutex
	lines []string
}

func (l *looker) say(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, fmt.Sprintf(format, args...))
}

func (l *looker) Watching() bool { return !l.away }

func (l *looker) Look(c *event.Chunk) { l.say("look at chunk %d", c.Seq) }

func (l *looker) Taken(route string, e *filter.Event) delivery.Track {
	if logOf(&e.Event) == "unseen" {
		return nil
	}
	return follower{l, logOf(&e.Event)}
}

func (l *looker) Answered(events []event.Event, a delivery.Answer) {
	for i := range events {
		what := logOf(&events[i])
		if _, numbered := event.Lookup(events[i].Record, "n"); numbered {
			what = strconv.Itoa(outputtest.Number(&events[i]))
		}
		l.say("%s: %s", what, wordsFor(a))
	}
}

func wordsFor(a delivery.Answer) string {
	word := []string{"delivered", "again", "waits", "dropped", "dead", "joined"}[a.Result]
	if a.Failure.Reason != "" {
		word += " " + string(a.Failure.Reason)
	}
	return word
}

type follower struct {
	*looker

	log string
}

func (f follower) Saw(s rules.Seen) {
	what := s.Stage.Kind
	if s.Held {
		what += " holds it"
	}
	f.say("%s: %s", f.log, what)
}

func (f follower) Joins(n int) { f.say("%s: stands for %d", f.log, n) }

func (f follower) Ended(ev *event.Event, a delivery.Answer) {
	f.say("%s: ended as %s, %s", f.log, logOf(ev), wordsFor(a))
}

// taking is an output that takes everything.
type taking struct{}

func (taking) Send(context.Context, *outputs.Batch) error { return nil }

func (taking) Close() error { return nil }

// TestTapOfRules: an event is followed through the steps to where it ends there, or goes on to be sent.
func TestTapOfRules(t *testing.T) {
	for _, tc := range []struct {
		name string
		logs []string
		want []string
	}{
		{
			"one after the other",
			[]string{"a", "drop b", "change c", "kill d", "unseen"},
			[]string{
				"look at chunk 1", "a: step", "a: join holds it", "a: join", "a: stands for 1",
				"drop b: step", "drop b: ended as drop b, dropped filter",
				"change c: step", "change c: join holds it", "change c: join", "change c: stands for 1",
				"kill d: step", "kill d: ended as kill d, dead filter",
				"a: delivered", "change c!: delivered", "unseen: delivered",
			},
		},
		{
			"joined",
			[]string{"+a", "-b", "c"},
			[]string{
				"look at chunk 1", "+a: step", "+a: join holds it", "-b: step", "-b: join holds it",
				"c: step", "c: join holds it", "+a: join", "-b: ended as -b, joined", "+a: stands for 2",
				"c: join", "c: stands for 1", "+a -b: delivered", "c: delivered",
			},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var l looker
				r := rulesOf(step(byWord), joining(t, time.Second))
				loop := delivery.New(delivery.Options{
					Name: "test", Source: outputtest.NewBacklog(lines(1, "t", tc.logs...)), Output: taking{},
					DeadLetters: &letterStore{}, Log: zerolog.Nop(), Rules: r, Tap: &l,
				})
				runFor(t, loop, time.Minute)
				equal(t, "told", without(l.lines, "stands for 1"), without(tc.want, "stands for 1"))
			})
		})
	}
}

// without returns the lines that don't end so: of an event that was not held back it is not said.
func without(all []string, end string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(l string) bool {
		return len(l) > len(end) && l[len(l)-len(end):] == end
	})
}

// runFor runs the loop for so long.
func runFor(t *testing.T, loop *delivery.Loop, d time.Duration) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := loop.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	time.Sleep(d)
	stop()
	<-done
}

// TestTapOfAnswers: who looks is told what becomes of each event that is sent, with the answer's reason, and nobody
// else is asked.
func TestTapOfAnswers(t *testing.T) {
	some := errors.New("some")
	one := func(i int, r outputs.Reason) error {
		return &outputs.SendError{Failed: []outputs.Failure{{Index: i, Reason: r}}, Err: some}
	}
	whole := func(r outputs.Reason) error { return &outputs.SendError{Reason: r, RetryAfter: time.Second, Err: some} }
	for _, tc := range []struct {
		name    string
		set     outputs.Common
		answers []error // the first; then all are accepted
		want    []string
	}{
		{"taken", outputs.Common{}, nil, []string{"0: delivered", "1: delivered"}},
		{
			"refused",
			outputs.Common{},
			[]error{one(1, outputs.ReasonRejected)},
			[]string{"0: delivered", "1: dead rejected"},
		},
		{
			"dropped",
			outputs.Common{OnReject: outputs.OnRejectDrop},
			[]error{one(0, outputs.ReasonRejected)},
			[]string{"0: dropped rejected", "1: delivered"},
		},
		{
			"again, in part",
			outputs.Common{},
			[]error{one(0, outputs.ReasonThrottled)},
			[]string{"0: again throttled", "0: delivered", "1: delivered"},
		},
		{
			"again, as a whole",
			outputs.Common{},
			[]error{whole(outputs.ReasonAuth)},
			[]string{"0: again auth", "0: delivered", "1: again auth", "1: delivered"},
		},
		{"not tried", outputs.Common{}, []error{whole(outputs.ReasonPaced)}, []string{"0: delivered", "1: delivered"}},
		{
			"too large together",
			outputs.Common{},
			[]error{whole(outputs.ReasonTooLarge)},
			[]string{"0: again too_large", "0: delivered", "1: again too_large", "1: delivered"},
		},
		{
			"given up",
			outputs.Common{Retry: outputs.RetryConfig{MaxAttempts: 1}},
			[]error{whole(outputs.ReasonServer)},
			[]string{"0: dead max_attempts", "1: dead max_attempts"},
		},
	} {
		for _, away := range []bool{false, true} {
			t.Run(fmt.Sprint(tc.name, away), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l, answers := looker{away: away}, tc.answers
					loop := delivery.New(delivery.Options{
						Name: "test", Source: outputtest.NewBacklog(outputtest.Chunk(1, "a", "t", 2, 0, 5)),
						Output: &outputtest.Output{OnSend: func(context.Context, []int) error {
							if len(answers) == 0 {
								return nil
							}
							answer := answers[0]
							answers = answers[1:]
							return answer
						}},
						DeadLetters: &letterStore{}, Log: zerolog.Nop(), Common: tc.set, Tap: &l,
					})
					runFor(t, loop, time.Hour)
					slices.Sort(l.lines)
					want := tc.want
					if away {
						want = nil
					}
					equal(t, "told", l.lines, want)
				})
			})
		}
	}
}

// TestDeliveryLatency: the time from storing to delivery counts for each event that was delivered, and for no other.
func TestDeliveryLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stored := outputtest.NewBacklog(outputtest.Chunk(1, "a", "t", 3, 0, 5))
		time.Sleep(time.Hour)
		loop := delivery.New(delivery.Options{
			Name: "test", Source: stored, DeadLetters: &letterStore{}, Log: zerolog.Nop(),
			Output: &outputtest.Output{OnSend: func(_ context.Context, sent []int) error {
				if i := slices.Index(sent, 1); i >= 0 {
					return &outputs.SendError{
						Failed: []outputs.Failure{{Index: i, Reason: outputs.ReasonRejected}}, Err: errors.New("no"),
					}
				}
				return nil
			}},
		})
		runFor(t, loop, time.Minute)
		got := loop.Stats().DeliveryLatency
		if got.Count != 2 || got.Sum < 2*3600 || got.Sum > 2*3700 || got.Native.Count != 2 {
			t.Errorf("%+v", got)
		}
	})
}

// answers keeps why events wait aside at first, by their numbers.
type answers struct {
	looker

	mu  sync.Mutex
	why map[int]outputs.Failure
}

func (a *answers) Answered(events []event.Event, answer delivery.Answer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range events {
		n := outputtest.Number(&events[i])
		if _, known := a.why[n]; !known && answer.Result == delivery.WaitsAside {
			a.why[n] = answer.Failure
		}
	}
}

// TestTapOfWhatWaits: an event that waits unsent, as others for its target do, is shown with what these were answered.
func TestTapOfWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := answers{why: map[int]outputs.Failure{}}
		source, closed := outputtest.NewBacklog(outputtest.Chunk(1, "a", "t", 2, 0, 20)), newIndices(1)
		closed.set(0, true)
		loop := delivery.New(delivery.Options{
			Name: "test", Source: source, Aside: room{source}, Output: closed, DeadLetters: &letterStore{},
			Log: zerolog.Nop(), Tap: &a,
		})
		time.AfterFunc(time.Second, func() { source.Put(outputtest.Chunk(2, "a", "t", 1, 2, 20)) })
		runFor(t, loop, 10*time.Second)
		a.mu.Lock()
		defer a.mu.Unlock()
		for n := range 3 {
			if why := a.why[n]; why.Reason != outputs.ReasonTarget || why.Status != 400 ||
				why.Kind != "index_closed_exception" {
				t.Errorf("event %d waits because of %+v", n, why)
			}
		}
	})
}
