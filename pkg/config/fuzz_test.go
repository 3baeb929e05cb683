package config

import (
	"errors"
	"fmt"
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

// FuzzExpand interpolates any text: what may be shown and errors have no secret, and each ${ that is written $${ stays.
func FuzzExpand(f *testing.F) {
	for _, text := range []string{
		"", "plain", "${env:SECRET}", "a${env:N}b${file:/secret}c", "${env:MISSING:-${env:N}}", "$${env:N}",
		"$$${env:SECRET}", "${", "${env:", "${file:/none}", "${x}}", "${env:SECRET:-",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, secretValue) {
			return
		}
		ip := &interpolator{options: world(), known: map[string]string{}, standIns: map[string]bool{}}
		e, readable := ip.expand(text)
		result, masked, refs := e.text, e.masked, e.refs
		if strings.Contains(masked, secretValue) || strings.Contains(fmt.Sprint(refs, e.wrong), secretValue) {
			t.Errorf("%q shows a secret: %q, %q, %v", text, masked, refs, e.wrong)
		}
		if readable && len(refs) == 0 && result != masked {
			t.Errorf("%q is %q without references, and is shown as %q", text, result, masked)
		}
		e, readable = ip.expand(strings.ReplaceAll(text, "${", "$${"))
		result, masked, refs = e.text, e.masked, e.refs
		if !readable || e.wrong != nil || result != text || masked != text || len(refs) > 0 {
			t.Errorf("%q does not come through: %q, %q, %q, %v", text, result, masked, refs, e.wrong)
		}
	})
}
