package convert

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/seed-afc6a195/aggregator/internal/convert/flow"
	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
	"github.com/seed-afc6a195/aggregator/internal/convert/syntax"
)

// builder makes the new configuration of old ones.
type builder struct {
	notes *settings.Notes
	olds  []*flow.Old

	listeners, routes []any
	clusters          []flow.Map
	filters, outputs  flow.Map
	names             map[*flow.Output]string
	// drop says that the filter that drops all is needed.
	drop bool
	// unrouted says that what no route takes is dropped.
	unrouted bool
	whenFull []string
	agents   []File
}

func (b *builder) build() (*Result, error) {
	b.names = map[*flow.Output]string{}
	servers := slices.ContainsFunc(b.olds, func(o *flow.Old) bool { return len(o.Listeners) > 0 })
	for _, old := range b.olds {
		agent := len(old.Sources) > 0 && len(old.Listeners) == 0
		if agent {
			b.agent(old, servers)
		}
		b.listen(old)
		b.whenFull = append(b.whenFull, old.WhenFull...)
		b.complete(old)
		old.Flow.Ways = len(old.Listeners)
		routes, wrong := old.Flow.Routes()
		for _, w := range wrong {
			if w.At.File == "" {
				w.At.File = old.File
			}
			b.notes.Lose(w.At, w.Reason, "", w.Hint)
		}
		if servers && agent {
			// Its events come to the listener of the other file.
			continue
		}
		b.addRoutes(routes)
	}
	doc, err := b.document()
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(b.notes.Lost, byPlace)
	slices.SortStableFunc(b.notes.Said, byPlace)
	r := &Result{Configuration: doc, Agents: b.agents, Notes: b.notes}
	for _, old := range b.olds {
		r.Samples = append(r.Samples, old.Samples...)
	}
	return r, nil
}

// complete gives events that lead nowhere files, so that none is lost until somebody has said where they are to go.
func (b *builder) complete(old *flow.Old) {
	for _, pipe := range old.Flow.Pipes {
		for _, s := range pipe.Stages {
			if s.Match != nil {
				return
			}
		}
	}
	if len(old.Sources)+len(old.Listeners) == 0 && len(old.Flow.Pipes[""].Stages) == 0 {
		return
	}
	at := syntax.Place{File: old.File}
	b.notes.Lose(at, "the outputs", "there is no <match> or [OUTPUT] in the files",
		"name the file that has them too; until then the events go to files, by the output archive")
	if old.Flow.Pipes[old.Flow.Start] == nil {
		old.Flow.Pipes[old.Flow.Start] = &flow.Pipe{}
	}
	pipe := old.Flow.Pipes[old.Flow.Start]
	pipe.Stages = append(pipe.Stages, flow.Stage{Match: &flow.Match{
		At: at, Tags: flow.Every(),
		Targets: []flow.Target{{Output: &flow.Output{
			At: at, Name: "archive", Type: "file", Settings: flow.Map{{
				Key:   "path",
				Value: "data/archive/{cluster}/%Y-%m-%d.ndjson",
			}},
		}}},
	}})
}

func byPlace(x, y settings.Note) int {
	if c := strings.Compare(x.At.File, y.At.File); c != 0 {
		return c
	}
	return x.At.Line - y.At.Line
}

// listen adds the listeners and clusters of an old configuration.
func (b *builder) listen(old *flow.Old) {
	for i, l := range old.Listeners {
		name := "forward"
		if len(b.listeners) > 0 {
			name = fmt.Sprintf("forward-%d", len(b.listeners)+1)
		}
		m := flow.Map{{Key: "name", Value: name, Comment: comment(l.At, l.Title)}}
		m = append(m, l.Settings...)
		switch {
		case len(l.Clusters) > 0:
			m = m.With("clusters", b.addClusters(l.Clusters))
			if i == 0 && len(old.Listeners) == 1 {
				// All clusters may come in.
				m = m[:len(m)-1]
			}
		case !loopback(l.Settings):
			m = m.With("allow_anonymous", true)
			b.notes.Say(l.At, l.Title, "anybody may send here, as before",
				"give each cluster of agents a shared_key: docs/clusters.md")
		}
		b.listeners = append(b.listeners, m)
	}
}

func loopback(m flow.Map) bool {
	address, _ := m.Get("address").(string)
	return strings.HasPrefix(address, "127.") || strings.HasPrefix(address, "localhost:") || strings.HasPrefix(address,
		"[::1]") || strings.HasPrefix(address, "unix:")
}

// addClusters adds clusters that are not there yet, under names of their own, and returns the names.
func (b *builder) addClusters(all []flow.Map) (names []any) {
	for _, c := range all {
		name, _ := c.Get("name").(string)
		text := fmt.Sprint(c[1:])
		known := slices.IndexFunc(b.clusters, func(x flow.Map) bool { return fmt.Sprint(x[1:]) == text })
		if known >= 0 {
			names = append(names, b.clusters[known][0].Value)
			continue
		}
		taken := func(n string) bool {
			return slices.ContainsFunc(b.clusters, func(x flow.Map) bool { return x[0].Value == n })
		}
		for i := 2; taken(name); i++ {
			name = fmt.Sprintf("agents-%d", i)
		}
		c[0].Value = name
		b.clusters = append(b.clusters, c)
		names = append(names, name)
	}
	return names
}

// comment says where in an old file something stands.
func comment(at syntax.Place, title string) string {
	at.File = filepath.Base(at.File)
	return strings.TrimSpace(at.String() + " " + title)
}

// addRoutes adds routes with their filters and outputs.
func (b *builder) addRoutes(routes []*flow.Route) {
	for len(routes) > 0 && len(routes[len(routes)-1].Outputs) == 0 && len(routes[len(routes)-1].When) == 0 {
		last := routes[len(routes)-1]
		if !slices.Contains(last.Match, "**") || len(routes) == 1 {
			break
		}
		// The last one drops what is left.
		b.unrouted = true
		routes = routes[:len(routes)-1]
	}
	for _, r := range routes {
		if len(r.Outputs) == 0 {
			// what is dropped need not be changed before.
			r.Steps = nil
		}
	}
	lists := b.nameFilters(routes)
	for i, r := range routes {
		m := flow.Map{{Key: "match", Value: one(r.Match), Comment: comment(r.At, r.Title)}}
		if len(r.When) > 0 {
			m = m.With("when", flow.Expression(strings.Join(wrap(r.When), " and ")))
		}
		names := lists[i]
		outputs := b.outputNames(r.Outputs)
		if len(r.Outputs) == 0 {
			b.drop = true
			names = []any{"discard"}
			// It is known when all outputs are.
			outputs = []any{""}
		}
		if len(names) > 0 {
			m = m.With("filters", names)
		}
		m = m.With("outputs", outputs)
		if r.Continue {
			m = m.With("continue", true)
		}
		b.routes = append(b.routes, m)
	}
}

// wrap puts conditions that others are joined to into brackets.
func wrap(conditions []string) []string {
	if len(conditions) == 1 {
		return conditions
	}
	all := make([]string, len(conditions))
	for i, c := range conditions {
		all[i] = "(" + c + ")"
	}
	return all
}

func one(all []string) any {
	if len(all) == 1 {
		return flow.Literal(all[0])
	}
	list := make([]any, len(all))
	for i, s := range all {
		list[i] = flow.Literal(s)
	}
	return list
}

// outputNames adds outputs and returns their names.
func (b *builder) outputNames(all []*flow.Output) (names []any) {
	for _, o := range all {
		if b.names[o] == "" {
			name := o.Name
			if name == "" {
				name = o.Type
			}
			for i := 2; b.outputs.Get(name) != nil; i++ {
				name = fmt.Sprintf("%s-%d", o.Name, i)
			}
			b.names[o] = name
			m := append(flow.Map{{Key: "type", Value: o.Type}}, o.Settings...)
			if o.Copy > 0 {
				b.copyOf(o, &m)
			}
			text := strings.Join(append([]string{comment(o.At, o.Title)}, o.Notes...), "\n")
			if path, isPath := m.Get("path").(string); isPath && strings.HasPrefix(path, "data/not-converted/") {
				m = m.With("path", strings.Replace(path, "/"+o.Name+"/", "/"+name+"/", 1))
			}
			b.outputs = append(b.outputs, flow.Pair{Key: name, Value: m, Comment: text})
		}
		names = append(names, b.names[o])
	}
	return names
}

// copyOf says why a destination has two outputs, and keeps what they write apart.
func (b *builder) copyOf(o *flow.Output, m *flow.Map) {
	b.notes.Say(o.At, o.Title,
		fmt.Sprintf("is %d outputs: an output takes an event from one route alone, and events come here on "+
			"several ways", o.Copy), "")
	if path, ok := m.Get("path").(string); ok && o.Type == "file" {
		ext := filepath.Ext(path)
		*m = slices.Clone(*m).With("path", strings.TrimSuffix(path, ext)+fmt.Sprintf("-%d", o.Copy)+ext)
	}
}

// nameFilters groups what routes do with events in lists that they share, and returns the names for each route.
func (b *builder) nameFilters(routes []*flow.Route) [][]any {
	// Uses that the same routes have, one behind the other, are one list.
	// The routes that have it, as a text.
	by := map[flow.Use]string{}
	for i, r := range routes {
		for _, u := range r.Steps {
			by[u] += fmt.Sprintf("%d,", i)
		}
	}
	// named is the name of a list by its first use.
	named := map[flow.Use]string{}
	out := make([][]any, len(routes))
	for i, r := range routes {
		for from := 0; from < len(r.Steps); {
			to := from + 1
			for to < len(r.Steps) && by[r.Steps[to]] == by[r.Steps[from]] {
				to++
			}
			first := r.Steps[from]
			if named[first] == "" {
				named[first] = b.filterName(r.Steps[from:to])
				b.addFilter(named[first], r.Steps[from:to])
			}
			out[i] = append(out[i], named[first])
			from = to
		}
	}
	return out
}

// filterName names a list by the tags that it is for.
func (b *builder) filterName(uses []flow.Use) string {
	base := uses[0].Filter.Name
	for _, u := range uses {
		if base != "" {
			break
		}
		if len(u.Filter.Tags.Patterns) == 1 && u.Filter.Tags.Regex == "" {
			base = flow.TagName(u.Filter.Tags.Patterns[0])
		}
	}
	if base == "" {
		base = "common"
	}
	if base == "discard" {
		base = "discarded"
	}
	name := base
	for i := 2; b.filters.Get(name) != nil; i++ {
		name = fmt.Sprintf("%s-%d", base, i)
	}
	return name
}

func (b *builder) addFilter(name string, uses []flow.Use) {
	var steps []any
	for _, u := range uses {
		for i, s := range u.Filter.Steps {
			m := flow.Map{{Key: s.Kind, Value: s.Body}}
			text := ""
			if i == 0 {
				text = comment(u.Filter.At, u.Filter.Title)
			}
			if s.Note != "" {
				text = strings.TrimSpace(text + "\n" + s.Note)
			}
			m[0].Comment = text
			var when []string
			if u.When != "" {
				when = append(when, flow.Expression(u.When))
			}
			if s.When != "" {
				when = append(when, s.When)
			}
			if when != nil {
				m = m.With("when", strings.Join(wrap(when), " and "))
			}
			steps = append(steps, m)
		}
	}
	b.filters = append(b.filters, flow.Pair{Key: name, Value: steps})
}
