// Package live holds the commands that ask a running server, and show or change what it does.
package live

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-afc6a195/aggregator/cmd/aggregator/internal/flags"
	"github.com/seed-afc6a195/aggregator/cmd/aggregator/internal/terminal"
	"github.com/seed-afc6a195/aggregator/internal/humanize"
	"github.com/seed-afc6a195/aggregator/internal/safetext"
	"github.com/seed-afc6a195/aggregator/pkg/app"
	"github.com/seed-afc6a195/aggregator/pkg/config"
	"github.com/seed-afc6a195/aggregator/pkg/status/client"
)

// serverFlags are those of a command that asks a running server, and shows what it says.
type serverFlags struct {
	flags.Server

	json bool
}

// Commands returns the commands.
func Commands() []*cobra.Command {
	return []*cobra.Command{
		newStatusCommand(), newQueueCommand(), newOutputCommand(), newReloadCommand(), newTraceCommand(),
		newTailCommand(), newTopCommand(),
	}
}

func newQueueCommand() *cobra.Command {
	var f serverFlags
	var off flags.Offline
	cmd := &cobra.Command{
		Use: "queue", Short: "Show what is pending, per output and cluster", Args: flags.NoArgs,
		Long: `Shows for each output and cluster what is not delivered yet: events, chunks, bytes on disk, the age of
the oldest, how many events a second are delivered and come in, and in how long nothing is pending any more if it goes
on like this.

` + flags.AskHelp + ` Where no server runs, --data-dir opens its data directory, and
--offline whatever queue the configuration names. Servers that share a queue on JetStream all show the same, that of
the whole group.`,
		Example: `  aggregator queue
  aggregator queue -c /etc/aggregator/aggregator.yaml --json | jq '.outputs[] | select(.events > 0)'
  aggregator queue --data-dir /var/lib/aggregator/queue`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			q, err := f.pending(cmd, off)
			if err != nil {
				return err
			}
			if f.json {
				return writeJSON(cmd.OutOrStdout(), q)
			}
			return writeQueue(cmd.OutOrStdout(), &q)
		},
	}
	f.Register(cmd)
	off.Register(cmd.Flags())
	cmd.Flags().BoolVar(&f.json, "json", false, "as JSON")
	return cmd
}

func (f *serverFlags) pending(cmd *cobra.Command, off flags.Offline) (q client.Queue, err error) {
	if err := off.Check(f.Set()); err != nil {
		return q, err
	}
	if !off.Set() {
		c, err := f.Ask(cmd)
		if err != nil {
			return q, err
		}
		return q, flags.Explained(c.Get(cmd.Context(), "queue", nil, &q))
	}
	cfg, err := f.Load(&f.Config, true, cmd.ErrOrStderr())
	if err == nil {
		cfg, err = off.Queue(cfg)
	}
	if err != nil {
		return q, err
	}
	log, _ := terminal.NewLogger(config.Log{Level: "warn", Format: "console"}, cmd.ErrOrStderr())
	return app.OfflineQueue(cmd.Context(), cfg, log)
}

// writeJSON writes v as indented JSON in which nothing can steer a terminal.
func writeJSON(out io.Writer, v any) error {
	e := json.NewEncoder(terminal.PrintableJSON(out))
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

func writeQueue(out io.Writer, q *client.Queue) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(cells ...string) {
		for _, cell := range cells {
			// Flush says what went wrong.
			_, _ = fmt.Fprint(w, safetext.Lines(cell), "\t")
		}
		_, _ = fmt.Fprintln(w)
	}
	row("output", "cluster", "events", "chunks", "bytes", "oldest", "out/s", "in/s", "done in", "state")
	each := func(output, cluster, state string, p *client.Pending) {
		row(output, cluster, strconv.FormatInt(p.Events, 10), strconv.FormatInt(p.Chunks, 10),
			humanize.Bytes(float64(p.Bytes)),
			seconds(p.Oldest),
			fmt.Sprintf("%.0f", p.Delivered), fmt.Sprintf("%.0f", p.Queued), doneIn(p, state), state)
	}
	for i := range q.Outputs {
		o := &q.Outputs[i]
		if len(o.Clusters) != 1 {
			each(o.Output, "all", o.State, &o.Pending)
		}
		for j := range o.Clusters {
			each(o.Output, o.Clusters[j].Cluster, o.State, &o.Clusters[j].Pending)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if q.Pods > 0 {
		_, err := fmt.Fprintf(out, "of the queue of %s\n", humanize.Count(q.Pods, "aggregator"))
		if err != nil {
			return err
		}
	}
	if q.Full != "" {
		_, err := fmt.Fprintln(out, safetext.Lines("nothing can be stored: "+q.Full))
		return err
	}
	return nil
}

// keepsUp is how many seconds what waits may be old where it is what has just come.
const keepsUp = 5

// doneIn says when nothing is pending any more.
func doneIn(p *client.Pending, state string) string {
	switch {
	case p.Events == 0, state == app.StateOffline, p.Done == nil && p.Oldest < keepsUp && p.Settled > 0:
		return "-"
	case p.Done == nil:
		return "never"
	}
	return seconds(*p.Done)
}

// seconds shows a time for people.
func seconds(s float64) string {
	// Beyond the longest a Duration overflows, and nobody waits.
	const longest = 1e9
	if s > longest {
		return "years"
	}
	d := time.Duration(s * float64(time.Second))
	if d > time.Second {
		return time.Duration(math.Round(s) * float64(time.Second)).String()
	}
	return d.Round(time.Millisecond).String()
}
