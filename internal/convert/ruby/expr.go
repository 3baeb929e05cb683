package ruby

import (
	"strconv"

	"github.com/seed-afc6a195/aggregator/internal/convert/dialect"
)

// Expr returns Ruby of record_transformer and the like as an expression of the aggregator's. The error says what of it
// has no like.
func Expr(code string) (string, error) {
	n, err := parse(code, 0)
	if err != nil {
		return "", err
	}
	return n.code, nil
}

// sort is what is known of a value.
type sort uint8

const (
	anything sort = iota
	textual
	boolean
	numeric
	listed
	timed
)

// node is an expression of the aggregator's, already written.
type node struct {
	code string
	sort sort
	// whole says that nothing around can tear it apart.
	whole bool
	// path is the field's names where it is a field of the record.
	path []string
	// maybe says that it may be nil.
	maybe bool
	// integer says that it is a whole number.
	integer bool
	// zone is that of a time, "" for UTC.
	zone string
	// subject is the text in which re was looked for, where it is the result of that.
	subject, re string
}

func (n node) inner() string {
	if n.whole {
		return n.code
	}
	return "(" + n.code + ")"
}

// str is n as a text, as Ruby's to_s has it.
func str(n node) string {
	if n.sort == textual && !n.maybe {
		return n.inner()
	}
	return "string(" + n.code + ` ?? "")`
}

// truth is whether Ruby takes n for true: all but nil and false.
func truth(n node) node {
	switch n.sort {
	case boolean:
		return n
	case anything:
		return node{code: n.inner() + " != nil and " + n.inner() + " != false", sort: boolean}
	default:
	}
	if n.maybe {
		return node{code: n.inner() + " != nil", sort: boolean}
	}
	return node{code: "true", sort: boolean, whole: true}
}

const maxDepth = 40

func parse(code string, depth int) (node, error) {
	if depth > maxDepth {
		return node{}, unknown("expressions nested too deep")
	}
	tokens, err := lex(code)
	if err != nil {
		return node{}, err
	}
	p := &parser{tokens: tokens, depth: depth}
	n, err := p.statement()
	if err == nil && p.peek().kind != endOfCode {
		err = unknown("%.40q", p.peek().text)
	}
	return n, err
}

type parser struct {
	tokens []token
	pos    int
	depth  int
}

func (p *parser) peek() token { return p.tokens[p.pos] }

func (p *parser) next() token {
	t := p.tokens[p.pos]
	if t.kind != endOfCode {
		p.pos++
	}
	return t
}

// is reports whether the next token is that operator or word.
func (p *parser) is(text string) bool {
	t := p.peek()
	return (t.kind == operator || t.kind == name) && t.text == text
}

func (p *parser) take(text string) bool {
	if p.is(text) {
		p.pos++
		return true
	}
	return false
}

func (p *parser) want(text string) error {
	if !p.take(text) {
		return unknown("%q is missing before %.40q", text, p.peek().text)
	}
	return nil
}

// statement is an expression with perhaps if or unless behind it.
func (p *parser) statement() (node, error) {
	p.depth++
	defer func() { p.depth-- }()
	if p.depth > maxDepth {
		return node{}, unknown("expressions nested too deep")
	}
	switch {
	case p.take("if"):
		return p.ifThenElse()
	case p.take("case"):
		return p.choice()
	case p.take("begin"):
		return p.guarded()
	case p.is("require"):
		// A library that is at hand here.
		p.next()
		p.next()
		if err := p.want(";"); err != nil {
			return node{}, err
		}
		return p.statement()
	}
	n, err := p.ternary()
	// What is missing is nil here, and no exception.
	if err == nil && p.take("rescue") {
		var other node
		if other, err = p.ternary(); err == nil && other.code != "nil" {
			n = node{code: n.inner() + " ?? " + other.inner(), maybe: other.maybe}
		}
	}
	for err == nil && (p.is("if") || p.is("unless")) {
		unless := p.next().text == "unless"
		var c node
		if c, err = p.ternary(); err != nil {
			return node{}, err
		}
		yes, no := n.code, "nil"
		if unless {
			yes, no = no, yes
		}
		n = node{code: truth(c).inner() + " ? " + yes + " : " + no, sort: n.sort, maybe: true}
	}
	return n, err
}

// ifThenElse is if a then b else c end, on one line.
func (p *parser) ifThenElse() (node, error) {
	c, err := p.ternary()
	if err != nil {
		return node{}, err
	}
	_ = p.take("then") || p.take(";")
	a, err := p.statement()
	if err != nil {
		return node{}, err
	}
	p.take(";")
	b := node{code: "nil", whole: true, maybe: true}
	switch {
	case p.take("elsif"):
		if b, err = p.ifThenElse(); err != nil {
			return node{}, err
		}
		return either(c, a, b), nil
	case p.take("else"):
		if b, err = p.statement(); err != nil {
			return node{}, err
		}
		p.take(";")
	}
	return either(c, a, b), p.want("end")
}

func either(c, a, b node) node {
	n := node{code: truth(c).inner() + " ? " + a.inner() + " : " + b.inner(), maybe: a.maybe || b.maybe}
	if a.sort == b.sort {
		n.sort = a.sort
	}
	return n
}

func (p *parser) ternary() (node, error) {
	c, err := p.or()
	if err != nil || !p.take("?") {
		return c, err
	}
	a, err := p.ternary()
	if err != nil {
		return node{}, err
	}
	if p.peek().kind == symbol {
		// A :b, written without the blank.
		p.tokens[p.pos] = token{kind: name, text: p.peek().text}
	} else if err := p.want(":"); err != nil {
		return node{}, err
	}
	b, err := p.ternary()
	if err != nil {
		return node{}, err
	}
	return either(c, a, b), nil
}

func (p *parser) or() (node, error) {
	a, err := p.and()
	for err == nil && (p.take("||") || p.take("or")) {
		var b node
		if b, err = p.and(); err != nil {
			break
		}
		if a.sort == boolean {
			a = node{code: a.inner() + " or " + truth(b).inner(), sort: boolean}
			continue
		}
		n := node{code: a.inner() + " ?? " + b.inner(), maybe: b.maybe}
		if a.sort == b.sort {
			n.sort = a.sort
		}
		a = n
	}
	return a, err
}

func (p *parser) and() (node, error) {
	a, err := p.not()
	for err == nil && (p.take("&&") || p.take("and")) {
		var b node
		if b, err = p.not(); err != nil {
			break
		}
		if b.sort != boolean {
			// A && b is b where a is true.
			a = node{code: truth(a).inner() + " ? " + b.inner() + " : nil", sort: b.sort, maybe: true}
			continue
		}
		a = node{code: truth(a).inner() + " and " + b.inner(), sort: boolean}
	}
	return a, err
}

func (p *parser) not() (node, error) {
	if p.take("!") || p.take("not") {
		n, err := p.not()
		return node{code: "not " + truth(n).inner(), sort: boolean}, err
	}
	return p.compare()
}

func (p *parser) compare() (node, error) {
	a, err := p.sum()
	for err == nil {
		t := p.peek()
		if t.kind != operator {
			return a, nil
		}
		switch t.text {
		case "==", "!=", "<", ">", "<=", ">=":
			p.next()
			b, err := p.sum()
			if err != nil {
				return node{}, err
			}
			a = node{code: a.inner() + " " + t.text + " " + b.inner(), sort: boolean}
		case "=~", "!~":
			p.next()
			re := p.next()
			if re.kind != pattern {
				return node{}, unknown("%s without a regular expression", t.text)
			}
			if a, err = matches(a, re.text); err == nil && t.text == "!~" {
				a = node{code: "not " + a.inner(), sort: boolean}
			}
		default:
			return a, nil
		}
	}
	return a, err
}

// matches is a =~ /…/.
func matches(a node, re string) (node, error) {
	translated, err := dialect.Pattern(re)
	if err != nil {
		return node{}, unknown("the regular expression %.60s: %v", re, err)
	}
	return node{
		code: str(a) + " matches " + strconv.Quote(translated), sort: boolean, subject: str(a), re: translated,
	}, nil
}

// captured is a group of a match, nil without one.
func captured(m node, group string) node {
	// The whole match is a group too, before all others.
	if n, err := strconv.Atoi(group); err == nil {
		group = strconv.Itoa(n + 1)
	}
	return node{
		code: m.code + " ? replacePattern(" + m.subject + ", " + strconv.Quote("(?s)^.*?("+m.re+").*$") + ", " +
			strconv.Quote("${"+group+"}") + ") : nil",
		sort: textual, maybe: true,
	}
}

func (p *parser) sum() (node, error) {
	a, err := p.product()
	for err == nil && (p.is("+") || p.is("-")) {
		op := p.next().text
		var b node
		if b, err = p.product(); err != nil {
			break
		}
		if op == "+" && (a.sort == textual || b.sort == textual) {
			a = node{code: str(a) + " + " + str(b), sort: textual}
			continue
		}
		a = node{
			code: a.inner() + " " + op + " " + b.inner(), sort: numeric, integer: a.integer && b.integer,
		}
	}
	return a, err
}

func (p *parser) product() (node, error) {
	a, err := p.unary()
	for err == nil && (p.is("*") || p.is("/") || p.is("%") || p.is("**")) {
		op := p.next().text
		var b node
		if b, err = p.unary(); err != nil {
			break
		}
		if op == "%" && a.sort == textual {
			return node{}, unknown("a format, as %%.2f,")
		}
		a = quotient(a, op, b)
	}
	return a, err
}

// quotient is a / b and the like. Whole numbers have a whole quotient in Ruby.
func quotient(a node, op string, b node) node {
	n := node{code: a.inner() + " " + op + " " + b.inner(), sort: numeric, integer: a.integer && b.integer}
	if op == "**" && n.integer {
		n.code, n.whole = "int("+n.code+")", true
	}
	if op != "/" || !b.integer || !a.integer && a.sort != anything {
		return n
	}
	whole := "int(floor(" + n.code + "))"
	if a.integer {
		n.code, n.whole = whole, true
		return n
	}
	// What a field holds is known when it is there.
	n.code = "type(" + a.code + ") == \"int\" ? " + whole + " : " + n.code
	return n
}

func (p *parser) unary() (node, error) {
	if p.take("-") {
		n, err := p.unary()
		return node{code: "-" + n.inner(), sort: numeric, integer: n.integer}, err
	}
	n, err := p.primary()
	for err == nil {
		switch {
		case p.is(".") || p.is("&."):
			p.next()
			n, err = p.method(n)
		case p.is("[") && !p.peek().spaced:
			p.next()
			n, err = p.index(n)
		default:
			return n, nil
		}
	}
	return n, err
}
