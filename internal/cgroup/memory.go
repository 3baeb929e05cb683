// Package cgroup reads what Linux lets a process have: the limits of the control groups that it is in, of both
// versions.
package cgroup

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"
	"strconv"
	"strings"
)

// Unlimited is the memory of a process that no group limits.
const Unlimited = math.MaxInt64

// Memory returns how many bytes the groups of this process, and those that these are in, let it have, or Unlimited.
// root is the file system's, os.DirFS("/"). Where there are no control groups, as on other systems, that is no error.
func Memory(root fs.FS) (int64, error) {
	groups, err := memoryGroups(root)
	if err != nil {
		return Unlimited, fmt.Errorf("read the memory limit of the control group: %w", err)
	}
	least := int64(Unlimited)
	for _, g := range groups {
		for dir := g.dir; ; dir = path.Dir(dir) {
			for _, name := range g.files {
				n, err := limit(root, path.Join(dir, name))
				if err != nil {
					return least, fmt.Errorf("read the memory limit of the control group: %w", err)
				}
				least = min(least, n)
			}
			if dir == g.top || dir == "." {
				break
			}
		}
	}
	return least, nil
}

// group is where a hierarchy says what the process may have: in the files of each directory from dir up to top.
type group struct {
	dir, top string
	files    []string
}

// memoryGroups returns the process's place in each hierarchy that limits memory.
func memoryGroups(root fs.FS) ([]group, error) {
	text, err := fs.ReadFile(root, "proc/self/cgroup")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	mounts, err := fs.ReadFile(root, "proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	var groups []group
	// "0::/system.slice/x" or "4:cpu,memory:/docker/x".
	for line := range lines(text) {
		parts := strings.SplitN(line, ":", 3)
		if len(parts) != 3 {
			continue
		}
		kind, files := "cgroup2", []string{"memory.max", "memory.high"}
		if parts[1] != "" {
			kind, files = "cgroup", []string{"memory.limit_in_bytes"}
			if !has(parts[1], "memory") {
				continue
			}
		}
		if top, base, ok := mountOf(mounts, kind); ok {
			groups = append(groups, group{dir: within(top, base, parts[2]), top: top, files: files})
		}
	}
	return groups, nil
}

// mountOf returns where the hierarchy is mounted, relative to the root, and which of its directories that shows.
func mountOf(mounts []byte, kind string) (top, base string, ok bool) {
	// 36 35 98:0 /base /mount/point rw,noatime shared:1 - cgroup cgroup rw,memory.
	for line := range lines(mounts) {
		front, back, found := strings.Cut(line, " - ")
		fields, rest := strings.Fields(front), strings.Fields(back)
		if !found || len(fields) < 5 || len(rest) < 3 || rest[0] != kind ||
			kind == "cgroup" && !has(rest[2], "memory") {
			continue
		}
		return strings.TrimPrefix(path.Clean("/"+unescape(fields[4])), "/"), unescape(fields[3]), true
	}
	return "", "", false
}

// within returns where the group is in what is mounted at top, which shows base of the hierarchy. A group that is not
// shown, as in a container without a name space of its own, is taken for the one that top is.
func within(top, base, group string) string {
	base, group = strings.TrimSuffix(path.Clean("/"+base), "/"), strings.TrimSuffix(path.Clean("/"+group), "/")
	rel, ok := strings.CutPrefix(group, base)
	if !ok || rel != "" && rel[0] != '/' {
		return top
	}
	return path.Join(top, strings.TrimPrefix(rel, "/"))
}

// limit returns what the file says; one that is not there, as in the root group, says nothing.
func limit(root fs.FS, name string) (int64, error) {
	text, err := fs.ReadFile(root, name)
	if errors.Is(err, fs.ErrNotExist) {
		return Unlimited, nil
	}
	if err != nil {
		return Unlimited, err
	}
	word := string(bytes.TrimSpace(text))
	if word == "max" {
		return Unlimited, nil
	}
	n, err := strconv.ParseInt(word, 10, 64)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return Unlimited, nil
	case err != nil || n < 0:
		return Unlimited, fmt.Errorf("/%s says %.40q, which is no number of bytes", name, word)
	case n >= Unlimited&^(1<<16-1):
		// Version 1 writes the largest multiple of a page for no limit.
		return Unlimited, nil
	}
	return n, nil
}

func lines(text []byte) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for s := bufio.NewScanner(bytes.NewReader(text)); s.Scan(); {
			if !yield(s.Text()) {
				return
			}
		}
	}
}

// has reports whether the list, separated by commas, has the word.
func has(list, word string) bool {
	for item := range strings.SplitSeq(list, ",") {
		if item == word {
			return true
		}
	}
	return false
}

// unescape undoes how mountinfo writes white space and backslashes: \040.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
