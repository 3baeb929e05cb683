package modify

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
)

// conversion is a field and the type that its value becomes.
type conversion struct {
	path []string
	to   string
}

// The types.
const (
	toInt    = "int"
	toFloat  = "float"
	toBool   = "bool"
	toString = "string"
)

func knownType(name string) error {
	switch name {
	case toInt, toFloat, toBool, toString:
		return nil
	}
	return fmt.Errorf("%q is no type: write int, float, bool or string", name)
}

// converted converts the field where there is one, and it is not nil. A value that can't be is an
// error, and stays.
func (s *step) converted(c *conversion, ev *filter.Event) error {
	value, ok := ev.Get(c.path...)
	if !ok || isNil(value) {
		return nil
	}
	t := event.TypeOf(value[0])
	switch {
	case c.to == toString && t == event.TypeStr, c.to == toInt && t == event.TypeInt,
		c.to == toFloat && t == event.TypeFloat, c.to == toBool && t == event.TypeBool:
		return nil
	}
	if text, _, err := event.ReadBytes(value); err == nil {
		// A bin's bytes stay what they are, as a str's do.
		s.text = append(s.text[:0], text...)
	} else {
		s.text = event.AppendText(s.text[:0], value)
	}
	out, ok := appendConverted(s.scratch[:0], s.text, c.to)
	if !ok {
		return fmt.Errorf("convert %s to %s: the value is none", strings.Join(c.path, "."), c.to)
	}
	s.scratch = out
	ev.Set(out, c.path...)
	return nil
}

func appendConverted(dst, text []byte, to string) (out []byte, ok bool) {
	if to != toString {
		// Also a line end that an agent left there.
		text = bytes.TrimSpace(text)
	}
	switch to {
	case toInt:
		if v, err := strconv.ParseInt(string(text), 10, 64); err == nil {
			return filter.AppendInt(dst, v), true
		}
		if v, err := strconv.ParseUint(string(text), 10, 64); err == nil {
			return filter.AppendUint(dst, v), true
		}
		switch string(text) {
		case "true":
			return filter.AppendInt(dst, 1), true
		case "false":
			return filter.AppendInt(dst, 0), true
		}
		v, err := strconv.ParseFloat(string(text), 64)
		if err != nil || !(v >= math.MinInt64 && v < math.MaxInt64) {
			return dst, false
		}
		return filter.AppendInt(dst, int64(v)), true
	case toFloat:
		v, err := strconv.ParseFloat(string(text), 64)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
			return dst, false
		}
		return filter.AppendFloat(dst, v), true
	case toBool:
		switch strings.ToLower(string(text)) {
		case "true", "yes", "on", "1":
			return filter.AppendBool(dst, true), true
		case "false", "no", "off", "0", "":
			return filter.AppendBool(dst, false), true
		}
		return dst, false
	default:
		return filter.AppendString(dst, text), true
	}
}
