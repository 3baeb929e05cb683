package convert_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/internal/convert"
	"github.com/seed-afc6a195/aggregator/internal/convert/converttest"
	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
	"github.com/seed-afc6a195/aggregator/internal/tryout"
	"github.com/seed-afc6a195/aggregator/pkg/app/routing"
	"github.com/seed-afc6a195/aggregator/pkg/config"
)

// old returns the files of a case that are to be converted.
func old(t *testing.T, dir string) []string {
	t.Helper()
	var paths []string
	for _, pattern := range []string{"*.conf", "*.yaml"} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range found {
			if base := filepath.Base(path); !strings.HasPrefix(base, "aggregator.") && !strings.HasPrefix(base,
				"included") && !strings.HasPrefix(base, "golden-") {
				paths = append(paths, path)
			}
		}
	}
	if len(paths) == 0 {
		t.Fatalf("%s has no file to convert", dir)
	}
	return paths
}

// said is the notes as the golden files have them.
func said(n *settings.Notes, warnings []string) string {
	var b strings.Builder
	list := func(title string, notes []settings.Note) {
		for _, note := range notes {
			note.At.File = filepath.Base(note.At.File)
			b.WriteString(title + " " + note.String() + "\n")
		}
	}
	list("said:", n.Said)
	list("lost:", n.Lost)
	for _, x := range n.Files {
		b.WriteString("file: " + x.Name + "\n")
	}
	for _, x := range n.Env {
		b.WriteString("variable: " + x.Name + "\n")
	}
	for _, w := range warnings {
		b.WriteString("check warns: " + w + "\n")
	}
	return b.String()
}

// golden compares with a golden file, or writes it.
func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if converttest.Update() {
		if len(got) == 0 {
			return
		}
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if len(got) == 0 && errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err != nil {
		t.Fatalf("%v (UPDATE_GOLDEN=1 go test ./internal/convert writes it)", err)
	}
	if !bytes.Equal(want, got) {
		t.Errorf("%s differs (UPDATE_GOLDEN=1 go test ./internal/convert writes it):\n%s", path, got)
	}
}

func convertCase(t *testing.T, paths []string) *convert.Result {
	t.Helper()
	result, err := convert.Convert(paths, convert.Options{Read: os.ReadFile, Glob: filepath.Glob})
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// TestGolden converts each case, holds the result to its golden files, and to check, and runs the case's tests of
// events.
func TestGolden(t *testing.T) {
	dirs, err := filepath.Glob("testdata/*/*")
	if err != nil || len(dirs) == 0 {
		t.Fatal(dirs, err)
	}
	for _, dir := range dirs {
		t.Run(filepath.ToSlash(strings.TrimPrefix(filepath.Clean(dir), "testdata/")), func(t *testing.T) {
			result := convertCase(t, old(t, dir))
			cfg := converttest.Load(t, result.Configuration)
			golden(t, filepath.Join(dir, "aggregator.golden.yaml"), result.Configuration)
			golden(t, filepath.Join(dir, "notes.txt"), []byte(said(result.Notes, cfg.Warnings)))
			for _, f := range result.Agents {
				golden(t, filepath.Join(dir, "golden-"+f.Name), f.Data)
			}
			runTests(t, filepath.Join(dir, "aggregator.tests.yaml"), cfg)
		})
	}
}

// runTests runs a case's tests of what becomes of events.
func runTests(t *testing.T, file string, cfg *config.Config) {
	t.Helper()
	data, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	c, err := tryout.New(cfg, func(cfg *config.Config, output string) (tryout.Rules, error) {
		return routing.NewRules(cfg, output, zerolog.Nop())
	}, "")
	if err != nil {
		t.Fatal(err)
	}
	tests, err := c.ReadTests(file, data)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if failed, err := c.RunTests(tests, &out, false); err != nil || failed > 0 {
		t.Errorf("%d tests failed: %v\n%s", failed, err, &out)
	}
}

// TestMoves: the old stacks of deployments/moves become configurations that check takes.
func TestMoves(t *testing.T) {
	dirs, err := filepath.Glob("../../deployments/moves/*/old")
	if err != nil || len(dirs) < 4 {
		t.Fatal(dirs, err)
	}
	for _, dir := range dirs {
		files, err := filepath.Glob(filepath.Join(dir, "*.conf"))
		if err != nil || len(files) == 0 {
			t.Fatal(files, err)
		}
		converttest.Load(t, convertCase(t, files).Configuration)
	}
}

func TestRefused(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"a.conf", "<source>\n  @type forward\n", "a.conf:1:1: <source> has no end"},
		{"a.conf", "<source>\n</match>\n", "a.conf:2:1: </match> where </source> is missing"},
		{"a.conf", "<match **>\n  a \"b\n</match>\n", "a.conf:2:5: the text in quotes has no end"},
		{"a.conf", "@include a.conf\n<match **>\n</match>\n", "a.conf:1:1: a.conf includes itself"},
		{"a.conf", "[INPUT\n", "a.conf:1:1: \"[INPUT\" is no section"},
		{"a.conf", "[INPUT]\n@BAD x\n", "a.conf:2:1: \"@BAD\" is no directive"},
		{"a.conf", "hello\n", "it is neither fluentd's nor Fluent Bit's"},
		{"a.yaml", "pipeline: [\n", "is no YAML"},
		{"a.conf", "", "a.conf: there is nothing in it but comments"},
		{"a.yaml", "# a\n\n  # b\n", "a.yaml: there is nothing in it but comments"},
		{"a.yaml", "pipeline:\n  inputs:\n    name: tail\n", "a.yaml:3:5: inputs is a map, and has to be a list"},
		{"a.yaml", "parsers:\n  name: a\n", "a.yaml:2:3: parsers is a map, and has to be a list"},
		{"a.yaml", "pipelines:\n  a: b\n", `a.yaml:1:1: "pipelines" is no section of Fluent Bit`},
	} {
		_, err := convert.Convert([]string{tc.name}, convert.Options{
			Read: func(string) ([]byte, error) { return []byte(tc.text), nil },
			Glob: func(pattern string) ([]string, error) { return []string{pattern}, nil },
		})
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%q: %v, want %s", tc.text, err, tc.want)
		}
	}
}
