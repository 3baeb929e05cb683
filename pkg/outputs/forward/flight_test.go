package forward

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/delivery"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

// chunks returns a batch of count chunks of one event each, numbered from first on.
func chunks(first, count int) *outputs.Batch {
	var all []*event.Chunk
	for i := range count {
		all = append(all, outputtest.Chunk(uint64(first+i+1), "c", "t", 1, first+i, 9))
	}
	return outputtest.Batch(all...)
}

// again returns the events of b that se names.
func again(b *outputs.Batch, se *outputs.SendError) *outputs.Batch {
	next := &outputs.Batch{}
	for _, f := range se.Failed {
		next.Events = append(next.Events, b.Events[f.Index])
	}
	return next
}

// A server that takes messages and acknowledges none stops neither the rest of the batch nor the next ones, and what it
// has is sent to another once the time for its ack is over.
func TestHungServerStopsNobody(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(n *network, cfg *Config)
	}{
		{"no acks", func(n *network, _ *Config) {
			n.do = func(m *received) deed {
				if m.server == "a" {
					return hang
				}
				return ack
			}
		}},
		{"nothing is read", func(n *network, _ *Config) { n.stuck = map[string]bool{"a": true} }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(t)
				cfg := settings("a", "b")
				cfg.Connections, cfg.AckTimeout = 2, 20*time.Second
				tc.change(n, &cfg)
				o := n.output(cfg)
				b, begin := chunks(0, 10), time.Now()
				se := outputs.AsSendError(o.Send(t.Context(), b))
				if took := time.Since(begin); took > 2*patience {
					t.Errorf("the batch took %s", took)
				}
				if se == nil || len(se.Failed) == 0 || len(se.Failed) > 2 || se.RetryAfter != askEvery {
					t.Fatalf("the batch: %+v", se)
				}
				for _, f := range se.Failed {
					if !f.InFlight || f.Reason != outputs.ReasonPaced {
						t.Errorf("an event of it: %+v", f)
					}
				}
				for i := range 5 {
					begin := time.Now()
					if err := o.Send(t.Context(), chunks(10+10*i, 10)); err != nil || time.Since(begin) > 0 {
						t.Errorf("a batch behind it: %v after %s", err, time.Since(begin))
					}
				}
				rest := again(b, se)
				if err := o.Send(t.Context(), rest); !outputs.AsSendError(err).Failed[0].InFlight {
					t.Errorf("asked again: %v", err)
				}
				time.Sleep(cfg.AckTimeout)
				for range 1000 { // the failure is told, and then it goes to b, unless a is tried with it once more
					err := o.Send(t.Context(), rest)
					if err == nil {
						break
					}
					if se := outputs.AsSendError(err); len(se.Failed) > 0 {
						rest = again(rest, se)
					}
					time.Sleep(askEvery)
				}
				got := n.numbers()
				slices.Sort(got)
				if len(got) != 60 || len(slices.Compact(got)) != 60 {
					t.Errorf("b has %d events, want each of 60 once", len(got))
				}
			})
		})
	}
}

// An ack that comes late is one all the same: nothing is sent twice.
func TestLateAck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.delay = func(m *received) time.Duration {
			if m.server == "a" {
				return 5 * time.Second
			}
			return 0
		}
		o := n.output(settings("a", "b"))
		b := chunks(0, 4)
		se := outputs.AsSendError(o.Send(t.Context(), b))
		if se == nil || len(se.Failed) != 1 || !se.Failed[0].InFlight {
			t.Fatalf("the batch: %+v", se)
		}
		rest := again(b, se)
		time.Sleep(6 * time.Second)
		if err := o.Send(t.Context(), rest); err != nil {
			t.Error(err)
		}
		if got := n.numbers(); len(got) != 4 || n.resent > 0 {
			t.Errorf("%d events are stored, %d messages came twice", len(got), n.resent)
		}
	})
}

// Where every server is slow, nobody is overtaken: all are waited for.
func TestSlowServersAreWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.delay = func(*received) time.Duration { return 3 * time.Second }
		cfg := settings("a", "b")
		o := n.output(cfg)
		pending := chunks(0, 6)
		for range 200 {
			err := o.Send(t.Context(), pending)
			if err == nil {
				break
			}
			pending = again(pending, outputs.AsSendError(err))
			time.Sleep(askEvery)
		}
		if got := n.numbers(); len(got) != 6 || n.resent > 0 {
			t.Errorf("%d events are stored, %d messages came twice", len(got), n.resent)
		}
	})
}

// Through the loop: hung messages hold no cluster, whatever of a batch they are, and a stop ends.
func TestHungServerHoldsNoCluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.do = func(m *received) deed {
			if m.server == "a" {
				return hang
			}
			return ack
		}
		cfg := settings("a", "b")
		cfg.Batch = outputs.BatchConfig{MaxBytes: 4 << 10, MaxEvents: 1000, MaxWait: time.Millisecond}
		o := n.output(cfg)
		source := outputtest.NewBacklog()
		for i := range 20 {
			source.Put(outputtest.Chunk(uint64(i+1), "c", "t", 10, 10*i, 200))
		}
		loop := delivery.New(delivery.Options{
			Name: "up", Source: source, Output: o, DeadLetters: nobody{}, Common: cfg.Common, Log: zerolog.Nop(),
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- loop.Run(ctx) }()
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if got := len(n.numbers()); got < 160 || len(loop.Stats().Held) > 0 {
			t.Errorf("after 5 s %d events of 200 are delivered, held %v", got, loop.Stats().Held)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := len(n.numbers()); got != 200 || source.Events() > 0 {
			t.Errorf("after a minute %d events of 200 are delivered, %d wait", got, source.Events())
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// nobody takes no dead letters.
type nobody struct{}

func (nobody) Add(context.Context, []delivery.DeadLetter) error {
	return errors.New("there should be none")
}
