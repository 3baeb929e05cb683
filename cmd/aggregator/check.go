package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/seed-afc6a195/aggregator/pkg/app"
)

func newCheckCommand() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Validate a configuration and say what it does",
		Long: `Reads the configuration as run would, with its environment variables and files, and names every mistake with its line
and what to do. Without mistakes it prints what the configuration does. Secrets are never printed.`,
		Example: `  aggregator check -c aggregator.yaml`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, err := loadConfig(path)
			if err != nil {
				return err
			}
			if err := app.Check(loaded.Config); err != nil {
				return usageError{err}
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: the configuration is right\n%s", orDefaults(path), loaded.Config.Summary())
			return err
		},
	}
	cmd.Flags().StringVarP(&path, "config", "c", "", "configuration `file`; none: the defaults")
	return cmd
}
