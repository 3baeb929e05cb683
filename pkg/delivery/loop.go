package delivery

import (
	"context"
	"hash/maphash"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/internal/heartbeat"
	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/delivery/internal/pacing"
	"github.com/seed-afc6a195/aggregator/pkg/delivery/internal/waiting"
	"github.com/seed-afc6a195/aggregator/pkg/delivery/stats"
	"github.com/seed-afc6a195/aggregator/pkg/delivery/suspicion"
	"github.com/seed-afc6a195/aggregator/pkg/filter/rules"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// Options is what a Loop is made of. Source, Output and DeadLetters are needed.
type Options struct {
	// Name is that of the output, in letters, logs and errors.
	Name   string
	Source Source
	// Output stays the caller's to close, after Run.
	Output      outputs.Output
	DeadLetters DeadLetters
	// Aside is where events wait for their targets; nil: they are sent again like others.
	Aside Aside
	// Zeros in Common stand for the common defaults.
	Common outputs.Common
	// Grace is for batches in hand when Run is told to end; 0: 10 s.
	Grace time.Duration
	// Force ends the grace at once with its end; nil: never.
	Force context.Context
	Log   zerolog.Logger
	// Rules is for what the output is given, and of it alone; nil: every event, as it was stored.
	Rules *rules.Rules
	// Tap is shown what becomes of events; nil: nobody looks.
	Tap Tap
	// Previous is that of the same output, whose Run has returned: its counters go on; nil: none.
	Previous *Loop
}

// Loop delivers what waits for one output. One goroutine fills batches, Common.Workers send them.
// Between queue and destination are at most workers+1 batches and the chunks under them, and beside
// them what is in the retry pool.
//
// A request that fails as a whole is repeated by its worker, and so nothing more is taken than the
// destination takes. Where single events fail, they go to the retry pool: copied, and carried on by a goroutine
// of their own, while the worker goes on with other events. A cluster with more than half a batch
// in the pool is throttled: none of its chunks is taken until it has less. When workers × batch.max_bytes are
// in the pool, chunks of throttled clusters that nothing was settled of are given back, and at that and what may
// have been in hand, workers+2 batches, the worker waits itself.
//
// How many sends run at once adapts to the destination: see concurrencyLimiter.
//
// Rules decide on each event before it comes into a batch: see filterStage.
//
// A chunk is Done once its last event is settled: delivered, by itself or as a part of another one,
// dropped by the rules or by on_reject, or on disk as a dead letter, which has it as it was stored. A loop that ends
// gives back every chunk with an unsettled event, whole: events of it
// that were delivered are delivered again, under the same ids. Counters move when a chunk is Done,
// so that what the queue counts as pending and what Stats counts always add up.
type Loop struct {
	set     outputs.Common
	control *pacing.Control
	rec     *stats.Recorder
	pool    *retryPool
	targets *waiting.Targets[Source]
	prober  *prober
	limiter *pacing.ConcurrencyLimiter
	sender  *sender
	feeder  *feeder
	force   context.Context
	// parts are Run's goroutines.
	parts sync.WaitGroup
}

// New returns a Loop that Run starts.
func New(o Options) *Loop {
	set := o.Common.Or(outputs.Defaults())
	if set.RateLimit > 0 {
		// No burst above a second's worth.
		set.Batch.MaxBytes = min(set.Batch.MaxBytes, setting.Size(set.RateLimit))
	}
	if o.Grace == 0 {
		o.Grace = 10 * time.Second
	}
	if o.Force == nil {
		o.Force = context.Background()
	}
	l := &Loop{
		set: set, control: pacing.NewControl(o.Grace), force: o.Force, rec: stats.NewRecorder(o.Name, o.Log),
		pool: newRetryPool(o.Source, &set), limiter: pacing.NewConcurrencyLimiter(set.Workers),
	}
	if o.Previous != nil {
		l.rec.GoOn(o.Previous.rec)
	}
	// It was checked with the settings; else the oldest come first.
	share, _ := set.CatchUp.Share()
	o.Source.SetFreshShare(share)
	sink := &deadLetterSink{letters: o.DeadLetters, set: &l.set, control: l.control, rec: l.rec}
	l.sender = &sender{
		name: o.Name, output: o.Output, set: &l.set, control: l.control, limiter: l.limiter,
		pace: &pacing.Pacer{Rate: int64(set.RateLimit)}, pool: l.pool, dead: sink, rec: l.rec, spawn: l.parts.Go,
		tap: o.Tap, hosts: suspicion.NewHosts(), targets: suspicion.NewTargets(), seed: maphash.MakeSeed(),
	}
	var open func(target string) Source
	var targets []string
	if o.Aside != nil {
		open, targets = o.Aside.Waiting, o.Aside.Targets()
	}
	l.targets = waiting.New(&l.set.Retry, open, targets)
	store := &asideStore{
		name: o.Name, control: l.control, set: &l.set, dead: sink, rec: l.rec, targets: l.targets, spawn: l.parts.Go,
		limit: set.Workers * int(set.Batch.MaxBytes),
	}
	l.sender.aside, l.sender.waiting = store, l.targets
	l.prober = &prober{sender: l.sender, targets: l.targets, control: l.control, counter: l.rec, spawn: l.parts.Go}
	clock := new(pauseClock)
	free := make(chan *batch, set.Workers+1)
	for range cap(free) {
		free <- new(batch)
	}
	cut := &batcher{set: &l.set, control: l.control, clock: clock, free: free}
	l.feeder = &feeder{
		name: o.Name, source: o.Source, control: l.control, clock: clock, batcher: cut, dead: sink, rec: l.rec,
		aside: store,
	}
	if w, ok := o.Output.(outputs.WholeChunker); ok {
		l.feeder.whole = w.WholeChunks()
	}
	if o.Rules != nil {
		l.feeder.stage = &filterStage{
			name: o.Name, rules: o.Rules, clock: clock, out: cut, dead: sink, cur: new(origin), tap: o.Tap,
		}
		if o.Tap != nil {
			o.Rules.Watch(watcher{o.Tap})
		}
	}
	return l
}

// Run delivers until ctx ends, after the output is prepared where it is an outputs.Preparer. Then it takes no more
// chunks and sends what it holds for the grace
// time at most; what is unfinished by then goes back to the source. It returns, with nil, when all
// its goroutines have ended and it holds no chunk. Run once.
func (l *Loop) Run(ctx context.Context) error {
	force, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(l.force, cancel)()
	l.control.Drain, l.control.Force = ctx, force
	ready := make(chan *batch)
	l.feeder.batcher.ready = ready
	l.parts.Go(func() {
		defer close(ready)
		if l.sender.prepare(ctx) {
			l.parts.Go(l.prober.run)
			l.feeder.run()
		}
	})
	for range l.set.Workers {
		l.parts.Go(func() {
			for b := range ready {
				l.sender.deliver(&work{events: b.events, refs: b.refs})
				b.reset()
				l.feeder.batcher.free <- b
			}
		})
	}
	ended := make(chan struct{})
	go func() { l.parts.Wait(); close(ended) }()
	<-ctx.Done()
	timer := time.NewTimer(l.control.Grace)
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
	return heartbeat.Beat{Loop: "output " + l.rec.Name, State: l.feeder.clock.beat.State()}
}

// Pause stops sending after the requests in flight, until Resume. Batches that wait stay in hand.
func (l *Loop) Pause() { l.control.Pause() }

// Resume ends a Pause, and every wait as RetryNow does.
func (l *Loop) Resume() {
	l.control.Resume()
	l.RetryNow()
}

// RetryNow ends every wait before another try, the loop's and the output's own, whoever wished for it. What
// rate_limit makes wait goes on to.
func (l *Loop) RetryNow() {
	if r, ok := l.sender.output.(outputs.Retrier); ok {
		r.RetryNow()
	}
	l.control.Retry()
	l.targets.Retry("")
	l.rec.WaitsEnded()
}

// RetryTarget tries at once a target that events wait for.
func (l *Loop) RetryTarget(target string) { l.targets.Retry(target) }

// Arrived tells the loop that something waits aside for the target that it has not put there itself.
func (l *Loop) Arrived(target string) {
	if l.targets.Enabled() {
		l.targets.Arrived(target)
	}
}

// Stats returns a snapshot.
func (l *Loop) Stats() stats.Stats {
	out := stats.Stats{
		Waiting: l.targets.List(), Held: l.pool.throttled(), PausedSince: l.control.PausedSince(),
		Oldest: l.limiter.Oldest(),
	}
	out.InFlight, out.Concurrency = l.limiter.State()
	l.rec.Fill(&out)
	return out
}
