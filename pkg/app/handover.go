package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/config"
	"github.com/seed-afc6a195/aggregator/pkg/forward"
	"github.com/seed-afc6a195/aggregator/pkg/handover"
)

// takeOver serves a connection on which another aggregator hands over its queue. It is the listeners' forward.Handover.
func (a *App) takeOver(ctx context.Context, conn net.Conn, set *forward.Config) error {
	taker, ok := a.queue.Queue.(buffer.Taker)
	if !ok {
		return fmt.Errorf("this queue, of type %s, can't take over another one", a.initial.Buffer.Type)
	}
	log := a.opts.Log.With().Str("listener", set.Name).Str("peer", conn.RemoteAddr().String()).Logger()
	r := handover.Receiver{
		Taker: taker, Clusters: set.Handover.Clusters, MaxMessage: int(set.MaxMessageSize), Idle: set.IdleTimeout,
		Log:        log,
		Configured: func(name string) bool { return a.outputs.get(name) != nil },
		Waits: func(o buffer.Owing) {
			if out := a.outputs.get(o.Output); out != nil && out.loop != nil {
				out.loop.Arrived(o.Target)
			}
		},
	}
	return r.Serve(ctx, conn)
}

// HandOver opens the queue of a server that does not run, for do to hand it over. Of s the queue is set. Of a group
// that shares a queue, none may run.
func HandOver(
	ctx context.Context, cfg *config.Config, log zerolog.Logger, do func(s *handover.Sender) error,
) (err error) {
	dir := cfg.Buffer.Place()
	if err := DataDirectory(cfg); err != nil {
		return fmt.Errorf("there is no data directory to hand over (buffer.path): %w", err)
	}
	q, err := openStopped(ctx, cfg, log)
	if errors.Is(err, buffer.ErrInUse) {
		return fmt.Errorf("a server uses the data directory %s: stop it first, as it would go on receiving: %w", dir,
			buffer.ErrInUse)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, q.Close()) }()
	if others := othersAlive(q); len(others) > 0 {
		return fmt.Errorf("%s use the queue in %s: stop them first, as they would go on receiving and delivering",
			strings.Join(others, ", "), dir)
	}
	return do(&handover.Sender{Queue: q})
}
