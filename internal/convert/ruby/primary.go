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
