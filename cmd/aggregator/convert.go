package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seed-afc6a195/aggregator/cmd/aggregator/internal/flags"
	"github.com/seed-afc6a195/aggregator/internal/convert"
	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
	"github.com/seed-afc6a195/aggregator/internal/safetext"
	"github.com/seed-afc6a195/aggregator/pkg/config"
)

// conversion is the flags of convert.
type conversion struct {
	options convert.Options
	dir     string
	lenient bool
	force   bool
	tests   []string
}

func newConvertCommand() *cobra.Command {
	c := conversion{options: convert.Options{Read: config.ReadFile, Glob: filepath.Glob}}
	cmd := &cobra.Command{
		Use:   "convert FILE…",
		Short: "Write the aggregator.yaml that does what a fluentd or Fluent Bit configuration does",
		Long: `Reads configurations of fluentd (version 1) or Fluent Bit (classic or YAML, with parsers files) with all
that they include, and prints an aggregator.yaml that keeps their meaning: inputs, filters in their order, tags and
labels, outputs. Comments name the old files' lines. Secrets are not copied: the configuration names files and
variables, which are listed.

What can't be said is listed with its line, why, and what to do; the exit code is 1 then, unless --lenient is given. An
output that can't be said becomes one to files, so that none of its events is lost meanwhile.

A file whose inputs an agent reads, such as tail, gives a new configuration for the agents as well: they read as before
and send to the aggregator, acknowledged. Printed, it stands in comments below; with --output it is a file. Files of
several programs may be given at once, such as the agents' and the old aggregator's.

With --tests, sample events of yours become aggregator.tests.yaml: what the new configuration makes of each, for
'aggregator test', to be looked through once and held from then on.

Exit codes: 1 something can't be said, 2 a file can't be read.`,
		Example: `  aggregator convert fluent.conf > aggregator.yaml
  aggregator convert --output converted fluent-bit.conf parsers.conf
  aggregator convert agents/fluent-bit.conf aggregators/fluent.conf --output converted
  aggregator convert fluent.conf --output converted --tests kube.var.log.containers.web=events.ndjson`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return flags.WrongUsage(
					fmt.Errorf("name files of fluentd or Fluent Bit; '%s --help' has examples", cmd.CommandPath()))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.run(args, cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVarP(&c.dir, "output", "o", "", "write the files into this `directory`, which is made (default: print)")
	flags.BoolVar(&c.force, "force", false, "with --output: write over files that are there")
	flags.StringArrayVar(&c.tests, "tests", nil,
		"with --output: write tests of the events in `TAG=FILE`, a line each, JSON or text; may come several times; "+
			"inputs: of those that inputs such as dummy make up")
	flags.BoolVar(&c.lenient, "lenient", false, "exit with 0 although something can't be said")
	flags.StringVar(&c.options.From, "from", "",
		"whose the files are, fluentd or fluent-bit (default: told by what is in them)")
	flags.StringVar(&c.options.SecretsDir, "secrets-dir", "/etc/aggregator/secrets",
		"`directory` where the configuration is to look for secrets")
	// It is there.
	_ = cmd.MarkFlagDirname("output")
	return cmd
}

func (c *conversion) run(paths []string, in io.Reader, out, errOut io.Writer) error {
	if len(c.tests) > 0 && c.dir == "" {
		return flags.WrongUsage(errors.New("--tests writes a file beside the configuration: name a directory by " +
			"--output"))
	}
	switch c.options.From {
	case "", convert.Fluentd, convert.FluentBit:
	default:
		return flags.WrongUsage(fmt.Errorf("--from %q: write fluentd or fluent-bit", c.options.From))
	}
	result, err := convert.Convert(paths, c.options)
	if err != nil {
		return flags.WrongUsage(fmt.Errorf("the files can't be converted:\n%w", err))
	}
	if c.dir == "" {
		err = printConverted(out, result)
	} else {
		err = c.write(result, errOut)
	}
	if err == nil && len(c.tests) > 0 {
		err = c.writeTests(result, in, errOut)
	}
	if err != nil {
		return err
	}
	if err := reportConverted(errOut, result.Notes); err != nil {
		return err
	}
	if n := len(result.Notes.Lost); n > 0 && !c.lenient {
		return fmt.Errorf("%d of the old settings can't be said: see above, and the comment at the top of the result",
			n)
	}
	return nil
}

// printConverted prints the configuration, and those of agents in comments.
func printConverted(out io.Writer, r *convert.Result) error {
	var b strings.Builder
	b.Write(r.Configuration)
	for _, f := range r.Agents {
		fmt.Fprintf(&b, "\n# %s (a file of its own with --output):\n#\n", f.Name)
		for line := range strings.SplitSeq(strings.TrimRight(string(f.Data), "\n"), "\n") {
			b.WriteString(strings.TrimRight("# "+line, " ") + "\n")
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// write writes the files, and says which.
func (c *conversion) write(r *convert.Result, errOut io.Writer) error {
	files := append([]convert.File{{Name: "aggregator.yaml", Data: r.Configuration}}, r.Agents...)
	if err := os.MkdirAll(c.dir, 0o750); err != nil {
		return fmt.Errorf("make the directory for the result: %w", err)
	}
	for _, f := range files {
		path := filepath.Join(c.dir, f.Name)
		if _, err := os.Lstat(path); err == nil && !c.force {
			return fmt.Errorf("%s is there already: name another directory, or say --force", path)
		} else if err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("look for %s: %w", path, err)
		}
	}
	for _, f := range files {
		path := filepath.Join(c.dir, f.Name)
		if err := os.WriteFile(path, f.Data, 0o600); err != nil {
			return fmt.Errorf("write the result: %w", err)
		}
		if _, err := fmt.Fprintln(errOut, "written: "+safetext.Lines(path)); err != nil {
			return err
		}
	}
	return nil
}

// reportConverted says what is said otherwise, what has to be made, and what can't be said.
func reportConverted(errOut io.Writer, n *settings.Notes) error {
	var b strings.Builder
	section := func(title string, lines []string) {
		if len(lines) == 0 {
			return
		}
		b.WriteString(title + "\n")
		for _, line := range lines {
			b.WriteString("  " + safetext.Lines(line) + "\n")
		}
	}
	texts := func(notes []settings.Note) (lines []string) {
		for _, note := range notes {
			lines = append(lines, note.String())
		}
		return lines
	}
	needed := func(list []settings.Needed) (lines []string) {
		for _, x := range list {
			lines = append(lines, x.Name+": "+x.From)
		}
		return lines
	}
	section("said otherwise, or not needed any more:", texts(n.Said))
	section("files to make, readable for the aggregator:", needed(n.Files))
	section("variables to set:", needed(n.Env))
	section("can't be said:", texts(n.Lost))
	_, err := io.WriteString(errOut, b.String())
	return err
}
