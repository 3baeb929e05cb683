package config

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	filters "github.com/seed-afc6a195/aggregator/pkg/filter/all"
)

// settingOf is a setting somewhere in the configuration, with a file in which it stands alone.
type settingOf struct {
	field
	// path is how an error names it.
	path string
	// lines lead to it; the last is its key, in front of the value.
	lines []string
	// siblings are the names of the keys beside it.
	siblings []string
	// owner is the struct that declares it, which several may have inlined.
	owner reflect.Type
}

// file returns a configuration that gives the setting a value.
func (s *settingOf) file(value string) string {
	return strings.Join(s.lines, "\n") + ": " + value + "\n"
}

// place is where the value stands.
func (s *settingOf) place() (line, column int) {
	return len(s.lines), len(s.lines[len(s.lines)-1]) + len(": ") + 1
}

// every returns all settings that there are, of each type of output and each kind of step too, each once: where it is
// first.
func every() (all []settingOf) {
	all = below(reflect.TypeFor[Config](), "", nil, "")
	for _, k := range outputKinds() {
		t := reflect.TypeOf(k.NewConfig()).Elem()
		all = append(all, below(t, "outputs.x", []string{"outputs:", "  x:", "    type: " + k.Name}, "    ")...)
	}
	for _, k := range filters.Kinds() {
		t := reflect.TypeOf(k.NewConfig()).Elem()
		all = append(
			all, below(t, "filters.f[0]."+k.Name, []string{"filters:", "  f:", "  - " + k.Name + ":"}, "      ")...,
		)
	}
	seen := map[string]bool{}
	return slices.DeleteFunc(all, func(s settingOf) bool {
		key := s.owner.String() + "." + s.name
		again := seen[key]
		seen[key] = true
		return again || s.path == "outputs.x.type"
	})
}

// below returns the settings of the struct t, which stands behind the lines above.
func below(t reflect.Type, path string, above []string, indent string) (all []settingOf) {
	fields := fieldsOf(t)
	for _, f := range fields {
		s := settingOf{field: f, path: join(path, f.name), siblings: names(fields), owner: t}
		for _, i := range f.index[:len(f.index)-1] {
			s.owner = s.owner.Field(i).Type
		}
		s.lines = append(slices.Clone(above), indent+f.name)
		all = append(all, s)
		inner, lead, at := f.typ, indent+"  ", s.path
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		lines := append(slices.Clone(above), indent+f.name+":")
		switch inner.Kind() {
		case reflect.Slice:
			if inner = inner.Elem(); inner.Kind() != reflect.Struct || leaf(inner) {
				continue
			}
			for _, s := range below(inner, at+"[0]", nil, "") {
				s.lines[0] = indent + "- " + s.lines[0]
				for i := range s.lines[1:] {
					s.lines[1+i] = indent + "  " + s.lines[1+i]
				}
				s.lines = append(slices.Clone(lines), s.lines...)
				all = append(all, s)
			}
			continue
		case reflect.Map:
			if inner = inner.Elem(); inner.Kind() != reflect.Struct || leaf(inner) {
				continue
			}
			lines, lead, at = append(lines, lead+"name:"), lead+"  ", at+".name"
		case reflect.Struct:
			if leaf(inner) {
				continue
			}
		default:
			continue
		}
		all = append(all, below(inner, at, lines, lead)...)
	}
	return all
}

// mistake returns what is said of the setting where it has a value, nil for nothing. Of several it is the one with the
// reason.
func (s *settingOf) mistake(t *testing.T, value, reason string) *Error {
	t.Helper()
	_, err := Parse("a.yaml", []byte(s.file(value)), world())
	var all Errors
	if err != nil && !errors.As(err, &all) {
		t.Fatalf("%s: %v", s.path, err)
	}
	var found *Error
	for _, e := range all {
		if e.Key == s.path && (found == nil || strings.Contains(e.Reason, reason)) {
			found = e
		}
	}
	return found
}

// wrong is a value of the wrong type, and what is said of it.
type wrong struct{ value, want string }

// wrongs returns values that a setting of a type can't have.
func wrongs(f field) (all []wrong) {
	all = []wrong{{"", "has no value"}, {"~", "has no value"}}
	add := func(want string, values ...string) {
		for _, value := range values {
			all = append(all, wrong{value, want})
		}
	}
	t := f.typ
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == secretType:
		add("expected a text, got a list", "[s3cr3t]")
		add("expected a text, got a mapping", "{s3cr3t: 1}")
		add("expected a text, got a value of another type", "12345678", "true", "1.5", "2026-03-01")
	case t.Kind() == reflect.Struct:
		add("expected a mapping with keys like", "[a]")
		if !hasShort(t) {
			add("expected a mapping with keys like", "text", "5", "true")
		}
	case t.Kind() == reflect.Slice:
		add("expected a list, got a mapping", "{a: 1}")
	case t.Kind() == reflect.Map:
		add("expected a mapping of names, got a list", "[a]")
		if t.Elem() == secretType {
			add("expected a mapping of names, got a text or number", "s3cr3t", "12345678")
			break
		}
		add(`expected a mapping of names, got "text"`, "text")
	case t.Kind() == reflect.String:
		add("expected a text, got a list", "[a]")
		add("expected a text, got a mapping", "{a: 1}")
		if f.enum == nil {
			add("expected a text, got 5", "5")
			add("expected a text, got true", "true")
			add("expected a text, got 2026-03-01", "2026-03-01")
		} else {
			add(`"no-such-word" is not a valid value`, "no-such-word")
		}
	case t.Kind() == reflect.Bool:
		add("expected true or false, got", "[a]", "{a: 1}", "text", "1", `"true"`, "yes", "True")
	case t == sizeType:
		add("expected a size like 512KiB, got a list", "[a]")
		add("", "12 parsecs", "1KiB2", "-1", "99999999999999TiB", "true")
	case t == rateType:
		add("expected a rate like 50MiB/s, got a list", "[a]")
		add("", "12 parsecs/s", "-1", "1MiB/h", "true")
	case t == durationType:
		add("expected a duration like 10s, got a list", "[a]")
		add("has no unit", "7")
		add("has a unit that durations lack", "7d")
		add("is not a duration", "soon", "10 s", "1y", "s")
		add("is less than", "-1s")
	case t.Kind() == reflect.Int:
		add("expected a whole number, got a list", "[a]")
		add("is not a whole number", "ten", "1.5", `"7"`, "7s", "99999999999999999999")
		add("is less than", "-1")
	case t.Kind() == reflect.Float64:
		add("expected a number such as 0.5", "[a]", "ten", `"0.5"`, ".nan", ".inf", "true")
		add("is less than 0", "-0.5")
	}
	return all
}

// Each setting that is given a value of another type is told of at that value, with its path, and without the value
// where it is a secret.
func TestEveryKey_WrongType(t *testing.T) {
	seen := map[string]int{}
	for _, s := range every() {
		for _, w := range wrongs(s.field) {
			seen[s.typ.String()]++
			e := s.mistake(t, w.value, w.want)
			if e == nil {
				t.Errorf("%s: %q was accepted", s.path, w.value)
				continue
			}
			line, column := s.place()
			if w.value == "" {
				column = e.Column
			}
			if e.Line != line || e.Column != column || !strings.Contains(e.Reason, w.want) {
				t.Errorf("%s: %q: %v, want %s at %d:%d", s.path, w.value, e, w.want, line, column)
			}
			text := e.Error()
			if s.typ == secretType && (strings.Contains(text, "s3cr3t") || strings.Contains(text, "12345678")) {
				t.Errorf("%s: a secret shows: %v", s.path, e)
			}
		}
	}
	for _, kind := range []string{
		"string", "bool", "int", "float64", "time.Duration", "setting.Size", "setting.Secret",
	} {
		if seen[kind] == 0 {
			t.Errorf("no setting is a %s: %v", kind, seen)
		}
	}
	t.Logf("%v", seen)
}

// What an interpolation brought in never shows, whatever setting it does not fit.
func TestEveryKey_Interpolated(t *testing.T) {
	for _, s := range every() {
		for _, value := range []string{
			"${env:SEC_SIZE}", "x${env:SECRET}", "${file:/secret}", "[${env:SECRET}]", "{a: ${env:BROKEN}}",
		} {
			_, err := Parse("a.yaml", []byte(s.file(value)), world())
			if err == nil {
				continue
			}
			for _, secret := range []string{"secretunits", "s3cr3t", "77sec"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("%s: %s shows in: %v", s.path, value, err)
				}
			}
		}
	}
}

// A key that is misspelt is told of at the key, with the one that is meant; one that is given twice with its first
// line.
func TestEveryKey_Misspelt(t *testing.T) {
	for _, s := range every() {
		line, column := len(s.lines), strings.LastIndex(s.lines[len(s.lines)-1], s.name)+1
		for _, misspelt := range misspellings(s.name) {
			if slices.Contains(s.siblings, misspelt) || len(s.name) < 4 {
				continue
			}
			other := s
			other.lines = slices.Clone(s.lines)
			other.lines[line-1] = s.lines[line-1][:column-1] + misspelt
			other.path = strings.TrimSuffix(s.path, s.name) + misspelt
			e := other.mistake(t, "1", "unknown key")
			if e == nil || e.Reason != "unknown key" || e.Line != line || e.Column != column {
				t.Errorf("%s: %v at %d:%d", other.path, e, line, column)
				continue
			}
			meant, ok := strings.CutPrefix(e.Hint, "did you mean ")
			if meant = strings.TrimSuffix(meant, "?"); !ok || meant != s.name && far(
				misspelt, meant,
			) > far(misspelt, s.name) {
				t.Errorf("%s: %s, and not %s", other.path, e.Hint, s.name)
			}
		}
		if !strings.Contains(s.lines[line-1], "- ") {
			e := s.mistake(t, "1\n"+s.lines[line-1]+": 1", "the key is given")
			if want := fmt.Sprintf(
				"the key is given on line %d already", line,
			); e == nil || e.Reason != want || e.Line != line+1 {
				t.Errorf("%s twice: %v", s.path, e)
			}
		}
	}
}

// misspellings are how a name is usually written wrong.
func misspellings(name string) []string {
	all := []string{
		name[:len(name)-1], name + "s", name[:1] + name[2:], strings.ReplaceAll(name, "_", "-"), strings.ToUpper(name),
	}
	camel := strings.Split(name, "_")
	for i := 1; i < len(camel); i++ {
		camel[i] = strings.ToUpper(camel[i][:1]) + camel[i][1:]
	}
	all = append(all, strings.Join(camel, ""))
	return slices.DeleteFunc(all, func(s string) bool { return s == name || len(s) < 3 })
}

func far(a, b string) int {
	if strings.HasPrefix(b, strings.ToLower(a)) {
		return 0
	}
	return levenshtein(strings.ToLower(a), strings.ToLower(b))
}

// What is said of a setting is one line, its choices differ, and its default is one of them.
func TestEveryKey_Help(t *testing.T) {
	for _, s := range every() {
		if strings.ContainsAny(s.help, "\n\t") || strings.HasSuffix(s.help, ".") {
			t.Errorf("%s: the help is no line without a full stop: %q", s.path, s.help)
		}
		for i, choice := range s.enum {
			if slices.Contains(s.enum[:i], choice) {
				t.Errorf("%s: %s is there twice", s.path, choice)
			}
		}
		if s.preset != "" && s.enum != nil && s.typ.Kind() == reflect.String && !slices.Contains(
			s.enum, strings.Trim(s.preset, `"`),
		) {
			t.Errorf("%s: the default %s is none of %v", s.path, s.preset, s.enum)
		}
		if s.typ == reflect.TypeFor[setting.Secret]() && s.preset != "" {
			t.Errorf("%s: a secret has a default", s.path)
		}
	}
}
