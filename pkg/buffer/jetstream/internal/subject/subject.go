// Package subject names what waits in a stream: each output, target and cluster has a subject of its own.
package subject

import (
	"strings"
)

// Place is what waits for an output of one cluster, or aside for one of the output's targets.
type Place struct {
	Output string
	// Target may be "": for the output itself.
	Target  string
	Cluster string
}

// kind is the second token of subjects of chunks, so that others may come beside them.
const kind = "q"

// All is the filter that all subjects of chunks in the stream fit.
func All(stream string) string { return stream + "." + kind + ".>" }

// Of returns the subject of what waits at the place.
func Of(stream string, p Place) string {
	return stream + "." + kind + "." + Token(p.Output) + "." + Token(p.Target) + "." + Token(p.Cluster)
}

// Parse is the reverse of Of. false: it is no such subject.
func Parse(stream, text string) (p Place, ok bool) {
	rest, found := strings.CutPrefix(text, stream+"."+kind+".")
	tokens := strings.Split(rest, ".")
	if !found || len(tokens) != 3 {
		return p, false
	}
	for i, to := range []*string{&p.Output, &p.Target, &p.Cluster} {
		if *to, ok = Name(tokens[i]); !ok {
			return Place{}, false
		}
	}
	return p, true
}

const (
	escape = '='
	digits = "0123456789ABCDEF"
)

func plain(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_'
}

// Token returns a name as one token of a subject, which no other name has: what has a meaning there is escaped, as
// =2E for a dot, and the empty name is a lone escape.
func Token(name string) string {
	if name == "" {
		return string(escape)
	}
	i := 0
	for i < len(name) && plain(name[i]) {
		i++
	}
	if i == len(name) {
		return name
	}
	b := append(make([]byte, 0, len(name)+8), name[:i]...)
	for ; i < len(name); i++ {
		if c := name[i]; plain(c) {
			b = append(b, c)
		} else {
			b = append(b, escape, digits[c>>4], digits[c&15])
		}
	}
	return string(b)
}

// Name is the reverse of Token. false: no name has that token.
func Name(token string) (name string, ok bool) {
	if token == string(escape) {
		return "", true
	}
	b := make([]byte, 0, len(token))
	for i := 0; i < len(token); i++ {
		c := token[i]
		if c == escape {
			if i+2 >= len(token) {
				return "", false
			}
			hi, lo := strings.IndexByte(digits, token[i+1]), strings.IndexByte(digits, token[i+2])
			if hi < 0 || lo < 0 || plain(byte(hi<<4|lo)) {
				return "", false
			}
			b = append(b, byte(hi<<4|lo))
			i += 2
			continue
		}
		if !plain(c) {
			return "", false
		}
		b = append(b, c)
	}
	return string(b), len(b) > 0
}
