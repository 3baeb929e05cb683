package filter

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/expr-lang/expr/vm/runtime"
)

// Numbers in expressions are exact: int and uint64 are compared and calculated with as what they are,
// where expr itself would make negative numbers of those over 2⁶³-1, and wrap around. The functions in
// this file stand for its operators: where an operand has the wrong type or a result does not fit, they
// panic with an error, which is the machine's to catch.

var errTooLarge = errors.New("the result does not fit into 64 bits")

var errPlace = errors.New("no list or text is so long")

// integer is a sign and a magnitude.
type integer struct {
	negative bool
	size     uint64
}

// integerOf returns the integer that v is, of whatever type.
func integerOf(v any) (i integer, ok bool) {
	var signed int64
	switch v := v.(type) {
	case int:
		signed = int64(v)
	case uint64:
		return integer{size: v}, true
	default:
		r := reflect.ValueOf(v)
		switch {
		case v == nil || r.Type().PkgPath() != "":
			// A duration or a month has rules of its own.
			return integer{}, false
		case r.CanUint():
			return integer{size: r.Uint()}, true
		case !r.CanInt():
			return integer{}, false
		}
		signed = r.Int()
	}
	if signed < 0 {
		return integer{negative: true, size: -uint64(signed)}, true
	}
	return integer{size: uint64(signed)}, true
}

// value returns the integer as expressions have it: an int, or a uint64 over 2⁶³-1.
func (i integer) value() (any, error) {
	switch {
	case i.negative && i.size <= 1<<63:
		return int(-i.size), nil
	case i.negative:
		return nil, errTooLarge
	case i.size <= math.MaxInt64:
		return int(i.size), nil
	}
	return i.size, nil
}

func (i integer) compare(j integer) int {
	switch {
	case i.size == 0 && j.size == 0:
		return 0
	case i.negative && j.negative:
		return cmp.Compare(j.size, i.size)
	case i.negative:
		return -1
	case j.negative:
		return 1
	}
	return cmp.Compare(i.size, j.size)
}

// compareFloat compares i with f, which is not NaN.
func (i integer) compareFloat(f float64) int {
	if math.Abs(f) >= 1<<64 {
		return cmp.Compare(0, f)
	}
	whole, part := math.Modf(f)
	if order := i.compare(integer{negative: whole < 0, size: uint64(math.Abs(whole))}); order != 0 {
		return order
	}
	return cmp.Compare(0, part)
}

// compare returns the order of two numbers; ok is false where one is none, and for two floats.
func compare(a, b any) (order int, ok bool) {
	i, first := integerOf(a)
	j, second := integerOf(b)
	if first && second {
		return i.compare(j), true
	}
	if f, isFloat := b.(float64); first && isFloat && f == f {
		return i.compareFloat(f), true
	}
	if f, isFloat := a.(float64); second && isFloat && f == f {
		return -j.compareFloat(f), true
	}
	return 0, false
}

func equalValues(a, b any) bool {
	if text, ok := a.(string); ok {
		other, ok := b.(string)
		return ok && text == other
	}
	if i, ok := a.(int); ok {
		if j, ok := b.(int); ok {
			return i == j
		}
	}
	if order, ok := compare(a, b); ok {
		return order == 0
	}
	return runtime.Equal(a, b)
}

func lessThan(a, b any) bool {
	if i, ok := a.(int); ok {
		if j, ok := b.(int); ok {
			return i < j
		}
	}
	if order, ok := compare(a, b); ok {
		return order < 0
	}
	return attempt("compared", runtime.Less, a, b)
}

func lessOrEqual(a, b any) bool {
	if i, ok := a.(int); ok {
		if j, ok := b.(int); ok {
			return i <= j
		}
	}
	if order, ok := compare(a, b); ok {
		return order <= 0
	}
	return attempt("compared", runtime.LessOrEqual, a, b)
}

func notEqual(a, b any) bool { return !equalValues(a, b) }
func moreThan(a, b any) bool { return lessThan(b, a) }

func moreOrEqual(a, b any) bool { return lessOrEqual(b, a) }

func times(a, b any) any     { return calculate(a, b, integer.times, runtime.Multiply) }
func minus(a, b any) any     { return calculate(a, b, integer.minus, runtime.Subtract) }
func remainder(a, b any) any { return calculate(a, b, integer.remainder, modulo) }
func modulo(a, b any) any    { return runtime.Modulo(a, b) }

// negative is the operator - with one operand.
func negative(v any) any {
	if i, ok := integerOf(v); ok {
		return must(i.opposite().value())
	}
	defer func() {
		if recover() != nil {
			panic(fmt.Errorf("%s can't be calculated with", kindOf(v)))
		}
	}()
	return runtime.Negate(v)
}

func (i integer) opposite() integer            { return integer{!i.negative && i.size > 0, i.size} }
func (i integer) minus(j integer) (any, error) { return i.plus(j.opposite()) }

// must is for functions of the machine, which takes a panic for the error of the expression.
func must(v any, err error) any {
	if err != nil {
		panic(err)
	}
	return v
}

// place is a place in a list or text, or a field's name.
func place(v any) any {
	if u, ok := v.(uint64); ok && u > math.MaxInt64 {
		panic(errPlace)
	}
	return v
}

// memberOf is the operator in.
func memberOf(item, list any) bool {
	switch list := list.(type) {
	case []int:
		// A list of literals, as expr has it.
		if i, ok := item.(int); ok {
			return slices.Contains(list, i)
		}
		return slices.ContainsFunc(list, func(i int) bool { return equalValues(item, i) })
	case []any:
		return slices.ContainsFunc(list, func(v any) bool { return equalValues(v, item) })
	}
	return runtime.In(item, list)
}

// calculate applies whole to two integers, and other to anything else.
func calculate(a, b any, whole func(i, j integer) (any, error), other func(a, b any) any) any {
	i, first := integerOf(a)
	j, second := integerOf(b)
	if first && second {
		return must(whole(i, j))
	}
	return attempt("calculated with", other, a, b)
}

// attempt is an operator of expr, whose panics name types as Go does, and values.
func attempt[T any](what string, operator func(a, b any) T, a, b any) T {
	defer func() {
		if recover() != nil {
			panic(fmt.Errorf("%s and %s can't be %s", kindOf(a), kindOf(b), what))
		}
	}()
	return operator(a, b)
}

// kindOf returns what a value is, in the words of the guide.
func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "nil"
	case string:
		return "a text"
	case bool:
		return "a truth value"
	case time.Time:
		return "a time"
	case time.Duration:
		return "a duration"
	}
	switch r := reflect.ValueOf(v); {
	case r.CanInt() || r.CanUint():
		return "an integer"
	case r.CanFloat():
		return "a float"
	case r.Kind() == reflect.Slice:
		return "a list"
	case r.Kind() == reflect.Map:
		return "a map"
	}
	return "another value"
}

func (i integer) plus(j integer) (any, error) {
	if i.negative == j.negative {
		size, carry := bits.Add64(i.size, j.size, 0)
		if carry != 0 {
			return nil, errTooLarge
		}
		return integer{i.negative, size}.value()
	}
	if i.size >= j.size {
		return integer{i.negative && i.size > j.size, i.size - j.size}.value()
	}
	return integer{j.negative, j.size - i.size}.value()
}

func (i integer) times(j integer) (any, error) {
	high, low := bits.Mul64(i.size, j.size)
	if high != 0 {
		return nil, errTooLarge
	}
	return integer{i.negative != j.negative && low > 0, low}.value()
}

// remainder has the sign of i, as in Go.
func (i integer) remainder(j integer) (any, error) {
	if j.size == 0 {
		return nil, errors.New("there is no remainder of a division by zero")
	}
	left := i.size % j.size
	return integer{i.negative && left > 0, left}.value()
}

// sum adds up the items of a list.
func sum(list any) (total any) {
	items := reflect.ValueOf(list)
	if items.Kind() != reflect.Slice {
		panic(fmt.Errorf("%s is no list to add up", kindOf(list)))
	}
	total = 0
	for k := range items.Len() {
		total = add(total, items.Index(k).Interface())
	}
	return total
}

// absolute is the function abs.
func absolute(params ...any) (any, error) {
	if i, ok := integerOf(params[0]); ok {
		return integer{size: i.size}.value()
	}
	if f, ok := params[0].(float64); ok {
		return math.Abs(f), nil
	}
	return nil, fmt.Errorf("%s is no number", kindOf(params[0]))
}

// toInteger is the function int: of a number without its fraction, or of the digits of a text.
func toInteger(params ...any) (any, error) {
	switch v := params[0].(type) {
	case float64:
		whole := math.Trunc(v)
		if !(math.Abs(whole) < 1<<64) {
			// Also NaN.
			return nil, errors.New("a number does not fit into 64 bits")
		}
		return integer{negative: whole < 0, size: uint64(math.Abs(whole))}.value()
	case string:
		v = strings.TrimSpace(v)
		if i, err := strconv.ParseInt(v, 10, 64); err == nil {
			return int(i), nil
		}
		u, err := strconv.ParseUint(v, 10, 64)
		if err != nil {
			return nil, errors.New("a text is no integer of 64 bits")
		}
		return u, nil
	}
	if i, ok := integerOf(params[0]); ok {
		return i.value()
	}
	if r := reflect.ValueOf(params[0]); r.CanInt() {
		// A duration, a month.
		return int(r.Int()), nil
	}
	return nil, fmt.Errorf("%s is no number", kindOf(params[0]))
}

// largest is the function max, of numbers and lists of them.
func largest(params ...any) (any, error) { return extreme(params, moreThan) }

// smallest is the function min.
func smallest(params ...any) (any, error) { return extreme(params, lessThan) }

func extreme(params []any, before func(a, b any) bool) (best any, err error) {
	for _, v := range params {
		if list := reflect.ValueOf(v); list.Kind() == reflect.Slice {
			items := make([]any, list.Len())
			for k := range items {
				items[k] = list.Index(k).Interface()
			}
			if v, err = extreme(items, before); err != nil {
				return nil, err
			}
			if v == nil {
				continue
			}
		}
		if r := reflect.ValueOf(v); !r.CanInt() && !r.CanUint() && !r.CanFloat() {
			return nil, fmt.Errorf("%s is no number", kindOf(v))
		}
		if best == nil || before(v, best) {
			best = v
		}
	}
	return best, nil
}
