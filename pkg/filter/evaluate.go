package filter

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/expr-lang/expr/vm"
	"github.com/expr-lang/expr/vm/runtime"

	"github.com/seed-afc6a195/aggregator/internal/jsontext"
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
	// values are as x.fields.
	values []last
	// result is that of these.
	result any
	known  bool
}

// last is a field's value in the event before.
type last struct {
	bytes []byte
	// known says that bytes are what env has.
	known bool
}

func newEvaluator(x *Expression) *evaluator {
	ev := &evaluator{env: map[string]any{}, budget: &budget{}, values: make([]last, len(x.fields))}
	ev.env[varBudget] = ev.budget
	ev.env[varCluster], ev.env[varTag] = "", ""
	return ev
}

func (ev *evaluator) value(x *Expression, e *Event) (any, error) {
	same := ev.known && x.constant
	if tag := e.DeliveredTag(); ev.cluster != e.Chunk.Cluster || ev.tag != tag {
		ev.cluster, ev.tag, same = e.Chunk.Cluster, tag, false
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

// field brings env up to date with a field of e, and reports whether it was changed.
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
	if text, ok := v.(string); ok {
		switch u.form {
		case formLine:
			if l := TrimLineEnd(text); len(l) < len(text) {
				v = l
			}
		case formBytes:
			if raw, _, err := event.ReadBytes(value); err == nil {
				v = string(raw)
			}
		case formPlain:
		}
	}
	ev.env[u.name] = v
	return true, nil
}

// budget limits what closures do, by the number of their calls.
type budget struct{ calls int }

var errBudget = errors.New("too much to do: closures are called too often for a record of this size")

// spend is called in front of each closure's body.
func spend(of any) bool {
	b := of.(*budget)
	if b.calls--; b.calls < 0 {
		panic(errBudget)
	}
	return true
}

var errJoin = fmt.Errorf("a text would have more than %d bytes", maxJoin)

// add is the operator + for what may be texts or integers.
func add(a, b any) any {
	i, whole := integerOf(a)
	if j, also := integerOf(b); whole && also {
		return must(i.plus(j))
	}
	left, first := a.(string)
	right, second := b.(string)
	switch {
	case first && second && len(left)+len(right) > maxJoin:
		panic(errJoin)
	case first && second:
		return left + right
	case first != second:
		panic(fmt.Errorf("%s and %s can't be added", kindOf(a), kindOf(b)))
	}
	return attempt("added", runtime.Add, a, b)
}

// join puts the texts of a list together, with a separator.
func join(params ...any) (any, error) {
	texts, ok := params[0].([]string)
	if list, _ := params[0].([]any); !ok {
		for _, item := range list {
			text, ok := item.(string)
			if !ok {
				return nil, fmt.Errorf("%s in a list of texts to join", kindOf(item))
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

// line is a text without its line end, for the operators matches and endsWith.
func line(v any) any {
	if text, ok := v.(string); ok {
		return TrimLineEnd(text)
	}
	return v
}

// toBase64 is the function base64, of a field's bytes as they came.
func toBase64(params ...any) (any, error) {
	switch v := params[0].(type) {
	case nil:
		return nil, nil //nolint:nilnil // what is missing has none
	case string:
		return base64.StdEncoding.EncodeToString([]byte(v)), nil
	}
	return nil, fmt.Errorf("%s has no bytes", kindOf(params[0]))
}

// toText is the function string: a value's text as placeholders have it, "" for what is missing.
func toText(params ...any) (any, error) {
	value, err := AppendValue(nil, params[0])
	if err != nil {
		return nil, err
	}
	return string(event.AppendText(nil, value)), nil
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

// fromJSON reads a text as parse's json does.
func fromJSON(params ...any) (any, error) {
	text, ok := params[0].(string)
	if !ok {
		return nil, fmt.Errorf("%s is no text of JSON", kindOf(params[0]))
	}
	var r jsontext.Reader
	r.Reset([]byte(text), maxValueDepth)
	value, err := r.AppendValue(nil)
	if err != nil {
		return nil, err
	}
	// No text has more values than bytes.
	left := len(text)
	v, _, err := decodeValue(value, &left)
	return v, err
}
