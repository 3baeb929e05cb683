package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
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

	"github.com/seed-afc6a195/aggregator/pkg/app"
	"github.com/seed-afc6a195/aggregator/pkg/config"
)

func newRunCommand() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the aggregator",
		Long: `Runs until SIGTERM or SIGINT, then stores and acknowledges the messages in hand, lets the outputs finish what is in
flight, and exits with 0, within shutdown_timeout. What is not delivered by then is delivered after the next start. A
second signal ends it at once, which loses nothing that was acknowledged. Where a disk or an output hangs, it exits with 1
once the time is over, which loses nothing either.

SIGHUP, a change of the file or of what it names, and POST /reload at the status endpoint put a new configuration in force
without dropping a connection; a wrong one is refused and logged.

Without -c: Forward on 127.0.0.1:24224, the queue in ./data, files under ./data/archive, status on 127.0.0.1:9880.`,
		Example: `  aggregator run
  aggregator run -c /etc/aggregator/aggregator.yaml`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runServer(cmd.Context(), path, cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVarP(&path, "config", "c", "", "configuration `file`; none: the defaults")
	return cmd
}

// runServer runs the program with the configuration file at path, "" for the defaults, logging to logs.
func runServer(ctx context.Context, path string, logs io.Writer) error {
	loaded, err := loadConfig(path)
	if err != nil {
		return err
	}
	cfg := loaded.Config
	log, terminal := newLogger(cfg.Log, logs)
	for _, w := range cfg.Warnings {
		log.Warn().Msg(w)
	}
	v, c, _ := versionInfo()
	opts := app.Options{ConfigSource: path, ConfigHash: loaded.Hash, Version: v, Commit: c, Log: log, LimitMemory: true}
	if path != "" {
		opts.Load = func() (app.Loaded, error) { return loadConfig(path) }
	}
	a, err := app.New(ctx, cfg, opts)
	if err != nil && ctx.Err() != nil {
		log.Info().AnErr("cause", err).Msg("stopped while it was starting")
		return nil
	}
	if err != nil {
		return err
	}
	log.Info().Str("version", v).Str("commit", c).Str("config", orDefaults(path)).Msg("aggregator starts")
	for i, addr := range a.ListenerAddrs() {
		log.Info().Str("listener", cfg.Listeners[i].Name).Stringer("address", addr).Msg("listening")
	}
	log.Info().Str("status", a.StatusURL()+"/status").Stringer("address", a.StatusAddr()).Msg("listening")
	log.Info().Str("path", absolute(cfg.Buffer.Path)).Msg("queue and dead letters are here")
	if terminal || path == "" {
		log.Info().Msgf("try it: echo '{\"message\":\"hello\"}' | aggregator send --address %s", a.ListenerAddrs()[0])
	}
	stop := reloadOnSignal(a)
	defer stop()
	if err := a.Run(ctx); err != nil {
		return err
	}
	log.Info().Msg("stopped")
	return nil
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

// loadConfig reads the configuration file at path, "" for the defaults. The hash is of all files that were read.
func loadConfig(path string) (app.Loaded, error) { return loadConfigFrom(path, config.ReadFile) }

// loadConfigFrom is loadConfig with files read by readFile.
func loadConfigFrom(path string, readFile func(name string) ([]byte, error)) (app.Loaded, error) {
	if path == "" {
		cfg, err := config.Defaults(config.Options{})
		return app.Loaded{Config: cfg}, err
	}
	sum := sha256.New()
	cfg, err := config.Load(path, config.Options{ReadFile: func(name string) ([]byte, error) {
		b, err := readFile(name)
		_, _ = sum.Write(b) // never fails
		return b, err
	}})
	if err != nil {
		var mistakes config.Errors
		if errors.As(err, &mistakes) {
			count := "a mistake"
			if len(mistakes) > 1 {
				count = fmt.Sprintf("%d mistakes", len(mistakes))
			}
			err = usageError{fmt.Errorf("the configuration has %s:\n%w", count, err)}
		}
		return app.Loaded{}, err
	}
	return app.Loaded{Config: cfg, Hash: hex.EncodeToString(sum.Sum(nil)[:6])}, nil
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

func orDefaults(path string) string {
	if path == "" {
		return "defaults"
	}
	return path
}

// absolute returns path as seen from the root, for people who look for it.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}
