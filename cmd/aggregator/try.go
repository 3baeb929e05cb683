package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/seed-afc6a195/aggregator/internal/tryout"
	"github.com/seed-afc6a195/aggregator/pkg/app"
	"github.com/seed-afc6a195/aggregator/pkg/config"
)

func newTryCommand() *cobra.Command {
	var path, only string
	o := tryout.Options{Now: time.Now}
	cmd := &cobra.Command{
		Use:   "try",
		Short: "Show what becomes of events, step by step",
		Long: `Reads events from standard input, a JSON object or a line of text each, and shows what the configuration makes of them:
the route that takes each, what every step of its filters does, as a diff, and the documents that its outputs would get.
Nothing is sent or stored, and secrets that ${file:…} names need not be there. A line that is no JSON object becomes
{"log": line}, as with send.

The events are of the cluster and tag that are given, or else of ones that the first route takes. With --route only that
route takes part, whatever the tag: a position, counted from 0, or a pattern that it matches.`,
		Example: `  aggregator try -c aggregator.yaml --tag kube.nginx < events.ndjson
  tail -n 5 /var/log/nginx/access.log | aggregator try -c aggregator.yaml --route 0
  aggregator try -c aggregator.yaml --json < events.ndjson | jq 'select(.result == "dead_letter")'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := loadTryout(path, only)
			if err != nil {
				return err
			}
			if names := c.Clusters(); o.Cluster != "" && !slices.Contains(names, o.Cluster) {
				return usageError{fmt.Errorf("--cluster %q: the configuration has %s", o.Cluster, strings.Join(names, ", "))}
			}
			o.Color = colored(cmd.OutOrStdout())
			out := cmd.OutOrStdout()
			if o.JSON {
				out = printableJSON{out}
			}
			counts, err := c.Try(cmd.Context(), cmd.InOrStdin(), out, o)
			if err != nil || o.JSON {
				return err
			}
			_, err = fmt.Fprintln(out, counts)
			return err
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVarP(&path, "config", "c", "", "configuration `file`; none: the defaults")
	flags.StringVar(&only, "route", "", "only this route: its position, from 0, or a pattern of it")
	flags.StringVar(&o.Cluster, "cluster", "", "cluster of the events (default: one that the first route takes)")
	flags.StringVar(&o.Tag, "tag", "", "tag of the events (default: one that the first route takes)")
	flags.StringVar(&o.TimeKey, "time-key", "", "key of JSON lines that holds the event's time: RFC 3339 or a number since 1970")
	flags.BoolVar(&o.JSON, "json", false, "print lines of JSON")
	return cmd
}

// loadTryout reads the configuration file at path to be tried, with only one of its routes if one is named. Secrets
// that are not here, as on a laptop and in CI, are made up: nothing is sent to where they would matter.
func loadTryout(path, only string) (*tryout.Configuration, error) {
	loaded, err := loadConfigFrom(path, func(name string) ([]byte, error) {
		b, err := config.ReadFile(name)
		if name != path && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission)) {
			return []byte("made up for " + name), nil // each another: clusters with one key are a mistake
		}
		return b, err
	})
	if err != nil {
		return nil, err
	}
	c, err := tryout.New(loaded.Config, func(cfg *config.Config, output string) (tryout.Rules, error) {
		return app.NewRules(cfg, output, zerolog.Nop())
	}, only)
	if err != nil {
		return nil, usageError{err}
	}
	return c, nil
}

// colored says whether out shows colours: a terminal, unless its user wants none.
func colored(out io.Writer) bool {
	return isTerminal(out) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

func newTestCommand() *cobra.Command {
	var path, tests string
	cmd := &cobra.Command{
		Use:   "test",
		Short: "Hold a configuration to its tests",
		Long: `Runs the tests of a configuration, which are in a file next to it: aggregator.tests.yaml for aggregator.yaml. Each gives
events to the routes and filters and says what should come out. Where it is something else, the difference is shown:
- is what was expected, + what came out. Nothing is sent or stored, and secrets that ${file:…} names need not be there.
docs/filters.md has the format.

Exit codes: 1 tests failed, 2 a file is wrong.`,
		Example: `  aggregator test
  aggregator test -c /etc/aggregator/aggregator.yaml --tests filters.tests.yaml`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if tests == "" {
				tests = tryout.TestsFile(path)
			}
			return runTests(cmd.OutOrStdout(), path, tests)
		},
	}
	cmd.Flags().StringVarP(&path, "config", "c", "aggregator.yaml", "configuration `file`")
	cmd.Flags().StringVar(&tests, "tests", "", "`file` of tests (default: the configuration file's neighbour, NAME.tests.yaml)")
	return cmd
}

func runTests(out io.Writer, path, file string) error {
	c, err := loadTryout(path, "")
	if err != nil {
		return err
	}
	data, err := config.ReadFile(file)
	if err != nil {
		return usageError{fmt.Errorf("read the tests: %w", err)}
	}
	tests, err := c.ReadTests(file, data)
	if err != nil {
		return usageError{fmt.Errorf("the tests have mistakes:\n%w", err)}
	}
	failed, err := c.RunTests(tests, out, colored(out))
	if err != nil {
		return err
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d tests failed", failed, len(tests))
	}
	_, err = fmt.Fprintf(out, "tests passed: %d\n", len(tests))
	return err
}
