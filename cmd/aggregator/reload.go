package main

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/seed-afc6a195/aggregator/internal/safetext"
	"github.com/seed-afc6a195/aggregator/pkg/status/client"
)

func newReloadCommand() *cobra.Command {
	var f serverFlags
	cmd := &cobra.Command{
		Use: "reload", Short: "Have the running server read its configuration again", Args: noArgs,
		Long: `Has the running server read its configuration again and put it in force, and says what it answers: a
wrong one is refused, whole, and the one before stays in force (exit code 2).

` + askHelp,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := f.ask(cmd)
			if err != nil {
				return err
			}
			said, err := c.Post(cmd.Context(), "reload", nil)
			var refused *client.RefusedError
			if errors.As(err, &refused) && refused.Code == http.StatusUnprocessableEntity {
				return usageError{errors.New(refused.Words)}
			}
			if err != nil {
				return explained(err)
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), safetext.Lines(said))
			return err
		},
	}
	f.register(cmd)
	return cmd
}
