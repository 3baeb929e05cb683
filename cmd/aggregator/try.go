package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/seed-afc6a195/aggregator/cmd/aggregator/internal/flags"
	"github.com/seed-afc6a195/aggregator/cmd/aggregator/internal/terminal"
	"github.com/seed-afc6a195/aggregator/internal/safetext"
	"github.com/seed-afc6a195/aggregator/internal/tryout"
	"github.com/seed-afc6a195/aggregator/pkg/app/routing"
	"github.com/seed-afc6a195/aggregator/pkg/config"
)

func newTryCommand() *cobra.Command {
	var c flags.Config
	var only string
	o := tryout.Options{Now: time.Now}
	cmd := &cobra.Command{
		Use:   "try",
		Short: "Show what becomes of events, step by step",
		Long: `Reads events from standard input, a JSON object or a line of text each, and shows what the configuration
makes of them: the route that takes each, what every step of its filters does, as a diff, and the documents that its
outputs would get. Nothing is sent or stored, and what ${env:…} and ${file:…} name need not be there: it is made up
then. A line that is no JSON object becomes {"log": line}, as with send.

` + flags.ConfigHelp + `

The events are of the cluster and tag that are given, or else of ones that the first route takes. With --route only that
route takes part, whatever the tag: a position, counted from 0, or a pattern that it matches.`,
		Example: `  aggregator try -c aggregator.yaml --tag kube.nginx < events.ndjson
  tail -n 5 /var/log/nginx/access.log | aggregator try -c aggregator.yaml --route 0
  aggregator try -c aggregator.yaml --json < events.ndjson | jq 'select(.result == "dead_letter")'`,
		Args: flags.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			t, err := loadTryout(&c, only, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			if names := t.Clusters(); o.Cluster != "" && !slices.Contains(names, o.Cluster) {
				return flags.WrongUsage(
					fmt.Errorf("--cluster %q: the configuration has %s", o.Cluster, strings.Join(names, ", ")))
			}
			o.Color = terminal.Colored(cmd.OutOrStdout())
			out := cmd.OutOrStdout()
			if o.JSON {
				out = terminal.PrintableJSON(out)
			}
			counts, err := t.Try(cmd.Context(), cmd.InOrStdin(), out, o)
			if err != nil || o.JSON {
				return err
			}
			_, err = fmt.Fprintln(out, counts)
			return err
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	c.Register(cmd, "configuration `file` or directory; may come several times")
	flags.StringVar(&only, "route", "", "only this route: its position, from 0, or a pattern of it")
	flags.StringVar(&o.Cluster, "cluster", "", "cluster of the events (default: one that the first route takes)")
	flags.StringVar(&o.Tag, "tag", "", "tag of the events (default: one that the first route takes)")
	flags.StringVar(&o.TimeKey, "time-key", "",
		"key of JSON lines that holds the event's time: RFC 3339 or a number since 1970")
	flags.BoolVar(&o.JSON, "json", false, "print lines of JSON")
	return cmd
}

// loadTryout reads the configuration to be tried, with only one of its routes if one is named, and says on notes where
// it is and what became of it here. What is not here, as secrets on a laptop and in CI, is made up: nothing is sent to
// where it would matter.
func loadTryout(c *flags.Config, only string, notes io.Writer) (*tryout.Configuration, error) {
	loaded, err := c.Load(config.Options{StandIn: true})
	if err != nil {
		return nil, err
	}
	c.Tell(notes)
	if names := loaded.Config.StandIns; len(names) > 0 {
		// As tell.
		_, _ = fmt.Fprintln(notes, safetext.Lines("made up, since it is not here: "+strings.Join(names, ", ")))
	}
	for _, text := range loaded.Config.Became {
		_, _ = fmt.Fprintln(notes, safetext.Lines(text)) // as tell
	}
	t, err := tryout.New(loaded.Config, func(cfg *config.Config, output string) (tryout.Rules, error) {
		return routing.NewRules(cfg, output, zerolog.Nop())
	}, only)
	if err != nil {
		return nil, flags.WrongUsage(err)
	}
	return t, nil
}

func newTestCommand() *cobra.Command {
	var c flags.Config
	var tests string
	cmd := &cobra.Command{
		Use:   "test",
		Short: "Hold a configuration to its tests",
		Long: `Runs the tests of a configuration, which are in a file next to it: aggregator.tests.yaml for
aggregator.yaml, and in a directory. Each gives
events to the routes and filters and says what should come out. Where it is something else, the difference is shown:
- is what was expected, + what came out. Nothing is sent or stored, and what ${env:…} and ${file:…} name need not be
there: it is made up then. docs/filters.md has the format.

` + flags.ConfigHelp + `

Exit codes: 1 tests failed, 2 a file is wrong.`,
		Example: `  aggregator test
  aggregator test -c /etc/aggregator/aggregator.yaml --tests filters.tests.yaml`,
		Args: flags.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			paths := c.Paths()
			switch {
			case tests != "":
			case len(paths) == 0:
				return flags.WrongUsage(errors.New("there is no configuration to test: name one with -c"))
			default:
				if tests = tryout.TestsFile(paths[0]); isDirectory(paths[0]) {
					tests = filepath.Join(paths[0], "aggregator.tests.yaml")
				}
			}
			return runTests(cmd, &c, tests)
		},
	}
	c.Register(cmd, "configuration `file` or directory; may come several times")
	cmd.Flags().
		StringVar(&tests, "tests", "", "`file` of tests (default: the neighbour of the configuration, NAME.tests.yaml)")
	return cmd
}

func isDirectory(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func runTests(cmd *cobra.Command, flag *flags.Config, file string) error {
	out := cmd.OutOrStdout()
	c, err := loadTryout(flag, "", cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	data, err := config.ReadFile(file)
	if err != nil {
		return flags.WrongUsage(fmt.Errorf("read the tests: %w", err))
	}
	tests, err := c.ReadTests(file, data)
	if err != nil {
		return flags.WrongUsage(fmt.Errorf("the tests have mistakes:\n%w", err))
	}
	failed, err := c.RunTests(tests, out, terminal.Colored(out))
	if err != nil {
		return err
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d tests failed", failed, len(tests))
	}
	_, err = fmt.Fprintf(out, "tests passed: %d\n", len(tests))
	return err
}
