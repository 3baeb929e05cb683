// Package config reads the configuration: one YAML file becomes checked settings with defaults,
// gathered from the Configs that the parts of the program own. It is strict, and reports all
// mistakes of a file at once, each with its place and what to do.
package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"reflect"
	"syscall"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/cluster"
	"github.com/seed-afc6a195/aggregator/pkg/forward"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/cloudwatch"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/elasticsearch"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/file"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/firehose"
	forwardoutput "github.com/seed-afc6a195/aggregator/pkg/outputs/forward"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/kinesis"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/s3"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/stdout"
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
	Unrouted  string                  `yaml:"unrouted" default:"dead_letter" enum:"dead_letter|drop" help:"what becomes of events that no route matches; drop is counted"`
	Outputs   map[string]Output       `yaml:"outputs" help:"named destinations; default: archive, files below the buffer's path"`
	Status    status.Config           `yaml:"status" help:"the HTTP endpoint"`
	Log       Log                     `yaml:"log" help:"the program's own log"`

	ShutdownDelay   time.Duration `yaml:"shutdown_delay" default:"0s" min:"0s" help:"how long a stop waits while /readyz already says no and listeners still accept, so that load balancers look elsewhere first"`
	ShutdownTimeout time.Duration `yaml:"shutdown_timeout" default:"10s" min:"1s" help:"what a stop may take after that; what is not delivered by then is delivered after the next start"`

	// Warnings says what is allowed but hardly meant, in the order of the file.
	Warnings []string `yaml:"-"`

	summary string
}

// Log is the settings of the program's own log.
type Log struct {
	Level  string `yaml:"level" default:"info" enum:"debug|info|warn|error" help:"the least level that is written"`
	Format string `yaml:"format" default:"auto" enum:"auto|console|json" help:"auto: console on a terminal, JSON otherwise"`
}

// Output is one destination.
type Output struct {
	Settings any             // of its type: *file.Config, *stdout.Config, …
	Common   *outputs.Common // the part of Settings that all types have
}

// outputKind is a value of an output's key type.
type outputKind struct {
	name  string
	fresh func() (settings any, common *outputs.Common)
}

func outputKinds() []outputKind {
	return []outputKind{
		{"file", func() (any, *outputs.Common) { c := new(file.Config); return c, &c.Common }},
		{"stdout", func() (any, *outputs.Common) { c := new(stdout.Config); return c, &c.Common }},
		{"elasticsearch", func() (any, *outputs.Common) { c := new(elasticsearch.Config); return c, &c.Common }},
		{"firehose", func() (any, *outputs.Common) { c := new(firehose.Config); return c, &c.Common }},
		{"cloudwatch_logs", func() (any, *outputs.Common) { c := new(cloudwatch.Config); return c, &c.Common }},
		{"forward", func() (any, *outputs.Common) { c := new(forwardoutput.Config); return c, &c.Common }},
		{"kinesis", func() (any, *outputs.Common) { c := new(kinesis.Config); return c, &c.Common }},
		{"s3", func() (any, *outputs.Common) { c := new(s3.Config); return c, &c.Common }},
	}
}

// Options is what the configuration depends on besides the file. Nil fields stand for the process's
// own environment, files and host.
type Options struct {
	LookupEnv func(name string) (value string, set bool)
	ReadFile  func(path string) ([]byte, error) // also reads what ${file:} names, relative to the working directory
	Hostname  func() (string, error)
}

func (o Options) filled() Options {
	if o.LookupEnv == nil {
		o.LookupEnv = os.LookupEnv
	}
	if o.ReadFile == nil {
		o.ReadFile = ReadFile
	}
	if o.Hostname == nil {
		o.Hostname = os.Hostname
	}
	return o
}

// maxPipeWait is how long a pipe may take to give what it holds.
const maxPipeWait = 5 * time.Second

// ReadFile is what Options.ReadFile is by default: it reads a file that is not unreasonably large and ends
// in time, since neither ${file:/dev/zero} nor a pipe into which nobody writes may hold up the program.
func ReadFile(name string) ([]byte, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe is opened although nobody writes
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()                   // only read from
	_ = f.SetReadDeadline(time.Now().Add(maxPipeWait)) // nothing else than a pipe takes one, or needs one
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("%s is larger than %d MiB", name, maxFile>>20)
	}
	if info, serr := f.Stat(); err == nil && len(data) == 0 && serr == nil && info.Mode()&os.ModeNamedPipe != 0 {
		err = fmt.Errorf("%s is a pipe into which nobody writes", name)
	}
	return data, err
}

// Load reads the configuration file at path. Its errors are of type Errors.
func Load(path string, o Options) (*Config, error) {
	o = o.filled()
	data, err := o.ReadFile(path)
	if err != nil {
		var pathErr *os.PathError
		if errors.As(err, &pathErr) {
			err = pathErr.Err
		}
		return nil, Errors{{File: path, Reason: fmt.Sprintf("can't be read: %v", err)}}
	}
	return Parse(path, data, o)
}

// Defaults is the configuration of a program started without a file: an empty one's.
func Defaults(o Options) (*Config, error) { return Parse("", nil, o) }

// Parse reads a configuration from data; name is the file that errors name. Its errors are of type
// Errors.
func Parse(name string, data []byte, o Options) (*Config, error) {
	found := &problems{file: name}
	r := &reader{
		problems:     found,
		interpolator: interpolator{options: o.filled(), known: make(map[string]string)},
		active:       make(map[*yaml.Node]bool),
	}
	root := r.read(data)
	c := new(Config)
	d := &decoder{problems: found, redact: redactor(r.imported), parsed: make(map[string]*node)}
	d.presets(reflect.ValueOf(c).Elem())
	if root != nil {
		d.structure(reflect.ValueOf(c).Elem(), root, "")
	}
	d.complete(c, r.options)
	warnings := &problems{file: name}
	(&checker{c, root, found, warnings}).check()
	if errs := found.sorted(); len(errs) > 0 {
		for i := range errs {
			errs[i].Reason, errs[i].Hint = d.redact.Replace(errs[i].Reason), d.redact.Replace(errs[i].Hint)
		}
		return nil, errs
	}
	for _, w := range warnings.sorted() {
		c.Warnings = append(c.Warnings, d.redact.Replace(w.Error()))
	}
	c.summary = d.redact.Replace(c.summarize())
	return c, nil
}

// complete fills in the defaults that are more than a value.
func (d *decoder) complete(c *Config, o Options) {
	if c.Hostname == "" && !d.within("hostname") {
		name, err := o.Hostname()
		if err != nil {
			d.add(0, 0, "hostname", "set it", fmt.Sprintf("the host's name can't be told: %v", err))
		}
		c.Hostname = name
	}
	if len(c.Listeners) == 0 && !d.within("listeners") {
		l := forward.Config{}
		d.presets(reflect.ValueOf(&l).Elem())
		l.Address = "127.0.0.1:24224"
		c.Listeners = []forward.Config{l}
	}
	if len(c.Outputs) == 0 && !d.within("outputs") {
		archive := &file.Config{}
		d.presets(reflect.ValueOf(archive).Elem())
		archive.Type = "file"
		archive.Path = path.Join(c.Buffer.Path, "archive/{cluster}/%Y-%m-%d.ndjson")
		c.Outputs = map[string]Output{"archive": {archive, &archive.Common}}
	}
	if len(c.Routes) == 0 && !d.within("routes") {
		c.Routes = []route.Config{{Match: []string{"**"}, Outputs: c.OutputNames()}}
	}
}
