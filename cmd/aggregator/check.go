package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seed-afc6a195/aggregator/cmd/aggregator/internal/flags"
	"github.com/seed-afc6a195/aggregator/pkg/app"
	"github.com/seed-afc6a195/aggregator/pkg/config"
)

func newCheckCommand() *cobra.Command {
	var c flags.Config
	var connect bool
	cmd := &cobra.Command{
		Use:   "check [FILE…]",
		Short: "Validate a configuration and say what it does",
		Long: `Reads the configuration as run would, with its environment variables and files, and names every mistake
with its line and what to do, with those in the files of certificates and keys and in buffer.path. Without mistakes it
prints what the configuration does. Secrets are never printed.

` + flags.ConfigHelp + ` FILE is the same as -c FILE.

With --connect it also reaches every output that a route leads to, without delivering anything, and says in one line for
each what it found or what is wrong: names, TCP, TLS, credentials, privileges, version, compression. It takes each
output's timeout at most, and no more than 30 s. Of a queue on JetStream it says the same first: servers, login,
permissions, version, the stream's settings, when the servers sync.

Exit codes: 1 an output can't be reached or lacks a privilege, 2 the configuration is wrong.`,
		Example: `  aggregator check -c aggregator.yaml
  aggregator check aggregator.yaml --connect`,
		RunE: func(cmd *cobra.Command, args []string) error {
			c.Given = append(c.Given, args...)
			loaded, err := c.Load(config.Options{Verify: app.Verify})
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: the configuration is right\n%s", c.Source(),
				loaded.Config.Summary())
			if err != nil || !connect {
				return err
			}
			return errors.Join(connectQueue(cmd.Context(), loaded.Config, cmd.OutOrStdout()),
				connectOutputs(cmd.Context(), loaded.Config, cmd.OutOrStdout()))
		},
	}
	c.Register(cmd, "configuration `file` or directory; may come several times")
	cmd.Flags().BoolVar(&connect, "connect", false, "also reach every output, and the servers of the queue")
	return cmd
}

// connectQueue prints what was found of the servers that hold the queue, and fails where they can't.
func connectQueue(ctx context.Context, cfg *config.Config, out io.Writer) error {
	failed := false
	for _, f := range app.ConnectQueue(ctx, cfg) {
		failed = failed || f.Fault
		if _, err := fmt.Fprintf(out, "queue: %s\n", f.Text); err != nil {
			return err
		}
	}
	if failed {
		return errors.New("the queue can't be used")
	}
	return nil
}

// connectOutputs prints a line for each output and fails unless all can be reached.
func connectOutputs(ctx context.Context, cfg *config.Config, out io.Writer) error {
	reached := app.Connect(ctx, cfg)
	failed, denied := 0, 0
	for _, r := range reached {
		line := "ok: " + r.Found
		if r.Err != nil {
			line = r.Err.Error()
			if r.Denied {
				denied++
			} else {
				failed++
			}
		}
		if _, err := fmt.Fprintf(out, "%s: %s\n", r.Output, line); err != nil {
			return err
		}
	}
	var wrong []string
	if failed > 0 {
		wrong = append(wrong, fmt.Sprintf("%d of %d outputs can't be reached", failed, len(reached)))
	}
	if denied > 0 {
		wrong = append(wrong, fmt.Sprintf("%d of %d outputs lack a privilege", denied, len(reached)))
	}
	if wrong != nil {
		return errors.New(strings.Join(wrong, "; "))
	}
	return nil
}
