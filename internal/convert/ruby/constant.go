// Package ruby turns the Ruby that stands in fluentd's configurations into variables and expressions. It knows what
// people write there, and says of the rest that it doesn't.
package ruby

import (
	"regexp"
	"strings"

	"github.com/seed-afc6a195/aggregator/internal/convert/syntax"
)

// Constant reads what stands in "#{…}", which fluentd evaluates once, at its start: a variable of the environment, with
// a default or without, the host's name, or a literal. What else there is comes back as Code.
func Constant(code string) syntax.Part {
	code = strings.TrimSpace(code)
	for len(code) > 1 && code[0] == '(' && code[len(code)-1] == ')' && !strings.Contains(code[1:len(code)-1], ")") {
		code = strings.TrimSpace(code[1 : len(code)-1])
	}
	if m := regexp.MustCompile(`^(?:::)?Socket\.gethostname(?:\(\))?$`).FindString(code); m != "" ||
		code == "hostname" {
		return syntax.Part{Env: "HOSTNAME"}
	}
	if text, ok := literal(code); ok {
		return syntax.Part{Text: text}
	}
	// ENV['A'].nil? ? 'b' : ENV['A'], and the other way round.
	ternary := regexp.MustCompile(
		`^ENV\[["']([^"']+)["']\](?:\.nil\?|\.to_s\.empty\?) *\? *(\S.*?) *: *ENV\[["']([^"']+)["']\]$`,
	)
	if m := ternary.FindStringSubmatch(code); m != nil && m[1] == m[3] {
		return withDefault(syntax.Part{Env: m[1]}, "|| "+m[2], code)
	}
	name := regexp.MustCompile(`^ENV\[\s*(?:"([^"]+)"|'([^']+)')\s*\](?:\.(?:to_s|strip|chomp|to_i))?`)
	if m := name.FindStringSubmatch(code); m != nil {
		part := syntax.Part{Env: m[1] + m[2]}
		rest := strings.TrimSpace(code[len(m[0]):])
		return withDefault(part, rest, code)
	}
	fetch := regexp.MustCompile(`^ENV\.fetch\(\s*(?:"([^"]+)"|'([^']+)')\s*(?:,\s*(.*))?\)$`)
	if m := fetch.FindStringSubmatch(code); m != nil {
		part := syntax.Part{Env: m[1] + m[2]}
		if m[3] == "" {
			return part
		}
		return withDefault(part, "|| "+m[3], code)
	}
	read := regexp.MustCompile(
		`^(?:File\.read|IO\.read|File\.open)\(\s*(?:"([^"#]+)"|'([^']+)')\s*\)(?:\.read)?(?:\.(?:strip|chomp|to_s))*$`,
	)
	if m := read.FindStringSubmatch(code); m != nil {
		return syntax.Part{File: m[1] + m[2]}
	}
	if code == "worker_id" {
		return syntax.Part{Text: "0"}
	}
	return syntax.Part{Code: code}
}

// withDefault reads || and what stands for a variable that is not set.
func withDefault(part syntax.Part, rest, code string) syntax.Part {
	switch {
	case rest == "":
		return part
	case !strings.HasPrefix(rest, "||"):
		return syntax.Part{Code: code}
	}
	rest = strings.TrimSpace(rest[2:])
	switch rest {
	case "use_default", "use_nil", "nil":
		return syntax.Part{Env: part.Env, Default: new(UseDefault)}
	}
	if text, ok := literal(rest); ok {
		return syntax.Part{Env: part.Env, Default: &text}
	}
	if other := Constant(rest); other.Env == "HOSTNAME" {
		return syntax.Part{Env: part.Env, Default: new("${env:HOSTNAME}")}
	}
	return syntax.Part{Code: code}
}

// UseDefault is the Default of a variable in whose absence the setting is as if it were not there.
const UseDefault = "\x00default"

// literal reads a text in quotes, a number, a truth value.
func literal(code string) (string, bool) {
	if n := len(code); n >= 2 && (code[0] == '"' || code[0] == '\'') && code[n-1] == code[0] &&
		!strings.ContainsAny(code[1:n-1], "\"'#\\") {
		return code[1 : n-1], true
	}
	if regexp.MustCompile(`^(?:-?\d+(?:\.\d+)?|true|false)$`).MatchString(code) {
		return code, true
	}
	return "", false
}
