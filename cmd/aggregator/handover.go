package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-afc6a195/aggregator/cmd/aggregator/internal/flags"
	"github.com/seed-afc6a195/aggregator/cmd/aggregator/internal/terminal"
	"github.com/seed-afc6a195/aggregator/internal/humanize"
	"github.com/seed-afc6a195/aggregator/internal/safetext"
	"github.com/seed-afc6a195/aggregator/internal/sender"
	"github.com/seed-afc6a195/aggregator/pkg/app"
	"github.com/seed-afc6a195/aggregator/pkg/config"
	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/forward/client"
	"github.com/seed-afc6a195/aggregator/pkg/handover"
)

// handoverFlags are those of drain --to.
type handoverFlags struct {
	flags.Peer
	to     string
	rate   string
	dryRun bool
}

func (f *handoverFlags) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&f.to, "to", "",
		"hand over to the aggregator at this `host:port` or unix:/path, instead of delivering")
	f.RegisterKey(fs, "with --to: the key of its listeners[].handover (or AGGREGATOR_SHARED_KEY)")
	f.RegisterTLS(fs, "-drain")
	fs.StringVar(&f.rate, "rate", "", "with --to: bytes a second at most, such as 20MiB/s")
	fs.BoolVar(&f.dryRun, "dry-run", false, "with --to: say what would go where, and hand nothing over")
}

// check returns what is wrong with the flags.
func (f *handoverFlags) check() (rate int64, err error) {
	if f.to == "" {
		for _, name := range []string{
			"shared-key", "shared-key-file", "hostname", "tls", "ca-file", "server-name", "cert-file", "key-file",
			"insecure", "rate", "dry-run",
		} {
			if f.Given(name) {
				return 0, flags.WrongUsage(
					fmt.Errorf("--%s goes with --to, which says where what waits is handed over to", name))
			}
		}
		return 0, nil
	}
	if err := (client.Config{Address: f.to}).Check(); err != nil {
		return 0, flags.WrongUsage(fmt.Errorf("--to: %w", err))
	}
	if (f.CertFile == "") != (f.KeyFile == "") {
		return 0, flags.WrongUsage(errors.New("--cert-file and --key-file: give both or none"))
	}
	if f.Given("shared-key") && f.Given("shared-key-file") {
		return 0, flags.WrongUsage(errors.New("--shared-key and --shared-key-file: give one of them"))
	}
	if f.rate != "" {
		r, err := setting.ParseRate(f.rate)
		if err != nil {
			return 0, flags.WrongUsage(fmt.Errorf("--rate: %w", err))
		}
		rate = int64(r)
	}
	return rate, nil
}

// client returns how the other aggregator is reached.
func (f *handoverFlags) client() (client.Config, error) {
	cfg := client.Config{Address: f.to}
	key, set, err := f.Key()
	if err != nil {
		return cfg, err
	}
	if !set || key == "" {
		return cfg, flags.WrongUsage(
			errors.New(
				"--to needs --shared-key, --shared-key-file or AGGREGATOR_SHARED_KEY: the key of the other " +
					"aggregator's listeners[].handover",
			))
	}
	cfg.Login = &client.Login{SharedKey: key, Hostname: f.OwnName("-drain"), Handover: true}
	cfg.TLS, err = f.TLSConfig()
	return cfg, err
}

// run hands over what the data directory of cfg holds.
func (f *handoverFlags) run(cmd *cobra.Command, cfg *config.Config, timeout time.Duration) error {
	rate, err := f.check()
	if err != nil {
		return err
	}
	to, err := f.client()
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	if timeout > 0 {
		var done context.CancelFunc
		ctx, done = context.WithTimeout(ctx, timeout)
		defer done()
	}
	log, _ := terminal.NewLogger(config.Log{Level: "warn", Format: "console"}, cmd.ErrOrStderr())
	return app.HandOver(ctx, cfg, log, func(s *handover.Sender) error {
		s.Client, s.Rate = to, rate
		if f.dryRun {
			terms, err := s.Ask(ctx)
			return errors.Join(f.printPlan(cmd.OutOrStdout(), s.Pending(), terms, err == nil), f.explained(err))
		}
		began := time.Now()
		r, err := f.send(ctx, cmd.ErrOrStderr(), s)
		if err == nil || r.Events+r.Letters > 0 {
			err = errors.Join(f.report(cmd.OutOrStdout(), &r, time.Since(began)), err)
		}
		return f.left(s.Pending(), &r, cfg.Buffer.Place(), err)
	})
}

// send runs s, and shows on a terminal how far it is.
func (f *handoverFlags) send(ctx context.Context, errOut io.Writer, s *handover.Sender) (handover.Result, error) {
	// found is how many events there are for all who want them, at most.
	var found int64
	for _, p := range s.Pending() {
		found += p.Events
	}
	bar := terminal.NewProgress(errOut, time.Now())
	var given atomic.Int64
	s.Progress = func(p handover.Progress) { given.Store(p.Events) }
	s.Retrying = func(err error) { bar.Notice("trying again: %s", safetext.Lines(err.Error())) }
	stop := bar.Start(200*time.Millisecond, func() sender.Progress {
		n := given.Load()
		return sender.Progress{Done: uint64(n), Fraction: min(1, float64(n)/float64(max(1, found)))}
	})
	defer stop()
	return s.Run(ctx)
}

// explained adds to an error what the user may do.
func (f *handoverFlags) explained(err error) error {
	switch {
	case errors.Is(err, client.ErrNoHandover):
		return fmt.Errorf(
			"%w: %s is no aggregator, or the listener there has no handover: set listeners[].handover in its "+
				"configuration", err, f.to,
		)
	case errors.Is(err, client.ErrLogin):
		return fmt.Errorf("%w: give the shared_key of the handover of its listener", err)
	}
	return err
}

// printPlan says what would be handed over; asked: terms are what the other aggregator says to it.
func (f *handoverFlags) printPlan(out io.Writer, pending []handover.Pending, terms handover.Terms, asked bool) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(cells ...string) {
		for _, cell := range cells {
			// Flush says what went wrong.
			_, _ = fmt.Fprint(w, safetext.Lines(cell), "\t")
		}
		_, _ = fmt.Fprintln(w)
	}
	line("cluster", "output", "waits for", "events", "chunks", "bytes", "")
	for _, p := range pending {
		note := ""
		switch {
		case asked && !slices.Contains(terms.Clusters, p.Cluster):
			note = "not taken by " + f.to
		case asked && slices.Contains(terms.Unknown, p.Output):
			note = "not configured there: it waits until it is"
		}
		if p.Output == "" {
			line(p.Cluster, "(dead letters)", "", strconv.FormatInt(p.Events, 10), "", "", note)
			continue
		}
		line(p.Cluster, p.Output, p.Target, strconv.FormatInt(p.Events, 10), strconv.FormatInt(p.Chunks, 10),
			humanize.Bytes(float64(p.Bytes)), note)
	}
	return w.Flush()
}

// report prints what was done.
func (f *handoverFlags) report(out io.Writer, r *handover.Result, took time.Duration) error {
	text := fmt.Sprintf("handed over %d events and %d dead letters to %s in %v\n", r.Events, r.Letters, f.to,
		took.Round(100*time.Millisecond))
	if len(r.Unknown) > 0 {
		text += fmt.Sprintf("not configured there: %s. What they are owed waits there until they are, or is purged\n",
			strings.Join(r.Unknown, ", "))
	}
	_, err := io.WriteString(out, safetext.Lines(text))
	return err
}

// left returns an error that says what is left and why, nil where nothing is.
func (f *handoverFlags) left(pending []handover.Pending, r *handover.Result, dir string, cause error) error {
	if len(pending) == 0 && cause == nil {
		return nil
	}
	var events, dead int64
	for _, p := range pending {
		if p.Output == "" {
			dead += p.Events
		} else {
			events += p.Events
		}
	}
	var lines []string
	for _, cluster := range slices.Sorted(maps.Keys(r.Refused)) {
		lines = append(lines,
			fmt.Sprintf("  cluster %s: %d events, which %s does not take over: name it in "+
				"listeners[].handover.clusters there",
				cluster, r.Refused[cluster], f.to))
	}
	if cause != nil {
		lines = append(lines, "  "+f.explained(cause).Error())
	}
	return fmt.Errorf("%d events that outputs want, and %d in dead letters, are left in %s:\n%s", events, dead, dir,
		strings.Join(lines, "\n"))
}
