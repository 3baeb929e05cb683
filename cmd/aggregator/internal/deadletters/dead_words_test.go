package deadletters

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-afc6a195/aggregator/cmd/aggregator/internal/flags"
	"github.com/seed-afc6a195/aggregator/pkg/status/client"
)

// TestAges says how long ago something was, in one unit that fits.
func TestAges(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	f := command{now: func() time.Time { return now }}
	for ago, want := range map[time.Duration]string{
		-time.Minute: "0s", 0: "0s", 59 * time.Second: "59s", time.Minute: "1m", 59 * time.Minute: "59m",
		time.Hour:                    "1h00m",
		47*time.Hour + 5*time.Minute: "47h05m", 48 * time.Hour: "2d", 1000 * time.Hour: "41d",
	} {
		if got := f.age(now.Add(-ago)); got != want {
			t.Errorf("%v ago: %s, want %s", ago, got, want)
		}
	}
}

// TestCut shortens texts to one line, and says that it did.
func TestCut(t *testing.T) {
	for _, tc := range []struct {
		text string
		n    int
		want string
	}{
		{"short", 10, "short"},
		{"exactly 10", 10, "exactly 10"},
		{"more than ten", 10, "more than…"},
		{"two\nlines", 10, "two…"},
		{"späße überall", 6, "späße…"},
		{"", 3, ""},
	} {
		if got := cut(tc.text, tc.n); got != tc.want {
			t.Errorf("%q: %q, want %q", tc.text, got, tc.want)
		}
	}
	for n, want := range map[int64]string{0: "0 dead letters", 1: "1 dead letter", 2: "2 dead letters"} {
		if got := plural(n, "dead letter"); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
	if capital("retry these") != "Retry these" || orNone("") != client.NoOutput || orNone("es") != "es" {
		t.Error("a beginning, or an output that is none, has other words")
	}
}

// TestPrintResult says what a change of dead letters did, and what it left and why.
func TestPrintResult(t *testing.T) {
	for _, tc := range []struct {
		name string
		r    client.DeadResult
		want string
	}{
		{"one", client.DeadResult{Letters: 1, Events: 1}, "sent 1 dead letter with 1 event again\n"},
		{"some", client.DeadResult{Letters: 2, Events: 5}, "sent 2 dead letters with 5 events again\n"},
		{
			"none, and why",
			client.DeadResult{Why: "there are no dead letters"},
			"sent no dead letter again\nthere are no dead letters\n",
		},
		{
			"some that stay",
			client.DeadResult{
				Letters: 1, Events: 1, Skipped: map[string]int64{"no route wants them": 2, "a reason": 1},
			},
			"sent 1 dead letter with 1 event again\nleft 1 dead letter: a reason\nleft 2 dead letters: no route " +
				"wants them\n",
		},
	} {
		var out bytes.Buffer
		if err := printResult(&out, "sent %s again", tc.r); err != nil || out.String() != tc.want {
			t.Errorf("%s: %q, want %q: %v", tc.name, &out, tc.want, err)
		}
	}
	if err := printResult(&brokenWriter{}, "sent %s again", client.DeadResult{Why: "x"}); err == nil {
		t.Error("an error of the output is not told")
	}
}

// TestAskBeforeAChange shows what is about to change, and takes nothing but a yes for one.
func TestAskBeforeAChange(t *testing.T) {
	for answer, sure := range map[string]bool{
		"y\n": true, "YES\n": true, " yes \n": true, "n\n": false, "\n": false, "": false, "yess\n": false,
	} {
		var shown bytes.Buffer
		cmd := &cobra.Command{}
		cmd.SetIn(strings.NewReader(answer))
		cmd.SetErr(&shown)
		f := command{now: time.Now}
		got, err := f.ask(cmd,
			client.DeadSummary{
				Letters: 2, Events: 3,
				By: []client.DeadCount{{Output: "es", Cluster: "a", Reason: "rejected", Letters: 2, Events: 3}},
			}, "retry %s")
		if got != sure || (err == nil) != sure {
			t.Errorf("%q: %t, %v", answer, got, err)
		}
		if s := shown.String(); !strings.Contains(s, "rejected") ||
			!strings.HasSuffix(s, "Retry these 2 dead letters? [y/N] ") {
			t.Errorf("it shows %q", s)
		}
	}
}

// brokenWriter takes so many bytes.
type brokenWriter struct{ room int }

func (w *brokenWriter) Write(p []byte) (int, error) {
	if len(p) > w.room {
		return 0, errFull
	}
	w.room -= len(p)
	return len(p), nil
}

var errFull = flags.WrongUsage(bytes.ErrTooLarge) // any error will do
