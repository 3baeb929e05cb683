package filter

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/builtin"
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
)

// used is a field that an expression uses.
type used struct {
	name string   // as a variable
	root string   // record or metadata
	path []string // empty: all of it
	form form
}

// form is what of a field's text is used.
type form byte

const (
	formPlain form = iota
	formLine       // without its line end
	formBytes      // bytes that are not UTF-8 are left as they are
)

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
		"len", "type", "ceil", "floor", "round", "string",
		"trim", "trimPrefix", "trimSuffix", "upper", "lower", "split", "hasPrefix", "hasSuffix", "indexOf", "lastIndexOf",
		"first", "last", "get", "keys", "values", "now", "toBase64", "fromBase64",
	}
}

// own are the functions that stand for those of expr, for limits or exactness, and those that it has not.
func own() map[string]expr.Option {
	number := new(func(any) any)
	numbers := new(func(...any) any)
	all := map[string]expr.Option{}
	add := func(name string, f func(...any) (any, error), types ...any) {
		all[name] = expr.Function(name, f, types...)
	}
	add("join", join, new(func([]any, string) string), new(func([]string, string) string))
	add("replace", replace, new(func(string, string, string) string))
	add(funcReplacePattern, patternReplacer(), new(func(string, string, string) string))
	add(funcStrftime, timeFormatter(), new(func(time.Time, string) string), new(func(time.Time, string, string) string))
	add("toJSON", toJSON, new(func(any) string))
	add("fromJSON", fromJSON, new(func(string) any))
	add(funcBase64, toBase64, new(func(any) any))
	add("float", discreet("float"), new(func(any) float64))
	add("duration", discreet("duration"), new(func(string) time.Duration))
	add("date", discreet("date"), new(func(string) time.Time), new(func(string, string) time.Time), new(func(string, string, string) time.Time))
	add("int", toInteger, number)
	add("abs", absolute, number)
	add("max", largest, numbers)
	add("min", smallest, numbers)
	return all
}

// discreet is the function of expr of that name, whose errors quote what it is given: a record's values have
// no place in the log.
func discreet(name string) func(...any) (any, error) {
	f := builtin.Builtins[builtin.Index[name]]
	failed := fmt.Errorf("%s can't read what it is given", name)
	return func(params ...any) (v any, err error) {
		defer func() {
			if recover() != nil {
				v, err = nil, failed
			}
		}()
		if f.Fast != nil {
			return f.Fast(params[0]), nil
		}
		if v, err = f.Func(params...); err != nil {
			return nil, failed
		}
		return v, nil
	}
}

// funcBase64 is the one function that sees a field's bytes as they came.
const funcBase64 = "base64"

// arithmetic are the functions that stand for expr's operators where both operands may be integers.
func arithmetic() map[string]func(a, b any) any {
	return map[string]func(a, b any) any{"+": add, "-": minus, "*": times, "%": remainder}
}

// comparisons are the others.
func comparisons() map[string]func(a, b any) bool {
	return map[string]func(a, b any) bool{
		"==": equalValues, "!=": notEqual, "<": lessThan, ">": moreThan, "<=": lessOrEqual, ">=": moreOrEqual, "in": memberOf,
	}
}

// knownNames are what an expression may name.
func knownNames() []string {
	return slices.Concat([]string{varCluster, varTag, varTime, varRecord, varMetadata}, functions(), slices.Sorted(maps.Keys(own())))
}

func compile(text string, options ...expr.Option) (*Expression, error) {
	if len(text) > maxText {
		return nil, fmt.Errorf("expression %.40q… has %d bytes: the limit is %d", text, len(text), maxText)
	}
	options = append(options, expr.MaxNodes(maxNodes), expr.DisableAllBuiltins())
	for _, name := range functions() {
		options = append(options, expr.EnableBuiltin(name))
	}
	for _, function := range own() {
		options = append(options, function)
	}
	// As it is written first, for the types and for what is wrong.
	c := &checker{variables: variables(), known: map[string]bool{}}
	for _, name := range knownNames() {
		c.known[name] = true
	}
	_, err := expr.Compile(text, append(slices.Clip(options), expr.Env(c.variables), expr.Patch(c))...)
	if c.settle(); c.err != nil {
		err = c.err // in our own words
	}
	if err != nil {
		return nil, compileError(text, err)
	}
	// Then with a variable for each field, so that no other is decoded, and with what limits it.
	p := &patcher{fields: map[string]used{}}
	c.variables[varBudget] = types.TypeOf((*budget)(nil))
	options = append(options, expr.Env(c.variables), expr.Patch(p))
	program, err := expr.Compile(text, options...)
	if err != nil {
		return nil, compileError(text, err)
	}
	x := &Expression{text: text, program: program, constant: true, doubts: c.doubts}
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
	message, hint := at.Message, ""
	switch {
	case strings.HasPrefix(message, "unknown name"):
		hint = "; known are " + strings.Join(knownNames(), ", ")
	case strings.HasPrefix(message, "invalid integer literal"):
		message = `integers over 9223372036854775807 can't be written as such (write fromJSON("18446744073709551615"))`
	}
	return fmt.Errorf("expression %.200q: line %d, column %d: %s%s", text, at.Line, at.Column+1, message, hint)
}

// checker finds what is not allowed in an expression, and which fields are used.
type checker struct {
	variables types.Map // gets a variable for each field
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
		if n.Name == "fromBase64" && len(n.Arguments) == 1 && isField(n.Arguments[0]) {
			c.doubts = append(c.doubts, doubt{
				"binary values are no base64 any more in expressions: they are text, with U+FFFD for each byte that is not UTF-8",
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

// isField says whether n is a field, or all of record or metadata.
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
	u.name = fieldName(u.root, u.path, formPlain)
	return u, true
}

func fieldName(root string, path []string, f form) string {
	return fmt.Sprintf("%s%s%q%d", hidden, root, path, f)
}

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
		case n.Operator == "matches":
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
	case *ast.BuiltinNode:
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

// exact says whether a function must stand for an operator, as both operands may be integers. Two that
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
			return true // with a float
		}
		return n.Operator == "+" && !isNumber(n.Left) && !isNumber(n.Right) // of texts, within the limit
	}
	_, first := n.Left.(*ast.IntegerNode)
	_, second := n.Right.(*ast.IntegerNode)
	return !(first && second) && (calculates || !isNumber(n.Left) || !isNumber(n.Right))
}

// allTexts says whether n is a list of texts.
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

// mayBeInteger says whether n may be an integer, as far as its type is known.
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
		return t.PkgPath() == "" // a duration has rules of its own
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
