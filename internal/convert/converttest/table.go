// Package converttest holds translations to tables: pieces of old configurations, each with what it becomes, and holds
// that the program takes what a whole one becomes.
package converttest

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/flow"
	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
)

// Update reports whether what comes out is to be written where tests expect it: golden files, and the tables of Run.
func Update() bool { return os.Getenv("UPDATE_GOLDEN") != "" }

// Case is an example: a piece of an old configuration, and what becomes of it. Neither has a backquote.
type Case struct{ Name, Old, New string }

// Run holds that translate makes of each piece what its case says. With UPDATE_GOLDEN=1 that is written into the file
// of the test, whose cases are then raw strings.
func Run(t *testing.T, cases []Case, translate func(t *testing.T, old string) string) {
	t.Helper()
	_, file, _, _ := runtime.Caller(1)
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			got := strings.TrimSpace(translate(t, strings.TrimPrefix(c.Old, "\n")))
			got = strings.ReplaceAll(got, "`", "'")
			switch {
			case got == strings.TrimSpace(c.New):
			case Update():
				write(t, file, c, got)
			default:
				t.Errorf("%s\nbecomes\n%s\nand not\n%s", c.Old, got, c.New)
			}
		})
	}
}

// write puts what a case becomes into the file where it stands.
func write(t *testing.T, file string, c Case, got string) {
	t.Helper()
	dir, err := os.OpenRoot(filepath.Dir(file))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = dir.Close() }()
	source, err := dir.ReadFile(filepath.Base(file))
	if err != nil {
		t.Fatal(err)
	}
	head := "Name: " + strconv.Quote(c.Name) + ", Old: `" + c.Old + "`, New: `"
	front, behind, found := strings.Cut(string(source), head+c.New+"`")
	if !found {
		t.Fatalf("%s has no case %q whose pieces are raw strings", file, c.Name)
	}
	text := front + head + "\n" + got + "\n`" + behind
	if err := dir.WriteFile(filepath.Base(file), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Steps writes steps as lines, kind: settings.
func Steps(steps []flow.Step) string {
	var b strings.Builder
	for _, s := range steps {
		line := s.Kind + ": " + show(s.Body)
		if s.When != "" {
			line += " when " + s.When
		}
		b.WriteString(wrap(line))
	}
	return b.String()
}

// Output writes an output as lines: its type, its settings, and the steps that are its own.
func Output(o *flow.Output) string {
	var b strings.Builder
	b.WriteString(o.Type + "\n")
	for _, p := range o.Settings {
		b.WriteString(wrap("  " + p.Key + ": " + show(p.Value)))
	}
	b.WriteString(Steps(o.Steps))
	if o.WhenFull != "" {
		b.WriteString("when full: " + o.WhenFull + "\n")
	}
	return b.String()
}

// Notes writes what can't be said, what should be known, and what has to be there, without places.
func Notes(n *settings.Notes) string {
	var b strings.Builder
	for _, x := range n.Lost {
		b.WriteString(wrap("lost: " + x.What + ": " + x.Why))
	}
	for _, x := range n.Said {
		b.WriteString(wrap("said: " + x.What + ": " + x.Why))
	}
	for _, x := range n.Files {
		b.WriteString("file: " + x.Name + "\n")
	}
	for _, x := range n.Env {
		b.WriteString("variable: " + x.Name + "\n")
	}
	return b.String()
}

// widest is how long a line of a table may be.
const widest = 110

// wrap writes a line as several where it is too long: those behind the first are indented.
func wrap(line string) string {
	var b strings.Builder
	for len(line) > widest {
		at := strings.LastIndexByte(line[:widest], ' ')
		if at < widest/8 {
			break
		}
		b.WriteString(line[:at] + "\n")
		line = "    " + line[at+1:]
	}
	return b.String() + line + "\n"
}

// Wrapped writes all lines of a text so.
func Wrapped(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(wrap(strings.TrimRight(line, " \n")))
	}
	return b.String()
}

func show(v any) string {
	var all []string
	switch v := v.(type) {
	case flow.Map:
		for _, p := range v {
			all = append(all, p.Key+": "+show(p.Value))
		}
		return "{" + strings.Join(all, ", ") + "}"
	case []any:
		for _, x := range v {
			all = append(all, show(x))
		}
		return "[" + strings.Join(all, ", ") + "]"
	case string:
		if strings.ContainsAny(v, `"\`) && !strings.Contains(v, "'") && strconv.CanBackquote(v) {
			return "'" + v + "'"
		}
		return strconv.Quote(v)
	}
	return fmt.Sprint(v)
}
