// Command aggregator is a central log aggregator: it takes events from Fluent Bit and fluentd agents over the Forward
// protocol, stores them durably, acknowledges them, and delivers them to their destinations.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-afc6a195/aggregator/cmd/aggregator/internal/deadletters"
	"github.com/seed-afc6a195/aggregator/cmd/aggregator/internal/flags"
	"github.com/seed-afc6a195/aggregator/cmd/aggregator/internal/live"
	"github.com/seed-afc6a195/aggregator/internal/safetext"
)

// Stamped in by the linker, see Taskfile.yml; versionInfo falls back to what the Go toolchain recorded.
var version, commit, date string

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	// exitUsage is for wrong usage or configuration.
	exitUsage = 2
)

// lastWords is how long writing the error that ends the program may take.
const lastWords = time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// After the first signal the runtime has signals back: a second one ends the process at once, which the queue
	// makes safe.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run executes one command line and returns the exit code.
func run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	root := newRootCommand()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	hold(root)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	said := make(chan struct{})
	// Left alone where nobody reads it, which the exit must not wait for.
	go func() {
		defer close(said)
		// There is nowhere else to say it.
		_, _ = fmt.Fprintln(errOut, "aggregator:", safetext.Lines(err.Error()))
	}()
	select {
	case <-said:
	case <-time.After(lastWords):
	}
	if flags.IsWrongUsage(err) {
		return exitUsage
	}
	return exitFailed
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "aggregator",
		Short: "A central log aggregator for Fluent Bit and fluentd agents",
		Long: `aggregator takes events from Fluent Bit and fluentd agents over the Forward protocol, stores them on
disk before it acknowledges them, routes them by cluster and tag, and delivers them, retrying for as long as it takes.

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration.`,
		Example: `  aggregator run                              # Forward on 127.0.0.1:24224, files under ./data/archive
  echo '{"hello":"world"}' | aggregator send  # send it an event
  aggregator check -c aggregator.yaml         # is this configuration right?`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          flags.OnlyCommands,
		Version:       versionLine(),
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(flags.WrongFlag)
	root.SetVersionTemplate("{{.Version}}\n")
	root.AddCommand(live.Commands()...)
	root.AddCommand(
		newRunCommand(), newCheckCommand(), newSendCommand(), deadletters.NewCommand(), newConvertCommand(),
		newDrainCommand(), newTryCommand(), newTestCommand(), newSizeCommand(), newSchemaCommand(), newManCommand(),
		newVersionCommand(),
	)
	completeFlags(root)
	flags.Fill(root)
	return root
}

// hold makes the commands that cobra brings along refuse what they don't know, as the others do. The output must be
// set already: they remember it.
func hold(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		switch c.Name() {
		case "help":
			c.RunE, c.Run = flags.HelpOn, nil
		case "completion":
			c.Args, c.RunE = flags.OnlyCommands, func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
			for _, shell := range c.Commands() {
				shell.Args = flags.NoArgs
			}
		}
	}
}
