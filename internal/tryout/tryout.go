// Package tryout shows what a configuration makes of events, step by step, and holds it to
// expectations. It uses the rules that the running program uses, but no queue and no destination.
package tryout

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/cluster"
	"github.com/seed-afc6a195/aggregator/pkg/config"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
	"github.com/seed-afc6a195/aggregator/pkg/filter/rules"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/route"
)

// Rules are an output's, as the program makes them at its start: see filter.Rules.
type Rules interface {
	Trace(see func(rules.Seen))
	Refusals(e *filter.Event) []rules.Refusal
	Process(e *filter.Event, now time.Time, out rules.Sink)
	Due() time.Time
	Flush(now time.Time, everything bool, out rules.Sink)
	Close() error
}

// MakeRules makes the rules of an output.
type MakeRules func(cfg *config.Config, output string) (Rules, error)

// Event is what an agent would send.
type Event struct {
	Cluster, Tag string
	Time         time.Time
	// Metadata is a msgpack map, or nil.
	Metadata []byte
	// Record is a msgpack map.
	Record []byte
}

// Configuration is a configuration that can be tried.
type Configuration struct {
	cfg   *config.Config
	make  MakeRules
	table *route.Table
	// tags are by cluster: those that it may send.
	tags map[string][]route.Pattern
	// routes are as they stand in the file.
	routes []route.Config
	// first is the position there of the first route that takes part.
	first int
}

// New returns cfg to be tried, with the rules that make makes for each output. Where only is not "",
// it is the one route that takes part, and takes every event that its condition is true of: a
// position such as 0 or routes[0], or one of its patterns.
func New(cfg *config.Config, makeRules MakeRules, only string) (*Configuration, error) {
	c := &Configuration{cfg: cfg, make: makeRules, tags: map[string][]route.Pattern{}, routes: cfg.Routes}
	if only != "" {
		i, err := route.Find(cfg.Routes, only)
		if err != nil {
			return nil, err
		}
		alone := *cfg
		chosen := cfg.Routes[i]
		chosen.Match, chosen.Clusters = []string{"**"}, nil
		alone.Routes = []route.Config{chosen}
		c.cfg, c.first = &alone, i
	}
	for _, k := range cfg.Clusters {
		for _, text := range k.Tags {
			p, err := route.Compile(text)
			if err != nil {
				return nil, fmt.Errorf("cluster %s: %w", k.Name, err)
			}
			if only == "" {
				c.tags[k.Name] = append(c.tags[k.Name], p)
			}
		}
	}
	var err error
	if c.table, err = route.New(c.cfg.Routes); err != nil {
		return nil, err
	}
	run, err := c.Start()
	if err != nil {
		return nil, err
	}
	return c, run.Close()
}

// Clusters returns the names of the clusters that events can be of.
func (c *Configuration) Clusters() (names []string) {
	for _, k := range c.cfg.Clusters {
		names = append(names, k.Name)
	}
	if names == nil {
		return []string{cluster.Default}
	}
	return names
}

// Example returns a cluster and a tag that the first route that takes part is for, to be used where
// nobody says which ones events have.
func (c *Configuration) Example() (cluster, tag string) {
	tag, names := "example", c.Clusters()
	if len(c.routes) == 0 || len(c.routes[c.first].Match) == 0 {
		return names[0], tag
	}
	first := c.routes[c.first]
	tag = exampleTag(first.Match[0])
	first.Match = []string{"**"}
	if table, err := route.New([]route.Config{first}); err == nil {
		for _, name := range names {
			if table.Match(name, tag) != nil {
				return name, tag
			}
		}
	}
	return names[0], tag
}

// exampleTag puts words in place of what is open in pattern, and takes the first of what stands in braces.
func exampleTag(pattern string) string {
	var b strings.Builder
	depth, others := 0, 0
	for i := 0; i < len(pattern); i++ {
		switch ch := pattern[i]; {
		case ch == '{':
			depth++
		case ch == '}':
			if depth == others {
				others = 0
			}
			depth--
		case ch == ',' && depth > 0 && others == 0:
			// What follows up to the end of these braces is other tags.
			others = depth
		case others > 0:
		case ch == '*':
			b.WriteString("example")
			for i+1 < len(pattern) && pattern[i+1] == '*' {
				i++
			}
		case ch == '\\' && i+1 < len(pattern):
			i++
			b.WriteByte(pattern[i])
		default:
			b.WriteByte(ch)
		}
	}
	return b.String()
}

// refused says that the cluster may not send the tag.
func (c *Configuration) refused(cluster, tag string) bool {
	patterns := c.tags[cluster]
	return patterns != nil && !slices.ContainsFunc(patterns, func(p route.Pattern) bool { return p.Match(tag) })
}

// routeName is a route as people know it: its position in the configuration and its patterns.
func (c *Configuration) routeName(name string) string {
	i, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(name, "routes["), "]"))
	if err != nil {
		return name
	}
	return fmt.Sprintf("routes[%d]", i+c.first)
}

// encoder returns what renders events as the output gets them.
func (c *Configuration) encoder(output string) *event.Encoder {
	enc := event.NewEncoder(c.cfg.Outputs[output].Common.Fields)
	enc.SetClusterFields(c.added())
	return enc
}

// added returns what is added to the events of each cluster.
func (c *Configuration) added() map[string]map[string]string {
	fields := map[string]map[string]string{}
	for _, k := range c.cfg.Clusters {
		fields[k.Name] = k.Fields
	}
	return fields
}

// offers returns what says where in an output an event goes, and as what.
func (c *Configuration) offers(output string) (func(*event.Event) (outputs.Offer, error), error) {
	return c.cfg.Outputs[output].Settings.Offers(c.added())
}
