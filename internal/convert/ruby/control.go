package ruby

// choice is case x when a, b then c else d end, behind case.
func (p *parser) choice() (node, error) {
	var subject *node
	if !p.is("when") && !p.is(";") {
		n, err := p.ternary()
		if err != nil {
			return node{}, err
		}
		subject = &n
	}
	p.take(";")
	return p.when(subject)
}

// when is the rest of a case from one of its whens on.
func (p *parser) when(subject *node) (node, error) {
	p.depth++
	defer func() { p.depth-- }()
	if p.depth > maxDepth {
		return node{}, unknown("expressions nested too deep")
	}
	none := node{code: "nil", whole: true, maybe: true}
	switch {
	case p.take("end"):
		return none, nil
	case p.take("else"):
		n, err := p.statement()
		if err != nil {
			return node{}, err
		}
		p.take(";")
		return n, p.want("end")
	}
	if err := p.want("when"); err != nil {
		return node{}, err
	}
	var some node
	for {
		c, err := p.alternative(subject)
		if err != nil {
			return node{}, err
		}
		if some.code == "" {
			some = c
		} else {
			some = node{code: some.inner() + " or " + c.inner(), sort: boolean}
		}
		if !p.take(",") {
			break
		}
	}
	_ = p.take("then") || p.take(";")
	then, err := p.statement()
	if err != nil {
		return node{}, err
	}
	p.take(";")
	rest, err := p.when(subject)
	if err != nil {
		return node{}, err
	}
	return either(some, then, rest), nil
}

// alternative is one of the values of a when.
func (p *parser) alternative(subject *node) (node, error) {
	if t := p.peek(); t.kind == pattern && subject != nil {
		p.next()
		return matches(*subject, t.text)
	}
	n, err := p.ternary()
	if err != nil || subject == nil {
		return truth(n), err
	}
	return node{code: subject.inner() + " == " + n.inner(), sort: boolean}, nil
}

// guarded is begin a; rescue; b; end, behind begin: what is missing is nil here, and no exception.
func (p *parser) guarded() (node, error) {
	p.take(";")
	n, err := p.statement()
	if err != nil {
		return node{}, err
	}
	p.take(";")
	if p.take("rescue") {
		for p.peek().kind == name && !p.is("nil") && p.peek().text[0] >= 'A' && p.peek().text[0] <= 'Z' {
			// The exceptions' names.
			p.next()
			for p.take("::") || p.take(",") || p.take("=>") {
				p.next()
			}
		}
		_ = p.take("then") || p.take(";")
		if !p.is("end") {
			other, err := p.statement()
			if err != nil {
				return node{}, err
			}
			if other.code != "nil" {
				n = node{code: n.inner() + " ?? " + other.inner(), maybe: other.maybe}
			}
			p.take(";")
		}
	}
	return n, p.want("end")
}

// ofClass is n.is_a?(Class), behind the method's name.
func (p *parser) ofClass(n node) (node, error) {
	if err := p.want("("); err != nil {
		return node{}, err
	}
	class := p.next().text
	types := map[string]string{
		"Array": `["array"]`, "Hash": `["map"]`, "String": `["string"]`, "Integer": `["int"]`, "Float": `["float"]`,
		"Numeric": `["int", "float"]`, "NilClass": `["nil"]`,
	}[class]
	if types == "" {
		return node{}, unknown("the class %s", class)
	}
	return node{code: "type(" + n.code + ") in " + types, sort: boolean}, p.want(")")
}
