// Package flags is what commands share: which configuration, which server and which peer the user means, what is wrong
// usage, and how names complete.
package flags

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

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

// WrongFlag is what a command says of flags that it does not have, and of values that they don't take.
func WrongFlag(cmd *cobra.Command, err error) error {
	var value *pflag.InvalidValueError
	if errors.As(err, &value) {
		// What the parser says is for programmers, where it is a number's.
		var number *strconv.NumError
		if errors.As(err, &number) {
			err = fmt.Errorf("--%s %q: must be %s", value.GetFlag().Name, value.GetValue(),
				numbers()[value.GetFlag().Value.Type()])
		}
	}
	return usageError{fmt.Errorf("%w; '%s --help' lists the flags", err, cmd.CommandPath())}
}

// numbers says of flags' types what values they take.
func numbers() map[string]string {
	return map[string]string{
		"int": "a whole number", "uint64": "a whole number, 0 or more", "float64": "a number", "bool": "true or false",
	}
}

func (e usageError) Unwrap() error { return e.error }

// NoArgs refuses arguments, with the exit code of wrong usage: most likely they are files of the configuration.
func NoArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := fmt.Sprintf("'%s --help' lists them", cmd.CommandPath())
	if cmd.Flags().Lookup("config") != nil {
		hint = "-c names a configuration"
	}
	return usageError{fmt.Errorf("%q: '%s' takes no arguments but flags; %s", args[0], cmd.CommandPath(), hint)}
}

// HelpOn is the command help: it prints what --help does of the command that args name.
func HelpOn(cmd *cobra.Command, args []string) error {
	about := cmd.Root()
	for _, name := range args {
		of := about
		if about, _, _ = of.Find([]string{name}); about == nil || about == of {
			return usageError{unknownCommand(of, name)}
		}
	}
	about.InitDefaultHelpFlag()
	return about.Help()
}

// width is that of the texts of --help.
const width = 100

// Fill breaks the lines of the texts of cmd, and of the commands below it, anew: they are put together of pieces.
func Fill(cmd *cobra.Command) {
	cmd.Long = filled(cmd.Long)
	for _, c := range cmd.Commands() {
		Fill(c)
	}
}

// filled breaks the lines of paragraphs. Lines that are indented stay.
func filled(text string) string {
	var b strings.Builder
	at := 0
	for line := range strings.SplitSeq(text, "\n") {
		if line == "" || line[0] == ' ' || line[0] == '\t' {
			if at > 0 {
				b.WriteByte('\n')
			}
			b.WriteString(line + "\n")
			at = 0
			continue
		}
		for word := range strings.FieldsSeq(line) {
			n := utf8.RuneCountInString(word)
			switch {
			case at > 0 && at+1+n > width:
				b.WriteByte('\n')
				at = 0
			case at > 0:
				b.WriteByte(' ')
				at++
			}
			b.WriteString(word)
			at += n
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
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
