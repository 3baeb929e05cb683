//go:build failpoints

package failpoint

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

func TestParse(t *testing.T) {
	for _, tc := range []struct {
		text   string
		passes string // of point a: . goes on, x acts
		wrong  bool
	}{
		{"", "...", false},
		{"a=fail", "x..", false},
		{"a=fail@2", ".x.", false},
		{"a=fail@2+", ".xx", false},
		{"b=fail@1,a=fail@3", "..x", false},
		{"b=fail", "...", false},
		{"a=fail@0", "", true},
		{"a=fail@x", "", true},
		{"a=stop", "", true},
		{"a", "", true},
		{"=kill", "", true},
	} {
		all, err := parse(tc.text)
		if (err != nil) != tc.wrong {
			t.Errorf("%q: %v", tc.text, err)
			continue
		}
		var passes strings.Builder
		for range tc.passes {
			if p := all["a"]; p != nil && p.reached() {
				passes.WriteByte('x')
			} else {
				passes.WriteByte('.')
			}
		}
		if got := passes.String(); got != tc.passes {
			t.Errorf("%q: %s, want %s", tc.text, got, tc.passes)
		}
	}
}

// The process runs itself, since a point acts on the process that it is in.
func TestPass(t *testing.T) {
	if os.Getenv(Variable) != "" {
		for range 3 {
			Pass("here")
		}
		if err := Error("there"); !errors.Is(err, ErrFailed) {
			t.Error(err)
		}
		return
	}
	for _, tc := range []struct {
		arm  string
		kill bool
	}{
		{"here=kill@3,there=fail", true},
		{"here=kill@4,there=fail", false},
		{"there=fail", false},
	} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestPass$")
		cmd.Env = append(os.Environ(), Variable+"="+tc.arm)
		out, err := cmd.CombinedOutput()
		status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
		killed := ok && status.Signaled() && status.Signal() == syscall.SIGKILL
		if killed != tc.kill || !killed && err != nil ||
			killed != strings.Contains(string(out), "killed at fail point here") {
			t.Errorf("%s: %v\n%s", tc.arm, err, out)
		}
	}
}
