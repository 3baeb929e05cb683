package live

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-afc6a195/aggregator/cmd/aggregator/internal/flags"
	"github.com/seed-afc6a195/aggregator/internal/humanize"
	"github.com/seed-afc6a195/aggregator/internal/safetext"
	"github.com/seed-afc6a195/aggregator/pkg/status/client"
)

func newStatusCommand() *cobra.Command {
	var f serverFlags
	cmd := &cobra.Command{
		Use: "status", Short: "Say whether all is well with the running server, and if not what is wrong",
		Args: flags.NoArgs,
		Long: `Says in a sentence whether all is well, and then what that rests on: what is wrong, whose it is, since
when, and what to do.

Exit codes: 0 all is well, or only warnings; 1 something is critical, or the server can't be asked.

` + flags.AskHelp,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := f.Ask(cmd)
			if err != nil {
				return err
			}
			var s struct {
				Verdict client.Verdict
				Group   *client.Group
			}
			if err := c.Get(cmd.Context(), "status", nil, &s); err != nil {
				return flags.Explained(err)
			}
			if f.json {
				err = writeJSON(cmd.OutOrStdout(), s.Verdict)
			} else {
				err = writeVerdict(cmd.OutOrStdout(), &s.Verdict, s.Group)
			}
			if err == nil && s.Verdict.Severity == client.Critical {
				err = errors.New("not all is well")
			}
			return err
		},
	}
	f.Register(cmd)
	cmd.Flags().BoolVar(&f.json, "json", false, "as JSON")
	return cmd
}

// writeVerdict writes v, and how those are that share the queue, where g is not nil.
func writeVerdict(out io.Writer, v *client.Verdict, g *client.Group) error {
	var b strings.Builder
	fmt.Fprintln(&b, v.Text)
	for i := range v.Findings {
		f := &v.Findings[i]
		fmt.Fprintf(&b, "%s: %s: %s", f.Severity, f.Subject, f.Text)
		if !f.Since.IsZero() {
			fmt.Fprintf(&b, " (since %s)", f.Since.Format(time.RFC3339))
		}
		fmt.Fprintln(&b)
		if f.Remedy != "" {
			fmt.Fprintf(&b, "  what to do: %s\n", f.Remedy)
		}
		if f.Chapter != "" {
			fmt.Fprintf(&b, "  more: %s\n", f.Chapter)
		}
	}
	if g != nil {
		fmt.Fprintf(&b, "the group: %s\n", groupText(g))
	}
	for line := range strings.Lines(b.String()) {
		if _, err := fmt.Fprintln(out, safetext.Lines(strings.TrimSuffix(line, "\n"))); err != nil {
			return err
		}
	}
	return nil
}

// groupText says how many aggregators share the queue, and names those that are not ready.
func groupText(g *client.Group) string {
	ready := 0
	var others []string
	for _, p := range g.Pods {
		switch p.State {
		case "ready":
			ready++
		case "not_ready":
			others = append(others, p.Host+" is not ready")
		}
	}
	return strings.Join(append([]string{humanize.Count(ready, "aggregator") + " ready"}, others...), ", ")
}
