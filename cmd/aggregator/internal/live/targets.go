package live

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-afc6a195/aggregator/cmd/aggregator/internal/flags"
	"github.com/seed-afc6a195/aggregator/internal/safetext"
	"github.com/seed-afc6a195/aggregator/pkg/status/client"
)

func (f *serverFlags) retryOutputs() *cobra.Command {
	target := ""
	cmd := &cobra.Command{
		Use: "retry NAME…", Short: "Try again at once what waits to be sent again", Args: someOutputs,
		ValidArgsFunction: f.CompleteOutputs,
		Long: `Ends every wait of outputs before their next try, also that of servers that rest, whoever wished for
it. With --target, it is only what waits aside for that target.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if target == "" {
				return f.controlOutput(cmd, "retry", args, nil)
			}
			return f.controlTarget(cmd, "retry", args, url.Values{"target": {target}})
		},
	}
	cmd.Flags().StringVar(&target, "target", "", "only what waits aside for this `target`")
	return cmd
}

func (f *serverFlags) moveTarget() *cobra.Command {
	target, to := "", ""
	cmd := &cobra.Command{
		Use: "move NAME --target TARGET", Short: "Send elsewhere what waits aside for a target", Args: someOutputs,
		ValidArgsFunction: f.CompleteOutputs,
		Long: `Has another output, or the same one once more, under its settings of now, deliver what waits aside
for a target. No filter is asked again.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if target == "" {
				return flags.WrongUsage(
					errors.New("move needs --target: 'aggregator output targets' shows what there is"),
				)
			}
			return f.controlTarget(cmd, "move", args, url.Values{"target": {target}, "to": {to}})
		},
	}
	cmd.Flags().StringVar(&target, "target", "", "what waits aside for this `target`")
	cmd.Flags().StringVar(&to, "to", "", "the `output` that it goes to; the same one unless set")
	return cmd
}

// controlTarget asks for a change of what waits aside for a target.
func (f *serverFlags) controlTarget(cmd *cobra.Command, what string, outputs []string, query url.Values) error {
	if len(outputs) != 1 {
		return flags.WrongUsage(errors.New("with --target, name one output"))
	}
	return f.controlOutput(cmd, "targets/"+what, outputs, query)
}

func (f *serverFlags) listTargets() *cobra.Command {
	cmd := &cobra.Command{
		Use: "targets [NAME…]", Short: "Show which targets take no events, and what waits for them",
		Long: `Shows for each output the targets (indices, data streams, streams, groups) that take no events at the
moment: since when, how many events wait aside, why, and what to do. Everything else is delivered meanwhile.`,
		ValidArgsFunction: f.CompleteOutputs,
		RunE:              func(cmd *cobra.Command, args []string) error { return f.writeTargets(cmd, args) },
	}
	cmd.Flags().BoolVar(&f.json, "json", false, "as JSON")
	return cmd
}

// waitingOutput is what the command shows of an output.
type waitingOutput struct {
	Name           string                 `json:"name"`
	WaitingTargets []client.WaitingTarget `json:"waiting_targets"`
	More           int                    `json:"waiting_targets_more"`
}

func (f *serverFlags) writeTargets(cmd *cobra.Command, names []string) error {
	c, err := f.Ask(cmd)
	if err != nil {
		return err
	}
	var status struct {
		Outputs []waitingOutput `json:"outputs"`
	}
	if err := c.Get(cmd.Context(), "status", nil, &status); err != nil {
		return flags.Explained(err)
	}
	status.Outputs = slices.DeleteFunc(status.Outputs, func(o waitingOutput) bool {
		return len(o.WaitingTargets) == 0 || len(names) > 0 && !slices.Contains(names, o.Name)
	})
	if f.json {
		return writeJSON(cmd.OutOrStdout(), status.Outputs)
	}
	if len(status.Outputs) == 0 {
		_, err := fmt.Fprintln(cmd.OutOrStdout(), "no target keeps events waiting")
		return err
	}
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	// Flush says what went wrong.
	_, _ = fmt.Fprintln(w, "output\ttarget\tevents\tsince\twhy\twhat to do")
	for _, o := range status.Outputs {
		for _, t := range o.WaitingTargets {
			why := t.Kind
			if t.Status > 0 {
				why = strconv.Itoa(t.Status) + " " + why
			}
			since := t.Since.Local().Format(time.DateTime)
			_, _ = fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\t%s\n", safetext.Lines(o.Name), safetext.Lines(t.Target),
				t.Events, since, safetext.Lines(why), safetext.Lines(t.Remedy))
		}
		if o.More > 0 {
			_, _ = fmt.Fprintf(w, "%s\tand %d more\n", safetext.Lines(o.Name), o.More)
		}
	}
	return w.Flush()
}
