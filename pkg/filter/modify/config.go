// Package modify is the steps that change fields: modify sets, renames, removes, moves and converts
// them, dedot takes the dots out of their names.
package modify

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
)

// Config is the settings of a modify step. Whatever the order in the file, the changes are made in
// this order: rename, remove, keep, set, set_if_missing, convert, move_under, flatten; the texts of
// set and set_if_missing, and the tag, are made before, of the record as it came.
//
// A text that is nothing but {record.field} is a copy of that field, of whatever type, and no field
// is set where that one is missing. In remove, keep and move_under, * and ? in a name stand for any
// characters and for one; in rename one * may stand in the last name, and in the new one for the same text.
type Config struct {
	Rename       map[string]string   `yaml:"rename"`
	Remove       []string            `yaml:"remove" help:"fields; tmp_* stands for all that begin so"`
	Keep         []string            `yaml:"keep" help:"fields, as in remove; all others are removed"`
	Set          map[string]any      `yaml:"set"`
	SetIfMissing map[string]any      `yaml:"set_if_missing" help:"as set, where there is no such field, or nil"`
	Convert      map[string]string   `yaml:"convert" help:"field: int, float, bool or string"`
	MoveUnder    map[string][]string `yaml:"move_under" help:"field: fields that become members of it, as in remove"`
	Tag          string              `yaml:"tag"`
	Flatten      *Flatten            `yaml:"flatten" help:"maps in maps become fields with joined names"`
}

// Help implements setting.Explained.
func (Config) Help() map[string]string {
	return map[string]string{
		"rename": "old name: new name; where another field has the new name both stay, and an error is counted; " +
			"k8s_*: \"*\" takes the beginning off all that begin so",
		"set": "field: value; texts with placeholders: {cluster} {tag[1]} {record.a.b}",
		"tag": "the tag that the event is delivered with, with placeholders: web.{record.service}; routes are not " +
			"asked again",
	}
}

// Flatten says which map's members move up, to fields with names such as kubernetes.pod_name.
type Flatten struct {
	Field     string `yaml:"field" short:"true" help:"the map; empty: all of the record"`
	Separator string `yaml:"separator" default:"." help:"between the names"`
}

// DedotConfig is the settings of a dedot step.
type DedotConfig struct {
	Separator string `yaml:"separator" default:"_" help:"what stands for a dot"`
	Nested    bool   `yaml:"nested" default:"true" help:"also in maps in maps and arrays"`
}

// Check reports a separator that is none.
func (c *DedotConfig) Check(r *setting.Report) {
	if strings.Contains(c.Separator, ".") {
		r.Add("separator", "write _", "%q has a dot", c.Separator)
	}
}

// Check reports settings that can't work.
func (c *Config) Check(r *setting.Report) {
	if len(c.Rename)+len(c.Remove)+len(c.Keep)+len(c.Set)+len(c.SetIfMissing)+len(c.Convert)+len(c.MoveUnder) == 0 &&
		c.Flatten == nil && c.Tag == "" {
		r.Add("", "write set, rename, remove, …", "there is nothing to change")
	}
	_ = c.build(func(key string, err error) {
		r.Add(key, "", "%v", err)
	})
}

// build makes the step; it tells wrong of every mistake, with the key that it is at.
func (c *Config) build(wrong func(key string, err error)) *step {
	s := &step{}
	path := func(key, text string) []string {
		p, err := filter.ParsePath(text)
		if err != nil {
			wrong(key, err)
		}
		return p
	}
	// a.b before a.
	for _, from := range slices.Backward(slices.Sorted(maps.Keys(c.Rename))) {
		to := c.Rename[from]
		if _, both := c.Rename[to]; both {
			wrong("rename."+from, fmt.Errorf("%q is renamed itself: write a second modify step", to))
		}
		r := rename{path("rename."+from, from), path("rename."+from, to)}
		if err := r.check(); err != nil {
			wrong("rename."+from, err)
		}
		s.rename = append(s.rename, r)
	}
	for _, text := range c.Remove {
		if p := path("remove", text); slices.ContainsFunc(p, isGlob) {
			s.removeGlobs = append(s.removeGlobs, p)
		} else {
			s.remove = append(s.remove, p)
		}
	}
	for _, text := range c.Keep {
		s.keep = append(s.keep, path("keep", text))
	}
	assign := func(key string, values map[string]any) (all []assignment) {
		for _, field := range slices.Sorted(maps.Keys(values)) {
			a, err := newAssignment(values[field])
			if err != nil {
				wrong(key+"."+field, err)
			}
			a.path = path(key+"."+field, field)
			all = append(all, a)
		}
		return all
	}
	s.set, s.missing = assign("set", c.Set), assign("set_if_missing", c.SetIfMissing)
	for _, field := range slices.Sorted(maps.Keys(c.Convert)) {
		to := c.Convert[field]
		if err := knownType(to); err != nil {
			wrong("convert."+field, err)
		}
		s.convert = append(s.convert, conversion{path("convert."+field, field), to})
	}
	for _, target := range slices.Sorted(maps.Keys(c.MoveUnder)) {
		under := path("move_under."+target, target)
		for _, text := range c.MoveUnder[target] {
			from := path("move_under."+target, text)
			if n := len(from); n > 0 && slices.ContainsFunc(from[:n-1], isGlob) {
				wrong("move_under."+target, fmt.Errorf("%q: only the last name may have * and ?", text))
			}
			s.move = append(s.move, newMove(from, under))
		}
	}
	if c.Tag != "" {
		var err error
		if s.tag, err = event.ParseTemplate(c.Tag); err != nil {
			wrong("tag", err)
		}
	}
	if c.Flatten != nil {
		s.flatten = &flatten{separator: c.Flatten.Separator}
		if c.Flatten.Field != "" {
			s.flatten.path = path("flatten.field", c.Flatten.Field)
		}
	}
	return s
}

// check reports names with * that are not alike.
func (r *rename) check() error {
	if len(r.from) == 0 || len(r.to) == 0 {
		// Their own errors are said already.
		return nil
	}
	from, to := len(r.from)-1, len(r.to)-1
	many := func(name string) bool { return strings.Contains(name, "*") }
	switch stars := strings.Count(r.from[from], "*"); {
	case slices.ContainsFunc(r.from[:from], many) || slices.ContainsFunc(r.to[:to], many):
		return errors.New("only the last name may have *")
	case stars > 1:
		return errors.New("a name may have one *")
	case stars != strings.Count(r.to[to], "*"):
		return errors.New("the old name and the new one need a * each, which stands for the same text")
	}
	return nil
}

// newAssignment reads what a field is set to.
func newAssignment(value any) (a assignment, err error) {
	text, isText := value.(string)
	if !isText {
		a.value, err = filter.AppendValue(nil, value)
		return a, err
	}
	if a.template, err = event.ParseTemplate(text); err != nil {
		return a, err
	}
	if a.template.Static() {
		plain := a.template.Append(nil, &event.Event{}, nil)
		a.template, a.value = nil, filter.AppendString(nil, plain)
		return a, nil
	}
	if inner, ok := strings.CutPrefix(text, "{record"); ok {
		if inner, ok = strings.CutSuffix(inner, "}"); ok {
			if p, err := filter.ParsePath(strings.TrimPrefix(inner, ".")); err == nil {
				a.template, a.copied = nil, p
			}
		}
	}
	return a, nil
}
