package filter

import (
	"fmt"
	"slices"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/types"
)

// checker finds what is not allowed in an expression, and which fields are used.
type checker struct {
	// variables gets one for each field.
	variables types.Map
	known     map[string]bool
	names     []*ast.IdentifierNode
	doubts    []doubt
	err       error
}

// settle reports a name that nothing has: expr looks at no more than the types of what it knows, and the
// arguments of a method are not among it.
func (c *checker) settle() {
	for _, n := range c.names {
		if !c.known[n.Value] {
			c.fail(n, "unknown name "+n.Value)
		}
	}
}

// Visit implements ast.Visitor.
func (c *checker) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.IdentifierNode:
		c.names = append(c.names, n)
	case *ast.VariableDeclaratorNode:
		c.known[n.Name] = true
	case *ast.BuiltinNode:
		if !c.known[n.Name] {
			// It has a closure, and can't be disabled.
			c.fail(n, "unknown name "+n.Name)
		}
		if n.Name == "fromBase64" && len(n.Arguments) == 1 && isField(n.Arguments[0]) {
			c.doubts = append(c.doubts, doubt{
				"binary values are no base64 any more in expressions: they are text, with U+FFFD for each byte that " +
					"is not UTF-8",
				"write base64(record.…) for their bytes; right where the agent itself sends base64",
			})
		}
	case *ast.CallNode:
		c.call(n)
	case *ast.MemberNode:
		if u, ok := fieldOf(n); ok {
			for _, form := range []form{formPlain, formLine, formBytes} {
				c.variables[fieldName(u.root, u.path, form)] = types.Any
			}
		}
	case *ast.BinaryNode:
		c.literals(n)
		switch n.Operator {
		case "matches":
			pattern, ok := n.Right.(*ast.StringNode)
			if !ok {
				c.fail(n, "a regular expression is written in quotes")
				return
			}
			if _, err := CompilePattern(pattern.Value); err != nil {
				c.fail(n.Right, err.Error())
			}
			c.doubts = append(c.doubts, doubts(pattern.Value)...)
		case "..":
			from, ok := n.Left.(*ast.IntegerNode)
			to, also := n.Right.(*ast.IntegerNode)
			if !ok || !also || to.Value-from.Value >= maxRange {
				c.fail(n, fmt.Sprintf("a range is between two numbers, with at most %d in it", maxRange))
			}
		}
	}
}

// literals calculates with what is written down, for a result that can't be.
func (c *checker) literals(n *ast.BinaryNode) {
	left, first := n.Left.(*ast.IntegerNode)
	right, second := n.Right.(*ast.IntegerNode)
	operator := arithmetic()[n.Operator]
	if operator == nil || !first || !second {
		return
	}
	defer func() {
		if err, failed := recover().(error); failed {
			c.fail(n, err.Error())
		}
	}()
	operator(left.Value, right.Value)
}

// call looks at what is called: a field has no methods, and base64 is for fields.
func (c *checker) call(n *ast.CallNode) {
	switch callee := n.Callee.(type) {
	case *ast.MemberNode:
		if name, ok := callee.Property.(*ast.StringNode); ok && isField(callee.Node) {
			field, name := callee.Node.String(), name.Value
			hint := fmt.Sprintf("write a function, such as len(%s)", field)
			if slices.Contains([]string{"contains", "startsWith", "endsWith", "matches"}, name) {
				hint = fmt.Sprintf(`write %s %s "…"`, field, name)
			}
			c.fail(n, fmt.Sprintf("a field has no method %s: %s", name, hint))
		}
	case *ast.IdentifierNode:
		c.compiled(callee.Value, n.Arguments)
		if callee.Value != funcBase64 || len(n.Arguments) != 1 {
			return
		}
		if _, whole := n.Arguments[0].(*ast.IdentifierNode); !whole && isField(n.Arguments[0]) {
			return
		}
		c.fail(n, "base64 is of a field's bytes, such as base64(record.payload); toBase64 takes a text")
	}
}

// isField reports whether n is a field, or all of record or metadata.
func isField(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.IdentifierNode:
		return n.Value == varRecord || n.Value == varMetadata
	case *ast.MemberNode:
		_, ok := fieldOf(n)
		return ok
	}
	return false
}

func (c *checker) fail(n ast.Node, message string) {
	if c.err == nil {
		c.err = &file.Error{Location: n.Location(), Line: 1, Column: n.Location().From, Message: message}
	}
}
