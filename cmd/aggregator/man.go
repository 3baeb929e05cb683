package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/seed-afc6a195/aggregator/cmd/aggregator/internal/flags"
)

// newManCommand makes the manual pages of packages. It is not listed: people have --help.
func newManCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "man DIRECTORY",
		Short:  "Write the manual pages into a directory",
		Hidden: true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return flags.WrongUsage(errors.New("man needs one directory, which is made"))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o750); err != nil {
				return fmt.Errorf("make the directory of the manual pages: %w", err)
			}
			return writePages(cmd.Root(), args[0])
		},
	}
}

// writePages writes the page of a command and those of the commands below it.
func writePages(cmd *cobra.Command, dir string) error {
	if !cmd.IsAvailableCommand() && cmd.HasParent() {
		return nil
	}
	name := pageName(cmd)
	if err := os.WriteFile(filepath.Join(dir, name+".1"), []byte(page(cmd)), 0o600); err != nil {
		return fmt.Errorf("write a manual page: %w", err)
	}
	for _, c := range cmd.Commands() {
		if err := writePages(c, dir); err != nil {
			return err
		}
	}
	return nil
}

func pageName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// page is what --help says, as man shows it.
func page(cmd *cobra.Command) string {
	var b strings.Builder
	version, _, _ := versionInfo()
	fmt.Fprintf(&b, ".TH %q 1 \"\" \"aggregator %s\" \"aggregator\"\n", strings.ToUpper(pageName(cmd)), roff(version))
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", roff(pageName(cmd)), roff(cmd.Short))
	fmt.Fprintf(&b, ".SH SYNOPSIS\n.B %s\n", roff(cmd.UseLine()))
	if cmd.Long != "" {
		b.WriteString(".SH DESCRIPTION\n")
		for line := range strings.SplitSeq(cmd.Long, "\n") {
			if line == "" {
				b.WriteString(".PP\n")
				continue
			}
			b.WriteString(roff(line) + "\n")
		}
	}
	options := 0
	flag := func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		if options++; options == 1 {
			b.WriteString(".SH OPTIONS\n")
		}
		value, usage := pflag.UnquoteUsage(f)
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		fmt.Fprintf(&b, ".TP\n.B %s\n%s\n", roff(strings.TrimSpace(name+" "+value)), roff(usage))
	}
	// In this order: it adds those that the commands above have for it.
	inherited := cmd.InheritedFlags()
	cmd.NonInheritedFlags().VisitAll(flag)
	inherited.VisitAll(flag)
	if cmd.Example != "" {
		b.WriteString(".SH EXAMPLES\n.nf\n")
		for line := range strings.SplitSeq(cmd.Example, "\n") {
			b.WriteString(roff(line) + "\n")
		}
		b.WriteString(".fi\n")
	}
	var others []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			others = append(others, ".BR "+roff(pageName(c))+" (1)")
		}
	}
	if others != nil {
		b.WriteString(".SH SEE ALSO\n" + strings.Join(others, "\n") + "\n")
	}
	return b.String()
}

// roff writes text so that nothing of it is an instruction.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		text = `\&` + text
	}
	return text
}
