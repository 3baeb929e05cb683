package filter

import (
	"fmt"
	"sync"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/vm"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
)

// Expression is an expression on an event, in the language of https://expr-lang.org: on cluster and
// tag (strings), time (a time in UTC), record and metadata (maps). What is missing is nil, at any
// depth: record.a.b is nil where there is no a. An Expression is safe for concurrent use.
//
// No expression takes long, whatever an agent sends: it has at most 8 KiB and 500 nodes, without
// functions whose work or result grows faster than what they are given; what closures ({# > 1})
// may do is limited by their number of calls, 4096 and less for records over 16 KiB; a field that
// is used has at most 4096 values in it; texts that are added up stay under 1 MiB.
type Expression struct {
	text    string
	program *vm.Program
	// fields are those of record and metadata.
	fields []used
	// constant says that it depends on fields, cluster and tag alone.
	constant bool
	// time says that it uses the event's time.
	time       bool
	doubts     []doubt
	evaluators sync.Pool
}

// Condition is an expression that is true or false for an event.
type Condition struct{ x *Expression }

// NewExpression compiles text and checks its types. The error says where the mistake is.
func NewExpression(text string) (*Expression, error) { return compile(text) }

// NewCondition compiles text, which must be of a truth value.
func NewCondition(text string) (*Condition, error) {
	x, err := compile(text, expr.AsBool())
	if err != nil {
		return nil, err
	}
	return &Condition{x}, nil
}

// True reports whether the condition holds for e. An error means that it does not.
func (c *Condition) True(e *Event) (bool, error) {
	v, err := c.x.Value(e)
	if err != nil {
		return false, err
	}
	// It is nil of a field that is missing.
	yes, _ := v.(bool)
	return yes, nil
}

// Check reports at key what is hardly meant.
func (x *Expression) Check(r *setting.Report, key string) {
	for _, d := range x.doubts {
		r.Warn(key, d.hint, "%s", d.reason)
	}
}

// CheckCondition reports at key what is wrong with a condition, or hardly meant; hint is for one that
// can't be read.
func CheckCondition(r *setting.Report, key, text, hint string) {
	c, err := NewCondition(text)
	if err != nil {
		r.Add(key, hint, "%v", err)
		return
	}
	c.x.Check(r, key)
}

// String returns the text that was compiled.
func (c *Condition) String() string { return c.x.text }

// Value returns the expression's value for e.
func (x *Expression) Value(e *Event) (any, error) {
	ev, _ := x.evaluators.Get().(*evaluator)
	if ev == nil {
		ev = newEvaluator(x)
	}
	v, err := ev.value(x, e)
	x.evaluators.Put(ev)
	if err != nil {
		return nil, &failure{x.text, err}
	}
	return v, nil
}

// Append appends the expression's value for e as msgpack. After an error, which is also for values
// that have no place in a record, dst is returned as it was.
func (x *Expression) Append(dst []byte, e *Event) ([]byte, error) {
	v, err := x.Value(e)
	if err != nil {
		return dst, err
	}
	out, err := AppendValue(dst, v)
	if err != nil {
		return dst, fmt.Errorf("evaluate %.200q: %w", x.text, err)
	}
	return out, nil
}
