package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestReport(t *testing.T) {
	const events = `{"Action":"start","Package":"p"}
{"Action":"output","Package":"p","Test":"TestGood","Output":"nobody reads this\n"}
{"Action":"pass","Package":"p","Test":"TestGood","Elapsed":1}
{"Action":"output","Package":"p","Test":"TestIdle","Output":"    needs strace\n"}
{"Action":"skip","Package":"p","Test":"TestIdle","Elapsed":0}
{"Action":"output","Package":"p","Test":"TestGood/part","Output":"    1, want 2\n"}
{"Action":"fail","Package":"p","Test":"TestGood/part","Elapsed":0}
{"Action":"pass","Package":"p","Elapsed":2.5}
{"Action":"skip","Package":"empty","Elapsed":0}
{"ImportPath":"q","Action":"build-output","Output":"q.go:1: wrong\n"}
go: a warning
`
	var out strings.Builder
	skipped, err := report(&out, strings.NewReader(events))
	if err != nil || !slices.Equal(skipped, []string{"p TestIdle"}) {
		t.Errorf("skipped %q, %v", skipped, err)
	}
	for text, want := range map[string]bool{
		"needs strace": true, "1, want 2": true, "ok    p 2.5s": true, "q.go:1: wrong": true, "go: a warning": true,
		"nobody reads this": false, "empty": false,
	} {
		if strings.Contains(out.String(), text) != want {
			t.Errorf("%q: want %v in:\n%s", text, want, &out)
		}
	}
}

// What is skipped fails the whole, and nothing else does.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("go.mod", "module m\n\ngo 1.26\n")
	write("m_test.go",
		"package m\n\nimport \"testing\"\n\nfunc TestDone(*testing.T) {}\n\nfunc TestNotDone(t *testing.T) { "+
			"t.Skip(\"not today\") }\n")
	if err := run(t.Context(), []string{"-C", dir, "."}); err == nil ||
		!strings.Contains(err.Error(), "m TestNotDone") {
		t.Errorf("a skipped test: %v", err)
	}
	if err := run(t.Context(), []string{"-C", dir, "-run", "TestDone", "."}); err != nil {
		t.Errorf("a test that is not skipped: %v", err)
	}
}

func TestArguments(t *testing.T) {
	if got, err := arguments(nil, "../../README.md"); err != nil || !slices.Equal(got, []string{"-race", "./..."}) {
		t.Errorf("of the README: %q, %v; CI runs this command", got, err)
	}
	given := []string{"-short", "."}
	if got, err := arguments(given, "absent"); err != nil || !slices.Equal(got, given) {
		t.Errorf("given: %q, %v", got, err)
	}
	inline := filepath.Join(t.TempDir(), "README.md")
	if err := os.WriteFile(inline, []byte("`go test ./...` runs them\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := arguments(nil, inline); err == nil || !strings.Contains(err.Error(), "names no test command") {
		t.Errorf("no line of its own: %q, %v", got, err)
	}
}

func TestCommand(t *testing.T) {
	for _, tc := range []struct{ args, want string }{
		{"-race ./...", "test -race ./... -timeout=40m -json"},
		{"-C x -timeout 20m ./...", "test -C x -timeout 20m ./... -json"},
		{"--timeout=1s .", "test --timeout=1s . -json"},
	} {
		if got := strings.Join(command(strings.Fields(tc.args)), " "); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.args, got, tc.want)
		}
	}
}
