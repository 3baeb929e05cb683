package filter

import (
	"reflect"
	"slices"

	"github.com/expr-lang/expr/ast"
)

// patcher rewrites a checked expression: fields become variables of their own; what is fetched from
// what may be nil is nil; closures spend from a budget; texts are added within a limit; operators on
// what may be integers are exact; what is matched has no line end.
type patcher struct{ fields map[string]used }

// Visit implements ast.Visitor.
func (p *patcher) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.MemberNode:
		p.member(node, n)
	case *ast.PredicateNode:
		n.Node = &ast.SequenceNode{Nodes: []ast.Node{newCall(spend, &ast.IdentifierNode{Value: varBudget}), n.Node}}
	case *ast.BinaryNode:
		switch {
		case n.Operator == "matches", n.Operator == "endsWith" && isLine(n.Right):
			n.Left = p.reshaped(n.Left, formLine)
		case !exact(n):
		case comparisons()[n.Operator] != nil:
			ast.Patch(node, newCall(comparisons()[n.Operator], n.Left, n.Right))
		default:
			ast.Patch(node, newCall(arithmetic()[n.Operator], n.Left, n.Right))
		}
	case *ast.UnaryNode:
		if _, literal := n.Node.(*ast.IntegerNode); n.Operator == "-" && !literal && mayBeInteger(n.Node) {
			ast.Patch(node, newCall(negative, n.Node))
		}
	case *ast.SliceNode:
		n.From, n.To = placed(n.From), placed(n.To)
	case *ast.BuiltinNode:
		if n.Name == "get" && len(n.Arguments) == 2 {
			n.Arguments[1] = placed(n.Arguments[1])
		}
		if n.Name == "hasSuffix" && len(n.Arguments) == 2 && isLine(n.Arguments[1]) {
			n.Arguments[0] = p.reshaped(n.Arguments[0], formLine)
		}
		if n.Name != "sum" {
			return
		}
		list := n.Arguments[0]
		if len(n.Arguments) == 2 {
			list = &ast.BuiltinNode{Name: "map", Arguments: n.Arguments}
			list.SetType(reflect.TypeFor[[]any]())
		}
		ast.Patch(node, newCall(sum, list))
	case *ast.CallNode:
		if id, ok := n.Callee.(*ast.IdentifierNode); ok && id.Value == funcBase64 {
			n.Arguments[0] = p.reshaped(n.Arguments[0], formBytes)
		}
	}
}

// newCall calls a function of a type that the machine knows, so that nothing is allocated.
func newCall(function any, arguments ...ast.Node) *ast.CallNode {
	callee := &ast.ConstantNode{Value: function}
	callee.SetType(reflect.TypeOf(function))
	return &ast.CallNode{Callee: callee, Arguments: arguments}
}

// reshaped returns the field n in another form, or a call that does the same to another text.
func (p *patcher) reshaped(n ast.Node, f form) ast.Node {
	if id, ok := n.(*ast.IdentifierNode); ok {
		if u, ok := p.fields[id.Value]; ok {
			u.form, u.name = f, fieldName(u.root, u.path, f)
			p.fields[u.name] = u
			shaped := &ast.IdentifierNode{Value: u.name}
			ast.Patch(&n, shaped)
			return shaped
		}
	}
	if _, literal := n.(*ast.StringNode); literal || f != formLine {
		return n
	}
	call := newCall(line, n)
	ast.Patch(&n, call)
	return call
}

// isLine reports whether n is written as a text that has no line end itself.
func isLine(n ast.Node) bool {
	text, ok := n.(*ast.StringNode)
	return ok && len(TrimLineEnd(text.Value)) == len(text.Value)
}

// exact reports whether a function must stand for an operator, as both operands may be integers. Two that
// are known to be int are compared well enough.
func exact(n *ast.BinaryNode) bool {
	calculates := arithmetic()[n.Operator] != nil
	if !calculates && comparisons()[n.Operator] == nil {
		return false
	}
	if n.Operator == "in" {
		return mayBeInteger(n.Left) && !allTexts(n.Right) && !isRange(n.Right)
	}
	if left, right := mayBeInteger(n.Left), mayBeInteger(n.Right); !left || !right {
		if !calculates && (left && isNumber(n.Right) || right && isNumber(n.Left)) {
			// It is compared with a float.
			return true
		}
		// Texts are added within their limit.
		return n.Operator == "+" && !isNumber(n.Left) && !isNumber(n.Right)
	}
	if !calculates {
		return !isNumber(n.Left) || !isNumber(n.Right)
	}
	left, first := n.Left.(*ast.IntegerNode)
	right, second := n.Right.(*ast.IntegerNode)
	if first && second {
		// The compiler calculates with these, and wraps around.
		_, fits := arithmetic()[n.Operator](left.Value, right.Value).(int)
		return !fits
	}
	return true
}

// placed returns n, which is a place in a list or text, so that a number over 2⁶³-1 is not taken for a negative one.
func placed(n ast.Node) ast.Node {
	if _, literal := n.(*ast.IntegerNode); literal || n == nil || !mayBeInteger(n) {
		return n
	}
	call := newCall(place, n)
	ast.Patch(&n, call)
	return call
}

// allTexts reports whether n is a list of texts.
func allTexts(n ast.Node) bool {
	list, ok := n.(*ast.ArrayNode)
	return ok && !slices.ContainsFunc(list.Nodes, func(item ast.Node) bool {
		_, text := item.(*ast.StringNode)
		return !text
	})
}

func isRange(n ast.Node) bool {
	b, ok := n.(*ast.BinaryNode)
	return ok && b.Operator == ".."
}

// mayBeInteger reports whether n may be an integer, as far as its type is known.
func mayBeInteger(n ast.Node) bool {
	switch n.(type) {
	case *ast.StringNode, *ast.BoolNode, *ast.NilNode, *ast.FloatNode:
		return false
	}
	t := n.Type()
	if t == nil || t.Kind() == reflect.Interface {
		return true
	}
	switch t.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		// A duration has rules of its own.
		return t.PkgPath() == ""
	default:
		return false
	}
}

func (p *patcher) member(node *ast.Node, n *ast.MemberNode) {
	if id, ok := n.Node.(*ast.IdentifierNode); ok {
		u, known := p.fields[id.Value]
		if id.Value == varRecord || id.Value == varMetadata {
			u, known = used{root: id.Value}, true
		}
		if name, ok := n.Property.(*ast.StringNode); known && ok {
			u.path = append(slices.Clip(u.path), name.Value)
			u.name = fieldName(u.root, u.path, formPlain)
			p.fields[u.name] = u
			ast.Patch(node, &ast.IdentifierNode{Value: u.name})
			return
		}
	}
	if !n.Method {
		n.Property = placed(n.Property)
	}
	if t := n.Node.Type(); t == nil || t.Kind() == reflect.Interface || t.Kind() == reflect.Map {
		n.Optional = true
		ast.Patch(node, &ast.ChainNode{Node: n})
	}
}

func isNumber(n ast.Node) bool {
	t := n.Type()
	return t != nil && (t.Kind() == reflect.Int || t.Kind() == reflect.Float64)
}
