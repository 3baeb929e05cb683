package filter

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/types"
)

// Bounds of expressions, see Expression.
const (
	maxText  = 8 << 10
	maxNodes = 500
	maxRange = 10000    // numbers in 1..n
	maxCalls = 4096     // of closures, in one evaluation
	maxWork  = 16 << 20 // calls times the record's bytes
	maxJoin  = 1 << 20  // bytes of texts added up
)

// The variables.
const (
	varCluster  = "cluster"
	varTag      = "tag"
	varTime     = "time"
	varRecord   = "record"
	varMetadata = "metadata"
)

// Names of what the compiled expression has more than the written one. No one can write them.
const (
	hidden    = "\x00"
	varBudget = hidden + "budget"
	funcSpend = hidden + "spend"
	funcAdd   = hidden + "add"
)

// used is a field that an expression uses.
type used struct {
	name string   // as a variable
	root string   // record or metadata
	path []string // empty: all of it
}

func variables() types.Map {
	anyMap := types.TypeOf(map[string]any{})
	return types.Map{
		varCluster: types.String, varTag: types.String, varTime: types.TypeOf(time.Time{}),
		varRecord: anyMap, varMetadata: anyMap,
	}
}

// functions are those of expr that do no more work than their input is long.
func functions() []string {
	return []string{
		"all", "none", "any", "one", "filter", "map", "find", "findIndex", "count", "sum",
		"len", "type", "abs", "ceil", "floor", "round", "int", "float", "string", "max", "min",
		"trim", "trimPrefix", "trimSuffix", "upper", "lower", "split", "hasPrefix", "hasSuffix", "indexOf", "lastIndexOf",
		"first", "last", "get", "keys", "values", "now", "duration", "date", "fromJSON", "toBase64", "fromBase64",
	}
}

func compile(text string, options ...expr.Option) (*Expression, error) {
	if len(text) > maxText {
		return nil, fmt.Errorf("expression %.40q… has %d bytes: the limit is %d", text, len(text), maxText)
	}
	options = append(options, expr.MaxNodes(maxNodes), expr.DisableAllBuiltins())
	for _, name := range functions() {
		options = append(options, expr.EnableBuiltin(name))
	}
	options = append(options,
		expr.Function("join", join, new(func([]any, string) string), new(func([]string, string) string)),
		expr.Function("replace", replace, new(func(string, string, string) string)),
		expr.Function("toJSON", toJSON, new(func(any) string)))
	// As it is written first, for the types and for what is wrong.
	c := &checker{variables: variables()}
	_, err := expr.Compile(text, append(slices.Clip(options), expr.Env(c.variables), expr.Patch(c))...)
	if err == nil {
		err = c.err
	}
	if err != nil {
		return nil, compileError(text, err)
	}
	// Then with a variable for each field, so that no other is decoded, and with what limits it.
	p := &patcher{fields: map[string]used{}}
	c.variables[varBudget] = types.TypeOf((*budget)(nil))
	program, err := expr.Compile(text, append(slices.Clip(options), expr.Env(c.variables), expr.Patch(p),
		expr.Function(funcSpend, spend, new(func(*budget) bool)), expr.Function(funcAdd, add, new(func(any, any) any)))...)
	if err != nil {
		return nil, compileError(text, err)
	}
	x := &Expression{text: text, program: program, constant: true}
	node := program.Node()
	ast.Walk(&node, &lister{x: x, fields: p.fields, seen: map[string]bool{}})
	return x, nil
}

// compileError makes one line of expr's errors.
func compileError(text string, err error) error {
	var at *file.Error
	if !errors.As(err, &at) {
		return fmt.Errorf("expression %.200q: %w", text, firstLine(err))
	}
	hint := ""
	if strings.HasPrefix(at.Message, "unknown name") {
		hint = "; known are cluster, tag, time, record, metadata and the functions " + strings.Join(append(functions(), "join", "replace", "toJSON"), ", ")
	}
	return fmt.Errorf("expression %.200q: line %d, column %d: %s%s", text, at.Line, at.Column+1, at.Message, hint)
}

// checker finds what is not allowed in an expression, and which fields are used.
type checker struct {
	variables types.Map // gets a variable for each field
	err       error
}

// Visit implements ast.Visitor.
func (c *checker) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.IdentifierNode:
		if n.Value == "$env" {
			c.fail(n, "$env is not known here")
		}
	case *ast.MemberNode:
		if u, ok := fieldOf(n); ok {
			c.variables[u.name] = types.Any
		}
	case *ast.BinaryNode:
		switch n.Operator {
		case "matches":
			if _, ok := n.Right.(*ast.StringNode); !ok {
				c.fail(n, "a regular expression is written in quotes")
			}
		case "..":
			from, ok := n.Left.(*ast.IntegerNode)
			to, also := n.Right.(*ast.IntegerNode)
			if !ok || !also || to.Value-from.Value >= maxRange {
				c.fail(n, fmt.Sprintf("a range is between two numbers, with at most %d in it", maxRange))
			}
		}
	}
}

func (c *checker) fail(n ast.Node, message string) {
	if c.err == nil {
		c.err = &file.Error{Location: n.Location(), Line: 1, Column: n.Location().From, Message: message}
	}
}

// fieldOf returns which field a chain of members is, such as record.a["b"].
func fieldOf(n *ast.MemberNode) (u used, ok bool) {
	name, ok := n.Property.(*ast.StringNode)
	if !ok || n.Method {
		return used{}, false
	}
	switch base := n.Node.(type) {
	case *ast.IdentifierNode:
		if base.Value != varRecord && base.Value != varMetadata {
			return used{}, false
		}
		u.root = base.Value
	case *ast.MemberNode:
		if u, ok = fieldOf(base); !ok {
			return used{}, false
		}
	default:
		return used{}, false
	}
	u.path = append(slices.Clip(u.path), name.Value)
	u.name = fieldName(u.root, u.path)
	return u, true
}

func fieldName(root string, path []string) string { return fmt.Sprintf("%s%s%q", hidden, root, path) }

// patcher rewrites a checked expression: fields become variables of their own; what is fetched from
// what may be nil is nil; closures spend from a budget; texts are added within a limit.
type patcher struct{ fields map[string]used }

// Visit implements ast.Visitor.
func (p *patcher) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.MemberNode:
		p.member(node, n)
	case *ast.PredicateNode:
		call := &ast.CallNode{Callee: &ast.IdentifierNode{Value: funcSpend}, Arguments: []ast.Node{&ast.IdentifierNode{Value: varBudget}}}
		n.Node = &ast.SequenceNode{Nodes: []ast.Node{call, n.Node}}
	case *ast.BinaryNode:
		if n.Operator == "+" && !isNumber(n.Left) && !isNumber(n.Right) {
			ast.Patch(node, &ast.CallNode{Callee: &ast.IdentifierNode{Value: funcAdd}, Arguments: []ast.Node{n.Left, n.Right}})
		}
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
			u.name = fieldName(u.root, u.path)
			p.fields[u.name] = u
			ast.Patch(node, &ast.IdentifierNode{Value: u.name})
			return
		}
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

// lister finds what a compiled expression uses.
type lister struct {
	x      *Expression
	fields map[string]used
	seen   map[string]bool
}

// Visit implements ast.Visitor.
func (l *lister) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.BuiltinNode:
		l.function(n.Name)
	case *ast.CallNode:
		if id, ok := n.Callee.(*ast.IdentifierNode); ok {
			l.function(id.Value)
		}
	case *ast.IdentifierNode:
		if l.seen[n.Value] {
			return
		}
		l.seen[n.Value] = true
		switch u, ok := l.fields[n.Value]; {
		case ok:
			l.x.fields = append(l.x.fields, u)
		case n.Value == varRecord || n.Value == varMetadata:
			l.x.fields = append(l.x.fields, used{name: n.Value, root: n.Value})
		case n.Value == varTime:
			l.x.time, l.x.constant = true, false
		}
	}
}

// function notes what depends on more than the event.
func (l *lister) function(name string) {
	if name == "now" || name == "date" {
		l.x.constant = false
	}
}
