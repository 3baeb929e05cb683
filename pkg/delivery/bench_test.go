package delivery_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/delivery"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
	"github.com/seed-afc6a195/aggregator/pkg/filter/rules"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

type discard struct{}

func (discard) Send(context.Context, *outputs.Batch) error { return nil }
func (discard) Close() error                               { return nil }

// endless hands out copies of one chunk: n of them.
type endless struct {
	chunk *event.Chunk
	next  atomic.Int64
	left  atomic.Int64
	end   func()
}

func (e *endless) Next(ctx context.Context) (*event.Chunk, error) {
	if e.next.Add(-1) < 0 {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	c := *e.chunk
	return &c, nil
}

func (e *endless) Pending() buffer.Count { return buffer.Count{} }
func (e *endless) SetFreshShare(float64) {}
func (e *endless) SettleParts(context.Context, []buffer.Settlement) error {
	return errors.ErrUnsupported // nothing waits aside
}

func (e *endless) Return(*event.Chunk)         {}
func (e *endless) Hold(string)                 {}
func (e *endless) Release(string)              {}
func (e *endless) ReleaseEntries(*event.Chunk) {}

func (e *endless) Done(*event.Chunk) {
	if e.left.Add(-1) == 0 {
		e.end()
	}
}

// BenchmarkLoop carries chunks of 500 events of 300 bytes; one operation is one event.
func BenchmarkLoop(b *testing.B) { carry(b, nil) }

// BenchmarkLoopRules does so through rules that keep all events, change all, drop all, or have nothing
// to do with them.
func BenchmarkLoopRules(b *testing.B) {
	for _, bc := range []struct {
		name string
		step step
	}{
		{"keep", func(*filter.Event, string) filter.Verdict { return filter.Keep }},
		{"change", func(e *filter.Event, _ string) filter.Verdict {
			e.Set([]byte{0xa3, 'w', 'e', 'b'}, "service")
			return filter.Keep
		}},
		{"drop", func(*filter.Event, string) filter.Verdict { return filter.Drop }},
		{"plain", nil},
	} {
		b.Run(bc.name, func(b *testing.B) {
			if bc.step == nil {
				carry(b, rulesOf())
				return
			}
			carry(b, rulesOf(quick(bc.step)))
		})
	}
}

// quick is a step that does not look at the log.
type quick step

func (s quick) Apply(e *filter.Event) (filter.Verdict, error) { return s(e, ""), nil }

func carry(b *testing.B, r *rules.Rules) {
	b.Helper()
	const events = 500
	chunk := outputtest.Chunk(1, "a", "app", events, 0, 274)
	n := int64(b.N/events + 1)
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	source := &endless{chunk: chunk, end: cancel}
	source.next.Store(n)
	source.left.Store(n)
	l := delivery.New(delivery.Options{
		Name: "discard", Source: source, Output: discard{}, DeadLetters: &letterStore{}, Rules: r, Log: zerolog.Nop(),
		Common: outputs.Common{Batch: outputs.BatchConfig{MaxWait: 10 * time.Millisecond}},
	})
	b.SetBytes(int64(len(chunk.Entries) / events))
	b.ReportAllocs()
	b.ResetTimer()
	if err := l.Run(ctx); err != nil {
		b.Fatal(err)
	}
}
