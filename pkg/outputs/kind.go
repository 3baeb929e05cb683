package outputs

import (
	"crypto/tls"
	"fmt"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// Kind is a type of output: what the program knows of all outputs of that type. Each destination's package has one, and
// package all lists them. Everything else (the configuration and its schema, check, size, try, the documentation) takes
// what it knows of a type from here.
type Kind struct {
	// Name is the value of the key type.
	Name string
	// Summary is one line for people: where events go.
	Summary string
	// NewConfig returns a pointer to settings without any default set.
	NewConfig func() Config
	// New makes an output of settings that NewConfig has made and that have their defaults. It reaches for nothing
	// outside but the files that the settings name. The caller closes the output.
	New func(c Config, d Deps) (Output, error)
	// Example is the settings of the smallest output of the type but for type, as the inside of a YAML mapping in flow
	// style.
	Example string
	// CPUMicros is the processor time in microseconds that an event of 300 bytes takes from the socket to the
	// destination, where the output is the only one; see docs/performance.md.
	CPUMicros float64
	// Needs says in whole sentences what the destination has to bear of a load; nil: nothing is known.
	Needs func(l Load) []string
	// Aliases are what other programs call the type, in lower case, with what to write here.
	Aliases map[string]string
	// Files is how many files on a disk of this machine an output has open at most; 0: it delivers to no disk of this
	// machine.
	Files int
}

// Load is what an output has to deliver.
type Load struct {
	EventsPerSecond float64
	// BytesPerSecond is that of JSON.
	BytesPerSecond float64
	// Clusters counts those that share these equally.
	Clusters int
	Outage   time.Duration
}

// Config is the settings of an output. Each destination's own inlines Common, and its fields have the tags that
// package config decodes by.
type Config interface {
	setting.Checker
	// Base returns the settings that all outputs have, as they were given.
	Base() *Common
	// Settings returns those with the destination's defaults in place of zeros.
	Settings() Common
	// Destination says in some words where events go, for a summary of the configuration; "" where the type says it
	// all. It holds no secret.
	Destination() string
	// Offers returns what says what the output would make of an event, without being made and without reaching for
	// anything. It is for one goroutine. added is what is added to the events of each cluster.
	Offers(added map[string]map[string]string) (func(ev *event.Event) (Offer, error), error)
}

// FileWriter is a Config of an output that writes files of its own.
type FileWriter interface {
	// Files returns the template of the files' names. No two outputs may have the same.
	Files() string
}

// Deps is what an output needs of the program besides its settings.
type Deps struct {
	// Name is that of the output.
	Name string
	// Log names the output.
	Log zerolog.Logger
	Now func() time.Time
	// Hostname is that of this program, as its configuration says.
	Hostname string
	// StateDir is a directory in which the output may keep files whose names begin with its type and Name.
	StateDir string
	// What is added to the events of each cluster, by the cluster's name and the field's.
	Fields map[string]map[string]string
	// TLS reads the certificates of a client and returns the settings for connections to a host. It returns nil, and no
	// error, where set is nil: no TLS. At most one call for each output.
	TLS func(set *setting.ClientTLS) (func(host string) *tls.Config, error)
}

// Base implements Config for the settings that inline c.
func (c *Common) Base() *Common { return c }

// Make returns a Kind's New that makes outputs of settings of type C, a pointer to them.
func Make[C Config](build func(c C, d Deps) (Output, error)) func(Config, Deps) (Output, error) {
	return func(c Config, d Deps) (Output, error) {
		own, ok := c.(C)
		if !ok {
			return nil, fmt.Errorf("make output %s: its settings are of type %T, not of %T", d.Name, c, own)
		}
		return build(own, d)
	}
}

// Find returns the kind of that name, and whether there is one.
func Find(kinds []Kind, name string) (Kind, bool) {
	i := slices.IndexFunc(kinds, func(k Kind) bool { return k.Name == name })
	if i < 0 {
		return Kind{}, false
	}
	return kinds[i], true
}

// Names returns the kinds' names, in their order.
func Names(kinds []Kind) []string {
	all := make([]string, len(kinds))
	for i := range kinds {
		all[i] = kinds[i].Name
	}
	return all
}
