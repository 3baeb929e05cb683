package disk

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
)

// A crash right after a chunk was settled in part, before what outputs have finished is saved, repeats nothing of it:
// not what waits aside, not what was delivered, and nothing of what went from there to another output. Another output
// that wants the chunk still has it.
func TestCrashAfterSettlePart(t *testing.T) {
	for _, tc := range []struct {
		name  string
		steps int // chunks that are settled in part before the crash: the first, its rest, and that one's
		want  map[string]string
	}{
		{"before", 0, map[string]string{"o": "abc", "other": "abc"}},
		{"set aside", 1, map[string]string{"o\x1fi": "c", "other": "abc"}},
		{"set aside again", 2, map[string]string{"o\x1fi": "c", "other": "abc"}},
		{"moved to another output", 3, map[string]string{"p": "c", "other": "abc"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := mustOpen(t, testConfig(t.TempDir()), buffer.Options{})
			put(t, s, message1{conn: 1, cluster: "a", outputs: []string{"o", "other"}, text: "abc"})
			from := s.Source("o")
			for i := range tc.steps {
				c, err := from.Next(context.Background())
				if err != nil {
					t.Fatal(err)
				}
				rest := buffer.Rest{Target: "i", Entries: []byte("c"), Filtered: true, Parts: slices.Clone(c.Parts)}
				if i == 2 {
					rest.Target, rest.Output = "", "p"
				}
				if err := from.SettlePart(context.Background(), c, []buffer.Rest{rest}); err != nil {
					t.Fatal(err)
				}
				from = s.Waiting("o", "i")
			}
			crashed := testConfig(filepath.Join(t.TempDir(), "crashed"))
			if err := os.CopyFS(crashed.Path, os.DirFS(s.dir)); err != nil {
				t.Fatal(err)
			}
			again := mustOpen(t, crashed, buffer.Options{})
			got := map[string]string{}
			for _, name := range []string{"o", "o\x1fi", "p", "other"} {
				for c := take(t, again, name); c != nil; c = take(t, again, name) {
					got[name] += string(c.Entries)
					again.Source(name).Done(c)
				}
			}
			if len(got) != len(tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
			for name, text := range tc.want {
				if got[name] != text {
					t.Errorf("%q has %q, want %q", name, got[name], text)
				}
			}
			for _, w := range again.Stats().Waits {
				sum := w.Done.Events + w.Dropped.Events + w.Purged.Events + w.Lost.Events + w.Pending.Events
				if w.Found.Events+w.Appended.Events != sum {
					t.Errorf("counts do not add up: %+v", w)
				}
			}
		})
	}
}
