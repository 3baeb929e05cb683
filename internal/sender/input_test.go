package sender

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"
)

func TestInputLines(t *testing.T) {
	long := strings.Repeat("x", 300_000)
	for _, tc := range []struct {
		name string
		cfg  InputConfig
		text string
		want []string
	}{
		{"nothing", InputConfig{}, "", nil},
		{"text", InputConfig{}, "one\ntwo\n", []string{`{"log":"one"}`, `{"log":"two"}`}},
		{"no last line end", InputConfig{}, "one\ntwo", []string{`{"log":"one"}`, `{"log":"two"}`}},
		{"CRLF and empty lines", InputConfig{}, "\r\none\r\n\n  \ntwo\r\n", []string{`{"log":"one"}`, `{"log":"two"}`}},
		{"JSON", InputConfig{}, ` {"a":[1,{"b":null}]}` + "\n{}", []string{`{"a":[1,{"b":null}]}`, `{}`}},
		{
			"no JSON object",
			InputConfig{},
			"{\"a\":1}x\n{oops\n[1]\n7",
			[]string{`{"log":"{\"a\":1}x"}`, `{"log":"{oops"}`, `{"log":"[1]"}`, `{"log":"7"}`},
		},
		{"text by force", InputConfig{Format: FormatText}, `{"a":1}`, []string{`{"log":"{\"a\":1}"}`}},
		{
			"long lines",
			InputConfig{},
			"a\n" + long + "\nb\n" + long,
			[]string{`{"log":"a"}`, `{"log":"` + long + `"}`, `{"log":"b"}`, `{"log":"` + long + `"}`},
		},
	} {
		for reader, wrap := range map[string]func(io.Reader) io.Reader{
			"at once": func(r io.Reader) io.Reader { return r }, "halves": iotest.HalfReader,
			"end with data": iotest.DataErrReader,
		} {
			t.Run(tc.name+", "+reader, func(t *testing.T) {
				in, err := OpenInput(tc.cfg, nil, wrap(strings.NewReader(tc.text)))
				if err != nil {
					t.Fatal(err)
				}
				defer in.Close()
				entries, _, err := readAll(t.Context(), in.Reader())
				if got := jsonOf(t, entries); err != nil || !slices.Equal(got, tc.want) {
					t.Errorf("error %v, records %.200q", err, got)
				}
			})
		}
	}
}

func TestInputFiles(t *testing.T) {
	dir := t.TempDir()
	var names []string
	for i, text := range []string{"a\nb", "c\n", ""} {
		names = append(names, filepath.Join(dir, strconv.Itoa(i)))
		if err := os.WriteFile(names[i], []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	in, err := OpenInput(InputConfig{ChunkEvents: 2}, names, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	entries, chunks, err := readAll(t.Context(), in.Reader())
	if got := jsonOf(t, entries); err != nil || !slices.Equal(got, []string{
		`{"log":"a"}`, `{"log":"b"}`, `{"log":"c"}`,
	}) || !slices.Equal(chunks, []int{2, 1}) || in.Fraction() != 1 {
		t.Errorf("error %v, records %v in %v, fraction %v", err, got, chunks, in.Fraction())
	}
	if _, err := OpenInput(InputConfig{}, append(names, "nowhere"), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
	if _, err := OpenInput(InputConfig{}, append(names, t.TempDir()), nil); err == nil ||
		!strings.Contains(err.Error(), ": is a directory (name files of lines") {
		t.Errorf("a directory: %v", err)
	}
	in, err = OpenInput(InputConfig{}, []string{names[0], "-"}, strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if entries, _, err = readAll(t.Context(), in.Reader()); err != nil || len(jsonOf(t, entries)) != 3 ||
		in.Fraction() >= 0 {
		t.Errorf("error %v, entries %x, fraction %v", err, entries, in.Fraction())
	}
}

func TestInputFailures(t *testing.T) {
	for _, tc := range []struct {
		name, want string
		cfg        InputConfig
		in         io.Reader
		before     int // events that came before
	}{
		{
			name: "not JSON", cfg: InputConfig{Format: FormatJSON}, in: strings.NewReader("{}\n{}\n[]\n{}"),
			want: "standard input:3: not a JSON object", before: 2,
		},
		{
			name: "JSON that is cut off", cfg: InputConfig{Format: FormatJSON}, in: strings.NewReader("{}\n{\n{}"),
			want: "standard input:2: not a JSON object: the JSON is cut off", before: 1,
		},
		{
			name: "reading fails", in: io.MultiReader(
				strings.NewReader("a\nb\nha"), iotest.ErrReader(errors.New("disk on fire")),
			), want: "reading standard input: disk on fire", before: 2,
		},
		{
			name: "endless line", in: io.MultiReader(strings.NewReader("a\n"), io.LimitReader(zeros{}, maxLine+1<<17)),
			want: "a line of more than 16777216 bytes", before: 1,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			in, err := OpenInput(tc.cfg, nil, tc.in)
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close()
			entries, _, err := readAll(t.Context(), in.Reader())
			if err == nil || !strings.Contains(err.Error(), tc.want) || len(jsonOf(t, entries)) != tc.before {
				t.Errorf("error %v after %v", err, jsonOf(t, entries))
			}
		})
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestInputTimes(t *testing.T) {
	now := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		`{"ts":"2026-11-21T10:00:00.123456789+09:00"}`: time.Date(2026, 11, 21, 1, 0, 0, 123456789, time.UTC),
		`{"x":1,"ts":1795255200}`:                      now,
		`{"ts":1795255200.5}`:                          now.Add(time.Second / 2),
		`{"ts":"1795255200.000000001"}`:                now.Add(1),
		`{"ts":1795255200123}`:                         now.Add(123 * time.Millisecond),
		`{"ts":1795255200123456}`:                      now.Add(123456 * time.Microsecond),
		`{"ts":1795255200123456789}`:                   now.Add(123456789),
		`{"ts":4000000000}`:                            time.Unix(4000000000, 0),
		// No times, so that the time is that of reading:
		`{"ts":"yesterday"}`: {}, `{"ts":-1}`: {}, `{"ts":5000000000}`: {}, `{"ts":4294967295}`: {}, `{"ts":1e9}`: {},
		`{"ts":1.5e3}`: {}, `{"ts":null}`: {},
		`{"ts":{"ts":1795255200}}`: {}, `{"a":{"ts":1795255200}}`: {}, `{"ts":99999999999999999999}`: {},
		`{"ts":""}`: {}, `text`: {},
	} {
		synctest.Test(t, func(t *testing.T) {
			in := &Input{cfg: InputConfig{TimeKey: "ts"}}
			entry, err := in.appendEvent(nil, []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			unread := want.IsZero() && text != "text"
			if want.IsZero() {
				want = time.Now()
			}
			got := time.Unix(int64(uint32(entry[3])<<24|uint32(entry[4])<<16|uint32(entry[5])<<8|uint32(entry[6])),
				int64(uint32(entry[7])<<24|uint32(entry[8])<<16|uint32(entry[9])<<8|uint32(entry[10])))
			if !got.Equal(want) || (in.NoTime() == 1) != unread {
				t.Errorf("%s: time %v, want %v; %d without time", text, got.UTC(), want.UTC(), in.NoTime())
			}
		})
	}
}

// TestInputLingers: a chunk that isn't full goes soon after its first line, as when following a log.
func TestInputLingers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from, to := io.Pipe()
		in, err := OpenInput(InputConfig{ChunkEvents: 100}, nil, from)
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for _, text := range []string{"a\nb\n", "c\nd"} {
				_, _ = io.WriteString(to, text)
				time.Sleep(10 * time.Second)
			}
			to.Close()
		}()
		r, start := in.Reader(), time.Now()
		for i, want := range []struct {
			events int
			at     time.Duration
		}{{2, linger}, {1, 10*time.Second + linger}, {1, 20 * time.Second}} {
			_, n, err := r.Next(t.Context())
			if n != want.events || time.Since(start) != want.at || err != nil && i < 2 {
				t.Errorf("chunk %d: %d events after %v, want %+v (%v)", i, n, time.Since(start), want, err)
			}
		}
		if _, _, err := r.Next(t.Context()); !errors.Is(err, io.EOF) {
			t.Errorf("error %v", err)
		}
	})
}
