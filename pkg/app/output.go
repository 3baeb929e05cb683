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
	"github.com/seed-afc6a195/aggregator/pkg/tls"
)

// output is a destination and the loop that serves it.
type output struct {
	name         string
	settings     config.Output
	fields       map[string]map[string]string // by cluster; see config
	common       outputs.Common               // with the destination's defaults
	sender       outputs.Output
	certificates *tls.Client // nil without TLS
	loop         *delivery.Loop
	stop         context.CancelFunc
	done         chan struct{} // closed when the loop has ended
}

// newOutput makes an output that does nothing until launch.
func (a *App) newOutput(name string, cfg *config.Config) (*output, error) {
	settings := cfg.Outputs[name]
	out := &output{name: name, settings: settings, fields: clusterFields(cfg)}
	log := a.opts.Log.With().Str("output", name).Logger()
	var err error
	switch c := settings.Settings.(type) {
	case *file.Config:
		out.common = c.Settings()
		var files *file.Output
		if files, err = file.New(*c, name, log, a.opts.Now); err == nil {
			files.SetClusterFields(out.fields)
			out.sender = files
		}
	case *stdout.Config:
		lines := stdout.New(*c, os.Stdout)
		lines.SetClusterFields(out.fields)
		out.common, out.sender = c.Settings(), lines
	case *forwardoutput.Config:
		out.common = c.Settings()
		err = a.newForward(out, c, log)
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

// steer pauses or resumes an output, or forgets what waits for one that is not configured.
func (a *App) steer(name, what string) (done string, err error) {
	a.reloading.Lock() // outputs neither come nor go meanwhile
	defer a.reloading.Unlock()
	out := a.output(name)
	switch {
	case what == "purge" && out != nil:
		return "", fmt.Errorf("output %s is configured: only what waits for an output that is not can be purged", name)
	case what == "purge":
		chunks := a.queue.Purge(name)
		a.opts.Log.Warn().Str("output", name).Int64("chunks", chunks).Msg("purged what waited for an output that is not configured")
		return fmt.Sprintf("purged %d chunks that waited for output %s", chunks, name), nil
	case out == nil:
		return "", fmt.Errorf("no output is named %q", name)
	case what == "pause":
		out.loop.Pause()
		return fmt.Sprintf("output %s is paused, until it is resumed or the program starts again", name), nil
	case what == "resume":
		out.loop.Resume()
		return fmt.Sprintf("output %s goes on", name), nil
	default:
		return "", fmt.Errorf("what to do with an output is pause, resume or purge, not %q", what)
	}
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
