package flags

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

// ConfigHelp is the rule of which configuration a command takes, for the commands' texts.
const ConfigHelp = `The configuration is what -c names, a file or a directory of *.yaml files, also several times; else
what the environment's AGGREGATOR_CONFIG names; else aggregator.yaml in the working directory; else the defaults.`

// Config is where a command's configuration is.
type Config struct{ Given []string }

// Register makes the flag, which what explains.
func (c *Config) Register(cmd *cobra.Command, what string) {
	c.RegisterIn(cmd, cmd.Flags().StringArrayVarP, what)
}

// RegisterIn makes the flag by add, a method of the command's own or its persistent flags.
func (c *Config) RegisterIn(
	cmd *cobra.Command, add func(p *[]string, name, short string, value []string, usage string), what string,
) {
	add(&c.Given, "config", "c", nil, what)
	// It is there.
	_ = cmd.MarkFlagFilename("config", "yaml", "yml")
}

// Paths returns the files and directories of the configuration; none: the defaults.
func (c *Config) Paths() []string { return config.Paths(c.Given, os.LookupEnv) }

// Source says for people where the configuration is.
func (c *Config) Source() string {
	if paths := c.Paths(); len(paths) > 0 {
		return strings.Join(paths, ", ")
	}
	return "defaults"
}

// Tell says which configuration a command took, where its own output does not.
func (c *Config) Tell(w io.Writer) {
	text := c.Source()
	if len(c.Paths()) == 0 {
		text = "the defaults (no -c, no AGGREGATOR_CONFIG, no aggregator.yaml here)"
	}
	// there is nowhere else to say it.
	_, _ = fmt.Fprintln(w, safetext.Lines("configuration: "+text))
}

// Load reads the configuration. The hash is of all files that were read.
func (c *Config) Load(o config.Options) (app.Loaded, error) {
	for _, path := range c.Given {
		if path == "" {
			return app.Loaded{}, WrongUsage(
				errors.New("-c: names nothing; leave it out for aggregator.yaml or the defaults"))
		}
	}
	return LoadConfig(c.Paths(), o)
}

// LoadConfig reads the configuration at paths, none for the defaults.
func LoadConfig(paths []string, o config.Options) (app.Loaded, error) {
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
		return app.Loaded{}, WrongUsage(fmt.Errorf("the configuration has %s:\n%w", count, err))
	}
	if err != nil || len(paths) == 0 {
		return app.Loaded{Config: cfg}, err
	}
	return app.Loaded{Config: cfg, Hash: hex.EncodeToString(sum.Sum(nil)[:6])}, nil
}
