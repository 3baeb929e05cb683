package flags

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// tool is a command with others below it, and flags of every type.
func tool() *cobra.Command {
	root := &cobra.Command{Use: "tool", SilenceErrors: true, SilenceUsage: true, Args: OnlyCommands}
	root.RunE = func(*cobra.Command, []string) error { return nil }
	list := &cobra.Command{Use: "list", Short: "Lists", Args: NoArgs, RunE: root.RunE}
	list.Flags().Int("count", 0, "")
	list.Flags().Uint64("after", 0, "")
	list.Flags().Float64("rate", 0, "")
	list.Flags().Bool("all", false, "")
	list.Flags().Duration("wait", 0, "")
	with := &cobra.Command{Use: "run", Short: "Runs", Args: NoArgs, RunE: root.RunE}
	with.Flags().String("config", "", "")
	hidden := &cobra.Command{Use: "lisp", Hidden: true, RunE: root.RunE}
	root.AddCommand(list, with, hidden)
	root.SetFlagErrorFunc(WrongFlag)
	return root
}

// What is wrong with a command line is said in words of people, and is wrong usage.
func TestUsageInWords(t *testing.T) {
	for _, tc := range []struct{ args, want string }{
		{"list --count x", `--count "x": must be a whole number; 'tool list --help' lists the flags`},
		{"list --count 1.5", `--count "1.5": must be a whole number; `},
		{"list --count 9223372036854775808", `--count "9223372036854775808": must be a whole number; `},
		{"list --after -1", `--after "-1": must be a whole number, 0 or more; `},
		{"list --rate fast", `--rate "fast": must be a number; `},
		{"list --all=perhaps", `--all "perhaps": must be true or false; `},
		{"list --wait 5", `missing unit in duration "5"; 'tool list --help' lists the flags`},
		{"list --none", "unknown flag: --none; 'tool list --help' lists the flags"},
		{"list -x", "unknown shorthand flag: 'x' in -x; 'tool list --help' lists the flags"},
		{"list --count", "flag needs an argument: --count; 'tool list --help' lists the flags"},
		{"list file", `"file": 'tool list' takes no arguments but flags; 'tool list --help' lists them`},
		{"run file", `"file": 'tool run' takes no arguments but flags; -c names a configuration`},
		{"lits", `unknown command "lits"; did you mean 'tool list'?`},
		{"something", `unknown command "something"; 'tool --help' lists the commands`},
		{"lispp", `unknown command "lispp"`},
	} {
		root := tool()
		root.SetArgs(strings.Fields(tc.args))
		err := root.Execute()
		if err == nil || !strings.Contains(err.Error(), tc.want) || !IsWrongUsage(err) ||
			strings.Contains(err.Error(), "strconv") {
			t.Errorf("%s: %v, want %s", tc.args, err, tc.want)
		}
	}
	for _, args := range []string{
		"", "list", "list --count -3 --after 18446744073709551615 --rate 1e3 --all --wait 5s",
		"lisp",
	} {
		root := tool()
		root.SetArgs(strings.Fields(args))
		if err := root.Execute(); err != nil {
			t.Errorf("%s: %v", args, err)
		}
	}
}

// Help is about the command that is named, and says which was meant where there is none.
func TestHelpOnCommands(t *testing.T) {
	for _, tc := range []struct {
		args string
		want string
		ok   bool
	}{
		{"", "tool [command]", true},
		{"list", "tool list [flags]", true},
		{"lst", "did you mean 'tool list'?", false},
		{"list more", `unknown command "more"; 'tool list --help' lists the commands`, false},
	} {
		root := tool()
		var out bytes.Buffer
		root.SetOut(&out)
		err := HelpOn(root, strings.Fields(tc.args))
		if (err == nil) != tc.ok || !strings.Contains(out.String()+fmt.Sprint(err), tc.want) ||
			!tc.ok && !IsWrongUsage(err) {
			t.Errorf("%q: %v\n%s", tc.args, err, &out)
		}
	}
}

// Only what is marked is wrong usage, also where it is wrapped or joined to something else.
func TestIsWrongUsage(t *testing.T) {
	cause := errors.New("cause")
	usage := WrongUsage(cause)
	for _, tc := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{cause, false},
		{usage, true},
		{fmt.Errorf("in x: %w", usage), true},
		{errors.Join(cause, usage), true},
		{fmt.Errorf("in x: %v", usage), false}, //nolint:errorlint // this one is not wrapped
	} {
		if got := IsWrongUsage(tc.err); got != tc.want {
			t.Errorf("%v: %v", tc.err, got)
		}
	}
	if !errors.Is(usage, cause) || usage.Error() != "cause" {
		t.Errorf("the mark hides what it marks: %v", usage)
	}
}

// Texts are broken anew to lines of 100 characters, but for what is indented.
func TestFilledTexts(t *testing.T) {
	word := strings.Repeat("é", 10)
	nine := strings.TrimSpace(strings.Repeat("ééééééééé ", 9))
	for _, tc := range []struct{ name, text, want string }{
		{"nothing", "", ""},
		{"one line", "a b", "a b"},
		{"pieces", "a\nb\n\nc", "a b\n\nc"},
		{"indented", "a\n  b   c\nd", "a\n  b   c\nd"},
		{"a tab", "a\n\tb", "a\n\tb"},
		{"spaces", "a   b", "a b"},
		{"exactly as wide", nine + " " + word, nine + " " + word},
		{"a character more", nine + " " + word + "é", nine + "\n" + word + "é"},
		{"a long word", strings.Repeat("x", 150) + " y", strings.Repeat("x", 150) + "\ny"},
	} {
		if got := filled(tc.text); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
		if again := filled(filled(tc.text)); again != tc.want {
			t.Errorf("%s: filled twice it is %q", tc.name, again)
		}
	}
	for line := range strings.Lines(filled(strings.Repeat("wörter und ", 200))) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > width {
			t.Errorf("a line has %d characters", n)
		}
	}
	root := &cobra.Command{Use: "a", Long: "x\ny"}
	below := &cobra.Command{Use: "b", Long: "x\nz"}
	root.AddCommand(below)
	if Fill(root); root.Long != "x y" || below.Long != "x z" {
		t.Errorf("%q and %q", root.Long, below.Long)
	}
}
