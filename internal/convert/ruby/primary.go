package ruby

import (
	"errors"
	"strconv"
	"strings"
)

// primary is a literal, a name, or something in brackets.
func (p *parser) primary() (node, error) {
	t := p.next()
	switch t.kind {
	case number:
		return node{code: t.text, sort: numeric, whole: true, integer: !strings.Contains(t.text, ".")}, nil
	case text, symbol:
		return node{code: strconv.Quote(t.text), sort: textual, whole: true}, nil
	case mixed:
		return p.mixed(t)
	case name:
		return p.named(t)
	case operator:
		switch t.text {
		case "(":
			n, err := p.statement()
			if err != nil {
				return node{}, err
			}
			n.code, n.whole = n.inner(), true
			return n, p.want(")")
		case "[":
			items, err := p.list("]")
			return node{code: "[" + strings.Join(items, ", ") + "]", sort: listed, whole: true}, err
		case "{":
			return p.hash()
		case "::":
			return p.primary()
		}
	default:
	}
	if t.kind == endOfCode {
		return node{}, errors.New("the code ends too early")
	}
	return node{}, unknown("%.40q", t.text)
}

// list is expressions with commas between them, up to end.
func (p *parser) list(end string) (items []string, err error) {
	for !p.take(end) {
		if len(items) > 0 {
			if err := p.want(","); err != nil {
				return nil, err
			}
		}
		n, err := p.ternary()
		if err != nil {
			return nil, err
		}
		items = append(items, n.code)
	}
	return items, nil
}

// hash is {"a" => b, "c": d, e: f}.
func (p *parser) hash() (node, error) {
	var items []string
	for !p.take("}") {
		if len(items) > 0 {
			if err := p.want(","); err != nil {
				return node{}, err
			}
		}
		key := p.next()
		if key.kind != text && key.kind != name && key.kind != symbol {
			return node{}, unknown("a hash whose keys are no texts")
		}
		if !p.take("=>") && !p.take(":") {
			return node{}, unknown("a block in braces")
		}
		n, err := p.ternary()
		if err != nil {
			return node{}, err
		}
		items = append(items, strconv.Quote(key.text)+": "+n.code)
	}
	return node{code: "{" + strings.Join(items, ", ") + "}", whole: true}, nil
}

// mixed is a text with #{…} in it.
func (p *parser) mixed(t token) (node, error) {
	var parts []string
	for _, piece := range t.pieces {
		if piece.code == "" {
			parts = append(parts, strconv.Quote(piece.text))
			continue
		}
		n, err := parse(piece.code, p.depth+1)
		if err != nil {
			return node{}, err
		}
		parts = append(parts, str(n))
	}
	return node{code: strings.Join(parts, " + "), sort: textual, whole: len(parts) == 1}, nil
}

// index is n[…], behind the bracket.
func (p *parser) index(n node) (node, error) {
	if p.peek().kind == text && n.path != nil {
		key := p.next().text
		return field(append(n.path[:len(n.path):len(n.path)], key)), p.want("]")
	}
	if p.peek().kind == pattern {
		m, err := matches(n, p.next().text)
		group := "0"
		if err == nil && p.take(",") {
			group = p.next().text
		}
		if err != nil {
			return node{}, err
		}
		return captured(m, group), p.want("]")
	}
	from, err := p.ternary()
	if err != nil {
		return node{}, err
	}
	if n.re != "" {
		if name, err := strconv.Unquote(from.code); err == nil {
			return captured(n, name), p.want("]")
		}
		return captured(n, from.code), p.want("]")
	}
	if p.is("..") || p.is("...") {
		exclusive := p.next().text == "..."
		to, err := p.ternary()
		if err != nil {
			return node{}, err
		}
		return slice(n, from.code, to.code, exclusive), p.want("]")
	}
	if p.take(",") {
		length, err := p.ternary()
		if err != nil {
			return node{}, err
		}
		part, err := portion(n, from, length)
		if err != nil {
			return node{}, err
		}
		return part, p.want("]")
	}
	if n.sort == textual && from.sort == numeric {
		return slice(n, from.code, from.code, false), p.want("]")
	}
	return node{code: "get(" + n.code + ", " + from.code + ")", whole: true, maybe: true}, p.want("]")
}

// portion is n[from, length] of whole numbers.
func portion(n, from, length node) (node, error) {
	a, errFrom := strconv.Atoi(from.code)
	b, errLength := strconv.Atoi(length.code)
	switch {
	case from.code == "0":
		return slice(n, "0", length.code, true), nil
	case errFrom != nil || errLength != nil || a < 0:
		return node{}, unknown("a part [from, length] whose beginning is no number")
	}
	return slice(n, from.code, strconv.Itoa(a+b), true), nil
}

// slice is n[from..to]: of Go's kind, whose end is excluded.
func slice(n node, from, to string, exclusive bool) node {
	switch {
	case exclusive:
	case to == "-1":
		to = ""
	default:
		if i, err := strconv.Atoi(to); err == nil {
			to = strconv.Itoa(i + 1)
		} else {
			to = "(" + to + ") + 1"
		}
	}
	value := n.inner()
	if n.sort == anything && n.maybe {
		value = str(n)
		n.sort = textual
	}
	return node{code: value + "[" + from + ":" + to + "]", whole: true, sort: n.sort}
}
