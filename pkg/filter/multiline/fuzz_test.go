package multiline_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/filter/multiline"
)

// FuzzJoin writes lines of any kind for three pods, the first byte of a line says which: nothing is
// lost, doubled or out of order, whatever they are, and limits hold.
func FuzzJoin(f *testing.F) {
	for _, language := range languages() {
		lines := strings.Join(golden(f, language), "\n")
		f.Add([]byte("0"+strings.ReplaceAll(lines, "\n", "\n0")), "", "", "")
	}
	f.Add([]byte("0a\n1b\n0 c\n2d\n1 e\n1"), "", `^\s`, "")
	f.Add([]byte("0[a\n1b\n0c\n1[d\n1e"), `^\[`, "", `\.$`)
	f.Fuzz(func(t *testing.T, input []byte, first, further, last string) {
		c := defaults()
		if c.Start, c.Continue, c.End = first, further, last; first+further+last == "" {
			c.Format = "all"
		}
		if _, err := multiline.New(c); err != nil {
			return // no expressions: check refuses them
		}
		c.MaxLines, c.MaxBytes = 9, 200
		s := newStream(t, c)
		now := start()
		total := 0
		for i, line := range bytes.Split(input, []byte("\n")) {
			if len(line) == 0 {
				s.j.Flush(now, false, s.emit)
				continue
			}
			now = now.Add(time.Duration(i%7) * 100 * time.Millisecond)
			s.line(string(line[:1]), string(line[1:]), now)
			// Each byte that is not UTF-8 comes out as U+FFFD.
			total += len(string([]rune(strings.TrimSuffix(string(line[1:]), "\r"))))
		}
		s.end()
		for _, out := range s.out {
			if strings.Count(out, "\n") > 8 {
				t.Errorf("an event has too many lines: %q", out)
			}
			total -= len(string([]rune(strings.TrimSuffix(out, "\r")))) - strings.Count(out, "\n")
		}
		if total != 0 {
			t.Errorf("what came out has %d bytes less than what came in", total)
		}
	})
}
