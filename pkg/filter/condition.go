package filter

import (
	"fmt"
	"time"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/vm"
)

// Expression is an expression on an event. It is immutable and safe for concurrent use.
type Expression struct {
	text    string
	program *vm.Program
}

// Condition is an expression that is true or false for an event.
type Condition struct{ x *Expression }

// NewExpression compiles text.
func NewExpression(text string) (*Expression, error) { return compile(text) }

// NewCondition compiles text, which must be of a truth value.
func NewCondition(text string) (*Condition, error) {
	x, err := compile(text, expr.AsBool())
	if err != nil {
		return nil, err
	}
	return &Condition{x}, nil
}

func compile(text string, options ...expr.Option) (*Expression, error) {
	env := map[string]any{"cluster": "", "tag": "", "time": time.Time{}, "record": map[string]any{}, "metadata": map[string]any{}}
	program, err := expr.Compile(text, append(options, expr.Env(env))...)
	if err != nil {
		return nil, fmt.Errorf("compile expression: %w", err)
	}
	return &Expression{text: text, program: program}, nil
}

// Value returns the expression's value for e.
func (x *Expression) Value(e *Event) (any, error) {
	record, err := decode(e.Rendered())
	if err != nil {
		return nil, err
	}
	metadata, _ := decode(e.Metadata)
	env := map[string]any{
		"cluster": e.Chunk.Cluster, "tag": e.Chunk.Tag, "time": time.Unix(e.Time.Sec, int64(e.Time.Nsec)).UTC(),
		"record": record, "metadata": metadata,
	}
	v, err := expr.Run(x.program, env)
	if err != nil {
		return nil, fmt.Errorf("evaluate %q: %w", x.text, err)
	}
	return v, nil
}

// True says whether the condition holds for e. An error means that it does not.
func (c *Condition) True(e *Event) (bool, error) {
	v, err := c.x.Value(e)
	if err != nil {
		return false, err
	}
	yes, _ := v.(bool)
	return yes, nil
}

// String returns the text that was compiled.
func (c *Condition) String() string { return c.x.text }

// Append appends the expression's value for e as msgpack. After an error, which is also for values
// that have no place in a record, dst is returned as it was.
func (x *Expression) Append(dst []byte, e *Event) ([]byte, error) {
	v, err := x.Value(e)
	if err != nil {
		return dst, err
	}
	out, err := AppendValue(dst, v)
	if err != nil {
		return dst, fmt.Errorf("evaluate %q: %w", x.text, err)
	}
	return out, nil
}
