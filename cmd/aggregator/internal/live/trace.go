package live

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-afc6a195/aggregator/cmd/aggregator/internal/flags"
	"github.com/seed-afc6a195/aggregator/internal/safetext"
	"github.com/seed-afc6a195/aggregator/pkg/status/client"
)

func newTraceCommand() *cobra.Command {
	var f serverFlags
	cmd := &cobra.Command{
		Use: "trace ID", Short: "Say where an event is: pending, waiting, dead or settled",
		Long: `Says where the event is that has this id: the _id of a document in Elasticsearch, the field that
fields.id names, or the event_id of a dead letter. It looks through what is pending, also aside for a target, through
the dead letters, and through the last 100,000 events that outputs were done with since the server started.

Exit codes: 0 it is known; 1 it is not known here, or the server can't be asked; 2 that is no event's id.

` + flags.AskHelp,
		Example: `  aggregator trace kW2Y1nE0mKpJ0m0Vx3b2hA-17`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return flags.WrongUsage(
					fmt.Errorf("give one event's id; '%s --help' says where it stands", cmd.CommandPath()))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := f.Ask(cmd)
			if err != nil {
				return err
			}
			var t client.Trace
			if err := c.Get(cmd.Context(), "trace", url.Values{"id": {args[0]}}, &t); err != nil {
				if refused, ok := errors.AsType[*client.RefusedError](err); ok && refused.Code == 400 {
					return flags.WrongUsage(errors.New(refused.Words))
				}
				return flags.Explained(err)
			}
			if f.json {
				err = writeJSON(cmd.OutOrStdout(), t)
			} else {
				err = writeTrace(cmd.OutOrStdout(), &t)
			}
			if err == nil && len(t.Places) == 0 {
				err = errors.New(
					"not known here: it was settled before the last 100,000 events or the last start, or " +
						"never came here",
				)
			}
			return err
		},
	}
	f.Register(cmd)
	cmd.Flags().BoolVar(&f.json, "json", false, "as JSON")
	return cmd
}

// writeTrace writes a line for each place.
func writeTrace(out io.Writer, t *client.Trace) error {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	var table strings.Builder
	if len(t.Places) > 0 {
		table.WriteString("STATE\tOUTPUT\tCLUSTER\tTAG\tTIME\t\n")
	}
	for i := range t.Places {
		p := &t.Places[i]
		note := ""
		switch p.State {
		case client.TraceWaiting:
			note = "for " + p.Target
		case client.TraceDead:
			note = "letter " + strconv.FormatUint(p.Letter, 10) + ": " + p.Reason
		}
		for _, text := range []string{p.State, p.Output, p.Cluster, p.Tag, p.Time.Format(time.RFC3339)} {
			table.WriteString(safetext.Line(text, ' ') + "\t")
		}
		table.WriteString(safetext.Line(note, ' ') + "\n")
	}
	if _, err := io.WriteString(w, table.String()); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if t.Unread != "" {
		fmt.Fprintln(&b, safetext.Lines("not all was looked at: "+t.Unread))
	}
	_, err := io.WriteString(out, b.String())
	return err
}
