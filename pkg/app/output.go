package app

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/app/routing"
	"github.com/seed-afc6a195/aggregator/pkg/config"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
	"github.com/seed-afc6a195/aggregator/pkg/delivery"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// output is a destination and the loop that serves it.
type output struct {
	*sender
	name string
	made time.Time
	// cfg is what it was made for.
	cfg *config.Config
	// rules may be nil: all events as they were stored.
	rules *routing.Rules
	// before has the counters of earlier outputs of that name.
	before outputs.Report
	loop   *delivery.Loop
	stop   context.CancelFunc
	// done is closed when the loop has ended.
	done chan struct{}
}

// retiredOutput is what stays of an output that is not configured any more.
type retiredOutput struct {
	loop   *delivery.Loop
	report outputs.Report
	common outputs.Common
}

// newOutput makes an output of cfg that does nothing until it is launched.
func newOutput(name string, cfg *config.Config, deps senderDeps) (*output, error) {
	s, err := newSender(name, cfg, deps)
	if err != nil {
		return nil, err
	}
	out := &output{sender: s, name: name, made: deps.now(), cfg: cfg}
	if routing.LooksAtEvents(cfg) {
		if out.rules, err = routing.NewRules(cfg, name, deps.log); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return out, nil
}

// report returns what the destination tells of itself; its counters go on where those of an earlier output of that name
// ended.
func (out *output) report() outputs.Report {
	var r outputs.Report
	if reporter, ok := out.Output.(outputs.Reporter); ok {
		r = reporter.Report()
	}
	b := &out.before
	r.PossibleDuplicates += b.PossibleDuplicates
	r.FailureStore += b.FailureStore
	r.AlreadyThere += b.AlreadyThere
	r.AlreadyThereExample = cmp.Or(r.AlreadyThereExample, b.AlreadyThereExample)
	r.Redirected += b.Redirected
	r.Truncated += b.Truncated
	for i := range r.Paces {
		p := &r.Paces[i]
		if at, found := slices.BinarySearchFunc(b.Paces, p.Stream, func(
			p outputs.Pace, name string,
		) int {
			return cmp.Compare(p.Stream, name)
		}); found {
			p.Throttled += b.Paces[at].Throttled
		}
	}
	return r
}

// close ends what out holds open.
func (out *output) close() error {
	err := out.Close()
	if out.rules != nil {
		err = errors.Join(err, out.rules.Close())
	}
	return err
}

// deadLetterSink stores what outputs refused in the queue's dead letters.
type deadLetterSink struct{ letters deadletter.Store }

func (s deadLetterSink) Add(ctx context.Context, refused []delivery.DeadLetter) error {
	letters := make([]deadletter.Letter, len(refused))
	for i := range refused {
		r := &refused[i]
		l := deadletter.Letter{
			Cluster: r.Chunk.Cluster, Tag: r.Chunk.Tag, Output: r.Output, Status: r.Status, Reason: r.Reason,
			Detail:   r.Detail,
			Attempts: r.Attempts, Events: r.Events, Entry: r.Raw,
		}
		if r.Event != nil {
			l.EventID = string(r.Event.AppendID(nil))
			l.Entry = event.AppendEntry(slices.Clone(r.Event.Group), event.AppendTime(nil, r.Event.Time),
				r.Event.Metadata, r.Event.Record)
			l.Events = 1
		}
		letters[i] = l
	}
	return s.letters.Add(ctx, letters)
}
