package config

import (
	"errors"
	"fmt"
	"strings"
)

// Interpolation, inside any string:
//
//	${env:NAME}            the environment variable; an error where it is not set
//	${env:NAME:-default}   default where the variable is not set or empty
//	${file:/path}          the file's content without its last line ending
//	$${                    a literal ${
//
// What comes in is not interpolated again.

// maxInterpolated bounds what all interpolations of one file may bring in.
const maxInterpolated = 16 << 20

// interpolator looks up what strings refer to, each once.
type interpolator struct {
	options Options
	known   map[string]string // by reference: "env:NAME", "file:/path"
	bytes   int
}

// expand returns text with its references replaced by their values, and the same with their names
// only ("${env:NAME}", no default), which may be shown. refs is those names, nil without any.
func (ip *interpolator) expand(text string) (result, masked string, refs []string, hint string, err error) {
	var b, m strings.Builder
	literal := func(s string) { b.WriteString(s); m.WriteString(s) }
	for {
		start := strings.Index(text, "${")
		if start < 0 {
			literal(text)
			return b.String(), m.String(), refs, "", nil
		}
		if start > 0 && text[start-1] == '$' {
			literal(text[:start-1] + "${")
			text = text[start+2:]
			continue
		}
		literal(text[:start])
		inner, rest, closed := strings.Cut(text[start+2:], "}")
		if !closed {
			return "", "", nil, "write $${ for a literal ${", errors.New("a ${ has no }")
		}
		text = rest
		value, ref, hint, err := ip.lookUp(inner)
		if err != nil {
			return "", "", nil, hint, err
		}
		if ip.bytes += len(value); ip.bytes > maxInterpolated {
			return "", "", nil, "", fmt.Errorf("environment variables and files bring in more than %d MiB", maxInterpolated>>20)
		}
		b.WriteString(value)
		m.WriteString("${" + ref + "}")
		refs = append(refs, "${"+ref+"}")
	}
}

func (ip *interpolator) lookUp(inner string) (value, ref, hint string, err error) {
	if name, ok := strings.CutPrefix(inner, "env:"); ok {
		name, fallback, optional := strings.Cut(name, ":-")
		ref = "env:" + name
		value, set := ip.options.LookupEnv(name)
		switch {
		case optional && value == "":
			value = fallback
		case !set:
			return "", "", "set it, or write ${env:" + name + ":-default}",
				fmt.Errorf("the environment variable %s is not set", quote(name))
		}
		return value, ref, "", nil
	}
	if path, ok := strings.CutPrefix(inner, "file:"); ok {
		if value, ok := ip.known[inner]; ok {
			return value, inner, "", nil
		}
		content, err := ip.options.ReadFile(path)
		if err != nil {
			return "", "", "", fmt.Errorf("the file of ${file:} can't be read: %w", err)
		}
		value := strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
		ip.known[inner] = value
		return value, inner, "", nil
	}
	return "", "", "write $${ for a literal ${",
		fmt.Errorf("${%s} is neither ${env:NAME} nor ${file:/path}", strings.Trim(quote(inner), `"`))
}
