package syntax

import (
	"fmt"
	"path/filepath"
	"slices"
)

// Limits of what is read for one configuration, whatever its includes say.
const (
	// MaxFile is the bytes of a file.
	MaxFile = 4 << 20
	// MaxTotal is the bytes of all files.
	MaxTotal = 16 << 20
	MaxFiles = 500
	// MaxDepth is how many files include one another, and sections stand within sections.
	MaxDepth = 16
)

// Files reads the files of a configuration. Read and Glob stand for the file system. The zero value of the rest is
// ready.
type Files struct {
	Read func(path string) ([]byte, error)
	Glob func(pattern string) ([]string, error)
	// Parts are files that came inside others, such as those in a ConfigMap, by their names.
	Parts map[string][]byte

	total, count int
	active       []string
	included     []string
}

// Included returns the files that others included, each once.
func (f *Files) Included() []string { return slices.Compact(slices.Sorted(slices.Values(f.included))) }

// Open reads a file; the caller calls the returned function when it is done with it, until when the file counts as
// being included. The errors are of type *Error, at the place that wants the file.
func (f *Files) Open(path string, at Place) (data []byte, done func(), err error) {
	switch {
	case slices.Contains(f.active, path):
		return nil, nil, &Error{
			at, fmt.Sprintf("%s includes itself, by way of %d files", path, len(f.active)),
			"take one @include out",
		}
	case len(f.active) >= MaxDepth:
		return nil, nil, &Error{
			at, fmt.Sprintf("more than %d files include one another", MaxDepth),
			"include fewer from others",
		}
	case f.count >= MaxFiles:
		return nil, nil, &Error{at, fmt.Sprintf("more than %d files", MaxFiles), "convert them in several runs"}
	}
	data, inside := f.Parts[path]
	if !inside {
		data, inside = f.Parts[filepath.Base(path)]
	}
	if !inside {
		if data, err = f.Read(path); err != nil {
			return nil, nil, &Error{
				at, fmt.Sprintf("%s can't be read: %v", path, err),
				"put the file there, or take the line out",
			}
		}
	}
	if len(data) > MaxFile || f.total+len(data) > MaxTotal {
		return nil, nil, &Error{at, fmt.Sprintf("%s is too large: more than %d MiB, or %d MiB of all files", path,
			MaxFile>>20, MaxTotal>>20), "convert less at once"}
	}
	f.total, f.count = f.total+len(data), f.count+1
	f.active = append(f.active, path)
	return data, func() { f.active = f.active[:len(f.active)-1] }, nil
}

// Match returns the files that an include names, ascending: pattern may have *, ? and [ ], and is below dir where it is
// relative.
func (f *Files) Match(pattern, dir string) []string {
	name := pattern
	if !filepath.IsAbs(name) {
		name = filepath.Join(dir, name)
	}
	var found []string
	for part := range f.Parts {
		if ok, err := filepath.Match(filepath.Base(pattern), filepath.Base(part)); err == nil && ok {
			found = append(found, part)
		}
	}
	if paths, err := f.Glob(name); err == nil {
		found = append(found, paths...)
	}
	slices.Sort(found)
	f.included = append(f.included, found...)
	return found
}
