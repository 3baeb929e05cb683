package live

import (
	"io"
	"testing"
)

// A number that says nothing is refused before any server is asked.
func TestTailNumbers(t *testing.T) {
	for _, tc := range []struct{ flag, value string }{
		{"sample", "-1"}, {"sample", "0"}, {"rate", "-1"}, {"rate", "0"},
	} {
		cmd := newTailCommand()
		cmd.SetArgs([]string{"--" + tc.flag, tc.value, "--status", "http://127.0.0.1:1"})
		cmd.SetOut(io.Discard)
		cmd.SetErr(io.Discard)
		want := "--" + tc.flag + " " + tc.value + ": must be at least 1"
		if err := cmd.Execute(); err == nil || err.Error() != want {
			t.Errorf("--%s %s: %v, want %s", tc.flag, tc.value, err, want)
		}
	}
}
