package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/seed-afc6a195/aggregator/internal/systemd"
	"github.com/seed-afc6a195/aggregator/pkg/app"
	"github.com/seed-afc6a195/aggregator/pkg/config"
)

func newRunCommand() *cobra.Command {
	var c configFlag
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the aggregator",
		Long: `Runs until SIGTERM or SIGINT, then stores and acknowledges the messages in hand, lets the outputs finish
what is in flight, and exits with 0, within shutdown_timeout. What is not delivered by then is delivered after the next
start. A second signal ends it at once, which loses nothing that was acknowledged. Where a disk or an output hangs, it
exits with 1 once the time is over, which loses nothing either.

SIGHUP, a change of the file or of what it names, and 'aggregator reload' put a new configuration in force without
dropping a connection; a wrong one is refused and logged.

` + configHelp + ` These are: Forward on 127.0.0.1:24224, the queue in ./data, files under ./data/archive, status on
127.0.0.1:9880.`,
		Example: `  aggregator run
  aggregator run -c /etc/aggregator/aggregator.yaml
  aggregator run -c /etc/aggregator/conf.d         # all of its *.yaml files are one configuration`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runServer(cmd.Context(), &c, cmd.ErrOrStderr())
		},
	}
	c.register(cmd, "configuration `file` or directory; may come several times")
	return cmd
}

// runServer runs the program with a configuration, logging to logs.
func runServer(ctx context.Context, c *configFlag, logs io.Writer) error {
	loaded, err := c.load(config.Options{Verify: app.VerifyCertificates})
	if err != nil {
		return err
	}
	cfg := loaded.Config
	log, terminal := newLogger(cfg.Log, logs)
	for _, w := range cfg.Warnings {
		log.Warn().Msg(w)
	}
	v, commit, _ := versionInfo()
	opts := app.Options{ConfigHash: loaded.Hash, Version: v, Commit: commit, Log: log, LimitMemory: true}
	paths := c.paths()
	if len(paths) > 0 {
		opts.ConfigSource = c.source()
		opts.Load = func() (app.Loaded, error) { return loadConfig(paths, config.Options{}) }
	}
	a, err := app.New(ctx, cfg, opts)
	if err != nil && ctx.Err() != nil {
		log.Info().AnErr("cause", err).Msg("stopped while it was starting")
		return nil
	}
	if err != nil {
		return err
	}
	log.Info().Str("version", v).Str("commit", commit).Str("config", c.source()).Msg("aggregator starts")
	for i, addr := range a.ListenerAddrs() {
		log.Info().Str("listener", cfg.Listeners[i].Name).Stringer("address", addr).Msg("listening")
	}
	log.Info().Str("status", a.StatusURL()+"/status").Stringer("address", a.StatusAddr()).Msg("listening")
	log.Info().Str("path", absolute(cfg.Buffer.Path)).Msg("queue and dead letters are here")
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

// notifySystemd tells systemd, where it has started the program, that it is ready, that it stops once ctx ends, and that it is
// alive as long as its loops turn, also during the stop, until end is called.
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
			_, _ = a.Reload() // it is logged and shown by the status
		}
	})
	return func() {
		signal.Stop(signals)
		close(signals)
		reloader.Wait()
	}
}

// newLogger returns the program's logger, and whether a person watches it.
func newLogger(cfg config.Log, out io.Writer) (log zerolog.Logger, terminal bool) {
	if f, ok := out.(*os.File); ok {
		terminal = term.IsTerminal(int(f.Fd()))
	}
	level, err := zerolog.ParseLevel(cfg.Level)
	if err != nil {
		level = zerolog.InfoLevel
	}
	if cfg.Format == "console" || cfg.Format == "auto" && terminal {
		out = zerolog.ConsoleWriter{Out: out, TimeFormat: "15:04:05.000", NoColor: !colored(out), FormatPrepare: printableFields}
	} else {
		out = printableJSON{out}
	}
	return zerolog.New(zerolog.SyncWriter(out)).Level(level).Hook(zerolog.HookFunc(stamp)), terminal
}

// stamp adds the time to a line of the log, to the millisecond. zerolog's own has whole seconds, unless all loggers of a
// process change together.
func stamp(e *zerolog.Event, _ zerolog.Level, _ string) {
	e.Str(zerolog.TimestampFieldName, time.Now().Format("2006-01-02T15:04:05.000Z07:00"))
}

// absolute returns path as seen from the root, for people who look for it.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}
