// Package convert writes an aggregator's configuration that does what old ones of fluentd or Fluent Bit do. It reads
// them into a flow (package flow), and says of every piece from which line it comes, and of what can't be said why.
package convert

import (
	"bytes"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/seed-afc6a195/aggregator/internal/convert/flow"
	"github.com/seed-afc6a195/aggregator/internal/convert/fluentbit"
	"github.com/seed-afc6a195/aggregator/internal/convert/fluentd"
	"github.com/seed-afc6a195/aggregator/internal/convert/fluentd/conf"
	"github.com/seed-afc6a195/aggregator/internal/convert/operator"
	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
	"github.com/seed-afc6a195/aggregator/internal/convert/syntax"
)

// Options is what a conversion depends on.
type Options struct {
	Read func(path string) ([]byte, error)
	Glob func(pattern string) ([]string, error)
	// SecretsDir is where the new configuration looks for secrets; "" for /etc/aggregator/secrets.
	SecretsDir string
	// From is the dialect of the files, "fluentd" or "fluent-bit"; "" where it is to be told by what is in them.
	From string
}

// File is a file that a conversion makes.
type File struct {
	Name string
	Data []byte
}

// Result is what a conversion makes.
type Result struct {
	// Configuration is aggregator.yaml.
	Configuration []byte
	// Agents is new configurations for agents, for files that agents had.
	Agents []File
	// Samples is events that inputs for trying things out made.
	Samples []flow.Sample
	Notes   *settings.Notes
}

// The dialects.
const (
	Fluentd   = "fluentd"
	FluentBit = "fluent-bit"
)

// Convert reads the files at paths. The error is about files that can't be read at all; what can't be said of them is
// in the result's notes.
func Convert(paths []string, o Options) (*Result, error) {
	notes := &settings.Notes{SecretsDir: o.SecretsDir}
	files := &syntax.Files{Read: o.Read, Glob: o.Glob}
	resources := &operator.Reader{}
	given := len(paths)
	paths = slices.DeleteFunc(paths, func(path string) bool {
		if ext := filepath.Ext(path); ext != ".yaml" && ext != ".yml" || o.From != "" {
			return false
		}
		data, err := files.Read(path)
		return err == nil && len(data) <= syntax.MaxFile && resources.Add(path, data)
	})
	paths = unpack(files, paths)
	var olds []*flow.Old
	var wrong []error
	byDialect := map[string][]string{}
	empty := 0
	for _, path := range paths {
		dialect := o.From
		if dialect == "" {
			var err error
			if dialect, err = dialectOf(files, path); err != nil {
				wrong = append(wrong, err)
				continue
			}
		}
		if dialect == "" {
			empty++
			continue
		}
		byDialect[dialect] = append(byDialect[dialect], path)
	}
	if empty > 0 && empty == given {
		wrong = append(wrong, &syntax.Error{
			At: syntax.Place{File: paths[0]}, Reason: "there is nothing in it but comments",
			Hint: "name a file of fluentd or Fluent Bit",
		})
	}
	if ps := byDialect[Fluentd]; ps != nil {
		more, errs := readFluentd(files, ps, notes)
		olds, wrong = append(olds, more...), append(wrong, errs...)
	}
	if ps := byDialect[FluentBit]; ps != nil {
		more, errs := readFluentBit(files, ps, notes)
		olds, wrong = append(olds, more...), append(wrong, errs...)
	}
	if len(wrong) > 0 {
		return nil, joinErrors(wrong)
	}
	made := resources.Files(notes)
	if made.Bit != nil {
		olds = append(olds, fluentbit.Convert(made.Bit, made.Bit.Parsers(), notes))
	}
	if made.Fluentd != nil {
		olds = append(olds, fluentd.Convert(made.Fluentd, notes))
	}
	b := &builder{notes: notes, olds: olds}
	return b.build()
}

// mistakes is several errors, one a line.
type mistakes []error

func (m mistakes) Error() string {
	lines := make([]string, len(m))
	for i, err := range m {
		lines[i] = err.Error()
	}
	return strings.Join(lines, "\n")
}

func (m mistakes) Unwrap() []error { return m }

func joinErrors(errs []error) error { return mistakes(errs) }

// dialectOf tells by what is in a file whose it is; "" where nothing is.
func dialectOf(files *syntax.Files, path string) (string, error) {
	data, inside := files.Parts[path]
	if !inside {
		var err error
		if data, err = files.Read(path); err != nil {
			return "", &syntax.Error{
				At: syntax.Place{File: path}, Reason: "can't be read: " + err.Error(),
				Hint: "name a file of fluentd or Fluent Bit",
			}
		}
	}
	if !regexp.MustCompile(`(?m)^\s*[^\s#]`).Match(bytes.TrimPrefix(data, []byte("\ufeff"))) {
		return "", nil
	}
	if ext := filepath.Ext(path); ext == ".yaml" || ext == ".yml" {
		if regexp.MustCompile(`(?m)^config:\s*$`).Match(data) &&
			regexp.MustCompile(`(?m)^\s*-\s+(?:source|match|filter|label|worker):`).Match(data) {
			return Fluentd, nil
		}
		return FluentBit, nil
	}
	for line := range strings.SplitSeq(string(bytes.TrimPrefix(data, []byte("\ufeff"))), "\n") {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '<':
			return Fluentd, nil
		case line[0] == '[':
			return FluentBit, nil
		case strings.HasPrefix(line, "@include") || strings.HasPrefix(line, "include "):
			// Fluent Bit's is in capitals as a rule, but need not be.
			if regexp.MustCompile(`(?m)^\s*\[[A-Za-z_]+\]\s*$`).Match(data) &&
				!regexp.MustCompile(`(?m)^\s*</\w+>\s*$`).Match(data) {
				return FluentBit, nil
			}
			return Fluentd, nil
		case strings.HasPrefix(line, "@INCLUDE") || strings.HasPrefix(strings.ToUpper(line), "@SET"):
			return FluentBit, nil
		case regexp.MustCompile(`(?m)^\s*<(source|match|filter|label|system)\b`).Match(data):
			return Fluentd, nil
		default:
			return "", &syntax.Error{
				At: syntax.Place{File: path},
				Reason: fmt.Sprintf("it is neither fluentd's nor Fluent Bit's: %.60q",
					line), Hint: "name a file with <source>, <match> or [INPUT], [OUTPUT], or say --from",
			}
		}
	}
	return Fluentd, nil
}

// readFluentd reads files of fluentd. Those that are whole, with inputs and outputs, are a configuration each; else all
// are one.
func readFluentd(files *syntax.Files, paths []string, notes *settings.Notes) (olds []*flow.Old, wrong []error) {
	var roots []*syntax.Section
	whole := 0
	for _, path := range paths {
		root, missing, err := conf.Parse(files, path)
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		for _, m := range missing {
			notes.Lose(m.At, m.Reason, "", m.Hint)
		}
		if len(root.Children("source")) > 0 && (len(root.Children("match")) > 0 || len(root.Children("label")) > 0) {
			whole++
		}
		roots = append(roots, root)
	}
	roots = notIncluded(files, roots)
	if whole < 2 && len(roots) > 1 {
		all := &syntax.Section{At: roots[0].At}
		for _, r := range roots {
			all.Sections = append(all.Sections, r.Sections...)
			all.Entries = append(all.Entries, r.Entries...)
		}
		roots = []*syntax.Section{all}
	}
	for _, root := range roots {
		olds = append(olds, fluentd.Convert(root, notes))
	}
	return olds, wrong
}

// notIncluded leaves out files that others have included.
func notIncluded(files *syntax.Files, roots []*syntax.Section) []*syntax.Section {
	included := files.Included()
	return slices.DeleteFunc(slices.Clone(roots), func(r *syntax.Section) bool {
		return slices.ContainsFunc(included,
			func(path string) bool { return filepath.Clean(path) == filepath.Clean(r.At.File) })
	})
}

// readFluentBit reads files of Fluent Bit, in the same way.
func readFluentBit(files *syntax.Files, paths []string, notes *settings.Notes) (olds []*flow.Old, wrong []error) {
	var all []*fluentbit.File
	for _, path := range paths {
		file, err := fluentbit.Parse(files, path)
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		file.Path = path
		all = append(all, file)
	}
	// Those that others include are known once all are read, whatever their order.
	included := files.Included()
	all = slices.DeleteFunc(all, func(f *fluentbit.File) bool {
		return slices.Contains(included,
			filepath.Clean(f.Path))
	})
	whole := 0
	for _, f := range all {
		for _, m := range f.Missing {
			notes.Lose(m.At, m.Reason, "", m.Hint)
		}
		if f.Has("input") && f.Has("output") {
			whole++
		}
	}
	if whole < 2 && len(all) > 1 {
		one := &fluentbit.File{Path: all[0].Path}
		for _, f := range all {
			one.Sections = append(one.Sections, f.Sections...)
			for name, servers := range f.Servers {
				if one.Servers == nil {
					one.Servers = map[string][]*syntax.Section{}
				}
				one.Servers[name] = servers
			}
			if f.Has("input") || f.Has("output") {
				one.Path = f.Path
			}
		}
		all = []*fluentbit.File{one}
	}
	// Parsers may be in files of their own.
	var parsers []*syntax.Section
	for _, f := range all {
		parsers = append(parsers, f.Parsers()...)
	}
	for _, f := range all {
		if whole > 1 && !f.Has("input") && !f.Has("output") {
			continue
		}
		olds = append(olds, fluentbit.Convert(f, parsers, notes))
	}
	return olds, wrong
}
