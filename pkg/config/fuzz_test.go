package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzParse holds that no file makes Parse panic, that its errors are places in the file and show
// no secret, and that what it accepts is whole.
func FuzzParse(f *testing.F) {
	inputs, err := filepath.Glob("testdata/errors/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, input := range append(inputs, "testdata/contract.yaml") {
		data, err := os.ReadFile(input)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte("a: &a {<<: *a}"))
	f.Add([]byte("a: &a\n  *a : 1\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse("f.yaml", data, world())
		if err == nil {
			if len(c.Listeners) == 0 || len(c.Routes) == 0 || len(c.Outputs) == 0 || c.Hostname == "" {
				t.Errorf("accepted, but not whole: %+v", c)
			}
			if strings.Contains(c.Summary(), secretValue) && !strings.Contains(string(data), secretValue) {
				t.Errorf("a secret shows:\n%s", c.Summary())
			}
			return
		}
		var all Errors
		if !errors.As(err, &all) || len(all) == 0 || len(all) > maxErrors+1 {
			t.Fatalf("not a list of mistakes: %v", err)
		}
		for _, e := range all {
			if e.File != "f.yaml" || e.Reason == "" || e.Line < 0 {
				t.Errorf("incomplete: %#v", e)
			}
		}
		if strings.Contains(err.Error(), secretValue) && !strings.Contains(string(data), secretValue) {
			t.Errorf("a secret shows:\n%v", err)
		}
	})
}
