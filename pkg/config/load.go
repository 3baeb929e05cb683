package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// Options is what the configuration depends on besides its files. Nil fields stand for the process's
// own environment, files and host.
type Options struct {
	LookupEnv func(name string) (value string, set bool)
	// ReadFile also reads what ${file:} names, relative to the working directory.
	ReadFile func(path string) ([]byte, error)
	Hostname func() (string, error)
	// StandIn has values made up for variables that are not set and files that are not there or not readable, for
	// whoever only wants to see what a configuration does. What is made up is no mistake, whatever is expected there.
	StandIn bool
	// Only names the one section that matters, "" for all: of mistakes elsewhere nothing is said, and what else is in
	// the configuration can't be relied on.
	Only string
	// Verify returns what is wrong although the files themselves are right, by keys from the root. It is called with
	// whole false where a mistake was found already: then settings may be missing, and only some of it can be looked
	// at.
	Verify func(c *Config, whole bool) []setting.Problem
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
	// A pipe is opened although nobody writes.
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	// Only read from.
	defer func() { _ = f.Close() }()
	// Nothing else than a pipe takes one, or needs one.
	_ = f.SetReadDeadline(time.Now().Add(maxPipeWait))
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("%s is larger than %d MiB", name, maxFile>>20)
	}
	if info, serr := f.Stat(); err == nil && len(data) == 0 && serr == nil && info.Mode()&os.ModeNamedPipe != 0 {
		err = fmt.Errorf("%s is a pipe into which nobody writes", name)
	}
	return data, err
}

// Paths returns where the configuration is: in the files and directories that were given, else where the environment's
// AGGREGATOR_CONFIG says, else in aggregator.yaml in the working directory. It returns none where none of these is: the
// defaults are meant then.
func Paths(given []string, lookupEnv func(name string) (string, bool)) []string {
	if len(given) > 0 {
		return given
	}
	if path, _ := lookupEnv("AGGREGATOR_CONFIG"); path != "" {
		return []string{path}
	}
	const usual = "aggregator.yaml"
	if _, err := os.Lstat(usual); err == nil {
		return []string{usual}
	}
	return nil
}

// document is one file of a configuration's.
type document struct {
	name string
	data []byte
}

// Load reads the files at paths, of a directory all that end in .yaml by their names, as one configuration: lists go on
// where the file before ended, and a name that two of them give is a mistake. Without paths it returns Defaults. Its
// errors are of type Errors.
func Load(paths []string, o Options) (*Config, error) {
	if len(paths) == 0 {
		return Defaults(o)
	}
	o = o.filled()
	var files []document
	var wrong Errors
	for _, path := range paths {
		names, err := expand(path)
		if err != nil {
			wrong = append(wrong, &Error{
				File: path, Reason: err.Error(), Hint: "-c takes files, or directories of *.yaml files",
			})
		}
		for _, name := range names {
			if slices.ContainsFunc(files, func(f document) bool { return f.name == name }) {
				wrong = append(wrong, &Error{File: name, Reason: "is given twice", Hint: "name it once"})
				continue
			}
			data, err := o.ReadFile(name)
			if err != nil {
				wrong = append(wrong, &Error{File: name, Reason: fmt.Sprintf("can't be read: %v", withoutPath(err))})
			}
			files = append(files, document{name, data})
		}
	}
	if len(wrong) > 0 {
		return nil, wrong
	}
	return read(files, o)
}

// expand returns the files of a directory, and any other path as it is.
func expand(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() {
		return []string{path}, nil //nolint:nilerr // reading it says what is wrong
	}
	// Ascending by name.
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, fmt.Errorf("can't be read: %w", withoutPath(err))
	}
	var names []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".yml") && e.Name()[0] != '.' {
			return nil, fmt.Errorf("%s would not be read: its name does not end in .yaml", e.Name())
		}
		if strings.HasSuffix(e.Name(), ".yaml") && !strings.HasSuffix(e.Name(), ".tests.yaml") && e.Name()[0] != '.' &&
			!e.IsDir() {
			names = append(names, filepath.Join(path, e.Name()))
		}
	}
	if names == nil {
		return nil, errors.New("the directory has no *.yaml file")
	}
	return names, nil
}

// withoutPath takes the path off an error that is shown beside it.
func withoutPath(err error) error {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		return pathErr.Err
	}
	return err
}

// Defaults is the configuration of a program started without a file.
func Defaults(o Options) (*Config, error) { return read([]document{{}}, o) }

// Parse reads a configuration from data; name is the file that errors name. Its errors are of type
// Errors.
func Parse(name string, data []byte, o Options) (*Config, error) {
	return read([]document{{name, data}}, o)
}

// Example returns a configuration that has the smallest output of each of the types, with its defaults.
func Example(types ...string) (*Config, error) {
	text := []byte("outputs:\n")
	for i, name := range types {
		kind, known := outputs.Find(outputKinds(), name)
		if !known {
			return nil, fmt.Errorf("no type of output is named %q", name)
		}
		text = fmt.Appendf(text, "  o%d: {type: %s, %s}\n", i, name, kind.Example)
	}
	return Parse("outputs", text, Options{})
}

// read makes a configuration of its files.
func read(files []document, o Options) (*Config, error) {
	found, warnings := &problems{}, &problems{}
	for _, f := range files {
		found.files = append(found.files, f.name)
	}
	warnings.files = found.files
	r := &reader{
		problems: found,
		interpolator: interpolator{
			options: o.filled(), known: make(map[string]string), standIns: make(map[string]bool),
		},
		active: make(map[*yaml.Node]bool),
	}
	var root *node
	for _, f := range files {
		root = found.merge(root, r.read(f.name, f.data), "")
	}
	c := new(Config)
	d := &decoder{
		problems: found, warnings: warnings, redact: redactor(r.imported),
		parsed: make(map[string]*node), meant: make(map[string]bool),
	}
	d.presets(reflect.ValueOf(c).Elem())
	if root != nil {
		d.structure(reflect.ValueOf(c).Elem(), root, "")
	}
	d.complete(c, root, r.options)
	ch := &checker{c, root, found, warnings}
	ch.check()
	ch.verify(o.Verify)
	errs := found.sorted()
	if o.Only != "" {
		if errs = errs.in(o.Only); len(errs) == 0 {
			return c, nil
		}
	}
	hide := func(text string) string { return withoutLogin(d.redact.Replace(text)) }
	if len(errs) > 0 {
		for i := range errs {
			errs[i].Reason, errs[i].Hint = hide(errs[i].Reason), hide(errs[i].Hint)
		}
		return nil, errs.once()
	}
	for _, w := range warnings.sorted().once() {
		c.Warnings = append(c.Warnings, hide(w.Error()))
	}
	c.Became = d.became(root)
	c.StandIns = slices.Sorted(maps.Keys(r.standIns))
	c.summary = d.redact.Replace(c.summarize())
	return c, nil
}

// withoutLogin takes the user and the password out of addresses that a text repeats.
func withoutLogin(text string) string {
	return regexp.MustCompile(`[^\s"'/@:]+:[^\s"'/@]+@`).ReplaceAllString(text, "…@")
}

// merge returns what two files say together: the second one's lists go on where the first one's end, and mappings have
// the keys of both. Nothing else can be said twice.
func (p *problems) merge(first, second *node, path string) *node {
	switch {
	case first == nil:
		return second
	case second == nil:
		return first
	case first.kind == list && second.kind == list:
		first.items = append(first.items, second.items...)
	case first.kind == mapping && second.kind == mapping:
		for _, e := range second.entries {
			i := slices.IndexFunc(first.entries, func(f entry) bool { return f.key == e.key })
			if i < 0 {
				first.entries = append(first.entries, e)
				continue
			}
			// Sections are put together, and names in them. What is under one name is given in one place.
			if key, at := join(path, e.key), &first.entries[i]; path == "" && bothAre(at.value, e.value) {
				at.value = p.merge(at.value, e.value, key)
			} else {
				p.add(e.place, key, "keep one of them", fmt.Sprintf("it is given at %s already", at.place))
			}
		}
	default:
		p.at(second, path, "write a mapping of sections, such as outputs", "expected a mapping, as in %s", first.file)
	}
	return first
}

// bothAre reports whether both are lists, or both mappings.
func bothAre(a, b *node) bool { return a != nil && b != nil && a.kind == b.kind && a.kind != scalar }
