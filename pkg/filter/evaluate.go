package filter

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/expr-lang/expr/vm"
	"github.com/expr-lang/expr/vm/runtime"

	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// keepText is the length up to which a field's value is remembered from one event to the next: the
// same level, status or namespace comes again and again, and need not be decoded again.
const keepText = 64

// evaluator is what one goroutine at a time needs to run an expression.
type evaluator struct {
	machine vm.VM
	env     map[string]any
	budget  *budget

	cluster, tag string
	values       []last // as x.fields
	result       any    // of these
	known        bool
}

// last is a field's value in the event before.
type last struct {
	bytes []byte
	known bool // bytes are what env has
}

func newEvaluator(x *Expression) *evaluator {
	ev := &evaluator{env: map[string]any{}, budget: &budget{}, values: make([]last, len(x.fields))}
	ev.env[varBudget] = ev.budget
	ev.env[varCluster], ev.env[varTag] = "", ""
	return ev
}

func (ev *evaluator) value(x *Expression, e *Event) (any, error) {
	same := ev.known && x.constant
	if ev.cluster != e.Chunk.Cluster || ev.tag != e.Chunk.Tag {
		ev.cluster, ev.tag, same = e.Chunk.Cluster, e.Chunk.Tag, false
		ev.env[varCluster], ev.env[varTag] = ev.cluster, ev.tag
	}
	left := maxDecoded
	for i := range x.fields {
		changed, err := ev.field(&x.fields[i], &ev.values[i], e, &left)
		if err != nil {
			ev.known = false
			return nil, err
		}
		same = same && !changed
	}
	if same {
		return ev.result, nil
	}
	if x.time {
		ev.env[varTime] = time.Unix(e.Time.Sec, int64(e.Time.Nsec)).UTC()
	}
	ev.budget.calls = min(maxCalls, maxWork/max(len(e.Record), 1))
	v, err := ev.machine.Run(x.program, ev.env)
	ev.result, ev.known = v, err == nil
	return v, err
}

// field brings env up to date with a field of e, and says whether it was changed.
func (ev *evaluator) field(u *used, l *last, e *Event, left *int) (changed bool, err error) {
	var value []byte
	if u.root == varRecord {
		value, _ = e.Get(u.path...)
	} else {
		value, _ = event.Lookup(e.Metadata, u.path...)
	}
	if l.known && bytes.Equal(value, l.bytes) {
		return false, nil
	}
	if l.known = len(value) <= keepText; l.known {
		l.bytes = append(l.bytes[:0], value...)
	}
	v, _, err := decodeValue(value, left)
	if err != nil {
		l.known = false
		return true, err
	}
	ev.env[u.name] = v
	return true, nil
}

// budget limits what closures do, by the number of their calls.
type budget struct{ calls int }

var errBudget = errors.New("too much to do: closures are called too often for a record of this size")

// spend is called in front of each closure's body.
func spend(params ...any) (any, error) {
	b := params[0].(*budget)
	if b.calls--; b.calls < 0 {
		return nil, errBudget
	}
	return true, nil
}

var errJoin = fmt.Errorf("a text would have more than %d bytes", maxJoin)

// add is the operator + for what may be texts.
func add(params ...any) (any, error) {
	a, first := params[0].(string)
	b, second := params[1].(string)
	switch {
	case first && second && len(a)+len(b) > maxJoin:
		return nil, errJoin
	case first && second:
		return a + b, nil
	case first != second:
		return nil, fmt.Errorf("%T and %T can't be added", params[0], params[1])
	}
	return runtime.Add(params[0], params[1]), nil // a panic is the machine's to catch
}

// join puts the texts of a list together, with a separator.
func join(params ...any) (any, error) {
	texts, ok := params[0].([]string)
	if list, _ := params[0].([]any); !ok {
		for _, item := range list {
			text, ok := item.(string)
			if !ok {
				return nil, fmt.Errorf("%T in a list of texts to join", item)
			}
			texts = append(texts, text)
		}
	}
	separator, total := params[1].(string), 0
	for _, text := range texts {
		if total += len(text) + len(separator); total > maxJoin {
			return nil, errJoin
		}
	}
	return strings.Join(texts, separator), nil
}

// replace puts a text in the place of each that is equal to another one.
func replace(params ...any) (any, error) {
	text, from, to := params[0].(string), params[1].(string), params[2].(string)
	if n := strings.Count(text, from); len(text)+n*(len(to)-len(from)) > max(maxJoin, len(text)) {
		return nil, errJoin
	}
	return strings.ReplaceAll(text, from, to), nil
}

// toJSON renders a value as it is delivered.
func toJSON(params ...any) (any, error) {
	value, err := AppendValue(nil, params[0])
	if err != nil {
		return nil, err
	}
	var e event.Encoder
	text, err := e.AppendValue(nil, value)
	return string(text), err
}
