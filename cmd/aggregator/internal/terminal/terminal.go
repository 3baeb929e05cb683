// Package terminal writes what people read: the log, questions, the progress of what takes long, JSON in which nothing
// steers a terminal.
package terminal

import (
	"bufio"
	"errors"
	"io"
	"os"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/seed-afc6a195/aggregator/pkg/config"
)

// IsTerminal reports whether a stream of the command is a terminal.
func IsTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Colored reports whether out shows colours: a terminal, unless its user wants none.
func Colored(out io.Writer) bool {
	return IsTerminal(out) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// Confirm asks a question of yes and no. Anything but a yes is an error, as is no answer.
func Confirm(cmd *cobra.Command, question string) error {
	cmd.PrintErrf("%s? [y/N] ", question)
	// Without an answer: no.
	answer, _ := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return errors.New("nothing was changed")
}

// NewLogger returns the program's logger, and whether a person watches it.
func NewLogger(cfg config.Log, out io.Writer) (log zerolog.Logger, terminal bool) {
	if f, ok := out.(*os.File); ok {
		terminal = term.IsTerminal(int(f.Fd()))
	}
	level, err := zerolog.ParseLevel(cfg.Level)
	if err != nil {
		level = zerolog.InfoLevel
	}
	if cfg.Format == "console" || cfg.Format == "auto" && terminal {
		out = zerolog.ConsoleWriter{
			Out: out, TimeFormat: "15:04:05.000", NoColor: !Colored(out), FormatPrepare: printableFields,
		}
	} else {
		out = PrintableJSON(out)
	}
	return zerolog.New(zerolog.SyncWriter(out)).Level(level).Hook(zerolog.HookFunc(stamp)), terminal
}

// stamp adds the time to a line of the log, to the millisecond. zerolog's own has whole seconds, unless all loggers of
// a process change together.
func stamp(e *zerolog.Event, _ zerolog.Level, _ string) {
	e.Str(zerolog.TimestampFieldName, time.Now().Format("2006-01-02T15:04:05.000Z07:00"))
}
