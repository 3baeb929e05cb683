package app

import (
	"context"
	"fmt"
	"os"
	"slices"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/config"
	"github.com/seed-afc6a195/aggregator/pkg/delivery"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/file"
	forwardoutput "github.com/seed-afc6a195/aggregator/pkg/outputs/forward"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/stdout"
)

// output is a destination and the loop that serves it.
type output struct {
	name     string
	settings config.Output
	common   outputs.Common // with the destination's defaults
	sender   outputs.Output
	loop     *delivery.Loop
	stop     context.CancelFunc
	done     chan struct{} // closed when the loop has ended
}

// newOutput makes an output that does nothing until launch.
func (a *App) newOutput(name string, settings config.Output) (*output, error) {
	out := &output{name: name, settings: settings}
	log := a.opts.Log.With().Str("output", name).Logger()
	var err error
	switch c := settings.Settings.(type) {
	case *file.Config:
		out.common = c.Settings()
		out.sender, err = file.New(*c, name, log, a.opts.Now)
	case *stdout.Config:
		out.common, out.sender = c.Settings(), stdout.New(*c, os.Stdout)
	case *forwardoutput.Config:
		out.common = c.Settings()
		out.sender, err = a.newForward(c, log)
	default:
		err = fmt.Errorf("type %s is not supported yet", settings.Common.Type)
	}
	return out, err
}

// launch puts out among the outputs and starts its loop, whose counters go on where those of an earlier output of that
// name ended.
func (a *App) launch(out *output) {
	source := a.queue.Source(out.name)
	a.mu.Lock()
	defer a.mu.Unlock()
	out.loop = delivery.New(delivery.Options{
		Name: out.name, Source: source, Output: out.sender, DeadLetters: graveyard{a.queue.DeadLetters()},
		Common: out.common, Grace: drainTimeout, Log: a.opts.Log, Previous: a.retired[out.name],
	})
	delete(a.retired, out.name)
	a.outputs[out.name] = out
	var ctx context.Context
	ctx, out.stop = context.WithCancel(context.Background())
	out.done = make(chan struct{})
	go func() {
		defer close(out.done)
		_ = out.loop.Run(ctx) // always nil
	}()
}

// retire ends out: it finishes what is in flight, and what still waits for it stays in the queue.
func (a *App) retire(out *output) {
	out.stop()
	<-out.done
	if err := out.sender.Close(); err != nil {
		a.opts.Log.Error().Err(err).Str("output", out.name).Msg("an output did not close in good order")
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.outputs, out.name)
	a.retired[out.name] = out.loop
}

// graveyard stores what outputs refused in the queue's dead letters.
type graveyard struct{ letters *buffer.DeadLetters }

func (g graveyard) Bury(ctx context.Context, refused []delivery.Letter) error {
	letters := make([]buffer.Letter, len(refused))
	for i := range refused {
		r := &refused[i]
		l := buffer.Letter{
			Cluster: r.Chunk.Cluster, Tag: r.Chunk.Tag, Output: r.Output, Status: r.Status, Reason: r.Reason, Detail: r.Detail,
			Attempts: r.Attempts, Events: r.Events, Entry: r.Raw,
		}
		if r.Event != nil {
			l.EventID = string(r.Event.AppendID(nil))
			l.Entry = event.AppendEntry(slices.Clone(r.Event.Group), event.AppendTime(nil, r.Event.Time), r.Event.Metadata, r.Event.Record)
			l.Events = 1
		}
		letters[i] = l
	}
	return g.letters.Add(ctx, letters)
}
