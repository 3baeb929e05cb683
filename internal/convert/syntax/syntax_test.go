package syntax_test

import (
	"errors"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/syntax"
)

// TestPlaces: a place is told as editors know it, with why and what to do.
func TestPlaces(t *testing.T) {
	for _, tc := range []struct{ got, want string }{
		{syntax.Place{File: "a.conf"}.String(), "a.conf"},
		{syntax.Place{File: "a.conf", Line: 3}.String(), "a.conf:3"},
		{syntax.Place{File: "a.conf", Line: 3, Column: 5}.String(), "a.conf:3"},
		{(&syntax.Error{At: syntax.Place{File: "a"}, Reason: "no"}).Error(), "a: no"},
		{(&syntax.Error{At: syntax.Place{File: "a", Line: 1, Column: 2}, Reason: "no"}).Error(), "a:1:2: no"},
		{(&syntax.Error{At: syntax.Place{File: "a", Line: 1}, Reason: "no", Hint: "do"}).Error(), "a:1: no (do)"},
	} {
		if tc.got != tc.want {
			t.Errorf("%s, want %s", tc.got, tc.want)
		}
	}
}

// TestValue: a value as plain text, as people know it, and as it is where no variable is set.
func TestValue(t *testing.T) {
	def := "d"
	for _, tc := range []struct {
		name                string
		parts               []syntax.Part
		plain, shown, usual string
		isPlain             bool
	}{
		{"text", []syntax.Part{{Text: "a"}, {Text: "b"}}, "ab", "ab", "ab", true},
		{"nothing", nil, "", "", "", true},
		{"a variable", []syntax.Part{{Text: "a"}, {Env: "E"}}, "a", "a${E}", "a${E}", false},
		{"a default", []syntax.Part{{Env: "E", Default: &def}, {Text: "x"}}, "", "${E}x", "dx", false},
		{"a file", []syntax.Part{{File: "/f"}}, "", "${file:/f}", "${file:/f}", false},
		{"code", []syntax.Part{{Code: "1+1"}}, "", "#{1+1}", "#{1+1}", false},
	} {
		v := syntax.Value{Parts: tc.parts}
		plain, isPlain := v.Plain()
		if plain != tc.plain || isPlain != tc.isPlain || v.Shown() != tc.shown || v.Usual() != tc.usual {
			t.Errorf("%s: %q %v %q %q", tc.name, plain, isPlain, v.Shown(), v.Usual())
		}
	}
}

// TestSection: the last value of a key counts, and sections are found by their names.
func TestSection(t *testing.T) {
	at := syntax.Place{File: "x", Line: 1}
	s := &syntax.Section{
		At: at,
		Entries: []syntax.Entry{
			{Key: "a", Value: syntax.Literal("1", at)},
			{Key: "a", Value: syntax.Literal("2", at)},
			{Key: "e", Value: syntax.Value{Parts: []syntax.Part{{Env: "E"}}}},
		},
		Sections: []*syntax.Section{{Name: "c", Arg: "1"}, {Name: "d"}, {Name: "c", Arg: "2"}},
	}
	if s.Text("a") != "2" || s.Text("none") != "" || s.Text("e") != "" {
		t.Error("texts", s.Text("a"), s.Text("none"), s.Text("e"))
	}
	if v, ok := s.Get("none"); ok || v.At != at {
		t.Error("what is not there has another place than the section", v)
	}
	if all := s.Children("c"); len(all) != 2 || all[1].Arg != "2" || s.Children("x") != nil {
		t.Error("children", all)
	}
}

// disk is files by their paths.
type disk map[string]string

func (d disk) files() *syntax.Files {
	return &syntax.Files{
		Read: func(path string) ([]byte, error) {
			if text, ok := d[path]; ok {
				return []byte(text), nil
			}
			return nil, errors.New("no such file")
		},
		Glob: func(pattern string) (all []string, err error) {
			for path := range d {
				if ok, _ := filepath.Match(pattern, path); ok {
					all = append(all, path)
				}
			}
			return all, nil
		},
	}
}

// TestMatch: includes find files below the one that has them, ascending, and parts that came inside others.
func TestMatch(t *testing.T) {
	f := disk{"/etc/a.conf": "", "/etc/d/b.conf": "", "/etc/d/a.conf": "", "/x.conf": ""}.files()
	f.Parts = map[string][]byte{"part.inc": nil}
	for _, tc := range []struct {
		pattern, dir string
		want         []string
	}{
		{"a.conf", "/etc", []string{"/etc/a.conf"}},
		{"d/*.conf", "/etc", []string{"/etc/d/a.conf", "/etc/d/b.conf"}},
		{"/x.conf", "/etc", []string{"/x.conf"}},
		{"none.conf", "/etc", nil},
		{"conf.d/part.inc", "/etc", []string{"part.inc"}},
		{"p*", "/etc", []string{"part.inc"}},
		{"[", "/etc", nil},
	} {
		if got := f.Match(tc.pattern, tc.dir); !slices.Equal(got, tc.want) {
			t.Errorf("%s in %s: %q, want %q", tc.pattern, tc.dir, got, tc.want)
		}
	}
	if got := f.Included(); len(got) != 5 || !slices.IsSorted(got) {
		t.Errorf("included %q, each once", got)
	}
}

// TestOpen: a file is read once at a time, and within limits; who wants it is told why it can't be.
func TestOpen(t *testing.T) {
	at := syntax.Place{File: "who", Line: 7}
	f := disk{"a": "text", "dir/p": "other"}.files()
	f.Parts = map[string][]byte{"p": []byte("part")}
	data, done, err := f.Open("a", at)
	if err != nil || string(data) != "text" {
		t.Fatal(string(data), err)
	}
	if _, _, err := f.Open("a", at); err == nil || !strings.Contains(err.Error(), "who:7: a includes itself") {
		t.Error(err)
	}
	done()
	if _, done, err := f.Open("a", at); err != nil {
		t.Error("a second time:", err)
	} else {
		done()
	}
	if data, _, err := f.Open("dir/p", at); err != nil || string(data) != "part" {
		t.Error("a part is not found by its name", string(data), err)
	}
	_, _, err = f.Open("none", at)
	if e, ok := errors.AsType[*syntax.Error](err); !ok || e.At != at || !strings.Contains(e.Reason, "can't be read") {
		t.Error(err)
	}
}

// TestOpenBounds: files that include one another, many and large ones have an end.
func TestOpenBounds(t *testing.T) {
	for _, tc := range []struct {
		name string
		open func(f *syntax.Files) error
		want string
	}{
		{"deep", func(f *syntax.Files) (err error) {
			for i := 0; err == nil; i++ {
				_, _, err = f.Open(strconv.Itoa(i), syntax.Place{})
			}
			return err
		}, "more than 16 files include one another"},
		{"many", func(f *syntax.Files) (err error) {
			for err == nil {
				var done func()
				if _, done, err = f.Open("x", syntax.Place{}); err == nil {
					done()
				}
			}
			return err
		}, "more than 500 files"},
		{"large", func(f *syntax.Files) error {
			f.Read = func(string) ([]byte, error) { return make([]byte, syntax.MaxFile+1), nil }
			_, _, err := f.Open("x", syntax.Place{})
			return err
		}, "x is too large"},
		{"large together", func(f *syntax.Files) (err error) {
			f.Read = func(string) ([]byte, error) { return make([]byte, syntax.MaxFile), nil }
			for err == nil {
				var done func()
				if _, done, err = f.Open("x", syntax.Place{}); err == nil {
					done()
				}
			}
			return err
		}, "16 MiB of all files"},
	} {
		f := &syntax.Files{Read: func(string) ([]byte, error) { return nil, nil }}
		if err := tc.open(f); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %s", tc.name, err, tc.want)
		}
	}
}
