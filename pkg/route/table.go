// Package route decides which outputs want an event, from its cluster and tag.
package route

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
)

const (
	// cacheGeneration is how many decisions one generation remembers; there are two. With tags of
	// maxCachedTag bytes both together take less than 8 MiB.
	cacheGeneration = 5000
	// maxCachedTag is the longest tag, in bytes, whose decision is remembered. Kubernetes names can
	// make a tag of some 450 bytes.
	maxCachedTag = 512
)

// Result is what the routes decided for a cluster and tag, as far as that can be known without the
// events: a route with a condition may take some of them, so that the next routes matter too. It is
// shared and must not be changed.
type Result struct {
	// Outputs are names, each once, in the order of the routes.
	Outputs []string
	// Routes is the positions of the routes that matched, ascending.
	Routes []int
}

// Table is the routes of one configuration. Safe for concurrent use.
//
// It remembers what it decided in two generations: when the young one is full it becomes the old
// one, and what is asked for again moves back. So memory is bounded, and tags in use stay.
type Table struct {
	routes []compiled
	// alone is by route: the result where only it matched.
	alone []*Result

	mu         sync.RWMutex
	young, old map[key]*Result
}

type key struct{ cluster, tag string }

type compiled struct {
	tags []Pattern
	// clusters are those that it is for; none: all.
	clusters []Pattern
	goOn     bool
	// asks says that it has a condition.
	asks bool
}

// New compiles the routes. The error names every route and pattern that is wrong.
func New(configs []Config) (*Table, error) {
	t := &Table{young: make(map[key]*Result)}
	var errs []error
	compile := func(i int, name string, patterns []string, compile func(string) (Pattern, error)) (all []Pattern) {
		for _, text := range patterns {
			p, err := compile(text)
			if err != nil {
				errs = append(errs, fmt.Errorf("routes[%d].%s: %w", i, name, err))
			}
			all = append(all, p)
		}
		return all
	}
	for i, c := range configs {
		t.routes = append(t.routes, compiled{
			tags:     compile(i, "match", c.Match, Compile),
			clusters: compile(i, "clusters", c.Clusters, compileGlob),
			goOn:     c.Continue || c.When != "",
			asks:     c.When != "",
		})
		r := &Result{Routes: []int{i}}
		r.addOutputs(c.Outputs)
		t.alone = append(t.alone, r)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return t, nil
}

func (r *Result) addOutputs(names []string) {
	for _, name := range names {
		if !slices.Contains(r.Outputs, name) {
			r.Outputs = append(r.Outputs, name)
		}
	}
}

// Match returns the decision for a tag of a cluster, nil where no route wants it. Neither string is
// kept. A pair seen lately costs a map look-up and allocates nothing.
func (t *Table) Match(cluster, tag string) *Result {
	if len(tag) > maxCachedTag {
		return t.decide(cluster, tag)
	}
	k := key{cluster, tag}
	t.mu.RLock()
	r, young := t.young[k]
	old := false
	if !young {
		r, old = t.old[k]
	}
	t.mu.RUnlock()
	if young {
		return r
	}
	if !old {
		r = t.decide(cluster, tag)
	}
	t.remember(key{strings.Clone(cluster), strings.Clone(tag)}, r)
	return r
}

func (t *Table) remember(k key, r *Result) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.young) >= cacheGeneration {
		t.old, t.young = t.young, make(map[key]*Result)
	}
	t.young[k] = r
}

// decide asks every route.
func (t *Table) decide(cluster, tag string) *Result {
	var r *Result
	for i := range t.routes {
		c := &t.routes[i]
		if c.clusters != nil && !anyMatches(c.clusters, cluster) || !anyMatches(c.tags, tag) {
			continue
		}
		if r == nil {
			r = t.alone[i]
		} else {
			both := &Result{Outputs: slices.Clone(r.Outputs), Routes: append(slices.Clone(r.Routes), i)}
			both.addOutputs(t.alone[i].Outputs)
			r = both
		}
		if !c.goOn {
			break
		}
	}
	return r
}

func anyMatches(patterns []Pattern, text string) bool {
	return slices.ContainsFunc(patterns, func(p Pattern) bool { return p.Match(text) })
}

// Certain returns the name of the route that takes every event of a cluster and tag that comes to the output, "" where
// that depends on the event, and where none does.
func (t *Table) Certain(output, cluster, tag string) string {
	r := t.Match(cluster, tag)
	if r == nil {
		return ""
	}
	for _, i := range r.Routes {
		if slices.Contains(t.alone[i].Outputs, output) {
			if t.routes[i].asks {
				break
			}
			return Name(i)
		}
	}
	return ""
}
