// Command strict runs go test with the arguments that it is given, from the repository's root, and fails also where a
// test was skipped: what is not there is not proved. It shows a line for each package, all that a failed or skipped
// test printed, and at the end which packages took longest. Without arguments it takes those of the test command that
// README.md names.
//
//	go run ./test/strict -race ./...
package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	args, err := arguments(os.Args[1:], "README.md")
	if err == nil {
		err = run(ctx, args)
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// arguments returns args, or where there are none those of the first indented line of readme that runs go test.
func arguments(args []string, readme string) ([]string, error) {
	if len(args) > 0 {
		return args, nil
	}
	text, err := os.ReadFile(readme)
	if err != nil {
		return nil, fmt.Errorf("look for the test command: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if command, ok := strings.CutPrefix(line, "    go test "); ok {
			return strings.Fields(command), nil
		}
	}
	return nil, fmt.Errorf("%s names no test command: give one a line of its own, indented by four spaces", readme)
}

// patience is how long the tests of a package may take where the arguments don't say. It finds what hangs: go test's
// own ten minutes are too short for the longest with the race detector on a slow machine.
const patience = "-timeout=40m"

// command returns the arguments of the go command.
func command(args []string) []string {
	args = append([]string{"test"}, args...)
	said := func(a string) bool { return strings.HasPrefix(strings.TrimLeft(a, "-"), "timeout") }
	if !slices.ContainsFunc(args, said) {
		args = append(args, patience)
	}
	return append(args, "-json")
}

func run(ctx context.Context, args []string) error {
	args = command(args)
	cmd := exec.CommandContext(ctx, "go", args...) //nolint:gosec // who runs the tests chooses them
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	skipped, err := report(os.Stdout, out)
	if err != nil {
		_, _ = io.Copy(io.Discard, out) // so that it can end, which Wait tells of
	}
	err = errors.Join(err, cmd.Wait())
	if len(skipped) > 0 {
		err = errors.Join(err,
			fmt.Errorf("%d tests were skipped, and prove nothing: %s", len(skipped), strings.Join(skipped, ", ")))
	}
	return err
}

// event is a line of go test -json, as go doc test2json tells.
type event struct {
	Action, Package, Test, Output string
	ImportPath                    string // of build output
	Elapsed                       float64
}

// report writes to w what somebody wants to read of the events in r, and returns the names of skipped tests.
func report(w io.Writer, r io.Reader) (skipped []string, err error) {
	printed := map[string][]string{} // by package and test, until it has passed
	var packages []event
	var unseen error
	show := func(format string, args ...any) {
		if _, err := fmt.Fprintf(w, format, args...); err != nil {
			unseen = err
		}
	}
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			break
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return skipped, fmt.Errorf("read what go test writes: %w", err)
		}
		var e event
		if json.Unmarshal(line, &e) != nil || e.Action == "" { // of the go command itself
			show("%s", line)
			continue
		}
		name := e.Package + " " + e.Test
		switch e.Action {
		case "build-output":
			show("%s", e.Output)
		case "output":
			printed[name] = append(printed[name], e.Output)
		case "pass":
			if e.Test == "" {
				packages = append(packages, e)
				show("ok    %s %.1fs\n", e.Package, e.Elapsed)
			}
			delete(printed, name)
		case "fail", "skip":
			if e.Action == "skip" && e.Test != "" {
				skipped = append(skipped, name)
			}
			if e.Action == "fail" || e.Test != "" {
				// A package without tests is skipped too.
				show("%s", strings.Join(printed[name], ""))
			}
			delete(printed, name)
		}
	}
	slices.SortFunc(packages, func(a, b event) int { return cmp.Compare(b.Elapsed, a.Elapsed) })
	for i, p := range packages[:min(len(packages), 10)] {
		if i == 0 {
			show("the slowest:\n")
		}
		show("%6.1fs %s\n", p.Elapsed, p.Package)
	}
	return skipped, unseen
}
