package file

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/intent"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

// change replaces what the file at path holds.
func change(t *testing.T, path string, to func(b []byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, to(b), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

// Whatever became of a file or of the configuration since the program ended, no event is missing that somebody did not
// remove; and what is there as it would be written now is not written again.
func TestChangedSince(t *testing.T) {
	const events, firstPart = 20, 7
	for _, tc := range []struct {
		name    string
		change  func(t *testing.T, dir, path string, cfg *Config)
		lines   int // of the first batch, in the end
		doubled uint64
		notice  string
	}{
		{"nothing", func(*testing.T, string, string, *Config) {}, events, 0, ""},
		{
			"the file was removed", func(t *testing.T, _, path string, _ *Config) { t.Helper(); remove(t, path) },
			events, firstPart, "",
		},
		{"the file was emptied", func(t *testing.T, _, path string, _ *Config) {
			t.Helper()
			change(t, path, func([]byte) []byte { return nil })
		}, events, 0, ""},
		{"the file was moved", func(t *testing.T, _, path string, _ *Config) {
			t.Helper()
			if err := os.Rename(path, path+".1"); err != nil {
				t.Fatal(err)
			}
		}, 2 * events, firstPart, ""},
		{"the file lost its beginning", func(t *testing.T, _, path string, _ *Config) {
			t.Helper()
			change(t, path, func(b []byte) []byte { return b[bytes.IndexByte(b, '\n')+1:] })
		}, 2*events - 1, events - 1, ""},
		{"a line was changed", func(t *testing.T, _, path string, _ *Config) {
			t.Helper()
			change(t, path, func(b []byte) []byte { return bytes.Replace(b, []byte(`"n":7,`), []byte(`"n":1,`), 1) })
		}, events + 1, 1, ""},
		{"another file took its place", func(t *testing.T, _, path string, _ *Config) {
			t.Helper()
			change(t, path, func(b []byte) []byte { return bytes.Repeat([]byte("{\"n\":-1}\n"), len(b)/9) })
		}, events, events, ""},
		{"the file can't be read", func(t *testing.T, dir, path string, cfg *Config) {
			t.Helper()
			remove(t, path)
			if err := os.Mkdir(path, 0o750); err != nil {
				t.Fatal(err)
			}
			cfg.Path = filepath.Join(dir, "out", "new.ndjson")
		}, events, events, ""},
		{
			"fields are added", func(_ *testing.T, _, _ string, cfg *Config) { cfg.Fields.ID = "id" }, 2 * events,
			events, "",
		},
		{
			"another path", func(
				_ *testing.T, dir, _ string, cfg *Config,
			) {
				cfg.Path = filepath.Join(dir, "out", "new.ndjson")
			}, events, 0, "",
		},
		{
			"another compression", func(_ *testing.T, _, _ string, cfg *Config) { cfg.Compression = compressionGzip },
			2 * events, events, "",
		},
		{
			"the log is gone", func(
				t *testing.T, dir, _ string, _ *Config,
			) {
				t.Helper()
				remove(t, filepath.Join(dir, "file.log"))
			}, 2 * events, 0, "",
		},
		{"the log is damaged", func(t *testing.T, dir, _ string, _ *Config) {
			t.Helper()
			change(t, filepath.Join(dir, "file.log"), func(b []byte) []byte { b[len(b)-9] ^= 1; return b })
		}, 2 * events, 0, noticeDamaged},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir, c := t.TempDir(), newClock()
			state := filepath.Join(dir, "file.log")
			cfg := Config{Path: filepath.Join(dir, "out", "x.ndjson")}
			chunk := outputtest.Chunk(1, "a", "t", events, 0, 5)
			o := openWith(t, cfg, c, state)
			send(t, o, chunk)
			if err := o.Close(); err != nil {
				t.Fatal(err)
			}
			tc.change(t, dir, cfg.Path, &cfg)
			for _, seq := range []uint64{1, 2} { // after another crash, the same
				o = openWith(t, cfg, c, state)
				b := outputtest.Batch(chunk)
				for _, part := range [][]event.Event{b.Events[:firstPart], b.Events[firstPart:]} {
					if err := o.Send(t.Context(), &outputs.Batch{Events: part}); err != nil {
						t.Fatal(err)
					}
				}
				send(t, o, outputtest.Chunk(seq+1, "a", "t", 3, int(100*seq), 5))
				got := countLines(t, filepath.Join(dir, "out"))
				lines := 0
				for n := range events {
					if got[n] == 0 {
						t.Errorf("event %d is missing", n)
					}
					lines += got[n]
				}
				if lines != tc.lines || got[100] != 1 || got[int(100*seq)+2] != 1 {
					t.Errorf("%d lines, want %d: %v", lines, tc.lines, got)
				}
				r := o.Report()
				if r.PossibleDuplicates != tc.doubled || strings.Join(r.Notices, ";") != tc.notice {
					t.Errorf("%+v, want %d possible duplicates and %q", r, tc.doubled, tc.notice)
				}
				if err := o.Close(); err != nil {
					t.Fatal(err)
				}
				tc.doubled, tc.notice = 0, ""
			}
		})
	}
}

// A file of which only the beginning survived, however much, gets what is missing and nothing twice.
func TestTornBatch(t *testing.T) {
	for _, tc := range []struct{ compression, ext string }{
		{compressionNone, ""}, {compressionGzip, ".gz"}, {compressionZstd, ".zst"},
	} {
		t.Run(tc.compression, func(t *testing.T) {
			dir, c := t.TempDir(), newClock()
			cfg := Config{Path: filepath.Join(dir, "x"), Compression: tc.compression}
			path, state := cfg.Path+tc.ext, filepath.Join(dir, "file.log")
			o := openWith(t, cfg, c, state)
			chunks := []*event.Chunk{outputtest.Chunk(1, "a", "t", 4, 0, 5), outputtest.Chunk(2, "a", "t", 4, 4, 5)}
			for _, chunk := range chunks {
				send(t, o, chunk)
			}
			if err := o.Close(); err != nil {
				t.Fatal(err)
			}
			whole, log := mustRead(t, path), mustRead(t, state)
			want := []int{0, 1, 2, 3, 4, 5, 6, 7}
			for n := 0; n <= len(whole); n++ {
				for file, b := range map[string][]byte{path: whole[:n], state: log} {
					if err := os.WriteFile(file, b, 0o600); err != nil {
						t.Fatal(err)
					}
				}
				for range 2 {
					o := openWith(t, cfg, c, state)
					send(t, o, chunks...)
					if got := slices.Sorted(slices.Values(read(t, path))); !slices.Equal(got, want) {
						t.Fatalf("after %d of %d bytes: events %v", n, len(whole), got)
					}
					if err := o.Close(); err != nil {
						t.Fatal(err)
					}
				}
			}
		})
	}
}

func mustRead(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Where the log can't be written events are delivered, and the operator is told; where what it said before can't be
// taken back either, they wait.
func TestLogUnwritable(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	cfg := Config{Path: filepath.Join(dir, "x")}
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	o := openWith(t, cfg, c, filepath.Join(dir, "file", "log"))
	err := o.Send(t.Context(), outputtest.Batch(outputtest.Chunk(1, "a", "t", 3, 0, 5)))
	var se *outputs.SendError
	if !errors.As(err, &se) || se.Reason != outputs.ReasonServer || !strings.Contains(err.Error(), "log of batches") {
		t.Errorf("got %v", err)
	}
	state := filepath.Join(dir, "log")
	o = openWith(t, cfg, c, state)
	send(t, o, outputtest.Chunk(1, "a", "t", 3, 0, 5))
	if err := os.Mkdir(state+".new", 0o750); err != nil { // so that no log can be begun
		t.Fatal(err)
	}
	o.journal.log.Close()
	send(t, o, outputtest.Chunk(2, "a", "t", 3, 3, 5))
	if r := o.Report(); !slices.Equal(r.Notices, []string{noticeLog}) {
		t.Errorf("notices %q", r.Notices)
	}
	if _, err := os.Stat(state); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a log is left that does not tell of the last batch: %v", err)
	}
	remove(t, state+".new")
	send(t, o, outputtest.Chunk(3, "a", "t", 3, 6, 5))
	if b := mustRead(t, state); len(b) < 50 {
		t.Errorf("the log is not written again: %q", b)
	}
	if got := read(t, cfg.Path); !slices.Equal(got, []int{0, 1, 2, 3, 4, 5, 6, 7, 8}) {
		t.Errorf("events %v", got)
	}
}

// What may take the place of a batch in the log is synced there first: a power cut could keep the older one alone.
func TestOverwrites(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	cfg := Config{Path: filepath.Join(dir, "x"), Rotate: Rotate{MaxSize: 2000}}
	o := openWith(t, cfg, c, filepath.Join(dir, "log"))
	disk := &full{room: -1}
	disk.install(o)
	n := 0
	add := func(events int) {
		t.Helper()
		send(t, o, outputtest.Chunk(uint64(n), "a", "t", events, n, 5))
		n += events
	}
	for _, tc := range []struct {
		name string
		do   func()
		want bool
	}{
		{"a new file", func() {}, true},
		{"one that was written to", func() { add(1) }, false},
		{"closed meanwhile", func() { c.now = c.now.Add(idle); o.closeIdle() }, false},
		{"a write failed", func() {
			disk.room = 0
			if err := o.Send(t.Context(), outputtest.Batch(outputtest.Chunk(99, "a", "t", 1, 99, 5))); err == nil {
				t.Error("a full disk took it")
			}
			disk.room = -1
		}, true},
		{"and then one did not", func() { add(1) }, false},
		{"nothing could be rendered", func() {
			b := outputtest.Batch(outputtest.Chunk(98, "a", "t", 1, 98, 5))
			b.Events[0].Record = outputtest.Broken(nil).Record
			if err := o.Send(t.Context(), b); err == nil {
				t.Error("a broken event was written")
			}
		}, false},
		{"somebody emptied it", func() { change(t, cfg.Path, func([]byte) []byte { return nil }) }, true},
		{"written again", func() { add(1) }, false},
		{"somebody removed it", func() { remove(t, cfg.Path) }, true},
		{"and again", func() { add(1) }, false},
		{"it was finished", func() { add(40) }, true},
	} {
		tc.do()
		file, err := o.files.file(t.Context(), cfg.Path)
		if err != nil {
			t.Fatal(err)
		}
		if file.overwrites != tc.want {
			t.Errorf("%s: overwrites is %t", tc.name, file.overwrites)
		}
	}
}

// Files of other paths are looked for under the name that they have now.
func TestReplay(t *testing.T) {
	batch := func(path string, offset int64) step { return step{kind: kindBatch, path: path, offset: offset} }
	rename := func(from, to string) step { return step{kind: kindRename, path: from, to: to} }
	refused := func(n uint32) step { return step{kind: kindRefused, refused: []intent.Run{{First: n, Count: 1}}} }
	for _, tc := range []struct {
		name   string
		steps  []step
		exists string
		want   string // path and offset of each
	}{
		{"in order", []step{batch("a", 0), batch("b", 0), batch("a", 9)}, "a b", "a0 b0 a9"},
		{"cut back", []step{batch("a", 0), batch("a", 9), batch("b", 3), batch("a", 9)}, "a b", "a0 b3 a9"},
		{"begun anew", []step{batch("a", 0), batch("a", 9), batch("a", 0)}, "a", "a0"},
		{"renamed", []step{batch("a", 0), batch("a", 9), rename("a", "a1"), batch("a", 0)}, "a a1", "a10 a19 a0"},
		{"renamed and removed", []step{batch("a", 0), rename("a", "a1"), batch("a", 0)}, "a", "a10 a0"},
		{"killed before the rename", []step{batch("a", 0), rename("a", "a1")}, "a", "a0"},
		{"killed behind the rename", []step{batch("a", 0), rename("a", "a1")}, "a1", "a10"},
		{"rename failed", []step{batch("a", 0), rename("a", "a1"), rename("a1", "a"), batch("a", 9)}, "a", "a0 a9"},
		{"two renames", []step{batch("a", 0), rename("a", "a1"), batch("a", 0), rename("a", "a2")}, "a1 a2", "a10 a20"},
		{"without a line", []step{batch("a", 0), refused(3), refused(4), batch("a", 9), refused(7)}, "a", "a0-2 a9-1"},
		{"of a batch that is gone", []step{refused(3), batch("a", 0)}, "a", "a0"},
	} {
		show := func(batches []step) string {
			var all []string
			for _, b := range batches {
				text := b.path + string(rune('0'+b.offset))
				if n := intent.Count(b.refused); n > 0 {
					text += "-" + string(rune('0'+n))
				}
				all = append(all, text)
			}
			return strings.Join(all, " ")
		}
		got := replay(tc.steps, func(path string) bool { return slices.Contains(strings.Fields(tc.exists), path) })
		if show(got) != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, show(got), tc.want)
		}
		if again := replay(slices.Clone(got), nil); !reflect.DeepEqual(again, got) {
			t.Errorf("%s: %s the second time", tc.name, show(again))
		}
	}
}

// The sums of lines are forgotten when they are too many, but not that a file can't be relied on.
func TestLinesAreBounded(t *testing.T) {
	var d doubts
	for _, path := range []string{"a", "b", "c"} {
		d.add(&step{path: path})
	}
	all := d.index.All()
	all[0].lines, all[1].lines = &lines{sums: make([]sum, maxLines)}, &lines{err: errNotSynced}
	d.forgetLines()
	if all[0].lines == nil {
		t.Error("forgotten though there is room")
	}
	all[2].lines = &lines{sums: make([]sum, 1)}
	d.forgetLines()
	if all[0].lines != nil || all[1].lines == nil || all[2].lines != nil {
		t.Errorf("%v", all)
	}
}

// An event that a batch held twice can't be told from itself.
func TestEventTwiceInABatch(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	state := filepath.Join(dir, "log")
	cfg := Config{Path: filepath.Join(dir, "out", "x")}
	b := outputtest.Batch(outputtest.Chunk(1, "a", "t", 2, 0, 5))
	b.Events = append(b.Events, b.Events[1])
	for range 2 {
		o := openWith(t, cfg, c, state)
		if err := o.Send(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if err := o.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if got := countLines(t, filepath.Join(dir, "out")); !maps.Equal(got, map[int]int{0: 1, 1: 4}) {
		t.Errorf("lines %v", got)
	}
}

func FuzzParseStep(f *testing.F) {
	spans := []intent.Span{
		{Chunk: intent.Key{1}, Runs: []intent.Run{{First: 3, Count: 2}}},
		{Chunk: intent.Key{2}, Runs: []intent.Run{{Count: 9}}},
	}
	for _, s := range []step{
		{kind: kindBatch, path: "a/b.ndjson.gz", ext: ".gz", offset: 1 << 40, spans: spans, refused: spans[0].Runs},
		{kind: kindRename, path: "a", to: "b"},
		{kind: kindRefused, refused: spans[0].Runs},
	} {
		f.Add(appendStep(nil, &s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, ok := parseStep(data)
		if !ok {
			return
		}
		if again, ok := parseStep(appendStep(nil, &s)); !ok || !reflect.DeepEqual(again, s) {
			t.Fatalf("%+v became %+v", s, again)
		}
		other := s
		replay([]step{s, other, {kind: kindRefused, refused: s.refused}}, func(string) bool { return len(data)%2 == 0 })
	})
}
