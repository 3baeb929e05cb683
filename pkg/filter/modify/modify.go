package modify

import (
	"errors"
	"fmt"
	"strings"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
)

type step struct {
	rename      []rename
	remove      [][]string
	removeGlobs [][]string
	keep        [][]string
	set         []assignment
	missing     []assignment
	convert     []conversion
	move        []move
	flatten     *flatten
	// tag is nil where it stays.
	tag *event.Template

	text, scratch []byte
	// tags are those made lately.
	tags map[string]string
}

// rename gives fields other names; one * in the last names of both stands for the same text.
type rename struct{ from, to []string }

func (r *rename) apply(ev *filter.Event) (failed error) {
	last := len(r.from) - 1
	front, behind, many := strings.Cut(r.from[last], "*")
	if !many {
		return moveField(ev, r.from, r.to)
	}
	newFront, newBehind, _ := strings.Cut(r.to[len(r.to)-1], "*")
	var names []string
	for b := range ev.Fields(r.from[:last]...) {
		name := string(b)
		if len(name) >= len(front)+len(behind) && strings.HasPrefix(name, front) && strings.HasSuffix(name, behind) {
			names = append(names, name)
		}
	}
	for _, name := range names {
		if to := newFront + name[len(front):len(name)-len(behind)] + newBehind; to != "" {
			failed = errors.Join(failed,
				moveField(ev, append(r.from[:last:last], name), append(r.to[:len(r.to)-1:len(r.to)-1], to)))
		}
	}
	return failed
}

// assignment is a field and what it is set to: one of value, template and copied.
type assignment struct {
	path []string
	// value is msgpack; of a template and a copy it is for the event in hand, and empty where nothing is set.
	value    []byte
	template *event.Template
	copied   []string
}

// New returns the step that c describes.
func New(c Config) (filter.Step, error) {
	var mistakes []error
	s := c.build(func(key string, err error) {
		mistakes = append(mistakes, fmt.Errorf("modify: %s: %w", key, err))
	})
	if err := errors.Join(mistakes...); err != nil {
		return nil, err
	}
	return s, nil
}

// Apply makes the changes. It fails where a value can't be converted, where two values would get one name,
// and where a record would grow too much by being flattened: these stay as they are, and the other changes
// are made all the same.
func (s *step) Apply(ev *filter.Event) (filter.Verdict, error) {
	s.evaluate(s.set, ev)
	s.evaluate(s.missing, ev)
	var failed error
	if s.tag != nil {
		failed = s.retag(ev)
	}
	for i := range s.rename {
		if err := s.rename[i].apply(ev); err != nil {
			failed = errors.Join(failed, err)
		}
	}
	for _, p := range s.remove {
		ev.Remove(p...)
	}
	if len(s.removeGlobs) > 0 && touches(ev, s.removeGlobs) {
		s.prune(ev, s.removeGlobs, false)
	}
	if len(s.keep) > 0 {
		s.prune(ev, s.keep, true)
	}
	for i := range s.set {
		if a := &s.set[i]; len(a.value) > 0 {
			ev.Set(a.value, a.path...)
		}
	}
	for i := range s.missing {
		a := &s.missing[i]
		if v, ok := ev.Get(a.path...); len(a.value) == 0 || ok && !isNil(v) {
			continue
		}
		if blocked(ev, a.path) {
			failed = errors.Join(failed,
				fmt.Errorf("set %s: what it would be in is no map, and stays as it is", strings.Join(a.path, ".")))
			continue
		}
		ev.Set(a.value, a.path...)
	}
	for i := range s.convert {
		if err := s.converted(&s.convert[i], ev); err != nil {
			failed = errors.Join(failed, err)
		}
	}
	for i := range s.move {
		if err := s.move[i].apply(ev); err != nil {
			failed = errors.Join(failed, err)
		}
	}
	if s.flatten != nil {
		failed = errors.Join(failed, s.flatten.apply(ev))
	}
	return filter.Keep, failed
}

const (
	// maxTags is how many tags are kept, so that one that comes again takes no memory.
	maxTags = 1024
	// maxTag is how long a tag may be, in bytes: it may come out of a record.
	maxTag = 1024
)

var errTag = errors.New("the tag would be empty or over 1024 bytes: it stays as it is")

// retag changes the tag that ev is delivered with.
func (s *step) retag(ev *filter.Event) error {
	s.text = ev.AppendTemplate(s.text[:0], s.tag)
	if len(s.text) == 0 || len(s.text) > maxTag {
		return errTag
	}
	tag, known := s.tags[string(s.text)]
	if !known {
		if s.tags == nil || len(s.tags) >= maxTags {
			s.tags = map[string]string{}
		}
		tag = string(s.text)
		s.tags[tag] = tag
	}
	ev.Tag = tag
	return nil
}

// evaluate gets ready what fields are set to.
func (s *step) evaluate(all []assignment, ev *filter.Event) {
	for i := range all {
		switch a := &all[i]; {
		case a.template != nil:
			s.text = ev.AppendTemplate(s.text[:0], a.template)
			a.value = filter.AppendString(a.value[:0], s.text)
		case a.copied != nil:
			v, _ := ev.Get(a.copied...)
			a.value = append(a.value[:0], v...)
		}
	}
}

func isNil(value []byte) bool { return len(value) > 0 && event.TypeOf(value[0]) == event.TypeNil }
