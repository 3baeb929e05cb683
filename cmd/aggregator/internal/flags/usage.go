// Package flags is what commands share: which configuration, which server and which peer the user means, what is wrong
// usage, and how names complete.
package flags

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/seed-afc6a195/aggregator/pkg/config"
)

// usageError marks an error as one of usage or configuration.
type usageError struct{ error }

// WrongUsage marks err as one of usage or configuration.
func WrongUsage(err error) error { return usageError{err} }

// IsWrongUsage reports whether err is one of usage or configuration.
func IsWrongUsage(err error) bool {
	var usage usageError
	return errors.As(err, &usage)
}

// WrongFlag is what a command says of flags that it does not have.
func WrongFlag(cmd *cobra.Command, err error) error {
	return usageError{fmt.Errorf("%w; '%s --help' lists the flags", err, cmd.CommandPath())}
}

func (e usageError) Unwrap() error { return e.error }

// NoArgs refuses arguments, with the exit code of wrong usage: most likely they are files of the configuration.
func NoArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{
			fmt.Errorf("%q: '%s' takes no arguments but flags; -c names a configuration", args[0], cmd.CommandPath()),
		}
	}
	return nil
}

// OnlyCommands refuses what is none of a command's own commands, and says which was meant.
func OnlyCommands(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usageError{unknownCommand(cmd, args[0])}
}

// unknownCommand says of a name that is none of cmd's commands which was meant.
func unknownCommand(cmd *cobra.Command, name string) error {
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	hint := fmt.Sprintf("'%s --help' lists the commands", cmd.CommandPath())
	if near := config.Nearest(name, names); near != "" {
		hint = fmt.Sprintf("did you mean '%s %s'?", cmd.CommandPath(), near)
	}
	return fmt.Errorf("unknown command %q; %s", name, hint)
}
