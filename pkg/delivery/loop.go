package delivery

import (
	"context"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/internal/heartbeat"
	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
	"github.com/seed-afc6a195/aggregator/pkg/metric"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// Options is what a Loop is made of. Source, Output and DeadLetters are needed.
type Options struct {
	Name        string // of the output, in letters, logs and errors
	Source      Source
	Output      outputs.Output // stays the caller's to close, after Run
	DeadLetters DeadLetters
	Common      outputs.Common  // zeros stand for the common defaults
	Grace       time.Duration   // for batches in hand when Run is told to end; 0: 10 s
	Hurry       context.Context // its end ends the grace at once; nil: never
	Log         zerolog.Logger
	Rules       *filter.Rules // for what the output is given, and of it alone; nil: every event, as it was stored
	Previous    *Loop         // of the same output, whose Run has returned: its counters go on; nil: none
}

// Loop delivers what waits for one output. One goroutine fills batches, Common.Workers send them.
// Between queue and destination are at most workers+1 batches and the chunks under them, and beside
// them what is parked.
//
// A request that fails as a whole is repeated by its worker, and so nothing more is taken than the
// destination takes. Where single events fail, they are parked: copied, and carried on by a goroutine
// of their own, while the worker goes on with other events. A cluster with more than half a batch
// parked is held: none of its chunks is taken until it has less. When workers × batch.max_bytes are
// parked, chunks of held clusters that nothing was settled of are given back, and at that and what may
// have been in hand, workers+2 batches, the worker waits itself.
//
// How many sends run at once adapts to the destination: see gate.
//
// Rules decide on each event before it comes into a batch. What they hold back is copied, so that its
// chunk's memory is free; a chunk is not Done before its last event that was held back is settled.
//
// A chunk is Done once its last event is settled: delivered, by itself or as a part of another one,
// dropped by the rules or by on_reject, or on disk as a dead letter, which has it as it was stored. A loop that ends gives back every chunk with an unsettled event, whole: events of it
// that were delivered are delivered again, under the same ids. Counters move when a chunk is Done,
// so that what the queue counts as pending and what Stats counts always add up.
type Loop struct {
	name    string
	source  Source
	output  outputs.Output
	dead    DeadLetters
	set     outputs.Common
	whole   bool // see outputs.WholeChunker
	grace   time.Duration
	hurry   context.Context
	rules   *filter.Rules
	log     zerolog.Logger
	pace    pacer
	gate    *gate
	yard    *yard
	latency *metric.Histogram
	beat    heartbeat.Loop // of the goroutine that fills batches
	parts   sync.WaitGroup // Run's goroutines

	mu       sync.Mutex
	resumed  chan struct{} // nil: not paused
	retryNow chan struct{} // closed, and another put in its place, by RetryNow
	stats    counters
}

// New returns a Loop that Run starts.
func New(o Options) *Loop {
	set := o.Common.Or(outputs.Defaults())
	if set.RateLimit > 0 { // no burst above a second's worth
		set.Batch.MaxBytes = min(set.Batch.MaxBytes, setting.Size(set.RateLimit))
	}
	if o.Grace == 0 {
		o.Grace = 10 * time.Second
	}
	if o.Hurry == nil {
		o.Hurry = context.Background()
	}
	l := &Loop{
		name: o.Name, source: o.Source, output: o.Output, dead: o.DeadLetters, set: set, grace: o.Grace, hurry: o.Hurry, rules: o.Rules,
		log: o.Log.With().Str("output", o.Name).Logger(), pace: pacer{rate: int64(set.RateLimit)},
		gate: newGate(set.Workers), yard: newYard(o.Source, &set),
		latency: new(metric.Histogram), stats: newCounters(), retryNow: make(chan struct{}),
	}
	if w, ok := o.Output.(outputs.WholeChunker); ok {
		l.whole = w.WholeChunks()
	}
	if o.Previous != nil {
		l.latency, l.stats = o.Previous.latency, o.Previous.stats
	}
	return l
}

// Run delivers until ctx ends, after the output is prepared where it is an outputs.Preparer. Then it takes no more chunks and sends what it holds for the grace
// time at most; what is unfinished by then goes back to the source. It returns, with nil, when all
// its goroutines have ended and it holds no chunk. Run once.
func (l *Loop) Run(ctx context.Context) error {
	hard, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(l.hurry, cancel)()
	ready := make(chan *batch)
	free := make(chan *batch, l.set.Workers+1) // these are all batches that there are
	for range cap(free) {
		free <- new(batch)
	}
	l.parts.Go(func() {
		defer close(ready)
		if l.prepare(ctx) {
			l.fill(ctx, hard, free, ready)
		}
	})
	for range l.set.Workers {
		l.parts.Go(func() {
			for b := range ready {
				s := sender{loop: l, soft: ctx, hard: hard}
				s.deliver(work{events: b.events, chunks: b.held})
				b.reset()
				free <- b
			}
		})
	}
	ended := make(chan struct{})
	go func() { l.parts.Wait(); close(ended) }()
	<-ctx.Done()
	timer := time.NewTimer(l.grace)
	defer timer.Stop()
	select {
	case <-ended:
	case <-timer.C:
		cancel()
		<-ended
	}
	return nil
}

// Beat returns what the goroutine is at that fills batches.
func (l *Loop) Beat() heartbeat.Beat {
	return heartbeat.Beat{Loop: "output " + l.name, State: l.beat.State()}
}

// Pause stops sending after the requests in flight, until Resume. Batches that wait stay held.
func (l *Loop) Pause() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.resumed == nil {
		l.resumed = make(chan struct{})
	}
}

// Resume ends a Pause, and every wait as RetryNow does.
func (l *Loop) Resume() {
	l.mu.Lock()
	if l.resumed != nil {
		close(l.resumed)
		l.resumed = nil
	}
	l.mu.Unlock()
	l.RetryNow()
}

// RetryNow ends every wait before another try, the loop's and the output's own, whoever wished for it. What
// rate_limit makes wait goes on to.
func (l *Loop) RetryNow() {
	if r, ok := l.output.(outputs.Retrier); ok {
		r.RetryNow()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.retryNow)
	l.retryNow = make(chan struct{})
	l.stats.until = time.Time{} // of waits that have ended
}

// unpaused waits while the loop is paused. It returns false when ctx ends meanwhile.
func (l *Loop) unpaused(ctx context.Context) bool {
	for {
		l.mu.Lock()
		resumed := l.resumed
		l.mu.Unlock()
		if resumed == nil {
			return true
		}
		select {
		case <-resumed:
		case <-ctx.Done():
			return false
		}
	}
}
