package config

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/seed-afc6a195/aggregator/internal/safetext"
)

// Error is one mistake in a configuration. Line and Column count from 1 and point at the value, or
// at the key where the key is what is wrong, or at the section that lacks one; they are 0 where a
// mistake has no place. Key is the path from the root ("outputs.es.batch.max_wait"), "" for the
// file itself. Reason says what is wrong and Hint, if any, what to do. Neither contains a secret
// or a value that an interpolation brought in.
type Error struct {
	File         string
	Line, Column int
	Key          string
	Reason, Hint string
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d", e.Line)
		if e.Column > 0 {
			fmt.Fprintf(&b, ":%d", e.Column)
		}
	}
	for _, s := range []string{e.Key, e.Reason} {
		if s == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteString(": ")
		}
		b.WriteString(s)
	}
	if e.Hint != "" {
		fmt.Fprintf(&b, " (%s)", e.Hint)
	}
	return b.String()
}

// Errors is all mistakes of a configuration, in the order of the file; one a line when printed.
type Errors []*Error

func (es Errors) Error() string {
	lines := make([]string, len(es))
	for i, e := range es {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// in returns the mistakes in a section, and those that no section is known of.
func (es Errors) in(section string) (some Errors) {
	for _, e := range es {
		if e.Key == "" || e.Key == section || strings.HasPrefix(e.Key, section+".") {
			some = append(some, e)
		}
	}
	return some
}

// once returns the mistakes without those that an alias only repeats under another name.
func (es Errors) once() (some Errors) {
	seen := make(map[Error]bool, len(es))
	for _, e := range es {
		same := *e
		same.Key = e.Key[strings.LastIndexAny(e.Key, ".]")+1:]
		if e.Line == 0 || !seen[same] {
			some = append(some, e)
		}
		seen[same] = true
	}
	return some
}

// Unwrap gives errors.As each mistake.
func (es Errors) Unwrap() []error {
	errs := make([]error, len(es))
	for i, e := range es {
		errs[i] = e
	}
	return errs
}

// maxErrors bounds what a hopeless file costs.
const maxErrors = 1000

// place is where something stands; the zero place is nowhere.
type place struct {
	file         string
	line, column int
}

// String returns the file and the line, for a mistake that names a second place.
func (p place) String() string { return fmt.Sprintf("%s:%d", p.file, p.line) }

// problems gathers what is wrong with the files of a configuration.
type problems struct {
	// files are in the order in which they are read.
	files []string
	list  Errors
}

// add adds what is wrong at a place; one that is nowhere is in the first file.
func (p *problems) add(at place, key, hint, reason string) {
	if at.file == "" && len(p.files) > 0 {
		at.file = p.files[0]
	}
	switch {
	case len(p.list) < maxErrors:
		p.list = append(p.list, &Error{at.file, at.line, at.column, key, reason, hint})
	case len(p.list) == maxErrors:
		p.list = append(p.list, &Error{File: at.file, Reason: fmt.Sprintf("more than %d mistakes", maxErrors)})
	}
}

// at adds what is wrong with the value n, which may be nil. One that was made up is not looked at.
func (p *problems) at(n *node, key, hint, format string, args ...any) {
	if n.madeUp() {
		return
	}
	p.add(n.where(), key, hint, fmt.Sprintf(format, args...))
}

// within reports whether something at key or below it is wrong already, or so much is wrong that more
// need not be looked for.
func (p *problems) within(key string) bool {
	return len(p.list) > maxErrors || slices.ContainsFunc(p.list, func(e *Error) bool {
		rest, below := strings.CutPrefix(e.Key, key)
		return below && (rest == "" || key == "" || rest[0] == '.' || rest[0] == '[')
	})
}

// sorted returns what was gathered, in the order of the files and each mistake once.
func (p *problems) sorted() Errors {
	order := make(map[string]int, len(p.files))
	for i, name := range p.files {
		order[name] = i
	}
	slices.SortStableFunc(p.list, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(order[a.File], order[b.File]), cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column))
	})
	return slices.CompactFunc(p.list, func(a, b *Error) bool { return *a == *b })
}

// join appends a key to a path; one that is no plain word is quoted and cut.
func join(path, key string) string {
	if !plain(key) {
		key = quote(key)
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

func index(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// plain reports whether s can be a name: what shows up in paths, metrics and addresses unescaped.
func plain(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[0] == '.' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '_' && c != '-' && c != '.' {
			return false
		}
	}
	return true
}

// namePattern is plain as a regular expression, for the schema.
const namePattern = `^[0-9A-Za-z_][0-9A-Za-z_.-]{0,62}$`

// quote shows a text of any length and content in one short line.
func quote(s string) string {
	const most = 60
	return strconv.Quote(safetext.Clip(s, most))
}

// nearest returns the name that s is most likely a mistyped or shortened form of, "" if none is near.
// It looks at no more names than a configuration that a person wrote has.
func nearest(s string, names []string) string {
	names = names[:min(len(names), 500)]
	if longer := startingWith(s, names); len(longer) == 1 {
		return longer[0]
	}
	best, distance := "", max(1, min(3, len(s)/2))+1
	for _, name := range names {
		if diff := len(name) - len(s); diff >= distance || -diff >= distance {
			continue
		}
		if d := levenshtein(strings.ToLower(s), strings.ToLower(name)); d < distance {
			best, distance = name, d
		}
	}
	return best
}

// shortest is how many letters of a name tell it from others.
const shortest = 3

// startingWith returns the names that begin with s, none where s is too short to tell.
func startingWith(s string, names []string) (longer []string) {
	for _, name := range names {
		if len(s) >= shortest && strings.HasPrefix(name, strings.ToLower(s)) {
			longer = append(longer, name)
		}
	}
	return longer
}

// Nearest returns the name that s is most likely a mistyped or shortened form of, "" if none is near.
func Nearest(s string, names []string) string { return nearest(s, names) }

// hintName says which of names was meant, or lists them.
func hintName(s string, names []string) string {
	if len(names) == 0 {
		return ""
	}
	if name := nearest(s, names); name != "" {
		return fmt.Sprintf("did you mean %s?", name)
	}
	return "one of " + listed(names)
}

// listed is names for people, of which an empty one, as a choice of no value is, is left out.
func listed(names []string) string {
	const most = 40
	names = slices.DeleteFunc(slices.Clone(names), func(name string) bool { return name == "" })
	if len(names) > most {
		return strings.Join(names[:most], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}

func levenshtein(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			substitute := diagonal
			if a[i] != b[j] {
				substitute++
			}
			diagonal = row[j+1]
			row[j+1] = min(substitute, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
