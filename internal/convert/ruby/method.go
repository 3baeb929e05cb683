package ruby

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/seed-afc6a195/aggregator/internal/convert/dialect"
)

const tagParts = `split(tag, ".")`

// named is what begins with a name.
func (p *parser) named(t token) (node, error) {
	switch t.text {
	case "record":
		return node{code: "record", whole: true, path: []string{}}, nil
	case "tag":
		return node{code: "tag", sort: textual, whole: true}, nil
	case "time":
		return node{code: "time", sort: timed, whole: true}, nil
	case "tag_parts":
		return node{code: tagParts, sort: listed, whole: true}, nil
	case "tag_prefix", "tag_suffix":
		return p.tagPart(t.text)
	case "true", "false":
		return node{code: t.text, sort: boolean, whole: true}, nil
	case "nil":
		return node{code: "nil", whole: true, maybe: true}, nil
	case "hostname":
		return node{code: `"${env:HOSTNAME}"`, sort: textual, whole: true}, nil
	case "ENV":
		return p.env()
	case "Socket":
		if p.take(".") && p.take("gethostname") {
			return node{code: `"${env:HOSTNAME}"`, sort: textual, whole: true}, nil
		}
	case "Time":
		return p.timeClass()
	case "JSON", "Yajl", "Oj":
		if p.take(".") && (p.take("parse") || p.take("load")) {
			args, err := p.arguments()
			if err == nil && len(args) >= 1 {
				return node{code: "fromJSON(" + str(args[0]) + ")", whole: true, maybe: true}, nil
			}
		}
	case "Integer", "Float", "String":
		args, err := p.arguments()
		if err == nil && len(args) == 1 {
			return p.call(args[0], map[string]string{"Integer": "to_i", "Float": "to_f", "String": "to_s"}[t.text], nil)
		}
	}
	return node{}, unknown("%s", t.text)
}

// tagPart is tag_prefix[n] and tag_suffix[n].
func (p *parser) tagPart(which string) (node, error) {
	if err := p.want("["); err != nil {
		return node{}, err
	}
	negative := p.take("-")
	t := p.next()
	n, err := strconv.Atoi(t.text)
	if t.kind != number || err != nil {
		return node{}, unknown("%s without a number", which)
	}
	if negative {
		n = -n
	}
	part := fmt.Sprintf("%s[%d:]", tagParts, n)
	if which == "tag_prefix" {
		part = fmt.Sprintf("%s[:%d]", tagParts, n+1)
		if n == -1 {
			part = tagParts
		}
	}
	return node{code: "join(" + part + `, ".")`, sort: textual, whole: true}, p.want("]")
}

// env is ENV["X"] and ENV.fetch("X", default).
func (p *parser) env() (node, error) {
	if p.take("[") {
		t := p.next()
		return node{code: strconv.Quote("${env:" + t.text + ":-}"), sort: textual, whole: true}, p.want("]")
	}
	if p.take(".") && p.take("fetch") && p.take("(") {
		t, def := p.next(), ""
		if p.take(",") {
			def = ":-" + p.next().text
		}
		return node{code: strconv.Quote("${env:" + t.text + def + "}"), sort: textual, whole: true}, p.want(")")
	}
	return node{}, unknown("ENV without a name")
}

// timeClass is Time.now, Time.at(…), Time.parse(…).
func (p *parser) timeClass() (node, error) {
	if p.take(".") {
		switch t := p.next(); t.text {
		case "now":
			_, err := p.arguments()
			return node{code: "now()", sort: timed, whole: true}, err
		case "at":
			args, err := p.arguments()
			if err == nil && len(args) == 1 && args[0].sort == timed {
				return args[0], nil
			}
			if err == nil && len(args) == 1 && args[0].code == "time.Unix()" {
				return node{code: "time", sort: timed, whole: true}, nil
			}
		case "parse", "iso8601":
			args, err := p.arguments()
			if err == nil && len(args) == 1 {
				return node{code: "date(" + str(args[0]) + ")", sort: timed, whole: true}, nil
			}
		}
	}
	return node{}, unknown("this use of Time")
}

// arguments is (a, b), or nothing.
func (p *parser) arguments() (args []node, err error) {
	if !p.is("(") || p.peek().spaced {
		return nil, nil
	}
	p.next()
	for !p.take(")") {
		if len(args) > 0 {
			if err := p.want(","); err != nil {
				return nil, err
			}
		}
		if t := p.peek(); t.kind == pattern {
			p.next()
			args = append(args, node{code: t.text, sort: timed + 1})
			continue
		}
		n, err := p.ternary()
		if err != nil {
			return nil, err
		}
		args = append(args, n)
	}
	return args, nil
}

// isPattern says that an argument is a regular expression, with its slashes.
func (n node) isPattern() bool { return n.sort == timed+1 }

// method is n.name(…), behind the dot.
func (p *parser) method(n node) (node, error) {
	t := p.next()
	if t.kind != name {
		return node{}, unknown("%.40q behind a dot", t.text)
	}
	if p.is("{") || p.is("do") {
		return node{}, unknown("a block, as %s has it,", t.text)
	}
	switch t.text {
	case "is_a?", "kind_of?", "instance_of?":
		return p.ofClass(n)
	case "encode", "force_encoding", "unicode_normalize", "scrub":
		// Texts are UTF-8, and what is none is U+FFFD.
		return node{code: str(n), sort: textual, whole: true}, p.skipArguments()
	}
	args, err := p.arguments()
	if err != nil {
		return node{}, err
	}
	if p.is("{") || p.is("do") {
		return node{}, unknown("a block, as %s has it,", t.text)
	}
	return p.call(n, t.text, args)
}

// skipArguments passes what stands in brackets.
func (p *parser) skipArguments() error {
	if !p.is("(") || p.peek().spaced {
		return nil
	}
	for depth := 0; ; {
		switch t := p.next(); {
		case t.kind == endOfCode:
			return unknown("a bracket without its end")
		case t.kind == operator && t.text == "(":
			depth++
		case t.kind == operator && t.text == ")":
			if depth--; depth == 0 {
				return nil
			}
		}
	}
}

func (p *parser) call(n node, method string, args []node) (node, error) {
	if n.path != nil {
		if f, ok, err := onFields(n, method, args); ok || err != nil {
			return f, err
		}
	}
	if n.sort == timed {
		return onTime(n, method, args)
	}
	switch len(args) {
	case 0:
		return plainMethod(n, method)
	case 1:
		return withArgument(n, method, args[0])
	case 2:
		if method == "gsub" || method == "sub" {
			return replace(n, method, args[0], args[1])
		}
		if method == "tr" && len(unquoted(args[0])) == 1 && len(unquoted(args[1])) <= 1 {
			return node{
				code: "replace(" + str(n) + ", " + args[0].code + ", " + args[1].code + ")", sort: textual,
				whole: true,
			}, nil
		}
		if method == "slice" {
			return portion(n, args[0], args[1])
		}
	}
	return node{}, unknown("the method %s", method)
}

// unquoted is a literal text's characters.
func unquoted(n node) string {
	text, err := strconv.Unquote(n.code)
	if err != nil {
		return "more than one"
	}
	return text
}

// onFields is record.dig("a", "b"), .fetch, .key?.
func onFields(n node, method string, args []node) (node, bool, error) {
	names := n.path
	for _, a := range args {
		name, err := strconv.Unquote(a.code)
		if err != nil {
			if (method == "fetch") && len(names) > len(n.path) {
				// The default.
				return node{code: Field(names) + " ?? " + a.inner(), sort: a.sort, maybe: a.maybe}, true, nil
			}
			return node{}, false, nil
		}
		if method == "fetch" && len(names) > len(n.path) {
			return node{code: Field(names) + " ?? " + a.inner(), maybe: false}, true, nil
		}
		names = append(names[:len(names):len(names)], name)
	}
	switch method {
	case "dig", "fetch":
		if len(args) == 0 {
			return node{}, false, unknown("%s without a name", method)
		}
		return field(names), true, nil
	case "key?", "has_key?", "include?", "member?":
		if len(args) == 1 && (method != "include?" || len(n.path) == 0) {
			return node{code: Field(names) + " != nil", sort: boolean}, true, nil
		}
	case "to_json":
		return node{code: "toJSON(" + n.code + ")", sort: textual, whole: true}, true, nil
	case "to_h", "dup", "clone":
		return n, true, nil
	}
	return node{}, false, nil
}

// plainMethod is a method without arguments.
func plainMethod(n node, method string) (node, error) {
	wrap := func(function string) (node, error) {
		return node{code: function + "(" + str(n) + ")", sort: textual, whole: true}, nil
	}
	is := func(code string) (node, error) { return node{code: code, sort: boolean}, nil }
	switch method {
	case "downcase":
		return wrap("lower")
	case "upcase":
		return wrap("upper")
	case "strip":
		return wrap("trim")
	case "chomp":
		return node{code: "trimSuffix(" + str(n) + `, "\n")`, sort: textual, whole: true}, nil
	case "lstrip":
		return node{code: "replacePattern(" + str(n) + `, "^\\s+", "")`, sort: textual, whole: true}, nil
	case "rstrip":
		return node{code: "replacePattern(" + str(n) + `, "\\s+$", "")`, sort: textual, whole: true}, nil
	case "capitalize":
		s := str(n)
		return node{code: "upper(" + s + "[:1]) + lower(" + s + "[1:])", sort: textual}, nil
	case "to_s", "to_str", "inspect":
		return node{code: str(n), sort: textual, whole: true}, nil
	case "to_i":
		return node{code: "int(" + n.code + " ?? 0)", sort: numeric, whole: true, integer: true}, nil
	case "to_f":
		return node{code: "float(" + n.code + " ?? 0)", sort: numeric, whole: true}, nil
	case "to_json":
		return node{code: "toJSON(" + n.code + ")", sort: textual, whole: true}, nil
	case "length", "size", "bytesize":
		return node{code: "len(" + n.inner() + ")", sort: numeric, whole: true, integer: true}, nil
	case "nil?":
		return is(n.inner() + " == nil")
	case "empty?", "blank?":
		if n.sort == listed {
			return is("len(" + n.code + ") == 0")
		}
		return is(str(n) + ` == ""`)
	case "first", "last":
		return node{code: method + "(" + n.code + ")", whole: true, maybe: true}, nil
	case "keys", "values":
		return node{code: method + "(" + n.code + ")", sort: listed, whole: true}, nil
	case "round", "floor", "ceil":
		return node{code: "int(" + method + "(" + n.code + "))", sort: numeric, whole: true, integer: true}, nil
	case "abs":
		return node{code: method + "(" + n.code + ")", sort: numeric, whole: true}, nil
	case "compact":
		return node{code: "filter(" + n.code + ", # != nil)", sort: listed, whole: true}, nil
	case "sum", "max", "min":
		return node{code: method + "(" + n.code + ")", sort: numeric, whole: true}, nil
	case "any?", "present?":
		if n.sort == listed || method == "any?" {
			return is("len(" + n.code + " ?? []) > 0")
		}
		return is(str(n) + ` != ""`)
	case "freeze", "dup", "itself", "utc":
		return n, nil
	case "join":
		return node{code: "join(" + n.code + ")", sort: textual, whole: true}, nil
	}
	return node{}, unknown("the method %s", method)
}

// withArgument is a method with one argument.
func withArgument(n node, method string, arg node) (node, error) {
	if arg.isPattern() {
		switch method {
		case "match", "match?", "===":
			return matches(n, arg.code)
		}
		return node{}, unknown("the method %s with a regular expression", method)
	}
	switch method {
	case "start_with?":
		return node{code: str(n) + " startsWith " + arg.inner(), sort: boolean}, nil
	case "end_with?":
		return node{code: str(n) + " endsWith " + arg.inner(), sort: boolean}, nil
	case "include?":
		if n.sort == listed {
			return node{code: arg.inner() + " in " + n.inner(), sort: boolean}, nil
		}
		return node{code: str(n) + " contains " + arg.inner(), sort: boolean}, nil
	case "split":
		return node{code: "split(" + str(n) + ", " + arg.code + ")", sort: listed, whole: true}, nil
	case "join":
		return node{code: "join(" + n.code + ", " + arg.code + ")", sort: textual, whole: true}, nil
	case "delete":
		if len(unquoted(arg)) == 1 {
			return node{code: "replace(" + str(n) + ", " + arg.code + `, "")`, sort: textual, whole: true}, nil
		}
	case "delete_prefix":
		return node{code: "trimPrefix(" + str(n) + ", " + arg.code + ")", sort: textual, whole: true}, nil
	case "delete_suffix", "chomp":
		return node{code: "trimSuffix(" + str(n) + ", " + arg.code + ")", sort: textual, whole: true}, nil
	case "eql?", "equal?":
		return node{code: n.inner() + " == " + arg.inner(), sort: boolean}, nil
	}
	return node{}, unknown("the method %s", method)
}

// replace is gsub and sub.
func replace(n node, method string, from, to node) (node, error) {
	with, err := strconv.Unquote(to.code)
	if err != nil {
		return node{}, unknown("%s whose replacement is no literal text", method)
	}
	if !from.isPattern() {
		if method == "sub" {
			return node{
				code: "join(split(" + str(n) + ", " + from.code + ", 2), " + strconv.Quote(with) + ")", sort: textual,
				whole: true,
			}, nil
		}
		return node{
			code: "replace(" + str(n) + ", " + from.code + ", " + strconv.Quote(with) + ")", sort: textual,
			whole: true,
		}, nil
	}
	re, err := dialect.Pattern(from.code)
	if err != nil {
		return node{}, unknown("the regular expression %.60s: %v", from.code, err)
	}
	with = references(with)
	if method == "sub" && !strings.HasPrefix(re, "^") && !strings.HasPrefix(re, `\A`) && !strings.HasSuffix(re, "$") {
		if strings.ContainsAny(re, "()") {
			return node{}, unknown("sub with groups: it replaces the first match only")
		}
		re, with = "(?s)^(.*?)(?:"+re+")", "${1}"+with
	}
	return node{
		code: "replacePattern(" + str(n) + ", " + strconv.Quote(re) + ", " + strconv.Quote(with) + ")",
		sort: textual, whole: true,
	}, nil
}

// references writes \1 and \k<name> as ${1} and ${name}, and $ as $$.
func references(with string) string {
	var b strings.Builder
	for i := 0; i < len(with); i++ {
		switch {
		case with[i] == '$':
			b.WriteString("$$")
		case with[i] == '\\' && i+1 < len(with) && with[i+1] >= '0' && with[i+1] <= '9':
			i++
			b.WriteString("${" + string(with[i]) + "}")
		case strings.HasPrefix(with[i:], `\k<`) && strings.Contains(with[i:], ">"):
			end := strings.IndexByte(with[i:], '>')
			b.WriteString("${" + with[i+3:i+end] + "}")
			i += end
		default:
			b.WriteByte(with[i])
		}
	}
	return b.String()
}
