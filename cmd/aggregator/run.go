package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/seed-afc6a195/aggregator/cmd/aggregator/internal/flags"
	"github.com/seed-afc6a195/aggregator/cmd/aggregator/internal/terminal"
	"github.com/seed-afc6a195/aggregator/internal/systemd"
	"github.com/seed-afc6a195/aggregator/pkg/app"
	"github.com/seed-afc6a195/aggregator/pkg/config"
)

func newRunCommand() *cobra.Command {
	var c flags.Config
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the aggregator",
		Long: `Runs until SIGTERM or SIGINT, then stores and acknowledges the messages in hand, lets the outputs finish
what is in flight, and exits with 0, within shutdown_timeout. What is not delivered by then is delivered after the next
start. A second signal ends it at once, which loses nothing that was acknowledged. Where a disk or an output hangs, it
exits with 1 once the time is over, which loses nothing either.

SIGHUP, a change of the file or of what it names, and 'aggregator reload' put a new configuration in force without
dropping a connection; a wrong one is refused and logged.

` + flags.ConfigHelp +
			` These are: Forward on 127.0.0.1:24224, the queue in ./data, files under ./data/archive, status on
127.0.0.1:9880.`,
		Example: `  aggregator run
  aggregator run -c /etc/aggregator/aggregator.yaml
  aggregator run -c /etc/aggregator/conf.d         # all of its *.yaml files are one configuration`,
		Args: flags.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runServer(cmd.Context(), &c, cmd.ErrOrStderr())
		},
	}
	c.Register(cmd, "configuration `file` or directory; may come several times")
	return cmd
}

// runServer runs the program with a configuration, logging to logs.
func runServer(ctx context.Context, c *flags.Config, logs io.Writer) error {
	loaded, err := c.Load(config.Options{Verify: app.VerifyCertificates})
	if err != nil {
		return err
	}
	cfg := loaded.Config
	log, terminal := terminal.NewLogger(cfg.Log, logs)
	for _, w := range cfg.Warnings {
		log.Warn().Msg(w)
	}
	v, commit, _ := versionInfo()
	opts := app.Options{ConfigHash: loaded.Hash, Version: v, Commit: commit, Log: log, LimitMemory: true}
	paths := c.Paths()
	if len(paths) > 0 {
		opts.ConfigSource = c.Source()
		opts.Load = func() (app.Loaded, error) { return flags.LoadConfig(paths, config.Options{}) }
	}
	sockets, err := systemd.Inherit(os.Getenv, os.Getpid())
	if err != nil {
		return err
	}
	defer func() { _ = sockets.Close() }() // those that are left serve nobody
	opts.Inherited = sockets.Take
	a, err := app.New(ctx, cfg, opts)
	if err != nil && ctx.Err() != nil {
		log.Info().AnErr("cause", err).Msg("stopped while it was starting")
		return nil
	}
	if err != nil {
		return err
	}
	if left := sockets.Left(); len(left) > 0 {
		log.Error().Strs("sockets", left).
			Msg("systemd listens on sockets that no listener takes, and who connects there waits " +
				"for nothing: write FileDescriptorName= with the name of one in listeners, or its address")
	}
	log.Info().Str("version", v).Str("commit", commit).Str("config", c.Source()).Msg("aggregator starts")
	for i, addr := range a.ListenerAddrs() {
		log.Info().Str("listener", cfg.Listeners[i].Name).Stringer("address", addr).Msg("listening")
	}
	log.Info().Str("status", a.StatusURL()+"/status").Stringer("address", a.StatusAddr()).Msg("listening")
	place := absolute(cfg.Buffer.Path)
	if cfg.Buffer.JetStream != nil {
		place = cfg.Buffer.Place()
	}
	log.Info().Str("path", place).Msg("queue and dead letters are here")
	if terminal || len(paths) == 0 {
		log.Info().Msgf("try it: echo '{\"message\":\"hello\"}' | aggregator send --address %s", a.ListenerAddrs()[0])
	}
	stop := reloadOnSignal(a)
	defer stop()
	endNotices := notifySystemd(ctx, a, log)
	defer endNotices()
	if err := a.Run(ctx); err != nil {
		return err
	}
	log.Info().Msg("stopped")
	return nil
}

// notifySystemd tells systemd, where it has started the program, that it is ready, that it stops once ctx ends, and
// that it is alive as long as its loops turn, also during the stop, until end is called.
func notifySystemd(ctx context.Context, a *app.App, log zerolog.Logger) (end func()) {
	n := systemd.New(os.Getenv, os.Getpid())
	alive, endWatch := context.WithCancel(context.WithoutCancel(ctx))
	tell := func(state string) {
		if err := n.Notify(alive, state); err != nil {
			log.Warn().Err(err).Msg("systemd does not know how the program is")
		}
	}
	tell(systemd.Ready)
	withdraw := context.AfterFunc(ctx, func() { tell(systemd.Stopping) })
	var watching sync.WaitGroup
	watching.Go(func() { n.Watch(alive, a.Healthy) })
	return func() {
		withdraw()
		endWatch()
		watching.Wait()
	}
}

// reloadOnSignal makes SIGHUP read the configuration again, until stop is called.
func reloadOnSignal(a *app.App) (stop func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP)
	var reloader sync.WaitGroup
	reloader.Go(func() {
		for range signals {
			// It is logged and shown by the status.
			_, _ = a.Reload()
		}
	})
	return func() {
		signal.Stop(signals)
		close(signals)
		reloader.Wait()
	}
}

// absolute returns path as seen from the root, for people who look for it.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}
