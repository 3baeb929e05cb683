package main

import (
	"github.com/spf13/cobra"

	"github.com/seed-afc6a195/aggregator/cmd/aggregator/internal/flags"
	"github.com/seed-afc6a195/aggregator/internal/sizing"
	"github.com/seed-afc6a195/aggregator/pkg/config"
)

// completeFlags makes the values of flags complete in cmd and the commands below it.
func completeFlags(cmd *cobra.Command) {
	given := func(cmd *cobra.Command) []string {
		// A command without the flag has the others' rule.
		paths, _ := cmd.Flags().GetStringArray("config")
		return paths
	}
	fixed := func(values ...string) cobra.CompletionFunc {
		return cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)
	}
	named := func(names func(*config.Config) []string) cobra.CompletionFunc {
		return func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
			if cfg := flags.Configured(given(cmd)); cfg != nil {
				return names(cfg), cobra.ShellCompDirectiveNoFileComp
			}
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
	}
	outputs := named((*config.Config).OutputNames)
	for flag, values := range map[string]cobra.CompletionFunc{
		"output":   outputs,
		"to":       outputs,
		"outputs":  fixed(sizing.OutputTypes()...),
		"cluster":  named((*config.Config).ClusterNames),
		"route":    named((*config.Config).Matches),
		"reason":   fixed("rejected", "too_large", "unrouted", "tag_not_allowed", "max_attempts", "max_age", "damaged"),
		"mode":     fixed("packed", "forward", "message"),
		"compress": fixed("none", "gzip", "zstd"),
		"format":   fixed("auto", "json", "text"),
	} {
		if cmd.Name() == "send" && flag == "output" {
			// There it is the result's form.
			values = fixed("text", "json")
		}
		if cmd.Flags().Lookup(flag) != nil {
			// It is there.
			_ = cmd.RegisterFlagCompletionFunc(flag, values)
		}
	}
	for _, c := range cmd.Commands() {
		completeFlags(c)
	}
}
