package delivery_test

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/delivery"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

// Whatever share of the events goes to a target that takes none, the others are delivered, and those of that one once
// it takes them again, in order, without anybody's doing. It is asked with a few events now and then meanwhile.
func TestATargetStopsOnlyItself(t *testing.T) {
	for _, tc := range []struct {
		name    string
		indices int
		closed  []int
	}{
		{"a hundredth", 100, []int{7}},
		{"half", 2, []int{1}},
		{"all but a hundredth", 100, numbers(1, 100)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newAside(t, tc.indices, outputs.Common{Workers: 2})
				for _, i := range tc.closed {
					r.output.set(i, true)
				}
				const chunks, each = 60, 200
				for i := range chunks {
					r.source.Put(outputtest.Chunk(uint64(i), "a", "t", each, i*each, 20))
					time.Sleep(100 * time.Millisecond)
				}
				time.Sleep(2 * time.Second)
				synctest.Wait()
				healthy := chunks * each * (tc.indices - len(tc.closed)) / tc.indices
				r.check(t, chunks*each, chunks*each-healthy)
				s := r.Stats()
				if len(s.Waiting) != len(tc.closed) || s.Waiting[0].Kind != "index_closed_exception" ||
					len(s.Held) > 0 || s.Failing != "" {
					t.Errorf("waiting: %+v, held %v, failing %q", s.Waiting, s.Held, s.Failing)
				}
				r.output.mu.Lock()
				sent := r.output.events
				r.output.mu.Unlock()
				time.Sleep(time.Hour)
				synctest.Wait()
				r.output.mu.Lock()
				if tried := r.output.events - sent; tried == 0 || tried > len(tc.closed)*150*100 {
					t.Errorf("in an hour, %d events of targets that take none were tried", tried)
				}
				r.output.mu.Unlock()
				for _, i := range tc.closed {
					r.output.set(i, false)
				}
				time.Sleep(5 * time.Minute)
				synctest.Wait()
				r.check(t, chunks*each, 0)
				for index, order := range r.output.order {
					if !slices.IsSorted(order) {
						t.Errorf("events of index %d came out of order", index)
					}
				}
				if s := r.Stats(); len(s.Waiting) > 0 {
					t.Errorf("nothing waits any more: %+v", s.Waiting)
				}
				r.stop()
			})
		})
	}
}

// What waits is found by the next loop, and what was delivered of its chunks is not delivered again.
func TestWhatWaitsOutlivesTheLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newAside(t, 4, outputs.Common{Workers: 2})
		r.output.set(3, true)
		for i := range 10 {
			r.source.Put(outputtest.Chunk(uint64(i), "a", "t", 100, i*100, 20))
		}
		for range 5 {
			time.Sleep(90 * time.Second)
			synctest.Wait()
			r.check(t, 1000, 250)
			r.stop()
			r.start(t, outputs.Common{Workers: 2}, nil)
			if w := r.Stats().Waiting; len(w) != 1 || w[0].Target != "i3" {
				t.Errorf("after a restart: %+v", w)
			}
		}
		r.output.set(3, false)
		r.RetryNow()
		time.Sleep(time.Second)
		synctest.Wait()
		r.check(t, 1000, 0)
		r.stop()
	})
}

// newcomer is where events wait that the loop is not told of when it begins.
type newcomer struct{ room }

func (newcomer) Targets() []string { return nil }

// What somebody else has put aside, as a handover does, is tried once the loop is told of it.
func TestWhatArrivesAside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &asideRig{source: outputtest.NewBacklog(), output: newIndices(1), dead: &letterStore{}}
		r.source.Put(outputtest.Chunk(1, "a", "t", 10, 0, 20))
		c, err := r.source.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		rest := buffer.Rest{
			Target: "i0", Entries: slices.Clone(c.Entries), Filtered: true, Parts: slices.Clone(c.Parts),
		}
		if err := r.source.SettleParts(t.Context(), []buffer.Settlement{
			{Chunk: c, Rests: []buffer.Rest{rest}},
		}); err != nil {
			t.Fatal(err)
		}
		loop := delivery.New(delivery.Options{
			Name: "test", Source: r.source, Aside: newcomer{room{r.source}}, Output: r.output, DeadLetters: r.dead,
			Log: zerolog.Nop(),
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- loop.Run(ctx) }()
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := r.source.Events(); n != 10 {
			t.Fatalf("%d events wait before the loop is told", n)
		}
		loop.Arrived("i0")
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := len(r.output.got); n != 10 || r.source.Events() != 0 {
			t.Errorf("%d events arrived, %d wait", n, r.source.Events())
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// At the limit only new events of that target become dead letters, and none of them twice.
func TestTooMuchWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newAside(t, 2, outputs.Common{Workers: 2})
		r.source.SetLimits(buffer.Limits{Waiting: 20_000})
		r.output.set(1, true)
		for i := range 50 {
			r.source.Put(outputtest.Chunk(uint64(i), "a", "t", 20, i*20, 100))
			time.Sleep(time.Second)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		waiting := r.source.Events()
		if waiting == 0 || waiting > 200 || len(r.dead.letters) != 500-waiting {
			t.Errorf("%d events wait, %d are dead letters", waiting, len(r.dead.letters))
		}
		for _, l := range r.dead.letters {
			if l.Reason != delivery.ReasonTargetWaits || l.Detail == "" {
				t.Fatalf("%+v", l)
			}
		}
		for n := range r.dead.dead {
			if n%2 != 1 {
				t.Errorf("event %d, which goes to another target, is a dead letter", n)
			}
		}
		r.check(t, 1000, waiting)
		if w := r.Stats().Waiting; len(w) != 1 || !w[0].Full {
			t.Errorf("%+v", w)
		}
		r.output.set(1, false)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		r.check(t, 1000, 0)
		r.stop()
	})
}

// What has waited for retry.max_age is given up.
func TestWaitingEndsWithMaxAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newAside(t, 2, outputs.Common{Retry: outputs.RetryConfig{MaxAge: time.Hour, MaxAttempts: 3}})
		r.output.set(1, true)
		r.source.Put(outputtest.Chunk(1, "a", "t", 100, 0, 20))
		time.Sleep(58 * time.Minute)
		synctest.Wait()
		r.check(t, 100, 50)
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		r.check(t, 100, 0)
		if len(r.dead.letters) != 50 || r.dead.letters[0].Reason != delivery.ReasonMaxAge {
			t.Errorf("%d letters", len(r.dead.letters))
		}
		r.stop()
	})
}

// What waits is as the filters have left it, with its tag and id, and passes no filter again; lines that were joined
// over several chunks are whole, and none of these is done before they are stored.
func TestWaitingIsAsFiltersLeftIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := map[string]int{}
		mark := step(func(e *filter.Event, log string) filter.Verdict {
			calls[log]++
			e.Set(filter.AppendString(nil, log+"!"), "log")
			e.Tag = "new." + e.Chunk.Tag
			return filter.Keep
		})
		out := &refusing{}
		source := outputtest.NewBacklog(lines(1, "t", "+a"), lines(2, "t", "-b", "+c"), lines(3, "t", "-d", "e"))
		out.closed = true
		run := func() (stop func()) {
			l := delivery.New(delivery.Options{
				Name: "test", Source: source, Aside: room{source}, Output: out, DeadLetters: &texts{},
				Log:    zerolog.Nop(),
				Rules:  rulesOf(joining(t, time.Second), mark),
				Common: outputs.Common{Batch: outputs.BatchConfig{MaxWait: time.Millisecond}},
			})
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- l.Run(ctx) }()
			return func() { cancel(); <-ended }
		}
		stop := run()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if n, w := source.Events(), source.Targets(); n != 3 || !reflect.DeepEqual(w, []string{"x"}) {
			t.Errorf("%d events wait for %v", n, w)
		}
		stop()
		out.closed = false
		refused := maps.Clone(out.refused)
		stop = run()
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		stop()
		want := map[string]string{"+a -b!": "new.t", "+c -d!": "new.t", "e!": "new.t"}
		if !reflect.DeepEqual(out.tags, want) {
			t.Errorf("delivered %v, want %v", out.tags, want)
		}
		if !reflect.DeepEqual(out.ids, refused) {
			t.Errorf("ids %v, were %v when they were refused", out.ids, refused)
		}
		if calls["+a -b"] != 1 || calls["e"] != 1 {
			t.Errorf("filters were asked: %v", calls)
		}
		if n := source.Events(); n != 0 {
			t.Errorf("%d events wait", n)
		}
	})
}

// refusing is a destination with one target, by the logs of events.
type refusing struct {
	closed       bool
	refused, ids map[string]string
	tags         map[string]string
}

func (o *refusing) Close() error { return nil }

func (o *refusing) Send(_ context.Context, b *outputs.Batch) error {
	se := &outputs.SendError{Reason: outputs.ReasonTarget, Err: errors.New("closed")}
	if o.refused == nil {
		o.refused, o.ids, o.tags = map[string]string{}, map[string]string{}, map[string]string{}
	}
	for i := range b.Events {
		ev := &b.Events[i]
		if log := logOf(ev); o.closed {
			o.refused[log] = string(ev.AppendID(nil))
			se.Failed = append(se.Failed, outputs.Failure{Index: i, Reason: outputs.ReasonTarget, Target: "x"})
		} else {
			o.tags[log], o.ids[log] = ev.DeliveredTag(), string(ev.AppendID(nil))
		}
	}
	if len(se.Failed) > 0 {
		return se
	}
	return nil
}

// Targets that come and go at random, loops that end at any moment, chunks of all sizes: each event arrives once.
func TestTargetsAtRandom(t *testing.T) {
	for seed := range uint64(30) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				random := rand.New(rand.NewPCG(seed, 7))
				set := outputs.Common{
					Workers: 1 + random.IntN(3),
					Batch:   outputs.BatchConfig{MaxEvents: 5 + random.IntN(50), MaxWait: time.Second},
				}
				r := newAside(t, 1+random.IntN(5), set)
				total := 0
				for i := range 60 {
					n := 1 + random.IntN(40)
					r.source.Put(outputtest.Chunk(uint64(i), []string{"a", "b"}[random.IntN(2)], "t", n, total, 20))
					total += n
					r.output.set(random.IntN(r.output.n), random.IntN(2) == 0)
					time.Sleep(time.Duration(random.IntN(5000)) * time.Millisecond)
					if random.IntN(6) == 0 {
						r.stop()
						r.start(t, set, nil)
					}
				}
				for i := range r.output.n {
					r.output.set(i, false)
				}
				time.Sleep(5 * time.Minute)
				synctest.Wait()
				r.check(t, total, 0)
				r.stop()
			})
		})
	}
}

// However many targets take nothing, what is kept of them in memory is bounded: those beyond the limit wait together,
// and all are delivered once they are taken.
func TestManyTargetsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const targets = 1200
		r := newAside(t, targets, outputs.Common{Workers: 2})
		for i := range targets {
			r.output.set(i, true)
		}
		r.source.Put(outputtest.Chunk(1, "a", "t", targets, 0, 20))
		r.source.Put(outputtest.Chunk(2, "a", "t", targets, targets, 20))
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if n := len(r.Stats().Waiting); n != 1001 {
			t.Errorf("%d targets wait by themselves", n)
		}
		r.check(t, 2*targets, 2*targets)
		for i := range targets {
			r.output.set(i, i%2 == 1)
		}
		time.Sleep(20 * time.Minute)
		synctest.Wait()
		r.check(t, 2*targets, targets)
		for i := range targets {
			r.output.set(i, false)
		}
		time.Sleep(20 * time.Minute)
		synctest.Wait()
		r.check(t, 2*targets, 0)
		if s := r.Stats(); len(s.Waiting) > 0 || s.Retried["target"] == 0 {
			t.Errorf("%d wait, retried %v", len(s.Waiting), s.Retried)
		}
		r.stop()
	})
}
