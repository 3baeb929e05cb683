package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMan: every command has a page, in which no line of a text is an instruction.
func TestMan(t *testing.T) {
	dir := t.TempDir()
	var out bytes.Buffer
	if code := run(t.Context(), []string{"man", dir}, strings.NewReader(""), &out, &out); code != exitOK {
		t.Fatal(code, &out)
	}
	pages, err := filepath.Glob(filepath.Join(dir, "*.1"))
	if err != nil || len(pages) < 15 {
		t.Fatal(pages, err)
	}
	known := map[string]bool{
		".TH": true, ".SH": true, ".B": true, ".TP": true, ".PP": true, ".nf": true, ".fi": true, ".BR": true,
	}
	for _, path := range pages {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.SplitSeq(string(data), "\n") {
			if word, _, _ := strings.Cut(line, " "); strings.HasPrefix(word, ".") && !known[word] {
				t.Errorf("%s: %q", path, line)
			}
		}
		if !strings.Contains(string(data), "\n.SH NAME\n") {
			t.Errorf("%s has no name", path)
		}
	}
	// What the command above has for it counts, too.
	if data, err := os.ReadFile(filepath.Join(dir, "aggregator-output-pause.1")); err != nil ||
		!strings.Contains(string(data), `\-\-token\-file`) {
		t.Error(err, string(data))
	}
	if data, err := os.ReadFile(filepath.Join(dir, "aggregator-convert.1")); err != nil ||
		!strings.Contains(string(data), `\-\-lenient`) {
		t.Error(err, string(data))
	}
}
