package config

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Interpolation, inside any string:
//
//	${env:NAME}            the environment variable; an error where it is not set
//	${env:NAME:-default}   default where the variable is not set or empty
//	${file:/path}          the file's content
//	$${                    a literal ${
//
// What comes in is not interpolated again, and loses the line end behind it, if it has one.

// maxInterpolated bounds what all interpolations of one file may bring in.
const maxInterpolated = 16 << 20

// interpolator looks up what strings refer to, each once.
type interpolator struct {
	options Options
	// known is by reference: "file:/path".
	known map[string]string
	// standIns are references whose values were made up.
	standIns map[string]bool
	bytes    int
}

// expanded is a text with its references replaced by their values.
type expanded struct {
	// masked has the names of the references only ("${env:NAME}", no default), which may be shown.
	text, masked string
	// refs are those names; nil: there are none.
	refs []string
	// standIn says that a value was made up: see Options.StandIn.
	standIn bool
	// wrong is what the references lack. Where it is only something that is not there, the rest of e holds, with values
	// made up, so that nothing else is found wrong that would be right with it.
	wrong []flaw
}

// flaw is what is wrong with a reference, and what to do about it.
type flaw struct{ reason, hint string }

// expand looks up what text refers to. It reports false where text can't be read.
func (ip *interpolator) expand(text string) (e expanded, readable bool) {
	var b, m strings.Builder
	literal := func(s string) { b.WriteString(s); m.WriteString(s) }
	for {
		start := strings.Index(text, "${")
		if start < 0 {
			literal(text)
			e.text, e.masked = b.String(), m.String()
			return e, true
		}
		if start > 0 && text[start-1] == '$' {
			literal(text[:start-1] + "${")
			text = text[start+2:]
			continue
		}
		literal(text[:start])
		inner, rest, closed := strings.Cut(text[start+2:], "}")
		if !closed {
			return expanded{wrong: append(e.wrong, flaw{"a ${ has no }", "write $${ for a literal ${"})}, false
		}
		text = rest
		value, ref, hint, err := ip.lookUp(inner)
		if err != nil && (ref == "" || !ip.options.StandIn) {
			e.wrong = append(e.wrong, flaw{err.Error(), hint})
		}
		if err != nil && ref == "" {
			return expanded{wrong: e.wrong}, false
		}
		if err != nil {
			// Each is another: clusters with one key are a mistake.
			value, e.standIn = standIn+strings.NewReplacer("/", "-", ":", "-").Replace(ref), true
			ip.standIns["${"+ref+"}"] = true
		}
		if ip.bytes += len(value); ip.bytes > maxInterpolated {
			reason := fmt.Sprintf("environment variables and files bring in more than %d MiB", maxInterpolated>>20)
			return expanded{wrong: append(e.wrong, flaw{reason: reason})}, false
		}
		b.WriteString(value)
		m.WriteString("${" + ref + "}")
		e.refs = append(e.refs, "${"+ref+"}")
	}
}

// standIn begins every value that was made up.
const standIn = "made-up-for-"

// MadeUp reports whether text is a value that Options.StandIn has made up.
func MadeUp(text string) bool { return strings.HasPrefix(text, standIn) }

// lookUp returns the value of a reference and its name without a default. After an error the name is there if the
// reference is well written and only what it names is missing.
func (ip *interpolator) lookUp(inner string) (value, ref, hint string, err error) {
	if strings.Contains(inner, "${") {
		return "", "", "write out the one inside", errors.New("a ${} within another one is not looked up")
	}
	if name, ok := strings.CutPrefix(inner, "env:"); ok {
		name, fallback, optional := strings.Cut(name, ":-")
		ref = "env:" + name
		value, set := ip.options.LookupEnv(name)
		switch {
		case name == "":
			return "", "", "write ${env:NAME}", errors.New("the ${env:} names no environment variable")
		case optional && value == "":
			value = fallback
		case !set:
			// As a shell has it.
			if short, _, other := strings.Cut(name, "-"); other || strings.ContainsAny(name, ":=?+ ") {
				short, _, _ = strings.Cut(short, ":")
				return "", ref, "set it; a default is written ${env:" + short + ":-default}",
					fmt.Errorf("the environment variable %s is not set", quote(name))
			}
			return "", ref, "set it, or write ${env:" + name + ":-default}",
				fmt.Errorf("the environment variable %s is not set", quote(name))
		}
		return withoutLineEnd(value), ref, "", nil
	}
	if path, ok := strings.CutPrefix(inner, "file:"); ok {
		if path == "" {
			return "", "", "write ${file:/path}", errors.New("the ${file:} names no file")
		}
		if value, ok := ip.known[inner]; ok {
			return value, inner, "", nil
		}
		content, err := ip.options.ReadFile(path)
		if err != nil {
			return "", inner, "make it, readable for the user that runs this",
				fmt.Errorf("the file of ${file:} can't be read: %w", err)
		}
		value := withoutLineEnd(string(content))
		ip.known[inner] = value
		return value, inner, "", nil
	}
	hint = "write $${ for a literal ${"
	if m := regexp.MustCompile(`^\s*(?:(?i:env)\s*:)?\s*(\w+)(:-.*)?\s*$`).FindStringSubmatch(inner); m != nil {
		hint = "write ${env:" + m[1] + m[2] + "}; or $${ for a literal ${"
	}
	if found := foreign().FindString("${" + inner + "}"); found != "" {
		hint = "placeholders are written {tag}, {tag[1]}, {cluster} or {record.field}, without the dollar sign"
	}
	return "", "", hint,
		fmt.Errorf("${%s} is neither ${env:NAME} nor ${file:/path}", strings.Trim(quote(inner), `"`))
}

// withoutLineEnd cuts the one line end that editors and echo put behind a text.
func withoutLineEnd(s string) string { return strings.TrimSuffix(strings.TrimSuffix(s, "\n"), "\r") }
