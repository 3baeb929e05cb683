package flags

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/seed-afc6a195/aggregator/pkg/config"
	"github.com/seed-afc6a195/aggregator/pkg/status/client"
)

// AskHelp says whom the commands ask that ask a running server.
const AskHelp = `The running server is asked through its status endpoint: that of the configuration, or --status. From
another machine, and where status.private is set, it wants a token (--token-file, or AGGREGATOR_STATUS_TOKEN) or a user
(--user) with the password; the configuration has them already.

` + ConfigHelp

// Server is the flags of a command that asks a running server.
type Server struct {
	Endpoint

	Config Config
}

// Register makes the flags, for cmd and the commands below it.
func (f *Server) Register(cmd *cobra.Command) {
	f.Getenv = os.LookupEnv
	fs := cmd.PersistentFlags()
	fs.SortFlags = false
	f.Config.RegisterIn(cmd, fs.StringArrayVarP,
		"configuration `file` or directory of the server; may come several times")
	f.Flags(fs)
}

// Ask returns what asks the server.
func (f *Server) Ask(cmd *cobra.Command) (*client.Client, error) {
	if err := f.Check(); err != nil {
		return nil, err
	}
	cfg, err := f.Load(&f.Config, false, cmd.ErrOrStderr())
	if err != nil {
		return nil, err
	}
	return f.Client(cfg, cmd.ErrOrStderr())
}

// Explained adds what to do where no server answers.
func Explained(err error) error {
	if errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("%w: no server listens there; -c or --status say where it does", err)
	}
	return err
}

// CompleteOutputs completes the names of outputs.
func (f *Server) CompleteOutputs(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	cfg := Configured(f.Config.Given)
	if cfg == nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return cfg.OutputNames(), cobra.ShellCompDirectiveNoFileComp
}

// Configured returns the configuration for completions, nil where it can't be read.
func Configured(given []string) *config.Config {
	cfg, err := config.Load(config.Paths(given, os.LookupEnv), config.Options{StandIn: true})
	if err != nil {
		return nil
	}
	return cfg
}
