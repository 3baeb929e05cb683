package live

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"

	tea "charm.land/bubbletea/v2"
	"github.com/spf13/cobra"

	"github.com/seed-afc6a195/aggregator/cmd/aggregator/internal/flags"
	"github.com/seed-afc6a195/aggregator/cmd/aggregator/internal/terminal"
	"github.com/seed-afc6a195/aggregator/internal/top"
	"github.com/seed-afc6a195/aggregator/pkg/status/client"
)

func newTopCommand() *cobra.Command {
	var f serverFlags
	cmd := &cobra.Command{
		Use: "top", Short: "The status page in a terminal: what is wrong, outputs and clusters, live",
		Args: flags.NoArgs,
		Long: `Shows whether all is well, the queue, outputs and clusters, live. Keys choose an output, look at it
closer, sort, and pause, resume or retry it, after a question; g shows the pods that share the queue. Where the output
is no terminal it shows all of that once.

` + flags.AskHelp,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := f.Ask(cmd)
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			model := top.New(cmd.Context(), top.Options{Server: topServer{c}, Color: terminal.Colored(out)})
			if !terminal.IsTerminal(out) || !terminal.IsTerminal(cmd.InOrStdin()) {
				return showOnce(out, model)
			}
			_, err = tea.NewProgram(model, tea.WithContext(cmd.Context()), tea.WithInput(cmd.InOrStdin()),
				tea.WithOutput(out)).Run()
			if errors.Is(err, tea.ErrProgramKilled) && cmd.Context().Err() != nil {
				return nil //nolint:nilerr // a signal has ended it, so it is no failure
			}
			return err
		},
	}
	f.Register(cmd)
	return cmd
}

// onceRows is how many rows are shown where there is no terminal to say how many it has.
const (
	onceRows  = 200
	onceWidth = 160
)

// showOnce shows what there is to see, and ends.
func showOnce(out io.Writer, model *top.Model) error {
	model.Update(tea.WindowSizeMsg{Width: onceWidth, Height: onceRows})
	model.Update(model.Init()())
	if err := model.Trouble(); err != nil {
		return flags.Explained(err)
	}
	_, err := io.WriteString(out, model.Text())
	return err
}

// topServer is a running server, asked through its status endpoint.
type topServer struct{ client *client.Client }

// State implements top.Server.
func (s topServer) State(ctx context.Context) (state top.State, err error) {
	return state, s.client.Get(ctx, "status", nil, &state)
}

// ControlOutput implements top.Server.
func (s topServer) ControlOutput(ctx context.Context, output, what string) (string, error) {
	said, err := s.client.Post(ctx, "outputs/"+url.PathEscape(output)+"/"+what, nil)
	if err != nil {
		return "", fmt.Errorf("%s output %s: %w", what, output, err)
	}
	return said, nil
}
