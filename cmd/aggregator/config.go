package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seed-afc6a195/aggregator/internal/safetext"
	"github.com/seed-afc6a195/aggregator/pkg/app"
	"github.com/seed-afc6a195/aggregator/pkg/config"
)

// configHelp is the rule of which configuration a command takes, for the commands' texts.
const configHelp = `The configuration is what -c names, a file or a directory of *.yaml files, also several times; else
what the environment's AGGREGATOR_CONFIG names; else aggregator.yaml in the working directory; else the defaults.`

// configFlag is where a command's configuration is.
type configFlag struct{ given []string }

func (c *configFlag) register(cmd *cobra.Command, what string) {
	c.registerIn(cmd, cmd.Flags().StringArrayVarP, what)
}

// registerIn makes the flag by add, a method of the command's own or its persistent flags.
func (c *configFlag) registerIn(
	cmd *cobra.Command, add func(p *[]string, name, short string, value []string, usage string), what string,
) {
	add(&c.given, "config", "c", nil, what)
	// It is there.
	_ = cmd.MarkFlagFilename("config", "yaml", "yml")
}

// paths returns the files and directories of the configuration; none: the defaults.
func (c *configFlag) paths() []string { return config.Paths(c.given, os.LookupEnv) }

// source says for people where the configuration is.
func (c *configFlag) source() string {
	if paths := c.paths(); len(paths) > 0 {
		return strings.Join(paths, ", ")
	}
	return "defaults"
}

// tell says which configuration a command took, where its own output does not.
func (c *configFlag) tell(w io.Writer) {
	text := c.source()
	if len(c.paths()) == 0 {
		text = "the defaults (no -c, no AGGREGATOR_CONFIG, no aggregator.yaml here)"
	}
	// there is nowhere else to say it.
	_, _ = fmt.Fprintln(w, safetext.Lines("configuration: "+text))
}

// load reads the configuration. The hash is of all files that were read.
func (c *configFlag) load(o config.Options) (app.Loaded, error) {
	for _, path := range c.given {
		if path == "" {
			return app.Loaded{}, usageError{
				errors.New("-c: names nothing; leave it out for aggregator.yaml or the defaults"),
			}
		}
	}
	return loadConfig(c.paths(), o)
}

// loadConfig reads the configuration at paths, none for the defaults.
func loadConfig(paths []string, o config.Options) (app.Loaded, error) {
	sum := sha256.New()
	o.ReadFile = func(name string) ([]byte, error) {
		b, err := config.ReadFile(name)
		// Never fails.
		_, _ = fmt.Fprintf(sum, "%d ", len(b))
		_, _ = sum.Write(b)
		return b, err
	}
	cfg, err := config.Load(paths, o)
	var mistakes config.Errors
	if errors.As(err, &mistakes) {
		count := "a mistake"
		if len(mistakes) > 1 {
			count = fmt.Sprintf("%d mistakes", len(mistakes))
		}
		return app.Loaded{}, usageError{fmt.Errorf("the configuration has %s:\n%w", count, err)}
	}
	if err != nil || len(paths) == 0 {
		return app.Loaded{Config: cfg}, err
	}
	return app.Loaded{Config: cfg, Hash: hex.EncodeToString(sum.Sum(nil)[:6])}, nil
}

func newSchemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the configuration's JSON Schema, for editors",
		Example: `  aggregator schema > aggregator.schema.json
  # first line of aggregator.yaml, for editors with the YAML language server:
  # yaml-language-server: $schema=./aggregator.schema.json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			schema, err := config.Schema()
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(schema)
			return err
		},
	}
}
