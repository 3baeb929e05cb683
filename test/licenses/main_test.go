package main

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"
)

// What is shipped names every module that is linked, and nothing that is not.
func TestUpToDate(t *testing.T) {
	want, err := generate(t.Context(), "../..")
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../" + fileName)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what go.mod asks for: go run ./test/licenses", fileName)
	}
	for _, text := range []string{
		"github.com/elastic/elastic-transport-go/v8 ", "NOTICE", "Apache License", "Go's standard library",
	} {
		if !strings.Contains(string(want), text) {
			t.Errorf("%q is not there", text)
		}
	}
}

func TestLegalFiles(t *testing.T) {
	dir := t.TempDir()
	legal := []string{
		"COPYING", "LICENCE", "LICENSE-MIT", "LICENSE.txt", "NOTICE", "NOTICE.md", "PATENTS", "THIRD_PARTY_NOTICES",
	}
	for _, name := range append([]string{"license.go", "README.md", "noticeboard"}, legal...) {
		if err := os.WriteFile(dir+"/"+name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := legalFiles(dir); err != nil || !slices.Equal(got, legal) {
		t.Errorf("%v, %v; want %v", got, err, legal)
	}
}
