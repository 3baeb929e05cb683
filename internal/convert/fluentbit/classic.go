// Package fluentbit reads configurations of Fluent Bit and says what they do as a flow.
package fluentbit

import (
	"bytes"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/seed-afc6a195/aggregator/internal/convert/syntax"
)

// File is what is read of a configuration: its sections in the order of the files, and what was included but is not
// here.
type File struct {
	Path string
	// Classic says that agents' files made of it are to be in the classic form, whatever the path ends in.
	Classic  bool
	Sections []*syntax.Section
	Missing  []*syntax.Error
	// Servers is the servers of upstream files, by the name that outputs give the file.
	Servers map[string][]*syntax.Section
}

// Has reports whether there is a section of a name.
func (f *File) Has(name string) bool {
	return slices.ContainsFunc(f.Sections, func(s *syntax.Section) bool { return s.Name == name })
}

// Parsers returns the sections that say how texts are read.
func (f *File) Parsers() (all []*syntax.Section) {
	for _, s := range f.Sections {
		if s.Name == "parser" || s.Name == "multiline_parser" {
			all = append(all, s)
		}
	}
	return all
}

// Parse reads the file at path with all that it includes, in the classic syntax or in YAML.
func Parse(files *syntax.Files, path string) (*File, error) {
	r := &reader{files: files, set: map[string]string{}, out: &File{}}
	if err := r.file(path, syntax.Place{File: path}); err != nil {
		return r.out, err
	}
	if err := r.parsersFiles(path); err != nil {
		return r.out, err
	}
	return r.out, r.upstreams(path)
}

// parsersFiles reads the files with parsers that [SERVICE] names, where they are there. Those of others, which are
// named as well, are read once.
func (r *reader) parsersFiles(from string) error {
	for _, s := range slices.Clone(r.out.Sections) {
		for _, e := range s.Entries {
			name, plain := e.Value.Plain()
			if s.Name != "service" || e.Key != "parsers_file" || !plain {
				continue
			}
			paths := r.files.Match(name, filepath.Dir(from))
			if len(paths) == 0 {
				paths = r.files.Match(filepath.Base(name), filepath.Dir(from))
			}
			for _, path := range paths {
				if err := r.file(path, e.At); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

type reader struct {
	files *syntax.Files
	// set is what @SET or YAML's env has set.
	set map[string]string
	out *File
}

func (r *reader) file(path string, at syntax.Place) error {
	data, done, err := r.files.Open(path, at)
	if err != nil {
		return err
	}
	defer done()
	data = bytes.TrimPrefix(bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n")), []byte("\ufeff"))
	if ext := filepath.Ext(path); ext == ".yaml" || ext == ".yml" {
		return r.yaml(path, data)
	}
	return r.classic(path, string(data))
}

// include reads the files that an include names.
func (r *reader) include(from, name string, at syntax.Place) error {
	paths := r.files.Match(name, filepath.Dir(from))
	if len(paths) == 0 {
		r.out.Missing = append(r.out.Missing, &syntax.Error{
			At:     at,
			Reason: "include of " + name + ": there is no such file here", Hint: "put it there and convert " +
				"again; what it says is not in the result",
		})
	}
	for _, path := range paths {
		if err := r.file(path, at); err != nil {
			return err
		}
	}
	return nil
}

// classic reads sections [NAME] with lines of key and value that are indented.
func (r *reader) classic(path, text string) error {
	var section *syntax.Section
	for i, line := range strings.Split(text, "\n") {
		trimmed := strings.TrimSpace(line)
		at := syntax.Place{File: path, Line: i + 1, Column: len(line) - len(strings.TrimLeft(line, " \t")) + 1}
		switch {
		case trimmed == "" || trimmed[0] == '#':
			continue
		case trimmed[0] == '@':
			if err := r.directive(path, trimmed, at); err != nil {
				return err
			}
		case trimmed[0] == '[':
			if len(trimmed) < 3 || trimmed[len(trimmed)-1] != ']' {
				return &syntax.Error{
					At: at, Reason: fmt.Sprintf("%.60q is no section", trimmed),
					Hint: "write [INPUT], [FILTER], [OUTPUT], …",
				}
			}
			section = &syntax.Section{
				Name: strings.ToLower(strings.TrimSpace(trimmed[1 : len(trimmed)-1])), At: at,
				Raw: []string{line},
			}
			r.out.Sections = append(r.out.Sections, section)
		case section == nil:
			return &syntax.Error{
				At: at, Reason: fmt.Sprintf("%.60q stands in no section", trimmed),
				Hint: "write [SERVICE], [INPUT], [FILTER] or [OUTPUT] before it",
			}
		default:
			key, value, _ := strings.Cut(strings.ReplaceAll(trimmed, "\t", " "), " ")
			if value != "" {
				// Tabs inside of the value stay.
				value = strings.TrimSpace(trimmed[len(key):])
			}
			section.Raw = append(section.Raw, line)
			section.Entries = append(section.Entries, syntax.Entry{
				Key: strings.ToLower(key), Value: r.value(value, at),
				At: at,
			})
		}
	}
	return nil
}

// directive reads @INCLUDE and @SET.
func (r *reader) directive(path, line string, at syntax.Place) error {
	name, rest, _ := strings.Cut(line, " ")
	rest = strings.TrimSpace(rest)
	switch strings.ToLower(name) {
	case "@include":
		return r.include(path, rest, at)
	case "@set":
		key, value, found := strings.Cut(rest, "=")
		if !found {
			return &syntax.Error{At: at, Reason: "@SET sets nothing", Hint: "write @SET name=value"}
		}
		r.set[strings.TrimSpace(key)] = strings.TrimSpace(value)
		return nil
	}
	return &syntax.Error{
		At: at, Reason: fmt.Sprintf("%.40q is no directive", name),
		Hint: "Fluent Bit has @INCLUDE and @SET",
	}
}

// value reads a value with its variables ${NAME}.
func (r *reader) value(text string, at syntax.Place) syntax.Value {
	v := syntax.Value{At: at}
	for {
		m := regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_.-]*)\}`).FindStringSubmatchIndex(text)
		if m == nil {
			if text != "" || v.Parts == nil {
				v.Parts = append(v.Parts, syntax.Part{Text: text})
			}
			return v
		}
		name := text[m[2]:m[3]]
		if m[0] > 0 {
			v.Parts = append(v.Parts, syntax.Part{Text: text[:m[0]]})
		}
		if set, ok := r.set[name]; ok {
			v.Parts = append(v.Parts, syntax.Part{Text: set})
		} else {
			v.Parts = append(v.Parts, syntax.Part{Env: name})
		}
		text = text[m[1]:]
	}
}
