package filter

import (
	"errors"
	"fmt"
	"maps"
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
	// maxRange bounds the numbers in 1..n.
	maxRange = 10000
	// maxCalls bounds the calls of closures in one evaluation.
	maxCalls = 4096
	// maxWork bounds calls times the record's bytes.
	maxWork = 16 << 20
	// maxJoin bounds the bytes of texts added up.
	maxJoin = 1 << 20
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
	// name is that of a variable.
	name string
	// root is record or metadata.
	root string
	// path may be empty: all of it.
	path []string
	form form
}

// form is what of a field's text is used.
type form byte

const (
	formPlain form = iota
	// formLine is the text without its line end.
	formLine
	// formBytes is the text with bytes that are not UTF-8 left as they are.
	formBytes
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
		"all", "none", "any", "one", "filter", "map", "find", "findIndex", "findLast", "findLastIndex", "count",
		"groupBy", "sum",
		"len", "type", "ceil", "floor", "round",
		"trim", "trimPrefix", "trimSuffix", "upper", "lower", "split", "hasPrefix", "hasSuffix", "indexOf",
		"lastIndexOf",
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
	add("string", toText, new(func(any) string))
	add("toJSON", toJSON, new(func(any) string))
	add("fromJSON", fromJSON, new(func(string) any))
	add(funcBase64, toBase64, new(func(any) any))
	add("float", discreet("float"), new(func(any) float64))
	add("duration", discreet("duration"), new(func(string) time.Duration))
	add("date", discreet("date"), new(func(string) time.Time), new(func(string, string) time.Time),
		new(func(string, string, string) time.Time))
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
		if text, ok := params[0].(string); ok {
			// Numbers and times often come with a line end.
			params[0] = strings.TrimSpace(text)
		}
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
		"==": equalValues, "!=": notEqual, "<": lessThan, ">": moreThan, "<=": lessOrEqual, ">=": moreOrEqual,
		"in": memberOf,
	}
}

// knownNames are what an expression may name.
func knownNames() []string {
	return slices.Concat([]string{varCluster, varTag, varTime, varRecord, varMetadata}, functions(),
		slices.Sorted(maps.Keys(own())))
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
		// It is said in words of our own.
		err = c.err
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
		return fmt.Errorf("expression %.200q: %s", text, plain(err))
	}
	message, hint := inPlainWords(at.Message), ""
	switch {
	case strings.HasPrefix(message, "unknown name"):
		hint = "; known are " + strings.Join(knownNames(), ", ")
	case strings.HasPrefix(message, "invalid integer literal"):
		message = `integers over 9223372036854775807 can't be written as such (write fromJSON("18446744073709551615"))`
	}
	return fmt.Errorf("expression %.200q: line %d, column %d: %s%s", text, at.Line, at.Column+1, message, hint)
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
