package live

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/seed-afc6a195/aggregator/cmd/aggregator/internal/flags"
	"github.com/seed-afc6a195/aggregator/cmd/aggregator/internal/terminal"
	"github.com/seed-afc6a195/aggregator/internal/safetext"
	"github.com/seed-afc6a195/aggregator/pkg/status/client"
)

func newOutputCommand() *cobra.Command {
	var f serverFlags
	cmd := &cobra.Command{
		Use:   "output",
		Short: "List, pause, resume, retry or purge outputs of the running server, and what waits for their targets",
		Long: "Steers the outputs of the running server. Who asked for a change stands in its log.\n\n" +
			flags.AskHelp,
		Example: `  aggregator output list
  aggregator output pause es
  aggregator output resume es
  aggregator output retry es              # waits no longer: the destination works again
  aggregator output purge gone --yes      # forgets what waits for it: those events are lost
  aggregator output targets               # which indices, streams or groups take no events, and why
  aggregator output retry es --target logs-a
  aggregator output move es --target logs-a --to archive`,
		Args: flags.OnlyCommands,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	f.Register(cmd)
	list := &cobra.Command{
		Use: "list", Short: "List the outputs, with their state and what is pending", Args: flags.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.listOutputs(cmd) },
	}
	list.Flags().BoolVar(&f.json, "json", false, "as JSON")
	cmd.AddCommand(list,
		f.steerCommand("pause", "Stop delivering to outputs: what comes waits in the queue",
			"Pauses outputs until they are resumed or the server starts again. What comes for them waits "+
				"in the queue."),
		f.steerCommand("resume", "Deliver to paused outputs again",
			"Resumes outputs that are paused. What waits to be sent again is sent at once."),
		f.retryOutputs(), f.listTargets(), f.moveTarget(), f.purgeOutputs())
	return cmd
}

func (f *serverFlags) listOutputs(cmd *cobra.Command) error {
	q, err := f.pending(cmd, flags.Offline{})
	if err != nil {
		return err
	}
	if f.json {
		return writeJSON(cmd.OutOrStdout(), q.Outputs)
	}
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	// Flush says what went wrong.
	_, _ = fmt.Fprintln(w, "output\tstate\tpending\toldest\tout/s\tdone in")
	for i := range q.Outputs {
		o := &q.Outputs[i]
		_, _ = fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%.0f\t%s\n", safetext.Lines(o.Output), safetext.Lines(o.State), o.Events,
			seconds(o.Oldest), o.Delivered, doneIn(&o.Pending, o.State))
	}
	return w.Flush()
}

// someOutputs holds that outputs are named.
func someOutputs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return flags.WrongUsage(
			fmt.Errorf("%s needs the name of an output; 'aggregator output list' shows them", cmd.Name()),
		)
	}
	return nil
}

func (f *serverFlags) steerCommand(what, short, long string) *cobra.Command {
	return &cobra.Command{
		Use: what + " NAME…", Short: short, Long: long, Args: someOutputs, ValidArgsFunction: f.CompleteOutputs,
		RunE: func(cmd *cobra.Command, args []string) error { return f.controlOutput(cmd, what, args, nil) },
	}
}

// controlOutput asks for a change of each output. Its error names those that were refused.
func (f *serverFlags) controlOutput(cmd *cobra.Command, what string, names []string, query url.Values) error {
	c, err := f.Ask(cmd)
	if err != nil {
		return err
	}
	var wrong []error
	for _, name := range names {
		said, err := c.Post(cmd.Context(), "outputs/"+url.PathEscape(name)+"/"+what, query)
		var refused *client.RefusedError
		switch {
		case errors.As(err, &refused) && refused.Code == http.StatusUnprocessableEntity:
			wrong = append(wrong, errors.New(refused.Words))
		case err != nil:
			wrong = append(wrong, flags.Explained(err))
		default:
			if _, err := fmt.Fprintln(cmd.OutOrStdout(), safetext.Lines(said)); err != nil {
				return err
			}
		}
	}
	return errors.Join(wrong...)
}

func (f *serverFlags) purgeOutputs() *cobra.Command {
	yes, target := false, ""
	cmd := &cobra.Command{
		Use: "purge NAME…", Short: "Forget what waits for outputs: those events are lost", Args: someOutputs,
		ValidArgsFunction: f.CompleteOutputs,
		Long: `Forgets what waits in the queue for outputs. Those events are lost to them, and counted as purged. It
shows what that is and asks; where nobody can be asked it wants --yes. With --target, it is what waits aside for
that target, also of an output that is configured.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !yes && target != "" {
				return flags.WrongUsage(errors.New("purge loses what waits: say --yes"))
			}
			if target != "" {
				return f.controlTarget(cmd, "purge", args, url.Values{"target": {target}, "all": {"true"}})
			}
			if !yes {
				if err := f.sure(cmd, args); err != nil {
					return err
				}
			}
			return f.controlOutput(cmd, "purge", args, url.Values{"all": {"true"}})
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "don't ask")
	cmd.Flags().StringVar(&target, "target", "", "only what waits aside for this `target`")
	return cmd
}

// sure shows what waits for outputs and asks whether it is to be forgotten. Without a yes it returns an error.
func (f *serverFlags) sure(cmd *cobra.Command, names []string) error {
	if !terminal.IsTerminal(cmd.InOrStdin()) {
		return flags.WrongUsage(errors.New("purge loses what waits: with --yes, since nobody can be asked here"))
	}
	q, err := f.pending(cmd, flags.Offline{})
	if err != nil {
		return err
	}
	return surePurge(cmd, &q, names)
}

// surePurge is sure for what q says is pending.
func surePurge(cmd *cobra.Command, q *client.Queue, names []string) error {
	for i := range q.Outputs {
		for _, name := range names {
			if o := &q.Outputs[i]; o.Output == name {
				cmd.PrintErrf("%d events in %d chunks wait for output %s\n", o.Events, o.Chunks,
					safetext.Lines(o.Output))
			}
		}
	}
	return terminal.Confirm(cmd, "Forget what waits for "+safetext.Lines(strings.Join(names, ", ")))
}
