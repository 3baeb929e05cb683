package main

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// TestSchemaAndVersion print what they are asked for, and refuse anything more.
func TestSchemaAndVersion(t *testing.T) {
	code, out, _ := command(t, "", "schema")
	var schema map[string]any
	if code != exitOK || json.Unmarshal([]byte(out), &schema) != nil || schema["properties"] == nil {
		t.Errorf("schema ends with %d: %.200s", code, out)
	}
	code, out, _ = command(t, "", "version")
	if code != exitOK || !strings.HasPrefix(out, "aggregator ") || strings.Count(out, "\n") != 1 {
		t.Errorf("version ends with %d: %s", code, out)
	}
	for _, name := range []string{"schema", "version", "status", "queue", "reload", "drain", "size"} {
		if code, _, errOut := command(t, "", name, "aggregator.yaml"); code != exitUsage ||
			!strings.Contains(errOut, "takes no arguments but flags; ") {
			t.Errorf("%s with an argument: %d, %s", name, code, errOut)
		}
		if code, out, _ := command(t, "", name, "--help"); code != exitOK ||
			!strings.Contains(out, "aggregator "+name) {
			t.Errorf("help for %s: %d, %s", name, code, out)
		}
	}
	if code, _, errOut := command(t, "", "qeue"); code != exitUsage ||
		!strings.Contains(errOut, "did you mean 'aggregator queue'?") {
		t.Errorf("a slip of the pen: %d, %s", code, errOut)
	}
	if code, _, errOut := command(t, "", "queue", "--jsn"); code != exitUsage ||
		!strings.Contains(errOut, "'aggregator queue --help' lists the flags") {
		t.Errorf("a wrong flag: %d, %s", code, errOut)
	}
}

// TestWrongUsage: whatever is wrong with a command line is said in one line, in words of people, and ends with 2.
func TestWrongUsage(t *testing.T) {
	for _, tc := range []struct{ args, says string }{
		{"version x", `"x": 'aggregator version' takes no arguments but flags; 'aggregator version --help' lists them`},
		{"run x", `"x": 'aggregator run' takes no arguments but flags; -c names a configuration`},
		{"man", "man needs one directory"},
		{"help qeue", "did you mean 'aggregator queue'?"},
		{"help dead lsit", "did you mean 'aggregator dead list'?"},
		{"completion tcsh", `unknown command "tcsh"; did you mean 'aggregator completion bash'?`},
		{"completion bash zsh", `"zsh": 'aggregator completion bash' takes no arguments`},
		{"send --count -1", `--count "-1": must be a whole number, 0 or more; `},
		{"send --rate fast", `--rate "fast": must be a number; `},
		{"send --tags many", `--tags "many": must be a whole number; `},
		{"send --ack=maybe", `--ack "maybe": must be true or false; `},
		{"send --timeout 5", `missing unit in duration "5"`},
		{"send nowhere.log", "no such file or directory (name files of lines, or - for standard input)"},
		{"convert nowhere.conf", "can't be read: open nowhere.conf: no such file or directory"},
	} {
		code, out, errOut := command(t, "", strings.Fields(tc.args)...)
		if code != exitUsage || !strings.Contains(errOut, tc.says) || out != "" {
			t.Errorf("%s ends with %d: %s%s", tc.args, code, out, errOut)
		}
	}
	for _, args := range []string{"help dead list", "completion", "completion zsh"} {
		if code, out, errOut := command(t, "", strings.Fields(args)...); code != exitOK || out == "" {
			t.Errorf("%s ends with %d: %s%s", args, code, out, errOut)
		}
	}
}

// TestTexts: lines of help fit a terminal, and examples can be copied: each is one line.
func TestTexts(t *testing.T) {
	var look func(c *cobra.Command)
	look = func(c *cobra.Command) {
		for line := range strings.Lines(c.Long) {
			if c.HasParent() && c.Parent().Name() != "completion" && utf8.RuneCountInString(line) > 101 {
				t.Errorf("%s: %q is long", c.CommandPath(), line)
			}
		}
		for line := range strings.Lines(c.Example) {
			if !strings.HasPrefix(line, "  ") {
				t.Errorf("%s: the example %q goes over two lines", c.CommandPath(), line)
			}
		}
		for _, below := range c.Commands() {
			look(below)
		}
	}
	look(newRootCommand())
}
