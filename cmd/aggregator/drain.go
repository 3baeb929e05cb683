package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/seed-afc6a195/aggregator/cmd/aggregator/internal/flags"
	"github.com/seed-afc6a195/aggregator/cmd/aggregator/internal/terminal"
	"github.com/seed-afc6a195/aggregator/internal/sender"
	"github.com/seed-afc6a195/aggregator/pkg/app"
	"github.com/seed-afc6a195/aggregator/pkg/config"
)

const drainLong = `Delivers what the data directory of a server that does not run any more still holds, accepts
nothing, and exits with 0 once nothing is left: for the volume of a replica that a scale-down has left behind, or
before a directory is deleted. A queue on JetStream is drained of what it holds at the moment, whether others of its
group run or not. It retries as run does, until --timeout, if given, or SIGTERM. What it could not deliver
stays, and the next drain or run goes on with it.

Events that wait for an output that the configuration does not have any more can't be delivered: they are named, and the
exit code is 1, unless --ignore-unconfigured says that they don't matter. Dead letters stay: see 'aggregator dead'.

With --to nothing is delivered: what waits, what waits aside for a target and the dead letters are handed over to
another aggregator, whose listener has handover. It gets them with all that is owed, under the same event ids, and
knows what it has, so a handover may be killed and begun again on either side. Nothing is left then: the exit code is 0
only when the directory holds no event any more.

The status endpoint is served, so that probes and dashboards see the drain; where its port is taken, the drain goes on
without it.

` + flags.ConfigHelp + `

Exit codes: 0 nothing is left, 1 something is, 2 wrong usage or configuration.`

// drainFlags is what the user may say.
type drainFlags struct {
	config             flags.Config
	timeout            time.Duration
	noStatus           bool
	ignoreUnconfigured bool
	handover           handoverFlags
}

func newDrainCommand() *cobra.Command {
	f := drainFlags{handover: handoverFlags{Peer: flags.Peer{Getenv: os.LookupEnv}}}
	cmd := &cobra.Command{
		Use: "drain", Short: "Deliver what a data directory still holds", Long: drainLong, Args: flags.NoArgs,
		Example: `  aggregator drain -c /etc/aggregator/aggregator.yaml
  aggregator drain -c aggregator.yaml --timeout 10m --ignore-unconfigured
  aggregator drain -c aggregator.yaml --to aggregator-0.logging:24230 --shared-key-file key --ca-file ca.pem`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.timeout < 0 {
				return flags.WrongUsage(fmt.Errorf("--timeout %v: must not be negative", f.timeout))
			}
			if _, err := f.handover.check(); err != nil {
				return err
			}
			return f.run(cmd)
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	f.config.Register(cmd, "configuration `file` or directory; may come several times")
	fs.DurationVar(&f.timeout, "timeout", 0, "give up after this time; 0: never")
	fs.BoolVar(&f.ignoreUnconfigured, "ignore-unconfigured", false,
		"exit with 0 although events wait for outputs that are not configured")
	fs.BoolVar(&f.noStatus, "no-status", false, "serve no status endpoint")
	f.handover.register(cmd)
	return cmd
}

func (f *drainFlags) run(cmd *cobra.Command) error {
	loaded, err := f.config.Load(config.Options{Verify: app.VerifyCertificates})
	if err != nil {
		return err
	}
	f.config.Tell(cmd.ErrOrStderr())
	cfg := loaded.Config
	if f.handover.to != "" {
		return f.handover.run(cmd, cfg, f.timeout)
	}
	dir, err := drained(cfg)
	if err != nil {
		return err
	}
	log, _ := terminal.NewLogger(cfg.Log, cmd.ErrOrStderr())
	// The rest is what the command itself prints.
	log = log.Level(max(log.GetLevel(), zerolog.WarnLevel))
	v, c, _ := versionInfo()
	opts := app.Options{
		ConfigSource: strings.Join(f.config.Paths(), ", "), ConfigHash: loaded.Hash, Version: v, Commit: c, Log: log,
		LimitMemory: true, Drain: true, NoStatus: f.noStatus,
	}
	a, err := app.New(cmd.Context(), cfg, opts)
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	if f.timeout > 0 {
		var done context.CancelFunc
		ctx, done = context.WithTimeout(ctx, f.timeout)
		defer done()
	}
	began := time.Now()
	var at atomic.Pointer[app.Drained]
	at.Store(new(app.Drained))
	bar := terminal.NewProgress(cmd.ErrOrStderr(), began)
	stop := bar.Start(200*time.Millisecond, func() sender.Progress {
		d := at.Load()
		done := d.Found - d.Pending()
		return sender.Progress{Done: uint64(max(0, done)), Fraction: min(1, float64(done)/float64(max(1, d.Found)))}
	})
	result, err := a.Drain(ctx, func(d app.Drained) { at.Store(&d) })
	stop()
	if err := f.report(cmd.OutOrStdout(), &result, dir, time.Since(began)); err != nil {
		return err
	}
	return errors.Join(f.left(&result, dir, ctx.Err()), err)
}

// drained says what is drained. A data directory must be there.
func drained(cfg *config.Config) (place string, err error) {
	if cfg.Buffer.JetStream != nil {
		return cfg.Buffer.Place(), nil
	}
	dir := absolute(cfg.Buffer.Path)
	if err := app.DataDirectory(cfg); err != nil {
		return "", fmt.Errorf("there is no data directory to drain (buffer.path): %w", err)
	}
	return dir, nil
}

// report prints what was done.
func (f *drainFlags) report(out io.Writer, d *app.Drained, dir string, took time.Duration) error {
	var b strings.Builder
	switch {
	case d.Found == 0 && d.Unknown != nil:
		fmt.Fprintf(&b, "it is not known what waits in %s", dir)
	case d.Found == 0:
		fmt.Fprintf(&b, "nothing waited in %s", dir)
	default:
		fmt.Fprintf(&b, "delivered %d of the %d events that waited in %s, in %v", d.Delivered, d.Found, dir,
			took.Round(100*time.Millisecond))
	}
	if d.Dropped > 0 {
		fmt.Fprintf(&b, "; %d were dropped, by filters or for damage", d.Dropped)
	}
	if d.Dead > 0 {
		fmt.Fprintf(&b, "; %d became dead letters", d.Dead)
	}
	b.WriteByte('\n')
	for i := range d.Left {
		if l := &d.Left[i]; !l.Configured && f.ignoreUnconfigured {
			fmt.Fprintf(&b, "%d events for output %s, which is not configured, stay there\n", l.Events, l.Output)
		}
	}
	if d.DeadLetters > 0 {
		fmt.Fprintf(&b,
			"dead letters with %d events stay there: 'aggregator dead %s' shows them, and can send "+
				"them again\n", d.DeadLetters, f.offline(dir))
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// offline returns the flags with which other commands look into what was drained.
func (f *drainFlags) offline(place string) string {
	if filepath.IsAbs(place) {
		return "--data-dir " + place
	}
	return "--offline"
}

// left returns an error that says what is left, for whom and why, nil where nothing that matters is. ended is why the
// drain ended before its time.
func (f *drainFlags) left(d *app.Drained, dir string, ended error) error {
	var lines []string
	matters := false
	for i := range d.Left {
		b := &d.Left[i]
		var clusters []string
		for _, c := range b.Clusters {
			clusters = append(clusters, fmt.Sprintf("%d of cluster %s", c.Events, c.Cluster))
		}
		why := "it was not done yet"
		switch {
		case !b.Configured:
			why = "the configuration has no output of that name"
		case b.LastError != "":
			why = b.LastError
		}
		matters = matters || b.Configured || !f.ignoreUnconfigured
		lines = append(lines,
			fmt.Sprintf("  output %s: %d events in %d chunks (%s): %s", b.Output, b.Events, b.Chunks,
				strings.Join(clusters, ", "), why))
	}
	reason := ""
	switch {
	case errors.Is(ended, context.DeadlineExceeded):
		reason = fmt.Sprintf(" after %v (--timeout)", f.timeout)
	case ended != nil:
		reason = ", as the drain was told to stop"
	}
	var unknown error
	if d.Unknown != nil {
		unknown = fmt.Errorf("more may be left in %s than is known%s: %w: drain it again", dir, reason, d.Unknown)
	}
	if !matters {
		return unknown
	}
	return errors.Join(
		fmt.Errorf("%d events are left in %s%s:\n%s", d.Pending(), dir, reason, strings.Join(lines, "\n")), unknown)
}
