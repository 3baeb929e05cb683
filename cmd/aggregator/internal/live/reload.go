package live

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/seed-afc6a195/aggregator/cmd/aggregator/internal/flags"
	"github.com/seed-afc6a195/aggregator/internal/safetext"
	"github.com/seed-afc6a195/aggregator/pkg/status/client"
)

func newReloadCommand() *cobra.Command {
	var f serverFlags
	cmd := &cobra.Command{
		Use: "reload", Short: "Have the running server read its configuration again", Args: flags.NoArgs,
		Long: `Has the running server read its configuration again and put it in force, and says what it answers: a
wrong one is refused, whole, and the one before stays in force (exit code 2).

` + flags.AskHelp,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := f.Ask(cmd)
			if err != nil {
				return err
			}
			said, err := c.Post(cmd.Context(), "reload", nil)
			var refused *client.RefusedError
			if errors.As(err, &refused) && refused.Code == http.StatusUnprocessableEntity {
				return flags.WrongUsage(errors.New(refused.Words))
			}
			if err != nil {
				return flags.Explained(err)
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), safetext.Lines(said))
			return err
		},
	}
	f.Register(cmd)
	return cmd
}
