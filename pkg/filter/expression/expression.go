// Package expression is the step that drops events, or sets fields, by expressions: see
// filter.Expression for what these are.
package expression

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
)

// Config is the settings of an expr step.
type Config struct {
	Drop string            `yaml:"drop" help:"events for which it is true are dropped: record.status == 404"`
	Set  map[string]string `yaml:"set" help:"field: expression of its value; nil removes the field"`
}

// Check reports fields and expressions that can't be read, and a step without any.
func (c *Config) Check(r *setting.Report) {
	if c.Drop == "" && len(c.Set) == 0 {
		r.Add("", "write drop: 'record.status == 404', or set: {field: 'expression'}", "there is no expression")
	}
	if c.Drop != "" {
		filter.CheckCondition(r, "drop", c.Drop, "")
	}
	for _, field := range slices.Sorted(maps.Keys(c.Set)) {
		if _, err := filter.ParsePath(field); err != nil {
			r.Add("set."+field, "", "%v", err)
		}
		x, err := filter.NewExpression(c.Set[field])
		if err != nil {
			r.Add("set."+field, "", "%v", err)
			continue
		}
		x.Check(r, "set."+field)
	}
}

type set struct {
	path  []string
	value *filter.Expression
	// ready is msgpack; it is empty where the expression failed, or its value has no place in a record.
	ready []byte
}

type step struct {
	drop *filter.Condition
	set  []set
}

// New returns the step that c describes.
func New(c Config) (filter.Step, error) {
	s := &step{}
	var err error
	if c.Drop != "" {
		if s.drop, err = filter.NewCondition(c.Drop); err != nil {
			return nil, fmt.Errorf("expr: drop: %w", err)
		}
	}
	for _, field := range slices.Sorted(maps.Keys(c.Set)) {
		path, err := filter.ParsePath(field)
		if err != nil {
			return nil, fmt.Errorf("expr: set: %w", err)
		}
		value, err := filter.NewExpression(c.Set[field])
		if err != nil {
			return nil, fmt.Errorf("expr: set %s: %w", field, err)
		}
		s.set = append(s.set, set{path: path, value: value})
	}
	return s, nil
}

// Apply drops ev, or sets its fields: all expressions see the record as it came. A field whose
// expression fails stays as it is; what is dropped by an expression that fails is kept.
func (s *step) Apply(ev *filter.Event) (filter.Verdict, error) {
	var failed error
	if s.drop != nil {
		yes, err := s.drop.True(ev)
		if yes {
			return filter.Drop, nil
		}
		failed = err
	}
	for i := range s.set {
		f := &s.set[i]
		var err error
		if f.ready, err = f.value.Append(f.ready[:0], ev); err != nil {
			failed = errors.Join(failed, err)
		}
	}
	for i := range s.set {
		switch f := &s.set[i]; {
		case len(f.ready) == 0:
		case f.ready[0] == 0xc0:
			ev.Remove(f.path...)
		default:
			ev.Set(f.ready, f.path...)
		}
	}
	return filter.Keep, failed
}
