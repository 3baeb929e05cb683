// Package config reads the configuration: one YAML file becomes checked settings with defaults,
// gathered from the Configs that the parts of the program own. It is strict, and reports all
// mistakes of a file at once, each with its place and what to do.
package config

import (
	"fmt"
	"path"
	"reflect"
	"strings"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/safetext"
	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/cluster"
	"github.com/seed-afc6a195/aggregator/pkg/forward"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/all"
	"github.com/seed-afc6a195/aggregator/pkg/route"
	"github.com/seed-afc6a195/aggregator/pkg/status"
)

// Config is the whole configuration. Whatever a file leaves out has its default:
//
//	listeners   one on 127.0.0.1:24224
//	outputs     "archive", files below archive/ in buffer.path
//	routes      everything to every output, in the order of their names
type Config struct {
	Hostname  string                  `yaml:"hostname" help:"what HELO and PONG say; default: the host's name"`
	Listeners []forward.Config        `yaml:"listeners" help:"where agents connect; default: 127.0.0.1:24224"`
	Clusters  []cluster.Config        `yaml:"clusters" help:"who may connect; none: everything belongs to default"`
	Buffer    buffer.Config           `yaml:"buffer" help:"the queue on disk"`
	Filters   map[string][]FilterStep `yaml:"filters" help:"named lists of steps, used by routes"`
	Routes    []route.Config          `yaml:"routes" help:"the first match wins; default: everything to every output"`
	Unrouted  string                  `yaml:"unrouted" default:"dead_letter" enum:"dead_letter|drop"`
	Outputs   map[string]Output       `yaml:"outputs"`
	Status    status.Config           `yaml:"status" help:"the HTTP endpoint"`
	Log       Log                     `yaml:"log" help:"the program's own log"`

	ShutdownDelay   time.Duration `yaml:"shutdown_delay" default:"0s" min:"0s"`
	ShutdownTimeout time.Duration `yaml:"shutdown_timeout" default:"10s" min:"1s"`

	// Warnings says what is allowed but hardly meant, in the order of the files.
	Warnings []string `yaml:"-"`
	// Became says of each name of a target that environment variables are in what it became, in the order of the
	// outputs.
	Became []string `yaml:"-"`
	// StandIns names what was made up, as Options.StandIn says, ascending.
	StandIns []string `yaml:"-"`

	summary string
}

// Help implements setting.Explained.
func (Config) Help() map[string]string {
	return map[string]string{
		"unrouted": "what becomes of events that no route matches; drop is counted",
		"outputs":  "named destinations; default: archive, files below the buffer's path",
		"shutdown_delay": "how long a stop waits while /readyz already says no and listeners still accept, so that " +
			"load balancers look elsewhere first",
		"shutdown_timeout": "what a stop may take after that; what is not delivered by then is delivered after " +
			"the next start",
	}
}

// Log is the settings of the program's own log.
type Log struct {
	Level  string `yaml:"level" default:"info" enum:"debug|info|warn|error" help:"the least level that is written"`
	Format string `yaml:"format" default:"auto" enum:"auto|console|json"`
}

// Help implements setting.Explained.
func (Log) Help() map[string]string {
	return map[string]string{
		"format": "auto: console on a terminal, JSON otherwise",
	}
}

// Output is one destination.
type Output struct {
	// Settings is that of its type's own kind; nil where the type is not known.
	Settings outputs.Config
	// Common is the part of Settings that all types have.
	Common *outputs.Common
}

// outputKinds returns the types of outputs that a configuration can have.
func outputKinds() []outputs.Kind { return all.Kinds(nil) }

// complete fills in the defaults that are more than a value.
func (d *decoder) complete(c *Config, root *node, o Options) {
	if c.Hostname == "" && !d.within("hostname") {
		name, err := o.Hostname()
		if err != nil {
			d.add(place{}, "hostname", "set it", fmt.Sprintf("the host's name can't be told: %v", err))
		}
		c.Hostname = name
	}
	if strings.ContainsFunc(c.Hostname, safetext.Hidden) || strings.Contains(c.Hostname, "\n") {
		d.at(root.get("hostname"), "hostname", "write one line of text",
			"it has line ends or characters that can't be seen")
	}
	if len(c.Listeners) == 0 && !d.within("listeners") {
		l := forward.Config{}
		d.presets(reflect.ValueOf(&l).Elem())
		l.Address = "127.0.0.1:24224"
		c.Listeners = []forward.Config{l}
	}
	if len(c.Outputs) == 0 && !d.within("outputs") {
		var archive Output
		d.output(&archive, &node{kind: mapping, entries: []entry{
			{key: "type", value: textNode("file")},
			{key: "path", value: textNode(path.Join(c.Buffer.Path, "archive/{cluster}/%Y-%m-%d.ndjson"))},
		}}, "outputs.archive")
		c.Outputs = map[string]Output{"archive": archive}
	}
	if len(c.Routes) == 0 && !d.within("routes") {
		c.Routes = []route.Config{{Match: []string{"**"}, Outputs: c.OutputNames()}}
	}
}
