// Package conf reads the syntax of fluentd's files, version 1, and what all plugins' sections have.
package conf

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/seed-afc6a195/aggregator/internal/convert/ruby"
	"github.com/seed-afc6a195/aggregator/internal/convert/syntax"
)

// Parse reads the file at path with all that it includes. The section that it returns has no name and holds what stands
// at the top. An include of an absolute path that is not there is added to missing, as it is likely where the old
// program ran.
func Parse(files *syntax.Files, path string) (root *syntax.Section, missing []*syntax.Error, err error) {
	root = &syntax.Section{At: syntax.Place{File: path}}
	r := &reader{files: files}
	err = r.file(root, path, syntax.Place{File: path})
	return root, r.missing, err
}

// ParseText reads a configuration that includes nothing, or only what is among parts.
func ParseText(name string, data []byte) (*syntax.Section, error) {
	root, _, err := Parse(&syntax.Files{
		Read: func(string) ([]byte, error) { return nil, errors.New("there is no such file") },
		Glob: func(string) ([]string, error) { return nil, nil },
		Parts: map[string][]byte{
			name: data,
		},
	}, name)
	return root, err
}

type reader struct {
	files   *syntax.Files
	missing []*syntax.Error
}

// file reads a file's text into section.
func (r *reader) file(section *syntax.Section, path string, at syntax.Place) error {
	data, done, err := r.files.Open(path, at)
	if err != nil {
		return err
	}
	defer done()
	if ext := filepath.Ext(path); ext == ".yaml" || ext == ".yml" {
		return r.yaml(section, path, data)
	}
	s := &scanner{reader: r, path: path, text: strings.ReplaceAll(string(data), "\r\n", "\n"), line: 1}
	s.text = strings.TrimPrefix(s.text, "\ufeff")
	return s.body(section, "", 0)
}

// include reads the files that an @include names.
func (r *reader) include(section *syntax.Section, from, uri string, at syntax.Place) error {
	uri = strings.TrimPrefix(uri, "file://")
	if strings.Contains(uri, "://") {
		r.missing = append(r.missing, &syntax.Error{
			At:     at,
			Reason: "@include of " + uri + ": nothing is fetched from the network", Hint: "save it as a file " +
				"and include that",
		})
		return nil
	}
	paths := r.files.Match(uri, filepath.Dir(from))
	if len(paths) == 0 && !strings.ContainsAny(uri, "*?[") {
		r.missing = append(r.missing, &syntax.Error{
			At: at, Reason: "@include " + uri + ": there is no such file here",
			Hint: "put it there and convert again; what it says is not in the result",
		})
	}
	for _, path := range paths {
		if err := r.file(section, path, at); err != nil {
			return err
		}
	}
	return nil
}

// scanner reads one file.
type scanner struct {
	reader *reader
	path   string
	text   string
	pos    int
	line   int
	// start is where the line begins.
	start int
}

func (s *scanner) place() syntax.Place {
	return syntax.Place{File: s.path, Line: s.line, Column: s.pos - s.start + 1}
}

func (s *scanner) fail(at syntax.Place, hint, format string, args ...any) error {
	return &syntax.Error{At: at, Reason: fmt.Sprintf(format, args...), Hint: hint}
}

func (s *scanner) end() bool { return s.pos >= len(s.text) }

// next takes one byte.
func (s *scanner) next() byte {
	c := s.text[s.pos]
	s.pos++
	if c == '\n' {
		s.line, s.start = s.line+1, s.pos
	}
	return c
}

// blanks skips blanks, and line ends and comments too where lines is set.
func (s *scanner) blanks(lines bool) {
	for !s.end() {
		switch c := s.text[s.pos]; {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n' && lines:
			s.next()
		case c == '#' && lines:
			for !s.end() && s.text[s.pos] != '\n' {
				s.pos++
			}
		default:
			return
		}
	}
}

// lineEnd takes the rest of a line that holds nothing but a comment, and reports whether it did.
func (s *scanner) lineEnd() bool {
	s.blanks(false)
	if s.end() {
		return true
	}
	if s.text[s.pos] == '#' {
		for !s.end() && s.text[s.pos] != '\n' {
			s.pos++
		}
	}
	if s.end() {
		return true
	}
	if s.text[s.pos] != '\n' {
		return false
	}
	s.next()
	return true
}

// body reads what is inside a section up to its end tag; name is "" for a file, which ends at its end.
func (s *scanner) body(section *syntax.Section, name string, depth int) error {
	if depth > syntax.MaxDepth {
		return s.fail(s.place(), "", "sections are nested more than %d deep", syntax.MaxDepth)
	}
	for {
		s.blanks(true)
		at := s.place()
		switch {
		case s.end() && name == "":
			return nil
		case s.end():
			return s.fail(section.At, fmt.Sprintf("write </%s> where it ends", name), "<%s> has no end", name)
		case strings.HasPrefix(s.text[s.pos:], "</"):
			return s.endTag(name, at)
		case s.text[s.pos] == '<':
			if err := s.child(section, at, depth); err != nil {
				return err
			}
		default:
			if err := s.entry(section, at); err != nil {
				return err
			}
		}
	}
}

func (s *scanner) endTag(name string, at syntax.Place) error {
	s.pos += len("</")
	found := s.word()
	s.blanks(false)
	if s.end() || s.text[s.pos] != '>' {
		return s.fail(at, "", "</%s has no >", found)
	}
	s.pos++
	switch {
	case name == "":
		return s.fail(at, "take it out, or write the section's beginning", "</%s> ends nothing", found)
	case found != name:
		return s.fail(at, fmt.Sprintf("write </%s>", name), "</%s> where </%s> is missing", found, name)
	case !s.lineEnd():
		return s.fail(s.place(), "begin a new line", "something stands behind </%s>", name)
	}
	return nil
}

// word takes letters, digits and _.
func (s *scanner) word() string {
	from := s.pos
	for !s.end() &&
		(s.text[s.pos] == '_' || s.text[s.pos] >= '0' && s.text[s.pos] <= '9' ||
			s.text[s.pos]|0x20 >= 'a' && s.text[s.pos]|0x20 <= 'z') {
		s.pos++
	}
	return s.text[from:s.pos]
}

// child reads <name arg> … </name>.
func (s *scanner) child(parent *syntax.Section, at syntax.Place, depth int) error {
	firstLine := s.start
	s.pos++
	c := &syntax.Section{Name: s.word(), At: at}
	if c.Name == "" {
		return s.fail(at, "write <source>, <filter …>, <match …>, <label …>", "a section without a name")
	}
	line := s.text[s.pos:]
	if n := strings.IndexByte(line, '\n'); n >= 0 {
		line = line[:n]
	}
	end := strings.IndexByte(line, '>')
	if end < 0 {
		return s.fail(at, "write > behind it", "<%s has no >", c.Name)
	}
	c.Arg = strings.TrimSpace(line[:end])
	if n := len(c.Arg); n > 1 && (c.Arg[0] == '"' || c.Arg[0] == '\'') && c.Arg[n-1] == c.Arg[0] {
		c.Arg = c.Arg[1 : n-1]
	}
	s.pos += end + 1
	if !s.lineEnd() {
		return s.fail(s.place(), "begin a new line", "something stands behind <%s>", c.Name)
	}
	if err := s.body(c, c.Name, depth+1); err != nil {
		return err
	}
	c.Raw = strings.Split(strings.TrimRight(s.text[firstLine:s.pos], "\n"), "\n")
	parent.Sections = append(parent.Sections, c)
	return nil
}

// entry reads a key and its value, or an include.
func (s *scanner) entry(section *syntax.Section, at syntax.Place) error {
	from := s.pos
	for !s.end() && !strings.ContainsRune(" \t\r\n", rune(s.text[s.pos])) {
		s.pos++
	}
	key := strings.Trim(s.text[from:s.pos], `"'`)
	s.blanks(false)
	value := syntax.Value{At: s.place()}
	if !s.end() && s.text[s.pos] != '\n' {
		var err error
		if value.Parts, err = s.value(); err != nil {
			return err
		}
		if !s.lineEnd() {
			return s.fail(s.place(), "begin a new line, or put all of the value in quotes",
				"something stands behind the value of %s", key)
		}
	}
	if key == "@include" || key == "include" && section.Name == "" {
		return s.reader.include(section, s.path, value.Usual(), at)
	}
	section.Entries = append(section.Entries, syntax.Entry{Key: key, Value: value, At: at})
	return nil
}

// value reads what stands behind a key.
func (s *scanner) value() ([]syntax.Part, error) {
	switch c := s.text[s.pos]; c {
	case '"', '\'':
		return s.quoted(c)
	case '[', '{':
		if parts, ok := s.json(); ok {
			return parts, nil
		}
	}
	// A comment begins behind a blank.
	line := s.text[s.pos:]
	if n := strings.IndexByte(line, '\n'); n >= 0 {
		line = line[:n]
	}
	s.pos += len(line)
	for i := 1; i < len(line); i++ {
		if line[i] == '#' && (line[i-1] == ' ' || line[i-1] == '\t') {
			line = line[:i]
			break
		}
	}
	return []syntax.Part{{Text: strings.TrimRight(line, " \t\r")}}, nil
}

// json takes a value that is JSON, over several lines, with #{…} in its texts; ok is false where it is none, and
// nothing is taken.
func (s *scanner) json() ([]syntax.Part, bool) {
	before, at := *s, s.place()
	// whole is the text with something in place of Ruby.
	var text, whole strings.Builder
	var parts []syntax.Part
	depth, quoted := 0, false
	for !s.end() {
		c := s.next()
		if quoted && c == '#' && !s.end() && s.text[s.pos] == '{' {
			code, err := s.code(at)
			if err != nil {
				break
			}
			parts = append(parts, syntax.Part{Text: text.String()}, ruby.Constant(code))
			text.Reset()
			whole.WriteByte('x')
			continue
		}
		text.WriteByte(c)
		whole.WriteByte(c)
		switch {
		case c == '\\' && quoted && !s.end():
			c = s.next()
			text.WriteByte(c)
			whole.WriteByte(c)
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			depth--
		}
		if depth == 0 && !quoted {
			break
		}
	}
	if !json.Valid([]byte(whole.String())) {
		*s = before
		return nil, false
	}
	return append(parts, syntax.Part{Text: text.String()}), true
}

// quoted reads a text in quotes; in double ones, #{…} is Ruby.
func (s *scanner) quoted(quote byte) (parts []syntax.Part, err error) {
	at := s.place()
	s.next()
	var text strings.Builder
	flush := func() {
		if text.Len() > 0 {
			parts = append(parts, syntax.Part{Text: text.String()})
			text.Reset()
		}
	}
	for {
		if s.end() {
			return nil, s.fail(at, fmt.Sprintf("write %c where it ends", quote), "the text in quotes has no end")
		}
		switch c := s.next(); {
		case c == quote:
			flush()
			if parts == nil {
				parts = []syntax.Part{{}}
			}
			return parts, nil
		case c == '\\' && !s.end():
			text.WriteString(unescape(s.next(), quote))
		case c == '#' && quote == '"' && !s.end() && s.text[s.pos] == '{':
			code, err := s.code(at)
			if err != nil {
				return nil, err
			}
			flush()
			parts = append(parts, ruby.Constant(code))
		default:
			text.WriteByte(c)
		}
	}
}

// unescape returns what a character behind a backslash stands for.
func unescape(c, quote byte) string {
	if quote == '\'' {
		if c == '\'' || c == '\\' {
			return string(c)
		}
		return `\` + string(c)
	}
	switch c {
	case 'n':
		return "\n"
	case 'r':
		return "\r"
	case 't':
		return "\t"
	case 'f':
		return "\f"
	case 'b':
		return "\b"
	case '\n':
		return ""
	}
	return string(c)
}

// code takes {…} behind # and returns what is in it.
func (s *scanner) code(at syntax.Place) (string, error) {
	s.next()
	from, depth, quote := s.pos, 1, byte(0)
	for !s.end() {
		switch c := s.next(); {
		case c == '\\' && !s.end():
			s.next()
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '{':
			depth++
		case c == '}':
			if depth--; depth == 0 {
				return strings.TrimSpace(s.text[from : s.pos-1]), nil
			}
		}
	}
	return "", s.fail(at, "write } where it ends", "the Ruby in #{ has no end")
}
